"""Text and numbers as moments: microseconds of a clock, and of UTC where the text says its offset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archipel.model import Bools, Ints

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
NONE = np.iinfo(np.int64).min
"""No moment."""

Order = Literal["", "day-first", "month-first"]

PATTERN = (
    r"^\s*(?P<a>\d{1,4})(?P<sep>[-./])(?P<b>\d{1,2})[-./](?P<c>\d{1,4})\.?"
    r"(?:(?:[ T,]+)(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp])?\.?(?:[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|z|UTC|GMT|CET|CEST|MEZ|MESZ|[+-]\d{2}:?\d{2}|[+-]\d{2})?\s*$"
)
"""Numbers with dots, dashes or slashes; year first or last; 12 or 24 hours; with or without offset."""
COMPACT = r"^\s*(?P<a>\d{4})(?P<b>\d{2})(?P<c>\d{2})[ T]?(?P<h>\d{2}):?(?P<m>\d{2}):?(?P<s>\d{2})?\s*$"
OFFSETS_H = {"Z": 0, "z": 0, "UTC": 0, "GMT": 0, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2}
LIKE = re.compile(PATTERN)
LIKE_COMPACT = re.compile(COMPACT)
CLOCK_ONLY = re.compile(r"\s*\d{1,2}:\d{2}(:\d{2})?\s*$")


@final
@dataclass(frozen=True, slots=True)
class Moments:
    """Stamps that were read."""

    clock: Ints
    """Microseconds since 1970 as the stamps say; of UTC where `aware`. NONE where there is no moment."""
    aware: bool
    """Whether the stamps say their offset."""
    form: str
    """Their form, in words."""
    mixed: int = 0
    """How many stamps have an offset, where others have none."""
    undecided: bool = False
    """Whether day and month could be either way round."""


def looks_like_stamp(cell: str) -> bool:
    """Whether a cell is a moment or a date."""
    return bool(LIKE.match(cell) or LIKE_COMPACT.match(cell))


def read_moments(column: Any, order: Order) -> Moments:
    """Moments of an arrow column: time stamps, text, or seconds or milliseconds since 1970."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        filled = np.empty(len(column), dtype=np.int64)
        low = 0
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            clock = chunk.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False).cast(pa.int64())
            filled[low : low + len(chunk)] = (pc.fill_null(clock, NONE) if clock.null_count else clock).to_numpy()
            low += len(chunk)
        aware = getattr(kind, "tz", None) is not None
        return Moments(filled, aware, "stored time stamps" + (" in UTC" if aware else ", without an offset"))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _since_1970(column.cast(pa.float64()).to_numpy())
    if pa.types.is_dictionary(kind):
        joined = column.unify_dictionaries().combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        joined = joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined
        once = _from_text(joined.dictionary.cast(pa.string()), order)
        if joined.null_count:
            codes = pc.fill_null(joined.indices, len(once.clock)).to_numpy()
            return _taken(once, np.append(once.clock, NONE), codes)
        return _taken(once, once.clock, joined.indices.to_numpy())
    return _from_text(column.cast(pa.string()), order)


def _taken(once: Moments, clock: Ints, codes: NDArray[Any]) -> Moments:
    return Moments(clock[codes], once.aware, once.form, once.mixed, once.undecided)


def _since_1970(number: NDArray[Any]) -> Moments:
    size = float(np.nanmedian(np.abs(number))) if np.isfinite(number).any() else 0.0
    for factor, unit in ((1e6, "seconds"), (1e3, "milliseconds"), (1.0, "microseconds"), (1e-3, "nanoseconds")):
        if 3e8 * 1e6 <= size * factor < 5e9 * 1e6:
            whole = np.where(np.isfinite(number), np.rint(np.nan_to_num(number) * factor), NONE).astype(np.int64)
            return Moments(whole, True, f"{unit} since 1970, UTC")
    return Moments(np.full(len(number), NONE), True, "numbers that are no time")


def _from_text(words: Any, order: Order) -> Moments:
    # twelve or fourteen digits from 19 or 20 on are a date; seconds since 1970 have ten, milliseconds thirteen
    numeric = pc.match_substring_regex(words, r"^\s*(\d{9,11}|\d{13}|\d{15,19})(\.\d+)?\s*$")
    if len(words) and pc.all(numeric).as_py():
        return _since_1970(pc.cast(pc.utf8_trim_whitespace(words), pa.float64()).to_numpy(zero_copy_only=False))
    parts = pc.extract_regex(words, PATTERN)
    if parts.null_count == len(words) and len(words):
        compact = pc.extract_regex(words, COMPACT)
        if compact.null_count < len(words):
            date = _whole(compact, "a"), _whole(compact, "b"), _whole(compact, "c")
            return Moments(_assembled(compact, date), False, "YYYYMMDDhhmm, without an offset")
    a, b, c = (_whole(parts, name) for name in "abc")
    known = ~np.asarray(pc.is_null(parts)) if not isinstance(parts, pa.ChunkedArray) else a >= 0
    year_first = known & ((a > 31) | (_length(parts, "a") == 4))
    undecided, said = False, "year-month-day"
    day, month, year = c.copy(), b.copy(), a.copy()
    late = known & ~year_first
    if late.any():
        day_first, undecided, said = _day_first(a[late], b[late], _strings(parts, "sep"), c[late], order)
        year[late] = np.where(c[late] < 100, 2000 + c[late], c[late])
        day[late], month[late] = (a[late], b[late]) if day_first else (b[late], a[late])
    clock = _assembled(parts, (year, month, day))
    zones = _strings(parts, "zone")
    with_zone = [word not in {None, ""} for word in zones]
    has = np.asarray(pc.not_equal(_child(parts, "zone"), ""))
    has &= clock != NONE
    form = said + (" hour:minute" if any(h not in {None, ""} for h in _strings(parts, "h")) else "")
    if not any(with_zone) or not has.any():
        return Moments(clock, False, form + ", without an offset", 0, undecided)
    offset = _offsets(_child(parts, "zone"))
    clock = np.where(clock == NONE, NONE, clock - offset)
    lacking = int((~has & (clock != NONE)).sum())
    return Moments(clock, True, form + " with offset", int(has.sum()) if lacking else 0, undecided)


