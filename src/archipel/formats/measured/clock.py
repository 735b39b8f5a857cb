"""From a local clock, changed for daylight saving or not, to UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, final
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from archipel.formats.findings import did_you_mean
from archipel.formats.measured.stamps import DAY, NONE, SECOND, backwards, offset_us
from archipel.model import Bools, Ints


class UnknownZone(ValueError):
    """No zone of that name."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """A zone over some years as stretches of constant offset."""

    local_begin: Ints
    local_end: Ints
    """Of every stretch, on its own clock [us]."""
    offset: Ints
    """Ahead of UTC [us]."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Instants:
    """Stamps of a local clock in UTC."""

    utc: Ints
    """[us]; NONE where the stamp exists on no clock."""
    missing: Bools
    """Stamps in the hour that the clock skips in spring."""
    twofold: Bools
    """Stamps in the hour that the clock shows twice in autumn."""


def changes(zone: str, first: int, last: int) -> Changes:
    """A zone (`Europe/Berlin`, `+01:00`, `UTC-07:00`) from `first` to `last` [us]. Raises UnknownZone."""
    years = range(1970 + int(first // (365.2425 * DAY)) - 1, 1970 + int(last // (365.2425 * DAY)) + 2)
    return _stretches(zone, years[0], years[-1])


@lru_cache(maxsize=32)
def _stretches(zone: str, first: int, last: int) -> Changes:
    far = np.array([4 * 10**17], dtype=np.int64)
    zone = re.sub(r"^(?i:UTC|GMT)(?=[+-])", "", zone)  # `UTC-07:00`: a bare minus would look like an option
    if zone.upper() in {"UTC", "Z", "GMT"} or re.fullmatch(r"[+-]\d{2}:?\d{2}", zone):
        offset = 0 if zone[0] not in "+-" else offset_us(zone)
        return Changes(-far, far, np.array([offset]))
    try:
        tz = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise UnknownZone(did_you_mean(zone, available_timezones())) from None
    begin, offsets = [-int(far[0])], []
    day, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 2, tzinfo=UTC)
    offset = _offset(day, tz)
    while day < end:
        following = day + timedelta(days=1)
        new = _offset(following, tz)
        if new != offset:
            low, high = day, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
                low, high = (middle, high) if _offset(middle, tz) == offset else (low, middle)
            offsets.append(offset)
            begin.append(int(high.timestamp()) * SECOND)
            offset = new
        day = following
    shift = np.array([*offsets, offset], dtype=np.int64)
    start = np.array(begin, dtype=np.int64)
    return Changes(start + shift, np.append(start[1:], far) + shift, shift)


def _offset(moment: datetime, tz: ZoneInfo) -> int:
    return int((moment.astimezone(tz).utcoffset() or timedelta(0)).total_seconds()) * SECOND


def to_instants(clock: Ints, zone: str, label_end: bool, meter: NDArray[Any] | None = None) -> Instants:
    """UTC of stamps in the order of the file; `meter` is the meter of every row, None where all share the stamps.

    A stamp in the doubled hour belongs to summer time until the stamps go back or the same one comes again, then to
    winter time. Where stamps name the end of an interval, the moment of the change may be written either way; the
    reading with fewer stamps that cannot be is taken. Raises UnknownZone.
    """
    there = clock[clock != NONE]
    if not len(there):
        nothing = np.zeros(len(clock), dtype=bool)
        return Instants(clock, nothing, nothing)
    table = changes(zone, int(there.min()), int(there.max()))
    found = _instants(clock, table, meter)
    if not label_end or (not found.missing.any() and not found.twofold.any()):
        return found
    early = _instants(np.where(clock == NONE, NONE, clock - SECOND), table, meter)
    early = Instants(np.where(early.utc == NONE, NONE, early.utc + SECOND), early.missing, early.twofold)
    rows = slice(None) if meter is None else np.flatnonzero(meter == meter[0])
    return early if _odd(early, rows) < _odd(found, rows) else found


def _odd(one: Instants, rows: Any) -> int:
    there = one.utc[rows]
    there = there[there != NONE]
    return int(one.missing[rows].sum()) + len(there) - len(np.unique(there)) + len(np.unique(np.diff(np.unique(there))))


def _instants(clock: Ints, table: Changes, meter: NDArray[Any] | None) -> Instants:
    real = clock != NONE
    first = np.searchsorted(table.local_end, clock, side="right")
    first = np.minimum(first, len(table.offset) - 1)
    last = np.maximum(np.searchsorted(table.local_begin, clock, side="right") - 1, 0)
    missing = real & (table.local_begin[first] > clock)
    twofold = real & (last > first)
    chosen = first.copy()
    for change in np.unique(first[twofold]):
        every = np.flatnonzero(twofold & (first == change))
        if meter is not None:
            every = every[np.argsort(meter[every], kind="stable")]
        cuts = np.flatnonzero(np.diff(meter[every])) + 1 if meter is not None else np.zeros(0, dtype=np.int64)
        for rows in np.split(every, cuts):
            back = backwards(clock[rows])
            again = np.ones(len(rows), dtype=bool)
            again[np.unique(clock[rows], return_index=True)[1]] = False
            later = np.cumsum(back) > 0 if back.any() else again
            alone = meter is not None and len(np.unique(meter[max(rows[0] - 1, 0) : rows[-1] + 2])) > 1
            if not later.any() and not alone and _late_is_more_even(clock, rows, table, int(change)):
                later[:] = True  # a long step passes the doubled hour with one stamp
            chosen[rows[later]] = last[rows[later]]
    utc = np.where(real & ~missing, clock - table.offset[chosen], NONE)
    return Instants(utc, missing, twofold)


def _late_is_more_even(clock: Ints, rows: Ints, table: Changes, change: int) -> bool:
    """Whether stamps of the doubled hour lie more evenly between their neighbours when read as winter time."""
    before, after = int(rows[0]) - 1, int(rows[-1]) + 1
    if before < 0 or after >= len(clock) or after - before != len(rows) + 1 or NONE in {clock[before], clock[after]}:
        return False
    summer, winter = int(table.offset[change]), int(table.offset[change + 1])
    behind = int(clock[rows[0]]) - int(clock[before])
    ahead = int(clock[after]) - winter - (int(clock[rows[-1]]) - summer)
    wider = summer - winter
    return abs((behind + wider) - (ahead - wider)) < abs(behind - ahead)


def local_midnight_offset(zone: str, utc: int) -> int:
    """How far the clock of a zone is ahead of UTC at a moment [us]."""
    table = changes(zone, utc, utc)
    begin = table.local_begin - table.offset
    return int(table.offset[max(int(np.searchsorted(begin, utc, side="right")) - 1, 0)])
