"""Prices and their parts: equal to a central optimum's duals, adding up, and true to AC power flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_scenario import scenario
from stands import Stand, stand

from archipel.cell.linear import Memory, linear_problem
from archipel.cell.parts import cut
from archipel.cell.prices import (
    ENERGY,
    FEES,
    LOSSES,
    VOLTAGE,
    Duals,
    Priced,
    child_parts,
    duals_of,
    node_parts,
    node_prices,
    upstream_parts,
    worth_of_losses,
)
from archipel.coordination.exact import Options, solve
from archipel.coordination.outcome import Solved, Upstream
from archipel.coordination.tree import Conversation
from archipel.model import Floats
from archipel.optimisation.central import Optimum, join, solve_piqp
from archipel.optimisation.interior import CellSolver
from archipel.testing.coordination import Post
from archipel.testing.trees import Tree, random_tree

SAME_EUR_PER_KW = 1e-6
"""Tolerance of prices [EUR per kW and interval]: a ten-thousandth of a cent."""


def agreed(tree: Tree) -> tuple[list[Solved], list[Duals]]:
    solvers = [CellSolver(block) for block in tree.blocks]
    upstream, options = Upstream(tree.price, tree.v_pu), Options(gap=1e-9, iterations=100)
    programs = [solve(s, None if i else upstream, options) for i, s in enumerate(solvers)]
    return Post(tree, programs).run(), [duals_of(solver) for solver in solvers]


def parts_of(tree: Tree, duals: list[Duals]) -> list[Floats]:
    """Parts of every boundary's price, from the root down."""
    found = [upstream_parts(tree.price) for _ in tree.blocks]
    for i, block in enumerate(tree.blocks):
        for child, parts in zip(tree.children(i), child_parts(block, found[i], duals[i]), strict=True):
            found[child] = parts
    return found


