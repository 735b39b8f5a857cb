"""Figures of islands: a year without a main grid, and losses of the main grid at random moments.

    python -m benchmarks.island_life year --forecast none      the cells' own rules, no plans
    python -m benchmarks.island_life year --forecast naive     with plans on naive forecasts
    python -m benchmarks.island_life year --forecast perfect   with plans on perfect ones
    python -m benchmarks.island_life moments --scenario district --number 1000 --kept FOLDER
                                                               the main grid is lost, see benchmarks.moments
    python -m benchmarks.island_life year --events 200         with events of seconds: lost sun, lost stores, load back
    python -m benchmarks.island_life storage                   unserved energy against hours of storage, by the rules

Figures go to standard output as JSON, one line per run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.moments import moments

from archipel.devices import BatteryFleet
from archipel.formats.scenario import load_scenario
from archipel.model import Scenario
from archipel.report.kpis import kpis
from archipel.strategies.distributed import Distributed
from archipel.strategies.events import WithEvents, draw
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

MEAN_LOAD_KW = 3675.0
"""Of the rural grid: 12 h of it are its 44.1 MWh of storage."""
KEPT = ("unserved_share", "critical_unserved_kwh", "frequency_band_share", "worst_f_hz", "worst_v_pu", "losses_kwh")


def told(case: Scenario, strategy: Any, days: int, start: datetime | None) -> dict[str, Any]:
    """Run and keep what is asked for."""
    begun = time.perf_counter()
    result = run(case, strategy, days=days, start=start, progress=_progress)
    figures = kpis(case, result)
    burnt = -float(result.p_kw[np.array(case.device_kind) == "dispatchable"].sum(dtype=float)) * result.dt_h
    plans = {"plans": len(result.agreements), "accepted": sum(bool(e["accepted"]) for e in result.agreements)}
    kept = {name: figures[name] for name in (*KEPT, "voltage_violation_node_h", "branch_overload_h", "curtailed_kwh")}
    clock = {"cpu_s": result.cpu_s, "wall_s": time.perf_counter() - begun}
    return {"days": days, **kept, "burnt_kwh": burnt, **plans, **clock}


def _progress(done: int, total: int) -> None:
    if done % 960 == 0 or done == total:
        sys.stderr.write(f"\r{done / total:6.1%}")


def year(forecast: str, days: int, start: datetime | None, workers: int, events: int, seed: int) -> dict[str, Any]:
    """A year (or some days) of the rural grid without a main grid, with so many events of seconds."""
    case = load_scenario("island-year")
    if forecast == "none":
        return {"forecast": forecast, **_eventful(case, Uncoordinated(case), days, start, events, seed)}
    strategy = Distributed(case, forecast=forecast, workers=workers, gaps=False)  # type: ignore[arg-type]
    try:
        return {"forecast": forecast, **_eventful(case, strategy, days, start, events, seed)}
    finally:
        strategy.close()


def _eventful(
    case: Scenario, strategy: Any, days: int, start: datetime | None, events: int, seed: int
) -> dict[str, Any]:
    if not events:
        return told(case, strategy, days, start)
    drawn = draw(case, events, start=start or case.start, days=days, seed=seed)
    eventful = WithEvents(strategy, case, drawn)
    figures = told(case, eventful, days, start)
    traces = [lived.traces for lived in eventful.lived if lived.traces is not None]
    return {
        **figures,
        "events": len(eventful.lived),
        "events_simulated": len(traces),
        "events_nadir_hz": min(float(one.nadir_hz[0]) for one in traces),
        "events_peak_hz": max(float(one.peak_hz[0]) for one in traces),
        "events_settled_off_hz": max(abs(float(one.settled_hz[0]) - case.grid.f_hz) for one in traces),
        "events_lost_kw": max((abs(lived.lost_kw) for lived in eventful.lived), default=0.0),
        "events_trips": sorted({trip.id for one in traces for trip in one.trips}),
        "events_why_not": sorted({lived.why_not for lived in eventful.lived if lived.why_not}),
    }


def storage(hours: float) -> dict[str, Any]:
    """The year with so many hours of storage, by the cells' rules; the reserve stays what it is in kWh, if it fits."""
    case = load_scenario("island-year")
    battery = next(f for f in case.fleets if isinstance(f, BatteryFleet))
    factor = hours * MEAN_LOAD_KW / float(battery.e_kwh.sum())
    sized = replace(battery, e_kwh=factor * battery.e_kwh)
    size = float(sized.e_kwh.sum())
    rules = replace(
        case.island,
        reserve_kwh=min(case.island.reserve_kwh, 0.5 * size),
        fuel_below_kwh=case.island.fuel_below_kwh * factor,
    )
    case = replace(case, fleets=tuple(sized if f is battery else f for f in case.fleets), island=rules)
    return {"storage_h": hours, **told(case, Uncoordinated(case), 366, None)}


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("year", "moments", "storage"))
    parser.add_argument("--forecast", choices=("none", "naive", "perfect"), default="none")
    parser.add_argument("--days", type=int, default=366)
    parser.add_argument("--start", type=lambda s: datetime.fromisoformat(s).replace(tzinfo=UTC))
    parser.add_argument("--events", type=int, default=0, help="of seconds, drawn by the seed before the run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scenario", choices=("island", "district"), default="island")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=6.0, help="until the main grid is back")
    parser.add_argument(
        "--promised", type=float, default=6.0, help="hours of critical load batteries keep while connected"
    )
    parser.add_argument("--kept", type=Path, help="folder for what is done; the same command goes on from there")
    asked = parser.parse_args()
    if asked.what == "year":
        found = [year(asked.forecast, asked.days, asked.start, asked.workers, asked.events, asked.seed)]
    elif asked.what == "moments":
        found = [moments(asked.scenario, asked.number, asked.seed, asked.hours, asked.promised, asked.kept)]
    else:
        found = [storage(hours) for hours in (6.0, 12.0, 24.0, 36.0, 48.0)]
    for one in found:
        print(json.dumps(one))
    return 0


if __name__ == "__main__":
    sys.exit(main())
