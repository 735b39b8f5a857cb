"""The optimum of one interval of the local energy market, and which of several equal optima is taken.

columns: bids (alike ones together), upstream, then every tie downwards, then every tie upwards
rows:    one balance per cell
"""

from __future__ import annotations

import numpy as np
import piqp
from scipy import sparse
from scipy.optimize import linprog

from archipel.model import Bools, Floats, SolverFailed

SAME_EUR = 1e-10
"""A reduced cost below this is none: the column may be moved at no cost."""
EVEN = (1e-10, 1e-8)
"""Tolerances of the even spread, tried in turn."""
FAR = 10.0
"""A limit this many times above all that is bid is none."""
CIRCLE_KW = 1e-6
"""Power both ways over a tie above this is a circle."""


def solve(cost: Floats, balance: sparse.csc_array, most: Floats, *, ties: int, bids: int) -> tuple[Floats, Floats]:
    """(x, duals of the balances): least cost, evenly spread over bids of equal price; no tie carries both ways at once.

    With losses and a negative price, sending power in a circle to lose it would pay. A tie that would do so is bound to
    the way of its net flow, and the problem solved again; at prices above zero this never happens.

    Args:
        cost: of every column, shape (columns,).
        balance: shape (cells, columns).
        most: upper bound of every column; the lower is zero.
        ties: Number of ties T; the last 2 T columns are theirs.
        bids: Number of columns, from the first, that are bids.

    Raises:
        SolverFailed: HiGHS, or PIQP for the spread, found no optimum.
    """
    most = most.copy()
    first = len(cost) - 2 * ties
    while True:
        found = _least_cost(cost, balance, most)
        x = np.asarray(found.x)
        loose = np.abs(found.lower.marginals + found.upper.marginals) <= SAME_EUR
        if (loose[:bids] & (most[:bids] > 0)).sum() > 1:
            x = _spread(balance, most, x, loose, bids)
        down, up = x[first : first + ties], x[first + ties :]
        circle = np.minimum(down, up) > CIRCLE_KW
        if not circle.any():
            return x, np.asarray(found.eqlin.marginals)
        most[first:][np.concatenate([circle & (down < up), circle & (down >= up)])] = 0.0


def _least_cost(cost: Floats, balance: sparse.csc_array, most: Floats):  # type: ignore[no-untyped-def]
    bounds = np.column_stack([np.zeros(len(most)), most])
    found = linprog(cost, A_eq=balance, b_eq=np.zeros(balance.shape[0]), bounds=bounds, method="highs-ds")
    if found.status != 0:
        raise SolverFailed(f"local market: HiGHS found no optimum ({found.message}). Check limits and prices.")
    return found


def _spread(balance: sparse.csc_array, most: Floats, x: Floats, loose: Bools, bids: int) -> Floats:
    """Of all optima the one with the least sum over bids of accepted^2 / (2 size) - 2 accepted.

    At fixed volume that is the same share for all; and no bid's last kW is worth nothing, so more volume is better.

    The optima are all points with the columns of a reduced cost where they are (O. L. Mangasarian, "A simple
    characterization of solution sets of convex programs", Operations Research Letters 7, 1988).
    """
    rows = np.flatnonzero(loose & (most > 0))
    size, mine = most[rows], rows < bids
    # all in parts of the largest bid, so that the tolerance means the same in a street and in a country
    unit = float(most[:bids][loose[:bids]].max())
    quad = np.where(mine, unit / np.where(mine, size, 1.0), 0.0)
    linear = np.where(mine, -2.0, 0.0)
    part = sparse.csc_matrix(balance[:, rows])
    rest = -(balance @ np.where(np.isin(np.arange(len(x)), rows), 0.0, x)) / unit
    # a limit far above all that is bid never binds, and a number far above all others spoils the solver's scaling
    top = np.where(size > FAR * float(most[:bids].sum()), np.inf, size / unit)
    for tolerance in EVEN:
        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = tolerance
        solver.setup(sparse.diags(quad).tocsc(), linear, part, rest, None, None, None, np.zeros(len(rows)), top)
        if solver.solve() == piqp.PIQP_SOLVED:
            break
    else:
        raise SolverFailed("local market: PIQP found no even spread over bids of equal price. Check limits and prices.")
    spread = x.copy()
    spread[rows] = np.clip(np.array(solver.result.x) * unit, 0.0, size)
    return spread
