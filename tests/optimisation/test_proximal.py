from __future__ import annotations

import numpy as np
import pytest

from archipel.model import Floats
from archipel.optimisation.block import Block, fold
from archipel.optimisation.central import join, solve_piqp
from archipel.optimisation.proximal import Proximal, Ranges, reach
from archipel.testing.trees import Tree, random_tree


def ranges(block: Block) -> Ranges:
    t, kids = block.intervals, block.children
    wide = np.full((kids, 2, t), 80.0)
    return Ranges(-wide, wide, np.full(t, 0.95), np.full(t, 1.05))


def inner(seed: int) -> tuple[Tree, Block]:
    """A tree and one of its cells that has both parent and children."""
    for more in range(50):
        tree = random_tree(seed + more)
        for i in range(1, len(tree.blocks)):
            if tree.children(i):
                return tree, tree.blocks[i]
    raise AssertionError("no tree is deep enough")


def outputs(block: Block, u: Floats, x: Floats) -> Floats:
    return block.outputs.value(u, block.levels.lo, x[1:, :2], x[0, 2])


@pytest.mark.parametrize("seed", range(3))
def test_copies_are_what_controls_and_inputs_make(seed: int) -> None:
    _, block = inner(10 * seed)
    shape = (1 + block.children, 3, block.intervals)
    rng = np.random.default_rng(seed)
    centre = np.stack(
        [rng.normal(0, 20, shape[::2]), rng.normal(0, 5, shape[::2]), rng.normal(1, 0.01, shape[::2])], axis=1
    )
    rho = np.broadcast_to(np.array([1e-3, 1e-3, 1e3])[None, :, None], shape).copy()
    found = Proximal(block, None, ranges(block)).minimise(-rho * centre, rho)
    assert found is not None
    y, t = outputs(block, found.u, found.x), block.intervals
    np.testing.assert_allclose(y[: 2 * t].reshape(2, t), found.x[0, :2], atol=1e-5)
    np.testing.assert_allclose(y[len(y) - block.children * t :].reshape(-1, t), found.x[1:, 2], atol=1e-7)
    assert (found.u >= block.lo).all()
    assert (found.u <= block.hi).all()


@pytest.mark.parametrize("seed", range(3))
def test_with_children_held_it_is_the_optimum_of_the_folded_block(seed: int) -> None:
    tree = random_tree(seed, depth=2)
    block, t = tree.blocks[0], len(tree.v_pu)
    pq = np.random.default_rng(seed).normal(0.0, 10.0, (block.children, 2, t))
    nothing = np.zeros((block.children, 3, t))
    held = Proximal(block, (tree.price, tree.v_pu), ranges(block), tuple(range(block.children)))
    found = held.minimise(nothing, nothing, pq)
    best = solve_piqp(join((fold(block, pq),), [-1], tree.price, tree.v_pu), 1e-9)
    assert found is not None
    assert best.value - 1e-3 <= found.bound <= best.value + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_of_the_dual_function_never_add_up_to_more_than_the_optimum(seed: int) -> None:
    tree = random_tree(seed, depth=2)
    best = solve_piqp(join(tree.blocks, list(tree.parents), tree.price, tree.v_pu), 1e-9)
    t, rng = len(tree.v_pu), np.random.default_rng(seed)
    total = 0.0
    reached = [
        reach(b, Ranges(np.zeros((0, 2, t)), np.zeros((0, 2, t)), tree.v_pu, tree.v_pu)) for b in tree.blocks[1:]
    ]
    ends = [np.array([r[side][: 2 * t].reshape(2, t) for r in reached]).reshape(-1, 2, t) for side in (0, 1)]
    at_root = Ranges(*ends, tree.v_pu, tree.v_pu)
    low, high = (y[len(y) - len(reached) * t :].reshape(-1, t) for y in reach(tree.blocks[0], at_root))
    prices = np.stack([tree.price[0] + rng.normal(0, 0.01, t), rng.normal(0, 0.01, t), rng.normal(0, 1.0, t)])
    linear = np.broadcast_to(-prices, (len(reached), 3, t))
    root = Proximal(tree.blocks[0], (tree.price, tree.v_pu), at_root).minimise(linear, np.zeros_like(linear))
    assert root is not None
    total += root.bound
    for k, block in enumerate(tree.blocks[1:]):
        none = np.zeros((0, 2, t))
        leaf = Proximal(block, None, Ranges(none, none, low[k], high[k])).minimise(prices[None], np.zeros((1, 3, t)))
        assert leaf is not None
        total += leaf.bound
    assert total <= best.value + 1e-4


def test_nothing_lies_beyond_what_can_be_reached() -> None:
    _, block = inner(0)
    box, rng = ranges(block), np.random.default_rng(1)
    low, high = reach(block, box)
    for _ in range(20):
        u = rng.uniform(block.lo, block.hi)
        x = np.concatenate([box.pq_lo, np.ones((block.children, 1, block.intervals))], axis=1)
        x[:, :2] = rng.uniform(box.pq_lo, box.pq_hi)
        x = np.concatenate([np.broadcast_to(rng.uniform(0.95, 1.05, block.intervals), (1, 3, block.intervals)), x])
        y = outputs(block, u, x)
        assert (y >= low - 1e-9).all()
        assert (y <= high + 1e-9).all()
