"""What an event came to, and the search for a price: sums and a search, no grid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.model import Horizon
from archipel.vpp.event import TOLERANCE, Event, came_of, find_price

FIRST = datetime(2016, 5, 26, 14, tzinfo=UTC)
EVENT = Event(FIRST + timedelta(hours=3), 2.0, FIRST + timedelta(hours=2), 100.0)
COUNT = 4 * 11
powers = st.lists(st.floats(-500, 500), min_size=COUNT, max_size=COUNT).map(np.array)


def test_a_reduction_held_exactly_is_delivered_in_full_and_comes_back() -> None:
    none = np.full(COUNT, 300.0)
    asked = none.copy()
    asked[8:12] += 10.0
    asked[12:20] -= 100.0
    asked[20:28] += 90.0
    came = came_of(EVENT, FIRST, asked_kw=asked, asked_none_kw=none, area_kw=asked + 50, area_none_kw=none + 50)
    assert (came.asked_kwh, came.delivered_kwh, came.missing_kwh) == (200.0, 200.0, 0.0)
    assert (came.least_kw, came.most_kw, came.delivered_share) == (100.0, 100.0, 1.0)
    assert (came.before_kwh, came.rebound_kwh) == (10.0, 180.0)
    assert (came.rebound_peak_kw, came.none_peak_kw) == (440.0, 350.0)
    assert came.meter_before_kwh == 200.0


def test_too_much_in_one_quarter_hour_does_not_make_up_for_another() -> None:
    none, asked = np.zeros((2, COUNT))
    asked[12:16] = -200.0
    came = came_of(EVENT, FIRST, asked_kw=asked, asked_none_kw=none, area_kw=asked, area_none_kw=none)
    assert came.delivered_kwh == came.asked_kwh
    assert came.delivered_share == 0.5


def test_a_meter_alone_takes_the_setting_sun_for_a_missing_reduction() -> None:
    none = np.concatenate([np.full(8, -100.0), np.full(COUNT - 8, 50.0)])
    came = came_of(EVENT, FIRST, asked_kw=none, asked_none_kw=none, area_kw=none, area_none_kw=none)
    assert came.delivered_kwh == 0.0
    assert came.meter_before_kwh == -300.0


@given(powers, powers)
def test_what_is_delivered_and_what_is_missing_bound_each_other(none: np.ndarray, asked: np.ndarray) -> None:
    came = came_of(EVENT, FIRST, asked_kw=asked, asked_none_kw=none, area_kw=asked, area_none_kw=none)
    assert came.missing_kwh >= -1e-9
    assert came.delivered_kwh + came.missing_kwh >= came.asked_kwh - 1e-6
    assert came.least_kw * EVENT.hours <= came.delivered_kwh + 1e-6
    assert came.delivered_kwh <= came.most_kw * EVENT.hours + 1e-6
    assert came.at_connection_kwh == came.delivered_kwh


def test_series_that_end_in_the_event_are_refused() -> None:
    short = np.zeros(16)
    with pytest.raises(ValueError, match="do not hold all of it"):
        came_of(EVENT, FIRST, asked_kw=short, asked_none_kw=short, area_kw=short, area_none_kw=short)


def test_long_intervals_know_which_part_of_them_is_inside() -> None:
    half = Event(FIRST + timedelta(minutes=30), 1.5, FIRST, 1.0)
    horizon = Horizon(FIRST, np.array([1, 1, 1, 1, 8]))
    np.testing.assert_allclose(half.share(horizon), [0, 0, 1, 1, 0.5])
    assert half.quarters(FIRST, 12).sum() == 6


stairs = st.lists(
    st.tuples(st.floats(1e-4, 0.6), st.floats(1.0, 100.0)), min_size=1, max_size=6
)  # (price from which it answers, kW)


@given(stairs, st.floats(5.0, 300.0))
def test_a_search_ends_with_the_nearest_answer_it_heard(steps: list[tuple[float, float]], wanted_kw: float) -> None:
    def answer(price: float) -> float:
        return sum(kw for from_price, kw in steps if price >= from_price)

    told = find_price(answer, wanted_kw, rounds=8)
    assert 1 <= len(told) <= 8
    assert all(0.0 < one.price_eur_per_kwh <= 0.5 and one.reduction_kw == answer(one.price_eur_per_kwh) for one in told)
    misses = [abs(one.reduction_kw - wanted_kw) for one in told]
    assert misses[-1] == min(misses)


@given(st.floats(0.002, 0.4), st.floats(10.0, 1000.0))
def test_an_answer_that_grows_with_the_price_is_hit(at_price: float, wanted_kw: float) -> None:
    told = find_price(lambda price: wanted_kw * price / at_price, wanted_kw, rounds=20)
    assert abs(told[-1].reduction_kw - wanted_kw) <= TOLERANCE * wanted_kw


def test_when_the_highest_price_brings_too_little_it_is_told_and_no_other() -> None:
    (only,) = find_price(lambda price: 10.0 * price, 100.0)
    assert (only.price_eur_per_kwh, only.reduction_kw) == (0.5, 5.0)


def test_a_price_that_still_holds_is_not_looked_for_again() -> None:
    (only,) = find_price(lambda price: 1000.0 * price, 100.0, first_eur_per_kwh=0.1)
    assert only.price_eur_per_kwh == 0.1


@given(st.floats(0.002, 0.45))
def test_a_price_that_no_longer_holds_is_where_the_search_begins(first: float) -> None:
    told = find_price(lambda price: 1000.0 * price, 200.0, first_eur_per_kwh=first, rounds=20)
    assert abs(told[-1].reduction_kw - 200.0) <= TOLERANCE * 200.0
    assert any(one.price_eur_per_kwh == first for one in told)
