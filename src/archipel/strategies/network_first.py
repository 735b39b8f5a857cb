"""How far devices may be moved around what cells agreed before a limit of the network is met.

In a radial network more power drawn anywhere lowers every voltage, and the current of a branch is largest where all
below it draw most or least. So what all movable devices can do lies between two corners: all at their least, all at
their most (W. H. Kersting, Distribution System Modeling and Analysis, CRC Press, 2002, on radial flows). Both are tried
by AC power flow in steps of the devices' reach; a cell takes the largest step that its own network bears, the area the
largest that the network above the cells bears.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.cell.parts import Parts
from archipel.grid.power_flow import Flow, PowerFlow
from archipel.model import Bools, Floats
from archipel.strategies.pool_member import Reach

STEPS = np.linspace(0.0, 1.0, 6)
MARGIN_V_PU, MARGIN_LOADING = 0.0005, 0.002
"""What stays between a corner and a limit: reactive power follows voltage a little, and forecasts are not exact."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Bears:
    """Whether each step is borne, shape (steps,) and (cells, steps)."""

    above: Bools
    cell: Bools


@final
class NetworkFirst:
    """The network's word on what may be asked."""

    def __init__(self, parts: Parts) -> None:
        scenario = parts.scenario
        self._scenario, self._flow = scenario, PowerFlow(scenario.grid)
        self._cell = scenario.device_cell
        self._node_cell = scenario.archipelago.node_cell
        self._branch_cell = np.zeros(len(scenario.grid.branch_id), dtype=np.int64)
        for i, site in enumerate(parts.sites):
            self._branch_cell[site.network.branches] = i
        parents = set(parts.parents)
        self._leaf = np.array([i not in parents for i in range(len(parts.sites))])

    def within(self, reach: Reach) -> Reach:
        """The same reach, cut where the network would not bear all of it."""
        return replace(
            reach,
            low_kw=reach.expected_kw + self._part(reach, reach.low_kw) * (reach.low_kw - reach.expected_kw),
            high_kw=reach.expected_kw + self._part(reach, reach.high_kw) * (reach.high_kw - reach.expected_kw),
        )

    def _part(self, reach: Reach, end_kw: Floats) -> Floats:
        """Share of the way to this end that is borne, for every device."""
        if np.array_equal(end_kw, reach.expected_kw):
            return np.ones(len(end_kw))
        p_kw = reach.expected_kw[:, None] + (end_kw - reach.expected_kw)[:, None] * STEPS
        flows = list(self._flow.solve_all(self._at_nodes(p_kw), self._at_nodes(reach.q_kvar[:, None] + 0.0 * STEPS)))
        bears = self._judged(flows)
        above = _last(bears.above[None])[0]
        return np.asarray(STEPS[np.minimum(_last(bears.cell), above)][self._cell])

    def _at_nodes(self, power: Floats) -> Floats:
        nodes = np.zeros((len(self._node_cell), power.shape[1]))
        np.add.at(nodes, self._scenario.device_node, power)
        return nodes

    def _judged(self, flows: list[Flow]) -> _Bears:
        """A limit that is broken with nothing moved is not the movers' doing: they may not make it worse."""
        nodes, connection = self._scenario.grid.nodes, self._scenario.connection
        v = np.stack([flow.v_pu for flow in flows], axis=1)
        loading = np.stack([flow.loading for flow in flows], axis=1)
        upstream = np.array([flow.upstream_p_kw for flow in flows])
        high = np.maximum(nodes.v_pu_max - MARGIN_V_PU, v[:, 0])[:, None]
        low = np.minimum(nodes.v_pu_min + MARGIN_V_PU, v[:, 0])[:, None]
        node_ok = (v <= high + 1e-9) & (v >= low - 1e-9) | (v == 0.0)
        branch_ok = loading <= np.maximum(1.0 - MARGIN_LOADING, loading[:, 0])[:, None] + 1e-9
        firm = (upstream <= max(connection.import_kw_max, upstream[0]) + 1e-6) & (
            upstream >= min(-connection.export_kw_max, upstream[0]) - 1e-6
        )
        cell = np.ones((len(self._leaf), len(flows)), dtype=bool)
        np.logical_and.at(cell, self._node_cell, node_ok)
        np.logical_and.at(cell, self._branch_cell, branch_ok)
        return _Bears(firm & cell[~self._leaf].all(axis=0), np.where(self._leaf[:, None], cell, True))


def _last(borne: Bools) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Row by row the last step up to which all are borne."""
    return np.asarray(np.cumprod(borne, axis=-1).sum(axis=-1) - 1)
