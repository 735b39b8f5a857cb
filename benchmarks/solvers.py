"""Doors to central solvers, all for the same joined problem at the same tolerance, one thread each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import clarabel
import highspy
import numpy as np
import piqp
from scipy import sparse

from archipel.model import Floats
from archipel.optimisation.central import MAX_ITERATIONS, Joined

TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a solver says."""

    status: str
    """`solved`, or its own word for what happened instead."""
    x: Floats
    iterations: int
    primal_residual: float
    dual_residual: float
    """By its own measure."""


def infeasibility(joined: Joined, x: Floats) -> float:
    """Largest violation of any row or bound."""
    rows = np.abs(joined.a @ x - joined.b).max(initial=0.0)
    beyond = max((joined.g @ x - joined.h).max(initial=0.0), (joined.lo - x).max(), (x - joined.hi).max())
    return float(max(rows, beyond))


def _piqp(backend: str) -> Callable[[Joined], Answer]:
    def solve(joined: Joined) -> Answer:
        free = joined.lo < joined.hi
        x = np.where(free, 0.0, joined.lo)
        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = TOLERANCE
        solver.settings.max_iter = MAX_ITERATIONS
        solver.settings.kkt_solver = getattr(piqp.KKTSolver, backend)
        b, h = joined.b - joined.a @ x, joined.h - joined.g @ x
        p = sparse.diags(joined.quad[free]).tocsc()
        a, g = joined.a[:, free], joined.g[:, free]
        solver.setup(p, joined.cost[free], a, b, g, None, h, joined.lo[free], joined.hi[free])
        status, info = solver.solve(), solver.result.info
        x[free] = np.array(solver.result.x)
        words = "solved" if status == piqp.PIQP_SOLVED else str(status)
        return Answer(words, x, int(info.iter), float(info.primal_res), float(info.dual_res))

    return solve


def answer_clarabel(joined: Joined, tolerance: float = TOLERANCE) -> Answer:
    """Clarabel's, with one thread."""
    n = len(joined.cost)
    lo, hi = np.isfinite(joined.lo), np.isfinite(joined.hi)
    one = sparse.eye(n, format="csr")
    rows = sparse.vstack([joined.a, joined.g, -one[lo], one[hi]], format="csc")
    rhs = np.concatenate([joined.b, joined.h, -joined.lo[lo], joined.hi[hi]])
    cones = [clarabel.ZeroConeT(len(joined.b)), clarabel.NonnegativeConeT(len(rhs) - len(joined.b))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_rel = settings.tol_gap_abs = settings.tol_feas = tolerance
    found = clarabel.DefaultSolver(sparse.diags(joined.quad).tocsc(), joined.cost, rows, rhs, cones, settings).solve()
    words = "solved" if str(found.status) == "Solved" else str(found.status)
    return Answer(words, np.array(found.x), int(found.iterations), float(found.r_prim), float(found.r_dual))


def _highs(method: str) -> Callable[..., Answer]:
    def solve(joined: Joined, tolerance: float = TOLERANCE) -> Answer:
        # without its extras HiGHS takes another solver silently, and that one does not get anywhere
        if method == "hipo" and importlib.util.find_spec("highspy_extras") is None:
            return Answer("highspy-extras is not installed", np.zeros(len(joined.cost)), 0, np.nan, np.nan)
        model = highspy.HighsModel()
        matrix = sparse.vstack([joined.a, joined.g], format="csc")
        lp = model.lp_
        lp.num_col_, lp.num_row_ = len(joined.cost), matrix.shape[0]
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = joined.cost, joined.lo, joined.hi
        lp.row_lower_ = np.concatenate([joined.b, np.full(len(joined.h), -np.inf)])
        lp.row_upper_ = np.concatenate([joined.b, joined.h])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        if method == "hipo":
            n = len(joined.cost)
            model.hessian_.dim_ = n
            model.hessian_.format_ = highspy.HessianFormat.kTriangular
            model.hessian_.start_, model.hessian_.index_ = np.arange(n + 1), np.arange(n)
            model.hessian_.value_ = joined.quad
        highs = highspy.Highs()
        highs.silent()
        highs.setOptionValue("solver", method)
        highs.setOptionValue("threads", 1)
        for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance", "ipm_optimality_tolerance"):
            highs.setOptionValue(name, tolerance)
        highs.passModel(model)
        highs.run()
        info, status = highs.getInfo(), highs.getModelStatus()
        words = "solved" if status == highspy.HighsModelStatus.kOptimal else str(status)
        x = np.array(highs.getSolution().col_value)
        return Answer(
            words, x, int(info.ipm_iteration_count), info.max_primal_infeasibility, info.max_dual_infeasibility
        )

    return solve


answer_highs_linear = _highs("ipm")
"""Of the linear part alone: HiGHS' interior point takes no quadratic costs."""
PIQP_BACKENDS = ("sparse_ldlt", "sparse_ldlt_eq_cond", "sparse_ldlt_ineq_cond", "sparse_ldlt_cond", "sparse_multistage")
SOLVERS: dict[str, Callable[[Joined], Answer]] = {
    **{f"PIQP {name}": _piqp(name) for name in PIQP_BACKENDS},
    "Clarabel": answer_clarabel,
    "HiGHS HiPO": _highs("hipo"),
}
