"""A cell's controller, put together from the scenario it belongs to; the same for twin, rehearsal and field."""

from __future__ import annotations

from archipel.cell.parts import Parts
from archipel.controller.facts import TieSide
from archipel.controller.outlook import Outlook
from archipel.controller.planner import ExactPlanner
from archipel.controller.stepping import Controller, Settings

TOLERANCE_KW = 10.0
"""What metered and agreed power of a tie may differ by: loads are not known to the kilowatt within a quarter hour."""


def tie_sides(parts: Parts, cell: int) -> tuple[TieSide, ...]:
    """The closed ties of a cell, the one upwards first."""
    ties = parts.scenario.archipelago.tie
    around = [cell] * bool(parts.sites[cell].parent) + [i for i, p in enumerate(parts.parents) if p == cell]
    out = []
    for lower in around:
        tie = ties[parts.tie_of[lower]]
        upward = lower == cell
        neighbour = parts.sites[cell].parent if upward else parts.sites[lower].id
        out.append(TieSide(tie.id, neighbour, upward, tie.default_p_kw, TOLERANCE_KW))
    return tuple(out)


def controller_of(
    parts: Parts, cell: int, outlook: Outlook, limits_kw: tuple[float, float], settings: Settings
) -> Controller:
    """Controller of the cell with this number; `limits_kw` are its import and export while nothing is agreed."""
    sides = tie_sides(parts, cell)
    defaults = {side.neighbour: side.default_kw for side in sides}
    planner = ExactPlanner(parts.sites[cell], outlook, *limits_kw, defaults)
    return Controller(parts.sites[cell].id, sides, planner, settings)
