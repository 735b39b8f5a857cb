"""Whether promises about life without a main grid are kept, on the year of the rural grid.

    python -m benchmarks.survival reserve              energy asked for and needed, every quarter hour, in sums
    python -m benchmarks.survival hours --number 300   hours promised and held, drawn moments and stores, in sums
    python -m benchmarks.survival lost --number 150    main grid lost with stores at the reserve, by AC power flow
    python -m benchmarks.survival price --days 7       whole runs with and without it, a summer and a winter week
    python -m benchmarks.survival plans                what it costs in single plans of these weeks

Weeks are told apart by their number, even and odd. Figures go to standard output as JSON, one line each.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from archipel.cell.reserve import (
    Reserve,
    area_kw,
    bank_of,
    island_reserve_kwh,
    reserve_of,
    survival,
    with_reserve,
)
from archipel.devices import BatteryFleet
from archipel.forecasting.analogs import DAY, required_kwh
from archipel.forecasting.survival import MOST_H, Living, held_h
from archipel.formats.scenario import load_scenario
from archipel.model import Scenario
from archipel.report.kpis import kpis
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.leaving import off_grid
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

PROBABILITIES = (0.9, 0.99, 0.999)
WEEKS = (datetime(2016, 7, 11, tzinfo=UTC), datetime(2016, 1, 11, tzinfo=UTC))
FIRST_DAY, LAST_DAY = 28, 364
Figures = Iterator[dict[str, Any]]


def asking(hours: float, probability: float = 0.999) -> tuple[Scenario, Reserve]:
    """`island` with a reserve."""
    case = load_scenario("island")
    case = with_reserve(
        replace(case, island=replace(case.island, reserve_for_h=hours, reserve_probability=probability))
    )
    kept = reserve_of(case)
    assert kept is not None
    return case, kept


def by_week(kept: np.ndarray, day: np.ndarray) -> dict[str, float]:
    """Share of promises kept in even and in odd weeks."""
    odd = (day // 7) % 2 == 1
    return {"kept_even": float(kept[~odd].mean()), "kept_odd": float(kept[odd].mean())}


def reserve() -> Figures:
    """Every quarter hour of the year."""
    days = np.arange(FIRST_DAY, LAST_DAY)
    for hours in (6.0, 12.0, 24.0):
        for probability in PROBABILITIES:
            case, kept = asking(hours, probability)
            critical, _, offered = area_kw(case, 0, len(case.profiles.value))
            needed = required_kwh(critical - offered, round(4 * hours), kept.bank)
            asked = np.stack([kept.wanted_kwh(DAY * int(d), DAY) for d in days])
            held = needed[(DAY * days[:, None] + np.arange(DAY))] <= asked + 1e-6
            yield {
                "hours": hours, "probability": probability, **by_week(held, days), "mean_kwh": float(asked.mean()),
                "highest_kwh": float(asked.max()), "beyond_storage": float((asked > kept.bank.e_kwh).mean()),
            }  # fmt: skip


def hours(number: int, seed: int) -> Figures:
    """Drawn moments with drawn stores, of an area with and one without load to shed."""
    case = load_scenario("island")
    bank = bank_of(case)
    assert bank is not None
    rng = np.random.default_rng(seed)
    rows = rng.integers(FIRST_DAY * DAY, (LAST_DAY - 4) * DAY, number)
    stored = rng.uniform(0.05, 1.0, number) * bank.e_kwh
    for kept_kwh in (bank.e_kwh, 12_680.0):
        rules = replace(case.island, off_grid=True, reserve_kwh=kept_kwh)
        island = off_grid(case, rules)
        happened = []
        for row, e_kwh in zip(rows, stored, strict=True):
            paths = [path[None] for path in area_kw(island, int(row), round(4 * MOST_H))]
            stages = tuple((1.0, stage.below_kwh) for stage in rules.shedding)
            happened.append(held_h(Living(bank, float(e_kwh), stages=stages), *paths)[0])
        for probability in PROBABILITIES:
            said = np.array(
                [survival(island, int(r), float(e), probability) for r, e in zip(rows, stored, strict=True)]
            )
            yield {
                "reserve_kwh": kept_kwh, "probability": probability, "moments": number,
                **by_week(said <= np.array(happened), rows // DAY), "median_said_h": float(np.median(said)),
                "mean_said_h": float(said.mean()), "mean_held_h": float(np.mean(happened)),
            }  # fmt: skip


def lost(number: int, seed: int) -> Figures:
    """The main grid is lost when stores hold their reserve and no more; by AC power flow, to the end of the promise."""
    for hours_h in (6.0, 12.0):
        case, kept = asking(hours_h)
        battery = next(f for f in case.fleets if isinstance(f, BatteryFleet))
        rows = np.sort(np.random.default_rng(seed).choice(np.arange(FIRST_DAY * DAY, LAST_DAY * DAY), number, False))
        held, least = 0, np.inf
        for k, row in enumerate(rows.tolist()):
            rules = replace(
                case.island, off_grid=True, fuel_below_kwh=np.inf, reserve_kwh=island_reserve_kwh(case, row)
            )
            island = off_grid(case, rules)
            states = {"battery": {"e_kwh": kept.share(row, 1)[0] * battery.e_kwh}}
            at = case.profiles.start + row * timedelta(minutes=15)
            result = run(island, Uncoordinated(island), start=at, steps=round(4 * hours_h), states=states)
            assert result.critical_unserved_kwh is not None
            held += float(result.critical_unserved_kwh.sum()) <= 1e-6
            least = min(least, float(result.stored_kwh[1]))
            sys.stderr.write(f"\r{k + 1} of {number}")
        yield {"hours": hours_h, "moments": number, "seed": seed, "held": held, "least_left_kwh": least}


def price(days: int) -> Figures:
    """Two weeks, three ways to plan, with and without a reserve."""
    for start in WEEKS:
        for hours_h in (0.0, 6.0, 12.0):
            case = load_scenario("island")
            case = with_reserve(replace(case, island=replace(case.island, reserve_for_h=hours_h)))
            planners: tuple[Any, ...] = (Distributed, Central, Alone)
            for planner in planners:
                strategy = planner(case)
                result = run(case, strategy, start=start, days=days)
                if planner is Distributed:
                    strategy.close()
                found = kpis(case, result)
                told = ("cost_eur", "voltage_violation_node_h", "branch_overload_h", "reserve_held_share",
                        "reserve_mean_kwh", "reserve_eur_per_day", "reserve_eur_per_kwh")  # fmt: skip
                yield {"start": f"{start:%Y-%m-%d}", "hours": hours_h, "strategy": result.strategy,
                       **{name: found[name] for name in told}}  # fmt: skip


def plans() -> Figures:
    """Plans every 36 hours of the two weeks, batteries half full."""
    for start in WEEKS:
        for hours_h in (6.0, 12.0):
            case, _ = asking(hours_h)
            for k in range(5):
                strategy = Distributed(case, workers=1)
                at = start + timedelta(hours=36 * k)
                result = run(case, strategy, start=at, steps=1)
                strategy.close()
                told = {key: gap.get(key) for gap in result.gaps for key in ("reserve_eur", "reserve_eur_per_kwh")}
                wanted = None if result.reserve_kwh is None else float(result.reserve_kwh[0])
                yield {"at": f"{at:%Y-%m-%dT%H:%MZ}", "hours": hours_h, "reserve_kwh": wanted, **told}


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("reserve", "hours", "lost", "price", "plans"))
    parser.add_argument("--number", type=int, default=150)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--days", type=int, default=7)
    asked = parser.parse_args()
    found = {
        "reserve": reserve,
        "hours": lambda: hours(asked.number, asked.seed),
        "lost": lambda: lost(asked.number, asked.seed),
        "plans": plans,
        "price": lambda: price(asked.days),
    }[asked.what]()
    for one in found:
        print(json.dumps(one), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
