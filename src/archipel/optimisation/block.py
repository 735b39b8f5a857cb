"""One cell's part of the schedule problem, and nothing of any other cell.

Controls u of the cell's own columns, powers (P, Q) of its child cells, the voltage v at its boundary and the powers w
of ties that end here drive affine *outputs*, each belonging to one interval:

    y[a] = offset[a] + on_control[a] . u[:, t_a] + on_p[a] . P[:, t_a] + on_q[a] . Q[:, t_a] + on_v[a] * v[t_a]
           + on_tie[a] . w[:, t_a]

The outputs are, in this order: the boundary's own P (T of them) and Q (T), the *hinges* (R) and the voltages handed
to the children (one per child and interval). A hinge costs `price * max(0, y - bound)`: limits have a high price,
fees a low one. Because every limit is a hinge, every problem has an answer, and what had to give is read off it.

    parent:   lambda (price of P, Q)  |  v          ^ P, Q
                                      v             |
            +-----------------  this block  ------------------+
                 lambda, v |          ^ P, Q of each child

A *tie* joins two cells across the tree. Its power is a control of the lowest cell above both ends (or of the upper end,
where it is above the other) and is handed down beside the voltage, through every cell on the way to the ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.barrier import FIXED_RANGE
from archipel.optimisation.columns import Columns


@final
@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Affine outputs of a block, A rows."""

    t: Ints
    """Interval of every output, shape (A,)."""
    on_control: Floats
    """Shape (A, N)."""
    on_p: Floats
    on_q: Floats
    """Effect of each child's boundary power [per kW, per kvar], shape (A, children)."""
    on_level: Floats
    """Effect of each level, shape (A, levels)."""
    on_v: Floats
    """Effect of the boundary voltage [per pu], shape (A,)."""
    offset: Floats
    """Shape (A,)."""
    on_tie: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """Effect of the power of each tie that is decided above [per kW], shape (A, ties); (A, 0) when left out."""

    def __post_init__(self) -> None:
        if not self.on_tie.size:
            object.__setattr__(self, "on_tie", np.zeros((len(self.t), self.on_tie.shape[1])))

    def value(self, u: Floats, level: Floats, pq: Floats, v_pu: Floats, tie_kw: Floats | None = None) -> Floats:
        """All outputs (A,) at controls (N, T), levels (L,), child powers (children, 2, T), boundary voltage (T,) and
        powers of the ties that are decided above (ties, T), zero when left out."""
        rows = np.arange(len(self.t))
        y = self.offset + self.on_v * v_pu[self.t] + self.on_level @ level + (self.on_control @ u)[rows, self.t]
        if len(pq):
            y = y + (self.on_p @ pq[:, 0] + self.on_q @ pq[:, 1])[rows, self.t]
        if tie_kw is not None and len(tie_kw):
            y = y + (self.on_tie @ tie_kw)[rows, self.t]
        return np.asarray(y)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Hinges:
    """Costs `price * max(0, y - bound)` on R of the outputs."""

    bound: Floats
    """Shape (R,), in the unit of the output."""
    price: Floats
    """EUR per unit of the output and interval, shape (R,), above zero."""
    label: tuple[tuple[str, str], ...]
    """For every hinge what it is about and which thing: ("voltage high", "bus/12"), ("fee", "") ..."""
    scale: Floats
    """One unit of the output in the physical unit of the label (pu, share of limit, kW), shape (R,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Controls that keep one value over all intervals, such as the peak that is paid for; shape (L,) each."""

    lo: Floats
    hi: Floats
    cost: Floats
    """EUR per unit."""

    @staticmethod
    def none() -> Levels:
        """No level."""
        return Levels(np.zeros(0), np.zeros(0), np.zeros(0))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A cell's schedule problem with its columns laid out flat: control n is one row of (N, T) arrays.

    Controls of columns with a store come first, ordered by store.
    """

    columns: tuple[Columns, ...]
    where: tuple[tuple[int, int, int], ...]
    """For every control the (position in `columns`, column, control) it came from."""
    lo: Floats
    hi: Floats
    cost: Floats
    quad: Floats
    """Shape (N, T), as in `Columns`."""
    gain: Floats
    """Effect on the store of each of the first controls, shape (controls with store, T)."""
    store_first: Ints
    """First control of every store, shape (K,)."""
    store_of: Ints
    """Store of every control with one, shape (controls with store,)."""
    keep: Floats
    add: Floats
    store_lo: Floats
    store_hi: Floats
    store_price: Floats
    """Shape (K, T)."""
    store_start: Floats
    """Shape (K,)."""
    carried: Floats
    """Share of what was put in at s (last axis) that is left at the end of t, shape (K, T, T)."""
    levels: Levels
    outputs: Outputs
    hinges: Hinges
    children: int
    intervals: int
    stiff: Floats
    anchor: Floats
    """Moves away from `anchor` cost 1/2 stiff (u - anchor)^2 on top; no part of any bill. Shape (N, T)."""
    decides: tuple[int, ...] = ()
    """Controls that are powers of ties [kW]. They have no store."""
    hands_down: tuple[tuple[int, ...], ...] = ()
    """For every child its ties, as places in this cell's: first those decided above, then those it `decides`. Empty
    where no tie passes."""

    def tie_powers(self, u: Floats, above_kw: Floats) -> Floats:
        """Powers of all ties of this cell [kW], from its controls (N, T) and those decided above (ties, T)."""
        return np.concatenate([above_kw, u[list(self.decides)]])

    def ties_of(self, child: int) -> list[int]:
        """The child's ties, as places in `tie_powers`."""
        return list(self.hands_down[child]) if self.hands_down else []

    def store(self, u: Floats) -> Floats:
        """Stores at the end of every interval, shape (K, T)."""
        flow = self.inflow(u) + self.add
        if len(flow):
            flow[:, 0] += self.keep[:, 0] * self.store_start
        return self.carry(flow)

    def carry(self, flow: Floats) -> Floats:
        """What a flow into every store (K, T) adds to its level at the end of every interval, shape (K, T)."""
        return np.asarray((self.carried @ flow[:, :, None])[:, :, 0])

    def worth(self, nu: Floats) -> Floats:
        """Adjoint of `carry`: cost of a unit put in at t when holding it costs `nu` per interval, shape (K, T)."""
        return np.asarray((nu[:, None, :] @ self.carried)[:, 0, :])

    def inflow(self, u: Floats) -> Floats:
        """What the controls add to every store, shape (K, T)."""
        if not len(self.store_first):
            return np.zeros((0, self.intervals))
        return np.asarray(np.add.reduceat(self.gain * u[: len(self.gain)], self.store_first, axis=0))

    def spread(self, by_store: Floats) -> Floats:
        """`gain` times a value of each control's store, shape (N, T); zero for controls without."""
        out = np.zeros_like(self.lo)
        out[: len(self.gain)] = self.gain * by_store[self.store_of]
        return out

    def own_cost(self, u: Floats, level: Floats, y_hinge: Floats) -> float:
        """This cell's own cost [EUR]: controls, stores outside their bounds, hinges. No price of boundary power."""
        e = self.store(u)
        outside = np.maximum(self.store_lo - e, 0.0) + np.maximum(e - self.store_hi, 0.0)
        cost = (self.cost * u + 0.5 * self.quad * u * u).sum() + (self.store_price * outside).sum()
        cost += self.levels.cost @ level
        return float(cost + (self.hinges.price * np.maximum(y_hinge - self.hinges.bound, 0.0)).sum())

    def by_columns(self, u: Floats) -> list[Floats]:
        """The controls in the shape of `columns`: one (K, J, T) array per entry."""
        out, at = [np.zeros_like(group.lo) for group in self.columns], 0
        for group in _stores_first(self.columns):
            size = self.columns[group].lo[..., 0].size
            out[group] = u[at : at + size].reshape(self.columns[group].lo.shape)
            at += size
        return out


