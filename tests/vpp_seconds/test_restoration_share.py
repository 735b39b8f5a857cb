"""Restoration: sharing a signal over members, and what happens when some of them fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.vpp.activation import battery_setpoints, charger_setpoints, chosen
from archipel.vpp.restoration import Loop, Reports, cycle, leased, ramped_limits, share

seeds = st.integers(0, 2**31 - 1)


def limits(seed: int, members: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-100.0, 100.0, (2, members))
    return a.min(axis=0), a.max(axis=0)


@given(seeds, st.floats(-800.0, 800.0))
def test_parts_add_up_to_the_request_or_to_all_there_is(seed: int, request: float) -> None:
    least, most = limits(seed)
    part = share(np.array(request), least, most)
    assert np.all(part >= least - 1e-9)
    assert np.all(part <= most + 1e-9)
    assert part.sum() == pytest.approx(np.clip(request, least.sum(), most.sum()), abs=1e-6)


@given(seeds, st.floats(-800.0, 800.0), st.floats(0.0, 200.0))
def test_nobody_draws_less_when_all_are_asked_to_draw_more(seed: int, request: float, more: float) -> None:
    least, most = limits(seed)
    assert np.all(share(np.array(request + more), least, most) >= share(np.array(request), least, most) - 1e-6)


@given(seeds, st.floats(-800.0, 800.0))
def test_the_order_of_members_does_not_matter(seed: int, request: float) -> None:
    least, most = limits(seed)
    order = np.random.default_rng(seed).permutation(len(least))
    there = share(np.array(request), least, most)[order]
    np.testing.assert_allclose(there, share(np.array(request), least[order], most[order]), atol=1e-7)


def test_limits_the_wrong_way_round_are_refused_with_words() -> None:
    with pytest.raises(ValueError, match="least_kw above its most_kw"):
        share(np.array(1.0), np.array([1.0]), np.array([0.0]))
    with pytest.raises(ValueError, match="NaN"):
        share(np.array(1.0), np.array([np.nan]), np.array([0.0]))


def reports(room: np.ndarray, age_s: np.ndarray) -> Reports:
    none = np.zeros(len(room))
    return Reports(none, -room, room, none, none, age_s)


@given(st.integers(0, 9), st.floats(-700.0, 700.0))
def test_others_take_over_what_a_silent_member_leaves_in_the_next_cycle(silent: int, wanted: float) -> None:
    room = np.full(10, 100.0)
    age = np.where(np.arange(10) == silent, 30.0, 0.0)
    _, target = cycle(Loop.fresh(np.array(0.0)), np.array(wanted), np.array(0.0), reports(room, age), gain=0.0)
    assert target[silent] == 0.0
    assert target.sum() == pytest.approx(wanted)


@given(st.integers(0, 9), st.floats(50.0, 700.0), st.sampled_from([-1.0, 1.0]))
def test_who_says_yes_and_does_nothing_is_made_up_for_by_the_meter(lazy: int, size: float, sign: float) -> None:
    """It reports room and stays at zero: no report tells, only the meter does."""
    wanted, room = np.array(sign * size), np.full(10, 100.0)
    loop, metered, errors = Loop.fresh(wanted), wanted, []
    for _ in range(40):
        loop, target = cycle(loop, wanted, metered, reports(room, np.zeros(10)))
        done = target.copy()
        done[lazy] = 0.0
        metered = done.sum()
        errors.append(abs(float(wanted - metered)))
    assert errors[0] == pytest.approx(size / 10)
    assert errors[2] < 0.75 * errors[0]
    assert errors[-1] < 1e-3 * size


def test_a_request_beyond_all_room_does_not_wind_up() -> None:
    loop, room = Loop.fresh(np.array(1000.0)), np.full(2, 100.0)
    for _ in range(500):
        loop, target = cycle(loop, np.array(1000.0), np.array(200.0), reports(room, np.zeros(2)))
    assert target.sum() == pytest.approx(200.0)
    _, target = cycle(loop, np.array(50.0), np.array(200.0), reports(room, np.zeros(2)), gain=0.0)
    assert target.sum() == pytest.approx(50.0)


def test_spare_room_is_asked_last_and_only_for_what_is_missing() -> None:
    none, room = np.zeros(2), np.array([100.0, 50.0])
    spare = np.array([0.0, 400.0])
    for wanted, expected in ((150.0, [100.0, 50.0]), (250.0, [100.0, 150.0])):
        said = Reports(none, -room, room, none, spare, none)
        _, target = cycle(Loop.fresh(np.array(wanted)), np.array(wanted), np.array(wanted), said)
        np.testing.assert_allclose(target, expected)


def test_a_lease_lapses_to_the_base() -> None:
    held = leased(np.array([5.0, 5.0]), np.array([1.0, 1.0]), np.array([60.0, 60.1]))
    np.testing.assert_array_equal(held, [5.0, 1.0])


def test_quick_members_take_what_a_slow_one_cannot_follow() -> None:
    now, wanted, seen = np.zeros(2), 100.0, []
    for _ in range(20):
        limits = ramped_limits(now, np.full(2, -100.0), np.full(2, 100.0), np.array([1.0, np.inf]), 4.0)
        after = share(np.array(wanted), *limits)
        assert after.sum() == pytest.approx(wanted)
        assert abs(after[0] - now[0]) <= 4.0 + 1e-9
        now = after
        seen.append(now[0])
    assert 0.0 < seen[0] <= 4.0
    assert seen[-1] > 30.0


@given(st.floats(-200.0, 200.0), st.floats(0.0, 50.0))
def test_ramped_limits_never_leave_the_limits(now: float, ramp: float) -> None:
    low, high = ramped_limits(np.array([now]), np.array([-100.0]), np.array([80.0]), ramp, 4.0)
    assert -100.0 <= low[0] <= high[0] <= 80.0


@given(seeds, st.floats(-300.0, 300.0), st.floats(-300.0, 300.0))
def test_batteries_make_up_for_all_else_in_the_same_moment(seed: int, target: float, others: float) -> None:
    rng = np.random.default_rng(seed)
    room = rng.uniform(0.0, 50.0, 8)
    p = battery_setpoints(np.array(target), np.array(others), -room, room)
    assert p.sum() + others == pytest.approx(np.clip(target, others - room.sum(), others + room.sum()), abs=1e-6)


@given(seeds, st.floats(0.0, 100.0))
def test_only_vehicles_with_time_charge_less(seed: int, less: float) -> None:
    rng = np.random.default_rng(seed)
    rating = rng.choice([3.7, 11.0], 10)
    wish = np.where(rng.random(10) < 0.6, rating, 0.0)
    patient = rng.random(10) < 0.5
    p = charger_setpoints(np.array(less), wish, rating, patient)
    np.testing.assert_array_equal(p[~patient], wish[~patient])
    assert np.all((p == 0.0) | (p >= 6.0 / 16.0 * rating - 1e-9))
    assert np.all(p <= wish + 1e-9)


@given(seeds, st.floats(0.0, 60.0))
def test_switching_takes_those_that_go_first_and_never_more_than_asked(seed: int, request: float) -> None:
    rng = np.random.default_rng(seed)
    p, eligible, first = rng.uniform(1.0, 8.0, 12), rng.random(12) < 0.6, rng.random(12)
    taken = chosen(np.array(request), p, eligible, first)
    assert not np.any(taken & ~eligible)
    assert p[taken].sum() <= request + 1e-6
    left = eligible & ~taken
    if left.any():
        following = int(np.argmax(np.where(left, first, -1.0)))
        assert p[taken].sum() + p[following] > request - 1e-6
