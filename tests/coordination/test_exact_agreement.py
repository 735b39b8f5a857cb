from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from exactly import agreed, programs

from archipel.coordination.exact import Options, _Root, solve
from archipel.coordination.outcome import Upstream
from archipel.coordination.tree import Ask, Gather, Program, Tell
from archipel.optimisation.central import Optimum, join, solve_piqp
from archipel.optimisation.interior import CellSolver
from archipel.testing import PromiseBroken, check_coordination
from archipel.testing.coordination import Post, paid
from archipel.testing.stress import gentle, stress_tree
from archipel.testing.trees import Tree, random_block, random_tree


def optimum(tree: Tree) -> Optimum:
    return solve_piqp(join(tree.blocks, list(tree.parents), tree.price, tree.v_pu), 1e-10)


def test_the_exact_agreement_keeps_every_promise() -> None:
    check_coordination(programs, seeds=range(2))


def test_an_iteration_is_one_round_trip() -> None:
    found = agreed(random_tree(44))
    assert found[0].converged
    assert all(cell.round_trips == found[0].iterations + 2 for cell in found)


@pytest.mark.parametrize("seed", range(20, 32))
def test_cells_find_the_central_optimum_and_its_prices(seed: int) -> None:
    tree = random_tree(seed, depth=1 + seed % 4)
    best, found = optimum(tree), agreed(tree, gap=1e-8)
    ours = paid(tree, [cell.u for cell in found])
    assert abs(ours.total - best.value) <= 1e-6 * ours.gross
    for cell, dual in zip(found, best.boundary_dual, strict=True):
        np.testing.assert_allclose(cell.price, dual, atol=5e-6)
    np.testing.assert_array_equal(found[0].price, tree.price)


@pytest.mark.parametrize("seed", [40, 42, 45])
def test_the_certified_gap_is_never_below_the_true_gap(seed: int) -> None:
    tree = random_tree(seed)
    value = optimum(tree).value
    certified = []
    for iterations in range(1, 60, 5):
        found = agreed(tree, iterations)
        root = found[0]
        total = paid(tree, [cell.u for cell in found]).total
        # hinges are split exactly from the start, so what the split costs is what the controls cost or more
        assert root.cost >= total - 1e-9 * root.gross
        assert root.gap * root.gross >= total - value - 1e-7 * root.gross
        certified.append(root.gap)
        if root.converged:
            break
    assert root.converged
    assert certified[-1] < 1e-6 < certified[0]


def test_controls_are_inside_their_bounds_after_every_iteration() -> None:
    tree = random_tree(43, depth=2)
    for iterations in range(1, 26):
        for block, cell in zip(tree.blocks, agreed(tree, iterations), strict=True):
            assert (cell.u >= block.lo).all()
            assert (cell.u <= block.hi).all()
            assert cell.iterations <= iterations


def test_both_ends_hold_the_same_boundary_power() -> None:
    tree = random_tree(44)
    found = agreed(tree)
    t = len(tree.v_pu)
    for i, block in enumerate(tree.blocks):
        pq = np.array([found[j].boundary for j in tree.children(i)]).reshape(-1, 2, t)
        y = block.outputs.value(found[i].u, block.levels.lo, pq, np.zeros(t))
        np.testing.assert_array_equal(y[: 2 * t].reshape(2, t), found[i].boundary)


def test_what_a_cell_says_does_not_grow_with_what_is_behind_its_boundary() -> None:
    rng = np.random.default_rng(5)
    root = random_block(rng, 8, children=1, root=True, voltage=True)
    price = np.stack([np.full(8, 0.02), np.zeros(8)])
    sizes, controls = set(), set()
    for _ in range(6):
        child = random_block(rng, 8, children=0, root=False, voltage=True)
        post = Post(tree := Tree((root, child), (-1, 0), price, np.ones(8)), programs(tree, 3))
        post.run()
        talk = post.cells["cell 1"]
        sizes.add((talk.sent_messages, talk.sent_bytes))
        controls.add(len(child.lo))
    assert len(controls) > 2
    assert len(sizes) == 1


def test_cells_that_lead_each_other_round_in_circles_get_there_by_keeping_step() -> None:
    found = agreed(random_tree(29, depth=2), gap=1e-8, iterations=100)
    assert found[0].converged
    assert found[0].round_trips > found[0].iterations + 2


