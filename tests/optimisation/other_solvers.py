"""The joined problem handed to two solvers that share nothing with ours or with PIQP."""

from __future__ import annotations

import clarabel
import highspy
import numpy as np
from scipy import sparse

from archipel.model import Floats
from archipel.optimisation.central import Joined


def clarabel_value(joined: Joined) -> float:
    """Optimal value by Clarabel."""
    return joined.value(_clarabel(joined)[0])


def clarabel_boundary_prices(joined: Joined) -> list[Floats]:
    """Price of every block's (P, Q) by Clarabel, (2, T) each: multipliers of the rows that define them."""
    z = _clarabel(joined)[1]
    sizes = [2 * block.intervals for block in joined.blocks]
    return [-z[row : row + size].reshape(2, -1) for row, size in zip(joined.own_row, sizes, strict=True)]


def _clarabel(joined: Joined) -> tuple[Floats, Floats]:
    """Optimum and multipliers (of A first)."""
    n = len(joined.cost)
    low, high = np.flatnonzero(np.isfinite(joined.lo)), np.flatnonzero(np.isfinite(joined.hi))
    one = sparse.identity(n, format="csr")
    a = sparse.vstack([joined.a, joined.g, -one[low], one[high]], format="csc")
    b = np.concatenate([joined.b, joined.h, -joined.lo[low], joined.hi[high]])
    cones = [clarabel.ZeroConeT(len(joined.b)), clarabel.NonnegativeConeT(len(b) - len(joined.b))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    settings.max_threads = 1
    quad = sparse.diags(joined.quad).tocsc()
    found = clarabel.DefaultSolver(quad, joined.cost, a, b, cones, settings).solve()
    assert str(found.status) == "Solved", found.status
    return np.array(found.x), np.array(found.z)


def highs_value(joined: Joined) -> float:
    """Optimal value by HiGHS, of the linear problem (its quadratic solver is not made for problems of this size)."""
    assert not joined.quad.any()
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(joined.cost), len(joined.b) + len(joined.h)
    model.col_cost_, model.col_lower_, model.col_upper_ = joined.cost, joined.lo, joined.hi
    model.row_lower_ = np.concatenate([joined.b, np.full(len(joined.h), -highspy.kHighsInf)])
    model.row_upper_ = np.concatenate([joined.b, joined.h])
    rows = sparse.vstack([joined.a, joined.g], format="csc")
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        solver.setOptionValue(name, 1e-9)
    solver.passModel(model)
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal, solver.getModelStatus()
    return float(joined.cost @ np.array(solver.getSolution().col_value))


def gross(joined: Joined, x: Floats) -> float:
    """Sum of |price x energy| at the root."""
    at = joined.boundary_at[0]
    size = joined.blocks[0].intervals
    return float(np.abs(joined.cost[at : at + size] * x[at : at + size]).sum())
