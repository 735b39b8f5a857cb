"""A running system as a source: the rehearsal that `archipel up` started, as it is and as it was.

world process  --telemetry.bin-->  frames        cells  --/status, journals-->  levels, agreements, beliefs, cards
commands  -->  archipel.field.operator, archipel.field.disarm, archipel.local.processes; nothing else is written
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import final

from archipel.web.area_of import area_of
from archipel.web.nouns import (
    Act,
    Agreements,
    Area,
    Belief,
    Card,
    Command,
    CommandState,
    Happening,
    RunInfo,
    Score,
    Selection,
    Series,
    Span,
    Why,
)
from archipel.web.source import CommandRefused, Frame, NotShown
from archipel.web.sources.live_commands import Desk
from archipel.web.sources.live_frames import LiveFrames
from archipel.web.sources.live_told import Told
from archipel.web.sources.live_world import LiveWorld

NAME = "rehearsal"
"""The one strategy."""
ACTS: tuple[Act, ...] = (
    "arm", "disarm", "default", "tag", "untag", "limit", "hold", "free", "kill", "start", "acknowledge",
)  # fmt: skip
SWITCHING: tuple[Act, ...] = ("island", "rejoin")
"""Only where a cell has a switch to the main grid."""
KEPT = 1200
"""Frames held in memory."""
FIRST_S = 10.0
"""How long a source waits for the first moment."""


def open_live(folder: str | Path = "runs/up") -> LiveSource:
    """A running rehearsal as a source; `close` it. Raises `RehearsalError` where there is none."""
    return LiveSource(LiveWorld(Path(folder)))


@final
class LiveSource:
    """A `Source` that shows one rehearsal."""

    def __init__(self, world: LiveWorld) -> None:
        self.world, self._frames = world, LiveFrames(world.scenario)
        self._lock, self._end = Lock(), Event()
        self._kept: deque[Frame] = deque(maxlen=KEPT)
        world.wait_for_physics(FIRST_S)
        self._take()
        switched = any(file.switch is not None for file in world.files.values())
        acts = (*ACTS, *(SWITCHING if switched else ()))
        self._area = area_of(world.scenario, "live", self.span(), [NAME], acts)
        self._told = Told()
        self._desk = Desk(world, acts, self._told.command)
        self._thread = Thread(target=self._watch, name="frames", daemon=True)
        self._thread.start()

    def area(self) -> Area:
        """Everything that does not change."""
        return self._area

    def span(self) -> Span:
        """From the start of the rehearsal to the newest frame."""
        with self._lock:
            end = self._kept[-1].time if self._kept else self.world.clock.start
        factor = self.world.clock.factor
        return Span(start=self.world.clock.start, end=end, step_s=self.world.step_s, live=True, factor=factor)

    def latest(self) -> Frame | None:
        """The newest frame; None before the world has moved."""
        with self._lock:
            return self._kept[-1] if self._kept else None

    def frame(self, strategy: str, time: datetime) -> Frame:
        """The frame in force at a time. Raises `NotShown` outside what is kept."""
        self._strategy(strategy)
        with self._lock:
            kept = list(self._kept)
        found = next((one for one in reversed(kept) if one.time <= time), None)
        if found is None:
            raise NotShown(f"{time:%Y-%m-%d %H:%M:%S}: found no frame of that time; see /api/v1/span.")
        return found

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element; at most 5,000 points, means where there would be more. Raises `NotShown`."""
        raise NotShown("series of a running system: not yet")

    def agreements(self, strategy: str, time: datetime | None) -> Agreements:
        """Who agreed what."""
        raise NotShown("agreements of a running system: not yet")

    def belief(self, strategy: str, cell: str, time: datetime | None) -> Belief:
        """What a cell believed then, beside what was true. Raises `NotShown`."""
        raise NotShown("beliefs in a running system: not yet")

    def why(self, strategy: str, subject: str, element: str, time: datetime | None) -> Why:
        """Why a setpoint, a price or a refusal is what it is."""
        raise NotShown("reasons in a running system: not yet")

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the 24 h before, newest first."""
        return []

    def score(self) -> Score | None:
        """None: one life only."""
        return None

    def runs(self) -> list[RunInfo]:
        """None."""
        return []

    def happened(self, after: int) -> list[Happening]:
        """What happened since the happening with that id."""
        return self._told.since(after)

    def select(self, command: Command, who: str) -> Selection:
        """Predict what a switching would do."""
        raise CommandRefused(f"{command.act}: not yet")

    def carry_out(self, command: Command, who: str) -> CommandState:
        """Give a command to the cell it is for, and wait for its answer. Raises `CommandRefused`."""
        return self._desk.carry_out(command, who)

    def commands(self) -> list[CommandState]:
        """The newest commands, newest first."""
        return self._desk.states()

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()
        self._desk.close()
        self.world.close()

    def _watch(self) -> None:
        while not self._end.is_set():
            self._take()
            self._end.wait(0.1)

    def _take(self) -> None:
        """Make a frame of the newest moment, once."""
        seen = self.world.seen
        if seen is None or (self._kept and self._kept[-1].seq == seen.seq):
            return
        frame = self._frames.frame(seen, self.world.knowledge.all(), {})
        with self._lock:
            self._kept.append(frame)

    def _strategy(self, name: str) -> str:
        if name not in {"", NAME}:
            raise NotShown(f"strategy {name}: found none; expected {NAME}")
        return NAME
