"""A table read whole: the values of every meter over moments in UTC, doubles settled, what is no number listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archipel.formats.measured.clock import UnknownZone, to_instants
from archipel.formats.measured.layout import Layout, header
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.source import BadCell, Table
from archipel.formats.measured.stamps import NONE, SECOND, Moments, Order, backwards, read_moments, shown
from archipel.formats.measured.steps import duration_us, label_by_name, label_by_span, rhythm
from archipel.model import Floats, Ints

DENSE = 3
"""A long table becomes one matrix where that has at most so many cells for every row."""
ROWS_AT_ONCE = 4_000_000


@final
@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Meters that share their moments."""

    meters: Ints
    """Their places among all meters."""
    time: Ints
    """Rising moments [us, UTC]."""
    clock: tuple[int, int]
    """First and last stamp as written [us]."""
    value: Floats
    """Shape (moments, meters); NaN is not known."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """All meters of a file."""

    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    form: str
    """What the stamps look like."""
    unit: str
    """Unit that a column of the table names; empty where there is none."""
    label: str
    """Whether stamps name the start or the end of intervals; empty where nothing tells."""
    label_why: str


def read(table: Table, layout: Layout, mapping: Mapping, notes: Notes) -> Readings | None:
    """The whole table; None, with findings that say why, where its stamps cannot be used."""
    text = list(layout.time)
    text += [extra for extra in (layout.meter, layout.unit) if extra is not None]
    columns, value, bad = table.read(text, list(layout.value))
    _tell_bad(bad, table, notes)
    value[~np.isfinite(value) & ~np.isnan(value)] = _infinite(value, table, layout, notes)
    unit = _unit(columns[-1], notes) if layout.unit is not None else ""
    codes, names = _meters(columns, layout, mapping)
    moments = _counted(len(value), mapping, notes) if not layout.time else _moments(columns, layout, mapping, notes)
    columns.clear()  # they may be large
    pa.default_memory_pool().release_unused()
    if moments is None:
        return None
    if layout.meter is not None:
        rows = codes >= 0
        if not rows.all():
            codes, value = codes[rows], value[rows]
            moments = Moments(moments.clock[rows], moments.aware, moments.form)
        if not len(codes):
            notes.stop("only", "", f"no rows of {', '.join(mapping.only)}", "meters of the table", "Correct --only.")
            return None
    label, why = _label(table, layout, mapping, moments)
    utc = utc_of(moments, mapping, label, codes if layout.meter is not None else None, notes)
    if utc is None:
        return None
    if layout.meter is None:
        blocks: tuple[Block, ...] = (_shared(utc, moments.clock, value, mapping, notes),)
    else:
        blocks = _long(utc, moments.clock, codes, len(names), value[:, 0], mapping, notes)
    return Readings(names, blocks, moments.form, unit, label, why)


def _label(table: Table, layout: Layout, mapping: Mapping, moments: Moments) -> tuple[str, str]:
    """(start, end or nothing, why): as told, by the name of the column, or by where the file begins and ends."""
    if mapping.label:
        return mapping.label, "as told"
    if not layout.time:
        return "start", "rows are counted from the start"
    named = next((word for i in layout.time if (word := label_by_name(header(table, i)))), "")
    if named:
        return named, "by the name of the column"
    few = np.unique(moments.clock[:200_000])
    few = few[few != NONE]
    if len(few) < 2:
        return "", ""
    first = int(np.min(moments.clock, where=moments.clock != NONE, initial=few[0]))
    return label_by_span(first, int(moments.clock.max()), rhythm(few).step)


def _tell_bad(bad: list[BadCell], table: Table, notes: Notes) -> None:
    by_column: dict[int, list[BadCell]] = {}
    for cell in bad:
        by_column.setdefault(cell.column, []).append(cell)
    for i, cells in by_column.items():
        line = table.first_line + cells[0].row
        words = f"{len(cells):,} cells that are no numbers, first {cells[0].text[:40]!r} in line {line}"
        if all("," in c.text or "." in c.text for c in cells) and any(c.isdigit() for c in cells[0].text):
            notes.stop("mixed-decimals", header(table, i), words, "one decimal mark in the whole file, no thousands",
                       "Export it with one, or name it with --decimal.", len(cells))  # fmt: skip
        else:
            notes.doubt("no-number", header(table, i), words, "numbers, or empty cells",
                        "Correct them, or have them counted as gaps.", len(cells))  # fmt: skip


def _infinite(value: Floats, table: Table, layout: Layout, notes: Notes) -> float:
    for k in np.flatnonzero(np.isinf(value).any(axis=0)):
        rows = np.flatnonzero(np.isinf(value[:, k]))
        notes.doubt("infinite", header(table, layout.value[k]),
                    f"{len(rows):,} infinite values, first in line {table.first_line + int(rows[0])}",
                    "finite numbers", "Correct them, or have them counted as gaps.", len(rows))  # fmt: skip
    return float("nan")


def _unit(column: Any, notes: Notes) -> str:
    words = [word for word in column.unique().to_pylist() if word]
    if len(words) > 1:
        notes.stop("mixed-units", "", f"rows in {', '.join(map(repr, words[:5]))}", "one unit in the whole file",
                   "Split the file by unit, and add one after the other.")  # fmt: skip
    return str(words[0]) if words else ""


def _counted(rows: int, mapping: Mapping, notes: Notes) -> Moments | None:
    step = duration_us(mapping.step)
    try:
        start = datetime.fromisoformat(mapping.start)
    except ValueError:
        start = None
    if step is None or start is None:
        notes.stop("counted", "", f"--start {mapping.start!r} and --step {mapping.step!r}", "a moment and a length",
                   "Give both, such as --start 2023-01-01T00:00+01:00 --step 15min.")  # fmt: skip
        return None
    aware = start.tzinfo is not None
    begin = np.datetime64(start.replace(tzinfo=None), "us").astype(np.int64)
    begin -= round((start.utcoffset() or start - start).total_seconds()) * SECOND if aware else 0
    return Moments(int(begin) + step * np.arange(rows), aware, "no stamps: rows are counted")


def _moments(columns: list[Any], layout: Layout, mapping: Mapping, notes: Notes) -> Moments | None:
    order: Order = mapping.date_order  # type: ignore[assignment]
    column = columns[0]
    if len(layout.time) == 2:
        words = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in columns[:2]]
        joined = [f"{a or ''} {b or ''}" for a, b in zip(words[0].to_pylist(), words[1].to_pylist(), strict=True)]
        column = pa.chunked_array([pa.array(joined)])
    moments = read_moments(column, order)
    wrong = np.flatnonzero(moments.clock == NONE)
    place = "time"
    if len(wrong):
        cell = column[int(wrong[0])].as_py()
        notes.stop("bad-stamps", place, f"{len(wrong):,} cells that are no moment, first {str(cell)[:40]!r} in row "
                   f"{wrong[0] + 1}",
                   "a date and a time of day in every row", "Correct or remove those rows.", len(wrong))  # fmt: skip
    if len(wrong) == len(moments.clock):
        return None
    if moments.mixed:
        notes.stop("mixed-offsets", place, f"{moments.mixed:,} stamps with an offset and others without",
                   "all with, or all without", "Export the times again in one way.")  # fmt: skip
    if moments.undecided and not order:
        there = moments.clock[moments.clock != NONE]
        other = read_moments(column, "month-first").clock
        other = other[other != NONE]
        both = "; ".join(
            f"--date-order {word}: {shown(int(c.min()))} to {shown(int(c.max()))}"
            for word, c in (("day-first", there), ("month-first", other)) if len(c)
        )  # fmt: skip
        notes.stop("date-order", place, f"dates that could be either way round ({both})", "which number is the day",
                   "Say it with --date-order day-first or month-first.")  # fmt: skip
    return moments


def _meters(columns: list[Any], layout: Layout, mapping: Mapping) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Code of the meter of every row (-1: not wanted), and all names."""
    if layout.meter is None:
        return np.zeros(0, dtype=np.int32), layout.names
    column = columns[len(layout.time)]
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    place: dict[str, int] = {}
    codes = np.empty(len(column), dtype=np.int32)
    low = 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        local = [place.setdefault(str(word), len(place)) for word in chunk.dictionary.to_pylist()]
        table = np.array([*local, -1], dtype=np.int32)
        own = chunk.indices.fill_null(len(local)) if chunk.null_count else chunk.indices
        codes[low : low + len(chunk)] = table[own.to_numpy()]
        low += len(chunk)
    words = list(place)
    wanted = [i for i, word in enumerate(words) if not mapping.only or word in mapping.only]
    if len(wanted) == len(words):
        return codes, tuple(words)
    table = np.full(len(words) + 1, -1, dtype=np.int32)  # its last place is that of no meter, -1
    table[wanted] = np.arange(len(wanted))
    return table[codes], tuple(words[i] for i in wanted)


