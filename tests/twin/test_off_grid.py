"""An area without a main grid: the balance closes in every quarter hour, and the right ones give first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_scenario import START, scenario

from archipel.devices import BatteryFleet, DispatchableFleet
from archipel.model import IslandRules, Scenario, StrategyResult
from archipel.report.kpis import kpis
from archipel.strategies.off_grid import OffGridRule
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run


def village(
    *, pv_kw: float = 30.0, e_kwh: float = 60.0, fuel_kwh: float = 200.0, soc: float = 0.5, reserve: float = 30.0
) -> Scenario:
    """Three houses with batteries, loads, load that may be shed, sun, wind and a biogas plant, and no main grid."""
    made = scenario(pv_kw=pv_kw, only=("load", "sheddable", "pv", "generator", "battery"), overvoltage_trip=False)
    one = np.ones(1)
    plant = DispatchableFleet(("gas/0",), np.array([4]), 6.0 * one, fuel_kwh * one, 0.08 * one, ("biogas",))

    def sized(fleet: BatteryFleet) -> BatteryFleet:
        same = np.ones(len(fleet.id))
        return replace(
            fleet, e_kwh=e_kwh / 3 * same, p_kw_charge=20 * same, p_kw_discharge=20 * same, soc_start=soc * same
        )

    fleets = [
        replace(f, p_kw=0.3 * f.p_kw, s_kva=0.3 * f.s_kva) if f.kind == "generator" else f
        for f in made.fleets  # type: ignore[attr-defined, type-var]
    ]
    rules = IslandRules(off_grid=True, reserve_kwh=reserve, fuel_below_kwh=0.7 * e_kwh)
    return replace(
        made, fleets=(*(sized(f) if isinstance(f, BatteryFleet) else f for f in fleets), plant), island=rules
    )


def day(case: Scenario, steps: int = 96) -> StrategyResult:
    return run(case, Uncoordinated(case), start=START + timedelta(hours=24), steps=steps)


def of(case: Scenario, result: StrategyResult, kind: str) -> np.ndarray:
    return result.p_kw[np.array(case.device_kind) == kind].sum(axis=0)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.0, 60.0), st.floats(5.0, 120.0), st.floats(0.0, 200.0), st.floats(0.0, 1.0))
def test_what_is_given_is_what_is_drawn_and_lost_whatever_there_is(
    pv_kw: float, e_kwh: float, fuel_kwh: float, soc: float
) -> None:
    case = village(pv_kw=pv_kw, e_kwh=e_kwh, fuel_kwh=fuel_kwh, soc=soc, reserve=0.3 * e_kwh)
    result = day(case, 48)
    assert np.abs(result.upstream_p_kw).max() <= 0.5
    assert np.abs(result.upstream_q_kvar).max() <= 0.5
    np.testing.assert_allclose(result.p_kw.sum(axis=0) + result.losses_kw, result.upstream_p_kw, atol=1e-3)
    assert result.f_hz is not None
    assert result.critical_unserved_kwh is not None
    soc_after = result.soc[np.array(case.device_kind) == "battery"]
    assert soc_after.min() >= -1e-6
    assert soc_after.max() <= 1 + 1e-6
    # critical load is cut only when stores are empty, generators at what they can and all else is shed
    for s in np.flatnonzero(result.critical_unserved_kwh > 1e-6):
        assert soc_after[:, s].max() < 1e-3
        assert of(case, result, "sheddable")[s] < 1e-3
    # nothing is spilled while batteries have room and rating
    spilled = (result.available_kw + result.p_kw)[np.isin(case.device_kind, ("pv", "generator"))].sum(axis=0)
    charging = result.p_kw[np.array(case.device_kind) == "battery"]
    for s in np.flatnonzero(spilled > 0.01):
        assert ((soc_after[:, s] > 0.999) | (charging[:, s] > 19.99)).all()


def test_below_the_reserve_only_critical_load_is_served_and_the_plant_runs() -> None:
    case = village(pv_kw=0.0, soc=0.3)
    result = day(case, 4)
    assert (of(case, result, "sheddable") == 0.0).all()
    assert (of(case, result, "dispatchable") == -6.0).all()
    assert kpis(case, result)["critical_unserved_kwh"] == 0.0
    assert kpis(case, result)["unserved_share"] > 0.2


def test_batteries_share_so_that_the_fuller_gives_more() -> None:
    case = village(pv_kw=0.0, soc=0.8)
    (battery,) = (f for f in case.fleets if isinstance(f, BatteryFleet))
    uneven = replace(battery, soc_start=np.array([0.9, 0.7, 0.5]))
    case = replace(case, fleets=tuple(uneven if f is battery else f for f in case.fleets))
    p = day(case, 8).p_kw[np.array(case.device_kind) == "battery"]
    assert (p[0] < p[1]).all()
    assert (p[1] < p[2]).all()


def test_frequency_falls_by_the_droop_when_more_is_drawn() -> None:
    case = village()
    result = day(case)
    given = -of(case, result, "battery")
    assert result.f_hz is not None
    expected = 50.0 * (1.0 - 0.02 * np.diff(given) / 60.0)
    np.testing.assert_allclose(result.f_hz[1:], expected, atol=1e-4)


def test_cells_without_batteries_hear_from_the_others_how_much_is_stored() -> None:
    case = village(soc=0.9)
    rule = OffGridRule(case)
    states = {fleet.kind: fleet.initial(0) for fleet in case.fleets}  # type: ignore[attr-defined]
    decided = rule.decide(case.start, states, None)
    shed = np.array(case.device_kind) == "sheddable"
    assert np.isnan(decided[shed]).all()
    low = {**states, "battery": {"e_kwh": 0.1 * states["battery"]["e_kwh"]}}
    assert (rule.decide(case.start, low, None)[shed] == 0.0).all()


@pytest.mark.parametrize(("left", "runs"), [(0.3, False), (1.0, True)])
def test_a_stock_that_is_behind_the_year_is_spared(left: float, runs: bool) -> None:
    case = village(soc=0.65, reserve=10.0)  # below the threshold of 0.7, above that of a stock that is short
    rule = OffGridRule(case)
    states = {fleet.kind: fleet.initial(0) for fleet in case.fleets}  # type: ignore[attr-defined]
    states["dispatchable"] = {"left_kwh": left * states["dispatchable"]["left_kwh"]}
    decided = rule.decide(case.start, states, None)
    assert (decided[np.array(case.device_kind) == "dispatchable"] < 0.0).all() == runs
