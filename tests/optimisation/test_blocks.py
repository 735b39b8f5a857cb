from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.optimisation.barrier import FIXED_RANGE
from archipel.optimisation.block import Block, Hinges, Levels, Outputs, bill, control_order, flatten, fold
from archipel.optimisation.columns import Columns
from archipel.testing.trees import random_block, random_tree

seeds = st.integers(0, 10**6)


def block_of(seed: int, children: int = 2) -> Block:
    return random_block(np.random.default_rng(seed), 7, children=children, root=True, voltage=True)


def inside(block: Block, rng: np.random.Generator) -> np.ndarray:
    return block.lo + rng.random(block.lo.shape) * (block.hi - block.lo)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_worth_is_the_adjoint_of_carry(seed: int) -> None:
    rng, block = np.random.default_rng(seed), block_of(seed)
    flow, nu = rng.normal(size=(2, *block.keep.shape))
    assert (nu * block.carry(flow)).sum() == pytest.approx((block.worth(nu) * flow).sum(), rel=1e-12, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_spread_is_the_adjoint_of_inflow(seed: int) -> None:
    rng, block = np.random.default_rng(seed), block_of(seed)
    u, nu = rng.normal(size=block.lo.shape), rng.normal(size=block.keep.shape)
    assert (nu * block.inflow(u)).sum() == pytest.approx((block.spread(nu) * u).sum(), rel=1e-12, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_store_is_what_its_columns_say_step_by_step(seed: int) -> None:
    rng, block = np.random.default_rng(seed), block_of(seed)
    u = inside(block, rng)
    by_columns = block.by_columns(u)
    expected = [g.store_of(x) for g, x in zip(block.columns, by_columns, strict=True) if g.store is not None]
    expected = np.concatenate(expected) if expected else np.zeros((0, block.intervals))
    np.testing.assert_allclose(block.store(u), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_laying_columns_out_flat_loses_and_mixes_nothing(seed: int) -> None:
    block = block_of(seed)
    assert block.where == control_order(block.columns)
    for name in ("lo", "hi", "cost", "quad"):
        for group, back in zip(block.columns, block.by_columns(getattr(block, name)), strict=True):
            free = group.hi - group.lo > FIXED_RANGE
            np.testing.assert_array_equal(back[free], getattr(group, name)[free])


def test_a_control_without_room_is_a_constant_as_near_to_nothing_as_may_be() -> None:
    for lo, hi, value in ((0.0, 0.001, 0.0), (-0.002, 0.0, 0.0), (-0.001, 0.0005, 0.0), (3.0, 3.001, 3.0)):
        block = with_range(lo, hi)
        assert (block.lo == value).all()
        assert (block.hi == value).all()
    for lo, hi in ((0.0, 0.01), (-5.0, 5.0)):
        block = with_range(lo, hi)
        assert (block.lo == lo).all()
        assert (block.hi == hi).all()


def with_range(lo: float, hi: float) -> Block:
    shape = (1, 1, 3)
    one = np.ones((1, 1))
    quad = np.full(shape, 1e-5)
    columns = Columns(("x",), np.zeros(1, int), one, one, np.full(shape, lo), np.full(shape, hi), 0 * quad, quad)
    nothing = np.zeros((6, 0))
    rows = Outputs(np.tile(np.arange(3), 2), np.ones((6, 1)), nothing, nothing, nothing, np.zeros(6), np.zeros(6))
    return flatten((columns,), Levels.none(), rows, Hinges(np.zeros(0), np.zeros(0), (), np.zeros(0)), 0, 3)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_outputs_are_the_sum_of_what_everything_adds(seed: int) -> None:
    rng, block = np.random.default_rng(seed), block_of(seed)
    out, t_count = block.outputs, block.intervals
    u, level = inside(block, rng), rng.normal(size=2)
    pq, v = rng.normal(size=(2, 2, t_count)), rng.normal(size=t_count)
    y = out.value(u, level, pq, v)
    for a in rng.integers(0, len(out.t), 20):
        t = out.t[a]
        expected = out.offset[a] + out.on_control[a] @ u[:, t] + out.on_level[a] @ level + out.on_v[a] * v[t]
        expected += out.on_p[a] @ pq[:, 0, t] + out.on_q[a] @ pq[:, 1, t]
        assert y[a] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 3))
def test_folding_children_away_leaves_boundary_and_limits_where_they_were(seed: int, children: int) -> None:
    rng, block = np.random.default_rng(seed), block_of(seed, children)
    u, level, v = inside(block, rng), rng.normal(size=2), rng.normal(size=block.intervals)
    pq = rng.normal(size=(children, 2, block.intervals))
    folded = fold(block, pq)
    kept = 2 * block.intervals + len(block.hinges.bound)
    y = folded.outputs.value(u, level, np.zeros((0, 2, block.intervals)), v)
    assert folded.children == 0
    np.testing.assert_allclose(y, block.outputs.value(u, level, pq, v)[:kept], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_own_costs_add_up_to_the_bill(seed: int) -> None:
    tree = random_tree(seed)
    rng = np.random.default_rng(seed)
    u = [inside(block, rng) for block in tree.blocks]
    total = bill(list(tree.blocks), list(tree.parents), u, tree.price, tree.v_pu)
    pq = [np.zeros((2, 8))] * len(u)
    volts = [tree.v_pu] * len(u)
    child = [np.zeros((0, 2, 8))] * len(u)
    for i in reversed(range(len(u))):
        child[i] = np.array([pq[j] for j in tree.children(i)]).reshape(-1, 2, 8)
        pq[i] = tree.blocks[i].outputs.value(u[i], tree.blocks[i].levels.lo, child[i], np.zeros(8))[:16].reshape(2, 8)
    paid = float((tree.price * pq[0]).sum())
    for i, block in enumerate(tree.blocks):
        hinges = slice(16, 16 + len(block.hinges.bound))
        level = block.levels.lo
        if not i:
            level = np.maximum(level, [pq[0][0, :4].max(), pq[0][0, 4:].max()])
        y = block.outputs.value(u[i], level, child[i], volts[i])
        paid += block.own_cost(u[i], level, y[hinges])
        for row, j in enumerate(tree.children(i)):
            volts[j] = y[hinges.stop + 8 * row : hinges.stop + 8 * (row + 1)]
    assert total.total == pytest.approx(paid, rel=1e-9)
