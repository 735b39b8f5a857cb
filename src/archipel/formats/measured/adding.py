"""`add_data`: a file of measurements becomes part of a scenario, or the reasons why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.formats.measured import layout as layouts
from archipel.formats.measured.gaps import Gap, read_rules
from archipel.formats.measured.intervals import pieces
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.matching import Matched, devices, match, plain, read_map
from archipel.formats.measured.notes import Note, Notes
from archipel.formats.measured.passing import Passed, pass_by
from archipel.formats.measured.put import put_prices, put_series, put_weather
from archipel.formats.measured.readings import Readings, read
from archipel.formats.measured.source import Table, open_table
from archipel.formats.measured.span import Span
from archipel.formats.measured.target import Target
from archipel.formats.measured.units import OF_WHAT, Unit, named
from archipel.model import Floats

OF_VALUES = {
    "unit",
    "sign",
    "unmatched",
    "gaps",
    "outliers",
    "flat-line",
    "negative",
    "no-values",
    "limits",
    "above-nominal",
}
"""Codes of findings that depend on which columns hold values."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """What was read, found and written; `written` is empty when nothing was."""

    file: str
    what: str
    proposal: tuple[tuple[str, str], ...]
    """What was decided, in words: (subject, decision)."""
    notes: tuple[Note, ...]
    mapping: Mapping
    """What repeats it."""
    written: tuple[str, ...] = ()
    span: Span | None = None
    names: tuple[str, ...] = ()
    total: Floats = field(default_factory=lambda: np.zeros(0))
    """Sum over all meters [kW], or the first series in its unit, over `span`."""
    few: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    """The first series, shape (rows, at most 6)."""
    gaps: tuple[Gap, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing is in the way."""
        return all(note.level == "told" for note in self.notes)


def add_data(folder: Path, file: Path, mapping: Mapping, map_file: Path | None = None, write: bool = True) -> Added:
    """Read `file` as `mapping` says and its evidence decides, and make it part of the scenario in `folder`.

    Nothing is written when a question is open (see `Added.ready`), or without `write`. Raises DataRefused where the
    file cannot be read at all, ScenarioInvalid where the scenario cannot, ExtraMissing for Excel without its extra.
    """
    target = Target(folder)
    notes = Notes(file.name, mapping.accept)
    table = open_table(file, mapping.separator, mapping.decimal, mapping.encoding, mapping.sheet)
    if mapping.what == "ev":
        from archipel.formats.measured.sessions import add_sessions

        return add_sessions(target, table, mapping, map_file, notes, write)
    return _add_series(target, table, mapping, map_file, notes, write)


def _add_series(
    target: Target, table: Table, mapping: Mapping, map_file: Path | None, notes: Notes, write: bool
) -> Added:
    pairs = read_map(map_file) if map_file is not None else dict(mapping.map)
    power = mapping.what in {"load", "pv"}
    known = set(pairs) | ({d.id for d in devices(target, mapping.what)} if power else set())
    plan = layouts.propose(table, mapping, known | _loosely(table, known), notes)
    said: list[tuple[str, str]] = [("file", table.about)]
    if not plan.value:
        return Added(notes.file, mapping.what, tuple(said), tuple(notes.found), mapping)
    if pairs and plan.meter is None:
        keep = [k for k, name in enumerate(plan.names) if name in pairs or table.names[plan.value[k]] in pairs]
        plan = replace(
            plan, value=tuple(plan.value[k] for k in keep) or plan.value[:1],
            names=tuple(plan.names[k] for k in keep) or plan.names[:1],
        )  # fmt: skip
    readings = read(table, plan, mapping, notes)
    if readings is None:
        return Added(notes.file, mapping.what, tuple(said), tuple(notes.found), mapping)
    units = _units(table, plan, readings, mapping, notes)
    if mapping.what == "price" and len(readings.names) != 1:
        shown = ", ".join(map(repr, readings.names[:6]))
        notes.stop("one-series", "", f"{len(readings.names):,} series of prices: {shown}", "one",
                   f"Name it with --only, such as --only {readings.names[0]!r}.")  # fmt: skip
    parts, rhythm, step_h = pieces(readings, mapping, units[0] if units else None, notes)
    matched = match(target, mapping.what, readings.names, mapping, pairs, notes) if power else None
    said += _said(
        table, plan, readings, mapping, units, rhythm, matched, any(n.code == "unit" for n in notes.in_the_way)
    )
    decided = replace(
        mapping, label=readings.label, unit=mapping.unit or (units[0].name if len(set(units)) == 1 else ""),
        map=tuple(pairs.items()),
        time=",".join(layouts.header(table, i) for i in plan.time),
        meter="" if plan.meter is None else layouts.header(table, plan.meter),
    )  # fmt: skip
    rules = read_rules(mapping.gaps)
    if rules is None:
        notes.stop("gaps", "--gaps", repr(mapping.gaps), "rules such as linear:2h,week:14d",
                   "Methods: linear, hold, zero, day, week.")  # fmt: skip
    if not parts:
        return Added(notes.file, mapping.what, tuple(said), tuple(notes.found), decided)
    passed = pass_by(target, readings, parts, units, step_h, matched, decided, rules or (), notes)
    sign = {1.0: "positive is drawn" if mapping.what == "load" else "positive is given", -1.0: "turned round"}
    if power:
        said.append(("sign", sign[passed.sign]))
        decided = replace(decided, sign=passed.sign_word)
    said += (
        [("span", str(passed.plan.span)), ("energy", passed.energy_said)]
        if power
        else [("span", str(passed.plan.span))]
    )
    if any(note.code == "which-columns" for note in notes.found):
        # what is said of values is said of the wrong ones until it is known which they are
        notes.found = [note for note in notes.found if note.code not in OF_VALUES]
    added = Added(
        notes.file, mapping.what, tuple(said), tuple(notes.found), decided, (), passed.plan.span, readings.names,
        passed.total, passed.few, tuple(passed.gaps),
    )  # fmt: skip
    if not added.ready or not write:
        return added
    put: Callable[[Target, Passed, str, Mapping, str], list[str]] = put_series
    put = {"price": put_prices, "weather": put_weather}.get(mapping.what, put)
    written = put(target, passed, notes.file, decided, mapping.what)
    return replace(added, written=tuple(written), notes=tuple(notes.found))


