from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from exactly import agreed, programs

from archipel.coordination.exact import Options, solve
from archipel.coordination.outcome import Solved, Upstream
from archipel.model import Floats
from archipel.optimisation.block import bill
from archipel.optimisation.central import Joined, join, solve_piqp
from archipel.optimisation.interior import CellSolver
from archipel.testing.coordination import paid
from archipel.testing.post import Post
from archipel.testing.stress import gentle, stress_tree
from archipel.testing.ties import Tie, random_ties, with_ties
from archipel.testing.trees import Tree, random_tree


def joined(tree: Tree) -> Joined:
    return join(tree.blocks, list(tree.parents), tree.price, tree.v_pu)


def tied(seed: int, ties: int) -> Tree:
    return random_ties(random_tree(seed, depth=2 + seed % 3), seed, ties)


def powers_above(tree: Tree, u: list[Floats]) -> list[Floats]:
    """Powers of the ties that are decided above every cell, from the controls of all."""
    above = [np.zeros((0, len(tree.v_pu)))] * len(u)
    for i, block in enumerate(tree.blocks):
        for row, child in enumerate(tree.children(i)):
            above[child] = block.tie_powers(u[i], above[i])[block.ties_of(row)]
    return above


def test_a_tie_is_decided_by_the_lowest_cell_above_both_ends_and_passes_through_those_between() -> None:
    for seed in range(20, 26):
        tree = tied(seed, 3)
        assert sum(len(b.decides) for b in tree.blocks) == 3
        passed = [b.outputs.on_tie.shape[1] for b in tree.blocks]
        assert passed[0] == 0
        assert sum(passed) >= 3
        for i, block in enumerate(tree.blocks):
            for row, child in enumerate(tree.children(i)):
                assert len(block.ties_of(row)) == passed[child]


@pytest.mark.parametrize("seed", range(20, 26))
@pytest.mark.parametrize("ties", [1, 2, 3])
def test_cells_with_ties_find_the_central_optimum_and_its_prices(seed: int, ties: int) -> None:
    tree = tied(seed, ties)
    best, found = solve_piqp(joined(tree), 1e-10), agreed(tree, gap=1e-8)
    ours = paid(tree, [cell.u for cell in found])
    assert found[0].converged
    assert abs(ours.total - best.value) <= 1e-6 * ours.gross
    for cell, dual in zip(found, best.boundary_dual, strict=True):
        np.testing.assert_allclose(cell.price, dual, atol=5e-6)
    for block, cell, u in zip(tree.blocks, found, joined(tree).controls(best.x), strict=True):
        np.testing.assert_allclose(cell.u[list(block.decides)], u[list(block.decides)], atol=1e-2)


def test_a_tie_pays() -> None:
    plain, tree = random_tree(22, depth=3), tied(22, 3)
    least, without = agreed(tree, gap=1e-8)[0], agreed(plain, gap=1e-8)[0]
    assert least.cost < without.cost - 1e-2


def run_with_solvers(tree: Tree) -> tuple[list[CellSolver], list[Solved]]:
    made = programs(tree, 60, 1e-8)
    solvers = [program.gi_frame.f_locals["solver"] for program in made]  # type: ignore[attr-defined]
    return solvers, Post(tree, made).run()


@pytest.mark.parametrize("seed", [21, 22, 25])
def test_both_ends_hold_the_same_tie_power(seed: int) -> None:
    tree = tied(seed, 3)
    solvers, found = run_with_solvers(tree)
    above = powers_above(tree, [cell.u for cell in found])
    t_count = len(tree.v_pu)
    for i, (block, solver) in enumerate(zip(tree.blocks, solvers, strict=True)):
        held = solver.v.reshape(-1, t_count)[1:]
        felt = solver.active[solver.active >= t_count] - t_count
        np.testing.assert_array_equal(held.flat[felt], above[i].flat[felt])
        below = np.array([found[j].boundary for j in tree.children(i)]).reshape(-1, 2, t_count)
        y = block.outputs.value(found[i].u, block.levels.lo, below, np.zeros(t_count), above[i])
        np.testing.assert_allclose(y[: 2 * t_count].reshape(2, t_count), found[i].boundary, atol=1e-9)