def test_an_agreement_that_is_stopped_holds_the_best_point_it_has_seen() -> None:
    tree = random_tree(59, depth=4)
    for iterations in (20, 24, 30):
        root = agreed(tree, iterations, gap=1e-8)[0]
        assert root.gap <= 1.01 * min(root.gaps) + 1e-9


def test_a_gap_that_jumps_or_is_no_number_sends_all_cells_back_and_makes_them_keep_step() -> None:
    for jump in (1.0, float("nan")):
        root = _Root(Upstream(np.zeros((2, 1)), np.ones(1)), Options(gap=1e-8))
        assert root.judges(float("nan"), 0.0) == (False, False)
        assert root.judges(1e-4, 5.0) == (False, False)
        assert root.judges(jump, 9.0) == (False, True)
        assert root.together
        assert root.above == 5.0
        assert root.judges(1e-9, 3.0) == (True, False)


def test_a_stressed_day_is_agreed_to_eight_digits_in_few_round_trips() -> None:
    tree = stress_tree(10, 24)
    upstream, options = Upstream(tree.price, tree.v_pu), Options(gap=1e-8, mu=1e3)
    made = [solve(CellSolver(b, gentle(b), 1e-3), None if i else upstream, options) for i, b in enumerate(tree.blocks)]
    root = Post(tree, made).run()[0]
    assert root.converged
    assert root.round_trips <= 60


# ---------------------------------------------------------------- the suite finds what is wrong


def wrapped(program: Program, change: Any) -> Generator[Any, Any, Any]:
    outcome = yield from program
    return change(outcome)


def test_the_suite_finds_cells_that_pay_too_much() -> None:
    def lazy(tree: Tree, iterations: int) -> Sequence[Program]:
        return programs(tree, min(iterations, 6))

    with pytest.raises(PromiseBroken, match="cost is that of the central optimum"):
        check_coordination(lazy, seeds=[1])


def test_the_suite_finds_controls_beyond_their_bounds() -> None:
    def wild(tree: Tree, iterations: int) -> Sequence[Program]:
        made = programs(tree, iterations)
        return [wrapped(p, lambda o: replace(o, u=o.u + (1e-3 if iterations < 60 else 0.0) * 1e4)) for p in made]

    with pytest.raises(PromiseBroken, match="after 1 iterations the controls keep their bounds"):
        check_coordination(wild, seeds=[1])


def test_the_suite_finds_a_cell_that_tells_another_power_than_it_draws() -> None:
    def liar(tree: Tree, iterations: int) -> Sequence[Program]:
        made = programs(tree, iterations)
        return [*made[:-1], wrapped(made[-1], lambda o: replace(o, boundary=o.boundary + 0.1))]

    with pytest.raises(PromiseBroken, match="boundary powers are those of the controls"):
        check_coordination(liar, seeds=[1])


def test_the_suite_finds_a_conversation_that_never_ends() -> None:
    def forever(children: int, *, root: bool) -> Program:
        while True:
            yield Gather()
            if not root:
                yield Ask({})
            yield Tell([{}] * children)

    def endless(tree: Tree, iterations: int) -> Sequence[Program]:
        del iterations
        return [forever(b.children, root=i == 0) for i, b in enumerate(tree.blocks)]

    with pytest.raises(PromiseBroken, match="a conversation ends"):
        check_coordination(endless, seeds=[1])


def test_the_suite_finds_a_cell_that_never_answers() -> None:
    def dumb() -> Program:
        return None
        yield Gather()

    def mute(tree: Tree, iterations: int) -> Sequence[Program]:
        return [*programs(tree, iterations)[:-1], dumb()]

    with pytest.raises(PromiseBroken, match=r"a conversation ends|every cell ends with u and boundary"):
        check_coordination(mute, seeds=[1])


def test_the_suite_finds_results_that_depend_on_the_order_of_messages() -> None:
    heard = []

    def hasty(tree: Tree, iterations: int) -> Sequence[Program]:
        made = programs(tree, iterations)
        heard.append(iterations)
        # a cell that looks at something outside the conversation answers differently the next time
        return [wrapped(p, lambda o: replace(o, u=o.u * (1.0 - 1e-15 * len(heard)))) for p in made]

    with pytest.raises(PromiseBroken, match="messages change nothing, bit for bit"):
        check_coordination(hasty, seeds=[1])
