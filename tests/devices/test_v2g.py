from __future__ import annotations

import numpy as np
import pytest
from device_fleets import fleet, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import Sensed, V2gFleet, Weather
from archipel.devices.select import select
from archipel.model import Horizon, Tariff
from archipel.testing import device_day
from archipel.testing.day import cheapest
from archipel.testing.device import DT_H, MONDAY

ONE = np.ones(1)


def garage(soc: float = 0.5, kwh: float = 10.0, wear: float = 0.0, low: float = 0.2) -> V2gFleet:
    """One vehicle of 50 kWh from 17:00 to 07:00, 11 kW both ways, 0.9 each way."""
    return V2gFleet(
        ("v2g/0",), np.zeros(1, int), 11 * ONE, 11 * ONE, 50 * ONE, 0.9 * ONE, 0.9 * ONE, low * ONE, wear * ONE,
        np.zeros(1, int), np.array([68]), np.array([124]), kwh * ONE, soc * ONE,
    )  # fmt: skip


def walk(made: V2gFleet, p_kw: float, first: int, steps: int) -> list[float]:
    state, held = made.initial(first), []
    for step in range(steps):
        weather = Weather(first + step, np.ones((1, 1)), True)
        state = made.advance(state, weather, np.full(1, p_kw), np.zeros(1), np.zeros(1, bool), DT_H).state
        held.append(float(state["e_kwh"][0]))
    return held


def test_a_vehicle_charges_with_losses_and_gives_back_with_losses() -> None:
    assert walk(garage(), 10.0, 68, 4)[-1] == pytest.approx(25.0 + 10.0 * 0.9)
    assert walk(garage(), -9.0, 68, 4)[-1] == pytest.approx(25.0 - 9.0 / 0.9)


def test_it_gives_nothing_below_its_least_and_takes_nothing_above_full() -> None:
    assert walk(garage(), -11.0, 68, 40)[-1] == pytest.approx(10.0)
    assert walk(garage(), 11.0, 68, 40)[-1] == pytest.approx(50.0)
    assert walk(garage(soc=0.1), -11.0, 68, 4)[-1] == pytest.approx(5.0), "below its least it only charges"


def test_nobody_draws_or_gives_while_no_vehicle_is_there() -> None:
    made = garage()
    done = made.advance(made.initial(0), Weather(0, np.ones((1, 1)), True), 9 * ONE, ONE, ONE < 0, DT_H)
    assert done.p_kw[0] == 0.0
    assert np.isnan(done.soc[0])


def test_the_local_rule_is_that_of_a_plain_charger() -> None:
    made = garage()
    day = device_day(made, np.ones((300, 1)), np.full(72, 0.1), first_row=60)
    kw = day.kw("rule")[0]
    assert (kw[:8] == 0).all()
    assert kw[8] == 11.0
    assert kw.sum() * DT_H == pytest.approx(10.0 / 0.9)
    assert (kw >= 0).all()


def test_a_plan_gives_in_the_dear_evening_and_the_vehicle_still_leaves_with_what_is_wanted() -> None:
    price = np.where(np.arange(72) < 24, 0.30, 0.05)
    day = device_day(garage(), np.ones((300, 1)), price, first_row=60)
    kw, left = day.kw()[0], day.plan[-9].soc[0]  # row 123, the last before departure
    assert kw[:24].sum() < -20.0
    assert left == pytest.approx(35.0 / 50.0, abs=1e-3)
    assert sum(float(one.ev_unserved_kwh.sum()) for one in day.plan) < 1e-2
    assert day.energy_eur("plan") < day.energy_eur("rule") - 2.0


def test_wear_above_the_spread_of_prices_keeps_the_vehicle_from_giving() -> None:
    price = np.where(np.arange(72) < 24, 0.30, 0.05)
    day = device_day(garage(wear=0.5), np.ones((300, 1)), price, first_row=60)
    assert day.kw()[0].min() > -1e-2


