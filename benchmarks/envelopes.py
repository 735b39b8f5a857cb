"""Operating envelopes: whether anything inside them breaks a limit, and how much export they allow over a year.

    python -m benchmarks.envelopes corners [SCENARIO] [INTERVALS]
    python -m benchmarks.envelopes year [RULE] [EVERY_N_DAYS]

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

The upstream connection is firm: with all load and no losses nobody could allow more than `ceiling`. `usable` counts of
a limit only what sun and batteries behind the point (the cell) could give in that hour; there the envelopes are made
for those wishes, so that nobody holds room that another could use.
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
    allowed = usable = usable_cells = least = most = unsafe = 0.0
    static, cell = fixed_limits(cut(scenario)).export_kw, scenario.archipelago.node_cell
    load, first = 0.0, np.arange(0, len(scenario.profiles.value), 96 * every)
    for number, row in enumerate(first):
        weather = perfect(scenario.profiles, int(row), 96)
        envelopes = maker.make(weather, hold=4)
        allowed += envelopes.allowed_kwh()[1]
        able = offered(scenario, weather)
        hour = able.reshape(len(able), 24, 4)
        wished = maker.make(weather, hold=4, wish_export_kw=hour.max(axis=2)[maker.points.node])
        usable += float(np.minimum(np.repeat(wished.export_kw, 4, axis=1), able[maker.points.node]).sum()) * 0.25
        drawn = fixed_load(scenario, weather)[0]
        by_cell = np.stack([np.bincount(cell, x, len(static)) for x in able.T], axis=1)
        own = np.stack([np.bincount(cell, x, len(static)) for x in drawn.T], axis=1)
        usable_cells += float(np.minimum(by_cell, static[:, None] + own).sum()) * 0.25
        hourly = envelopes.export_kw.sum(axis=0)
        least, most = min(least or np.inf, hourly.min()), max(most, hourly.max())
        unsafe += float((hourly == 0.0).sum())
        load += float(drawn.sum()) * 0.25
        if number % 20 == 0:
            print(f"  day {number + 1} of {len(first)}", file=sys.stderr, flush=True)
    hours = 24.0 * len(first)
    cells = float(static.sum())
    points = float(at_points(scenario).sum())
    ceiling = scenario.connection.export_kw_max * hours + load
    energy = {
        "envelopes": allowed,
        "cells": cells * hours,
        "cells_gross": cells * hours + load,
        "points": points * hours,
        "default": float(maker.default_kw[1].sum()) * hours,
        "ceiling": ceiling,
        "usable": usable,
        "usable_cells": usable_cells,
    }
    return {
        "scenario": name, "rule": rule, "days": len(first), "every": every,
        **{f"{key}_mwh": round(value / 1e3, 1) for key, value in energy.items()},
        **{f"over_{key}": round(allowed / energy[key], 3) for key in ("cells", "cells_gross", "points", "default")},
        "usable_over_cells": round(usable / usable_cells, 3),
        "least_kw": round(least, 1), "most_kw": round(most, 1), "hours_without": unsafe,
        "cpu_s": round(time.process_time() - began, 1),
    }  # fmt: skip


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
    if what == "corners":
        name, intervals = argv[1] if len(argv) > 1 else "district", int(argv[2]) if len(argv) > 2 else 5
        for row in corners(name, intervals):
            print(json.dumps(row), flush=True)
    else:
        rule: Any = argv[1] if len(argv) > 1 else "economic"
        print(json.dumps(year(rule, int(argv[2]) if len(argv) > 2 else 1)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
