"""Laws of time stamps, charging sessions and the price formula."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.formats.charging import chargers_of_profiles, home_chargers, runs
from archipel.formats.prices import formula_prices
from archipel.formats.series import to_utc

START = datetime(2015, 12, 31, 23, 0, tzinfo=UTC)
YEAR = 366 * 96
BERLIN = ZoneInfo("Europe/Berlin")


def changed_clock(rows: int) -> np.ndarray:
    """Naive stamps of a clock in Berlin that is changed in spring and autumn."""
    return np.array(
        [(START + timedelta(minutes=15 * k)).astimezone(BERLIN).replace(tzinfo=None) for k in range(rows)],
        dtype="datetime64[s]",
    )


def test_stamps_of_a_changed_clock_become_equidistant() -> None:
    stamps = changed_clock(YEAR)
    steps = np.diff(stamps).astype("timedelta64[m]").astype(int)
    assert sorted(set(steps.tolist())) == [-45, 15, 75]
    utc = to_utc(stamps, "Europe/Berlin")
    assert utc[0] == np.datetime64("2015-12-31T23:00")
    assert (np.diff(utc) == np.timedelta64(15, "m")).all()


def test_stamps_of_a_clock_that_nobody_changed_keep_their_first_offset() -> None:
    stamps = np.datetime64("2016-01-01T00:00:00") + np.timedelta64(15, "m") * np.arange(YEAR)
    utc = to_utc(stamps, "Europe/Berlin")
    assert utc[0] == np.datetime64("2015-12-31T23:00")
    assert utc[-1] == np.datetime64("2016-12-31T22:45")


@given(st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=200), st.floats(0.0, 0.9))
def test_runs_hold_all_the_energy_above_the_threshold(values: list[float], threshold: float) -> None:
    series = np.array(values, dtype=np.float32)
    start, end, energy = runs(series, threshold)
    assert (end > start).all()
    assert (start[1:] > end[:-1]).all()
    assert energy.sum() == pytest.approx(0.25 * series[series > threshold].sum(dtype=np.float64), abs=1e-5)


@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.3, 1.0]), min_size=7 * 96, max_size=7 * 96),
    st.integers(0, 4),
    st.integers(0, 2**32 - 1),
)
def test_sessions_of_any_profile_can_be_served_and_never_overlap(values: list[float], copies: int, seed: int) -> None:
    series = np.tile(np.array(values, dtype=np.float32), 6)[:, None]
    p_kw = np.array([3.7, 11.0])
    made = chargers_of_profiles(
        ("a", "b"),
        np.array([0, 1]),
        p_kw,
        np.array([0, 0]),
        np.array([True, False]),
        series,
        copies,
        0.02,
        np.random.default_rng(seed),
    )
    device, start, end, kwh = made.session_device, made.session_start, made.session_end, made.session_kwh
    assert len(made.id) == 2 * (1 + copies)
    assert (start >= 0).all()
    assert (end <= len(series)).all()
    assert (kwh <= made.p_kw[device] * (end - start) * 0.25 + 1e-9).all()
    assert (np.diff(device) >= 0).all()
    same = device[1:] == device[:-1]
    assert (start[1:][same] >= end[:-1][same]).all()


def test_vehicles_at_home_arrive_in_the_evening_and_leave_at_seven_all_year() -> None:
    made = home_chargers(
        tuple("abcdef"), np.arange(6), 11.0, 8.0, 17.75, 1.0, 1.75, 7.0, START, YEAR, np.random.default_rng(1)
    )
    for day in (20, 100, 200, 320):
        at = (made.session_start > day * 96) & (made.session_start < day * 96 + 96)
        begin = [(START + timedelta(minutes=15 * int(k))).astimezone(BERLIN) for k in made.session_start[at]]
        leave = [(START + timedelta(minutes=15 * int(k))).astimezone(BERLIN) for k in made.session_end[at]]
        assert len(begin) == 6
        assert all(16.0 <= t.hour + t.minute / 60 <= 19.5 for t in begin)
        assert all((t.hour, t.minute) == (7, 0) for t in leave)
    assert (made.session_kwh == 8.0).all()


@given(st.integers(0, 1000), st.floats(5.0, 200.0), st.floats(0.0, 0.4))
def test_prices_are_above_zero_and_have_their_mean(seed: int, mean: float, noise: float) -> None:
    price = formula_prices(START, 8 * 96, seed, mean, noise)
    assert (price > 0.0).all()
    assert price.mean() * 1000.0 == pytest.approx(mean, rel=1e-2)
    assert (price.reshape(-1, 4) == price.reshape(-1, 4)[:, :1]).all()


def test_prices_peak_in_the_evening_and_dip_at_noon_in_summer() -> None:
    price = formula_prices(START, YEAR, 1, 35.0, 0.0) * 1000.0
    summer = price[170 * 96 :][: 96 * 5].reshape(5, 96).mean(axis=0)  # rows count from local winter midnight
    winter = price[10 * 96 :][: 96 * 5].reshape(5, 96).mean(axis=0)
    assert 17 * 4 <= int(summer.argmax()) <= 19 * 4
    assert summer[12 * 4] < summer[8 * 4]
    assert summer[12 * 4] < winter[12 * 4]
    assert winter.mean() > summer.mean()
