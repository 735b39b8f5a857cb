"""All series pass by once, some meters at a time: to quarter hours, gaps filled, checked, scaled to their devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.formats.measured.gaps import FULL, Gap, Rule, fill
from archipel.formats.measured.intervals import Piece
from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.matching import Device, Matched
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.plausible import (
    Sums,
    check_limits,
    check_series,
    check_size,
    check_sun,
    collect,
    empty,
    longitude_of,
)
from archipel.formats.measured.readings import Readings
from archipel.formats.measured.resample import QUARTER, in_single, quarter_means
from archipel.formats.measured.span import WEEK, Plan, Span, choose, existing, span_of, weekly
from archipel.formats.measured.target import Target
from archipel.formats.measured.units import Unit
from archipel.model import Floats, Ints, Profiles

AT_ONCE = 64
"""Meters that are in memory as quarter hours in double precision."""
NEGLIGIBLE = 0.01
"""Share of the energy that may have the other sign: what a plant draws at night."""


@final
@dataclass(slots=True, eq=False)
class Passed:
    """All series, ready to be written."""

    plan: Plan
    old: list[tuple[str, Profiles]]
    matched: Matched | None
    names: tuple[str, ...]
    value: NDArray[np.float32]
    """Per unit of the first device of a meter (load, pv), or in the unit; shape (rows of the span, meters taken)."""
    taken: Ints
    """The meters that are written."""
    peak_kw: Floats
    """Of every meter."""
    sign: float
    sign_word: str
    total: Floats
    few: Floats
    gaps: list[Gap]
    energy_said: str


def pass_by(
    target: Target,
    readings: Readings,
    parts: list[Piece],
    units: list[Unit],
    step_h: float,
    matched: Matched | None,
    mapping: Mapping,
    rules: tuple[Rule, ...],
    notes: Notes,
) -> Passed:
    """See the module."""
    what, count = mapping.what, len(readings.names)
    data = _span_of_data(parts, notes)
    old = existing(target)
    plan = choose(data, span_of(old[0][1]) if old else None, _used(target, old, matched, what), mapping.span, notes)
    window = plan.span if plan.span.within(data) else data
    taken = np.array([i for i in range(count) if matched is None or matched.device[i]], dtype=np.int64)
    place = np.full(count, -1, dtype=np.int64)
    place[taken] = np.arange(len(taken))
    sign, word = _sign(parts, mapping, notes) if matched is not None else (1.0, "")
    nominal = _nominal(matched, count, mapping)
    out = np.zeros((plan.span.rows, len(taken)), dtype=np.float32)
    rows = np.arange(plan.span.rows) + plan.span.first - window.first
    rows = weekly(rows, window.rows) if window.rows >= WEEK else rows % window.rows
    same = plan.span == window
    sums, gaps = empty(count), []
    few = np.full((window.rows, min(6, count)), np.nan)
    total = np.zeros(window.rows)
    read_kwh = kept_kwh = filled_kwh = 0.0
    times = np.datetime64(window.first * 900, "s") + np.timedelta64(900, "s") * np.arange(window.rows)
    for piece in parts:
        for low in range(0, len(piece.meters), AT_ONCE):
            columns = slice(low, low + AT_ONCE)
            meters = piece.meters[columns]
            unit = units[int(meters[0])] if len(units) > 1 else units[0]
            if len(units) > 1 and len({units[int(m)] for m in meters}) > 1:
                power = np.concatenate(
                    [piece.in_unit(slice(low + k, low + k + 1), units[m], sign) for k, m in enumerate(meters)], axis=1
                )  # fmt: skip
            else:
                power = piece.in_unit(columns, unit, sign)
            if what == "pv" and word:
                power = _no_less_than_zero(power, [readings.names[m] for m in meters], notes)
            kw, known = quarter_means(power, piece.begin, piece.end, window.first, window.rows)
            read_kwh += _read_kwh(power, piece, window)
            kept_kwh += float(kw.sum()) / 4
            before = float(kw.sum())
            found = fill(kw, known, rules)
            filled_kwh += (float(kw.sum()) - before) / 4
            gaps += [Gap(int(meters[g.column]), g.first, g.count, g.method) for g in found]
            _tell_gaps(found, [readings.names[m] for m in meters], times, known, notes)
            if what in {"load", "pv"}:
                check_series(kw, [readings.names[m] for m in meters], times, what, notes)
            collect(sums, meters, kw, window.first)
            total += kw.sum(axis=1)
            shown = [k for k, m in enumerate(meters) if m < few.shape[1]]
            few[:, meters[shown]] = np.where(known[:, shown] < FULL, np.nan, kw[:, shown]) if shown else few[:, []]
            here = place[meters] >= 0
            if not here.any():
                continue
            scaled = kw[:, here] / _divisor(nominal[meters[here]], sums.peak[meters[here]])
            out[:, place[meters[here]]] = in_single(scaled if same else scaled[rows])
    _check(target, readings, sums, nominal, units, step_h, mapping, out, taken, notes)
    said = _energy(read_kwh, kept_kwh, filled_kwh)
    if matched is not None and matched.device and mapping.match != "every":
        _tell_above(matched, sums, notes)
    return Passed(
        plan, old, matched, readings.names, out, taken, sums.peak, sign, word,
        total if same else total[rows], few if same else few[rows], gaps if same else [], said,
    )  # fmt: skip


def _span_of_data(parts: list[Piece], notes: Notes) -> Span:
    """Whole quarter hours from the first to the last interval; parts of a quarter hour at the ends are left out."""
    begin, end = min(int(p.begin.min()) for p in parts), max(int(p.end.max()) for p in parts)
    first, last = -(-begin // QUARTER), end // QUARTER
    if begin % QUARTER or end % QUARTER:
        cut = (first * QUARTER - begin + end - last * QUARTER) / 6e7
        notes.tell("part-quarters", "time", f"{cut:.3g} min before the first and after the last whole quarter hour",
                   "Left out, with their energy.")  # fmt: skip
    if last - first < 96:
        notes.stop("too-short", "time", f"{max(last - first, 0)} quarter hours", "at least a day (96)",
                   "Export a longer time.")  # fmt: skip
    return Span(first, max(last - first, 1))


def _used(target: Target, old: list[tuple[str, Profiles]], matched: Matched | None, what: str) -> bool:
    """Whether anything but what is measured now hangs on the series that are there."""
    names = {name for _, profiles in old for name in profiles.name}
    new = {d.id for some in matched.device for d in some} if matched is not None else set()
    named = {
        name
        for table in target.tables.values()
        for device, name in zip(table.column("id"), table.column("profile"), strict=True)
        if name and device not in new
    }
    named |= {str(target.document.get("population", {}).get("heat_pumps", {}).get("profile", ""))} - {""}
    known = names | {name.removesuffix("_pload") for name in names}
    weather = {"temperature_c", "wind_speed_m_per_s", "irradiance_w_per_m2"} & names if what != "weather" else set()
    return bool(named & known) or bool(weather) or "population" in target.document


def _sign(parts: list[Piece], mapping: Mapping, notes: Notes) -> tuple[float, str]:
    """(factor, drawn or given): by what nearly all energy says, else asked for."""
    ours = "drawn" if mapping.what == "load" else "given"
    other = "given" if ours == "drawn" else "drawn"
    if mapping.values == "register":
        return 1.0, mapping.sign or ours
    if mapping.sign:
        return (1.0 if mapping.sign == ours else -1.0), mapping.sign
    plus = sum(float(np.nansum(np.maximum(p.value, 0.0))) for p in parts)
    minus = -sum(float(np.nansum(np.minimum(p.value, 0.0))) for p in parts)
    if minus <= NEGLIGIBLE * plus:
        return 1.0, ours
    share = minus / (plus + minus)
    notes.stop("sign", "", f"{share:.0%} of what is counted below zero (sum {plus:,.4g} above, {minus:,.4g} below)",
               f"which sign is power {ours}", f"Say what positive numbers are: --sign {ours}, or --sign {other}, which "
               f"turns them round.", 1)  # fmt: skip
    return 1.0, ""


def _nominal(matched: Matched | None, count: int, mapping: Mapping) -> Floats:
    """Power at profile value one [kW] of every meter's device; 0 where it has none."""
    if matched is None:
        return np.ones(count)
    if mapping.match == "every":
        return np.full(count, mapping.rating or 1.0)
    return np.array([some[0].p_kw if some else 0.0 for some in matched.device])


