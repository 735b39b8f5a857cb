"""Charging sessions: plug-in, plug-out and energy of every visit become the sessions of a scenario's chargers."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archipel.formats.measured.adding import Added
from archipel.formats.measured.layout import METER, column, header
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.matching import Device, match, read_map
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.readings import utc_of
from archipel.formats.measured.resample import QUARTER
from archipel.formats.measured.source import Table
from archipel.formats.measured.span import EPOCH, Span, existing, span_of
from archipel.formats.measured.stamps import NONE, looks_like_stamp, read_moments, shown
from archipel.formats.measured.target import Target
from archipel.formats.measured.toml_text import set_values
from archipel.formats.measured.units import named
from archipel.model import Bools, Floats, Ints

START = re.compile(r"(?i)(plug.?in|connection.?start|arriv|^start|begin|^von|ankunft)")
END = re.compile(r"(?i)(plug.?out|disconnect|connection.?end|depart|^end|^stop|^bis|abfahrt)")
ENERGY = re.compile(r"(?i)(energy|kwh|energie|delivered)")
CHARGER = re.compile(r"(?i)(charger|station|evse|connector|ladepunkt|s(ä|ae)ule)")
FULL_POWER = 1.05
"""A session may need so much of the charger's power; meters and clocks are not exact."""


@final
@dataclass(frozen=True, slots=True)
class Roles:
    """Columns of a table of sessions."""

    start: int
    end: int
    energy: int
    charger: int


def add_sessions(
    target: Target, table: Table, mapping: Mapping, map_file: Path | None, notes: Notes, write: bool
) -> Added:
    """Read sessions into the scenario; see `adding.add_data`."""
    said: list[tuple[str, str]] = [("file", table.about)]
    nothing = Added(notes.file, "ev", tuple(said), (), mapping)
    roles = _roles(table, mapping, notes)
    if roles is None:
        return replace(nothing, notes=tuple(notes.found))
    columns, value, bad = table.read([roles.start, roles.end, roles.charger], [roles.energy])
    for cell in bad[:1]:
        words = f"{len(bad):,} cells that are no numbers, first {cell.text[:40]!r}"
        notes.stop("no-number", header(table, roles.energy), words,
                   "energy in every row", "Correct or remove those rows.", len(bad))  # fmt: skip
    unit = named(mapping.unit or table.names[roles.energy])
    if unit is None or unit.quantity != "energy":
        mean = float(np.nanmean(value)) if np.isfinite(value).any() else 0.0
        notes.stop("unit", header(table, roles.energy), f"energy without a unit, {mean:,.4g} in the mean of a session",
                   "Wh, kWh or MWh", "Say it with --unit kWh: cars take some 5 to 60 kWh.")  # fmt: skip
    kwh = value[:, 0] * (unit.factor if unit is not None and unit.quantity == "energy" else 1.0)
    start, end = (_moments(columns[k], mapping, notes) for k in (0, 1))
    if start is None or end is None:
        return replace(nothing, notes=tuple(notes.found))
    charger = [str(word) for word in columns[2].cast(pa.string()).to_pylist()]
    names = sorted(set(charger) if not mapping.only else set(charger) & set(mapping.only))
    pairs = read_map(map_file) if map_file is not None else dict(mapping.map)
    matched = match(target, "ev", names, mapping, pairs, notes)
    device = {name: some[0] for name, some in zip(names, matched.device, strict=True) if some}
    said += [
        ("table", f"{len(kwh):,} sessions at {len(names):,} chargers, {np.nansum(kwh):,.1f} kWh"),
        ("columns", (f"start {header(table, roles.start)!r}, end {header(table, roles.end)!r}, energy "
                    f"{header(table, roles.energy)!r}, charger {header(table, roles.charger)!r}")),
        ("zone", mapping.zone or "in the stamps"), ("devices", matched.how),
    ]  # fmt: skip
    keep = _possible(start, end, kwh, charger, device, mapping, notes)
    first, last, keep = _in_quarters(target, start, end, kwh, charger, device, keep, mapping, notes)
    kept = np.flatnonzero(keep)
    said.append(("kept", f"{len(kept):,} sessions, {float(kwh[kept].sum()):,.1f} kWh"))
    if not len(kept):
        notes.stop("no-sessions", "", "no session that can be used", "sessions in the span of the scenario's series",
                   "See above; --span move moves sessions by whole weeks.")  # fmt: skip
    decided = replace(mapping, unit=unit.name if unit is not None else "", map=tuple(pairs.items()))
    added = replace(nothing, proposal=tuple(said), notes=tuple(notes.found), mapping=decided)
    if not added.ready or not write:
        return added
    rows = [(device[charger[i]].id, _iso(first[i]), _iso(last[i]), f"{kwh[i]:.9g}") for i in kept]
    return replace(added, written=tuple(_put(target, rows, decided, notes.file)))


