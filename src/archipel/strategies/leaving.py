"""The main grid is lost at a moment: what the area goes through until it is back.

before      a day connected, by the devices' local rules (or what is given)    `strategies.connected`
islands     the largest cells, each with all below it, that can form one       `cell.islands`
    seconds      frequency and voltages after the trip of the main grid        `strategies.first_seconds`
    hours        every quarter hour by AC power flow, critical load first      `twin.off_grid`
    coming back  it turns towards the main grid and closes inside the window   `strategies.way_back`
the rest    is dark until the main grid is back, for reasons that are said
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import final

import numpy as np

from archipel.cell.mode import Said
from archipel.cell.subtree import Subtree
from archipel.devices import BatteryFleet, State
from archipel.devices.critical import with_critical
from archipel.grid.dynamics import Traces
from archipel.grid.neutral_earth import NeutralEarth
from archipel.model import Floats, GridError, IslandRules, Scenario, StrategyResult
from archipel.strategies.area_in_parts import AreaInParts, batteries, gathered, own_of
from archipel.strategies.cells_as_units import last_state
from archipel.strategies.closing import close_to_main
from archipel.strategies.connected import QUARTER_H, Before, before
from archipel.strategies.first_seconds import first_seconds
from archipel.strategies.promise import Promise, load_kw
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.strategies.way_back import Closing, life_beside
from archipel.twin import run
from archipel.twin.plant import Happened

PROMISED_H = 6.0


@final
@dataclass(frozen=True, slots=True, eq=False)
class LeftIsland:
    """An island and what happened to it."""

    scenario: Scenario
    """Its cells without main grid."""
    earth: NeutralEarth
    """The switch that opens and where its neutral is earthed."""
    import_kw: float
    """Drawn over that switch when the main grid was lost."""
    stored_kwh: float
    promised_h: float
    """For how long critical load was promised to be held, said before anything was lost."""
    traces: Traces
    """The first seconds."""
    result: StrategyResult
    """The quarter hours without main grid."""
    life: tuple[Said, ...]
    closing: Closing | None

    @property
    def name(self) -> str:
        """The island goes by its topmost cell."""
        return self.scenario.archipelago.cell[0].id

    @property
    def cells(self) -> tuple[str, ...]:
        """Ids of its cells."""
        return tuple(cell.id for cell in self.scenario.archipelago.cell)

    @property
    def held_h(self) -> float:
        """For how long all critical load was served without a break [h]."""
        lost = np.flatnonzero(_critical(self.result) > 1e-6)
        return float((lost[0] if len(lost) else len(self.result.time)) * self.result.dt_h)


@final
@dataclass(frozen=True, slots=True)
class Dark:
    """A cell without supply until the main grid is back."""

    cell: str
    why: tuple[str, ...]
    """Why it forms no island with all below it."""
    unserved_kwh: float
    critical_unserved_kwh: float
    """What its loads would have drawn."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What happened."""

    name: str
    at: datetime
    hours: float
    import_kw: float
    """Drawn from the main grid when it was lost."""
    stored_kwh: float
    islands: tuple[LeftIsland, ...]
    dark: tuple[Dark, ...]
    dark_life: tuple[Said, ...]
    """What all dark cells go through; empty where none is dark."""

    @property
    def held_h(self) -> float:
        """For how long all critical load of the area was served without a break [h]."""
        return 0.0 if self.dark or not self.islands else min(one.held_h for one in self.islands)

    @property
    def unserved_kwh(self) -> float:
        """Load not served, in islands and in the dark."""
        return sum(float(one.result.unserved_kwh.sum()) for one in self.islands) + sum(
            d.unserved_kwh for d in self.dark
        )

    @property
    def critical_unserved_kwh(self) -> float:
        """Critical part of it."""
        cut = sum(float(_critical(one.result).sum()) for one in self.islands)
        return cut + sum(dark.critical_unserved_kwh for dark in self.dark)


def _critical(result: StrategyResult) -> Floats:
    return np.zeros(1) if result.critical_unserved_kwh is None else result.critical_unserved_kwh


def off_grid(scenario: Scenario, rules: IslandRules) -> Scenario:
    """The same area without a main grid: of every load `rules.critical_share` stays, the rest may be shed."""
    fleets = with_critical(scenario.fleets, rules, scenario.tariff.voll_eur_per_kwh)
    return replace(scenario, fleets=fleets, island=rules)