def _child(parts: Any, name: str) -> Any:
    field = pc.struct_field(parts, name)
    return pc.fill_null(field, "")


def _strings(parts: Any, name: str) -> list[Any]:
    return list(pc.unique(_child(parts, name)).to_pylist())


def _whole(parts: Any, name: str) -> Ints:
    field = _child(parts, name)
    return np.asarray(pc.cast(pc.if_else(pc.equal(field, ""), "-1", field), pa.int64()))


def _length(parts: Any, name: str) -> Ints:
    return np.asarray(pc.utf8_length(_child(parts, name)))


def _day_first(a: Ints, b: Ints, apart: list[Any], c: Ints, order: Order) -> tuple[bool, bool, str]:
    """(day comes first, it could be either, words) of dates whose year stands last."""
    if order:
        return order == "day-first", False, f"{'day, month' if order == 'day-first' else 'month, day'}, year (as told)"
    if (a > 12).any() and not (b > 12).any():
        return True, False, "day, month, year (a first number is above 12)"
    if (b > 12).any() and not (a > 12).any():
        return False, False, "month, day, year (a second number is above 12)"
    if set(apart) - {""} == {"."}:
        return True, False, "day.month.year (dots)"
    # The days of a file follow each other: under the wrong reading they jump by months.
    jumps = [_jumps(c, month, day) for month, day in ((b, a), (a, b))]
    if jumps[0] != jumps[1] and min(jumps) == 0:
        right = jumps[0] == 0
        return right, False, f"{'day, month' if right else 'month, day'}, year (read so, days follow each other)"
    return True, True, "day, month, year or month, day, year"


def _jumps(year: Ints, month: Ints, day: Ints) -> int:
    """Steps between different dates, in their order, that are longer than ten days or go back."""
    whole = np.unique(_days(year, np.clip(month, 1, 12), day))
    return int((np.diff(whole) > 10).sum()) if len(whole) > 2 else 1


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    months = (year - 1970) * 12 + month - 1
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1)


def _assembled(parts: Any, date: tuple[Ints, Ints, Ints]) -> Ints:
    year, month, day = date
    names = {parts.type.field(k).name for k in range(parts.type.num_fields)}
    hour, minute, second = (_whole(parts, name) for name in "hms")
    fraction = np.zeros(len(hour))
    if "f" in names and len(_strings(parts, "f")) > 1:
        digits = _length(parts, "f")
        fraction = np.where(digits > 0, np.maximum(_whole(parts, "f"), 0) / 10.0 ** np.maximum(digits, 1), 0.0)
    if "half" in names:
        half = pc.utf8_lower(_child(parts, "half"))
        noon, night = np.asarray(pc.equal(half, "p")), np.asarray(pc.equal(half, "a"))
        hour = np.where(noon, hour % 12 + 12, np.where(night, hour % 12, hour))
    hour, minute, second = np.maximum(hour, 0), np.maximum(minute, 0), np.maximum(second, 0)
    good = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1970) & (year < 2200)
    good &= (hour <= 24) & (minute <= 59) & (second <= 60) & ((hour < 24) | (minute + second == 0))
    whole = _days(np.where(good, year, 1970), np.where(good, month, 1), np.where(good, day, 1))
    back = whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    good &= back == np.where(good, month, 1)  # no 31st of February
    clock = whole * DAY + hour * HOUR + minute * MINUTE + second * SECOND + np.rint(fraction * SECOND).astype(np.int64)
    return np.where(good, clock, NONE)


def _offsets(zone: Any) -> Ints:
    encoded = zone.combine_chunks() if isinstance(zone, pa.ChunkedArray) else zone
    encoded = encoded.dictionary_encode()
    table = np.array([offset_us(word) for word in encoded.dictionary.to_pylist()], dtype=np.int64)
    return np.asarray(table[encoded.indices.to_numpy()])


def offset_us(word: str) -> int:
    """Microseconds ahead of UTC of `Z`, `CET`, `+01:00` and their like; 0 for nothing."""
    if word in OFFSETS_H or not word:
        return OFFSETS_H.get(word, 0) * HOUR
    digits = word[1:].replace(":", "").ljust(4, "0")
    return (1 if word[0] == "+" else -1) * (int(digits[:2]) * HOUR + int(digits[2:]) * MINUTE)


def shown(moment: int) -> str:
    """A moment as people write it, to the second, without its zone."""
    return str(np.datetime64(moment // SECOND, "s")).replace("T", " ")


def backwards(clock: Ints) -> Bools:
    """Where a stamp lies before the one above it."""
    return np.concatenate([[False], clock[1:] < clock[:-1]])