def utc_of(moments: Moments, mapping: Mapping, label: str, meter: NDArray[Any] | None, notes: Notes) -> Ints | None:
    """Moments in UTC; what the clock cannot have shown goes into `notes`."""
    if moments.aware:
        return moments.clock
    if not mapping.zone:
        there = moments.clock[moments.clock != NONE]
        notes.stop("zone", "time", f"stamps without an offset, {shown(int(there.min()))} to {shown(int(there.max()))}",
                   "the zone of the clock that wrote them",
                   "Say it: --zone Europe/Berlin (or yours) for a clock that is changed in summer, --zone +01:00 for "
                   "one that never is (UTC-07:00 west of Greenwich), --zone UTC.")  # fmt: skip
        return moments.clock
    try:
        found = to_instants(moments.clock, mapping.zone, label == "end", meter)
    except UnknownZone as error:
        notes.stop("zone", "--zone", repr(mapping.zone), "a zone of the IANA database, an offset or UTC", str(error))
        return moments.clock
    missing = np.flatnonzero(found.missing)
    if len(missing):
        words = (
            f"{len(missing):,} stamps in hours that the clock of {mapping.zone} skips, first "
            f"{shown(int(moments.clock[missing[0]]))}"
        )
        if mapping.dst == "drop":
            notes.tell("skipped-hour", "time", words, "Left out, as told by --dst drop.", len(missing))
        else:
            notes.stop("skipped-hour", "time", words, "no stamps there, when the clock was changed",
                       f"The clock was not changed: say its offset, such as --zone {_winter(mapping.zone)}; or leave "
                       "these rows out with --dst drop.", len(missing))  # fmt: skip
    twice = np.flatnonzero(found.twofold)
    if len(twice):
        notes.tell("doubled-hour", "time", f"{len(twice):,} stamps in the hour that is there twice in autumn, first "
                   f"{shown(int(moments.clock[twice[0]]))}", "The first pass is summer time, the second winter time.",
                   len(twice))  # fmt: skip
    return found.utc


