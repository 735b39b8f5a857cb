"""Random planning problems cut into trees of cells: every kind of thing that blocks can hold, in small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.block import Block, Hinges, Levels, Outputs, control_order, flatten
from archipel.optimisation.columns import Columns, Store

DT_H = 0.5
V_PER_UNIT = 1e3
"""Voltage hinges count in thousandths of a pu, so that rows are of one size."""
CURVATURE = 1e-5


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A planning problem cut into cells. Parents stand before their children; `parents[0]` is -1."""

    blocks: tuple[Block, ...]
    parents: tuple[int, ...]
    price: Floats
    """Price of P and Q at the root, (2, T) [EUR per kW or kvar and interval]."""
    v_pu: Floats
    """Voltage at the root (T,)."""

    def __repr__(self) -> str:
        return f"Tree({len(self.blocks)} cells, parents {self.parents}, {len(self.v_pu)} intervals)"

    def children(self, cell: int) -> list[int]:
        """Cells below, in the order of the block's children."""
        return [j for j, parent in enumerate(self.parents) if parent == cell]


def random_tree(seed: int, *, depth: int = 3, intervals: int = 8) -> Tree:
    """A tree with at most `depth` cells from the root down, of at most three children each."""
    rng = np.random.default_rng(seed)
    parents, level = [-1], [0]
    for _ in range(depth - 1):
        below = [cell for cell in level for _ in range(int(rng.integers(cell == 0, 4)))]
        level = list(range(len(parents), len(parents) + len(below)))
        parents += below
    blocks = [
        random_block(rng, intervals, children=parents.count(i), root=not i, voltage=rng.random() < 0.7)
        for i in range(len(parents))
    ]
    phase = np.arange(intervals) * 2.0 * np.pi / intervals
    price = np.stack([0.02 + 0.02 * np.sin(phase + seed), np.zeros(intervals)])
    return Tree(tuple(blocks), tuple(parents), price, np.full(intervals, 1.0))


def edge_trees(seed: int) -> dict[str, Tree]:
    """Small trees at the edge of what there is, by what is special about them."""
    tree = random_tree(seed, depth=2)
    leaf, t = len(tree.blocks) - 1, len(tree.v_pu)

    def with_leaf(block: Block) -> Tree:
        return replace(tree, blocks=(*tree.blocks[:leaf], block))

    last = tree.blocks[leaf]
    middle = 0.5 * (last.lo + last.hi)
    rows = _Rows(np.random.default_rng(seed), (), t, 0, levels=0)
    rows.boundary()
    rows.fee()
    return {
        "negative prices": replace(tree, price=-tree.price),
        "everything curtailed": replace(tree, price=np.stack([np.full(t, -0.5), np.zeros(t)])),
        "no width": with_leaf(replace(last, lo=middle, hi=middle)),
        "nothing flexible": with_leaf(flatten((), Levels.none(), rows.outputs(), rows.hinges(), 0, t)),
    }


HELD = (4.0, 1.0)
"""(P, Q) that a cell is taken to draw when it takes no part [kW, kvar]."""


def without(tree: Tree, gone: Sequence[int]) -> tuple[Tree, list[int]]:
    """The tree without these cells and all below them, which draw `HELD`; and which cells are left, by number."""
    kept: list[int] = []
    for cell, parent in enumerate(tree.parents):
        if cell not in gone and (parent < 0 or parent in kept):
            kept.append(cell)
    blocks = []
    for cell in kept:
        children = tree.children(cell)
        held = [k for k, child in enumerate(children) if child not in kept]
        blocks.append(_held(tree.blocks[cell], held))
    parents = tuple(kept.index(tree.parents[cell]) if tree.parents[cell] >= 0 else -1 for cell in kept)
    return replace(tree, blocks=tuple(blocks), parents=parents), kept