def _loosely(table: Table, known: set[str]) -> set[str]:
    """Headers that are device ids but for case and punctuation."""
    from archipel.formats.measured.units import without_unit

    plainly = {plain(name) for name in known}
    return {word for name in table.names for word in (name, without_unit(name)) if plain(word) in plainly}


def _units(table: Table, plan: layouts.Layout, readings: Readings, mapping: Mapping, notes: Notes) -> list[Unit]:
    """The unit of every value column (one for all where the table is long); kW and a question where nobody says."""
    kinds = OF_WHAT[mapping.what]
    if mapping.unit:
        told = named(mapping.unit)
        if told is None or told.quantity not in kinds:
            notes.stop("unit", "--unit", repr(mapping.unit), f"a unit of {' or '.join(kinds)}",
                       "Such as " + ", ".join(_choices(mapping.what)) + ".")  # fmt: skip
            told = None
        found: list[Unit | None] = [told] * len(plan.value)
    else:
        found = [named(readings.unit) if readings.unit else named(table.names[i]) for i in plan.value]
        # W in a name is weak evidence against a plain letter; other quantities are no units of these
        found = [unit if unit is not None and unit.quantity in kinds else None for unit in found]
        if None in found:
            lacking = [layouts.header(table, plan.value[k]) for k, unit in enumerate(found) if unit is None]
            notes.stop(
                "unit",
                ", ".join(lacking[:3]),
                f"numbers without a unit; {_would_mean(readings, mapping)}",
                "what the numbers are",
                "Say it with --unit, one of " + ", ".join(_choices(mapping.what)) + ".",
            )
    whole = [unit if unit is not None else Unit("kW", kinds[0]) for unit in found]
    if len({(unit.name) for unit in whole}) > 1 and mapping.what != "weather":
        notes.tell("units", "", f"columns in {', '.join(sorted({u.name for u in whole}))}", "Each read in its own.")
    for unit in whole:
        if unit.currency != "EUR" and not mapping.rate:
            notes.stop("currency", f"unit {unit.name}", f"prices in {unit.currency}", "prices in EUR",
                       f"Say what one {unit.currency} was worth in EUR, such as --rate 0.6.")  # fmt: skip
            break
    if mapping.rate:
        whole = [replace(unit, factor=unit.factor * mapping.rate) for unit in whole]
    return whole


def _choices(what: str) -> list[str]:
    from archipel.formats.measured.units import UNITS

    return [name for name, unit in UNITS.items() if unit.quantity in OF_WHAT[what]]


def _would_mean(readings: Readings, mapping: Mapping) -> str:
    """What the numbers would say in each unit: mean power, energy of a year, highest value."""
    block = readings.blocks[0]
    known = block.value[np.isfinite(block.value)]
    if not len(known) or len(block.time) < 2:
        return "no values"
    mean, most = float(np.abs(known).mean()), float(np.abs(known).max())
    if mapping.what not in {"load", "pv"}:
        return f"mean {mean:,.4g}, highest {most:,.4g}"
    step_h = float(np.median(np.diff(block.time))) / 3.6e9
    words = []
    for name, factor in (("W", 1e-3), ("kW", 1.0), ("kWh", 1.0 / step_h), ("Wh", 1e-3 / step_h)):
        words.append(f"in {name}: mean {mean * factor:,.3g} kW, highest {most * factor:,.3g} kW, "
                     f"{mean * factor * 8760:,.4g} kWh a year for a meter")  # fmt: skip
    return "; ".join(words)


def _said(
    table: Table,
    plan: layouts.Layout,
    readings: Readings,
    mapping: Mapping,
    units: list[Unit],
    rhythm: str,
    matched: Matched | None,
    asked: bool,
) -> list[tuple[str, str]]:
    names = " and ".join(repr(layouts.header(table, i)) for i in plan.time) or "none"
    zone = f", zone {mapping.zone}" if mapping.zone and "without" in readings.form else ""
    label = f"stamps name the {readings.label} ({readings.label_why})" if readings.label else "label not known"
    rows = sum(len(block.time) for block in readings.blocks)
    form = "long: one row for each meter and moment" if plan.meter is not None else "wide: one column for each meter"
    said = [
        ("table", f"{form}; {len(readings.names):,} series, {rows:,} moments"),
        ("time", f"column {names}: {readings.form}{zone} ({plan.said.get('time', '')})"),
        ("step", f"{rhythm}, {label}" if not mapping.hold and mapping.values != "register" else rhythm),
        ("values", (f"{', '.join(map(repr, readings.names[:4]))}{' ...' if len(readings.names) > 4 else ''}"
         f" ({plan.said.get('values', plan.said.get('meter', ''))})")),
        ("unit", ", ".join(dict.fromkeys(u.name for u in units)) + (" (as told)" if mapping.unit else " (by name)")
         if not asked else "not known"),
    ]  # fmt: skip
    if matched is not None:
        said.append(("devices", matched.how))
    return said
