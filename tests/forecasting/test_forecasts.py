from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.forecasting import naive, naive_quantiles, perfect
from archipel.forecasting.calendar import SATURDAY, SUNDAY, WORKDAY, easter, is_holiday, kind_of_day
from archipel.model import Profiles

START = datetime(2016, 4, 30, 23, tzinfo=UTC)
"""Midnight of Sunday, 1 May 2016, in standard time."""


def profiles(value: np.ndarray) -> Profiles:
    names = tuple(f"c{i}" for i in range(value.shape[1]))
    return Profiles(START, names, value.astype(np.float32))


def noise(seed: int, rows: int = 96 * 40) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, 3))


SUN = np.array([False, False, True])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 96 * 42), st.integers(1, 200), st.integers(0, 99))
def test_a_naive_forecast_reads_nothing_of_the_future(first_row: int, rows: int, seed: int) -> None:
    past = noise(seed)
    other = past.copy()
    other[first_row:] = np.nan
    a = naive_quantiles(profiles(past), first_row, rows, weather_driven=SUN)
    b = naive_quantiles(profiles(other), first_row, rows, weather_driven=SUN)
    assert np.isfinite(b).all()
    assert np.array_equal(a, b)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 96 * 39), st.integers(0, 99))
def test_quantiles_are_in_order_and_never_below_zero_where_nothing_was(first_row: int, seed: int) -> None:
    low, middle, high = naive_quantiles(profiles(noise(seed)), first_row, 96, weather_driven=SUN)
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert (low >= 0).all()


def test_a_week_that_repeats_is_forecast_exactly() -> None:
    rng = np.random.default_rng(3)
    kinds = {kind: rng.random(96) for kind in (WORKDAY, SATURDAY, SUNDAY)}
    days = [date.fromordinal(date(2016, 5, 1).toordinal() + d) for d in range(42)]
    value = np.concatenate([kinds[kind_of_day(day)] for day in days])[:, None]
    first = 96 * 30 + 40
    assert naive(profiles(value), first, 192).value == pytest.approx(value[first : first + 192], abs=1e-6)


def test_weekends_do_not_tell_about_workdays_but_do_about_the_sun() -> None:
    days = [date.fromordinal(date(2016, 5, 1).toordinal() + d) for d in range(40)]
    workday = np.repeat([float(kind_of_day(day) == WORKDAY) for day in days], 96)[:, None]
    monday = 96 * days.index(date(2016, 6, 6))
    flag = np.array([True])
    by_kind = naive_quantiles(profiles(workday), monday, 96)
    any_kind = naive_quantiles(profiles(workday), monday, 96, weather_driven=flag)
    assert by_kind[0, 8:].min() == 1.0
    assert any_kind[0, 8:].max() < 1.0


def test_a_demand_that_is_higher_today_is_expected_to_stay_higher_for_two_hours() -> None:
    value = np.ones((96 * 30, 1))
    first = 96 * 29
    value[first - 4 : first] = 2.0
    forecast = naive(profiles(value), first, 96).value[:, 0]
    assert 1.9 < forecast[0] < 2.0
    assert np.all(np.diff(forecast[:8]) < 0)
    assert forecast[8:] == pytest.approx(1.0)


def test_a_cloudy_hour_makes_no_sun_at_night() -> None:
    row = np.arange(96 * 30)
    value = np.maximum(np.sin(2 * np.pi * (row / 96 - 0.25)), 0.0)[:, None]
    first = 96 * 29 + 68
    value[first - 4 : first] *= 0.5
    forecast = naive(profiles(value), first, 40, weather_driven=np.array([True])).value[:, 0]
    assert 0 < forecast[0] < 0.6 * value[first, 0]
    assert (forecast[10:] < 1e-9).all()


def test_a_perfect_forecast_is_what_happens_and_says_so() -> None:
    value = noise(1)
    weather = perfect(profiles(value), 100, 50)
    assert weather.perfect
    assert weather.value == pytest.approx(value[100:150], abs=1e-6)
    assert not naive(profiles(value), 100, 5).perfect


def test_a_forecast_without_any_history_is_refused() -> None:
    with pytest.raises(ValueError, match="no earlier row"):
        naive(profiles(noise(0)), 0, 4)


@pytest.mark.parametrize(
    ("year", "day"), [(2016, date(2016, 3, 27)), (2024, date(2024, 3, 31)), (2025, date(2025, 4, 20))]
)
def test_easter_falls_on_known_sundays(year: int, day: date) -> None:
    assert easter(year) == day


def test_holidays_count_as_sundays() -> None:
    assert is_holiday(date(2016, 5, 16))  # Whit Monday
    assert kind_of_day(date(2016, 5, 5)) == SUNDAY  # Ascension
    assert kind_of_day(date(2016, 5, 26)) == WORKDAY  # Corpus Christi: only in some states
    assert kind_of_day(date(2016, 6, 11)) == SATURDAY