def _held(block: Block, held: list[int]) -> Block:
    """The block with some children's powers held at `HELD`."""
    out, t, k = block.outputs, block.intervals, block.children
    ports = len(out.t) - k * t
    row = np.ones(len(out.t), dtype=np.bool_)
    for child in held:
        row[ports + child * t : ports + (child + 1) * t] = False
    left = np.setdiff1d(np.arange(k), held)
    fixed = out.on_p[:, held].sum(axis=1) * HELD[0] + out.on_q[:, held].sum(axis=1) * HELD[1]
    outputs = Outputs(
        out.t[row], out.on_control[row], out.on_p[row][:, left], out.on_q[row][:, left], out.on_level[row],
        out.on_v[row], (out.offset + fixed)[row],
    )  # fmt: skip
    return replace(block, outputs=outputs, children=len(left))


def random_block(rng: np.random.Generator, intervals: int, *, children: int, root: bool, voltage: bool) -> Block:
    """A cell with up to three batteries, solar inverters and vehicles each; the root has levels and a firm limit.

    With `voltage`, limits inside depend on the boundary's voltage.
    """
    kinds = (_batteries, _inverters, _vehicles)
    columns = tuple(made for kind in kinds if (made := kind(rng, intervals, int(rng.integers(0, 4)))) is not None)
    rows = _Rows(rng, columns, intervals, children, levels=2 if root else 0)
    rows.boundary()
    rows.fee()
    if voltage:
        rows.band()
    if root:
        rows.firm_limit(float(rng.uniform(10.0, 60.0)))
        rows.peaks()
    rows.ports()
    levels = Levels(np.array([30.0, 0.0]), np.array([1e3, 1e3]), np.array([0.06, 0.06])) if root else Levels.none()
    return flatten(columns, levels, rows.outputs(), rows.hinges(), children, intervals)


def _batteries(rng: np.random.Generator, t: int, n: int) -> Columns | None:
    if not n:
        return None
    power = rng.uniform(5.0, 20.0, n)
    size = np.broadcast_to(2.0 * power[:, None], (n, t))
    gain = np.broadcast_to((np.array([0.95, -1.0 / 0.95]) * DT_H)[None, :, None], (n, 2, t))
    store = Store(
        keep=np.full((n, t), 0.999),
        gain=gain,
        add=np.zeros((n, t)),
        start=power * rng.uniform(0.0, 2.0, n),
        lo=np.zeros((n, t)),
        hi=size,
        price=np.ones((n, t)),
    )
    hi = np.broadcast_to(power[:, None, None], (n, 2, t))
    sign = np.tile([1.0, -1.0], (n, 1))
    wear = np.full((n, 2, t), 0.005 * DT_H)
    return Columns(_names("battery", n), _node(n), sign, 0.0 * sign, 0.0 * hi, hi, wear, _quad(wear), store)


def _inverters(rng: np.random.Generator, t: int, n: int) -> Columns | None:
    if not n:
        return None
    sun = np.maximum(np.sin(np.linspace(0.0, 2.0 * np.pi, t) - 1.0), 1e-3)
    available = rng.uniform(5.0, 60.0, n)[:, None] * sun
    reactive = np.full((n, t), 8.0)
    lo, hi = np.stack([-available, -reactive], axis=1), np.stack([0.0 * available, reactive], axis=1)
    p, q = np.tile([1.0, 0.0], (n, 1)), np.tile([0.0, 1.0], (n, 1))
    return Columns(_names("pv", n), _node(n), p, q, lo, hi, np.zeros((n, 2, t)), _quad(lo))