@pytest.mark.parametrize("seed", [21, 22])
def test_with_ties_the_certified_gap_is_never_below_the_true_gap(seed: int) -> None:
    tree = tied(seed, 2)
    value = solve_piqp(joined(tree), 1e-10).value
    for iterations in range(1, 40, 4):
        found = agreed(tree, iterations, gap=1e-7)
        root = found[0]
        total = paid(tree, [cell.u for cell in found]).total
        assert root.cost >= total - 1e-9 * root.gross
        assert root.gap * root.gross >= total - value - 1e-7 * root.gross
        for block, cell in zip(tree.blocks, found, strict=True):
            assert (cell.u >= block.lo).all()
            assert (cell.u <= block.hi).all()
    assert root.converged


def test_the_price_of_a_tie_in_a_cell_is_the_slope_of_the_optimum() -> None:
    tree = with_ties(random_tree(22, depth=3), [Tie(4, 6, 15.0)])
    end, t = 4, 3
    solvers, _ = run_with_solvers(tree)
    solver, t_count = solvers[end], len(tree.v_pu)
    at = int(np.flatnonzero(solver.active == t_count + t)[0])
    moved = []
    for step in (1e-3, -1e-3):
        # what a kW more on the tie would do to this end alone
        block = tree.blocks[end]
        outputs = block.outputs
        offset = outputs.offset + step * outputs.on_tie[:, 0] * (outputs.t == t)
        blocks = list(tree.blocks)
        blocks[end] = replace(block, outputs=replace(outputs, offset=offset))
        moved.append(solve_piqp(joined(replace(tree, blocks=tuple(blocks))), 1e-10).value)
    assert solver.own_omega()[at] == pytest.approx((moved[0] - moved[1]) / 2e-3, abs=1e-4)


@pytest.mark.parametrize("seed", range(20, 24))
def test_the_bill_of_controls_with_ties_is_the_value_of_the_joined_problem(seed: int) -> None:
    tree = tied(seed, 3)
    problem = joined(tree)
    best = solve_piqp(problem, 1e-10)
    ours = bill(list(tree.blocks), list(tree.parents), problem.controls(best.x), tree.price, tree.v_pu)
    assert abs(ours.total - best.value) <= 1e-8 * ours.gross


@pytest.mark.parametrize("ties", [1, 3])
def test_ties_cost_hardly_an_iteration_more_on_a_day_where_limits_bind(ties: int) -> None:
    def iterations(tree: Tree) -> int:
        upstream, options = Upstream(tree.price, tree.v_pu), Options(gap=1e-6, mu=1e3)
        solvers = [CellSolver(block, gentle(block)) for block in tree.blocks]
        programs = [solve(s, None if i else upstream, options) for i, s in enumerate(solvers)]
        root = Post(tree, programs).run()[0]
        assert root.converged
        assert root.round_trips == root.iterations + 2
        return int(root.iterations)

    assert iterations(stress_tree(6, 24, 1, ties)) <= iterations(stress_tree(6, 24, 1)) + 3


def test_messages_that_are_late_doubled_or_lost_change_nothing() -> None:
    tree = tied(22, 2)
    plain, shaken = agreed(tree), agreed(tree, seed=3, lose=0.1, double=0.1)
    for a, b in zip(plain, shaken, strict=True):
        np.testing.assert_array_equal(a.u, b.u)


def test_a_tie_needs_a_device_where_it_ends() -> None:
    trees = (random_tree(seed) for seed in range(50))
    tree, bare = next((tree, i) for tree in trees for i, block in enumerate(tree.blocks) if not len(block.lo))
    with pytest.raises(ValueError, match="which has no device that draws active power alone"):
        with_ties(tree, [Tie(bare, (bare + 1) % len(tree.blocks), 10.0)])
