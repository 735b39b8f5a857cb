"""What one more kilowatt drawn at a node adds to the losses of the network, at a solved AC state.

With all powers as functions of the voltages x outside the source, S(x) = drawn, and P_up(x) what the source gives,

    dP_up/dp = -J^-T (dP_up/dx),      J = dS_injected/dx,      d losses / dp_n = dP_up/dp_n - 1

One sparse factorisation of J per quarter hour gives the factors of all nodes (the adjoint of the power flow).

Source:
    F. C. Schweppe et al., "Spot Pricing of Electricity", Kluwer, 1988, appendix A; derivatives of S in polar voltages:
    R. D. Zimmerman, "AC power flows, generalized OPF costs and their derivatives", MATPOWER Technical Note 2, 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from archipel.grid.branch_model import BASE_KVA, Complexes, branch_model, shunt_admittance
from archipel.grid.power_flow import PowerFlow
from archipel.grid.topology import branch_ends, fused, live_points
from archipel.model import Floats, Grid


def loss_factors(grid: Grid, p_kw: Floats, q_kvar: Floats) -> Floats:
    """d losses / dp of every node [kW per kW drawn], shape (nodes, S).

    Args:
        grid: The network; nodes that the source does not reach have the factor 0.
        p_kw: Drawn at every node, shape (nodes, S).
        q_kvar: The same of reactive power; it stands still when a node draws more.

    Raises:
        Diverged: there is no power flow of some quarter hour.
    """
    point = fused(grid)
    reached = live_points(grid, point)
    y, slack = _admittance(grid, point), int(point[grid.source.node])
    free = np.flatnonzero(reached & (np.arange(len(reached)) != slack))
    out = np.zeros(p_kw.shape)
    first = np.zeros(len(reached), dtype=np.int64)
    first[point[::-1]] = np.arange(len(point))[::-1]
    for k, flow in enumerate(PowerFlow(grid).solve_all(p_kw, q_kvar)):
        v = (flow.v_pu * np.exp(1j * flow.v_angle))[first]
        of_point = np.zeros(len(reached))
        of_point[free] = _upstream_per_drawn(y, v, slack, free) - 1.0
        out[:, k] = of_point[point]
    return out


def _admittance(grid: Grid, point: Any) -> Any:
    branch, ends = branch_model(grid), branch_ends(grid)
    a, b = point[ends.from_node], point[ends.to_node]
    earthed = point[grid.shunts.node]
    value = np.concatenate([branch.ff, branch.ft, branch.tf, branch.tt, shunt_admittance(grid)])
    at = (np.concatenate([a, a, b, b, earthed]), np.concatenate([a, b, a, b, earthed]))
    count = int(point.max(initial=-1)) + 1
    return sparse.csr_array((value, at), (count, count)) * (1000.0 / BASE_KVA)


def _upstream_per_drawn(y: Any, v: Complexes, slack: int, free: Any) -> Floats:
    """dP_up / dp drawn at the free points."""
    current = y @ v
    at_v, unit = sparse.diags_array(v), np.where(np.abs(v) > 0, v / np.where(v == 0, 1, np.abs(v)), 0)
    by_angle = (1j * at_v @ (sparse.diags_array(current) - y @ at_v).conj()).tocsr()
    by_size = (at_v @ (y @ sparse.diags_array(unit)).conj() + sparse.diags_array(np.conj(current) * unit)).tocsr()
    into = sparse.hstack([by_angle[:, free], by_size[:, free]]).tocsr()
    jacobian = sparse.vstack([into[free].real, into[free].imag]).tocsc()
    towards = np.asarray(into[[slack]].real.todense()).ravel()
    return np.asarray(-splu(jacobian).solve(towards, trans="T")[: len(free)])
