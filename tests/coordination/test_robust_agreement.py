from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robustly import agreed, programs

from archipel.coordination.outcome import Start, Upstream
from archipel.coordination.robust import Options, solve
from archipel.coordination.tree import Program, Silent
from archipel.optimisation.central import join, solve_piqp
from archipel.testing import PromiseBroken, check_coordination
from archipel.testing.coordination import Post, paid
from archipel.testing.trees import Tree, random_tree, without


@pytest.mark.parametrize("seed", [1, pytest.param(0, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_the_robust_agreement_keeps_every_promise(seed: int) -> None:
    check_coordination(programs, seeds=(seed,), gap=3e-3, repeatable=False)


def test_the_suite_finds_that_it_is_not_the_same_bit_for_bit_when_messages_are_lost() -> None:
    with pytest.raises(PromiseBroken, match="messages change nothing, bit for bit"):
        check_coordination(programs, seeds=(1,), gap=3e-3)


def true_gap(tree: Tree, found: list) -> float:
    best = solve_piqp(join(tree.blocks, list(tree.parents), tree.price, tree.v_pu), 1e-9)
    ours = paid(tree, [cell.u for cell in found])
    return (ours.total - best.value) / ours.gross


def test_a_tight_gap_is_reached_certified_and_told_to_every_cell() -> None:
    tree = random_tree(3)
    found = agreed(tree, gap=1e-4)
    root = found[0]
    assert root.converged
    assert true_gap(tree, found) <= root.gap < 1e-4
    assert root.primal_kw < 0.5
    assert root.dual_eur_per_kwh < 5e-3
    assert {cell.gap for cell in found} == {root.gap}
    assert root.iterations <= 120


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), lose=st.floats(0.0, 0.3), double=st.floats(0.0, 0.3), late=st.floats(0.0, 0.3))
def test_whatever_the_post_does_it_ends_certified_and_both_ends_hold_the_same(
    seed: int, lose: float, double: float, late: float
) -> None:
    tree = random_tree(3)
    found = Post(tree, programs(tree, 200, 3e-3), seed=seed, lose=lose, double=double, late=late).run()
    assert -1e-9 <= true_gap(tree, found) <= found[0].gap + 1e-6
    assert found[0].gap < 3e-3
    for i, cell in enumerate(found):
        for k, child in enumerate(tree.children(i)):
            np.testing.assert_array_equal(cell.child_pq[k], found[child].boundary)


def test_a_start_at_the_last_agreement_needs_few_rounds() -> None:
    tree = random_tree(1)
    cold = agreed(tree, gap=1e-3)
    upstream = Upstream(tree.price, tree.v_pu)
    starts = [Start(np.concatenate([c.boundary, c.v_pu[None]]), c.price, c.rho) for c in cold]
    options = Options(gap=1e-3)
    warm = Post(
        tree,
        [
            solve(block, None if i else upstream, options, start=start)
            for i, (block, start) in enumerate(zip(tree.blocks, starts, strict=True))
        ],
    ).run()
    assert warm[0].converged
    assert warm[0].iterations <= cold[0].iterations // 4


def test_without_a_silent_child_the_others_agree_around_a_power_that_is_known() -> None:
    tree = random_tree(2, depth=2)
    leaf = len(tree.blocks) - 1

    def make(some: Tree) -> list[Program]:
        return list(programs(some, 300, 3e-3))

    post = Post(tree, make(tree), silent=(leaf, 25), make=make)
    found = post.run()
    assert found[leaf] == Silent("cell 0")
    rest, kept = without(tree, [leaf])
    assert kept == list(range(leaf))
    assert found[0].converged
    assert true_gap(rest, found[:leaf]) <= 3e-3
    for k in range(leaf - 1):
        np.testing.assert_array_equal(found[0].child_pq[k], found[k + 1].boundary)
    assert post.cells["cell 0"].attempt == 1


def test_a_cell_without_its_parent_ends_and_holds_what_it_held() -> None:
    tree = random_tree(3)
    post = Post(tree, programs(tree, 300), silent=(0, 12))
    found = post.run()
    assert all(isinstance(outcome, Silent) for outcome in found[1:])


def test_messages_carry_boundary_quantities_only() -> None:
    tree = random_tree(1)
    post = Post(tree, programs(tree, 10))
    post.run()
    t = len(tree.v_pu)
    assert {shape for *_, shape in post.shapes} == {(), (3,), (t,), (2, t), (3, t)}
    said = {name for _, up, name, _ in post.shapes if up}
    assert said == {"low", "high", "x", "price", "rho", "pq", "moved", "sums", "worst"}


def test_a_root_alone_needs_nobody() -> None:
    tree = random_tree(7, depth=1)
    (root,) = agreed(tree)
    assert root.converged
    assert true_gap(tree, [root]) < 1e-4
