from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from device_fleets import fleet, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import BuildingFleet, Weather, weather_driven
from archipel.model import Horizon, Tariff
from archipel.testing import device_day
from archipel.testing.day import cheapest
from archipel.testing.device import DT_H, MONDAY

ONE = np.ones(1)


def house(**other: Any) -> BuildingFleet:
    """A house of 0.2 kW/K and 10 kWh/K, 20 to 22 degrees, 3 kW heat pump on air with floor heating; sun in column 1."""
    made = BuildingFleet(
        ("house/0",), np.zeros(1, int), 3 * ONE, 0.2 * ONE, 10 * ONE, 20 * ONE, 2 * ONE, ("air",), ("floor",),
        np.zeros(1, int), np.ones(1, int), 4 * ONE, 0.3 * ONE,
    )  # fmt: skip
    return replace(made, **other)


def at(outdoor_c: float, sun: float = 0.0) -> Weather:
    return Weather(0, np.array([[outdoor_c, sun]]), True)


def days(outdoor_c: float, sun: float = 0.0) -> np.ndarray:
    return np.broadcast_to(np.array([outdoor_c, sun]), (300, 2))


def test_the_cop_is_that_of_the_fit_at_the_lift_of_the_day() -> None:
    # floor heating at 0 degrees: 30 degrees of supply, a lift of 30 K
    assert house().cop(np.zeros(1))[0] == pytest.approx(6.81 - 0.121 * 30 + 0.00063 * 900)
    ground = house(source=("ground",), heating=("radiator",))
    assert ground.cop(np.zeros(1))[0] == pytest.approx(8.77 - 0.150 * 30 + 0.000734 * 900)
    warm, mild = (float(house().cop(np.array([c]))[0]) for c in (25.0, 12.0))
    assert warm == mild, "below 15 K of lift the fit is not used any further"


def test_held_at_rest_the_power_is_the_loss_less_the_gains_over_the_cop() -> None:
    made = house()
    cop, free = (float(x[0, 0]) for x in made.outside(np.array([[0.0, 0.25]])))
    assert free == pytest.approx(4 * 0.25 + 0.3 - 0.2 * 20.0)
    state = {**made.initial(0), "t_k": 0 * ONE}
    done = made.advance(state, at(0.0, 0.25), -free / cop * ONE, ONE, ONE < 0, DT_H)
    assert done.state["t_k"][0] == pytest.approx(0.0, abs=1e-12)
    assert done.comfort_missed_k_h[0] == 0.0


def test_an_unheated_house_cools_as_its_time_constant_says() -> None:
    made = house(internal_kw=0 * ONE)
    state: Any = {**made.initial(0), "t_k": 0 * ONE}
    for _ in range(200):  # 50 hours: one time constant
        state = made.advance(state, at(0.0), 0 * ONE, ONE, ONE < 0, DT_H).state
    assert 20.0 + state["t_k"][0] == pytest.approx(20.0 * np.exp(-1.0))


def test_steps_of_a_minute_end_where_one_of_a_quarter_hour_does() -> None:
    made, state = house(), house().initial(0)
    whole = made.advance(state, at(-5.0, 0.3), 1.5 * ONE, ONE, ONE < 0, DT_H).state["t_k"]
    for _ in range(15):
        state = made.advance(state, at(-5.0, 0.3), 1.5 * ONE, ONE, ONE < 0, DT_H / 15).state
    assert state["t_k"][0] == pytest.approx(whole[0])


def test_the_thermostat_keeps_the_band_and_a_pump_too_small_misses_kelvin_hours() -> None:
    day = device_day(house(), days(-5.0), np.full(96, 0.1))
    assert (day.soc("rule") > -1e-6).all()
    assert (day.soc("rule") < 2.0 + 1e-6).all()
    cold = device_day(house(p_kw=0.5 * ONE), days(-15.0), np.full(96, 0.1))
    assert sum(float(one.comfort_missed_k_h[0]) for one in cold.rule) > 10.0


def test_warmth_of_the_sun_above_the_band_is_no_missed_comfort_and_the_pump_stands() -> None:
    day = device_day(house(), days(18.0, 1.0), np.full(96, 0.1))
    for way in ("rule", "plan"):
        assert day.soc(way)[0, -1] > 2.0
        assert day.kw(way)[0, 20:].max() < 5e-3
        assert all(one.comfort_missed_k_h[0] == 0.0 for one in getattr(day, way))


def test_a_plan_heats_in_cheap_hours_within_the_band_and_pays_less() -> None:
    price = 0.10 + 0.08 * np.sin(2 * np.pi * np.arange(96) / 96)
    day = device_day(house(), days(0.0), price)
    assert day.energy_eur("plan") < 0.97 * day.energy_eur("rule")
    assert day.soc().min() > -0.01
    assert day.soc().max() < 2.01
    assert day.soc()[0, -1] > 0.99


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_heat_is_kept(seed: int) -> None:
    """What a step stores is what was pumped and gained less what was lost at the mean temperature of the step."""
    made = fleet("building", seed)
    assert isinstance(made, BuildingFleet)
    rng, value, state = np.random.default_rng(seed), profiles(seed), made.initial(0)
    ua, c, tiny = made.ua_kw_per_k, made.c_kwh_per_k, 1e-4
    for row in range(20):
        weather = Weather(row, value[row : row + 1], True)
        cop, free = (x[:, 0] for x in made.outside(weather.value))
        wish = rng.uniform(0, 6, len(made.id))
        done = made.advance(state, weather, wish, wish, wish < 0, tiny)
        middle = 0.5 * (state["t_k"] + done.state["t_k"])
        assert np.allclose(
            c * (done.state["t_k"] - state["t_k"]), (cop * done.p_kw + free - ua * middle) * tiny, atol=1e-9
        )
        state = made.advance(state, weather, wish, wish, wish < 0, DT_H).state


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), warmer=st.floats(0.5, 8.0))
def test_a_warmer_day_never_costs_more_electricity(seed: int, warmer: float) -> None:
    made = fleet("building", seed)
    assert isinstance(made, BuildingFleet)
    rows, horizon = np.arange(len(made.id)), Horizon(MONDAY, np.ones(96, dtype=np.int64))
    used = []
    for more in (0.0, warmer):
        value = profiles(seed)
        value[:, 5] += more
        plan = made.plan(rows, made.initial(0), Weather(0, value, True), horizon, Tariff())
        used.append(cheapest(plan.columns, 0.1 * horizon.dt_h).sum(axis=(1, 2)))
    # a house that cannot be warmed at its full power draws all it can either way
    assert (used[1] <= used[0] + 0.05).all()


def test_a_forecast_takes_its_series_for_weather() -> None:
    assert weather_driven([house()], 3).tolist() == [True, True, False]
