"""All cells at once, for who may see everything: the central optimiser, and the measurement of others against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.cell.check import excess, forget
from archipel.cell.curvature import bend, reach
from archipel.cell.linear import Memory, Point, linearise
from archipel.cell.parts import Parts
from archipel.cell.prices import Duals, child_parts, upstream_parts
from archipel.cell.site import Duty, flow
from archipel.cell.soft_ties import follow
from archipel.controller.agreeing import both
from archipel.coordination.exact import DEFAULT, solve
from archipel.coordination.outcome import Solved, Upstream
from archipel.coordination.tree import Conversation
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats, Horizon
from archipel.optimisation.block import Block
from archipel.optimisation.central import Optimum
from archipel.optimisation.interior import CellSolver


@final
@dataclass(frozen=True, slots=True, eq=False)
class WholeState:
    """AC state of all cells at given controls."""

    flow: list[CellFlow]
    child_pq: list[Floats]
    v_pu: list[Floats]
    boundary: list[Floats]


def settle_whole(
    parts: Parts, duties: list[Duty], u: list[Floats], before: WholeState | None, rounds: int = 3
) -> WholeState:
    """Solve all cells' networks, powers upwards and voltages downwards, a few rounds."""
    t_count = len(duties[0].horizon)
    cells = range(len(parts.sites))
    kids = children_of(parts)
    root_v = np.full(t_count, parts.scenario.grid.source.v_pu)
    v = [root_v for _ in cells] if before is None else list(before.v_pu)
    flows: list[CellFlow | None] = [None for _ in cells] if before is None else list(before.flow)
    child_pq = [np.zeros((0, 2, t_count)) for _ in cells]
    said = [np.zeros((2, t_count)) for _ in cells]
    for _ in range(rounds):
        for i in reversed(cells):
            if kids[i]:
                child_pq[i] = np.stack([said[j] for j in kids[i]])
            state = flow(parts.sites[i], duties[i], u[i], child_pq[i], v[i], flows[i])
            flows[i], said[i] = state, np.stack([state.p_b_kw, state.q_b_kvar])
        for i in cells:
            if kids[i]:
                state = flow(parts.sites[i], duties[i], u[i], child_pq[i], v[i], flows[i])
                flows[i] = state
                for j, node in zip(kids[i], parts.sites[i].child_node, strict=True):
                    v[j] = np.abs(state.v[node])
    return WholeState([f for f in flows if f is not None], child_pq, v, said)


def linearise_whole(
    parts: Parts, duties: list[Duty], u: list[Floats], state: WholeState, memories: list[Memory], peaks: Floats
) -> list[Block]:
    """Every cell's linear problem around one AC state."""
    return [
        linearise(site, duties[i], Point(u[i], state.child_pq[i], state.v_pu[i], state.flow[i]), memories[i], root)
        for i, (site, root) in enumerate(zip(parts.sites, [peaks, *[None] * len(parts.sites)], strict=False))
    ]


def follow_whole(parts: Parts, duties: list[Duty], blocks: list[Block], u: list[Floats]) -> list[Floats]:
    """Controls of every cell with the ends of soft open points at what was decided for them."""
    above = [np.zeros((0, block.intervals)) for block in blocks]
    for i, below in enumerate(children_of(parts)):
        every = blocks[i].tie_powers(u[i], above[i])
        for row, child in enumerate(below):
            above[child] = every[blocks[i].ties_of(row)]
    return [follow(what, site.ties, *one) for what, site, *one in zip(duties, parts.sites, u, above, strict=True)]


def stiffness_whole(parts: Parts, duties: list[Duty], state: WholeState, price_eur_per_kwh: Floats) -> list[Floats]:
    """Stiffness of every cell's controls (N, T): what `controller.bending` finds by messages, before any prices are
    known."""
    dt_h = duties[0].horizon.dt_h
    cells = range(len(parts.sites))
    kids = children_of(parts)
    tariff = parts.scenario.tariff
    worth = (price_eur_per_kwh + tariff.hv_fee_eur_per_kwh + tariff.mv_fee_eur_per_kwh) * dt_h
    nothing = np.zeros((0, 2, len(dt_h)))
    reaches, below, above = [nothing[:0]] * len(cells), [nothing] * len(cells), [np.zeros((2, len(dt_h)))] * len(cells)
    for i in reversed(cells):
        below[i] = np.stack([reaches[j] for j in kids[i]]) if kids[i] else nothing
        reaches[i] = reach(duties[i], below[i])
    out = []
    for i in cells:
        stiff, bends = bend(parts.sites[i], duties[i], state.flow[i], below[i], above[i], worth)
        for j, told in zip(kids[i], bends, strict=True):
            above[j] = told
        out.append(stiff)
    return out


def price_parts_whole(parts: Parts, blocks: list[Block], best: Optimum, upstream_price: Floats) -> list[Floats]:
    """Parts of the price at every cell's boundary, (parts, 2, T) [EUR per kW or kvar and interval], from a central
    optimum's duals."""
    found = [upstream_parts(upstream_price) for _ in blocks]
    for i, below in enumerate(children_of(parts)):
        duals = Duals(best.hinge_dual[i], best.voltage_dual[i])
        for j, told in zip(below, child_parts(blocks[i], found[i], duals), strict=True):
            found[j] = told
    return found


def worst_excess(parts: Parts, horizon: Horizon, state: WholeState, memories: list[Memory]) -> Floats:
    """Largest excess over limits anywhere: voltage [pu], loading, connection [share]."""
    found = [both(excess(site, horizon, f, m)) for site, f, m in zip(parts.sites, state.flow, memories, strict=True)]
    return np.asarray(np.max(found, axis=0))


def forget_whole(parts: Parts, state: WholeState, memories: list[Memory]) -> None:
    """Drop from all memories what has room again."""
    for site, flow_now, memory in zip(parts.sites, state.flow, memories, strict=True):
        forget(site, flow_now, memory)


def children_of(parts: Parts) -> list[list[int]]:
    """Cell numbers of every cell's children, in the order of `Site.children`."""
    out: list[list[int]] = [[] for _ in parts.parents]
    for i, parent in enumerate(parts.parents):
        if parent >= 0:
            out[parent].append(i)
    return out


def at_one_desk(parts: Parts, blocks: list[Block], starts: list[Floats], upstream: Upstream) -> list[Solved]:
    """The optimum of all cells' joined problem by the method cells agree by, without any distance between them."""
    talks = {
        site.id: Conversation(
            1, site.id, site.parent, site.children,
            solve(CellSolver(block, start, 0.001), None if site.parent else upstream, DEFAULT),
        )
        for site, block, start in zip(parts.sites, blocks, starts, strict=True)
    }  # fmt: skip
    mail = [message for talk in talks.values() for message in talk.open()]
    while mail:
        message = mail.pop()
        mail += talks[message.receiver].receive([message])
    return [talk.outcome for talk in talks.values()]
