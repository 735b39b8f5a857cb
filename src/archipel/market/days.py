"""Days of delivery: local days have 92, 96 or 100 quarter hours."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import numpy as np

from archipel.model import Ints

QUARTER = timedelta(minutes=15)


def delivery_days(start: datetime, quarters: int, zone: tzinfo) -> Ints:
    """For every quarter hour from `start` the number of its local day, the first being 0, shape (quarters,).

    A day on which clocks go forward has 92 quarter hours, one on which they go back 100.

    Raises:
        ValueError: `start` has no zone.
    """
    if start.tzinfo is None:
        raise ValueError(f"found the start {start} without a zone; expected UTC")
    day = [(start + k * QUARTER).astimezone(zone).toordinal() for k in range(quarters)]
    return np.asarray(np.array(day, dtype=np.int64) - (day[0] if day else 0))