def central(tree: Tree) -> Optimum:
    return solve_piqp(join(tree.blocks, list(tree.parents), tree.price, tree.v_pu), 1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_agreed_prices_and_their_parts_are_the_duals_of_the_central_optimum(seed: int) -> None:
    tree = random_tree(seed)
    solved, duals = agreed(tree)
    best = central(tree)
    theirs = [Duals(*each) for each in zip(best.hinge_dual, best.voltage_dual, strict=True)]
    ours, others = parts_of(tree, duals), parts_of(tree, theirs)
    for i, one in enumerate(solved):
        np.testing.assert_allclose(one.price, best.boundary_dual[i], atol=SAME_EUR_PER_KW)
        np.testing.assert_allclose(ours[i], others[i], atol=SAME_EUR_PER_KW)


@pytest.mark.parametrize("seed", range(6))
def test_the_parts_of_every_boundary_price_add_up_to_it(seed: int) -> None:
    tree = random_tree(seed)
    solved, duals = agreed(tree)
    for one, parts in zip(solved, parts_of(tree, duals), strict=True):
        np.testing.assert_allclose(parts.sum(axis=0), one.price, atol=1e-12)
        np.testing.assert_array_equal(parts[ENERGY], tree.price)


def test_without_limits_fees_or_losses_every_price_is_the_upstream_price() -> None:
    tree = random_tree(3)
    blocks = []
    for block in tree.blocks:
        lossless = block.outputs.on_p.copy()
        lossless[: block.intervals] = 1.0
        nothing = replace(block.hinges, price=np.full_like(block.hinges.price, 1e-12))
        plain = replace(block.outputs, on_p=lossless, on_q=np.where(lossless == 1.0, 0.0, block.outputs.on_q))
        blocks.append(replace(block, outputs=plain, hinges=nothing))
    bare = replace(tree, blocks=tuple(blocks))
    best = central(bare)
    for price in best.boundary_dual:
        np.testing.assert_allclose(price[0], tree.price[0], atol=1e-9)


def priced(cell: int) -> tuple[Stand, Priced]:
    """A cell of the small scenario at noon, its voltage limit and fees binding or not, with duals drawn by hand."""
    at = stand(cell, v=1.06)
    linear = linear_problem(at.site, at.what, at.point, at.memory, at.peaks)
    rng = np.random.default_rng(cell)
    block = linear.block
    hinge = rng.uniform(0.0, 1.0, len(block.hinges.bound)) * block.hinges.price
    # currents are limited along and across; of those only the first can be read off a power flow
    hinge[linear.reads.cross != 0.0] = 0.0
    voltage = rng.normal(0.0, 1.0, (block.children, block.intervals))
    parts = rng.normal(0.0, 0.01, (5, 2, block.intervals))
    parts[ENERGY, 1] = 0.0
    return at, Priced(linear, parts, Duals(hinge, voltage))


@pytest.mark.parametrize("cell", [0, 1, 2])
def test_a_nodes_price_is_what_drawing_there_changes_by_ac_power_flow(cell: int) -> None:
    at, given = priced(cell)
    site, point, block, reads = at.site, at.point, given.linear.block, given.linear.reads
    t_count = block.intervals
    prices = node_prices(site, at.what, given) * at.what.horizon.dt_h
    t = block.outputs.t[2 * t_count : 2 * t_count + len(block.hinges.bound)]
    price = given.parts.sum(axis=0)

    def value(base_p: Floats, base_q: Floats) -> Floats:
        flow = replace(at, what=replace(at.what, base_p_kw=base_p, base_q_kvar=base_q)).flow(
            point.u, point.child_pq, point.v_pu
        )
        v, loading = np.abs(flow.v), flow.loading
        outputs = np.stack([flow.p_b_kw, flow.q_b_kvar, *v[reads.nodes], *loading[reads.branches]])
        outputs = np.concatenate([outputs, np.zeros((len(reads.branches), t_count))])
        total = price[0] * flow.p_b_kw + price[1] * flow.q_b_kvar
        np.add.at(total, t, given.duals.hinge * reads.sign * outputs[reads.output, t] / reads.unit)
        return np.asarray(total + (given.duals.voltage * v[site.child_node]).sum(axis=0))

    step = 0.01
    for node in range(len(site.node_id)):
        for kind in (0, 1):
            bases = []
            for sign in (1.0, -1.0):
                base = [at.what.base_p_kw.copy(), at.what.base_q_kvar.copy()]
                base[kind][node] += sign * step
                bases.append(value(*base))
            slope = (bases[0] - bases[1]) / (2.0 * step)
            np.testing.assert_allclose(prices[kind, node], slope, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("cell", [0, 1])
def test_a_childs_boundary_price_is_its_nodes_but_for_the_fee_on_own_import(cell: int) -> None:
    at, given = priced(cell)
    (child,) = child_parts(given.linear.block, given.parts, given.duals)
    node = node_parts(at.site, at.what, given.linear, given.parts, given.duals)[:, :, at.site.child_node[0]]
    block = given.linear.block
    fee = np.zeros(block.intervals)
    for r, (name, _) in enumerate(block.hinges.label):
        if name == "fee on own import":
            fee[block.outputs.t[2 * block.intervals + r]] += given.duals.hinge[r]
    node[FEES, 0] -= fee  # what passes on to children is no own import
    np.testing.assert_allclose(child, node, atol=1e-12)


def test_losses_raise_the_price_where_power_is_drawn_and_lower_it_where_it_is_given() -> None:
    for pv_kw, sign in ((0.0, 1.0), (90.0, -1.0)):
        at = stand(2, pv_kw=max(pv_kw, 1e-3), v=1.0)
        linear = linear_problem(at.site, at.what, at.point, Memory(), at.peaks)
        energy = upstream_parts(np.stack([np.full(linear.block.intervals, 0.05), np.zeros(linear.block.intervals)]))
        none = Duals(np.zeros(len(linear.block.hinges.bound)), np.zeros((0, linear.block.intervals)))
        parts = node_parts(at.site, at.what, linear, energy, none)
        assert (sign * parts[LOSSES, 0, -1, 0]) > 0.0
        assert not parts[VOLTAGE].any()
        assert not parts[FEES].any()


def test_a_kilowatt_lost_costs_the_boundary_price_and_the_fees_on_it() -> None:
    _, given = priced(1)
    block = given.linear.block
    price = given.parts.sum(axis=0)
    worth = worth_of_losses(block, price, given.duals)
    fee = [r for r, (name, _) in enumerate(block.hinges.label) if name == "fee on own import"]
    np.testing.assert_allclose(worth, price[0] + given.duals.hinge[fee], atol=1e-12)


def test_every_cell_holds_the_parts_of_its_price_after_a_plan() -> None:
    from archipel.controller.agreeing import Agreed, Habits, Passes, RootFacts, agree
    from archipel.coordination.exact import DEFAULT

    parts = cut(scenario(pv_kw=90.0))
    talks, t_count = {}, 12
    for i, site in enumerate(parts.sites):
        what = stand(i).what
        root = RootFacts(np.full(t_count, 0.05), 1.0, np.zeros(2)) if i == 0 else None
        program = agree(site, what, what.idle(), np.full(t_count, 1.0), Habits(), root, DEFAULT, Passes())
        talks[site.id] = Conversation(1, site.id, site.parent, site.children, program)
    mail = [message for talk in talks.values() for message in talk.open()]
    while mail:
        message = mail.pop(0)
        mail += talks[message.receiver].receive([message])
    for talk in talks.values():
        plan = talk.outcome
        assert isinstance(plan, Agreed)
        assert plan.priced is not None
        per_kwh = plan.priced.parts / plan.duty.horizon.dt_h
        np.testing.assert_allclose(per_kwh.sum(axis=0), plan.price, atol=1e-12)
        np.testing.assert_allclose(per_kwh[ENERGY, 0], 0.05, atol=1e-15)
