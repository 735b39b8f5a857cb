"""Scenarios of prices know nothing of the future and keep the errors of the past as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.vpp.price_scenarios import PriceScenarios, draw_availability, draw_scenarios, similar_days

SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.integers(1, 80), st.integers(0, 3), st.integers(1, 90))
def test_the_mean_of_scenarios_is_the_middle_of_what_was_forecast(
    seed: int, days: int, models: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    past, said, now = rng.random((days, 24)), rng.random((days, models, 24)), rng.random((models, 24))
    drawn = draw_scenarios(past, said, now, count, rng)
    middle = now.mean(axis=0) if models else similar_days(past)
    assert np.allclose(drawn.mean_price, middle)
    assert drawn.price_eur_per_kwh.shape == (count, 24)


def test_errors_of_a_day_stay_together() -> None:
    past = np.zeros((40, 24))
    past[::2] = 1.0  # every day all hours are off by the same
    drawn = draw_scenarios(past, np.zeros((40, 1, 24)), np.zeros((1, 24)), 20, np.random.default_rng(1))
    assert np.allclose(np.ptp(drawn.price_eur_per_kwh, axis=1), 0.0)
    assert np.ptp(drawn.price_eur_per_kwh) == pytest.approx(1.0)


def test_with_few_days_every_error_counts_with_both_signs() -> None:
    past = np.zeros((3, 24))
    past[1, 18] = 1.0
    drawn = draw_scenarios(past, np.zeros((3, 1, 24)), np.zeros((1, 24)), 6, np.random.default_rng(1))
    assert drawn.price_eur_per_kwh[:, 18].min() == pytest.approx(-1.0)
    assert drawn.price_eur_per_kwh[:, 18].max() == pytest.approx(1.0)


def test_with_a_single_day_of_past_there_is_one_scenario_of_no_error() -> None:
    drawn = draw_scenarios(np.full((1, 24), 0.03), np.zeros((1, 0, 24)), np.zeros((0, 24)), 5, np.random.default_rng(1))
    assert np.allclose(drawn.price_eur_per_kwh, 0.03)


def test_similar_days_are_those_of_the_same_weekday() -> None:
    past = np.tile(np.arange(7.0), 6)[:41, None] * np.ones(24)  # the 42nd day is of kind 6
    assert np.allclose(similar_days(past), 6.0)


def test_nothing_to_go_by_and_prices_that_are_missing_are_refused() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="no past day and no forecast"):
        draw_scenarios(np.zeros((0, 24)), np.zeros((0, 0, 24)), np.zeros((0, 24)), 3, rng)
    past = np.zeros((2, 24))
    past[1, 5] = np.nan
    with pytest.raises(ValueError, match=r"\(1, 5\)"):
        draw_scenarios(past, np.zeros((2, 1, 24)), np.zeros((1, 24)), 3, rng)


def test_probabilities_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="do not sum to 1"):
        PriceScenarios(np.zeros((2, 3)), np.array([0.5, 0.4]))


def test_a_member_fails_with_all_its_stores_and_as_often_as_it_says() -> None:
    of = np.array([0, 0, 1])
    there = draw_availability(np.array([0.9, 1.0]), of, 4000, np.random.default_rng(1))
    assert np.array_equal(there[:, 0], there[:, 1])
    assert there[:, 2].all()
    assert there[:, 0].mean() == pytest.approx(0.9, abs=0.02)
