"""The intervals a schedule is made for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

import numpy as np

from archipel.model.grid import Floats, Ints

STEP_MINUTES = 15


@final
@dataclass(frozen=True, slots=True, eq=False)
class Horizon:
    """Consecutive intervals from `start`; each a whole number of 15-minute steps."""

    start: datetime
    steps: Ints
    """Length of every interval in 15-minute steps, shape (T,)."""

    @property
    def dt_h(self) -> Floats:
        """Length of every interval [h], shape (T,)."""
        return np.asarray(self.steps * (STEP_MINUTES / 60.0), dtype=np.float64)

    @property
    def first(self) -> Ints:
        """Offset of the first 15-minute step of every interval, shape (T,)."""
        return np.concatenate([[0], np.cumsum(self.steps)[:-1]]).astype(np.int64)

    def mean(self, quarter: Floats) -> Floats:
        """Interval means of a quarter-hourly series of shape (..., sum(steps))."""
        sums = np.add.reduceat(quarter, self.first, axis=-1)
        return np.asarray(sums / self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @staticmethod
    def multi_rate(start: datetime, near: int, far: int, hours: int = 24, coarse_after_h: int = 10) -> Horizon:
        """`near` quarter hours, then intervals of `far` quarter hours, from `coarse_after_h` on twice as long.

        Until `hours` are covered; the last interval may be shorter. What is far is planned again long before it comes.
        """
        if start.tzinfo is None:
            raise ValueError("a horizon starts at a timezone-aware time")
        total = hours * 4
        steps = [1] * near
        while (done := sum(steps)) < total:
            steps.append(min(far if done < 4 * coarse_after_h else 2 * far, total - done))
        return Horizon(start.astimezone(UTC), np.array(steps, dtype=np.int64))

    @staticmethod
    def stretched(start: datetime, hours: int) -> Horizon:
        """Six hours, then as often three, six and twelve hours at a time, until `hours` are covered.

        For plans that look days ahead; the last interval may be shorter.
        """
        if start.tzinfo is None:
            raise ValueError("a horizon starts at a timezone-aware time")
        total, steps = hours * 4, [4] * 6
        while (done := sum(steps)) < total:
            length = 12 if done < 96 else 24 if done < 192 else 48
            steps.append(min(length, total - done))
        return Horizon(start.astimezone(UTC), np.array(steps, dtype=np.int64))

    def at(self, t: int) -> datetime:
        """Start of interval `t`."""
        return self.start + timedelta(minutes=STEP_MINUTES * int(self.first[t]))
