"""Operating envelopes: whether anything inside them breaks a limit, and how much export they allow over a year.

    python -m benchmarks.envelopes corners [SCENARIO] [INTERVALS]
    python -m benchmarks.envelopes year [RULE] [EVERY_N_DAYS]
    python -m benchmarks.envelopes usable [RULE] [EVERY_N_DAYS]

`corners`: at intervals drawn by seed 1 from the whole series, 1,000 behaviours by chance and all adversarial corners
(for every branch, all behind it at one limit and all others at the other; both ways), each with fixed load anywhere in
its margin and inverters on their curve, on part of it, or off it. A violation is beyond a limit of the source, margins
not counted.

`year`: the energy that may be given, one limit per point and hour, safe in all four quarter hours of that hour. Beside
it three static limits:

    cells      what `alone` has: a limit on the exchange of every cell, safe outside low-voltage networks. The load of
               the cell makes room behind it, so it is counted on top (`cells_gross`)
    points     the same rule (one share of installed renewables, all at their limit at once, no load) at the connection
               points, where it must be safe in low-voltage networks, too: what an agreement with a customer is today
    default    what our envelopes lapse to: the same rule as theirs, safe in all hours

The upstream connection is firm: with all load and no losses nobody could allow more than `ceiling`.

`usable`: the same, counting of a limit only what sun and batteries behind the point (the cell) could give in that
quarter hour. The envelopes are made for those wishes, so that nobody holds room that another could use.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from archipel.cell.parts import cut
from archipel.devices import BatteryFleet, PvFleet
from archipel.forecasting.perfect import perfect
from archipel.formats.scenario import load_scenario
from archipel.grid.power_flow import PowerFlow
from archipel.model import Diverged, Floats, Scenario
from archipel.model.weather import Weather
from archipel.strategies.limits import fixed_limits
from archipel.vpp.envelope import RULES, Rule
from archipel.vpp.envelope_points import fixed_load
from archipel.vpp.envelope_trial import by_chance, by_intent, trial
from archipel.vpp.envelopes import EnvelopeMaker

BY_CHANCE = 1000
HALVINGS = 24


def corners(name: str, intervals: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rows, one per rule: behaviours tried, and what was broken."""
    scenario, rows = load_scenario(name), []
    for rule in RULES:
        rng = np.random.default_rng(seed)
        maker = EnvelopeMaker(scenario, rule)
        tried, broken, near = 0, 0, np.full(4, -np.inf)
        for row in np.sort(rng.choice(len(scenario.profiles.value), intervals, replace=False)):
            weather = perfect(scenario.profiles, int(row), 1)
            envelopes, loads = maker.make(weather), maker.loads(weather)
            for p in (by_chance(envelopes, 0, BY_CHANCE, rng), by_intent(envelopes, 0, maker.wires)):
                done = trial(maker.wires, p, loads, 0, rng)
                tried, broken = tried + p.shape[1], broken + done.violations
                worst = [done.v_high_pu.max(), done.v_low_pu.max(), done.loading.max(), done.firm_kw.max()]
                near = np.maximum(near, worst)
        rows.append(
            {
                "scenario": name,
                "rule": rule,
                "intervals": intervals,
                "behaviours": tried,
                "violations": broken,
                "v_high_pu": round(near[0], 5),
                "v_low_pu": round(near[1], 5),
                "loading": round(near[2], 4),
                "firm_kw": round(near[3], 1),
            }
        )
    return rows


def year(rule: Rule, every: int, name: str = "district") -> dict[str, Any]:
    """Energy [MWh] that may be given, by envelopes and by static limits, over every `every`-th day of the series."""
    scenario = load_scenario(name)
    began, maker = time.process_time(), EnvelopeMaker(scenario, rule)
    allowed = load = 0.0
    hourly = []
    for row in _days(scenario, every):
        weather = perfect(scenario.profiles, row, 96)
        envelopes = maker.make(weather, hold=4)
        allowed += envelopes.allowed_kwh()[1]
        hourly.append(envelopes.export_kw.sum(axis=0))
        load += float(fixed_load(scenario, weather)[0].sum()) * 0.25
    total, hours = np.concatenate(hourly), 24.0 * len(hourly)
    cells = float(fixed_limits(cut(scenario)).export_kw.sum())
    energy = {
        "envelopes": allowed,
        "cells": cells * hours,
        "cells_gross": cells * hours + load,
        "points": float(at_points(scenario).sum()) * hours,
        "default": float(maker.default_kw[1].sum()) * hours,
        "ceiling": scenario.connection.export_kw_max * hours + load,
    }
    return {
        "scenario": name, "rule": rule, "days": len(hourly), "every": every,
        **{f"{key}_mwh": round(value / 1e3, 1) for key, value in energy.items()},
        **{f"over_{key}": round(allowed / value, 3) for key, value in energy.items() if key != "envelopes"},
        "least_kw": round(float(total.min()), 1), "most_kw": round(float(total.max()), 1),
        "hours_without": int((total == 0.0).sum()), "cpu_s": round(time.process_time() - began, 1),
    }  # fmt: skip


