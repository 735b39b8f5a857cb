"""Soft open points move what both ends ask for, and lose what converters lose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.devices import Delivered, SoftOpenPointFleet, Weather

KW = st.floats(-300.0, 300.0)
BOTH = np.arange(2)


def point(loss_share: float = 0.02) -> SoftOpenPointFleet:
    one = np.ones(2)
    ids = ("p/from", "p/to")
    return SoftOpenPointFleet(ids, np.array([3, 5]), ("p", "p"), 100.0 * one, loss_share * one, np.array([1.0, -1.0]))


def carried(fleet: SoftOpenPointFleet, wish: np.ndarray) -> Delivered:
    never = np.zeros(2, dtype=bool)
    return fleet.advance({}, Weather(0, np.ones((1, 1)), perfect=True), wish, np.zeros(2), never, 0.25)


@given(KW, st.floats(0.0, 0.4))
def test_what_an_end_draws_tells_what_is_moved(moved_kw: float, loss_share: float) -> None:
    fleet, moved = point(loss_share), np.full(2, np.clip(moved_kw, -100.0, 100.0))
    np.testing.assert_allclose(fleet.moved(fleet.drawn(moved, BOTH), BOTH), moved, atol=1e-9)


@given(KW, st.floats(0.0, 0.4))
def test_slope_is_the_derivative_of_what_is_drawn(moved_kw: float, loss_share: float) -> None:
    fleet, step = point(loss_share), 1e-3
    rise = fleet.drawn(np.full(2, moved_kw + step), BOTH) - fleet.drawn(np.full(2, moved_kw - step), BOTH)
    np.testing.assert_allclose(rise / (2 * step), fleet.slope(np.full(2, moved_kw), BOTH), atol=1e-6)


@given(KW, KW)
def test_it_moves_the_smaller_of_what_both_ends_ask_for_and_never_beyond_its_rating(a: float, b: float) -> None:
    fleet = point()
    done = carried(fleet, np.array([a, b]))
    first, second = fleet.moved(np.array([a, b]), BOTH)
    agreed = np.sign(first) * min(abs(first), abs(second)) if first * second > 0 else 0.0
    np.testing.assert_allclose(done.p_kw, fleet.drawn(np.full(2, agreed), BOTH), atol=1e-9)
    assert abs(agreed) <= 100.0
    assert done.p_kw.sum() == pytest.approx(0.02 * agreed**2 / 100.0, abs=1e-9)


def test_an_end_without_an_order_keeps_it_open() -> None:
    fleet = point()
    local, _ = fleet.local_rule({}, Weather(0, np.ones((1, 1)), perfect=True), None, 0.25)  # type: ignore[arg-type]
    wish = np.array([60.0, local[1]])
    assert carried(fleet, wish).p_kw.tolist() == [0.0, 0.0]