def leave(
    scenario: Scenario | AreaInParts,
    at: datetime,
    hours: float,
    *,
    rules: IslandRules,
    promised_h: float = PROMISED_H,
    soc: float | None = None,
    since: Before | None = None,
    seed: int = 0,
    closing_in_dynamics: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Left:
    """Lose the main grid at `at` for `hours`.

    Args:
        scenario: an area with a main grid; as `AreaInParts` it is quicker for many moments.
        at: a whole quarter hour.
        hours: until the main grid is back.
        rules: what islands live by; `off_grid` is taken for true. Energies are the whole area's, shared by capacity.
        promised_h: for how long islands hold critical load, as far as they can: they shed the rest in time for it.
        soc: state of charge of all batteries at the loss; by default what was before leaves.
        since: what was before; by default a day of local rules.
        seed: of the angles at which islands and main grid meet.
        closing_in_dynamics: whether the last seconds before each island is back are simulated as well, for the step of
            power at closing: they take longer than all the rest.
        progress: called with (quarter hours done, in all).

    Raises:
        GridError: where the area has no main grid, or no batteries.
    """
    area = scenario if isinstance(scenario, AreaInParts) else AreaInParts(scenario)
    whole, battery = area.scenario, area.battery
    row, steps = whole.profiles.row(at), round(hours / QUARTER_H)
    since = since or before(whole, at)
    states: dict[str, State] = dict(since.states)
    if soc is not None:
        states["battery"] = {"e_kwh": soc * battery.e_kwh}
    e_kwh = states["battery"]["e_kwh"]
    refused: dict[int, tuple[str, ...]] = {}
    lost: dict[int, Lost] = {}
    while True:
        forms = area.forms(e_kwh, refused)
        if all(cell in lost for cell in forms.island):
            break
        for cell in forms.island:
            if cell not in lost:
                try:
                    held = area.part(cell).states(states)["battery"]["e_kwh"]
                    lost[cell] = _lost(area.part(cell), since.happened, rules.droop, held, seed)
                except GridError as error:  # the parts below it are asked then
                    refused[cell] = (f"its units cannot carry what is on at the loss ({error})",)
    found = []
    for k, cell in enumerate(forms.island):
        share = float(battery.e_kwh[batteries(area.part(cell))].sum()) / float(battery.e_kwh.sum())
        shared = replace(rules.part(share), off_grid=True)
        found.append(
            _live(
                lost[cell], area.earth(cell), at, hours, shared, promised_h, area.part(cell).states(states),
                seed + 1_000_003 * k, closing_in_dynamics, _shifted(progress, k * steps, len(forms.island) * steps),
            )
        )  # fmt: skip
    dark = tuple(_dark(whole, cell, why, rules.critical_share, row, steps) for cell, why in forms.dark.items())
    life = area.dark_life(hours, dark[0].why) if dark else ()
    told = since.happened.flow.upstream_p_kw
    return Left(whole.name, at, hours, told, float(e_kwh.sum()), tuple(found), dark, life)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """A part right after its switch opened."""

    connected: Scenario
    import_kw: float
    traces: Traces


def _lost(part: Subtree, happened: Happened, droop: float, e_kwh: Floats, seed: int) -> Lost:
    """Raises GridError where its units cannot carry what is on."""
    connected = part.at_voltage(happened.flow.v_pu)
    near = gathered(connected, part)
    battery = next(f for f in near.fleets if isinstance(f, BatteryFleet))
    traces = first_seconds(near, own_of(near, part, happened), battery, droop, e_kwh=e_kwh, seed=seed)
    return Lost(connected, own_of(connected, part, happened).flow.upstream_p_kw, traces)


def _live(
    lost: Lost,
    earth: NeutralEarth,
    at: datetime,
    hours: float,
    rules: IslandRules,
    promised_h: float,
    states: Mapping[str, State],
    seed: int,
    closing_in_dynamics: bool,
    progress: Callable[[int, int], None] | None,
) -> LeftIsland:
    """One island from its first quarter hour to its return."""
    connected, e_kwh = lost.connected, states["battery"]["e_kwh"]
    promise = Promise(connected, rules.critical_share, connected.profiles.row(at), promised_h)
    island = off_grid(connected, replace(rules, reserve_kwh=max(rules.reserve_kwh, promise.shed_below_kwh())))
    steps = round(hours / QUARTER_H)
    result = run(island, Uncoordinated(island), start=at, steps=steps, states=states, progress=progress)
    if not result.complete:
        raise KeyboardInterrupt  # a part of the hours would look like all of them
    life, closing = life_beside(float(lost.traces.settled_hz[0]) - connected.grid.f_hz, hours, seed, ())
    if closing is not None and closing_in_dynamics:
        battery = next(f for f in connected.fleets if isinstance(f, BatteryFleet))
        touched = close_to_main(island, last_state(result, island, battery), battery, rules.droop, seed=seed)
        closing = closing.measured(touched) if touched else closing
    told = promise.hours(e_kwh)
    return LeftIsland(island, earth, lost.import_kw, float(e_kwh.sum()), told, lost.traces, result, life, closing)


def _shifted(progress: Callable[[int, int], None] | None, first: int, total: int) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, _: progress(first + done, total)


def _dark(whole: Scenario, cell: int, why: tuple[str, ...], critical_share: float, row: int, steps: int) -> Dark:
    firm, rest = load_kw(whole, row, steps, np.array([cell]))
    critical = critical_share * float(firm.sum()) * QUARTER_H
    return Dark(whole.archipelago.cell[cell].id, why, float((firm + rest).sum()) * QUARTER_H, critical)


def timeline(left: Left) -> list[tuple[timedelta, str, str]]:
    """What happened: when since the loss, to which island or dark cells, and what; one after the other."""
    rows = []
    for one in left.islands:
        rows += [(timedelta(seconds=s.at_s), one.name, f"{s.before} -> {s.after}: {s.why}") for s in one.life]
        step = timedelta(hours=one.result.dt_h)
        for cut, what in (
            (one.result.unserved_kwh, "load is shed: stored energy is below the reserve"),
            (_critical(one.result), "critical load is cut: stores are empty"),
        ):
            first = np.flatnonzero(cut > 1e-6)
            if len(first):
                rows.append((int(first[0]) * step, one.name, what))
    who = left.dark[0].cell if len(left.dark) == 1 else "dark cells"
    rows += [(timedelta(seconds=s.at_s), who, f"{s.before} -> {s.after}: {s.why}") for s in left.dark_life]
    return sorted(rows, key=lambda row: row[0])