def usable(rule: Rule, every: int, name: str = "district") -> dict[str, Any]:
    """Of the energy that may be given [MWh], what sun and batteries could give, by envelopes and by limits on cells."""
    scenario = load_scenario(name)
    maker, static = EnvelopeMaker(scenario, rule), fixed_limits(cut(scenario)).export_kw
    cell, ours, theirs = scenario.archipelago.node_cell, 0.0, 0.0
    days = _days(scenario, every)
    for row in days:
        weather = perfect(scenario.profiles, row, 96)
        able = offered(scenario, weather)
        at_point = able[maker.points.node]
        wish = at_point.reshape(-1, 24, 4).max(axis=2)
        envelopes = maker.make(weather, hold=4, wish_export_kw=wish)
        ours += float(np.minimum(np.repeat(envelopes.export_kw, 4, axis=1), at_point).sum()) * 0.25
        by_cell, drawn = np.zeros((2, len(static), 96))
        np.add.at(by_cell, cell, able)
        np.add.at(drawn, cell, fixed_load(scenario, weather)[0])
        theirs += float(np.minimum(by_cell, static[:, None] + drawn).sum()) * 0.25
    return {
        "scenario": name, "rule": rule, "days": len(days), "every": every, "usable_mwh": round(ours / 1e3, 1),
        "usable_cells_mwh": round(theirs / 1e3, 1), "over_cells": round(ours / theirs, 3),
    }  # fmt: skip


def _days(scenario: Scenario, every: int) -> list[int]:
    return list(range(0, len(scenario.profiles.value) - 95, 96 * every))


def offered(scenario: Scenario, weather: Weather) -> Floats:
    """What sun and batteries behind every node could give in every quarter hour [kW], shape (nodes, T)."""
    out = np.zeros((len(scenario.grid.nodes), len(weather.value)))
    for fleet in scenario.fleets:
        if isinstance(fleet, PvFleet):
            row = [Weather(weather.first_row + t, weather.value[t : t + 1], perfect=True) for t in range(out.shape[1])]
            np.add.at(out, fleet.node, np.stack([fleet.available(one) for one in row], axis=1))
        elif isinstance(fleet, BatteryFleet):
            np.add.at(out, fleet.node, fleet.p_kw_discharge[:, None])
    return out


def at_points(scenario: Scenario) -> Floats:
    """Static export limits of the nodes [kW]: the largest share of their installed renewables that is safe for all at
    once, without load, in the whole network, with the scenario's margins. As `alone` has it for its cells."""
    grid = scenario.grid
    installed = np.zeros(len(grid.nodes))
    for fleet in scenario.fleets:
        for column in ("p_kw_peak", "p_kw") if fleet.kind in ("pv", "generator") else ():
            if hasattr(fleet, column):
                np.add.at(installed, fleet.node, np.minimum(getattr(fleet, column), fleet.s_kva))
    model, low, high = PowerFlow(grid), 0.0, 1.0
    for _ in range(HALVINGS):
        share = 0.5 * (low + high)
        low, high = (share, high) if _safe(scenario, model, -share * installed) else (low, share)
    return low * installed


def _safe(scenario: Scenario, model: PowerFlow, p_kw: Floats) -> bool:
    nodes = scenario.grid.nodes
    try:
        flow = model.solve(p_kw, np.zeros_like(p_kw))
    except Diverged:
        return False
    firm = -flow.upstream_p_kw <= scenario.connection.export_kw_max * 0.995
    volts = (flow.v_pu <= nodes.v_pu_max - scenario.margin_v_pu).all()
    return bool(firm and volts and (flow.loading <= 1.0 - scenario.margin_loading).all())


def main(argv: list[str]) -> int:
    """Print JSON lines."""
    what = argv[0] if argv else "corners"
    if what not in {"corners", "year", "usable"}:
        print(__doc__)
        return 2
    if what == "corners":
        name, intervals = argv[1] if len(argv) > 1 else "district", int(argv[2]) if len(argv) > 2 else 5
        for row in corners(name, intervals):
            print(json.dumps(row), flush=True)
    else:
        rule: Any = argv[1] if len(argv) > 1 else "economic"
        every = int(argv[2]) if len(argv) > 2 else 1
        print(json.dumps(year(rule, every) if what == "year" else usable(rule, every)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
