"""The answer in words: which thing, when, how much, why, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from archipel.cell.remedy.case import Ask, Case
from archipel.cell.remedy.doctor import Dark, Diagnosis
from archipel.cell.remedy.least import Alternative, Change, Conflict

MOST_NAMED = 4
UNITS = {
    "voltage high": "pu", "voltage low": "pu", "loading": "% of its limit", "energy": "kWh", "warmth": "K",
    "reserve": "kWh",
}  # fmt: skip


def up(value: float, digits: int = 3) -> str:
    """A number rounded up to so many digits: what is less would not do."""
    if value <= 0.0:
        return "0"
    places = digits - 1 - math.floor(math.log10(value))
    factor = 10.0**places
    rounded = math.ceil(value * factor - 1e-6) / factor
    return f"{rounded:,.{max(places, 0)}f}".rstrip("0").rstrip(".") if places > 0 else f"{rounded:,.0f}"


def element(case: Case, thing: str) -> str:
    """A thing by its kind and id."""
    grid = case.scenario.grid
    for kind, ids, names in (
        ("transformer", grid.transformers.id, grid.transformers.name),
        ("line", grid.lines.id, grid.lines.name),
        ("node", grid.nodes.id, grid.nodes.name),
    ):
        if thing in ids:
            name = names[ids.index(thing)]
            return f"{kind} {thing}" + (f" ({name})" if name and name not in thing else "")
    if thing in {cell.id for cell in case.scenario.archipelago.cell}:
        return f"cell {thing}"
    here = case.wishes.part
    return thing or (f"the connection of cell {here}" if here else "the upstream connection")


def clock(case: Case, t: int) -> str:
    """Start of an interval; with its day where the horizon has several."""
    days = float(case.horizon.dt_h.sum()) > 24.0
    if t < len(case.horizon):
        at = case.at(t)
    else:
        at = case.at(t - 1) + (case.at(1) - case.at(0) if len(case.horizon) > 1 else case.at(0) - case.at(0))
    return f"{at:%Y-%m-%d %H:%M}" if days else f"{at:%H:%M}"


def spans(case: Case, intervals: Iterable[int]) -> str:
    """Intervals as spans of time: "from 17:15 to 19:00 and from ..."."""
    intervals = set(intervals)
    if len(intervals) == len(case.horizon) > 1:
        return "all the time"
    runs: list[list[int]] = []
    for t in sorted(intervals):
        if runs and t == runs[-1][1]:
            runs[-1][1] = t + 1
        else:
            runs.append([t, t + 1])
    told = [f"from {clock(case, a)} to {clock(case, b)}" for a, b in runs[:MOST_NAMED]]
    more = f" and {len(runs) - MOST_NAMED} more times" if len(runs) > MOST_NAMED else ""
    return (", ".join(told[:-1]) + " and " + told[-1] if len(told) > 1 else told[0]) + more if told else ""


def cannot(case: Case, conflict: Conflict) -> list[str]:
    """What cannot be kept: which thing, when, by how much at best."""
    said = []
    things = dict.fromkeys((a.what, a.thing) for a, _ in conflict.broken)
    for what, thing in list(things)[:MOST_NAMED]:
        mine = [(a.t, by) for a, by in conflict.broken if (a.what, a.thing) == (what, thing)]
        t, by = max(mine, key=lambda one: one[1])
        when = spans(case, (k for k, _ in mine))
        name, at = element(case, thing), clock(case, t)
        said.append(
            {
                "loading": f"{name} is overloaded {when}: {100 * (1 + by):.1f} % of its limit at {at} at best",
                "voltage high": f"{name} is too high {when}: {by:.4f} pu above its limit at {at} at best",
                "voltage low": f"{name} is too low {when}: {by:.4f} pu below its limit at {at} at best",
                "import limit": f"{name} takes {up(by)} kW more than is allowed at {at} at best ({when})",
                "export limit": f"{name} gives {up(by)} kW more than is allowed at {at} at best ({when})",
                "cell import": f"{name} takes {up(by)} kW more than was agreed at {at} at best ({when})",
                "cell export": f"{name} gives {up(by)} kW more than was agreed at {at} at best ({when})",
                "energy": f"the vehicle at {name} lacks {up(by)} kWh when it leaves, after {at}",
                "warmth": f"{name} is {up(by)} K below its comfort band at {at} at best ({when})",
                "reserve": f"{name} holds {up(by)} kWh less than its reserve at {at} at best ({when})",
                "promise": f"{name} lacks {up(by)} kW of what was promised at {at} ({when})",
            }[what]
        )
    if len(things) > MOST_NAMED:
        said.append(f"and {len(things) - MOST_NAMED} more")
    return said


def why(case: Case, conflict: Conflict) -> str:
    """What binds together, and what there is to draw on."""
    t = max(conflict.broken, key=lambda one: one[1])[0].t
    behind = conflict.zones[0].nodes if conflict.zones else np.zeros(0, dtype=np.int64)
    parts = []
    if len(behind):
        load, made = float(case.load_kw[behind, t].sum()), float(case.made_kw[behind, t].sum())
        if load > 1e-3:
            parts.append(f"{up(load)} kW of fixed load behind it at {clock(case, t)}")
        if made > 1e-3:
            parts.append(f"{up(made)} kW of feed-in that may not be curtailed")
    nodes = {int(n) for zone in conflict.zones for n in zone.nodes}
    helpers: dict[str, set[str]] = {}
    for n, (name, kind) in enumerate(zip(case.name, case.kind, strict=True)):
        if kind not in ("ev_charger",) and any(int(k) in nodes for k in case.p[:, [n]].nonzero()[0]):
            helpers.setdefault(kind, set()).add(name)
    asked = dict.fromkeys((a.what, a.thing) for a in conflict.tied if a.what in ("energy", "warmth", "reserve"))
    cars = [s for s in case.sessions if ("energy", s.id) in asked]
    if cars:
        kwh = sum(s.kwh for s in cars)
        told = "1 vehicle that wants" if len(cars) == 1 else f"{len(cars)} vehicles that want"
        parts.append(f"{told} {up(kwh)} kWh before leaving")
    words = {"battery": "batter", "heat_pump": "heat pump", "pv": "PV plant"}
    for kind, names in helpers.items():
        name = words.get(kind, kind)
        if kind == "battery":
            parts.append(f"{len(names)} batter{'ies' if len(names) > 1 else 'y'} already used as well as can be")
        elif kind == "heat_pump" and any(what == "warmth" for what, _ in asked):
            parts.append(f"{len(names)} {name}{'s' * (len(names) > 1)} that must keep comfort")
    return "; ".join(parts)


def change_words(case: Case, one: Change) -> str:
    """One part of an alternative."""
    name, amount = element(case, one.thing), up(one.amount)
    kwh = sum(by * float(case.horizon.dt_h[t]) for t, by in one.profile)
    when = spans(case, (t for t, _ in one.profile))
    peak = clock(case, max(one.profile, key=lambda p: p[1])[0]) if one.profile else ""
    if one.kind in ("load", "feed-in"):
        return f"{amount} kW less {one.kind} behind {name} at {peak} ({up(kwh)} kWh {when})"
    if one.kind == "warmth":
        return f"{amount} K colder at {name} {when}"
    if one.kind == "storage":
        return f"{amount} kWh ({up(one.beside)} kW) more storage behind {name}"
    if one.kind.startswith("limit"):
        side = {"voltage high": "upper voltage limits", "voltage low": "lower voltage limits"}.get(one.kind[7:])
        if side is not None:
            return f"{side} {amount} pu {'higher' if one.kind.endswith('high') else 'lower'}"
        return f"the limit of {name} {amount} {one.unit} higher"
    told = {
        "generator": f"a generator of {amount} kW behind {name}",
        "reactive": f"a compensator of {amount} kvar behind {name}",
        "energy": f"{amount} kWh less for the vehicle at {name}",
        "rating": f"{name} {amount} kW stronger",
        "reserve": f"{amount} kWh less in reserve in {name}",
        "promise": f"{amount} kW less promised by {name}",
        "smaller": f"{name} {amount} kW smaller",
        "later": f"the vehicle at {name} leaves {amount} min later",
        "tap": f"the tap of {name} {one.amount:.0f} step{'s' * (one.amount > 1)} {one.unit}",
        "shorter": f"the outage over after {up(one.beside)} h, {amount} h earlier",
    }
    return told[one.kind]


def way_words(case: Case, way: Alternative) -> str:
    """An alternative with its price."""
    said = [change_words(case, one) for one in way.changes[:MOST_NAMED]]
    if len(way.changes) > MOST_NAMED:
        more = len(way.changes) - MOST_NAMED
        said.append(f"{more} more such change{'s' * (more > 1)}")
    days = way.trial.prices.days_a_year
    year = f"EUR {up(way.total_eur_a)} a year"
    if way.eur_per_day > 0.005 and way.eur_per_day * days > 0.002 * way.total_eur_a:
        year = f"EUR {up(way.eur_per_day)} on each such day, {year} at {days:g} such days"
    return f"{' and '.join(said)}: {year}"


def dark_words(one: Dark) -> str:
    """A node that nothing feeds."""
    told = f"node {one.node} is fed by nothing: {up(one.kwh)} kWh are not served, {up(one.p_kw)} kW at most"
    good = [name for name, kept in one.switches if kept]
    if good:
        return f"{told}; close {' or '.join(good[:3])} (all limits are kept then)"
    if one.switches:
        return f"{told}; closing {one.switches[0][0]} would feed it and break other limits"
    there = f"{up(one.p_kw)} kW of supply, or {up(one.kwh / 0.95)} kWh of storage that comes charged"
    return f"{told}; no open switch reaches it: it needs {there}"


def diagnosis_text(done: Diagnosis) -> str:
    """The whole answer."""
    case = done.case
    area = case.scenario.name + (f", cell {case.wishes.part}" if case.wishes.part else "")
    day = f"{area}, {case.at(0):%Y-%m-%d %H:%M} UTC, {float(case.horizon.dt_h.sum()):g} h"
    if done.possible:
        return f"{day}: everything that is asked can be kept.\n"
    lines = [f"{day}: not everything that is asked can be kept, by no plan.", ""]
    number = 0
    for conflict in done.conflicts:
        lines += [f"{text[0].upper()}{text[1:]}." for text in cannot(case, conflict)]
        reason = why(case, conflict)
        if reason:
            lines.append(f"  Why: {reason}.")
        if conflict.alternatives:
            lines.append("  Any one of these mends it, cheapest first (each the least of its kind):")
        for way in conflict.alternatives:
            number += 1
            lines.append(f"  {number:2d}. {way_words(case, way)}")
        if not conflict.alternatives:
            lines.append("  No change that was tried mends it, alone or together.")
        lines.append("")
    lines += [f"{text[0].upper()}{text[1:]}." for text in map(dark_words, done.dark)]
    return "\n".join(lines).rstrip() + "\n"


def one_line(done: Diagnosis) -> str:
    """The answer in a line, for places with little room."""
    if done.possible:
        return "every limit can be kept"
    if not done.conflicts:
        return dark_words(done.dark[0])
    first = done.conflicts[0]
    said = cannot(done.case, first)[0]
    if not first.alternatives:
        return said
    ways = [" and ".join(change_words(done.case, c) for c in way.changes[:2]) for way in first.alternatives[:2]]
    return f"{said}; it needs {', or '.join(ways)}"


def diagnosis_json(done: Diagnosis) -> dict[str, Any]:
    """The answer as plain values."""
    case = done.case

    def ask(one: Ask) -> dict[str, Any]:
        return {"what": one.what, "thing": one.thing, "time": case.at(one.t).isoformat()}

    def series(profile: Iterable[tuple[int, float]]) -> list[dict[str, Any]]:
        return [{"time": case.at(t).isoformat(), "amount": round(by, 6)} for t, by in profile]

    conflicts = [
        {
            "cannot": cannot(case, one),
            "why": why(case, one),
            "broken": [ask(a) | {"by": round(by, 6)} for a, by in one.broken],
            "binds_together": [{"what": w, "thing": t} for w, t in dict.fromkeys((a.what, a.thing) for a in one.tied)],
            "alternatives": [
                {
                    "words": way_words(case, way),
                    "kind": way.kind,
                    "eur_per_day": round(way.eur_per_day, 4),
                    "eur_per_year": round(way.total_eur_a, 2),
                    "kept_by_ac_power_flow": way.kept,
                    "changes": [
                        {
                            "kind": c.kind, "thing": c.thing, "amount": round(c.amount, 6), "unit": c.unit,
                            "beside_kw": round(c.beside, 6), "when": series(c.profile),
                        }
                        for c in way.changes
                    ],
                }
                for way in one.alternatives
            ],
            "not_by_itself": list(one.unable),
        }
        for one in done.conflicts
    ]  # fmt: skip
    return {
        "scenario": case.scenario.name,
        "cell": case.wishes.part or None,
        "start": case.at(0).isoformat(),
        "hours": float(case.horizon.dt_h.sum()),
        "possible": done.possible,
        "conflicts": conflicts,
        "dark": [
            {"node": d.node, "kwh": round(d.kwh, 3), "p_kw": round(d.p_kw, 3),
             "switches": [{"id": name, "limits_kept": kept} for name, kept in d.switches]}
            for d in done.dark
        ],
    }  # fmt: skip


__all__ = ["cannot", "diagnosis_json", "diagnosis_text", "one_line", "way_words", "why"]
