"""Days on which every kind of network limit binds: planning problems of any size to measure ways of agreeing on.

    upstream -- substation --+-- feeder --+-- low-voltage cell       cells as in the shipped `city`: about ten
                             |            +-- ...                    low-voltage cells behind every feeder, every
                             +-- feeder --+-- feeder --+-- ...       fifth feeder behind another one

A low-voltage cell has 5 batteries, 5 groups of vehicles with an energy to reach before they leave, 6 inverters that
can be curtailed and give reactive power, 4 loads that can be moved, voltages at 4 nodes and a transformer. A feeder
has a solar park, a battery, the voltages of its nodes and the load of two sections. The sun gives more than the
network carries, at noon energy costs less than nothing, in the evening all vehicles come home: voltages bind at both
ends, transformers, sections and the substation in both directions. Problems on which nothing binds flatter: they are
many times easier.

Sensitivities are those of a linear network without losses in its voltages, with constant marginal losses in its powers.
They are not cut from a real network, because a hundred AC operating points take longer than everything measured on
them. As in `archipel.cell.linear`, only limits that own controls could bring to bind are written down, in units of kW.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.block import Block, Hinges, Levels, Outputs, control_order, flatten
from archipel.optimisation.central import Joined
from archipel.optimisation.columns import Columns, Store, tiny_quad
from archipel.testing.ties import Tie, with_ties
from archipel.testing.trees import Tree

HORIZON_H: dict[int, Floats] = {
    24: np.ones(24),
    36: np.concatenate([np.full(16, 0.25), np.ones(20)]),
    96: np.full(96, 0.25),
}
"""Length of the intervals of a whole day [h]: hours, quarter hours before hours, quarter hours."""
START_H = 10.0
"""Hour of the day at which the horizon starts."""
V_ROOT, V_LV, V_MV = 1.03, (0.90, 1.10), (0.965, 1.055)
"""Voltage upstream, and the limits SimBench gives for low and medium voltage [pu]."""
MOVES_V_PU = 0.03
"""How much others may move a boundary's voltage, for judging which limits can bind."""
LIMIT_EUR_PER_KWH, STORE_EUR_PER_KWH, FEE_EUR_PER_KWH, PEAK_EUR_PER_KW = 20.0, 2.0, 0.02, 0.05
FACETS = np.arange(8) * np.pi / 4.0
"""Directions in which the size of an apparent power is limited."""
BINDS_KW = 1e-3
"""A limit binds when less than this is left."""
LV_PER_FEEDER = 9.5
TIE_SHARE = 0.2
"""Rating of a tie, as a share of the smaller transformer at its ends."""
OHM_MV, OHM_LV = 1e3 / 20e3**2, 1e3 / 400.0**2
"""Voltage drop of 1 kW over 1 ohm [pu]."""


@final
class _Day:
    """The course of a day, at the middle of every interval."""

    def __init__(self, dt_h: Floats) -> None:
        self.dt_h, self.count = dt_h, len(dt_h)
        end = START_H + np.cumsum(dt_h)
        self.begin_h, self.end_h = end - dt_h, end
        hour = (end - 0.5 * dt_h) % 24.0
        self.sun = np.maximum(np.cos(np.pi * (hour - 13.0) / 15.0), 0.0) ** 1.3
        self.load = 0.35 + 0.25 * _bump(hour, 8.0, 2.0) + 0.65 * _bump(hour, 19.0, 2.5)
        low = 0.07 - 0.055 * self.sun - 0.06 * _bump(hour, 13.5, 1.2)
        self.price_eur_per_kwh = low + 0.05 * _bump(hour, 8.0, 2.0) + 0.12 * _bump(hour, 19.5, 2.5)

    def present(self, arrive_h: Floats, leave_h: Floats) -> Floats:
        """Share of every interval between two times, shape (K, T)."""
        begin, end = np.maximum(self.begin_h, arrive_h[:, None]), np.minimum(self.end_h, leave_h[:, None])
        return np.asarray(np.maximum(end - begin, 0.0) / self.dt_h)


