"""Which nodes are one electrical point, and which of them the source reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from archipel.model import Bools, Floats, Grid, GridError, Ints


def fused(grid: Grid) -> Ints:
    """Number of the electrical point of every node, shape (nodes,).

    Nodes joined by closed node-node switches share a number. Points are numbered 0, 1, ... in the order
    of their first node, so a grid without such switches gives 0 ... n-1.
    """
    row = {node_id: i for i, node_id in enumerate(grid.nodes.id)}
    switches = grid.switches
    joined = [
        (int(node), row[element])
        for node, element, closed in zip(switches.node, switches.element, switches.closed, strict=True)
        if closed and element in row
    ]
    a, b = np.array(joined, dtype=np.int64).reshape(-1, 2).T
    return components(len(grid.nodes), a, b)


def live(grid: Grid) -> Bools:
    """Whether the source reaches every node over closed switches and branches closed at both ends, shape (nodes,)."""
    return live_points(grid, fused(grid))[fused(grid)]


def live_points(grid: Grid, point: Ints) -> Bools:
    """Whether the source reaches every electrical point, shape (points,); `point` comes from `fused`."""
    ends = branch_ends(grid)
    through = ends.from_closed & ends.to_closed
    count = int(point.max(initial=-1)) + 1
    island = components(count, point[ends.from_node[through]], point[ends.to_node[through]])
    return np.asarray(island == island[point[grid.source.node]])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Where every branch (lines, then transformers) is connected; from is a transformer's HV end."""

    from_node: Ints
    to_node: Ints
    from_closed: Bools
    to_closed: Bools


def branch_ends(grid: Grid) -> Ends:
    """The ends of all branches: lines, then transformers."""
    lines, trafos = grid.lines, grid.transformers
    return Ends(
        from_node=np.concatenate([lines.from_node, trafos.hv_node]).astype(np.int64),
        to_node=np.concatenate([lines.to_node, trafos.lv_node]).astype(np.int64),
        from_closed=np.concatenate([lines.from_closed, trafos.hv_closed]).astype(np.bool_),
        to_closed=np.concatenate([lines.to_closed, trafos.lv_closed]).astype(np.bool_),
    )


def check_branches(grid: Grid) -> None:
    """Refuse branches that no power flow can use: values that are not numbers, no impedance, no rating.

    Raises GridError that names the first such branch of each table and column.
    """
    lines, trafos = grid.lines, grid.transformers
    for column in ("r_ohm", "x_ohm", "c_nf", "g_us"):
        _require(np.isfinite(getattr(lines, column)), lines.id, f"{column} is not a number", "give a finite value")
    _require((lines.r_ohm != 0) | (lines.x_ohm != 0), lines.id, "r_ohm and x_ohm are both zero", "use a closed switch")
    _require(lines.i_a_max > 0, lines.id, "i_a_max is not positive", "give its current limit, or infinity")
    for column in ("vk_percent", "vkr_percent", "pfe_kw", "i0_percent", "shift_degree", "tap_pos", "tap_neutral"):
        _require(np.isfinite(getattr(trafos, column)), trafos.id, f"{column} is not a number", "give a finite value")
    _require(np.isfinite(trafos.tap_step_percent), trafos.id, "tap_step_percent is not a number", "give 0 for no taps")
    for column in ("sn_kva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "loading_max"):
        _require(getattr(trafos, column) > 0, trafos.id, f"{column} is not positive", "give its rating")
    low = trafos.vk_percent < np.abs(trafos.vkr_percent)
    _require(~low, trafos.id, "vkr_percent is above vk_percent", "its resistance is part of its impedance")


def tapped_kv(grid: Grid) -> tuple[Floats, Floats]:
    """No-load voltages of all transformers' sides at their present tap [kV]: (high, low)."""
    trafos = grid.transformers
    ratio = 1.0 + (trafos.tap_pos - trafos.tap_neutral) * trafos.tap_step_percent / 100.0
    high = trafos.vn_hv_kv * np.where(trafos.tap_side_hv, ratio, 1.0)
    low = trafos.vn_lv_kv * np.where(trafos.tap_side_hv, 1.0, ratio)
    return high, low


def _require(good: Bools, ids: tuple[str, ...], found: str, mend: str) -> None:
    if not good.all():
        bad = np.flatnonzero(~good)
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise GridError(f"{ids[bad[0]]}{more}: {found}; {mend}")


def components(count: int, a: Ints, b: Ints) -> Ints:
    """Component number of every vertex, in the order of the components' first vertex."""
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(count, count)).tocsr()
    label = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