def _vehicles(rng: np.random.Generator, t: int, n: int) -> Columns | None:
    """Energy since the start between a latest and an earliest curve; nothing to speak of before they arrive."""
    if not n:
        return None
    need = rng.uniform(5.0, 0.5 * 11.0 * DT_H * t, n)
    latest = np.zeros((n, t))
    latest[:, t // 2 :] = need[:, None]
    away = np.arange(t) < t // 4
    earliest = np.where(away, 0.0, need[:, None])
    store = Store(
        keep=np.ones((n, t)),
        gain=np.full((n, 1, t), DT_H),
        add=np.zeros((n, t)),
        start=np.zeros(n),
        lo=latest,
        hi=np.where(np.arange(t) == t - 1, np.inf, earliest),
        price=np.full((n, t), 2.0),
    )
    one = np.ones((n, 1))
    room = np.broadcast_to(np.where(away, 0.001, 11.0), (n, 1, t))
    return Columns(_names("ev", n), _node(n), one, 0.0 * one, 0.0 * room, room, 0.0 * room, _quad(room), store)


def _names(kind: str, n: int) -> tuple[str, ...]:
    return tuple(f"{kind}/{i}" for i in range(n))


def _node(n: int) -> Ints:
    return np.zeros(n, dtype=np.int64)


def _quad(like: Floats) -> Floats:
    return np.full(like.shape, CURVATURE)


@final
class _Rows:
    """Outputs and hinges of a block in the making."""

    def __init__(
        self, rng: np.random.Generator, columns: tuple[Columns, ...], t: int, children: int, levels: int
    ) -> None:
        self._rng, self._t, self._children, self._levels = rng, np.arange(t), children, levels
        order = control_order(columns)
        self._p = np.array([columns[g].p[k, j] for g, k, j in order])
        self._q = np.array([columns[g].q[k, j] for g, k, j in order])
        self._load = rng.uniform(5.0, 30.0, t)
        self._lossy = self._p * rng.uniform(0.98, 1.03, len(order))
        self._parts: list[Outputs] = []
        self._bound: list[Floats] = []
        self._price: list[Floats] = []
        self._label: list[tuple[str, str]] = []

    def _row(
        self,
        control: Floats,
        p: Floats | float,
        q: Floats | float,
        v: float,
        offset: Floats,
        level: Floats | None = None,
    ) -> None:
        t = len(self._t)
        self._parts.append(
            Outputs(
                t=self._t,
                on_control=np.broadcast_to(control, (t, len(self._p))),
                on_p=np.broadcast_to(p, (t, self._children)),
                on_q=np.broadcast_to(q, (t, self._children)),
                on_level=np.zeros((t, self._levels)) if level is None else level,
                on_v=np.full(t, v),
                offset=offset,
            )
        )

    def _hinge(self, bound: float, price: float, label: str) -> None:
        t = len(self._t)
        self._bound.append(np.full(t, bound))
        self._price.append(np.full(t, price * DT_H))
        self._label += [(label, "")] * t

    def boundary(self) -> None:
        """P and Q at the own boundary, with losses."""
        self._row(self._lossy, 1.02, 0.01, 0.0, self._load)
        self._row(self._q + 0.02 * self._p, 0.02, 1.01, 0.0, 0.2 * self._load)

    def fee(self) -> None:
        """On the own import, without what goes on to children."""
        self._row(self._lossy, 0.02, 0.01, 0.0, self._load)
        self._hinge(0.0, 0.015, "fee")

    def band(self) -> None:
        """A voltage kept between two bounds, moved by the boundary's voltage."""
        per_kw = self._rng.uniform(1e-4, 3e-4)
        for sign, limit in ((1.0, 1.02), (-1.0, -0.97)):
            k = sign * V_PER_UNIT
            self._row(-k * per_kw * (self._p + 0.5 * self._q), -k * per_kw, -0.5 * k * per_kw, k, 0.0 * self._load)
            self._hinge(limit * V_PER_UNIT, 5.0, "voltage")

    def firm_limit(self, export_kw: float) -> None:
        """On what flows back."""
        self._row(-self._lossy, -1.02, -0.01, 0.0, -self._load)
        self._hinge(export_kw, 10.0, "export limit")

    def peaks(self) -> None:
        """Import beyond the level that is paid for, one level for each half of the horizon."""
        half = (2 * self._t[:, None] // len(self._t)) == np.arange(2)
        self._row(self._lossy, 1.02, 0.01, 0.0, self._load, -half.astype(np.float64))
        self._hinge(0.0, 10.0, "peak")

    def ports(self) -> None:
        """Voltage handed to every child."""
        for _ in range(self._children):
            fall = self._rng.uniform(0.5e-5, 1.5e-5, self._children)
            self._row(-1e-5 * self._p, -fall, -0.5 * fall, 1.0, 0.0 * self._load)

    def outputs(self) -> Outputs:
        """All rows in the order of `Block`."""
        names = ("t", "on_control", "on_p", "on_q", "on_level", "on_v", "offset")
        return Outputs(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in names))

    def hinges(self) -> Hinges:
        """All hinges."""
        bound = np.concatenate(self._bound)
        return Hinges(bound, np.concatenate(self._price), tuple(self._label), np.ones(len(bound)))
