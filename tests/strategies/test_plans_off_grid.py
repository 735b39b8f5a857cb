"""Plans of an area without a main grid: agreed on, days ahead, and behind the rule where forecasts may be wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from archipel.devices import BatteryFleet
from archipel.formats.scenario import load_scenario
from archipel.model import Horizon, Scenario, StrategyResult
from archipel.strategies.distributed import Distributed
from archipel.strategies.planning import ForecastKind
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

WINTER = datetime(2016, 1, 20, tzinfo=UTC)


def planned(case: Scenario, forecast: ForecastKind, steps: int, start: datetime = WINTER) -> StrategyResult:
    strategy = Distributed(case, forecast=forecast, workers=1)
    try:
        return run(case, strategy, start=start, steps=steps)
    finally:
        strategy.close()


def with_stored(case: Scenario, soc: float) -> Scenario:
    fleets = [replace(f, soc_start=0 * f.soc_start + soc) if isinstance(f, BatteryFleet) else f for f in case.fleets]
    return replace(case, fleets=tuple(fleets))


@pytest.fixture(scope="module")
def case() -> Scenario:
    return load_scenario("island-year")


def of(case: Scenario, result: StrategyResult, kind: str) -> np.ndarray:
    return result.p_kw[np.array(case.device_kind) == kind].sum(axis=0)


def test_cells_without_a_main_grid_agree_on_a_plan_for_days_ahead(case: Scenario) -> None:
    result = planned(case, "perfect", 4, datetime(2016, 1, 5, tzinfo=UTC))
    (plan,) = result.agreements
    assert plan["accepted"]
    assert plan["way"] == "exact"
    assert plan["gap"] <= 5e-5
    assert plan["rounds"] <= 60
    assert np.abs(result.upstream_p_kw).max() <= 0.5
    assert result.unserved_kwh.sum() == pytest.approx(0.0, abs=1.0)


def test_a_plan_before_a_calm_that_asks_everything_of_all_stores_is_agreed_on_as_soon_as_any_other(
    case: Scenario,
) -> None:
    (plan,) = planned(case, "perfect", 1).agreements
    assert plan["accepted"]
    assert plan["gap"] <= 5e-5
    assert plan["rounds"] <= 60


def test_where_forecasts_may_be_wrong_the_reserve_is_kept_before_any_plan(case: Scenario) -> None:
    low = with_stored(case, 0.2)
    assert case.island.reserve_kwh > 0.2 * 44_100.0
    result = planned(low, "naive", 4)
    assert (of(low, result, "sheddable") == 0.0).all()
    assert (of(low, result, "dispatchable") < -900.0).all()
    assert result.critical_unserved_kwh is not None
    assert result.critical_unserved_kwh.sum() == 0.0


def test_where_forecasts_may_be_wrong_no_plan_sheds_burns_or_curtails(case: Scenario) -> None:
    ruled = run(case, Uncoordinated(case), start=WINTER, steps=24)
    naive = planned(case, "naive", 24)
    assert naive.unserved_kwh.sum() == pytest.approx(ruled.unserved_kwh.sum(), abs=1.0)
    for kind in ("sheddable", "dispatchable", "pv", "generator"):
        assert of(case, naive, kind) == pytest.approx(of(case, ruled, kind), abs=1.0)


def test_a_plan_that_knows_what_comes_serves_more_than_the_rule_does(case: Scenario) -> None:
    low = with_stored(case, 0.2)
    known, ruled = (planned(low, kind, 8).unserved_kwh.sum() for kind in ("perfect", "naive"))
    assert known < ruled


def test_a_stretched_horizon_covers_its_hours_with_intervals_that_never_get_shorter() -> None:
    for hours in (6, 24, 36, 144, 150):
        horizon = Horizon.stretched(WINTER, hours)
        assert horizon.steps.sum() == 4 * hours
        assert (np.diff(horizon.steps[:-1]) >= 0).all()
        assert horizon.steps[0] == 4
    with pytest.raises(ValueError, match="timezone"):
        Horizon.stretched(WINTER.replace(tzinfo=None), 24)
    assert Horizon.stretched(WINTER, 24).start + timedelta(hours=1) == Horizon.stretched(WINTER, 24).at(1)