def _divisor(nominal: Floats, peak: Floats) -> Floats:
    """What a series is divided by: the nominal power, or its own peak where the device states none."""
    return np.where(nominal > 0, nominal, np.where(peak > 0, peak, 1.0))


def _no_less_than_zero(power: Floats, names: list[str], notes: Notes) -> Floats:
    below = power < 0
    for k in np.flatnonzero(below.any(axis=0)):
        notes.tell("negative", names[k], f"{int(below[:, k].sum()):,} below zero, to {np.nanmin(power[:, k]):.3g} kW: "
                   "a plant that draws", "Set to zero.", int(below[:, k].sum()))  # fmt: skip
    return np.where(below, 0.0, power)


def _read_kwh(power: Floats, piece: Piece, window: Span) -> float:
    """Energy of the intervals that lie in the window, worked out from the intervals themselves."""
    begin = np.clip(piece.begin, window.first * QUARTER, (window.first + window.rows) * QUARTER)
    end = np.clip(piece.end, window.first * QUARTER, (window.first + window.rows) * QUARTER)
    return float(np.nansum(((end - begin) / 3.6e9) @ np.nan_to_num(power)))


def _energy(read: float, kept: float, filled: float) -> str:
    off = abs(kept - read) / max(abs(read), 1e-12)
    more = f", {filled:,.1f} kWh filled into gaps" if filled else ""
    return f"{read:,.1f} kWh read, {kept:,.1f} kWh in quarter hours (relative difference {off:.0e}){more}"


