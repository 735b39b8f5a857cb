"""Cells, their boundaries and the ties between them.

           upper cell
      ------o metered_at="upper"
            |   tie: a transformer or the head of a feeder
      ------o metered_at="lower"
           lower cell

The tree of cells is what is live today; ties whose switch is open join cells sideways and carry nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from archipel.model.grid import Ints

Level = Literal["substation", "feeder", "lv"]


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the grid under one controller."""

    id: str
    parent: str
    """Id of the cell above; empty for the root, which holds the upstream connection."""
    level: Level


@final
@dataclass(frozen=True, slots=True)
class Tie:
    """What joins the boundaries of two cells."""

    id: str
    """Id of the branch (`trafo/5`, `line/0`) or switch that crosses the boundary."""
    direction: Literal["vertical", "horizontal"]
    upper: str
    """Cell nearer to the source (for an open horizontal tie: the cell that keeps the line alive)."""
    lower: str
    upper_node: int
    lower_node: int
    """Row numbers of the nodes at both ends. A vertical tie's branch belongs to the lower cell's network."""
    closed: bool
    metered_at: Literal["upper", "lower"] = "upper"
    default_p_kw: float = 0.0
    """Exchange into the lower cell that both ends hold when nothing was agreed [kW]."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Archipelago:
    """The cells of a scenario: `cell[0]` is the root; parents stand before their children."""

    cell: tuple[Cell, ...]
    tie: tuple[Tie, ...]
    """First the closed tie above `cell[1]`, `cell[2]`, ... in that order, then the open ones."""
    node_cell: Ints
    """For every node of the grid the row number of its cell."""

    def index(self, cell_id: str) -> int:
        """Row number of a cell by its id."""
        return next(i for i, cell in enumerate(self.cell) if cell.id == cell_id)

    def parents(self) -> list[int]:
        """Row number of the parent of every cell; -1 for the root."""
        row = {cell.id: i for i, cell in enumerate(self.cell)}
        return [row.get(cell.parent, -1) for cell in self.cell]

    def __repr__(self) -> str:
        levels = [c.level for c in self.cell]
        return (
            f"Archipelago({len(self.cell)} cells: {levels.count('substation')} substation, "
            f"{levels.count('feeder')} feeder, {levels.count('lv')} LV; "
            f"{sum(not t.closed for t in self.tie)} open ties)"
        )
