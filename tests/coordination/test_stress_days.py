from __future__ import annotations

import numpy as np
import pytest

from archipel.optimisation.central import join, solve_piqp
from archipel.testing.coordination import paid
from archipel.testing.stress import HORIZON_H, binding, gentle, stress_tree


def test_limits_of_every_kind_bind_at_the_optimum_and_none_has_to_give() -> None:
    tree = stress_tree(10, 24)
    joined = join(tree.blocks, list(tree.parents), tree.price, tree.v_pu)
    best = solve_piqp(joined, 1e-8)
    found = binding(joined, best.x)
    for kind in ("LV voltage", "MV voltage", "transformer", "branch", "substation"):
        assert found[kind] > 0, kind
    cost = paid(tree, joined.controls(best.x))
    assert cost.limits <= 1e-6 * cost.gross
    assert (tree.price[0] < 0).any()


def test_the_same_seed_gives_the_same_day_and_another_one_does_not() -> None:
    a, b, c = stress_tree(4, 24), stress_tree(4, 24), stress_tree(4, 24, seed=2)
    for x, y in zip(a.blocks, b.blocks, strict=True):
        np.testing.assert_array_equal(x.hi, y.hi)
        np.testing.assert_array_equal(x.outputs.on_control, y.outputs.on_control)
        np.testing.assert_array_equal(x.hinges.bound, y.hinges.bound)
    assert any(
        x.hi.shape != y.hi.shape or not np.array_equal(x.hi, y.hi) for x, y in zip(a.blocks, c.blocks, strict=True)
    )


@pytest.mark.parametrize("intervals", sorted(HORIZON_H))
def test_every_horizon_is_one_day_of_the_same_devices(intervals: int) -> None:
    tree, hours = stress_tree(2, intervals), stress_tree(2, 24)
    assert HORIZON_H[intervals].sum() == 24.0
    for block, other in zip(tree.blocks, hours.blocks, strict=True):
        assert block.intervals == intervals
        np.testing.assert_array_equal(block.store_start, other.store_start)
        assert block.where == other.where


def test_feeders_stand_before_what_is_behind_them() -> None:
    for cells in (2, 10, 100):
        parents = stress_tree(cells, 24).parents
        feeders = len(parents) - 1 - cells
        assert feeders >= 2
        assert all(parent < i for i, parent in enumerate(parents))
        assert set(parents[1 + feeders :]) <= set(range(1, 1 + feeders))


def test_a_gentle_start_is_inside_every_bound() -> None:
    for block in stress_tree(4, 36).blocks:
        start = gentle(block)
        assert (start >= block.lo).all()
        assert (start <= block.hi).all()


@pytest.mark.parametrize(("cells", "intervals"), [(1, 24), (4, 25)])
def test_a_day_that_is_not_offered_is_refused_in_words(cells: int, intervals: int) -> None:
    with pytest.raises(ValueError, match="expected 2 cells or more"):
        stress_tree(cells, intervals)
