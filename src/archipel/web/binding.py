"""Which limits bind near a place: branches on the way to the source, nodes at their voltage, the connection."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Scenario
from archipel.web.area_of import branch_cell
from archipel.web.card_signals import DEAD_V_PU
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import Reason
from archipel.web.paths import Paths

NEAR_LOADING, NEAR_V_PU, NEAR_SHARE = 0.006, 0.0012, 0.006
"""A plan keeps its margin from every limit; so much further away a limit still counts as binding."""
MOST = 3
"""Branches or nodes told of, the nearest to their limits."""


@final
class Binding:
    """Finds them in frames of a scenario."""

    def __init__(self, scenario: Scenario, builder: FrameBuilder) -> None:
        self._scenario, self._builder = scenario, builder
        self.paths = Paths(scenario)
        self._branch_cell = branch_cell(scenario)
        self._cell = [cell.id for cell in scenario.archipelago.cell]
        self._margin = (scenario.margin_loading + NEAR_LOADING, scenario.margin_v_pu + NEAR_V_PU)

    def branches(self, values: NDArray[np.float32], node: int) -> list[Reason]:
        """Branches at their limit between a node and the source, the fullest first."""
        loading = self._builder.column(values, "branches", "loading")
        full = [b for b in self.paths.branches_of(node) if loading[b] >= 1.0 - self._margin[0]]
        full.sort(key=lambda b: -loading[b])
        names = self._scenario.grid.branch_id
        return [
            Reason(
                rule="limit",
                text=f"{names[b]} in {self._cell[self._branch_cell[b]]}, on the way to the source, is at "
                f"{100 * loading[b]:.1f} % of its limit.",
                element=names[b],
                value=float(loading[b]),
                bound=1.0,
                unit="",
            )
            for b in full[:MOST]
        ]

    def nodes(self, values: NDArray[np.float32], cell: int | None) -> list[Reason]:
        """Nodes at a limit of their voltage, of one cell or of all, the nearest first."""
        nodes = self._scenario.grid.nodes
        v_pu = self._builder.column(values, "nodes", "v_pu").astype(np.float64)
        room = np.fmin(nodes.v_pu_max - v_pu, v_pu - nodes.v_pu_min)
        mine = v_pu > DEAD_V_PU
        if cell is not None:
            mine &= self._scenario.archipelago.node_cell == cell
        rows = np.flatnonzero(mine & (room <= self._margin[1]))
        rows = rows[np.argsort(room[rows], kind="stable")][:MOST]
        out = []
        for row in rows.tolist():
            high = nodes.v_pu_max[row] - v_pu[row] <= v_pu[row] - nodes.v_pu_min[row]
            bound = float(nodes.v_pu_max[row] if high else nodes.v_pu_min[row])
            where = self._cell[self._scenario.archipelago.node_cell[row]]
            text = (
                f"{nodes.id[row]} in {where} is at {v_pu[row]:.3f} pu, its {'upper' if high else 'lower'} limit is "
                f"{bound:.3f} pu."
            )
            out.append(
                Reason(rule="limit", text=text, element=nodes.id[row], value=float(v_pu[row]), bound=bound, unit="pu")
            )
        return out

    def connection(self, values: NDArray[np.float32]) -> list[Reason]:
        """The connection upstream at the limit that holds then."""
        upstream, most_in, most_out = (
            float(self._builder.column(values, "area", name)[0])
            for name in ("upstream_p_kw", "import_kw_max", "export_kw_max")
        )
        for value, bound, verb in (
            (upstream, most_in, "take"),
            (-upstream, most_out, "give"),
        ):
            if np.isfinite(bound) and value > 0.0 and value >= bound * (1.0 - self._margin[0]):
                text = f"The area may {verb} {bound:,.0f} kW at the connection upstream, and {verb}s {value:,.0f} kW."
                return [Reason(rule="limit", text=text, element="upstream", value=value, bound=float(bound), unit="kW")]
        return []