def _roles(table: Table, mapping: Mapping, notes: Notes) -> Roles | None:
    cells = list(zip(*table.head, strict=True))
    filled = [[str(c) for c in column if str(c).strip()] for column in cells]
    stamps = [i for i, some in enumerate(filled) if some and all(looks_like_stamp(c) for c in some)]
    wanted = {name.strip(): None for name in mapping.time.split(",")} if mapping.time else {}
    times = [column(table, name, "--time", notes) for name in wanted]
    if len(times) != 2:
        times = [_only(table, stamps, pattern, word, "--time PLUG_IN,PLUG_OUT", notes)
                 for pattern, word in ((START, "plug-in"), (END, "plug-out"))]  # fmt: skip
    numbers = [i for i in range(len(cells)) if i not in stamps]
    energy = (
        column(table, mapping.columns[0], "--column", notes) if mapping.columns
        else _only(table, numbers, ENERGY, "energy", "--column NAME", notes)
    )  # fmt: skip
    charger = (
        column(table, mapping.meter, "--meter", notes) if mapping.meter
        else _only(table, [i for i in numbers if i != energy], CHARGER, "charger", "--meter NAME", notes)
    )  # fmt: skip
    found = [*times, energy, charger]
    whole = [i for i in found if i is not None]
    return Roles(*whole) if len(whole) == 4 else None


def _only(
    table: Table, among: Sequence[int], pattern: re.Pattern[str], word: str, option: str, notes: Notes
) -> int | None:
    fits = [i for i in among if pattern.search(table.names[i])]
    if not fits and word == "charger":
        fits = [i for i in among if METER.match(table.names[i])]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(repr(header(table, i)) for i in (fits or among)[:8])
    notes.stop("which-columns", word, f"{'several' if fits else 'no'} columns for {word} among {names or 'none'}",
               "one of them", f"Name it with {option}.")  # fmt: skip
    return None


def _moments(cells: Any, mapping: Mapping, notes: Notes) -> Ints | None:
    moments = read_moments(cells, mapping.date_order)  # type: ignore[arg-type]
    wrong = int((moments.clock == NONE).sum())
    if wrong:
        notes.stop("bad-stamps", "time", f"{wrong:,} cells that are no moment", "a date and a time in every row",
                   "Correct or remove those rows.", wrong)  # fmt: skip
        return None
    if moments.undecided and not mapping.date_order:
        notes.stop("date-order", "time", "dates that could be either way round", "which number is the day",
                   "Say it with --date-order day-first or month-first.")  # fmt: skip
    if any(note.code == "zone" for note in notes.found) and not moments.aware and not mapping.zone:
        return moments.clock
    # sessions of all chargers stand in any order, so the doubled hour cannot be told by it
    return utc_of(moments, mapping, "", np.arange(len(moments.clock)), notes)


def _possible(
    start: Ints, end: Ints, kwh: Floats, charger: list[str], device: dict[str, Device], mapping: Mapping, notes: Notes
) -> Bools:
    """Sessions that can be: they end after they start, take energy, and have a charger."""
    has = np.array([name in device for name in charger], dtype=bool)
    real = (start != NONE) & (end != NONE) & has
    backwards = real & (end <= start)
    odd = real & ~(np.isfinite(kwh) & (kwh >= 0))
    bad = backwards | odd
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        what = "ends before it starts" if backwards[i] else f"takes {kwh[i]:g} kWh"
        words = (
            f"{int(bad.sum()):,} sessions that cannot be: the one at {charger[i]!r} from {shown(int(start[i]))} {what}"
        )
        if mapping.drop_bad:
            notes.tell("bad-sessions", "", words, "Left out, as told by --drop-bad.", int(bad.sum()))
        else:
            notes.stop("bad-sessions", "", words, "a later end, and energy of at least zero",
                       "Correct them, or leave them out with --drop-bad.", int(bad.sum()))  # fmt: skip
    none = real & ~bad & (kwh == 0)
    if none.any():
        notes.tell("no-energy", "", f"{int(none.sum()):,} sessions without energy", "Left out.", int(none.sum()))
    keep: Bools = real & ~bad & ~none
    return keep


