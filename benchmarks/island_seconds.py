"""Figures of the seconds of island life, on the real `island`: secondary control and closing.

    python -m benchmarks.island_seconds secondary --number 20     a loss, 20 % of messages lost, one cell silent
    python -m benchmarks.island_seconds closing --number 20       the way back

Moments, silent cells, messages, angles and meters are drawn by the seed before anything runs. JSON, a line per run.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from archipel.devices import BatteryFleet
from archipel.formats.scenario import load_scenario
from archipel.grid.dynamics import Traces, Trip, simulate
from archipel.model import Floats, IslandRules, Scenario
from archipel.strategies.cells_as_units import MAIN, Area, State, area, last_state
from archipel.strategies.closing import close_to_main
from archipel.strategies.connected import before as day_before
from archipel.strategies.first_seconds import LOST_S, NOTICED_S, SECONDS, STEP_S, back_after_s
from archipel.strategies.leaving import off_grid
from archipel.strategies.seconds import Faults, Sharing
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

AFTER_S = 10.0


def moments(number: int, seed: int) -> list[datetime]:
    """Quarter hours of the year."""
    first = datetime(2016, 1, 2, tzinfo=UTC)
    drawn = np.random.default_rng(seed).choice(364 * 96, number, replace=False)
    return [first + timedelta(minutes=15 * int(k)) for k in drawn]


def unfair(built: Area, control: Sharing, traces: Traces, frame: int) -> float:
    """Largest distance from the share by rating and state of charge, over rating; limits of units count."""
    given = -traces.p_kw[0, frame][built.unit]
    e_kwh = traces.e_kwh[0][built.unit]
    slope = np.array([control.slope(i, float(e), bool(given.sum() > 0)) for i, e in enumerate(e_kwh)])
    least = np.where(e_kwh >= built.e_kwh_max, 0.0, -control.p_most)
    most = np.where(e_kwh <= 0.0, 0.0, -control.p_least)
    low, high = -20.0, 20.0
    for _ in range(60):
        omega = (low + high) / 2
        fair: Floats = np.clip(omega / slope, least, most)
        low, high = (omega, high) if fair.sum() < given.sum() else (low, omega)
    return float((np.abs(given - fair) / built.rating_kw).max())


def secondary(case: Scenario, battery: BatteryFleet, at: datetime, seed: int) -> dict[str, Any]:
    """One loss."""
    since = day_before(case, at)
    before, e_kwh = since.happened, since.states["battery"]["e_kwh"]
    built = area(case, State(before.p_kw, before.q_kvar, e_kwh, before.flow.v_pu), battery, 0.02, main="joined")
    silent = str(np.random.default_rng([seed, 7]).choice(built.cells))
    control = Sharing(built, begins_s=LOST_S + NOTICED_S, seed=seed, faults=Faults(lose=0.2, silent=(silent,)))
    lost = Trip(time_s=LOST_S, id=MAIN)
    traces = simulate(built.island, [lost], duration_s=LOST_S + SECONDS, step_s=STEP_S, control=control)
    frame = int(np.abs(traces.time_s - LOST_S - AFTER_S).argmin())
    return {
        "at": at.isoformat(), "silent": silent, "import_kw": round(before.flow.upstream_p_kw),
        "soc": round(float(e_kwh.sum() / battery.e_kwh.sum()), 3), "back_after_s": back_after_s(traces, 50.0),
        "off_share_after_10_s": unfair(built, control, traces, frame), "nadir_hz": float(traces.nadir_hz[0]),
        "peak_hz": float(traces.peak_hz[0]), "trips": len(traces.trips),
        "v_pu": [float(np.nanmin(traces.v_pu[0])), float(np.nanmax(traces.v_pu[0]))],
        "turned_down": float(control.turned_down.max()),
    }  # fmt: skip


def closing(case: Scenario, battery: BatteryFleet, at: datetime, seed: int) -> dict[str, Any]:
    """One way back, after half an hour."""
    states = day_before(case, at).states
    island = off_grid(case, IslandRules(off_grid=True, reserve_kwh=11_000.0, fuel_below_kwh=30_000.0))
    result = run(island, Uncoordinated(island), start=at, steps=2, states=states)
    state = last_state(result, island, battery)
    touched = close_to_main(island, state, battery, 0.02, seed=seed, most_deg=180.0)
    if touched is None:
        return {"at": at.isoformat(), "closed": False}
    return {
        "at": at.isoformat(), "closed": True, "after_s": touched.after_s, "angle_deg": touched.angle_deg,
        "f_hz": touched.f_hz, "v_pu": touched.v_pu, "power_step_share": touched.power_step_share,
        "trips": len(touched.traces.trips),
    }  # fmt: skip


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("secondary", "closing"))
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    case = load_scenario("island")
    battery = next(f for f in case.fleets if isinstance(f, BatteryFleet))
    one = secondary if asked.what == "secondary" else closing
    for k, at in enumerate(moments(asked.number, asked.seed)):
        print(json.dumps(one(case, battery, at, asked.seed * 1000 + k)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
