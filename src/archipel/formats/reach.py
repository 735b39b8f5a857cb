"""Which nodes are joined by closed branches and by node-node switches."""

from __future__ import annotations

import numpy as np

from archipel.model import Bools, Grid, Ints


def node_row(grid: Grid) -> dict[str, int]:
    """Row number of every node by id."""
    return {node: i for i, node in enumerate(grid.nodes.id)}


def couplers(grid: Grid) -> tuple[Ints, Ints, Bools, Ints]:
    """Node-node switches: both node rows, whether closed, and the row of the switch."""
    row = node_row(grid)
    at = np.array([i for i, e in enumerate(grid.switches.element) if e in row], dtype=np.int64)
    other = np.array([row[grid.switches.element[i]] for i in at], dtype=np.int64)
    return grid.switches.node[at], other, grid.switches.closed[at], at


def closed_pairs(grid: Grid) -> tuple[Ints, Ints]:
    """End nodes of everything that connects two nodes: lines, transformers, node-node switches."""
    lines, trafos = grid.lines, grid.transformers
    live_line, live_trafo = lines.from_closed & lines.to_closed, trafos.hv_closed & trafos.lv_closed
    a, b, closed, _ = couplers(grid)
    return (
        np.concatenate([lines.from_node[live_line], trafos.hv_node[live_trafo], a[closed]]),
        np.concatenate([lines.to_node[live_line], trafos.lv_node[live_trafo], b[closed]]),
    )
