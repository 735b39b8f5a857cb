"""One block by itself, with a quadratic term on its boundary: what a cell minimises in an alternating method.

    minimise  f(u, x) + linear . x + 1/2 rho . x^2        x: (P, Q, v) of every tie, the one upwards first

What drives the block from outside (powers of the children, voltage at the own boundary) is free here, between given
ends: it becomes further controls. Of a child that is held the powers are given. PIQP solves it: 0.5 ms for a cell of
5 controls and 8 intervals, set up once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import piqp
from scipy import sparse

from archipel.model import Floats
from archipel.optimisation.block import Block
from archipel.optimisation.central import join

TOLERANCE = {True: 1e-8, False: 1e-6}
"""Of PIQP with a quadratic term and without: there it creeps below 1e-7."""
NEARLY = 1e-4
"""Residuals with which a bound is still one; what they may hide is taken off it."""
MOST = 100
"""Iterations of PIQP; it takes about 12."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Ends between which boundary quantities surely lie: powers (children, 2, T), voltage (T,)."""

    pq_lo: Floats
    pq_hi: Floats
    v_lo: Floats
    v_hi: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A minimum."""

    u: Floats
    """Controls (N, T), inside their bounds."""
    x: Floats
    """Boundary quantities (ties, 3, T): P, Q [kW, kvar], v [pu]."""
    bound: float
    """What the minimum is at least, by the dual of it [EUR]; the `stiff` term of the block counts from its anchor."""


@final
class Proximal:
    """The problem of one cell. `upstream` is price (2, T) and voltage (T,) for the root, None for all others."""

    def __init__(
        self, block: Block, upstream: tuple[Floats, Floats] | None, ranges: Ranges, held: tuple[int, ...] = ()
    ):
        t_count, kids, n = block.intervals, block.children, len(block.lo)
        out = block.outputs
        rows = [block.lo, ranges.pq_lo[:, 0], ranges.pq_lo[:, 1]]
        tops = [block.hi, ranges.pq_hi[:, 0], ranges.pq_hi[:, 1]]
        effects = [out.on_control, out.on_p, out.on_q]
        if upstream is None:
            rows, tops, effects = [*rows, ranges.v_lo[None]], [*tops, ranges.v_hi[None]], [*effects, out.on_v[:, None]]
        lo = np.concatenate(rows)
        more = np.zeros((len(lo) - n, t_count))
        none = np.zeros((len(out.t), 0))
        alone = replace(
            block,
            lo=lo,
            hi=np.concatenate(tops),
            cost=np.concatenate([block.cost, more]),
            quad=np.concatenate([block.quad, more]),
            stiff=np.concatenate([block.stiff, more]),
            anchor=np.concatenate([block.anchor, more]),
            outputs=replace(
                out,
                on_control=np.concatenate(effects, axis=1),
                on_p=none,
                on_q=none,
                on_v=0.0 * out.on_v if upstream is None else out.on_v,
            ),
        )
        price, v_pu = (np.zeros((2, t_count)), np.zeros(t_count)) if upstream is None else upstream
        self._joined = joined = join((alone,), [-1], price, v_pu)
        first, ts = joined.control_at[0], np.arange(t_count)
        volts = first + lo.size
        ties = [
            [first + (n + k) * t_count + ts, first + (n + kids + k) * t_count + ts, volts + k * t_count + ts]
            for k in range(kids)
        ]
        if upstream is None:
            own = joined.boundary_at[0]
            ties.insert(0, [own + ts, own + t_count + ts, first + (len(lo) - 1) * t_count + ts])
        self._at = np.array(ties, dtype=np.int64).reshape(-1, 3, t_count)
        self._block, self._held = block, held
        self._held_at = self._at[[k + len(self._at) - kids for k in held], :2]
        self._free = joined.lo < joined.hi
        self._free[self._held_at] = False
        self._shift = float((0.5 * block.stiff * block.anchor**2).sum())
        self._solvers: dict[bool, tuple[Floats, Any]] = {}

    def minimise(self, linear: Floats, rho: Floats, held_pq: Floats | None = None) -> Found | None:
        """`linear` and `rho` (ties, 3, T); `held_pq` (children, 2, T) where children are held. None when PIQP fails."""
        joined, free = self._joined, self._free
        cost, quad = joined.cost.copy(), joined.quad.copy()
        cost[self._at] += linear
        quad[self._at] += rho
        x = np.where(free, 0.0, joined.lo)
        if held_pq is not None:
            x[self._held_at] = held_pq[list(self._held)]
        b, h = joined.b - joined.a @ x, joined.h - joined.g @ x
        smooth = bool(rho.any())
        known = self._solvers.get(smooth)
        if known is None or not np.array_equal(known[0], rho):
            solver = piqp.SparseSolver()
            solver.settings.eps_abs = solver.settings.eps_rel = TOLERANCE[smooth]
            solver.settings.max_iter = MOST
            p = sparse.diags(quad[free]).tocsc()
            a, g = joined.a[:, free], joined.g[:, free]
            solver.setup(p, cost[free], a, b, g, None, h, joined.lo[free], joined.hi[free])
            self._solvers[smooth] = (rho.copy(), solver)
        else:
            solver = known[1]
            solver.update(c=cost[free], b=b, h_u=h)
        solved = solver.solve() == piqp.PIQP_SOLVED
        info = solver.result.info
        if not solved and (smooth or max(info.primal_res, info.dual_res) > NEARLY):
            return None
        constant = float(cost @ x + 0.5 * quad @ (x * x)) + self._shift
        x[free] = np.array(solver.result.x)
        block, first = self._block, joined.control_at[0]
        u = np.clip(x[first : first + block.lo.size].reshape(block.lo.shape), block.lo, block.hi)
        short = abs(info.duality_gap) + 2.0 * info.dual_res * np.abs(x[free]).sum()
        return Found(u, x[self._at], float(info.dual_obj + constant - short))


def reach(block: Block, ranges: Ranges) -> tuple[Floats, Floats]:
    """Least and greatest value of every output (A,) over all controls, children's powers and boundary voltages."""
    out, t = block.outputs, block.outputs.t
    low = high = out.offset
    pairs = [(out.on_control, block.lo[:, t].T, block.hi[:, t].T)]
    for i, effect in enumerate((out.on_p, out.on_q)):
        pairs.append((effect, ranges.pq_lo[:, i, t].T, ranges.pq_hi[:, i, t].T))
    pairs.append((out.on_v[:, None], ranges.v_lo[t, None], ranges.v_hi[t, None]))
    for effect, lo, hi in pairs:
        low = low + np.minimum(effect * lo, effect * hi).sum(axis=1)
        high = high + np.maximum(effect * lo, effect * hi).sum(axis=1)
    return low, high