def _in_quarters(
    target: Target,
    start: Ints,
    end: Ints,
    kwh: Floats,
    charger: list[str],
    device: dict[str, Device],
    keep: Bools,
    mapping: Mapping,
    notes: Notes,
) -> tuple[Ints, Ints, Bools]:
    """Quarter hours in which each session starts and has ended, inside the scenario's series, one after the other."""
    first, last = np.rint(start / QUARTER).astype(np.int64), np.rint(end / QUARTER).astype(np.int64)
    last = np.maximum(last, first + 1)
    old = existing(target)
    if old:
        span = span_of(old[0][1])
        if mapping.span == "move" and keep.any():
            shift = -((int(first[keep].min()) - span.first) // 672) * 672  # the first falls into the first week
            first, last = first + shift, last + shift
            if shift:
                notes.tell("moved", "", f"sessions from {_iso(int(first[keep].min()) - shift)}",
                           f"Moved by {shift // 672:,} whole weeks to {span}.")  # fmt: skip
        outside = keep & ((first < span.first) | (last > span.first + span.rows))
        keep = keep & ~outside
        _tell_outside(outside, keep, span, notes)
    power = np.array([device[name].p_kw if name in device else np.inf for name in charger])
    fast = keep & (kwh > FULL_POWER * power * (end - start) / 3.6e9)
    if fast.any():
        i = int(np.flatnonzero(fast)[0])
        notes.doubt(
            "too-fast",
            "",
            f"{int(fast.sum()):,} sessions of {int(keep.sum()):,} take more than their charger can give, such as "
            f"{kwh[i]:.3g} kWh in {(end[i] - start[i]) / 3.6e9:.2g} h at {charger[i]!r} of {power[i]:g} kW",
            "energy of at most p_kw times the time",
            "Check --unit and p_kw of the chargers.",
            int(fast.sum()),
        )
    codes = {name: k for k, name in enumerate(sorted({d.id for d in device.values()}))}
    who = np.array([codes[device[name].id] if name in device else -1 for name in charger])
    return _one_after_the_other(who, first, last, keep, notes)


def _tell_outside(outside: Bools, keep: Bools, span: Span, notes: Notes) -> None:
    if not outside.any():
        return
    words = f"{int(outside.sum()):,} sessions outside the scenario's series, {span}"
    if keep.any():
        notes.tell("outside", "", words, "Left out.", int(outside.sum()))
    else:
        notes.stop("span", "", words, "sessions inside them", "Move them by whole weeks with --span move.")


def _one_after_the_other(
    who: NDArray[Any], first: Ints, last: Ints, keep: Bools, notes: Notes
) -> tuple[Ints, Ints, Bools]:
    """A charger serves one vehicle at a time: a session ends where the next begins."""
    first, last, keep = first.copy(), last.copy(), keep.copy()
    order = np.flatnonzero(keep)[np.lexsort((first[keep], who[keep]))]
    shortened = 0
    for a, b in itertools.pairwise(order):
        if who[a] == who[b] and last[a] > first[b]:
            shortened += last[a] - first[b] > 1
            last[a] = first[b]
    empty = keep & (last <= first)
    if shortened:
        notes.tell(
            "overlap", "", f"{shortened:,} sessions that go on when the next at the charger begins", "Shortened."
        )
    if empty.any():
        notes.tell("overlap", "", f"{int(empty.sum()):,} sessions that begin together with another at the charger",
                   "Left out.", int(empty.sum()))  # fmt: skip
    return first, last, keep & ~empty


def _iso(quarter: int) -> str:
    return f"{EPOCH + timedelta(minutes=15 * int(quarter)):%Y-%m-%dT%H:%M:%SZ}"


def _put(target: Target, rows: list[tuple[str, str, str, str]], mapping: Mapping, file: str) -> list[str]:
    name = target.free_name("ev_sessions", ".csv")
    stem = re.sub(r"[^\w-]", "_", file.split(".", maxsplit=1)[0]) or "data"
    note = target.free_name(f"ev-{stem}.mapping", ".toml")

    def sessions(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([("charger", "start", "end", "e_kwh"), *rows])

    def how(path: Path) -> None:
        path.write_text(mapping.text(file), encoding="utf-8")

    writers: dict[str, Callable[[Path], None]] = {name: sessions, note: how}
    gone = target.commit(writers, set_values(target.text, {("devices", "ev_sessions"): name}, target.path.name))
    return [target.path.name, *writers, *(f"{one} (removed: used no more)" for one in gone)]
