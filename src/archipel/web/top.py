"""`archipel top`: watch an area in a terminal, and walk through its past with the keyboard."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import final

from rich.console import Console
from rich.live import Live

from archipel.web.glance import Glance, Looked, look
from archipel.web.nouns import Span
from archipel.web.terminal import Picture

DRAWN_EVERY_S = 0.2
STEPS_PER_S = 4.0
"""Of a replay that plays by itself."""
PAGE_LINES = 10
KEYS = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left", "\x1b[5~": "page up", "\x1b[6~": "page down",
    "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x1bOA": "up", "\x1bOB": "down",
    "\x1bOC": "right", "\x1bOD": "left", "\x1bOH": "home", "\x1bOF": "end", " ": "space", "\x03": "q", "\x04": "q",
}  # fmt: skip
"""What terminals send for keys that are no letters."""
HELP = "q quit   space play or pause   ←→ a step   ⇞⇟ an hour   home start   end now   ↑↓ cells   s strategy"
HELP_ASCII = "q quit  space play/pause  left/right a step  PgUp/PgDn an hour  home start  end now  up/down cells"


@final
class Watch:
    """What is looked at, and what keys change of it."""

    def __init__(self, seen: Looked, *, strategy: str = "", time: datetime | None = None) -> None:
        self.seen, self.strategy, self.time = seen, strategy, time
        self.playing, self.over, self.first = False, False, 0
        self._strategies, self._cells = seen.area().strategies, len(seen.area().cells)

    def press(self, key: str) -> None:
        """Do what a key asks for; other keys do nothing."""
        span = self.seen.span()
        step, hour = timedelta(seconds=span.step_s), timedelta(hours=1)
        moves = {"left": -step, "right": step, "page up": -hour, "page down": hour}
        scrolls = {"up": -1, "down": 1, "<": -PAGE_LINES, ">": PAGE_LINES}
        if key == "q":
            self.over = True
        elif key in moves:
            self._go(span, moves[key])
        elif key in scrolls:
            self.first = min(max(0, self.first + scrolls[key]), max(0, self._cells - 1))
        elif key == "home":
            self.time, self.playing = span.start, False
        elif key == "end":
            self.time, self.playing = None if span.live else span.end, False
        elif key == "space":
            self._play(span)
        elif key == "s" and len(self._strategies) > 1:
            now = self.strategy or self._strategies[0]
            self.strategy = self._strategies[(self._strategies.index(now) + 1) % len(self._strategies)]

    def _go(self, span: Span, by: timedelta) -> None:
        there = (self.time if self.time is not None else span.end) + by
        self.playing = False
        # beyond the end of what is live there is only now
        self.time = None if span.live and there >= span.end else min(max(there, span.start), span.end)

    def _play(self, span: Span) -> None:
        if self.time is None and span.live:
            self.time = span.end  # hold the picture
            return
        if not self.playing and (self.time is None or self.time >= span.end):
            self.time = span.start
        self.playing = not self.playing

    def passes(self, seconds: float) -> None:
        """Let wall time pass: what plays moves on, and ends at the end."""
        if not self.playing or self.time is None:
            return
        span = self.seen.span()
        self.time += timedelta(seconds=span.step_s * STEPS_PER_S * seconds)
        if self.time >= span.end:
            self.time, self.playing = None if span.live else span.end, False

    def glance(self) -> Glance:
        """What is to be seen at present."""
        return look(self.seen, self.strategy, self.time)


def watch(seen: Looked, *, strategy: str = "", time: datetime | None = None, console: Console | None = None) -> None:
    """Show an area in the terminal until q is pressed."""
    console = console if console is not None else Console()
    watched = Watch(seen, strategy=strategy, time=time)
    keys = HELP_ASCII if console.options.ascii_only else HELP
    with _one_key_at_a_time(), Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live:
        while not watched.over:
            began = _clock()
            live.update(Picture(watched.glance(), room=console.height, first=watched.first, keys=keys), refresh=True)
            for key in keys_within(DRAWN_EVERY_S):
                watched.press(key)
            watched.passes(_clock() - began)


def show(seen: Looked, *, strategy: str = "", time: datetime | None = None, console: Console | None = None) -> Glance:
    """Print one moment and leave it there; returns what was printed."""
    console = console if console is not None else Console()
    glance = look(seen, strategy, time)
    console.print(Picture(glance))
    return glance


def _clock() -> float:
    return time.monotonic()


@contextmanager
def _one_key_at_a_time() -> Iterator[None]:
    """Keys come as they are pressed and are not shown; the terminal is as before in the end, whatever happens."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def keys_within(seconds: float) -> list[str]:
    """Keys pressed within some time; returns at once when there are some."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if not ready:
        return []
    data = os.read(sys.stdin.fileno(), 1024)
    return keys_in(data.decode("utf-8", "replace")) if data else ["q"]


def keys_in(text: str) -> list[str]:
    """Names of the keys that sent some text."""
    found = []
    while text:
        code = next((code for code in KEYS if text.startswith(code)), text[0])
        found.append(KEYS.get(code, code))
        text = text[len(code) :]
    return found
