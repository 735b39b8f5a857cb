"""A cell's controller, put together from the scenario it belongs to; the same for twin, rehearsal and field."""

from __future__ import annotations

import math

from archipel.cell.parts import Parts
from archipel.controller.facts import TieSide
from archipel.controller.outlook import Outlook
from archipel.controller.planner import ExactPlanner
from archipel.controller.stepping import Controller, Settings
from archipel.grid.branch_model import BASE_KVA, branch_model
from archipel.model import Grid

TOLERANCE_KW = 10.0
"""What metered and agreed power of a tie may differ by: loads are not known to the kilowatt within a quarter hour."""
PLAUSIBLE = 4.0
"""No meter shows in earnest more than so many times what its branch may carry; one that is wrong by 1000 shows that at
less than a hundredth of it."""


def tie_sides(parts: Parts, cell: int) -> tuple[TieSide, ...]:
    """The closed ties of a cell, the one upwards first."""
    ties = parts.scenario.archipelago.tie
    around = [cell] * bool(parts.sites[cell].parent) + [i for i, p in enumerate(parts.parents) if p == cell]
    most_kw = _most_kw(parts.scenario.grid)
    out = []
    for lower in around:
        tie = ties[parts.tie_of[lower]]
        upward = lower == cell
        neighbour = parts.sites[cell].parent if upward else parts.sites[lower].id
        most = most_kw.get(tie.id, math.inf)
        out.append(TieSide(tie.id, neighbour, upward, tie.default_p_kw, TOLERANCE_KW, most))
    return tuple(out)


def _most_kw(grid: Grid) -> dict[str, float]:
    """Largest plausible power of every branch that has a limit, by id."""
    per_pu = branch_model(grid).loading_per_pu.max(axis=0)
    return {name: PLAUSIBLE * BASE_KVA / x for name, x in zip(grid.branch_id, per_pu.tolist(), strict=True) if x > 0.0}


def controller_of(
    parts: Parts, cell: int, outlook: Outlook, limits_kw: tuple[float, float], settings: Settings
) -> Controller:
    """Controller of the cell with this number; `limits_kw` are its import and export while nothing is agreed."""
    sides = tie_sides(parts, cell)
    defaults = {side.neighbour: side.default_kw for side in sides}
    planner = ExactPlanner(parts.sites[cell], outlook, *limits_kw, defaults)
    return Controller(parts.sites[cell].id, sides, planner, settings)
