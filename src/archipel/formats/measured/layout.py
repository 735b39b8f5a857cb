"""Which columns of a table hold time, meters and values: proposed by their names and their first rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

from archipel.formats.findings import did_you_mean
from archipel.formats.measured.csv_table import EMPTY, NUMBER
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.source import Table
from archipel.formats.measured.stamps import CLOCK_ONLY, looks_like_stamp
from archipel.formats.measured.units import OF_WHAT, named, without_unit

METER = re.compile(
    r"(?i)^(meter|meter[ _-]?(id|no|number)|z(ä|ae)hler.*|messlokation|malo.*|melo.*|mpan|device|device[ _-]?id|lclid|"
    r"customer.*|house.*|household.*|sensor.*|tag|tag[ _-]?name|point|channel|station|region.*|site|name|id)$"
)
TIME = re.compile(
    r"(?i)(time|date|datum|zeit|stamp|index|measured_on|settlement|^ts$|^von|^from|^start|period|interval)"
)
EPOCH = re.compile(r"(?i)(unix|epoch|time|stamp|^ts$)")
LIKELY = {
    "load": re.compile(r"(?i)(load|last\b|verbrauch|consum|demand|bezug|usage|import)"),
    "pv": re.compile(r"(?i)(pv|solar|photovolt|erzeug|generation|ac_power|production|einspeis|export)"),
    "price": re.compile(r"(?i)(price|preis|^rrp$|^apx$|eur|spot|€)"),
    "ev": re.compile(r"(?!)"),
}
TARGETS = {
    "temperature_c": re.compile(r"(?i)(temp|dry_bulb|t2m|t_amb)"),
    "wind_speed_m_per_s": re.compile(r"(?i)(wind[ _-]?speed|windgeschw|^wind$|avg wind speed)"),
    "irradiance_w_per_m2": re.compile(r"(?i)(irradian|radiation|ghi|global|strahlung|poa)"),
}
UNIT_COLUMN = re.compile(r"(?i)^(unit|einheit|uom)$")


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """Roles of columns, by position."""

    time: tuple[int, ...] = ()
    """One column, or date and time of day; none for rows that are counted."""
    meter: int | None = None
    value: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    """Name of the meter of every value column."""
    unit: int | None = None
    """Column that names the unit of each row."""
    said: dict[str, str] = field(default_factory=dict)
    """Why each role was chosen."""


def header(table: Table, i: int) -> str:
    """The name of a column, or its place."""
    return table.names[i] or f"column {i + 1}"


def propose(table: Table, mapping: Mapping, meters: Collection[str], notes: Notes) -> Layout:
    """Roles for a table of series; questions go into `notes`. `meters` are names that are known already."""
    cells: list[Sequence[str]] = list(zip(*table.head, strict=True))
    _doubled(table, notes)
    said: dict[str, str] = {}
    time = _time(table, cells, mapping, notes, said)
    numeric = [i for i in range(len(table.names)) if i not in time and _numeric(cells[i])]
    meter = _meter(table, cells, mapping, time, numeric, notes, said)
    unit = next((i for i, name in enumerate(table.names) if UNIT_COLUMN.match(name)), None)
    rest = [i for i in numeric if i not in {meter, unit} and not _counts_rows(table, cells, i)]
    value, names = _values(table, cells, mapping, rest, meter, meters, notes, said)
    unused = [header(table, i) for i in range(len(table.names)) if i not in {*time, meter, unit, *value}]
    if unused:
        more = f" and {len(unused) - 6} more" if len(unused) > 6 else ""
        notes.tell("unused-columns", "", f"columns not used: {', '.join(unused[:6])}{more}", "Left out.", len(unused))
    return Layout(time, meter, value, names, unit, said)


def column(table: Table, name: str, option: str, notes: Notes) -> int | None:
    """The column that a person named, by name or by `column 3`."""
    names = [header(table, i) for i in range(len(table.names))]
    if names.count(name) == 1:
        return names.index(name)
    found = f"{name!r}, which is {'there twice' if name in names else 'no column'}"
    notes.stop("unknown-column", option, found, "the name of one column", did_you_mean(name, names))
    return None


def _doubled(table: Table, notes: Notes) -> None:
    names = [name for name in table.names if name]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1) if len(set(names)) < len(names) else ():
        notes.stop("doubled-column", name, f"{names.count(name)} columns of one name", "every meter once",
                   "Rename or remove one of them: nobody can tell which is right.")  # fmt: skip


def _filled(cells: Sequence[str]) -> list[str]:
    return [str(cell).strip() for cell in cells if str(cell).strip() not in EMPTY]


def _numeric(cells: Sequence[str]) -> bool:
    filled = _filled(cells)
    words = ("inf", "-inf", "+inf", "infinity")
    numbers = sum(bool(NUMBER.fullmatch(c)) or c.lower() in words or c in {"True", "False"} for c in filled)
    return not filled or (numbers >= 0.5 * len(filled) and numbers > 0)


def _counts_rows(table: Table, cells: Sequence[Sequence[str]], i: int) -> bool:
    """Row numbers that a program has written along."""
    first = _filled(cells[i])[:50]
    if table.names[i] and not re.fullmatch(r"(?i)(#|no|nr|row|index|unnamed.*|lfd.*)", table.names[i]):
        return False
    return len(first) > 2 and all(c.isdigit() for c in first) and all(
        int(b) - int(a) == 1 for a, b in pairwise(first)
    )  # fmt: skip


def _time(
    table: Table, cells: Sequence[Sequence[str]], mapping: Mapping, notes: Notes, said: dict[str, str]
) -> tuple[int, ...]:
    if mapping.start:
        said["time"] = "rows counted from --start"
        return ()
    if mapping.time:
        names = [mapping.time] if mapping.time in table.names else [n.strip() for n in mapping.time.split(",")]
        found = [column(table, name, "--time", notes) for name in names]
        said["time"] = "as told"
        return tuple(i for i in found if i is not None)
    stamps = [i for i in range(len(cells)) if _is_time(table.names[i], _filled(cells[i]))]
    if len(stamps) > 1:
        preferred = [i for i in stamps if re.search(r"(?i)(utc|gmt)", table.names[i])]
        starts = [i for i in stamps if re.search(r"(?i)(start|begin|from|^von)", table.names[i])]
        stamps = preferred if len(preferred) == 1 else starts if len(starts) == 1 else stamps
    if len(stamps) == 1:
        dates = not any(":" in cell for cell in _filled(cells[stamps[0]]))
        clocks = [i for i in range(len(cells)) if (f := _filled(cells[i])) and all(CLOCK_ONLY.match(c) for c in f)]
        said["time"] = "the column whose cells are moments"
        return (stamps[0], clocks[0]) if dates and len(clocks) == 1 else (stamps[0],)
    if stamps:
        shown = ", ".join(repr(header(table, i)) for i in stamps)
        notes.stop("which-time", "", f"time stamps in the columns {shown}", "one of them",
                   f"Name it with --time, such as --time {header(table, stamps[0])!r}.")  # fmt: skip
        return (stamps[0],)
    shown = ", ".join(repr(header(table, i)) for i in range(min(len(table.names), 8)))
    notes.stop("no-time", "", f"no column of time stamps among {shown}", "a column of time stamps",
               "Name it with --time, or say where the rows begin: --start 2023-01-01T00:00Z --step 15min.")  # fmt: skip
    return ()


def _is_time(name: str, cells: list[str]) -> bool:
    if not cells:
        return False
    if sum(looks_like_stamp(cell) for cell in cells) >= 0.8 * len(cells):
        return True
    return bool(EPOCH.search(name)) and all(re.fullmatch(r"\d{9,19}(\.\d+)?", cell) for cell in cells)


def _meter(
    table: Table,
    cells: Sequence[Sequence[str]],
    mapping: Mapping,
    time: tuple[int, ...],
    numeric: list[int],
    notes: Notes,
    said: dict[str, str],
) -> int | None:
    if mapping.meter:
        said["meter"] = "as told"
        return column(table, mapping.meter, "--meter", notes)
    stamps = list(cells[time[0]]) if time else []
    repeated = len(set(stamps)) < 0.8 * len(stamps)
    for i, name in enumerate(table.names):
        if i in time or not METER.match(name):
            continue
        if i not in numeric or (repeated and all(c.isdigit() for c in _filled(cells[i]))):
            said["meter"] = "by its name; one row for each meter and moment"
            return i
    words = [i for i in range(len(cells)) if i not in {*time, *numeric} and not UNIT_COLUMN.match(table.names[i])]
    if repeated and len(words) == 1:
        said["meter"] = "stamps repeat, and it is the one column of words"
        return words[0]
    return None


def _values(
    table: Table,
    cells: Sequence[Sequence[str]],
    mapping: Mapping,
    rest: list[int],
    meter: int | None,
    meters: Collection[str],
    notes: Notes,
    said: dict[str, str],
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if mapping.columns:
        said["values"] = "as told"
        pairs = [one.partition("=") if one not in table.names else (one, "", "") for one in mapping.columns]
        found = [(column(table, name, "--column", notes), name, new) for name, _, new in pairs]
        there = [(i, new or without_unit(name)) for i, name, new in found if i is not None]
        return tuple(i for i, _ in there), tuple(name for _, name in there)
    kinds = OF_WHAT[mapping.what]
    rest = [i for i in rest if (unit := named(table.names[i])) is None or unit.quantity in kinds]
    if mapping.what == "weather":
        return _weather(table, rest, notes, said)
    if meter is None and mapping.what in {"load", "pv"}:
        known = {i for i in rest if table.names[i] in meters or without_unit(table.names[i]) in meters}
        if known:
            said["values"] = "columns that are named like devices, and those beside them"
            return tuple(rest), tuple(without_unit(table.names[i]) for i in rest)
    if meter is None and mapping.match == "order" and rest:
        said["values"] = "all columns of numbers, in their order"
        return tuple(rest), tuple(without_unit(header(table, i)) for i in rest)
    if len(rest) > 1:
        likely = [i for i in rest if LIKELY[mapping.what].search(table.names[i])]
        if len(likely) == 1:
            said["values"] = "by its name"
            rest = likely
    if len(rest) == 1:
        said.setdefault("values", "the one column of numbers")
        return tuple(rest), (without_unit(header(table, rest[0])),)
    if not rest:
        notes.stop("no-values", "", "no column of numbers that fits", f"numbers of {' or '.join(kinds)}",
                   "Name the column with --column.")  # fmt: skip
        return (), ()
    sizes = "; ".join(f"{header(table, i)!r} ({_sizes(cells[i])})" for i in rest[:8])
    more = f" and {len(rest) - 8} more" if len(rest) > 8 else ""
    notes.stop(
        "which-columns",
        "",
        f"{len(rest):,} columns of numbers: {sizes}{more}",
        "which of them to take",
        f"Name them with --column, such as --column {header(table, rest[0])!r}"
        + (", or give --match order or --map when all of them are meters." if meter is None else "."),
    )
    return tuple(rest[:1]), (without_unit(header(table, rest[0])),)


def _sizes(cells: Sequence[str]) -> str:
    numbers = [float(c.replace(",", ".")) for c in _filled(cells) if NUMBER.fullmatch(c)]
    return f"{min(numbers):g} to {max(numbers):g} at first" if numbers else "empty at first"


def _weather(
    table: Table, rest: list[int], notes: Notes, said: dict[str, str]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    chosen: list[tuple[int, str]] = []
    for target, pattern in TARGETS.items():
        fits = [
            i for i in rest if pattern.search(table.names[i]) and not re.search("(?i)predict|forecast", table.names[i])
        ]
        fits = [i for i in fits if table.names[i] == target] or fits
        if len(fits) == 1:
            chosen.append((fits[0], target))
        elif fits:
            names = ", ".join(repr(table.names[i]) for i in fits[:6])
            notes.stop("which-columns", target, f"{len(fits)} columns that could be it: {names}", "one of them",
                       f"Name the ones to take: --column {table.names[fits[0]]!r}={target}.")  # fmt: skip
    if not chosen and not notes.in_the_way:
        notes.stop("no-values", "", "no column that is named like weather", f"one of {', '.join(TARGETS)}",
                   "Name it, such as --column 'T out'=temperature_c.")  # fmt: skip
    said["values"] = "by their names"
    return tuple(i for i, _ in chosen), tuple(name for _, name in chosen)
