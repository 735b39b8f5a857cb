"""The local clock of a series: people rise, cook and drive by it, series are kept in UTC.

All of adoption lives on the clock of Central Europe, wherever the network is: standard profiles, sun and prices are
from there, and a day of one place is not mixed with the sun of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import final
from zoneinfo import ZoneInfo

import numpy as np

from archipel.model import Ints

ZONE = ZoneInfo("Europe/Berlin")


@final
@dataclass(frozen=True, slots=True, eq=False)
class LocalClock:
    """The local calendar of every quarter hour of a series, shape (rows,) each."""

    start: datetime
    """First quarter hour, UTC."""
    quarter: Ints
    """Quarter hour of the local day, 0 to 95."""
    day: Ints
    """Local day, counted from that of the first row."""
    days: tuple[date, ...]
    """The local days, in order."""

    def __len__(self) -> int:
        return len(self.quarter)

    def midnights(self) -> Ints:
        """Row at which every local day begins, one more than there are days; negative before the series."""
        first = [datetime.combine(day, datetime.min.time(), ZONE) for day in (*self.days, _next(self.days[-1]))]
        return np.array([round((t.astimezone(UTC) - self.start).total_seconds() / 900.0) for t in first])


def local_clock(start: datetime, rows: int) -> LocalClock:
    """The local calendar of `rows` quarter hours from `start` (UTC)."""
    begin, past = divmod(int(start.timestamp()), 3600)
    skip = past // 900
    # The offset is whole hours and changes on full hours: one look per hour is enough.
    hours = [datetime.fromtimestamp(3600 * (begin + k), ZONE) for k in range((skip + rows) // 4 + 1)]
    quarter = (4 * np.array([t.hour for t in hours], dtype=np.int64)[:, None] + np.arange(4)).ravel()
    ordinals = np.repeat(np.array([t.toordinal() for t in hours], dtype=np.int64), 4)[skip : skip + rows]
    quarter = quarter[skip : skip + rows]
    first = int(ordinals[0])
    days = tuple(date.fromordinal(k) for k in range(first, int(ordinals[-1]) + 1))
    return LocalClock(start, quarter, ordinals - first, days)


def _next(day: date) -> date:
    return day + timedelta(days=1)