def _winter(zone: str) -> str:
    from archipel.formats.measured.clock import local_midnight_offset

    minutes = local_midnight_offset(zone, 1_704_067_200 * SECOND) // (60 * SECOND)
    return f"{'UTC-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _shared(utc: Ints, clock: Ints, value: Floats, mapping: Mapping, notes: Notes) -> Block:
    """A wide table: sorted, every moment once."""
    ends = int(clock[0]), int(clock[-1])
    real = utc != NONE
    if not real.all():
        utc, value = utc[real], value[real]
    value, utc = _sorted(utc, value, notes)
    same = np.flatnonzero(np.diff(utc) == 0)
    if len(same):
        utc, value = _settled(utc, value, same, mapping, notes)
    return Block(np.arange(value.shape[1]), utc, ends, value)


def _sorted(utc: Ints, value: Floats, notes: Notes) -> tuple[Floats, Ints]:
    back = int(backwards(utc).sum())
    if back:
        falling = back == len(utc) - 1
        notes.tell("order", "time", f"rows {'in falling order' if falling else f'that go back in time {back:,} times'}",
                   "Sorted.", back)  # fmt: skip
        order = np.argsort(utc, kind="stable")
        utc, value = utc[order], value[order]
    return value, utc


def _settled(utc: Ints, value: Floats, same: Ints, mapping: Mapping, notes: Notes) -> tuple[Ints, Floats]:
    """Rows of one moment become one."""
    a, b = value[same], value[same + 1]
    differ = int((~((a == b) | np.isnan(a) | np.isnan(b))).any(axis=1).sum())
    words = (
        f"{len(same):,} rows whose moment is there already, first {shown(int(utc[same[0]]))} UTC, "
        f"{differ:,} with other values"
    )
    if differ and not mapping.doubles:
        notes.stop("doubled-stamps", "time", words, "every moment once",
                   "Say which counts: --doubles first, last or mean. An hour of them in autumn: a wrong --zone.",
                   len(same))  # fmt: skip
    else:
        notes.tell("doubled-stamps", "time", words, f"Kept: {mapping.doubles or 'one of the equal rows'}.", len(same))
    once, place = np.unique(utc, return_inverse=True)
    settled = np.full((len(once), value.shape[1]), np.nan)
    if mapping.doubles == "mean":
        known = np.isfinite(value)
        total, count = np.zeros_like(settled), np.zeros_like(settled)
        np.add.at(total, place, np.where(known, value, 0.0))
        np.add.at(count, place, known)
        return once, np.where(count > 0, total / np.maximum(count, 1), np.nan)
    rows = np.arange(len(utc)) if mapping.doubles == "last" else np.arange(len(utc))[::-1]
    for i in rows:
        there = np.isfinite(value[i])
        settled[place[i], there] = value[i, there]
    return once, settled


