"""The main grid is lost at a moment: what the area goes through until it is back.

before      a day connected, by the devices' local rules (or states that are given)
seconds     frequency and voltages after the trip of the main grid            `strategies.first_seconds`
hours       every quarter hour by AC power flow, critical load first           `twin.off_grid`
coming back the cell turns towards the main grid and closes inside the window  `strategies.way_back`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import final

import numpy as np

from archipel.cell.mode import Said
from archipel.devices import BatteryFleet, Weather
from archipel.devices.critical import with_critical
from archipel.grid.dynamics import Traces
from archipel.grid.fault_current import node_fault_ka, unseen
from archipel.model import GridError, IslandRules, Scenario, StrategyResult
from archipel.strategies.first_seconds import first_seconds
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.strategies.way_back import Closing, life_beside
from archipel.twin import Decision, Truth, run
from archipel.twin.plant import Happened, Plant

DAY = 96
TOLD = 2
"""Reasons against an island told in its life; `Left.cannot` has all."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What happened."""

    island: Scenario
    """The area without main grid."""
    at: datetime
    hours: float
    import_kw: float
    """Drawn from the main grid when it was lost."""
    stored_kwh: float
    traces: Traces | None
    """The first seconds; None where no island can be formed."""
    cannot: tuple[str, ...]
    """Why not."""
    result: StrategyResult | None
    """The quarter hours without main grid."""
    life: tuple[Said, ...]
    closing: Closing | None

    @property
    def held_h(self) -> float:
        """For how long all critical load was served without a break [h]."""
        if self.result is None or self.result.critical_unserved_kwh is None:
            return 0.0
        lost = np.flatnonzero(self.result.critical_unserved_kwh > 1e-6)
        return float(lost[0] * self.result.dt_h) if len(lost) else self.hours


def off_grid(scenario: Scenario, rules: IslandRules) -> Scenario:
    """The same area without a main grid: of every load `rules.critical_share` stays, the rest may be shed."""
    fleets = with_critical(scenario.fleets, rules.critical_share, scenario.tariff.voll_eur_per_kwh)
    return replace(scenario, fleets=fleets, island=rules)


def leave(
    scenario: Scenario,
    at: datetime,
    hours: float,
    *,
    rules: IslandRules,
    soc: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Left:
    """Lose the main grid at `at` for `hours`.

    Args:
        scenario: an area with a main grid.
        at: a whole quarter hour.
        hours: until the main grid is back.
        rules: what the island lives by; `off_grid` is taken for true.
        soc: state of charge of all batteries at the loss; by default what a day of local rules leaves.
        seed: of the angle at which island and main grid meet.
        progress: called with (quarter hours done, in all).

    Raises:
        GridError: where the area has no main grid, or no batteries.
    """
    rules = replace(rules, off_grid=True)
    if scenario.island.off_grid:
        raise GridError(f"{scenario.name}: found off_grid = true; expected an area with a main grid to lose")
    battery = next((f for f in scenario.fleets if isinstance(f, BatteryFleet)), None)
    if battery is None:
        raise GridError(
            f"{scenario.name}: found no batteries, so nothing can form an island; add batteries to [devices], or a "
            "recipe [population.batteries]"
        )
    island = off_grid(scenario, rules)
    plant, before = _connected(scenario, at)
    states = {fleet.kind: state for fleet, state in zip(plant.fleets, plant.states, strict=True)}
    if soc is not None:
        states["battery"] = {"e_kwh": soc * battery.e_kwh}
    stored = float(states["battery"]["e_kwh"].sum())
    cannot = unseen(scenario.grid, node_fault_ka(scenario.grid, battery.node, battery.p_kw_discharge))
    if stored <= 0.0:
        cannot = ("all batteries are empty", *cannot)
    told = before.flow.upstream_p_kw
    if cannot:
        some = cannot[:TOLD] if len(cannot) <= TOLD + 1 else (*cannot[:TOLD], f"and {len(cannot) - TOLD} lines more")
        return Left(island, at, hours, told, stored, None, cannot, None, life_beside(None, hours, seed, some)[0], None)
    traces = first_seconds(scenario, before, battery, rules.droop)
    alone = Uncoordinated(island)
    result = run(island, alone, start=at, steps=round(hours * 4), states=states, progress=progress)
    if not result.complete:
        raise KeyboardInterrupt  # a part of the hours would look like all of them
    moved_hz = float(traces.settled_hz[0]) - scenario.grid.f_hz
    life, closing = life_beside(moved_hz, hours, seed, ())
    return Left(island, at, hours, told, stored, traces, (), result, life, closing)


def _connected(scenario: Scenario, at: datetime) -> tuple[Plant, Happened]:
    """A day by the devices' local rules up to `at`, and its last quarter hour."""
    row = scenario.profiles.row(at)
    plant = Plant(scenario, Truth(), row - DAY)
    free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))
    for step in range(DAY):
        now = row - DAY + step
        happened = plant.step(
            Weather(now, scenario.profiles.window(now, 1).astype(np.float64), perfect=True), free, 0.25
        )
    return plant, happened


def timeline(left: Left) -> list[tuple[timedelta, str]]:
    """What happened and when, from the loss on."""
    rows = [(timedelta(seconds=said.at_s), f"{said.before} -> {said.after}: {said.why}") for said in left.life]
    if left.result is not None and left.result.critical_unserved_kwh is not None:
        first = timedelta(hours=left.result.dt_h)
        shed = np.flatnonzero(left.result.unserved_kwh > 1e-6)
        if len(shed):
            rows.append((int(shed[0]) * first, "load is shed: stored energy is below the reserve"))
        lost = np.flatnonzero(left.result.critical_unserved_kwh > 1e-6)
        if len(lost):
            rows.append((int(lost[0]) * first, "critical load is cut: stores are empty"))
    return sorted(rows, key=lambda row: row[0])
