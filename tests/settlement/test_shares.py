"""Splitting what members earned together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.shares import Game, marginal, pro_rata, shapley, shapley_exact

seeds = st.integers(0, 2**32 - 1)


def a_game(seed: int, members: int = 4, quarters: int = 6, groups: int = 2) -> Game:
    rng = np.random.default_rng(seed)
    group = np.sort(rng.integers(0, groups, quarters))
    return Game(
        rng.normal(0.0, 1.0, (members, groups)), rng.normal(0.0, 1.0, (members, quarters)), rng.random(quarters), group
    )


def by_hand(worth: Callable[[Any], Any], members: int) -> Any:
    """The definition itself: the mean over all n! orders."""
    total: Any = 0.0
    for order in permutations(range(members)):
        inside = np.zeros((members + 1, members), dtype=bool)
        for k, c in enumerate(order):
            inside[k + 1 :, c] = True
        added = np.empty((members, worth(inside).shape[1]))
        added[list(order)] = np.diff(worth(inside), axis=0)
        total = total + added
    return total / factorial(members)


@given(seeds)
def test_all_coalitions_and_all_orders_give_the_same_value(seed: int) -> None:
    game = a_game(seed)
    np.testing.assert_allclose(shapley_exact(game.worth, 4), by_hand(game.worth, 4), atol=1e-12)
    np.testing.assert_allclose(shapley(game).part, by_hand(game.worth, 4), atol=1e-12)
    assert not shapley(game).error.any()


def test_the_glove_game_has_its_known_value() -> None:
    # one left glove, two right ones: v = 1 for any pair; L. S. Shapley's value is 2/3, 1/6, 1/6
    value = shapley_exact(lambda s: (s[:, :1] & (s[:, 1:2] | s[:, 2:3])).astype(float), 3)
    np.testing.assert_allclose(value[:, 0], [2 / 3, 1 / 6, 1 / 6])


@given(seeds, st.sampled_from(["pro_rata", "marginal", "exact", "sampled"]))
def test_parts_add_up_to_what_all_earned(seed: int, rule: str) -> None:
    game = a_game(seed, members=13 if rule == "sampled" else 5)
    weight = np.abs(game.own)
    everyone = game.worth(np.ones((1, game.members), dtype=bool))[0]
    part = {
        "pro_rata": lambda: pro_rata(everyone, weight),
        "marginal": lambda: marginal(game, weight).part,
        "exact": lambda: shapley(game).part,
        "sampled": lambda: shapley(game, np.random.default_rng(seed), samples=6).part,
    }[rule]()
    np.testing.assert_allclose(part.sum(axis=0), everyone, atol=1e-9)


@given(seeds)
def test_who_adds_nothing_gets_nothing_and_equals_get_the_same(seed: int) -> None:
    game = a_game(seed, members=6)
    game.own[3], game.short[3] = 0.0, 0.0
    game.own[5], game.short[5] = game.own[4], game.short[4]
    found = shapley(game).part
    np.testing.assert_allclose(found[3], 0.0, atol=1e-12)
    np.testing.assert_allclose(found[5], found[4], atol=1e-12)


@given(seeds)
def test_what_a_member_adds_to_the_pool_stays_within_the_width_the_bound_relies_on(seed: int) -> None:
    game = a_game(seed, members=6)
    added = np.array([game.joining(np.array(order)) for order in permutations(range(6))][::37])
    assert (added.max(axis=0) - added.min(axis=0) <= game.width() + 1e-12).all()
    below, above = -np.maximum(game.short, 0.0) * game.price, np.maximum(-game.short, 0.0) * game.price
    assert (added >= game._by_game(below) - 1e-12).all()
    assert (added <= game._by_game(above) + 1e-12).all()


def test_the_error_bound_holds_for_drawn_orders() -> None:
    outside = 0
    for seed in range(60):
        game = a_game(seed, members=12, quarters=4, groups=1)
        true = game.own + shapley_exact(Game(0 * game.own, game.short, game.price, game.group).worth, 12)
        found = shapley(game, np.random.default_rng(seed), samples=60, confidence=0.9)
        assert (found.samples, found.confidence) == (60, 0.9)
        assert (found.error > 0).all()
        outside += bool((np.abs(found.part - true) > found.error).any())
    assert outside <= 6


def test_the_error_falls_with_more_orders_and_spares_those_who_keep_their_promise() -> None:
    game = a_game(1, members=14)
    game.short[2] = 0.0
    few, many = (shapley(game, np.random.default_rng(0), samples=n) for n in (20, 2000))
    moving = np.arange(14) != 2
    assert (many.error[moving] < 0.3 * few.error[moving]).all()
    assert not many.error[2].any()
    np.testing.assert_array_equal(many.part[2], game.own[2])


def test_a_member_that_covers_for_another_gets_what_it_saved() -> None:
    game = Game(np.zeros((2, 1)), np.array([[2.0], [-2.0]]), np.array([3.0]), np.array([0]))
    np.testing.assert_allclose(shapley(game).part[:, 0], [-3.0, 3.0])
    np.testing.assert_allclose(marginal(game, np.ones((2, 1))).part[:, 0], [-3.0, 3.0])


def test_equal_parts_where_nobody_weighs_anything() -> None:
    np.testing.assert_array_equal(pro_rata(np.array([6.0]), np.zeros((3, 1)))[:, 0], [2.0, 2.0, 2.0])


def test_what_shapley_cannot_do_is_said() -> None:
    with pytest.raises(ValueError, match="expected a generator"):
        shapley(a_game(0, members=12))
    with pytest.raises(ValueError, match="expected 4 or more"):
        shapley(a_game(0), samples=2)
    with pytest.raises(ValueError, match="at most 20"):
        shapley_exact(lambda s: s.astype(float), 21)
