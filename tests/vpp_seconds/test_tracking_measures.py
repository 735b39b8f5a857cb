"""The reference engine, the signals, and the measures that judge plant and portfolio alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.vpp.engine import Engine
from archipel.vpp.tracking import available, delivered, errors, reached_s, reaction_s
from archipel.vpp.tracking_signals import frequency_hz, ramped, restoration_signal, wandering


def test_an_engine_waits_five_seconds_and_then_follows_its_lag() -> None:
    wanted = np.where(np.arange(200) < 10, 0.0, 100.0)
    p = Engine(1e6, availability=1.0).follow(wanted, 1.0)
    np.testing.assert_allclose(p[:15], 0.0)
    since = np.arange(1, 101)
    np.testing.assert_allclose(p[15:115], 100.0 * (1.0 - np.exp(-since / 10.0)), rtol=1e-9)


def test_an_engine_never_moves_faster_than_its_ramp() -> None:
    wanted = np.where(np.arange(900) < 10, 0.0, 1000.0)
    p = Engine(1000.0, availability=1.0).follow(wanted, 1.0)
    assert np.diff(p).max() == pytest.approx(1000.0 * 0.2 / 60.0)
    assert p[14 + 240] == pytest.approx(800.0, rel=0.01)  # 20 % per minute: 80 % after four minutes


def test_an_engine_runs_ninety_nine_percent_of_the_time() -> None:
    engine = Engine(1000.0)
    share = np.mean([engine.runs(1440, 60.0, np.random.default_rng(k)).mean() for k in range(3000)])
    assert share == pytest.approx(0.99, abs=0.004)


def test_an_engine_that_cannot_be_is_refused() -> None:
    for wrong in ({"rating_kw": 0.0}, {"rating_kw": 1.0, "lag_s": 0.0}, {"rating_kw": 1.0, "availability": 0.0}):
        with pytest.raises(ValueError, match="engine: found"):
            Engine(**wrong)


def test_a_wandering_process_has_the_deviation_and_memory_that_were_asked_for() -> None:
    x = wandering(400_000, 4.0, 0.35, 900.0, np.random.default_rng(1))
    assert x.std() == pytest.approx(0.35, rel=0.08)
    lag = 225
    assert np.corrcoef(x[:-lag], x[lag:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.08)


@given(st.integers(0, 100))
def test_a_restoration_signal_calls_no_more_than_all(seed: int) -> None:
    signal = restoration_signal(2000, np.random.default_rng(seed))
    assert np.abs(signal).max() <= 1.0
    np.testing.assert_array_equal(signal, restoration_signal(2000, np.random.default_rng(seed)))


def test_frequency_has_the_spread_of_its_formula() -> None:
    f = np.concatenate([frequency_hz(86_400, np.random.default_rng(k)) for k in range(10)])
    assert f.mean() == pytest.approx(50.0, abs=0.003)
    assert 0.019 < f.std() < 0.035


def test_a_schedule_ramps_around_the_quarter_hour_and_keeps_its_energy() -> None:
    steps = np.array([0.0, 90.0, -90.0, 0.0])
    time = np.arange(3600.0) + 0.5
    p = ramped(steps, time)
    assert p[900] == pytest.approx(45.0, abs=0.1)
    assert p[300] == 0.0
    assert p[900 + 450] == pytest.approx(90.0)
    assert p.sum() == pytest.approx(0.0, abs=1e-6)
    assert np.abs(np.diff(p)).max() == pytest.approx(180.0 / 600.0)


def test_errors_count_only_what_counts() -> None:
    found = errors(np.array([0.0, 0.0, 0.0]), np.array([3.0, -4.0, 100.0]), np.array([True, True, False]))
    assert found.rmse_kw == pytest.approx(np.sqrt(12.5))
    assert found.mean_abs_kw == pytest.approx(3.5)
    with pytest.raises(ValueError, match="no sample"):
        errors(np.zeros(2), np.zeros(2), np.zeros(2, dtype=bool))


def test_too_much_now_does_not_make_up_for_too_little_before() -> None:
    asked = np.array([10.0, 10.0, -10.0, -10.0, 0.0, 0.0])
    given_kw = np.array([5.0, 15.0, -10.0, 5.0, 7.0, 7.0])
    np.testing.assert_allclose(delivered(asked, given_kw, 2), [0.75, 0.5, 1.0])
    np.testing.assert_allclose(delivered(asked, given_kw, 2, 100.0), [0.85, 0.6, 1.0])
    with pytest.raises(ValueError, match="multiple of 4"):
        delivered(asked, given_kw, 4)


def test_a_minute_is_available_when_its_mean_error_is_in_the_band() -> None:
    wanted = np.zeros(4)
    np.testing.assert_array_equal(available(wanted, np.array([4.0, 5.0, 0.0, 12.0]), 100.0, 2), [True, False])


def test_a_step_that_falls_back_was_not_reached() -> None:
    time = np.arange(6.0)
    p = np.array([0.0, 0.0, 100.0, 40.0, 100.0, 100.0])
    assert reaction_s(time, p, 1.0, 0.0, 100.0) == 1.0
    assert reached_s(time, p, 1.0, 0.0, 100.0, 0.5) == 3.0
    assert reached_s(time, p[::-1], 1.0, 0.0, 100.0, 0.5) == float("inf")
    with pytest.raises(ValueError, match="step of nothing"):
        reached_s(time, p, 1.0, 1.0, 1.0, 0.5)
