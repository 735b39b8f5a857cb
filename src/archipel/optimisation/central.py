"""The joined problem of a tree of blocks as one sparse quadratic programme, and doors to solvers.

    minimise  1/2 x' diag(d) x + c' x   subject to  A x = b,  G x <= h,  lo <= x <= hi

Variables of every block: controls, stores, how far stores are outside their bounds, boundary power (P, Q), outputs that
are handed to children as voltages, and how far every hinge is beyond its bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import piqp
from scipy import sparse

from archipel.model import Bools, Floats, SolverFailed
from archipel.optimisation.block import Block

MAX_ITERATIONS = 120
"""Of PIQP; it needs 20 to 70 where it gets there at all."""
WAYS: tuple[dict[str, float], ...] = (
    {},
    {"iterative_refinement_always_enabled": True},
    {"preconditioner_scale_cost": True},
    {"rho_init": 1e-4, "delta_init": 1e-3},
    {"tau": 0.95},
)
"""Settings of PIQP, tried in turn. No one way solves every problem: some were seen to creep for hundreds of iterations
that another way solves in 20 to 60."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """A quadratic programme and where each block's controls and boundary power stand in it."""

    quad: Floats
    cost: Floats
    a: sparse.csc_matrix
    b: Floats
    g: sparse.csc_matrix
    h: Floats
    lo: Floats
    hi: Floats
    control_at: tuple[int, ...]
    """First variable of every block's controls."""
    boundary_at: tuple[int, ...]
    """First variable of every block's (P, Q)."""
    own_row: tuple[int, ...]
    """First row of A of every block's (P, Q) and voltages handed to children."""
    hinge_row: tuple[int, ...]
    """First row of G of every block's hinges."""
    blocks: tuple[Block, ...]

    def controls(self, x: Floats) -> list[Floats]:
        """Controls (N, T) of every block."""
        return [x[at : at + b.lo.size].reshape(b.lo.shape) for at, b in zip(self.control_at, self.blocks, strict=True)]

    def boundary(self, x: Floats) -> list[Floats]:
        """(P, Q) of every block's boundary, shape (2, T)."""
        return [
            x[at : at + 2 * b.intervals].reshape(2, -1) for at, b in zip(self.boundary_at, self.blocks, strict=True)
        ]

    def value(self, x: Floats) -> float:
        """Objective [EUR]."""
        return float(self.cost @ x + 0.5 * self.quad @ (x * x))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """What a central solver found."""

    x: Floats
    value: float
    iterations: int
    boundary_dual: tuple[Floats, ...]
    """Price of every block's (P, Q) [EUR per kW or kvar and interval], shape (2, T) each."""
    hinge_dual: tuple[Floats, ...]
    """Price of every block's hinges [EUR per unit of the output and interval], shape (R,) each."""
    voltage_dual: tuple[Floats, ...]
    """Price of the voltages every block hands to its children [EUR per pu and interval], shape (children, T) each."""


class _Rows:
    """Triplets of a sparse matrix under construction."""

    def __init__(self) -> None:
        self.row: list[np.ndarray] = []
        self.col: list[np.ndarray] = []
        self.val: list[np.ndarray] = []
        self.rhs: list[Floats] = []
        self.count = 0

    def block(self, rhs: Floats) -> int:
        """Open new rows; returns the first."""
        first = self.count
        self.rhs.append(np.asarray(rhs, dtype=np.float64).ravel())
        self.count += self.rhs[-1].size
        return first

    def add(self, row: np.ndarray, col: np.ndarray, val: np.ndarray | float) -> None:
        """Add entries; zeros are left out."""
        row, col, val = (np.ravel(x) for x in np.broadcast_arrays(row, col, val))
        keep = val != 0.0
        self.row.append(row[keep])
        self.col.append(col[keep])
        self.val.append(val[keep])

    def build(self, columns: int) -> tuple[sparse.csc_matrix, Floats]:
        """The matrix and the right-hand side."""
        cat = [np.concatenate(x) if x else np.zeros(0) for x in (self.row, self.col, self.val)]
        shape = (self.count, columns)
        matrix = sparse.csc_matrix((cat[2], (cat[0].astype(np.int64), cat[1].astype(np.int64))), shape=shape)
        return matrix, np.concatenate(self.rhs) if self.rhs else np.zeros(0)