def _long(
    utc: Ints, clock: Ints, codes: NDArray[Any], count: int, value: Floats, mapping: Mapping, notes: Notes
) -> tuple[Block, ...]:
    """One row per meter and moment: a matrix where the meters share most moments, else a block for each meter."""
    parts = [np.unique(utc[low : low + ROWS_AT_ONCE]) for low in range(0, len(utc), ROWS_AT_ONCE)]
    once = np.unique(np.concatenate(parts))
    once = once[once != NONE]
    if len(once) * count <= DENSE * len(utc):
        matrix = _scattered(utc, once, codes, count, value)
        if matrix is not None:
            ends = int(clock[clock != NONE].min()), int(clock[clock != NONE].max())
            return (Block(np.arange(count), once, ends, matrix),)
    blocks = []
    order = np.argsort(codes, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        one = _shared(utc[rows], clock[rows], value[rows, None], mapping, notes)
        blocks.append(Block(np.array([codes[rows[0]]]), one.time, one.clock, one.value))
    return _joined(blocks)


def _scattered(utc: Ints, once: Ints, codes: NDArray[Any], count: int, value: Floats) -> Floats | None:
    """The rows as a matrix; None where a cell is there twice."""
    matrix = np.full((len(once), count), np.nan)
    seen = np.zeros(len(once) * count, dtype=np.uint8)
    rows = 0
    for low in range(0, len(utc), ROWS_AT_ONCE):
        part = slice(low, low + ROWS_AT_ONCE)
        real = utc[part] != NONE
        at = np.searchsorted(once, utc[part][real]) * count + codes[part][real]
        matrix.reshape(-1)[at] = value[part][real]
        seen[at] = 1
        rows += len(at)
    return matrix if int(seen.sum(dtype=np.int64)) == rows else None


def _joined(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Blocks of the same moments side by side."""
    groups: dict[bytes, list[Block]] = {}
    for block in blocks:
        groups.setdefault(block.time.tobytes(), []).append(block)
    return tuple(
        Block(
            np.concatenate([b.meters for b in some]),
            some[0].time,
            some[0].clock,
            np.concatenate([b.value for b in some], axis=1),
        )
        for some in groups.values()
    )
