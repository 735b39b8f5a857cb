"""Market days in a zone: their quarter hours, hours and 4-hour blocks, right also when the clocks change.

    local  00 01 02=>03 04 ...      spring: 23 h,  92 quarter hours, first block 3 h
    local  00 01 02 02 03 04 ...    autumn: 25 h, 100 quarter hours, first block 5 h

Quarter hours and hours are counted from local midnight in time that passes; blocks are cut by the local clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal, final
from zoneinfo import ZoneInfo

import numpy as np

from archipel.model import Floats

Resolution = Literal["quarter_hour", "hour", "block"]
"""Length of a product: 15 min, 60 min, or 4 h of the local clock."""
BLOCK_H = 4
"""Hours of a block of reserve (FCR cooperation since 1 July 2020: six products a day)."""
EUROPE = "Europe/Berlin"
"""Zone of the market day of the coupled European auctions (CET/CEST)."""


@final
@dataclass(frozen=True, slots=True)
class MarketDay:
    """One calendar day of a zone."""

    date: date
    zone: str = EUROPE

    def __post_init__(self) -> None:
        """Refuse what is no zone, before anything is sold by it."""
        zone_of(self.zone)

    @property
    def start(self) -> datetime:
        """First instant of the day, UTC."""
        return self._local(0)

    @property
    def end(self) -> datetime:
        """First instant of the next day, UTC."""
        return self._local(24)

    def edges(self, resolution: Resolution) -> tuple[datetime, ...]:
        """Boundaries of all n intervals, UTC, n + 1 of them: 93, 97 or 101 for quarter hours."""
        if resolution == "block":
            return tuple(self._local(hour) for hour in range(0, 25, BLOCK_H))
        length = timedelta(minutes=15 if resolution == "quarter_hour" else 60)
        start, end = self.start, self.end
        count = -((start - end) // length)  # where clocks move by half an hour the last one is cut short
        return (*(start + i * length for i in range(count)), end)

    def _local(self, hour: int) -> datetime:
        """The first instant at which the local clock shows `hour` or more."""
        midnight = datetime.combine(self.date + timedelta(days=hour // 24), time(hour % 24))
        return midnight.replace(tzinfo=zone_of(self.zone)).astimezone(UTC)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        why = f"zone {name!r}: found no such time zone; expected a name such as Europe/Berlin. Correct the name."
        raise ValueError(why) from error


def hours(edges: tuple[datetime, ...]) -> Floats:
    """Length of every interval between `edges` [h], shape (len(edges) - 1,)."""
    return np.array([(b - a) / timedelta(hours=1) for a, b in pairwise(edges)])