def flatten(
    columns: tuple[Columns, ...], levels: Levels, outputs: Outputs, hinges: Hinges, children: int, intervals: int
) -> Block:
    """Lay the columns out flat. `outputs.on_control` must follow the order of `control_order(columns)`.

    Controls with a range of `FIXED_RANGE` or less become constants, as near to nothing as they may be.
    """
    where = control_order(columns)
    stored = [w for w in where if columns[w[0]].store is not None]
    keys = [(g, k) for g, k, _ in stored]
    first = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    stores = [(columns[keys[i][0]].store, keys[i][1]) for i in first]

    def stack(rows: list[Floats]) -> Floats:
        return np.stack(rows) if rows else np.zeros((0, intervals))

    keep = stack([s.keep[k] for s, k in stores if s is not None])
    lo, hi = stack([columns[g].lo[k, j] for g, k, j in where]), stack([columns[g].hi[k, j] for g, k, j in where])
    # said here and not by a solver, so that whoever solves the block solves the same problem
    constant, value = hi - lo <= FIXED_RANGE, np.clip(0.0, lo, hi)
    return Block(
        columns=columns,
        where=where,
        lo=np.where(constant, value, lo),
        hi=np.where(constant, value, hi),
        cost=stack([columns[g].cost[k, j] for g, k, j in where]),
        quad=stack([columns[g].quad[k, j] for g, k, j in where]),
        gain=stack([s.gain[k, j] for g, k, j in stored if (s := columns[g].store) is not None]),
        store_first=np.array(first, dtype=np.int64),
        store_of=np.array(np.cumsum([i in set(first) for i in range(len(keys))]) - 1, dtype=np.int64),
        keep=keep,
        carried=_carried(keep),
        add=stack([s.add[k] for s, k in stores if s is not None]),
        store_lo=stack([s.lo[k] for s, k in stores if s is not None]),
        store_hi=stack([s.hi[k] for s, k in stores if s is not None]),
        store_price=stack([s.price[k] for s, k in stores if s is not None]),
        store_start=np.array([s.start[k] for s, k in stores if s is not None]),
        levels=levels,
        outputs=outputs,
        hinges=hinges,
        children=children,
        intervals=intervals,
        stiff=np.zeros((len(where), intervals)),
        anchor=np.zeros((len(where), intervals)),
    )


