"""A cell's controller, put together from the scenario it belongs to; the same for twin, rehearsal and field."""

from __future__ import annotations

import math

from archipel.cell.parts import Parts
from archipel.controller.facts import TieSide
from archipel.controller.outlook import Outlook
from archipel.controller.planner import ExactPlanner
from archipel.controller.stepping import Controller, Settings
from archipel.coordination.auto import DEFAULT
from archipel.coordination.outcome import Method
from archipel.grid.branch_model import BASE_KVA, branch_model
from archipel.model import Grid

TOLERANCE_KW, TOLERANCE = (10.0, 50.0), 0.03
"""What metered and agreed power of a tie may differ by: a share of what its branch may carry, at least and at most so
many kW. Loads are not known to the kilowatt within a quarter hour; one charger that ends early is no broken word."""
PLAUSIBLE = 4.0
"""No meter shows in earnest more than so many times what its branch may carry; one that is wrong by 1000 shows that at
less than a hundredth of it."""


def tie_sides(parts: Parts, cell: int) -> tuple[TieSide, ...]:
    """The closed ties of a cell, the one upwards first."""
    ties = parts.scenario.archipelago.tie
    around = [cell] * bool(parts.sites[cell].parent) + [i for i, p in enumerate(parts.parents) if p == cell]
    limit_kw = _limit_kw(parts.scenario.grid)
    out = []
    for lower in around:
        tie = ties[parts.tie_of[lower]]
        upward = lower == cell
        neighbour = parts.sites[cell].parent if upward else parts.sites[lower].id
        limit = limit_kw.get(tie.id)
        tolerance, most = TOLERANCE_KW[0], math.inf  # a switch has no limit of its own
        if limit is not None:
            tolerance = min(max(TOLERANCE_KW[0], TOLERANCE * limit), TOLERANCE_KW[1])
            most = PLAUSIBLE * limit
        out.append(TieSide(tie.id, neighbour, upward, tie.default_p_kw, tolerance, most))
    return tuple(out)


def _limit_kw(grid: Grid) -> dict[str, float]:
    """Power at nominal voltage that every branch with a limit may carry, by id."""
    per_pu = branch_model(grid).loading_per_pu.max(axis=0)
    return {name: BASE_KVA / x for name, x in zip(grid.branch_id, per_pu.tolist(), strict=True) if x > 0.0}


def controller_of(
    parts: Parts,
    cell: int,
    outlook: Outlook,
    limits_kw: tuple[float, float],
    settings: Settings,
    method: Method = DEFAULT,
) -> Controller:
    """Controller of the cell with this number; `limits_kw` are its import and export while nothing is agreed."""
    sides = tie_sides(parts, cell)
    defaults = {side.neighbour: side.default_kw for side in sides}
    planner = ExactPlanner(parts.sites[cell], outlook, *limits_kw, defaults, method)
    return Controller(parts.sites[cell].id, sides, planner, settings)
