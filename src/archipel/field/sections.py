"""What operating a device would energise: the tags that count for it, beside its own.

    source === live === [switch, open] --- dead section --- tagged line
                              |
                              closing it would energise all of the dead section, the tagged line, too

Live is what is connected to the upstream grid, as switches stand now. A switch touches what it sits on and whatever
dead section is at either side of it; a device in a dead section touches all of that section, for it could feed it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from archipel.model import Grid


def touches(
    grid: Grid, nodes: Mapping[str, int], positions: Mapping[str, bool] | None = None
) -> dict[str, frozenset[str]]:
    """For `Permission.touches`: nodes and branches that operating each switch or device acts on.

    Args:
        grid: The network.
        nodes: Row of the node of every device that is no switch, by its id.
        positions: How switches stand now (closed is true), by id; the others stand as in the network's data.

    Raises:
        KeyError: a position of a switch that the network does not have.
    """
    vertices = {name: row for row, name in enumerate((*grid.nodes.id, *grid.branch_id))}
    ends = _ends(grid, positions or {})
    size = len(vertices)
    first, second = (np.array([end[side] for end in ends], dtype=np.int64) for side in (0, 1))
    _, part = connected_components(coo_array((np.ones(len(ends)), (first, second)), shape=(size, size)), directed=False)
    live = part[grid.source.node]
    members: dict[int, set[str]] = {}
    for name, row in vertices.items():
        if part[row] != live:
            members.setdefault(int(part[row]), set()).add(name)
    found = {name: frozenset(members.get(int(part[node]), ())) for name, node in nodes.items()}
    switches = grid.switches
    for name, node, element in zip(switches.id, switches.node, switches.element, strict=True):
        sides = (int(node), vertices[element])
        found[name] = frozenset({element}).union(*(members.get(int(part[side]), ()) for side in sides))
    return found


def _ends(grid: Grid, positions: Mapping[str, bool]) -> list[tuple[int, int]]:
    """Pairs of vertices (nodes, then branches) that are connected now."""
    n, switches, lines, transformers = len(grid.nodes), grid.switches, grid.lines, grid.transformers
    names = {name: row for row, name in enumerate(switches.id)}
    branch = {name: row for row, name in enumerate(grid.branch_id)}
    node_of = {name: row for row, name in enumerate(grid.nodes.id)}
    sides = (
        np.concatenate([lines.from_node, transformers.hv_node]),
        np.concatenate([lines.to_node, transformers.lv_node]),
    )
    closed = [
        np.concatenate([lines.from_closed, transformers.hv_closed]).astype(bool),
        np.concatenate([lines.to_closed, transformers.lv_closed]).astype(bool),
    ]
    stands = switches.closed.astype(bool).copy()
    for name, position in positions.items():
        row = names[name]
        stands[row] = position
        if (at := branch.get(switches.element[row])) is not None:
            side = 0 if sides[0][at] == switches.node[row] else 1
            closed[side][at] = position
    pairs = [
        (int(switches.node[row]), node_of[switches.element[row]])
        for row in range(len(switches))
        if switches.element[row] in node_of and stands[row]
    ]
    for side in (0, 1):
        pairs += [(int(node), n + row) for row, node in enumerate(sides[side]) if closed[side][row]]
    return pairs
