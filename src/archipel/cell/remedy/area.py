"""How much of an area is looked at: all of it, or one cell with the voltage that stands at its boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.cell.remedy.case import Case, case_of
from archipel.cell.subtree import subtree
from archipel.grid.ownership import branch_owners, upper_nodes
from archipel.grid.power_flow import PowerFlow
from archipel.grid.topology import fused, live, live_points
from archipel.model import ArchipelError, Diverged, Floats, GridError, Horizon, Scenario

NEAR_V_PU, NEAR_LOADING = 0.005, 0.9
"""From where on a cell counts as near a limit."""
MOST_HOURS = 14_000
"""Nodes times intervals that one programme is made for: about a minute of one core where something cannot be kept."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """One AC power flow per interval with every device on its own, no plan made."""

    v_pu: Floats
    """Shape (nodes, T); 0 where nothing feeds."""
    near: tuple[str, ...]
    """Cells with something beyond its limit, or near it, furthest first."""


def resting(case: Case) -> Floats:
    """Controls (N, T) when nobody plans: batteries rest, sun and wind give what they can, vehicles charge evenly."""
    u = np.clip(0.0, case.lo, case.hi)
    for n, kind in enumerate(case.kind):
        if kind in ("pv", "generator") and abs(case.p[:, [n]]).sum() > 0:
            u[n] = case.lo[n]
    for session in case.sessions:
        n = session.control
        hours = max(float((case.hi[n] > 0).astype(float) @ case.horizon.dt_h), 1e-9)
        u[n] = np.minimum(session.kwh / hours, case.hi[n])
    return np.asarray(u)


def screen(scenario: Scenario, horizon: Horizon) -> Screen:
    """Look at the whole area, cheaply.

    Raises:
        Diverged: there is no AC state with every device on its own.
        GridError: cells do not fit the network.
    """
    case, grid, archipelago = case_of(scenario, horizon), scenario.grid, scenario.archipelago
    alive = live(grid)
    u = resting(case)
    p = case.base_kw + (case.p @ u if len(u) else 0.0)
    q = case.base_kvar + (case.q @ u if len(u) else 0.0)
    flows = list(PowerFlow(grid).solve_all(np.where(alive[:, None], p, 0.0), np.where(alive[:, None], q, 0.0)))
    v = np.stack([flow.v_pu for flow in flows], axis=1)
    load = np.stack([flow.loading for flow in flows], axis=1)
    out = np.maximum(v - grid.nodes.v_pu_max[:, None], grid.nodes.v_pu_min[:, None] - v).max(axis=1)
    worst = np.full(len(archipelago.cell), -np.inf)  # in units of how near counts as near
    np.maximum.at(worst, archipelago.node_cell, np.where(alive, out / NEAR_V_PU, -np.inf))
    point = fused(grid)
    owner = branch_owners(grid, archipelago, point, live_points(grid, point))
    mine = owner >= 0
    np.maximum.at(worst, owner[mine], (load.max(axis=1)[mine] - 1.0) / (1.0 - NEAR_LOADING))
    order = [c for c in np.argsort(-worst, kind="stable").tolist() if worst[c] > -1.0]
    return Screen(v, tuple(archipelago.cell[c].id for c in order))


def check_size(scenario: Scenario, horizon: Horizon) -> None:
    """Refuse an area that one programme is too slow for, and say how to narrow the question.

    Raises:
        ArchipelError: with the cells in which something is near its limit.
    """
    nodes, t_count = int(live(scenario.grid).sum()), len(horizon)
    if nodes * t_count <= MOST_HOURS:
        return
    try:
        near = screen(scenario, horizon).near
        told = f"near a limit when nobody plans: {', '.join(near[:6])}{', ...' if len(near) > 6 else ''}"
        told = told if near else "nothing is near a limit when nobody plans"
    except Diverged:
        told = "with every device on its own the network has no AC state"
    hours = horizon.dt_h.sum()
    longer = next((m for m in (30, 60, 120, 180) if nodes * hours * 60 / m <= MOST_HOURS), None)
    ways = ["one cell with all below it (--cell ID)"]
    ways += [f"longer intervals (--step-minutes {longer})"] if longer else []
    raise ArchipelError(
        f"{scenario.name}: found {nodes:,} nodes and {t_count} intervals; expected at most {MOST_HOURS:,} of nodes "
        f"times intervals. Ask for {' or '.join(ways)}; {told}."
    )


def part_of(scenario: Scenario, cell: str, horizon: Horizon) -> tuple[Scenario, Floats]:
    """A cell with all below it as a scenario of its own, and the voltage at the upper end of its tie, (T,).

    The voltage is that of `screen`: the rest of the area draws what it does when nobody plans. What the cell changes
    does not move it.

    Raises:
        GridError: nothing feeds the cell's tie, or cells do not fit the network.
        Diverged: there is no AC state with every device on its own.
    """
    row = scenario.archipelago.index(cell)
    if row == 0:
        return scenario, np.full(len(horizon), scenario.grid.source.v_pu)
    v = screen(scenario, horizon).v_pu[int(upper_nodes(scenario.grid, scenario.archipelago)[row])]
    if not v.min() > 0.0:
        raise GridError(
            f"cell {cell}: found no closed way from the source to its tie; expected one. Look at its parent."
        )
    return subtree(scenario, row).scenario, v