def _carried(keep: Floats) -> Floats:
    """Products of `keep` between two intervals, lower triangular, shape (K, T, T)."""
    count, t_count = keep.shape
    out = np.zeros((count, t_count, t_count))
    for t in range(t_count):
        if t:
            out[:, t, :t] = keep[:, t, None] * out[:, t - 1, :t]
        out[:, t, t] = 1.0
    return out


def control_order(columns: tuple[Columns, ...]) -> tuple[tuple[int, int, int], ...]:
    """(group, column, control) of every control: columns with a store first."""
    every = _stores_first(columns)
    return tuple((g, k, j) for g in every for k in range(len(columns[g])) for j in range(columns[g].lo.shape[1]))


def _stores_first(columns: tuple[Columns, ...]) -> list[int]:
    return sorted(range(len(columns)), key=lambda g: columns[g].store is None)


def fold(block: Block, pq: Floats) -> Block:
    """The same problem with the children's powers (children, 2, T) held where they are."""
    out = block.outputs
    keep = slice(0, len(out.t) - block.children * block.intervals)
    t = out.t[keep]
    offset = out.offset[keep]
    if block.children:
        offset = offset + (out.on_p[keep] * pq[:, 0, t].T + out.on_q[keep] * pq[:, 1, t].T).sum(axis=1)
    none = np.zeros((len(t), 0))
    folded = Outputs(t, out.on_control[keep], none, none, out.on_level[keep], out.on_v[keep], offset, out.on_tie[keep])
    return replace(at_rest(block), outputs=replace(folded, on_tie=none), children=0)


def at_rest(block: Block) -> Block:
    """The same problem while no tie carries power."""
    if not block.decides and not block.outputs.on_tie.shape[1]:
        return block
    lo, hi = block.lo.copy(), block.hi.copy()
    lo[list(block.decides)] = hi[list(block.decides)] = 0.0
    outputs = replace(block.outputs, on_tie=np.zeros((len(block.outputs.t), 0)))
    return replace(block, lo=lo, hi=hi, outputs=outputs, decides=(), hands_down=())


@dataclass(frozen=True, slots=True)
class Bill:
    """What a set of schedules costs in the joined problem [EUR]."""

    total: float
    """Objective, with the prices of limits that are not kept."""
    limits: float
    """The part of it that is the price of limits not kept."""
    gross: float
    """Sum of |price x energy| at the root."""


def bill(blocks: list[Block], parents: list[int], u: list[Floats], root_price: Floats, root_v: Floats) -> Bill:
    """Add up what given controls cost, levels at their cheapest. Parents stand before their children."""
    kids = [[j for j, p in enumerate(parents) if p == i] for i in range(len(blocks))]
    t_count = blocks[0].intervals
    pq: list[Floats] = [np.zeros((2, t_count))] * len(blocks)
    volts: list[Floats] = [root_v] * len(blocks)
    child_pq = [np.zeros((0, 2, t_count))] * len(blocks)
    ties = [np.zeros((0, t_count))] * len(blocks)
    for i, block in enumerate(blocks):
        for row, child in enumerate(kids[i]):
            ties[child] = block.tie_powers(u[i], ties[i])[block.ties_of(row)]
    for i in reversed(range(len(blocks))):
        child_pq[i] = np.stack([pq[j] for j in kids[i]]) if kids[i] else child_pq[i]
        y = blocks[i].outputs.value(u[i], blocks[i].levels.lo, child_pq[i], np.zeros(t_count), ties[i])
        pq[i] = y[: 2 * t_count].reshape(2, t_count)
    total = limits = 0.0
    for i, block in enumerate(blocks):
        level = block.levels.lo
        hinge = slice(2 * t_count, 2 * t_count + len(block.hinges.bound))
        y = block.outputs.value(u[i], level, child_pq[i], volts[i], ties[i])
        if len(level):
            beyond = np.maximum(y[hinge] - block.hinges.bound, 0.0)[:, None] * (block.outputs.on_level[hinge] < 0)
            level = level + beyond.max(axis=0, initial=0.0)
            y = block.outputs.value(u[i], level, child_pq[i], volts[i], ties[i])
        for row, child in enumerate(kids[i]):
            at = hinge.stop + row * t_count
            volts[child] = y[at : at + t_count]
        over = block.hinges.price * np.maximum(y[hinge] - block.hinges.bound, 0.0)
        hard = np.array([not name.startswith("fee") for name, _ in block.hinges.label], dtype=np.bool_)
        limits += float(over[hard].sum())
        total += block.own_cost(u[i], level, y[hinge])
    bought = root_price * pq[0]
    return Bill(total + float(bought.sum()), limits, float(np.abs(bought[0]).sum()))
