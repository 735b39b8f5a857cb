"""Whatever runs while the main grid is there: when it is lost, critical load is held for the promised time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archipel.cell.reserve import ReserveNotHeld, island_reserve_kwh, reserve_of, with_reserve
from archipel.devices import BatteryFleet
from archipel.formats.scenario import load_scenario
from archipel.model import IslandRules, Scenario, StrategyResult
from archipel.report.html import report
from archipel.report.kpis import kpis, stored_series_kwh
from archipel.report.session import run as run_and_keep
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.leaving import off_grid
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

PROMISED_H = 6.0
EVENING = datetime(2016, 2, 10, 15, tzinfo=UTC)
PLANNERS: dict[str, Callable[[Scenario], Any]] = {
    "uncoordinated": Uncoordinated,
    "alone": Alone,
    "central": Central,
    "distributed": lambda case: Distributed(case, workers=1),
}


def with_stored(case: Scenario, soc: float) -> Scenario:
    fleets = (replace(f, soc_start=0 * f.soc_start + soc) if isinstance(f, BatteryFleet) else f for f in case.fleets)
    return replace(case, fleets=tuple(fleets))


@pytest.fixture(scope="module")
def case() -> Scenario:
    made = with_stored(load_scenario("island"), 0.33)
    return with_reserve(replace(made, island=IslandRules(reserve_for_h=PROMISED_H)))


@pytest.fixture(scope="module")
def lived(case: Scenario) -> dict[str, StrategyResult]:
    """Three hours of a winter evening under every strategy, with little more stored than the reserve."""
    out = {}
    for name, planner in PLANNERS.items():
        strategy = planner(case)
        out[name] = run(case, strategy, start=EVENING, steps=12)
        if name == "distributed":
            strategy.close()
    return out


def lost(case: Scenario, at: datetime, soc: np.ndarray) -> StrategyResult:
    """The promised hours without main grid."""
    row = case.profiles.row(at)
    rules = replace(case.island, off_grid=True, reserve_kwh=island_reserve_kwh(case, row), fuel_below_kwh=np.inf)
    island = off_grid(case, rules)
    battery = next(f for f in case.fleets if isinstance(f, BatteryFleet))
    steps = round(4 * PROMISED_H)
    return run(island, Uncoordinated(island), start=at, steps=steps, states={"battery": {"e_kwh": soc * battery.e_kwh}})


@pytest.mark.parametrize("name", PLANNERS)
def test_every_strategy_keeps_the_reserve_at_the_end_of_every_step(
    case: Scenario, lived: dict[str, StrategyResult], name: str
) -> None:
    result = lived[name]
    assert result.reserve_kwh is not None
    stored = stored_series_kwh(case, result.soc)
    assert (stored >= result.reserve_kwh - 1e-3 * 44_100.0).all()
    assert kpis(case, result)["reserve_held_share"] == 1.0


@pytest.mark.parametrize(("name", "step"), [("uncoordinated", 11), ("alone", 3), ("central", 9), ("distributed", 6)])
def test_after_a_connected_run_the_main_grid_may_be_lost_at_any_quarter_hour(
    case: Scenario, lived: dict[str, StrategyResult], name: str, step: int
) -> None:
    soc = lived[name].soc[np.array(case.device_kind) == "battery", step].astype(np.float64)
    result = lost(case, EVENING + timedelta(minutes=15 * (step + 1)), soc)
    assert result.critical_unserved_kwh is not None
    assert result.critical_unserved_kwh.sum() == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stores_at_their_reserve_and_no_more_hold_critical_load_for_the_promised_time(
    case: Scenario, seed: int
) -> None:
    row = int(np.random.default_rng(seed).integers(30 * 96, 360 * 96))
    kept = reserve_of(case)
    assert kept is not None
    batteries = np.array(case.device_kind) == "battery"
    result = lost(
        case, case.profiles.start + row * timedelta(minutes=15), np.full(batteries.sum(), kept.share(row, 1)[0])
    )
    assert result.critical_unserved_kwh is not None
    assert result.critical_unserved_kwh.sum() == 0.0


def test_a_reserve_beyond_storage_is_told_once_and_stores_are_kept_full(case: Scenario) -> None:
    much = with_reserve(replace(case, island=IslandRules(reserve_for_h=48.0)))
    with pytest.warns(ReserveNotHeld, match=r"48 h at 99.9 %.*promised instead, that day: \d") as told:
        result = run(much, Alone(much), start=EVENING, steps=12)
    assert len([one for one in told if one.category is ReserveNotHeld]) == 1
    assert stored_series_kwh(much, result.soc)[-1] > 0.9 * 44_100.0
    assert kpis(much, result)["reserve_held_share"] == 0.0


def test_the_price_of_a_reserve_is_what_plans_would_cost_less_without_it(case: Scenario) -> None:
    strategy = Distributed(with_stored(case, 0.5), workers=1)
    try:
        summer = run(strategy.parts.scenario, strategy, start=datetime(2016, 5, 26, tzinfo=UTC), steps=1)
    finally:
        strategy.close()
    (gap,) = summer.gaps
    assert gap["reserve_eur"] > 0.0
    # the last kWh costs no less than the mean one
    assert gap["reserve_eur_per_kwh"] >= gap["reserve_eur"] / 44_100.0
    assert gap["distributed"] >= gap["central"] - 1e-3 * gap["gross_eur"]


def test_results_tell_what_was_kept(case: Scenario, tmp_path: Path) -> None:
    done = run_and_keep(case, ("uncoordinated",), start="2016-05-26", days=1, runs=tmp_path)
    wanted = done.array("area", "reserve_kwh", "uncoordinated")[0]
    assert (wanted > 0.0).all()
    assert (wanted < 44_100.0).all()
    page = report(done)
    assert "Kept for a loss of the main grid" in page
    assert "held for 6 h at 99.9 %" in page
    free = run_and_keep(load_scenario("island"), ("uncoordinated",), start="2016-05-26", days=1, runs=tmp_path)
    assert np.isnan(free.array("area", "reserve_kwh", "uncoordinated")).all()
    assert "Kept for a loss" not in report(free)
