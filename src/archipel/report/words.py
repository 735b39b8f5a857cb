"""What a day showed, in words computed from its figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from archipel.report.figures import LIMITS, grouped
from archipel.report.still_to_come import still_to_come

STRATEGY = {
    "uncoordinated": "every device on its own rule, as sold today",
    "alone": "every cell optimises itself inside one fixed limit at its boundary, as a connection agreement does today",
    "distributed": "cells agree with their neighbours by messages about their boundaries; nobody sees everything",
    "central": "one optimiser that knows everything: the reference, not a proposal",
    "pooled": "cells agree as under distributed; on top, devices of several owners act as one plant and sell reserve",
}


def story(kpis: Mapping[str, Any]) -> list[str]:
    """What the run showed, sentence by sentence, computed from its figures; the first is the headline."""
    runs: Mapping[str, Mapping[str, Any]] = kpis["strategies"]
    span = "the day" if kpis["days"] == 1 else f"these {kpis['days']} days"
    if cut := [name for name, f in runs.items() if not f.get("complete", True)]:
        done = ", ".join(f"{name} after {runs[name].get('hours', 0.0):g} of {24 * kpis['days']} hours" for name in cut)
        return [f"This run was stopped: {done}.", "Figures of strategies that ran for different times do not compare."]
    late = {name: _late(kwh, runs[name]) for name, kwh in still_to_come(runs).items()}
    ours = runs.get("distributed")
    if all(f.get("unserved_share") is not None for f in runs.values()):
        return _without_main_grid(runs, span)
    if ours is None:
        return [f"{name.capitalize()}, {span} {_spent(name, f, late)} and {_grid(f)}." for name, f in runs.items()]
    said = [f"By agreement between cells, {span} {_spent('distributed', ours, late)} and {_grid(ours)}."]
    if (pool := runs.get("pooled")) is not None:
        reserve = pool["reserve_income_eur"] or 0.0
        said.append(
            f"With a portfolio of several owners on top {span} {_spent('pooled', pool, late)} and {_grid(pool)}; "
            f"{reserve:,.0f} EUR of that are paid for reserve, which costs the area more energy and wear."
        )
    if "alone" in runs:
        said.append(f"That is {_against(ours, runs['alone'])} cells on their own.")
    if "central" in runs:
        said.append(f"It is {_against(ours, runs['central'])} one optimiser that knows everything.")
    if "uncoordinated" in runs:
        today = runs["uncoordinated"]
        said.append(f"Left to itself, as today, it {_spent('uncoordinated', today, late)} and {_grid(today)}.")
    return said


_WHO = {
    "distributed": "Agreement between cells",
    "uncoordinated": "Rules that every cell follows by itself",
    "alone": "Cells that each plan for themselves",
    "central": "One optimiser that knows everything",
    "pooled": "A portfolio of several owners",
}


def _without_main_grid(runs: Mapping[str, Mapping[str, Any]], span: str) -> list[str]:
    """What counts in an area without a main grid is who was served."""
    said: list[str] = []
    for name in sorted(runs, key=lambda name: name != "distributed"):
        figures, who = runs[name], _WHO.get(name, name.capitalize())
        critical = figures["critical_unserved_kwh"]
        kept = "all critical load" if critical < 0.5 else f"all critical load but {_mwh(critical)}"
        served = f"{100.0 * (1.0 - figures['unserved_share']):.1f}\N{NO-BREAK SPACE}%"
        if not said:
            said.append(f"{who} served {served} of the load through {span} without a main grid, {kept} in it.")
        else:
            said.append(f"{who} served {served}" + ("." if critical < 0.5 else f", {kept}."))
    return said


def headline(kpis: Mapping[str, Any]) -> str:
    """What the run showed, as one paragraph."""
    return " ".join(story(kpis))


def _against(ours: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """How our cost and curtailment stand against another strategy's, ending before its name."""
    saved = other["cost_eur"] - ours["cost_eur"]
    spilled = other["curtailed_kwh"] - ours["curtailed_kwh"]
    if abs(saved) < 0.005:
        return "the same as"
    money = f"{_eur(abs(saved))} {'cheaper' if saved >= 0 else 'more expensive'}"
    if abs(spilled) < 1.0:
        return f"{money} than"
    return f"{money}, with {_mwh(abs(spilled))} {'less' if spilled > 0 else 'more'} renewable energy curtailed, than"


def _grid(figures: Mapping[str, Any]) -> str:
    broken = [
        f"{what} for {grouped(figures[key], digits)}\N{NO-BREAK SPACE}{unit}"
        for key, what, unit, digits in LIMITS
        if figures[key] > 0
    ]
    uneven = _uneven(figures)
    if not broken:
        return (
            f"kept every limit of voltage and current, but had {uneven}" if uneven else "kept every limit of the grid"
        )
    words = "broke " + (", ".join(broken[:-1]) + " and " + broken[-1] if len(broken) > 1 else broken[0])
    return f"{words}, and had {uneven}" if uneven else words


def _uneven(figures: Mapping[str, Any]) -> str:
    """Voltage unbalance beyond 2 %, of three-phase physics; empty where there is none."""
    hours = figures.get("unbalance_violation_node_h") or 0.0
    if hours <= 0.0:
        return ""
    worst = f"{100.0 * figures['worst_unbalance']:.1f}\N{NO-BREAK SPACE}%"
    return f"voltage unbalance of up to {worst} (above 2 % for {grouped(hours, 1)}\N{NO-BREAK SPACE}node-hours)"


def _spent(name: str, figures: Mapping[str, Any], late: Mapping[str, str]) -> str:
    """What a strategy cost, with what it left to be charged after the run where strategies differ in that."""
    return _money(figures["cost_eur"]) + late.get(name, "")


def _late(kwh: float, figures: Mapping[str, Any]) -> str:
    if kwh < 0.5:
        return ", with no charging still to come,"
    worth = figures.get("ev_open_eur")
    priced = "" if worth is None else f" ({_eur(worth)} of that cost: the run's mean price and all fees)"
    return f", with {_mwh(kwh)} of charging still to come{priced},"


def _money(cost_eur: float) -> str:
    return f"earned {_eur(-cost_eur)}" if cost_eur < 0 else f"cost {_eur(cost_eur)}"


def _eur(value: float) -> str:
    return f"{grouped(value, 0 if value >= 100 else 2)}\N{NO-BREAK SPACE}EUR"


def _mwh(kwh: float) -> str:
    return f"{grouped(kwh / 1000, 1)}\N{NO-BREAK SPACE}MWh" if kwh >= 1000 else f"{kwh:.0f}\N{NO-BREAK SPACE}kWh"


def first_date(start: datetime) -> date:
    """The date that most of the first 24 hours from `start` fall on: a day may begin at midnight of its own zone."""
    return (start + timedelta(hours=11)).date()
