from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from other_solvers import clarabel_boundary_prices, clarabel_value, gross, highs_value

from archipel.model import SolverFailed
from archipel.optimisation.block import bill
from archipel.optimisation.central import Joined, join, solve_piqp
from archipel.testing.trees import Tree, edge_trees, random_tree


def joined(tree: Tree) -> Joined:
    return join(tree.blocks, list(tree.parents), tree.price, tree.v_pu)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 6])
def test_piqp_agrees_with_clarabel_to_seven_digits(seed: int) -> None:
    problem = joined(random_tree(seed))
    ours = solve_piqp(problem, 1e-10)
    assert abs(ours.value - clarabel_value(problem)) <= 1e-7 * max(gross(problem, ours.x), abs(ours.value))


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 6])
def test_piqp_agrees_with_highs_to_seven_digits_on_the_linear_part(seed: int) -> None:
    problem = joined(random_tree(seed))
    linear = replace(problem, quad=np.zeros_like(problem.quad))
    ours = solve_piqp(linear, 1e-9)
    assert abs(ours.value - highs_value(linear)) <= 1e-7 * max(gross(linear, ours.x), abs(ours.value))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 3))
def test_on_any_tree_three_solvers_that_share_nothing_find_the_same_to_seven_digits(seed: int, depth: int) -> None:
    problem = joined(random_tree(seed, depth=depth))
    ours = solve_piqp(problem, 1e-10)
    scale = max(gross(problem, ours.x), abs(ours.value))
    assert abs(ours.value - clarabel_value(problem)) <= 1e-7 * scale
    linear = replace(problem, quad=np.zeros_like(problem.quad))
    ours = solve_piqp(linear, 1e-9)
    assert abs(ours.value - highs_value(linear)) <= 1e-7 * max(gross(linear, ours.x), abs(ours.value))


@pytest.mark.parametrize("name", sorted(edge_trees(0)))
def test_at_the_edges_of_what_there_is_too(name: str) -> None:
    problem = joined(edge_trees(0)[name])
    ours = solve_piqp(problem, 1e-10)
    scale = max(gross(problem, ours.x), abs(ours.value))
    assert abs(ours.value - clarabel_value(problem)) <= 1e-7 * scale
    linear = replace(problem, quad=np.zeros_like(problem.quad))
    ours = solve_piqp(linear, 1e-9)
    assert abs(ours.value - highs_value(linear)) <= 1e-7 * max(gross(linear, ours.x), abs(ours.value))


@pytest.mark.parametrize("seed", range(6))
def test_the_bill_of_controls_is_the_value_of_the_joined_problem(seed: int) -> None:
    tree = random_tree(seed)
    problem = joined(tree)
    best = solve_piqp(problem, 1e-10)
    ours = bill(list(tree.blocks), list(tree.parents), problem.controls(best.x), tree.price, tree.v_pu)
    assert abs(ours.total - best.value) <= 1e-8 * ours.gross
    assert abs(ours.gross - gross(problem, best.x)) <= 1e-8 * ours.gross


@pytest.mark.parametrize("seed", range(4))
def test_the_bill_of_any_controls_is_what_the_joined_problem_says_when_they_are_fixed(seed: int) -> None:
    tree = random_tree(seed, depth=2)
    rng = np.random.default_rng(seed)
    u = [block.lo + rng.random(block.lo.shape) * (block.hi - block.lo) for block in tree.blocks]
    fixed = join(
        tuple(replace(b, lo=x, hi=x) for b, x in zip(tree.blocks, u, strict=True)),
        list(tree.parents),
        tree.price,
        tree.v_pu,
    )
    ours = bill(list(tree.blocks), list(tree.parents), u, tree.price, tree.v_pu)
    assert ours.total == pytest.approx(clarabel_value(fixed), rel=1e-7)
    assert 0.0 <= ours.limits <= ours.total + ours.gross + 1e3


def test_limits_that_are_not_kept_are_told_apart_from_fees() -> None:
    tree = random_tree(1)
    free = bill(list(tree.blocks), list(tree.parents), [b.hi for b in tree.blocks], tree.price, tree.v_pu)
    relaxed = tuple(replace(b, hinges=replace(b.hinges, bound=b.hinges.bound + 1e6)) for b in tree.blocks)
    none = bill(list(relaxed), list(tree.parents), [b.hi for b in tree.blocks], tree.price, tree.v_pu)
    assert free.limits > 0.0
    assert none.limits == 0.0
    assert free.total > none.total + free.limits  # the fees are the rest


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 6])
def test_boundary_prices_agree_with_clarabels_duals(seed: int) -> None:
    problem = joined(random_tree(seed))
    for ours, theirs in zip(solve_piqp(problem, 1e-10).boundary_dual, clarabel_boundary_prices(problem), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_solver_that_does_not_say_solved_is_not_believed() -> None:
    problem = joined(random_tree(2))
    impossible = replace(problem, lo=np.where(np.arange(len(problem.lo)) == 0, 1e6, problem.lo))
    impossible.hi[0] = 1e6  # the root's first boundary power, far from what anybody draws
    with pytest.raises(SolverFailed, match=r"PIQP, tried in \d ways, last stopped with .* after \d+ iterations"):
        solve_piqp(impossible, 1e-10)


def test_boundary_prices_say_what_a_further_kilowatt_costs() -> None:
    tree = random_tree(3)
    best = solve_piqp(joined(tree), 1e-10)
    cell, t = 1, 3
    for output, kind in ((0, "P"), (1, "Q")):
        moved = []
        for step in (1e-3, -1e-3):
            block = tree.blocks[cell]
            offset = block.outputs.offset.copy()
            offset[output * len(tree.v_pu) + t] += step
            blocks = list(tree.blocks)
            blocks[cell] = replace(block, outputs=replace(block.outputs, offset=offset))
            moved.append(solve_piqp(joined(replace(tree, blocks=tuple(blocks))), 1e-10).value)
        slope = (moved[0] - moved[1]) / 2e-3
        assert best.boundary_dual[cell][output, t] == pytest.approx(slope, abs=1e-4), kind
