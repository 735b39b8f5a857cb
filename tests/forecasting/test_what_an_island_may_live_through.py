"""Hours and energies promised for life without a main grid: from the past only, and kept as often as promised."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.forecasting.analogs import DAY, Bank, rank, required_kwh, reserve_kwh, trust, worst_day
from archipel.forecasting.survival import Living, held_h, survival_h

BANK = Bank(100.0, 30.0, 40.0, 0.9, 0.95)
nets = st.lists(st.floats(-60.0, 39.0), min_size=1, max_size=40).map(np.array)


def lived(net_kw: np.ndarray, e_kwh: float) -> bool:
    """Whether a bank that begins with so much holds the demand to the end, quarter hour by quarter hour."""
    for p in net_kw:
        e_kwh = min(e_kwh - float(BANK.taken_kwh(np.array([p]))[0]), BANK.e_kwh)
        if e_kwh < -1e-6:
            return False
    return True


@settings(max_examples=60, deadline=None)
@given(nets)
def test_what_is_required_is_enough_and_no_less_is(net_kw: np.ndarray) -> None:
    need = float(required_kwh(net_kw, len(net_kw), BANK)[0])
    if need <= BANK.e_kwh:
        assert lived(net_kw, need)
    if need > 1e-3:
        assert not lived(net_kw, min(need, BANK.e_kwh + 1e-3) - 1e-3)


@settings(max_examples=60, deadline=None)
@given(nets, st.floats(0.0, 100.0))
def test_hours_held_and_energy_required_say_the_same(net_kw: np.ndarray, stored: float) -> None:
    need = float(required_kwh(net_kw, len(net_kw), BANK)[0])
    zero = np.zeros((1, len(net_kw)))
    held = held_h(Living(BANK, stored), np.maximum(net_kw, 0)[None], zero, np.maximum(-net_kw, 0)[None])[0]
    if abs(need - stored) > 1e-6:
        assert (held == len(net_kw) / 4) == (stored > need)


def test_more_hours_and_a_surer_promise_never_take_less() -> None:
    rng = np.random.default_rng(3)
    load, sun = rng.uniform(5, 10, 70 * DAY), 12 * np.clip(np.sin(np.arange(70 * DAY) * 2 * np.pi / DAY), 0, 1)
    sun *= np.repeat(rng.uniform(0.2, 1.0, 70), DAY)
    asked = [[reserve_kwh(load, sun, steps, p, BANK) for p in (0.8, 0.9, 0.99, 0.999)] for steps in (8, 24, 96)]
    for a, b in pairwise(asked):
        assert all((x <= y + 1e-9).all() for x, y in zip(a, b, strict=True))
    for row in asked:
        assert all((x <= y + 1e-9).all() for x, y in pairwise(row))
    hours = [survival_h(Living(BANK, 60.0), load, 0 * load, sun, p, 24.0) for p in (0.8, 0.9, 0.99, 0.999)]
    assert hours == sorted(hours, reverse=True)


def test_power_beyond_the_rating_cannot_be_promised_whatever_is_stored() -> None:
    assert np.isinf(required_kwh(np.array([10.0, 41.0, 10.0]), 3, BANK)[0])
    held = held_h(Living(BANK, 100.0), np.array([[10.0, 41.0, 10.0]]), np.zeros((1, 3)), np.zeros((1, 3)))
    assert held[0] == 0.25


def test_a_past_too_short_for_a_promise_is_answered_with_the_worst_that_was_seen_all_at_once() -> None:
    rng = np.random.default_rng(1)
    load, wind = rng.uniform(2, 4, 5 * DAY), rng.uniform(0, 6, 5 * DAY)
    highest, least = worst_day(load, wind)
    assert (least == 0.0).all()  # five days tell nothing of how little wind there can be
    expected = required_kwh(np.tile(highest, 2), 8, BANK)[:DAY]
    np.testing.assert_allclose(reserve_kwh(load, wind, 8, 0.999, BANK), expected)
    assert np.isinf(reserve_kwh(load[:0], wind[:0], 8, 0.9, BANK)).all()
    assert survival_h(Living(BANK, 100.0), load[:0], load[:0], wind[:0], 0.9) == 0.0


def test_the_rank_of_a_promise_grows_beyond_the_members_when_they_are_too_few() -> None:
    assert rank(0.9, 9) == 9
    assert rank(0.9, 8) == 9
    assert rank(0.99, 99) == 99
    assert rank(0.999, 540) > 540
    assert trust(0.9) == 1.0
    assert trust(0.999) == 0.5


@pytest.mark.parametrize("probability", [0.8, 0.9])
def test_where_days_are_alike_promises_are_kept_as_often_as_promised(probability: float) -> None:
    rng = np.random.default_rng(7)
    kept = []
    for _ in range(300):
        wind = np.repeat(rng.gamma(1.5, 5.0, 62), DAY)
        load = np.full(62 * DAY, 9.0)
        wanted = reserve_kwh(load[:-DAY], wind[:-DAY], 32, probability, BANK)[48]
        kept.append(required_kwh((load - wind)[-DAY:], 32, BANK)[48] <= wanted + 1e-9)
    # nine paths of one day are alike here, so that 61 days are 61 paths and not 549: up to a place in 62 less
    assert np.mean(kept) >= probability - 1 / 62 - 2 * np.sqrt(probability * (1 - probability) / 300)


def test_load_that_waits_lengthens_life_and_fuel_does_too() -> None:
    critical, rest, none = np.full((1, 96), 4.0), np.full((1, 96), 6.0), np.zeros((1, 96))
    served = held_h(Living(BANK, 80.0, stages=((1.0, 0.0),)), critical, rest, none)[0]
    shed = held_h(Living(BANK, 80.0, stages=((1.0, 50.0),)), critical, rest, none)[0]
    half = held_h(Living(BANK, 80.0, stages=((0.5, 50.0), (0.5, 20.0))), critical, rest, none)[0]
    fuelled = held_h(Living(BANK, 80.0, 2.0, 10.0, stages=((1.0, 50.0),)), critical, rest, none)[0]
    assert served < half < shed < fuelled