def _tell_gaps(found: list[Gap], names: list[str], times: NDArray[np.datetime64], known: Floats, notes: Notes) -> None:
    by_meter: dict[int, list[Gap]] = {}
    for gap in found:
        by_meter.setdefault(gap.column, []).append(gap)
    for k, gaps in by_meter.items():
        if (known[:, k] < FULL).all():
            notes.stop("no-values", names[k], "no values at all", "a series", "Leave this meter out, or correct it.")
            continue
        open_ = [gap for gap in gaps if not gap.method]
        for part, level in ((open_, True), ([g for g in gaps if g.method], False)):
            if not part:
                continue
            longest = max(part, key=lambda gap: gap.count)
            missing = float((1.0 - np.minimum(known[:, k], 1.0))[_rows(part)].sum())
            words = (
                f"{len(part):,} gaps, together {missing / 4:,.3g} h, the longest over {longest.count / 4:g} h from "
                f"{str(times[longest.first].astype('datetime64[m]')).replace('T', ' ')} UTC"
            )
            if level:
                notes.stop("gaps", names[k], words, "values throughout, or a rule for gaps of that length",
                           f"Say how to fill them, such as --gaps linear:2h,week:{max(14, longest.count // 96 + 1)}d "
                           "(linear, hold, zero, day, week).", len(part))  # fmt: skip
            else:
                methods = ", ".join(dict.fromkeys(gap.method for gap in part))
                notes.tell("gaps", names[k], words, f"Filled: {methods}.", len(part))


def _rows(gaps: list[Gap]) -> Ints:
    return np.concatenate([np.arange(gap.first, gap.first + gap.count) for gap in gaps])


def _check(
    target: Target,
    readings: Readings,
    sums: Sums,
    nominal: Floats,
    units: list[Unit],
    step_h: float,
    mapping: Mapping,
    out: NDArray[np.float32],
    taken: Ints,
    notes: Notes,
) -> None:
    open_ = {note.code for note in notes.in_the_way}
    names = list(readings.names)
    if mapping.what in {"load", "pv"} and not open_ & {"unit", "sign"} and len(taken):
        size = Sums(sums.peak[taken], sums.mean[taken], sums.negative[taken], sums.above_zero[taken], sums.day)
        check_size(size, nominal[taken], mapping.what, units[0].name, step_h, [names[i] for i in taken],
                   len(out) / 96, notes)  # fmt: skip
    if mapping.what == "pv" and "zone" not in open_ and "sign" not in open_:
        place = _longitude(target)
        check_sun(sums.day, place if place is not None else longitude_of(mapping.zone), place is not None,
                  mapping.zone, notes)  # fmt: skip
    if mapping.what in {"price", "weather"} and "unit" not in open_:
        for k, i in enumerate(taken):
            name = "price_eur_per_mwh" if mapping.what == "price" else names[i]
            check_limits(name, out[:, k].astype(np.float64), units[int(i) if len(units) > 1 else 0].name, notes)


def _longitude(target: Target) -> float | None:
    """Of the network, where its nodes have geographical coordinates."""
    file = target.keys["network"]["nodes"]
    table = target.table("nodes", file) if file else None
    if table is None or "x" not in table.header or "y" not in table.header:
        return None
    pairs = [(x, y) for x, y in zip(table.column("x"), table.column("y"), strict=True) if x and y]
    try:
        x, y = np.array([[float(a), float(b)] for a, b in pairs]).reshape(-1, 2).T
    except ValueError:
        return None
    geographical = len(x) > 0 and np.all(np.abs(x) <= 180) and np.all(np.abs(y) <= 66) and np.ptp(x) < 15
    return float(np.median(x)) if geographical and np.abs(x).max() > 0 and np.abs(y).max() > 0 else None


def _tell_above(matched: Matched, sums: Sums, notes: Notes) -> None:
    above: list[tuple[float, Device]] = []
    for i, some in enumerate(matched.device):
        above += [(float(sums.peak[i]), d) for d in some if d.p_kw > 0 and sums.peak[i] > 1.05 * d.p_kw]
    if above:
        worst = max(above, key=lambda pair: pair[0] / pair[1].p_kw)
        notes.tell(
            "above-nominal",
            worst[1].id,
            f"{len(above):,} devices peak above their nominal power, most of all this: "
            f"{worst[0]:,.4g} kW of {worst[1].p_kw:,.4g} kW",
            "Kept: the profile goes above one.",
            len(above),
        )
