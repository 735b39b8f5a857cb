from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from device_fleets import fleet, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.devices import Weather, WindFleet
from archipel.model import Horizon, Tariff
from archipel.testing.device import MONDAY

ONE = np.ones(1)


def turbine(**other: object) -> WindFleet:
    """2 MW on a tower of 100 m; the series is of 100 m, too."""
    made = WindFleet(
        ("wind/0",), np.zeros(1, int), 2000 * ONE, 2200 * ONE, np.zeros(1, int), 100 * ONE, 100 * ONE, ONE / 7,
        3 * ONE, 12 * ONE, 25 * ONE, 1.225 * ONE, np.ones(1, bool),
    )  # fmt: skip
    return replace(made, **other)  # type: ignore[arg-type]


def kw(made: WindFleet, speed: float) -> float:
    return float(made.curve_kw(np.array([[speed]]))[0, 0])


def test_the_curve_has_its_corners_where_the_row_says() -> None:
    made = turbine()
    assert [kw(made, v) for v in (0.0, 2.99, 3.0, 12.0, 24.99, 25.0, 60.0)] == [0, 0, 0, 2000, 2000, 0, 0]
    assert kw(made, 7.5) == pytest.approx(2000 * (7.5**3 - 27) / (12**3 - 27))


def test_the_hub_sees_more_wind_than_the_mast_by_the_power_law() -> None:
    low = turbine(measured_m=10 * ONE)
    assert kw(low, 6.0) == pytest.approx(kw(turbine(), 6.0 * 10 ** (1 / 7)))
    assert kw(turbine(measured_m=10 * ONE, shear=0 * ONE), 6.0) == kw(turbine(), 6.0)


def test_thin_air_gives_less_below_rated_speed_and_stops_no_turbine_earlier() -> None:
    thin = turbine(density_kg_per_m3=1.0 * ONE)
    assert kw(thin, 8.0) == pytest.approx(kw(turbine(), 8.0 * (1.0 / 1.225) ** (1 / 3)))
    assert kw(thin, 24.0) == 2000.0
    assert kw(thin, 25.5) == 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), a=st.floats(0, 40), b=st.floats(0, 40))
def test_more_wind_never_gives_less_until_the_turbine_stops(seed: int, a: float, b: float) -> None:
    made = fleet("wind", seed)
    assert isinstance(made, WindFleet)
    n = len(made.id)
    low, high = (made.curve_kw(np.full((n, 1), v))[:, 0] for v in sorted((a, b)))
    stops = made.speed_m_per_s_out / (made.hub_m / made.measured_m) ** made.shear
    assert (low <= high + 1e-9)[max(a, b) < stops * (1 - 1e-12)].all()
    assert (low >= 0.0).all()
    assert (high <= np.minimum(made.p_kw, made.s_kva)).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_an_hour_of_a_plan_has_the_energy_of_its_quarter_hours(seed: int) -> None:
    made = fleet("wind", seed)
    assert isinstance(made, WindFleet)
    value, n = profiles(seed), len(made.id)
    rows = np.arange(n)
    fine, coarse = (
        made.plan(rows, {}, Weather(0, value, True), Horizon(MONDAY, np.array(steps)), Tariff())
        for steps in ([1] * 4, [4])
    )
    quarter = np.where(fine.column_of[:, None] >= 0, fine.columns.lo[fine.column_of, 0], 0.0)
    hour = np.where(coarse.column_of[:, None] >= 0, coarse.columns.lo[coarse.column_of, 0], 0.0)
    assert np.allclose(quarter.mean(axis=1), hour[:, 0], atol=2e-3)


def test_power_for_voltage_comes_only_from_converters_that_can_and_never_beyond_their_rating() -> None:
    value, both = np.full((4, 1), 12.0), turbine()
    done = both.advance({}, Weather(0, value, True), -np.full(1, 1e9), np.full(1, 1e9), np.zeros(1, bool), 0.25)
    assert done.p_kw[0] == -2000.0
    assert np.hypot(done.p_kw[0], done.q_kvar[0]) <= 2200.0 + 1e-9
    assert done.q_kvar[0] > 0.0
    none = turbine(volt_var=np.zeros(1, bool))
    done = none.advance({}, Weather(0, value, True), -np.full(1, 1e9), np.full(1, 1e9), np.zeros(1, bool), 0.25)
    assert done.q_kvar[0] == 0.0
