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
    _zero_s: float = field(init=False)
    """What the monotonic clock showed, or would have shown, at the rehearsal's start."""

    def __post_init__(self) -> None:
        since_s = 0.0 if self.table is None else (wall() - self.table.wall_start).total_seconds()
        object.__setattr__(self, "_zero_s", time.monotonic() - since_s)

    @property
    def factor(self) -> float:
        """Seconds of the cell's time per second of the wall."""
        return 1.0 if self.table is None else self.table.factor

    def now(self) -> Instant:
        """UTC and monotonic time of the cell."""
        if self.table is None:
            return Instant(wall(), time.monotonic())
        mono_s = time.monotonic()
        utc = self.table.start + timedelta(seconds=(mono_s - self._zero_s) * self.factor)
        return Instant(utc, mono_s * self.factor)

    def mono_s(self) -> float:
        """Seconds that never step, in the cell's time."""
        return time.monotonic() * self.factor


def wall() -> datetime:
    """UTC of the host."""
    return datetime.now(UTC)
