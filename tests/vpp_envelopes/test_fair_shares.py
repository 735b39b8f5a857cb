"""Sharing linear room by a rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.vpp.envelope import RULES, Rule
from archipel.vpp.fair import Shares, blocked, share


def drawn(seed: int, rule: Rule, groups: int = 3) -> tuple[Shares, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, rows = 9, 6
    most = rng.uniform(0.0, 20.0, n)
    weight = most if rule == "proportional" else np.ones(n)
    shares = Shares(rule, np.sort(rng.integers(0, groups, n)), weight, np.ones(n), np.zeros(n), most)
    return shares, rng.random((rows, n)) * (rng.random((rows, n)) < 0.6), rng.uniform(2.0, 30.0, rows)


@given(seed=st.integers(0, 10_000), rule=st.sampled_from(RULES))
@settings(max_examples=25)
def test_every_row_is_kept_and_every_bound(seed: int, rule: Rule) -> None:
    shares, slope, room = drawn(seed, rule)
    e = share(shares, slope, room, np.zeros(9), set())
    assert (slope @ e <= room + 1e-5).all()
    assert (e >= -1e-9).all()
    assert (e <= shares.most + 1e-9).all()


@given(seed=st.integers(0, 10_000), rule=st.sampled_from(("equal", "proportional")))
@settings(max_examples=15)
def test_room_is_used_up_or_all_have_their_most(seed: int, rule: Rule) -> None:
    shares, slope, room = drawn(seed, rule, groups=1)
    e = share(shares, slope, room, np.zeros(9), set())
    used_up = (slope @ e >= room * 0.999 - 1e-6).any()
    assert used_up or (e >= shares.most - 1e-6).all()


def test_cells_that_share_one_limit_get_levels_by_their_size() -> None:
    """Two cells of 2 and 4 points behind one limit: all points the same, as maximising sum(n log(level)) has it."""
    shares = Shares("equal", np.array([0, 0, 1, 1, 1, 1]), np.ones(6), np.ones(6), np.zeros(6), np.full(6, 100.0))
    e = share(shares, np.ones((1, 6)), np.array([60.0]), np.zeros(6), set())
    np.testing.assert_allclose(e, 10.0, rtol=0.01)
    assert e.sum() == pytest.approx(60.0, rel=1e-3)


def test_a_weak_cell_does_not_hold_down_the_others() -> None:
    shares = Shares("equal", np.array([0, 1]), np.ones(2), np.ones(2), np.zeros(2), np.full(2, 100.0))
    slope = np.array([[1.0, 0.01], [1.0, 1.0]])
    e = share(shares, slope, np.array([5.0, 120.0]), np.zeros(2), set())
    assert e[1] > 90.0
    assert e[0] > 3.5


def test_points_behind_a_broken_row_are_blocked() -> None:
    slope = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
    assert blocked(slope, np.array([-1.0, 3.0])).tolist() == [True, False, True]
