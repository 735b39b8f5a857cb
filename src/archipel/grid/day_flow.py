"""A day of AC power flow at one position of the switches, as the cells' meters would tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.grid.branch_model import BASE_KVA
from archipel.grid.power_flow import PowerFlow
from archipel.grid.topology import branch_ends
from archipel.model import Floats, Grid


@final
@dataclass(frozen=True, slots=True, eq=False)
class DayFlow:
    """One day, or any number T of intervals of equal length."""

    losses_kwh: Floats
    """Energy lost in every branch, shape (branches,)."""
    current: NDArray[np.complex64]
    """Current through every branch from its from to its to end [pu], shape (branches, T).

    Against the voltage at that place, (P - jQ) / |V|: an ordinary meter knows it, no synchronised clock is needed.
    """
    v_pu_min: Floats
    v_pu_max: Floats
    """Lowest and highest voltage of the day, shape (nodes,); 0 at nodes that nothing feeds."""
    loading: Floats
    """Highest current of the day over the source's limit, shape (branches,)."""

    @property
    def lost_kwh(self) -> float:
        """Energy lost in the whole network."""
        return float(self.losses_kwh.sum())


def day_flow(grid: Grid, p_kw: Floats, q_kvar: Floats, dt_h: float) -> DayFlow:
    """Solve every interval; nodes draw `p_kw`, `q_kvar`, shape (nodes, T), whatever the voltage.

    Raises Diverged where the power flow has no answer.
    """
    branches, steps = len(grid.branch_id), p_kw.shape[1]
    ends = branch_ends(grid)
    at = np.stack([ends.from_node, ends.to_node])
    current = np.zeros((branches, steps), dtype=np.complex64)
    losses, loading = np.zeros(branches), np.zeros(branches)
    low, high = np.full(len(grid.nodes), np.inf), np.zeros(len(grid.nodes))
    for t, flow in enumerate(PowerFlow(grid).solve_all(p_kw, q_kvar)):
        power = (flow.branch_p_kw - 1j * flow.branch_q_kvar) / BASE_KVA
        v = np.maximum(flow.v_pu[at], 1e-6)
        # a line that is open at one end only charges, and carries nothing through
        current[:, t] = 0.5 * (power[0] / v[0] - power[1] / v[1])
        losses += flow.branch_p_kw.sum(axis=0) * dt_h
        np.maximum(loading, flow.loading, out=loading)
        np.minimum(low, flow.v_pu, out=low)
        np.maximum(high, flow.v_pu, out=high)
    return DayFlow(losses, current, low, high, loading)
