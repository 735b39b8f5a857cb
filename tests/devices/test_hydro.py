from __future__ import annotations

import numpy as np
import pytest
from device_fleets import fleet, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import HydroFleet, Weather
from archipel.model import Horizon, Tariff
from archipel.testing import device_day
from archipel.testing.day import cheapest
from archipel.testing.device import DT_H, MONDAY

ONE = np.ones(1)
K = 9.81 * 40.0 * 0.85
"""kW per m3/s of the plant below: 333.5."""


def plant(flow: float = 0.3, residual: float = 0.05, volume: float = 5000.0, soc: float = 0.5) -> HydroFleet:
    """250 kW at 40 m of head; its reservoir holds 463 kWh."""
    return HydroFleet(
        ("hydro/0",), np.zeros(1, int), 250 * ONE, 40 * ONE, 0.85 * ONE, volume * ONE, soc * ONE, -np.ones(1, int),
        flow * ONE, residual * ONE,
    )  # fmt: skip


def now(value: float = 1.0) -> Weather:
    return Weather(0, np.full((1, 1), value), True)


def test_power_of_a_flow_is_rho_g_q_h_eta_and_energy_of_a_volume_that_of_its_flow() -> None:
    made = plant()
    assert made.kw_per_m3_per_s[0] == pytest.approx(K)
    assert made.e_kwh[0] == pytest.approx(K * 5000.0 / 3600.0)
    assert made.offered(np.ones((1, 1)))[0, 0] == pytest.approx(K * 0.25)


def test_the_local_rule_is_run_of_river() -> None:
    made, state = plant(), plant().initial(0)
    p, _ = made.local_rule(state, now(), None, DT_H)  # type: ignore[arg-type]
    assert p[0] == pytest.approx(-K * 0.25)
    done = made.advance(state, now(), p, ONE, ONE < 0, DT_H)
    assert done.state["e_kwh"][0] == pytest.approx(state["e_kwh"][0])


def test_a_full_reservoir_spills_and_what_the_turbine_could_have_made_of_it_is_told() -> None:
    made = plant(soc=1.0)
    done = made.advance(made.initial(0), now(), 0 * ONE, ONE, ONE < 0, DT_H)
    assert done.state["e_kwh"][0] == pytest.approx(made.e_kwh[0])
    assert done.available_kw[0] == pytest.approx(K * 0.25)
    assert (
        plant(flow=5.0, soc=1.0).advance(made.initial(0), now(), 0 * ONE, ONE, ONE < 0, DT_H).available_kw[0] == 250.0
    )


def test_residual_flow_comes_before_the_turbine_and_an_empty_reservoir_gives_only_the_rest() -> None:
    made = plant(flow=0.1, soc=0.0)
    done = made.advance(made.initial(0), now(), -1e9 * ONE, ONE, ONE < 0, DT_H)
    assert done.p_kw[0] == pytest.approx(-K * 0.05)
    dry = plant(flow=0.01, soc=0.0)
    done = dry.advance(dry.initial(0), now(), -1e9 * ONE, ONE, ONE < 0, DT_H)
    assert done.p_kw[0] == 0.0
    assert done.state["e_kwh"][0] == 0.0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_water_is_given_left_to_the_river_spilled_or_still_there(seed: int) -> None:
    made = fleet("hydro", seed)
    assert isinstance(made, HydroFleet)
    rng, value, state = np.random.default_rng(seed), profiles(seed), made.initial(0)
    for row in range(60):
        net = made._net_kw(np.append(value[row], 1.0)[made.profile])
        wish = -rng.uniform(0, 80, len(made.id))
        done = made.advance(state, Weather(row, value[row : row + 1], True), wish, wish, wish > 0, DT_H)
        gone = state["e_kwh"] + (net + done.p_kw) * DT_H - done.state["e_kwh"]  # spilled; below zero: not left
        full = done.state["e_kwh"] >= made.e_kwh - 1e-9
        assert (gone[~full] <= 1e-9).all(), "only a full reservoir spills"
        assert (gone[done.state["e_kwh"] > 1e-9] >= -1e-9).all(), "only an empty one leaves the river short"
        assert (done.p_kw[(gone < -1e-9)] == 0.0).all(), "and then the turbine stands"
        assert ((done.p_kw <= 0) & (done.p_kw >= -made.p_kw_max)).all()
        state = done.state


def planned(seed: int, lowest: float) -> tuple[HydroFleet, np.ndarray, np.ndarray, np.ndarray]:
    """(plants, profiles, controls, levels of the store) of a cheapest plan at random prices."""
    made = fleet("hydro", seed)
    assert isinstance(made, HydroFleet)
    rows, horizon = np.arange(len(made.id)), Horizon(MONDAY, np.ones(96, dtype=np.int64))
    plan = made.plan(rows, made.initial(0), Weather(0, profiles(seed), True), horizon, Tariff())
    price = np.random.default_rng(seed).uniform(lowest, 0.2, 96) * horizon.dt_h
    u = cheapest(plan.columns, price)
    return made, profiles(seed), u, plan.columns.store_of(u)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_plan_that_spills_is_carried_out_with_at_least_the_water_it_says(seed: int) -> None:
    made, value, u, level = planned(seed, -0.05)
    state = made.initial(0)
    for t in range(96):
        done = made.advance(state, Weather(t, value[t : t + 1], True), u[:, 0, t], u[:, 0, t], u[:, 0, t] > 1, DT_H)
        assert np.allclose(done.p_kw, u[:, 0, t], atol=2e-2)
        state = done.state
        assert (state["e_kwh"] >= np.minimum(level[:, t], made.e_kwh) - 0.1).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_at_prices_above_zero_a_plan_spills_when_the_reservoir_is_full(seed: int) -> None:
    made, _, u, level = planned(seed, 0.02)
    spilled = u[:, 1] * DT_H
    early = np.where(level < 0.98 * made.e_kwh[:, None] - 0.1, spilled, 0.0)
    assert (early.sum(axis=1) <= 0.02 * spilled.sum(axis=1) + 0.5).all()


def test_a_plan_keeps_water_for_the_dear_hours_and_ends_the_day_as_full_as_it_began() -> None:
    price = np.where((np.arange(96) // 4 >= 17) & (np.arange(96) // 4 < 21), 0.25, 0.05)
    day = device_day(plant(), np.ones((300, 1)), price)
    kw = day.kw()[0]
    assert kw[68:84].mean() < 2.0 * day.kw("rule")[0].mean() < 0.0
    assert day.soc()[0, -1] == pytest.approx(0.5, abs=0.01)
    assert day.energy_eur("plan") < day.energy_eur("rule")
    assert kw.sum() == pytest.approx(day.kw("rule")[0].sum(), rel=0.02), "the same water"


@settings(max_examples=8, deadline=None)
@given(flow=st.floats(0.06, 1.0), more=st.floats(0.0, 0.5))
def test_more_water_never_gives_less(flow: float, more: float) -> None:
    value, price = np.ones((300, 1)), np.full(24, 0.1)
    for way in ("rule", "plan"):
        low, high = (
            -device_day(plant(flow=each), value, price, replan_steps=24).kw(way).sum() for each in (flow, flow + more)
        )
        assert high >= low - 0.05
