"""Which cell's network every branch belongs to, and whether the cells fit the grid at all."""

from __future__ import annotations

import numpy as np

from archipel.grid.topology import branch_ends
from archipel.model import Archipelago, Bools, Grid, GridError, Ints


def branch_owners(grid: Grid, archipelago: Archipelago, point: Ints, alive: Bools) -> Ints:
    """Row of the cell that every branch belongs to, shape (branches,); -1 where nothing is live.

    A branch belongs to the cell both of whose ends it joins, a closed tie's branch to the lower cell, a branch with
    one open end to the cell at its closed end. `point` and `alive` come from `fused` and `live_points`.

    Raises GridError, naming the element, when a tie's ends are not in the cells it names, when its branch does not
    lead to its upper node, and when a closed branch or switch joins cells without being the tie between them.
    """
    _check_ties(grid, archipelago)
    _refuse_shared_points(grid, archipelago, point)
    owner = _owners(grid, archipelago, point, alive)
    _check_tie_branches(grid, archipelago, point, owner)
    return owner


def upper_nodes(grid: Grid, archipelago: Archipelago) -> Ints:
    """Row of the node above every cell, shape (cells,): its tie's upper node, the source's node for the root."""
    ties = archipelago.tie[: len(archipelago.cell) - 1]
    return np.array([grid.source.node, *(tie.upper_node for tie in ties)], dtype=np.int64)


def _check_ties(grid: Grid, archipelago: Archipelago) -> None:
    """Every tie's ends lie in the cells it names, and the first ties stand in the order of the cells below them."""
    row = {cell.id: c for c, cell in enumerate(archipelago.cell)}
    vertical = archipelago.tie[: len(archipelago.cell) - 1]
    for cell, tie in zip(archipelago.cell[1:], vertical, strict=True):
        if tie.lower != cell.id or tie.upper != cell.parent:
            raise GridError(
                f"tie {tie.id}: found {tie.upper} above {tie.lower}; expected {cell.parent} above {cell.id}"
            )
        for name, node in ((tie.upper, tie.upper_node), (tie.lower, tie.lower_node)):
            if archipelago.node_cell[node] != row[name]:
                found = archipelago.cell[archipelago.node_cell[node]].id
                raise GridError(f"tie {tie.id}: found its end {grid.nodes.id[node]} in cell {found}; expected {name}")


def _owners(grid: Grid, archipelago: Archipelago, point: Ints, alive: Bools) -> Ints:
    ends = branch_ends(grid)
    from_cell, to_cell = archipelago.node_cell[ends.from_node], archipelago.node_cell[ends.to_node]
    both = ends.from_closed & ends.to_closed
    carries = (ends.from_closed & alive[point[ends.from_node]]) | (ends.to_closed & alive[point[ends.to_node]])
    owner = np.where(carries, np.where(ends.from_closed, from_cell, to_cell), -1)
    row = {branch: i for i, branch in enumerate(grid.branch_id)}
    crossing = both & carries & (from_cell != to_cell)
    for lower, tie in enumerate(archipelago.tie[: len(archipelago.cell) - 1], start=1):
        branch = row.get(tie.id)  # None where the tie is a switch
        if branch is not None and carries[branch]:
            owner[branch] = lower
            crossing[branch] = False
    if crossing.any():
        bad = int(np.flatnonzero(crossing)[0])
        a, b = archipelago.cell[from_cell[bad]].id, archipelago.cell[to_cell[bad]].id
        raise GridError(
            f"{grid.branch_id[bad]}: closed between cells {a} and {b}, but it is not the tie above either; "
            "open it, or draw the cells so that one tie leads into each"
        )
    return np.asarray(owner)


def _refuse_shared_points(grid: Grid, archipelago: Archipelago, point: Ints) -> None:
    """Nodes joined by closed switches belong to one cell, unless the switch is the tie above one of them."""
    cell = archipelago.node_cell
    slack_point = point[upper_nodes(grid, archipelago)]
    inner = np.flatnonzero(point != slack_point[cell])
    cell_of_point = np.full(int(point.max()) + 1, -1)
    cell_of_point[point[inner]] = cell[inner]
    bad = inner[cell_of_point[point[inner]] != cell[inner]]
    if len(bad):
        a = grid.nodes.id[bad[0]]
        b, c = archipelago.cell[cell[bad[0]]].id, archipelago.cell[cell_of_point[point[bad[0]]]].id
        raise GridError(f"{a} of cell {b} is joined by closed switches to cell {c}; give both nodes to one cell")


def _check_tie_branches(grid: Grid, archipelago: Archipelago, point: Ints, owner: Ints) -> None:
    """An owned branch ends in its cell or, where it is the tie, at the tie's upper node."""
    ends, slack = branch_ends(grid), point[upper_nodes(grid, archipelago)]
    for node, closed in ((ends.from_node, ends.from_closed), (ends.to_node, ends.to_closed)):
        inside = (archipelago.node_cell[node] == owner) | (point[node] == slack[owner])
        bad = np.flatnonzero(closed & (owner >= 0) & ~inside)
        if len(bad):
            cell = archipelago.cell[owner[bad[0]]].id
            raise GridError(
                f"{grid.branch_id[bad[0]]}: ends at {grid.nodes.id[node[bad[0]]]}, which is neither in cell {cell} "
                f"nor its tie's upper node {grid.nodes.id[upper_nodes(grid, archipelago)[owner[bad[0]]]]}"
            )
