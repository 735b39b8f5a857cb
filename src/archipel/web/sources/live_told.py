"""What happened in a running system, for who asks what is new: commands, cards, the span."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any, final

import msgspec

from archipel.web.nouns import Card, CommandState, Happening, Span

MOST = 1000
"""Happenings that are kept."""


@final
class Told:
    """Numbers what happens; safe from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: deque[Happening] = deque(maxlen=MOST)
        self._next = 1

    def command(self, state: CommandState) -> None:
        """A command went on."""
        self._put("command", state)

    def card(self, card: Card) -> None:
        """A card is new, or has changed."""
        self._put("card", card)

    def span(self, span: Span) -> None:
        """The time that can be shown has changed its kind: it has ended, or has begun again."""
        self._put("span", span)

    def since(self, after: int) -> list[Happening]:
        """What has a higher number, oldest first."""
        with self._lock:
            return [one for one in self._kept if one.id > after]

    def _put(self, kind: Any, body: Any) -> None:
        plain = msgspec.to_builtins(body)
        with self._lock:
            self._kept.append(Happening(id=self._next, kind=kind, body=plain))
            self._next += 1