def join(blocks: tuple[Block, ...], parents: list[int], root_price: Floats, root_v: Floats) -> Joined:
    """Join blocks (parents before children; `parents[0]` is -1) with price (2, T) and voltage (T,) at the root."""
    t_count = blocks[0].intervals
    quad: list[Floats] = []
    cost: list[Floats] = []
    lo: list[Floats] = []
    hi: list[Floats] = []
    size = 0

    def variables(count: int, q: Floats | float, c: Floats | float, low: Floats | float, high: Floats | float) -> int:
        nonlocal size
        for store, value in ((quad, q), (cost, c), (lo, low), (hi, high)):
            store.append(np.broadcast_to(np.ravel(value) if np.ndim(value) else value, (count,)).astype(np.float64))
        size += count
        return size - count

    eq, le = _Rows(), _Rows()
    inf = np.inf
    control_at, boundary_at, voltage_at, level_at = [], [], [], []
    for i, block in enumerate(blocks):
        boundary_at.append(variables(2 * t_count, 0.0, root_price if i == 0 else 0.0, -inf, inf))
        quad_u, cost_u = block.quad + block.stiff, block.cost - block.stiff * block.anchor
        control_at.append(variables(block.lo.size, quad_u, cost_u, block.lo, block.hi))
        voltage_at.append(variables(block.children * t_count, 0.0, 0.0, -inf, inf))
        level = block.levels
        level_at.append(variables(len(level.lo), 0.0, level.cost, level.lo, level.hi))
    kids: list[list[int]] = [[j for j, p in enumerate(parents) if p == i] for i in range(len(blocks))]
    tie_at = _ties_above(blocks, kids, control_at)
    own_row, hinge_row = [], []
    for i, block in enumerate(blocks):
        _add_stores(block, control_at[i], variables, eq, le)
        out = block.outputs
        a_count = len(out.t)
        hinge = slice(2 * t_count, 2 * t_count + len(block.hinges.bound))
        # y - (all terms) = offset for what becomes a variable; terms <= bound - offset + over for hinges
        n = block.lo.shape[0]
        u_cols = control_at[i] + np.arange(n)[None, :] * t_count + out.t[:, None]
        kid = np.array([boundary_at[j] for j in kids[i]], dtype=np.int64)
        p_cols = kid[None, :] + out.t[:, None]
        tie_cols = np.array(tie_at[i], dtype=np.int64)[None, :] + out.t[:, None]
        v_known, v_at = (root_v, -1) if i == 0 else (np.zeros(t_count), -1)
        if i:
            up = parents[i]
            v_at = voltage_at[up] + kids[up].index(i) * t_count
        constant = out.offset + (out.on_v * v_known[out.t] if i == 0 else 0.0)

        def terms(rows: _Rows, first: int, which: np.ndarray, sign: float) -> None:
            r = (first + np.arange(len(which)))[:, None]
            rows.add(r, u_cols[which], sign * out.on_control[which])  # noqa: B023  called within this turn only
            rows.add(r, level_at[i] + np.arange(out.on_level.shape[1])[None, :], sign * out.on_level[which])  # noqa: B023
            rows.add(r, p_cols[which], sign * out.on_p[which])  # noqa: B023
            rows.add(r, p_cols[which] + t_count, sign * out.on_q[which])  # noqa: B023
            rows.add(r, tie_cols[which], sign * out.on_tie[which])  # noqa: B023
            if v_at >= 0:  # noqa: B023
                rows.add(r[:, 0], v_at + out.t[which], sign * out.on_v[which])  # noqa: B023

        own = np.concatenate([np.arange(2 * t_count), np.arange(hinge.stop, a_count)])
        target = np.concatenate(
            [boundary_at[i] + np.arange(2 * t_count), voltage_at[i] + np.arange(a_count - hinge.stop)]
        )
        first = eq.block(constant[own])
        own_row.append(first)
        eq.add(first + np.arange(len(own)), target, 1.0)
        terms(eq, first, own, -1.0)
        which = np.arange(hinge.start, hinge.stop)
        over = variables(len(which), 0.0, block.hinges.price, 0.0, inf)
        first = le.block(block.hinges.bound - constant[which])
        hinge_row.append(first)
        terms(le, first, which, 1.0)
        le.add(first + np.arange(len(which)), over + np.arange(len(which)), -1.0)
    a, b = eq.build(size)
    g, h = le.build(size)
    return Joined(
        quad=np.concatenate(quad),
        cost=np.concatenate(cost),
        a=a,
        b=b,
        g=g,
        h=h,
        lo=np.concatenate(lo),
        hi=np.concatenate(hi),
        control_at=tuple(control_at),
        boundary_at=tuple(boundary_at),
        own_row=tuple(own_row),
        hinge_row=tuple(hinge_row),
        blocks=blocks,
    )