def _bump(hour: Floats, middle: float, width: float) -> Floats:
    return np.asarray(np.exp(-(((hour - middle) / width) ** 2)))


def stress_tree(cells: int, intervals: int, seed: int = 1, ties: int = 0) -> Tree:
    """A day of `cells` low-voltage cells over 24, 36 or 96 `intervals` (see `HORIZON_H`).

    The root and its feeders come on top: at least two, else one for about ten cells. The same seed gives the same
    devices and network over every horizon. `ties` join low-voltage cells behind different feeders, each rated at 20 %
    of the smaller transformer. Raises ValueError for another number of intervals or less than two cells.
    """
    if intervals not in HORIZON_H or cells < 2:
        raise ValueError(f"expected 2 cells or more and {sorted(HORIZON_H)} intervals, found {cells} and {intervals}")
    day = _Day(HORIZON_H[intervals])
    feeders = max(2, round(cells / LV_PER_FEEDER))
    rng = np.random.default_rng([seed, cells])
    above = [0] * feeders
    for f in range(2, feeders):
        if rng.random() < 0.2:
            above[f] = 1 + int(rng.integers(0, min(f, 2 + f // 2)))
    parents = [-1, *above, *(1 + np.sort(np.arange(cells) % feeders)).tolist()]
    rating = np.zeros(len(parents))
    rating[1 + feeders :] = rng.choice([160.0, 250.0, 400.0], cells)
    for i in reversed(range(1, len(parents))):
        rating[parents[i]] += rating[i] if i > feeders else 0.75 * rating[i]
    blocks = []
    for i in range(len(parents)):
        kids = np.array([j for j, p in enumerate(parents) if p == i], dtype=np.int64)
        make = _substation if i == 0 else _feeder if i <= feeders else _low_voltage
        blocks.append(make(np.random.default_rng([seed, cells, i]), day, float(rating[i]), rating[kids]))
    price = np.stack([day.price_eur_per_kwh * day.dt_h, np.zeros(day.count)])
    tree = Tree(tuple(blocks), tuple(parents), price, np.full(day.count, V_ROOT))
    return with_ties(tree, _ties(np.random.default_rng([seed, cells, ties]), parents, rating, feeders, ties))


def _ties(rng: np.random.Generator, parents: list[int], rating: Floats, feeders: int, count: int) -> list[Tie]:
    found: list[Tie] = []
    while len(found) < count:
        one, other = (1 + feeders + rng.choice(len(parents) - 1 - feeders, 2, replace=False)).tolist()
        if parents[one] != parents[other]:
            found.append(Tie(one, other, TIE_SHARE * float(min(rating[one], rating[other]))))
    return found


def binding(joined: Joined, x: Floats) -> Counter[str]:
    """How many limits of every kind bind at a solution of the joined problem."""
    found: Counter[str] = Counter()
    names = np.array([name for block in joined.blocks for name, _ in block.hinges.label])
    # the hinges stand in the order of the blocks, behind the bounds of each block's stores
    stores = [2 * block.store_lo.size - np.isinf([block.store_lo, block.store_hi]).sum() for block in joined.blocks]
    room, at = joined.h - joined.g @ x, 0
    whose = []
    for block, count in zip(joined.blocks, stores, strict=True):
        whose.append(np.arange(len(block.hinges.bound)) + at + count)
        at += int(count) + len(block.hinges.bound)
    for name in names[room[np.concatenate(whose)] < BINDS_KW]:
        found[str(name)] += 1
    return found


def gentle(block: Block) -> Floats:
    """A start well inside every limit (N, T), as `archipel.cell.site.Duty.gentle`: the sun nearly off, batteries
    nearly at rest, vehicles charging evenly."""
    start = 0.5 * (block.lo + block.hi)
    for n, (group, column, control) in enumerate(block.where):
        columns = block.columns[group]
        kind = columns.device[column].partition("/")[0]
        if columns.even is not None:
            start[n] = columns.even[column, control]
        elif kind == "battery":
            start[n] = 0.1 * block.hi[n]
        elif kind == "pv" and control == 0:
            start[n] = 0.1 * block.lo[n]
    return start


# ---------------------------------------------------------------- cells


def _low_voltage(rng: np.random.Generator, day: _Day, rating: float, below: Floats) -> Block:
    """A cell behind a transformer of `rating` [kVA]: two laterals of two nodes each."""
    nodes = 4
    size = rng.uniform(0.7, 1.7) * rating
    # what the devices amount to; the transformer was bought before they were
    r_own = rng.uniform(0.008, 0.03, nodes) * (250.0 / rating) * OHM_LV
    r = _common_path(np.array([-1, 0, -1, 2]), r_own)
    x = 0.3 * r + 0.04 / rating
    r = r + 0.012 / rating
    columns = (
        _batteries(rng, day, rng.uniform(0.06, 0.16, 5) * size, nodes),
        _vehicles(rng, day, rng.uniform(0.05, 0.12, 5) * size, nodes),
        _movable(rng, day, rng.uniform(0.02, 0.05, 4) * size, nodes),
        _inverters(rng, day, rng.uniform(0.15, 0.4, 6) * size, nodes),
    )
    load = rng.dirichlet(np.full(nodes, 8.0))[:, None] * 0.55 * rating * day.load
    rows = _Rows(day, columns, len(below), load, 0.25 * load)
    rows.boundary(rng.uniform(0.99, 1.03, nodes), np.zeros(0, dtype=np.int64))
    rows.fee()
    for n in range(nodes):
        rows.voltage(f"low-voltage node {n}", "LV voltage", V_LV, r[n], x[n], below, below)
    rows.power("transformer", rating, np.ones(nodes), np.zeros(0), below)
    return rows.block(Levels.none())


def _feeder(rng: np.random.Generator, day: _Day, rating: float, below: Floats) -> Block:
    """A feeder with its children along a chain with side branches, a solar park and a battery."""
    nodes = len(below)
    up = np.array([-1, *(j - 1 if rng.random() > 0.2 else int(rng.integers(0, j)) for j in range(1, nodes))])
    weak = 2500.0 / rating * 10.0 / nodes
    r = _common_path(up, rng.uniform(0.6, 1.2, nodes) * weak * OHM_MV)
    x = 0.6 * r
    columns = (
        _batteries(rng, day, np.array([0.06 * rating]), nodes),
        _inverters(rng, day, np.array([0.15 * rating]), nodes),
    )
    load = np.zeros((nodes, day.count))
    rows = _Rows(day, columns, nodes, load, load)
    at = np.arange(nodes)
    rows.boundary(1.0 + 0.02 * np.diag(r) / r.max(), at)
    for n in np.unique([np.argmax(np.diag(r)), nodes // 2, nodes - 1]):
        rows.voltage(f"medium-voltage node {n}", "MV voltage", V_MV, r[n], x[n], below, r[n], x[n])
    half = nodes // 2
    behind = (_reach(up)[:, half] > 0).astype(np.float64)
    rows.power("branch", 0.7 * rating, np.ones(nodes), np.ones(nodes), below)
    rows.power("branch", 0.75 * float(behind @ below), behind, behind, below)
    for n in at:
        rows.port(r[n], x[n], r[n], x[n])
    return rows.block(Levels.none())


def _substation(rng: np.random.Generator, day: _Day, rating: float, below: Floats) -> Block:
    """The root: the transformer upstream, the peak that is paid for, one busbar for all feeders."""
    del rng
    rows = _Rows(day, (), len(below), np.zeros((1, day.count)), np.zeros((1, day.count)))
    node = np.zeros(len(below), dtype=np.int64)
    rows.boundary(np.array([1.005]), node)
    limit = 0.88 * rating
    rows.power("substation", limit, np.ones(1), np.ones(len(below)), below)
    rows.peak()
    r, x = np.full(1, 0.002 / rating), np.full(1, 0.02 / rating)
    for _ in below:
        rows.port(r, x, np.full(len(below), r[0]), np.full(len(below), x[0]))
    return rows.block(Levels(np.array([0.2 * rating]), np.array([4.0 * rating]), np.array([PEAK_EUR_PER_KW])))


def _reach(up: Ints) -> Floats:
    """1 where node i (row) is fed through the section of node j (column)."""
    out = np.eye(len(up))
    for i, above in enumerate(up):
        if above >= 0:
            out[i] += out[above]
    return out


def _common_path(up: Ints, r: Floats) -> Floats:
    """Resistance of the path that two nodes have in common, shape (nodes, nodes)."""
    reach = _reach(up)
    return np.asarray(reach * r @ reach.T)


# ---------------------------------------------------------------- devices


def _batteries(rng: np.random.Generator, day: _Day, p_kw: Floats, nodes: int) -> Columns:
    """Two hours of storage, half full at the start and at the end."""
    n, t = len(p_kw), day.count
    size = np.broadcast_to(2.0 * p_kw[:, None], (n, t))
    least = 0.05 * size
    least[:, -1] = p_kw
    hi = np.broadcast_to(p_kw[:, None, None], (n, 2, t))
    store = Store(
        keep=np.full((n, t), 0.9995) ** day.dt_h,
        gain=np.broadcast_to(np.array([0.95, -1.0 / 0.95])[None, :, None] * day.dt_h, (n, 2, t)),
        add=np.zeros((n, t)),
        start=p_kw,
        lo=least,
        hi=size,
        price=np.full((n, t), STORE_EUR_PER_KWH),
    )
    sign, none = np.tile([1.0, -1.0], (n, 1)), np.zeros((n, 2))
    cost = np.broadcast_to(0.005 * day.dt_h, (n, 2, t))
    return _columns("battery", rng.integers(0, nodes, n), day, sign, none, 0.0 * hi, hi, cost, store)


def _vehicles(rng: np.random.Generator, day: _Day, p_kw: Floats, nodes: int) -> Columns:
    """Vehicles that need most of what they can get before they leave: every third at work by day, the rest by night."""
    n, t = len(p_kw), day.count
    at_work = np.arange(n) % 3 == 0
    arrive = np.where(at_work, START_H, rng.uniform(17.0, 19.0, n))
    leave = np.where(at_work, rng.uniform(15.5, 17.5, n), rng.uniform(29.5, 31.5, n))
    there = day.present(arrive, leave)
    need = rng.uniform(0.3, 0.7, n) * 0.92 * p_kw * (there * day.dt_h).sum(axis=1)
    gone = day.end_h >= leave[:, None]
    hi = (p_kw[:, None] * there)[:, None, :]
    store = Store(
        keep=np.ones((n, t)),
        gain=np.broadcast_to(0.92 * day.dt_h, (n, 1, t)),
        add=np.zeros((n, t)),
        start=np.zeros(n),
        lo=np.where(gone, need[:, None], -np.inf),
        hi=np.broadcast_to(1.15 * need[:, None], (n, t)),
        price=np.full((n, t), STORE_EUR_PER_KWH),
    )
    one = np.ones((n, 1))
    made = _columns("ev", rng.integers(0, nodes, n), day, one, 0.0 * one, 0.0 * hi, hi, 0.0 * hi, store)
    most = (hi[:, 0] * 0.92 * day.dt_h).sum(axis=1)
    return replace(made, even=hi * np.minimum(1.05 * need / most, 0.9)[:, None, None])


def _movable(rng: np.random.Generator, day: _Day, p_kw: Floats, nodes: int) -> Columns:
    """Loads that may be early or late by two hours of their power, and are made up for at the end."""
    n, t = len(p_kw), day.count
    room = np.broadcast_to(2.0 * p_kw[:, None], (n, t))
    least = -room
    least[:, -1] = 0.0
    hi = np.broadcast_to(p_kw[:, None, None], (n, 1, t))
    store = Store(
        keep=np.ones((n, t)),
        gain=np.broadcast_to(day.dt_h, (n, 1, t)),
        add=np.zeros((n, t)),
        start=np.zeros(n),
        lo=least,
        hi=room,
        price=np.full((n, t), STORE_EUR_PER_KWH),
    )
    one = np.ones((n, 1))
    return _columns("movable", rng.integers(0, nodes, n), day, one, 0.3 * one, -hi, hi, 0.0 * hi, store)


def _inverters(rng: np.random.Generator, day: _Day, p_kw: Floats, nodes: int) -> Columns:
    """Solar power that may be curtailed, with reactive power both ways by day and by night."""
    n = len(p_kw)
    available = p_kw[:, None] * day.sun
    reactive = np.broadcast_to(0.4 * p_kw[:, None], available.shape)
    lo, hi = np.stack([-available, -reactive], axis=1), np.stack([0.0 * available, reactive], axis=1)
    p, q = np.tile([1.0, 0.0], (n, 1)), np.tile([0.0, 1.0], (n, 1))
    return _columns("pv", rng.integers(0, nodes, n), day, p, q, lo, hi, np.zeros_like(lo), None)


def _columns(
    kind: str, node: Ints, day: _Day, p: Floats, q: Floats, lo: Floats, hi: Floats, cost: Floats, store: Store | None
) -> Columns:
    names = tuple(f"{kind}/{i}" for i in range(len(node)))
    return Columns(names, node, p, q, lo, hi, cost, tiny_quad(hi, lo, day.dt_h), store)


# ---------------------------------------------------------------- rows


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """An output, the same in every interval but for its offset (T,)."""

    control: Floats
    p: Floats
    q: Floats
    v: float
    offset: Floats


@final
class _Rows:
    """Outputs and hinges of a block in the making. The load of every node is given as (nodes, T)."""

    def __init__(self, day: _Day, columns: tuple[Columns, ...], children: int, p_kw: Floats, q_kvar: Floats) -> None:
        self._day, self._columns, self._children, self._load, self._load_q = day, columns, children, p_kw, q_kvar
        order = control_order(columns)
        self._p = np.array([columns[g].p[k, j] for g, k, j in order])
        self._q = np.array([columns[g].q[k, j] for g, k, j in order])
        self._node = np.array([columns[g].node[k] for g, k, _ in order], dtype=np.int64)
        empty = np.zeros((0, day.count))
        self._lo = np.stack([columns[g].lo[k, j] for g, k, j in order]) if order else empty
        self._hi = np.stack([columns[g].hi[k, j] for g, k, j in order]) if order else empty
        self._ports: list[Outputs] = []
        self._hinges: list[Outputs] = []
        self._bound: list[Floats] = []
        self._price: list[Floats] = []
        self._label: list[tuple[str, str]] = []

    def boundary(self, losses: Floats, child_node: Ints) -> None:
        """P and Q at the own boundary: `losses` says what a kW at each node draws there."""
        per, child = losses[self._node], losses[child_node]
        self._own = _Row(self._p * per + 0.005 * self._q, child, 0.005 * np.ones_like(child), 0.0, losses @ self._load)
        q = _Row(self._q * per + 0.02 * self._p, 0.02 * np.ones_like(child), child, 0.0, losses @ self._load_q)
        self._boundary = [self._outputs(self._own), self._outputs(q)]

    def fee(self) -> None:
        """On own import."""
        self._hinge(self._own, 0.0, FEE_EUR_PER_KWH * self._day.dt_h, ("fee", ""))

    def peak(self) -> None:
        """Import beyond the level that is paid for."""
        self._hinge(self._own, 0.0, np.full(self._day.count, LIMIT_EUR_PER_KWH), ("peak", ""), level=-1.0)

    def power(self, kind: str, limit_kva: float, p: Floats, child: Floats, below: Floats) -> None:
        """Apparent power of what the nodes (`p`: 1 or 0 each) and children draw together."""
        load, load_q = p @ self._load, p @ self._load_q
        own = p[self._node] if len(self._node) else np.zeros(0)
        for a in FACETS:
            c, s = np.cos(a), np.sin(a)
            row = _Row(own * (c * self._p + s * self._q), c * child, s * child, 0.0, c * load + s * load_q)
            self._limit(row, limit_kva, (kind, ""), below)

    def voltage(
        self,
        thing: str,
        kind: str,
        limits: tuple[float, float],
        r: Floats,
        x: Floats,
        below: Floats,
        child_r: Floats,
        child_x: Floats | None = None,
    ) -> None:
        """Voltage of a node with resistances and reactances `r`, `x` to all nodes [pu per kW, kvar]."""
        child_x = child_r if child_x is None else child_x
        offset = -(r @ self._load + x @ self._load_q)
        control = -(r[self._node] * self._p + x[self._node] * self._q)
        unit = float(np.max(np.abs(np.concatenate([control, child_r])), initial=1e-7))
        for sign, limit in ((-1.0, limits[0]), (1.0, limits[1])):
            k = sign / unit
            self._limit(_Row(k * control, -k * child_r, -k * child_x, k, k * offset), k * limit, (kind, thing), below)

    def port(self, r: Floats, x: Floats, child_r: Floats, child_x: Floats) -> None:
        """Voltage handed to the next child."""
        control = -(r[self._node] * self._p + x[self._node] * self._q) if len(self._node) else np.zeros(0)
        offset = -(r @ self._load + x @ self._load_q)
        self._ports.append(self._outputs(_Row(control, -child_r, -child_x, 1.0, offset)))

    def block(self, levels: Levels) -> Block:
        """The block of all rows."""
        parts = [*self._boundary, *self._hinges, *self._ports]
        count = len(levels.lo)
        names = ("t", "on_control", "on_p", "on_q", "on_level", "on_v", "offset")
        level = [part.on_level if part.on_level.shape[1] == count else np.zeros((len(part.t), count)) for part in parts]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names if name != "on_level"}
        outputs = Outputs(**joined, on_level=np.concatenate(level))
        bound = np.concatenate(self._bound)
        hinges = Hinges(bound, np.concatenate(self._price), tuple(self._label), np.ones(len(bound)))
        return flatten(self._columns, levels, outputs, hinges, self._children, self._day.count)

    def _limit(self, row: _Row, bound: float, label: tuple[str, str], below: Floats) -> None:
        """The hinge of a limit, in the intervals in which it could bind."""
        lo, hi, per = self._lo, self._hi, row.control[:, None]
        most = np.maximum(per * lo, per * hi).sum(axis=0) + row.offset
        most = most + row.v * V_ROOT + abs(row.v) * MOVES_V_PU
        if self._children:
            most = most + (np.abs(row.p) + np.abs(row.q)) @ below
        price = LIMIT_EUR_PER_KWH * self._day.dt_h
        self._hinge(row, bound, price, label, only=np.flatnonzero(most > bound))

    def _hinge(
        self,
        row: _Row,
        bound: float,
        price: Floats,
        label: tuple[str, str],
        *,
        only: Ints | None = None,
        level: float = 0.0,
    ) -> None:
        only = np.arange(self._day.count) if only is None else only
        self._hinges.append(self._outputs(row, only, level))
        self._bound.append(np.full(len(only), bound))
        self._price.append(price[only])
        self._label += [label] * len(only)

    def _outputs(self, row: _Row, only: Ints | None = None, level: float = 0.0) -> Outputs:
        t = np.arange(self._day.count) if only is None else only

        def every(value: Floats) -> Floats:
            return np.broadcast_to(value, (len(t), len(value)))

        on_level = np.full((len(t), 1), level) if level else np.zeros((len(t), 0))
        on_v = np.full(len(t), row.v)
        return Outputs(t, every(row.control), every(row.p), every(row.q), on_level, on_v, row.offset[t])
