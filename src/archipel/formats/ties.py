"""The ties between cells, found from the network and the cell of every node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.reach import couplers
from archipel.model import Bools, Cell, Grid, Ints, Tie


@final
@dataclass(frozen=True, slots=True)
class Crossing:
    """A branch or node-node switch whose ends lie in different cells."""

    id: str
    a: int
    b: int
    """Node rows of both ends."""
    a_closed: bool
    b_closed: bool
    transformer: bool = False

    @property
    def closed(self) -> bool:
        """Whether power can cross."""
        return self.a_closed and self.b_closed


def crossings(grid: Grid, node_cell: Ints) -> Iterator[Crossing]:
    """Everything that joins two cells, in the order of lines, transformers, switches."""
    lines, trafos = grid.lines, grid.transformers
    for i in _differing(node_cell, lines.from_node, lines.to_node):
        yield Crossing(
            lines.id[i],
            int(lines.from_node[i]),
            int(lines.to_node[i]),
            bool(lines.from_closed[i]),
            bool(lines.to_closed[i]),
        )
    for i in _differing(node_cell, trafos.hv_node, trafos.lv_node):
        yield Crossing(
            trafos.id[i],
            int(trafos.hv_node[i]),
            int(trafos.lv_node[i]),
            bool(trafos.hv_closed[i]),
            bool(trafos.lv_closed[i]),
            transformer=True,
        )
    a, b, closed, at = couplers(grid)
    for i in _differing(node_cell, a, b):
        both = bool(closed[i])
        yield Crossing(grid.switches.id[int(at[i])], int(a[i]), int(b[i]), both, both)


def find_ties(grid: Grid, cells: tuple[Cell, ...], node_cell: Ints) -> tuple[Tie, ...]:
    """The closed tie above every cell but the root in the order of cells, then the open ties.

    Closed crossings that fit no parent are left out here; checking a scenario reports them.
    """
    row = {cell.id: i for i, cell in enumerate(cells)}
    parent = [row.get(cell.parent, -1) for cell in cells]
    above: dict[int, Tie] = {}
    opened: list[Tie] = []
    for crossing in crossings(grid, node_cell):
        a, b = int(node_cell[crossing.a]), int(node_cell[crossing.b])
        if not crossing.closed:
            opened.append(_open_tie(crossing, cells, a, b))
        elif parent[b] == a and b not in above:
            above[b] = Tie(crossing.id, "vertical", cells[a].id, cells[b].id, crossing.a, crossing.b, closed=True)
        elif parent[a] == b and a not in above:
            above[a] = Tie(crossing.id, "vertical", cells[b].id, cells[a].id, crossing.b, crossing.a, closed=True)
    return (*(above[i] for i in range(1, len(cells)) if i in above), *opened)


def _open_tie(crossing: Crossing, cells: tuple[Cell, ...], a: int, b: int) -> Tie:
    """The upper end is the one that keeps the branch alive; a transformer's is its high-voltage side."""
    turned = crossing.b_closed and not crossing.a_closed and not crossing.transformer
    upper, lower = (b, a) if turned else (a, b)
    upper_node, lower_node = (crossing.b, crossing.a) if turned else (crossing.a, crossing.b)
    direction = "vertical" if crossing.transformer else "horizontal"
    return Tie(
        crossing.id,
        direction,  # type: ignore[arg-type]
        cells[upper].id,
        cells[lower].id,
        upper_node,
        lower_node,
        closed=False,
    )


def _differing(node_cell: Ints, a: Ints, b: Ints) -> Ints:
    different: Bools = np.asarray(node_cell[a] != node_cell[b], dtype=np.bool_)
    return np.flatnonzero(different).astype(np.int64)