def _ties_above(blocks: tuple[Block, ...], kids: list[list[int]], control_at: list[int]) -> list[list[int]]:
    """First variable of every tie that is decided above each block."""
    at: list[list[int]] = [[] for _ in blocks]
    for i, block in enumerate(blocks):
        every = at[i] + [control_at[i] + n * block.intervals for n in block.decides]
        for row, child in enumerate(kids[i]):
            at[child] = [every[place] for place in block.ties_of(row)]
    return at


def _add_stores(block: Block, control_at: int, variables, eq: _Rows, le: _Rows) -> None:  # type: ignore[no-untyped-def]
    count, t_count = block.keep.shape
    if not count:
        return
    e = variables(count * t_count, 0.0, 0.0, -np.inf, np.inf)
    at = np.arange(count * t_count).reshape(count, t_count)
    start = np.zeros((count, t_count))
    start[:, 0] = block.keep[:, 0] * block.store_start
    first = eq.block(block.add + start)
    eq.add(first + at, e + at, 1.0)
    eq.add(first + at[:, 1:], e + at[:, :-1], -block.keep[:, 1:])
    n = np.arange(len(block.gain))[:, None] * t_count + np.arange(t_count)
    eq.add(first + at[block.store_of], control_at + n, -block.gain)
    for bound, sign in ((block.store_lo, -1.0), (block.store_hi, 1.0)):
        has = np.isfinite(bound)
        over = variables(int(has.sum()), 0.0, block.store_price[has], 0.0, np.inf)
        first = le.block(sign * bound[has])
        rows = first + np.arange(int(has.sum()))
        le.add(rows, e + at[has], sign)
        le.add(rows, over + np.arange(len(rows)), -1.0)


def solve_piqp(joined: Joined, tolerance: float = 1e-8, ways: Sequence[dict[str, float]] = WAYS) -> Optimum:
    """Solve with PIQP (R. Schwan et al., "PIQP: A Proximal Interior-Point Quadratic Programming Solver", 2023).

    Its settings `ways` are tried in turn. Raises `SolverFailed` unless the solver says it solved the problem.
    """
    # variables without room are put in as numbers: an interior point method needs an interior
    free = joined.lo < joined.hi
    x = joined.lo.copy()
    x[free] = 0.0
    for way in ways:
        solver = _piqp(joined, free, x, tolerance, way)
        status = solver.solve()
        if status == piqp.PIQP_SOLVED:
            break
    else:
        raise SolverFailed(
            f"the central optimiser PIQP, tried in {len(ways)} way{'s' * (len(ways) > 1)}, last stopped with {status} "
            f"after {solver.result.info.iter} iterations"
        )
    x[free] = np.array(solver.result.x)
    return Optimum(
        x,
        joined.value(x),
        int(solver.result.info.iter),
        *_duals(joined, np.array(solver.result.y), np.array(solver.result.z_u)),
    )


def _piqp(joined: Joined, free: Bools, x: Floats, tolerance: float, way: dict[str, float]) -> piqp.SparseSolver:
    """The solver, set up for the `free` variables; the others are at `x`."""
    solver = piqp.SparseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = tolerance
    solver.settings.max_iter = MAX_ITERATIONS
    for name, value in way.items():
        setattr(solver.settings, name, value)
    b, h = joined.b - joined.a @ x, joined.h - joined.g @ x
    p = sparse.diags(joined.quad[free]).tocsc()
    a, g = joined.a[:, free], joined.g[:, free]
    solver.setup(p, joined.cost[free], a, b, g, None, h, joined.lo[free], joined.hi[free])
    return solver


def _duals(joined: Joined, y: Floats, z: Floats) -> tuple[tuple[Floats, ...], ...]:
    """Prices of boundary power, hinges and voltages handed down: multipliers of the rows that define them."""
    boundary, hinge, voltage = [], [], []
    for block, own, le in zip(joined.blocks, joined.own_row, joined.hinge_row, strict=True):
        t_count, ports = block.intervals, block.children * block.intervals
        boundary.append(-y[own : own + 2 * t_count].reshape(2, -1))
        voltage.append(-y[own + 2 * t_count : own + 2 * t_count + ports].reshape(block.children, t_count))
        hinge.append(z[le : le + len(block.hinges.bound)])
    return tuple(boundary), tuple(hinge), tuple(voltage)
