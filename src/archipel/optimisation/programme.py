"""A linear programme put together piece by piece, each piece named, and solved by PIQP (where that creeps, HiGHS).

    minimise  c' x   subject to  A x = b,  G x <= h,  lo <= x <= hi

Rows are opened first and filled later: who brings new variables says what they do to rows that are there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import piqp
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from archipel.model import Floats, Ints, SolverFailed

WAYS: tuple[dict[str, Any], ...] = ({}, {"rho_init": 1e-4, "delta_init": 1e-3})
"""Settings of PIQP, tried in turn."""
TOLERANCE = 1e-8
MAX_ITERATIONS = 80
LOOSE = 2e-3
"""How far beyond a row of G an answer may be, in the row's unit."""
LARGE = 5_000
"""Variables from which on HiGHS, whose simplex method gains from sparsity, is asked first."""
ROUND = 1e-10
"""Curvature that keeps the answer unique where the programme leaves it open, as a share of the costs."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """An optimum."""

    x: Floats
    value: float
    """Of the linear objective."""
    price: Floats
    """Of every row of G: by how much the objective falls per unit of its right-hand side, non-negative."""
    by: str = "PIQP"
    """Who found it."""


@final
class Programme:
    """The programme under construction. Copies share nothing: `copy` before adding what is only tried."""

    def __init__(self) -> None:
        self.size = 0
        self._lo: list[Floats] = []
        self._hi: list[Floats] = []
        self._cost: list[Floats] = []
        self._rhs: dict[str, list[Floats]] = {"eq": [], "le": []}
        self._triplets: dict[str, list[tuple[Ints, Ints, Floats]]] = {"eq": [], "le": []}
        self._count = {"eq": 0, "le": 0}

    def copy(self) -> Programme:
        """Another programme that begins as this one."""
        other = Programme()
        other.size = self.size
        other._lo, other._hi, other._cost = list(self._lo), list(self._hi), list(self._cost)
        other._rhs = {k: list(v) for k, v in self._rhs.items()}
        other._triplets = {k: list(v) for k, v in self._triplets.items()}
        other._count = dict(self._count)
        return other

    def count(self, kind: str) -> int:
        """Rows so far, `kind` "eq" or "le"."""
        return self._count[kind]

    def add(self, lo: Floats | float, hi: Floats | float, cost: Floats | float, count: int | None = None) -> Ints:
        """New variables; returns their numbers, in the shape of `lo` (or (count,))."""
        shape = np.shape(lo) if count is None else (count,)
        n = int(np.prod(shape))
        for store, value in ((self._lo, lo), (self._hi, hi), (self._cost, cost)):
            store.append(np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel())
        self.size += n
        return np.arange(self.size - n, self.size).reshape(shape)

    def rows(self, kind: str, rhs: Floats) -> Ints:
        """New rows, `kind` "eq" or "le"; returns their numbers."""
        rhs = np.asarray(rhs, dtype=np.float64).ravel()
        first = self._count[kind]
        self._rhs[kind].append(rhs)
        self._count[kind] += len(rhs)
        return np.arange(first, first + len(rhs))

    def fill(self, kind: str, row: NDArray[Any], col: NDArray[Any], value: NDArray[Any] | float) -> None:
        """Entries of the left-hand side, added to what is there; shapes are broadcast."""
        r, c, v = (np.ravel(x) for x in np.broadcast_arrays(row, col, value))
        keep = v != 0.0
        self._triplets[kind].append((r[keep].astype(np.int64), c[keep].astype(np.int64), v[keep].astype(np.float64)))

    def matrix(self, kind: str) -> tuple[sparse.csc_matrix, Floats]:
        """The left-hand side, and the right-hand side."""
        parts = self._triplets[kind]
        row, col, value = (np.concatenate([p[i] for p in parts]) if parts else np.zeros(0) for i in range(3))
        shape = (self._count[kind], self.size)
        rhs = np.concatenate(self._rhs[kind]) if self._rhs[kind] else np.zeros(0)
        return sparse.csc_matrix((value, (row.astype(np.int64), col.astype(np.int64))), shape=shape), rhs

    @property
    def lo(self) -> Floats:
        """Lower bounds, (size,)."""
        return np.concatenate(self._lo) if self._lo else np.zeros(0)

    @property
    def hi(self) -> Floats:
        """Upper bounds, (size,)."""
        return np.concatenate(self._hi) if self._hi else np.zeros(0)

    @property
    def cost(self) -> Floats:
        """Costs, (size,)."""
        return np.concatenate(self._cost) if self._cost else np.zeros(0)

    def solve(self, near: tuple[Ints, Floats, float] | None = None) -> Found:
        """The optimum by PIQP (R. Schwan et al., 2023).

        `near` are variables, values, and what a square of the distance to them costs (half of it): of answers that cost
        the same the nearest. The value is told without it.

        Raises:
            SolverFailed: no optimum was found; a programme without an answer is one cause.
        """
        if self.size > LARGE:
            return self._simplex(near, "not tried")
        lo, hi, cost = self.lo, self.hi, self.cost
        a, b = self.matrix("eq")
        g, h = self.matrix("le")
        free = hi - lo > 1e-9
        x = np.zeros(self.size)
        x[~free] = 0.5 * (lo[~free] + hi[~free])
        b, h = b - a @ x, h - g @ x
        a, g = a[:, free], g[:, free]
        keep_a, keep_g = np.diff(a.tocsr().indptr) > 0, np.diff(g.tocsr().indptr) > 0
        if (np.abs(b[~keep_a]) > 1e-6).any() or (h[~keep_g] < -1e-6).any():
            raise SolverFailed("a limit is broken by what cannot be chosen at all")
        price = np.zeros(len(h))
        if not free.any():
            return Found(x, float(cost @ x), price)
        scale = max(float(np.abs(cost[free]).max(initial=0.0)), 1e-12)
        curve, pull = np.full(self.size, ROUND), cost / scale
        if near is not None:
            np.add.at(curve, near[0], near[2] / scale)
            np.add.at(pull, near[0], -near[2] / scale * near[1])
        status = None
        for way in WAYS:
            solver = piqp.SparseSolver()
            solver.settings.eps_abs = solver.settings.eps_rel = TOLERANCE
            solver.settings.max_iter = MAX_ITERATIONS
            for name, value in way.items():
                setattr(solver.settings, name, value)
            solver.setup(
                sparse.diags(curve[free]).tocsc(),
                *(pull[free], a[keep_a], b[keep_a], g[keep_g], None, h[keep_g], lo[free], hi[free]),
            )
            status = solver.solve()
            if status == piqp.PIQP_SOLVED:
                break
            if status == piqp.PIQP_PRIMAL_INFEASIBLE:
                raise SolverFailed("nothing keeps all of these limits")
        else:
            return self._simplex(near, status)
        x[free] = np.array(solver.result.x)
        over = float((g @ x[free] - h).max(initial=0.0))
        if over > LOOSE:
            return self._simplex(near, status)
        price[keep_g] = np.maximum(np.array(solver.result.z_u), 0.0) * scale
        return Found(x, float(cost @ x), price)

    def _simplex(self, near: object, status: object) -> Found:
        """The optimum by HiGHS (in SciPy), where PIQP creeps: without the square of a distance.

        Raises:
            SolverFailed: HiGHS finds none either.
        """
        del near
        a, b = self.matrix("eq")
        g, h = self.matrix("le")
        bounds = np.column_stack([self.lo, self.hi])
        answer = linprog(self.cost, A_ub=g, b_ub=h, A_eq=a, b_eq=b, bounds=bounds, method="highs")
        if answer.status == 2:
            raise SolverFailed("nothing keeps all of these limits")
        if answer.status != 0:
            raise SolverFailed(f"PIQP, tried in {len(WAYS)} ways, stopped with {status}, HiGHS with: {answer.message}")
        return Found(np.asarray(answer.x), float(answer.fun), np.maximum(-answer.ineqlin.marginals, 0.0), "HiGHS")