def test_what_is_not_there_at_departure_is_counted_and_so_is_what_is_still_open_at_the_end() -> None:
    made, state = garage(), garage().initial(68)
    done = None
    for row in range(68, 124):
        done = made.advance(state, Weather(row, np.ones((1, 1)), True), 0 * ONE, 0 * ONE, ONE < 0, DT_H)
        if row == 100:
            assert made.open_kwh(row, done.soc)[0] == pytest.approx(10.0)
        state = done.state
    assert done is not None
    assert done.ev_unserved_kwh[0] == pytest.approx(10.0)
    assert made.open_kwh(123, done.soc)[0] == 0.0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_energy_is_kept_whatever_is_wished(seed: int) -> None:
    made = fleet("v2g", seed)
    assert isinstance(made, V2gFleet)
    rng, state = np.random.default_rng(seed), made.initial(0)
    for row in range(60):
        _, plugged, _, before = made._current(state)
        wish = rng.normal(0, 30, len(made.id))
        done = made.advance(state, Weather(row, np.ones((1, 1)), True), wish, wish, wish > 1e9, DT_H)
        gained = np.where(done.p_kw > 0, done.p_kw * made.efficiency_charge, done.p_kw / made.efficiency_discharge)
        assert np.allclose(done.state["e_kwh"], before + gained * DT_H)
        assert (done.p_kw[~plugged] == 0).all()
        floor = np.minimum(before, made.soc_min * made.e_kwh)
        assert (done.state["e_kwh"] >= floor - 1e-9)[plugged].all()
        assert (done.state["e_kwh"] <= np.maximum(made.e_kwh, before) + 1e-9).all()
        state = done.state


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_cheapest_plan_leaves_nobody_short_whom_the_local_rule_would_not(seed: int) -> None:
    made = fleet("v2g", seed)
    price = np.random.default_rng(seed).uniform(0.0, 0.4, 96)
    day = device_day(made, profiles(seed), price, replan_steps=8)
    for way, most in (("rule", np.inf), ("plan", 0.05)):
        short = sum(one.ev_unserved_kwh for one in getattr(day, way))
        least = sum(one.ev_unserved_kwh for one in day.rule)
        assert (short <= least + most).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), more=st.floats(0.01, 0.3))
def test_a_dearer_hour_is_never_drawn_in_more(seed: int, more: float) -> None:
    made = fleet("v2g", seed)
    rows, horizon = np.arange(len(made.id)), Horizon(MONDAY, np.ones(96, dtype=np.int64))
    plan = made.plan(rows, made.initial(0), Weather(0, profiles(seed), True), horizon, Tariff())
    price = np.random.default_rng(seed).uniform(0.0, 0.3, 96) * horizon.dt_h
    dear = price.copy()
    dear[20:24] += more * DT_H
    sign = plan.columns.p[:, :, None]
    drawn = [(sign * cheapest(plan.columns, one)).sum(axis=1)[:, 20:24].sum() for one in (price, dear)]
    assert drawn[1] <= drawn[0] + 1e-3


def test_a_cells_own_chargers_keep_their_sessions() -> None:
    made = fleet("v2g", 3)
    assert isinstance(made, V2gFleet)
    own = select(made, np.array([1, 4]))
    state, whole = own.state_of(made.initial(0)), made.initial(0)
    for row in range(60):
        weather, sensed = Weather(row, np.ones((1, 1)), True), Sensed(np.ones(6), np.zeros(6))
        p, _ = made.local_rule(whole, weather, sensed, DT_H)
        mine, _ = own.fleet.local_rule(state, weather, sensed, DT_H)
        assert np.array_equal(p[[1, 4]], mine)
        whole = made.advance(whole, weather, p, p, p < 0, DT_H).state
        state = own.fleet.advance(state, weather, mine, mine, mine < 0, DT_H).state
        assert np.array_equal(made.held_kwh(whole)[[1, 4]], own.fleet.held_kwh(state))
    assert own.fleet.session_kwh.sum() == made.session_kwh[np.isin(made.session_device, [1, 4])].sum()  # type: ignore[attr-defined]
