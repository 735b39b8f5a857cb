"""The cell's time: the host's clocks, or in a rehearsal simulated time that runs a factor faster."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import final

from archipel.controller.facts import Instant
from archipel.field.cell_file import ClockTable


@final
@dataclass(frozen=True, slots=True)
class CellClock:
    """Gives the time on both clocks of a cell.

    In a rehearsal both are one, read from the host's monotonic clock: between two readings of two clocks a busy host
    may pause for a tenth of a second, and a factor would make that a step of many.
    """

    table: ClockTable | None = None
    _began: tuple[datetime, float] = field(default_factory=lambda: (wall(), time.monotonic()))

    @property
    def factor(self) -> float:
        """Seconds of the cell's time per second of the wall."""
        return 1.0 if self.table is None else self.table.factor

    def now(self) -> Instant:
        """UTC and monotonic time of the cell."""
        if self.table is None:
            return Instant(wall(), time.monotonic())
        at, since_s = self._began
        mono_s = time.monotonic()
        return Instant(self.utc(at + timedelta(seconds=mono_s - since_s)), mono_s * self.factor)

    def mono_s(self) -> float:
        """Seconds that never step, in the cell's time."""
        return time.monotonic() * self.factor

    def utc(self, at: datetime) -> datetime:
        """The cell's UTC when the wall says `at`."""
        if self.table is None:
            return at
        return self.table.start + timedelta(seconds=(at - self.table.wall_start).total_seconds() * self.table.factor)


def wall() -> datetime:
    """UTC of the host."""
    return datetime.now(UTC)
