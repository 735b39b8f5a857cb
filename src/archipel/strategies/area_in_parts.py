"""An area that may lose its main grid: its parts, whether each can be an island, and how they stood at the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast, final

import numpy as np

from archipel.cell.islands import Forms, islands
from archipel.cell.mode import Said
from archipel.cell.subtree import Subtree, below, subtree
from archipel.devices import BatteryFleet
from archipel.grid.fault_current import node_fault_ka, unseen
from archipel.grid.neutral_earth import NeutralEarth, neutral_earth
from archipel.grid.power_flow import PowerFlow
from archipel.model import Floats, GridError, Ints, Scenario
from archipel.model.kinds import RENEWABLE
from archipel.strategies.way_back import life_beside
from archipel.twin.plant import Happened

TOLD = 2
"""Reasons against an island told in the life of dark cells; `Forms.dark` has all."""


@final
class AreaInParts:
    """An area that may lose its main grid; remembers its parts and what they can between moments.

    Raises GridError where the area has no main grid, or no batteries.
    """

    def __init__(self, scenario: Scenario) -> None:
        if scenario.island.off_grid:
            raise GridError(f"{scenario.name}: found off_grid = true; expected an area with a main grid to lose")
        battery = next((f for f in scenario.fleets if isinstance(f, BatteryFleet)), None)
        if battery is None:
            raise GridError(
                f"{scenario.name}: found no batteries, so nothing can form an island; add batteries to [devices], or a "
                "recipe [population.batteries]"
            )
        self.scenario, self.battery = scenario, battery
        self._parts: dict[int, Subtree] = {}
        self._earths: dict[int, NeutralEarth] = {}
        self._reasons: dict[int, tuple[str, ...]] = {}
        self._lives: dict[tuple[float, tuple[str, ...]], tuple[Said, ...]] = {}

    def part(self, cell: int) -> Subtree:
        """A cell with all below it."""
        if cell not in self._parts:
            self._parts[cell] = subtree(self.scenario, cell)
        return self._parts[cell]

    def earth(self, cell: int) -> NeutralEarth:
        """Its switch and its neutral earth."""
        if cell not in self._earths:
            part = self.part(cell).scenario
            self._earths[cell] = neutral_earth(part.grid, part.device_node)
        return self._earths[cell]

    def _batteries(self, cell: int) -> Ints:
        """As `batteries`, without cutting a part that may have none."""
        area = self.scenario.archipelago
        return np.flatnonzero(np.isin(area.node_cell[self.battery.node], below(area, cell)))

    def dark_life(self, hours: float, why: tuple[str, ...]) -> tuple[Said, ...]:
        """What dark cells go through, for the reasons of the topmost."""
        if (hours, why) not in self._lives:
            self._lives[hours, why] = life_beside(None, hours, 0, _some(why))[0]
        return self._lives[hours, why]

    def forms(self, e_kwh: Floats, refused: Mapping[int, tuple[str, ...]]) -> Forms:
        """Which islands form with so much in every battery, shape (batteries,), and some cells refused for reasons.

        One battery of an island may be empty, not all: for the seconds until protection has seen a fault an inverter
        gives its current from what lies below the usable capacity; for hours somebody must have more.
        """
        return islands(self.scenario.archipelago, lambda cell: refused.get(cell) or self._cannot(cell, e_kwh))

    def _cannot(self, cell: int, e_kwh: Floats) -> tuple[str, ...]:
        rows = self._batteries(cell)
        if not len(rows):
            return ("no grid-forming source in it or below it",)
        if float(e_kwh[rows].sum()) <= 0.0:
            return ("all batteries are empty",)
        if cell not in self._reasons:
            grid = self.part(cell).scenario.grid
            forming = next(f for f in self.part(cell).scenario.fleets if isinstance(f, BatteryFleet))
            faults = unseen(grid, node_fault_ka(grid, forming.node, forming.p_kw_discharge))
            self._reasons[cell] = (*self.earth(cell).missing, *faults)
        return self._reasons[cell]


def batteries(part: Subtree) -> Ints:
    """Rows in the whole's fleet of the batteries of a part, shape (batteries of the part,)."""
    return next((own.rows for own in part.own if isinstance(own.fleet, BatteryFleet)), np.zeros(0, dtype=np.int64))


def gathered(connected: Scenario, part: Subtree) -> Scenario:
    """The part with the sources and stores of every low-voltage cell at its busbar.

    In the first seconds those of a cell are one unit. The sun of a whole cell at one house would lift the voltage
    there as nothing does in truth, up to where no power flow has an answer; feeders at medium voltage bear it.
    """
    area = connected.archipelago
    heads = [part.head, *(tie.lower_node for tie in area.tie[: len(area.cell) - 1])]
    head = np.array([node if cell.level == "lv" else -1 for node, cell in zip(heads, area.cell, strict=True)])
    fleets = []
    for fleet in connected.fleets:
        at = head[area.node_cell[fleet.node]]
        moved = fleet.kind in ("battery", *RENEWABLE)
        fleets.append(replace(cast("Any", fleet), node=np.where(at >= 0, at, fleet.node)) if moved else fleet)
    return replace(connected, fleets=tuple(fleets))


def own_of(connected: Scenario, part: Subtree, whole: Happened) -> Happened:
    """The part's own of a step of the whole; voltages by a power flow of the part."""
    p_kw, q_kvar, nodes = whole.p_kw[part.devices], whole.q_kvar[part.devices], len(part.nodes)
    at = connected.device_node
    p_node, q_node = (np.bincount(at, x, nodes).astype(np.float64) for x in (p_kw, q_kvar))
    flow = PowerFlow(connected.grid).solve(p_node, q_node)
    return Happened((), p_kw, q_kvar, whole.tripped[part.devices], flow)


def _some(why: tuple[str, ...]) -> tuple[str, ...]:
    return why if len(why) <= TOLD + 1 else (*why[:TOLD], f"and {len(why) - TOLD} more")
