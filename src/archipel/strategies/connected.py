"""An area beside its main grid by the devices' local rules, up to the moment the main grid is lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import final

import numpy as np

from archipel.devices import BatteryFleet, State, Weather
from archipel.model import Floats, Scenario
from archipel.twin import Decision, Truth
from archipel.twin.plant import Happened, Plant

DAY = 96
QUARTER_H = 0.25


@final
@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """How things stood when the main grid was lost."""

    states: dict[str, State]
    """Of all fleets by kind."""
    happened: Happened
    """The quarter hour before."""


def before(
    scenario: Scenario, at: datetime, states: Mapping[str, State] | None = None, held_kwh: Floats | None = None
) -> Before:
    """How things stand at `at`: after a day of local rules, or after one quarter hour from `states`.

    `held_kwh`: what batteries keep for islands, see `remembered`.
    """
    row = scenario.profiles.row(at)
    first = row - DAY if states is None else row - 1
    plant = Plant(scenario, Truth(), first)
    plant.begin(states or {})
    for now in range(first, row):
        happened = _step(plant, scenario, now, held_kwh)
    return Before(_states(plant), happened)


def remembered(
    scenario: Scenario,
    rows: Collection[int],
    held_kwh: Callable[[int], Floats] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, dict[str, State]]]:
    """States of all fleets before each of these rows of the profiles, from one run from a day before the first on.

    Args:
        scenario: An area with a main grid.
        rows: Rows of the profiles, in any order; given back in rising order.
        held_kwh: What every battery keeps for islands on the day that begins at a row, shape (batteries,). It is never
            given away; what is missing is charged from the main grid as fast as the converter can.
        progress: Called with (quarter hours done, in all).
    """
    wanted, first = set(rows), min(rows) - DAY
    plant, held = Plant(scenario, Truth(), first), None
    for now in range(first, max(rows) + 1):
        if now in wanted:
            yield now, _states(plant)
        if held_kwh is not None and (held is None or now % DAY == 0):
            held = held_kwh(now)
        _step(plant, scenario, now, held)
        if progress is not None:
            progress(now - first + 1, max(rows) + 1 - first)


def _states(plant: Plant) -> dict[str, State]:
    return {fleet.kind: state for fleet, state in zip(plant.fleets, plant.states, strict=True)}


def _step(plant: Plant, scenario: Scenario, row: int, held_kwh: Floats | None) -> Happened:
    """A quarter hour of local rules. Batteries see what they hold for islands as if it were not there."""
    weather = Weather(row, scenario.profiles.window(row, 1).astype(np.float64), perfect=True)
    free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))
    if held_kwh is None:
        return plant.step(weather, free, QUARTER_H)
    i, battery = next((i, f) for i, f in enumerate(plant.fleets) if isinstance(f, BatteryFleet))
    e_kwh, charged = plant.states[i]["e_kwh"], battery.efficiency_charge * QUARTER_H
    kept = np.minimum(held_kwh, e_kwh + battery.p_kw_charge * charged)
    missing = np.maximum(kept - e_kwh, 0.0)
    lease = free.p_kw.copy()
    lease[plant.part[i]] = np.where(missing > 0.0, missing / charged, np.nan)
    fleets = plant.fleets
    plant.fleets = (*fleets[:i], replace(battery, e_kwh=battery.e_kwh - kept), *fleets[i + 1 :])
    plant.states[i] = {"e_kwh": e_kwh - kept}
    happened = plant.step(weather, replace(free, p_kw=lease), QUARTER_H)
    plant.fleets = fleets
    plant.states[i] = {"e_kwh": plant.states[i]["e_kwh"] + kept}
    return happened
