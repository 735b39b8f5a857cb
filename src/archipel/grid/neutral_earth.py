"""Where the neutral of an island is earthed once its switch to the main grid is open.

Transformers part the network into sections of one voltage that share an earth. Network files say nothing of star
points, so this is assumed: the side of the lower voltage is earthed at the transformer, at low voltage by the star
point of its winding (Dyn, TN system), above it by that star point or an earthing transformer at its busbar. Where the
clock number of the vector group is odd, one winding is a delta, so the higher side is never counted on.
So a section that is cut off from the transformer above it has lost its earth, and a fault to earth would not be seen.

Sources: IEC 60364-4-41 and -8-2 (an island in a TN system needs an earthed neutral of its own); IEC 60076-1 (vector
groups).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.topology import branch_ends, components, fused
from archipel.model import Bools, Grid, Ints


@final
@dataclass(frozen=True, slots=True)
class NeutralEarth:
    """The earths of an island, the switch that opens, and what is missing."""

    switch: tuple[str, ...]
    """Ids of the switches that part it from the main grid; of the branch or the source where the file has none."""
    at: tuple[str, ...]
    """Ids of the transformers that earth its sections."""
    missing: tuple[str, ...]
    """Why it is not earthed everywhere; empty where it is."""


def neutral_earth(grid: Grid, loaded: Ints) -> NeutralEarth:
    """Earths of an island whose switch opens where `grid.source` stands.

    It opens at the upper ends of transformers where only these hang on the source's section, else at the source.

    Args:
        grid: The island with the node its main grid stood at as source.
        loaded: Nodes of devices, any shape.
    """
    ends, point, trafos = branch_ends(grid), fused(grid), grid.transformers
    through = ends.from_closed & ends.to_closed
    through[len(grid.lines) :] = False
    count = int(point.max()) + 1
    section = components(count, point[ends.from_node[through]], point[ends.to_node[through]])[point]
    top = section[grid.source.node]
    both = trafos.hv_closed & trafos.lv_closed
    falls = both & (trafos.vn_hv_kv > trafos.vn_lv_kv)
    bare = top not in section[loaded] and not _any_line(grid, section, int(top)) and bool(falls.any())
    first = np.flatnonzero(both & (section[trafos.hv_node] == top)) if bare else np.zeros(0, dtype=np.int64)
    switch = tuple(_switch(grid, trafos.id[k], int(trafos.hv_node[k])) for k in first) or (_head(grid, section, top),)
    earthed = np.unique(section[trafos.lv_node[falls]])
    live = np.unique(section[_reached(grid, section, int(top))])
    bad = np.setdiff1d(live, [*earthed, *([top] if bare else [])])
    missing = tuple(
        f"no neutral earth at {grid.nodes.vn_kv[n]:g} kV: the transformer that earths {grid.nodes.id[n]} stands above "
        "the switch that opens"
        for n in (int(np.flatnonzero(section == one)[0]) for one in bad)
    )
    at = tuple(trafos.id[k] for k in np.flatnonzero(falls & np.isin(section[trafos.lv_node], live)))
    return NeutralEarth(switch, at, missing)


def _any_line(grid: Grid, section: Ints, top: int) -> bool:
    lines = grid.lines
    return bool(((section[lines.from_node] == top) & lines.from_closed).any()) or bool(
        ((section[lines.to_node] == top) & lines.to_closed).any()
    )


def _reached(grid: Grid, section: Ints, top: int) -> Bools:
    """Nodes that are joined to the source's section by closed transformers."""
    trafos = grid.transformers
    both = trafos.hv_closed & trafos.lv_closed
    part = components(int(section.max()) + 1, section[trafos.hv_node[both]], section[trafos.lv_node[both]])
    return np.asarray(part[section] == part[top])


def _head(grid: Grid, section: Ints, top: int) -> str:
    """The switch at the source: on the only branch that leaves it, if there is one."""
    ends, source = branch_ends(grid), grid.source.node
    leaves = [k for k in range(len(ends.from_node)) if source in (ends.from_node[k], ends.to_node[k])]
    if len(leaves) != 1 or section[source] != top:
        return f"the main grid's at {grid.nodes.id[source]}"
    return _switch(grid, grid.branch_id[leaves[0]], source)


def _switch(grid: Grid, branch: str, node: int) -> str:
    """Id of the switch between a node and a branch, of the branch where there is none."""
    switches = grid.switches
    rows = zip(switches.id, switches.node, switches.element, strict=True)
    return next((name for name, at, element in rows if at == node and element == branch), branch)
