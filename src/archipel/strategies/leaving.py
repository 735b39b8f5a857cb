"""The main grid is lost at a moment: what the area goes through until it is back.

    before      a day connected, by the devices' local rules (or states that are given)
    seconds     frequency and voltages after the trip of the main grid            `grid.dynamics`
    hours       every quarter hour by AC power flow, critical load first           `twin.off_grid`
    coming back the cell turns towards the main grid and closes inside the window  `cell.mode`, `cell.synchronism`

Units of a cell stand together at the node of the largest in the first seconds: 8 cells move as 8 forming and 8
following units. What has no converter is an admittance there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast, final

import numpy as np

from archipel.cell.mode import Facts, Life, Mode, Order, Said
from archipel.cell.synchronism import wrapped
from archipel.devices import BatteryFleet, DeviceFleet, Weather
from archipel.devices.critical import with_critical
from archipel.grid.dynamics import Following, Forming, Island, Traces, Trip, droop, main_grid, reduced, simulate
from archipel.grid.fault_current import node_fault_ka, unseen
from archipel.model import Floats, GridError, IslandRules, Scenario, StrategyResult
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import Decision, Truth, run
from archipel.twin.plant import Happened, Plant

DAY = 96
LOST_S, SECONDS = 1.0, 20.0
STRONG_MVA = 10_000.0
"""Short-circuit power of a main grid that states none."""
BREAKER_S = 0.06
"""From the order to open until the switch has opened."""
TICK_S = 0.02
TOLD = 2
"""Reasons against an island told in its life; `Left.cannot` has all."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """How the switch to the main grid was closed again."""

    after_s: float
    """From the main grid's return."""
    angle_deg: float
    f_hz: float
    v_pu: float
    """Over the contacts when they touched, island less main grid."""


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
        return Left(island, at, hours, told, stored, None, cannot, None, _life(None, hours, seed, some)[0], None)
    traces = first_seconds(scenario, before, battery, rules.droop)
    alone = Uncoordinated(island)
    result = run(island, alone, start=at, steps=round(hours * 4), states=states, progress=progress)
    if not result.complete:
        raise KeyboardInterrupt  # a part of the hours would look like all of them
    moved_hz = float(traces.settled_hz[0]) - scenario.grid.f_hz
    life, closing = _life(moved_hz, hours, seed, ())
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


def first_seconds(scenario: Scenario, before: Happened, battery: BatteryFleet, droop_share: float) -> Traces:
    """Frequency, voltages and powers from a second before the loss of the main grid on.

    Batteries give and take up to their rating: that some are full or empty counts from the first quarter hour on.
    """
    grid, flow = scenario.grid, before.flow
    node, kind, cell = scenario.device_node, np.array(scenario.device_kind), scenario.device_cell
    forms = kind == "battery"
    follows = np.isin(kind, ("pv", "generator", "dispatchable"))
    rated = np.zeros(len(node))
    rated[forms] = battery.p_kw_discharge
    rating = [_rating(cast("DeviceFleet", f)) for f in scenario.fleets if f.kind in _FOLLOWING]
    rated[follows] = np.concatenate([np.zeros(0), *rating])
    terminals: list[int] = [grid.source.node]
    units: list[Forming | Following] = []
    of_units = np.zeros((2, len(grid.nodes)))
    for c, name in enumerate(cell.id for cell in scenario.archipelago.cell):
        for does, what in ((forms, "forming"), (follows, "following")):
            rows = np.flatnonzero(does & (cell == c) & (rated > 0.0))
            if not len(rows):
                continue
            at = int(node[rows[np.argmax(rated[rows])]])
            place = terminals.index(at) if at in terminals else len(terminals)
            terminals += [at] if place == len(terminals) else []
            p, q, size = float(before.p_kw[rows].sum()), float(before.q_kvar[rows].sum()), float(rated[rows].sum())
            np.add.at(of_units[0], node[rows], before.p_kw[rows])
            np.add.at(of_units[1], node[rows], before.q_kvar[rows])
            if what == "forming":
                units.append(
                    droop(
                        f"{name}/forming", place, size, droop=droop_share, p_kw=p, q_kvar=q, v_pu=float(flow.v_pu[at])
                    )
                )
            else:
                units.append(
                    Following(
                        id=f"{name}/following", terminal=place, rating_kva=max(size, abs(complex(p, q))),
                        p_kw=min(p, 0.0), q_kvar=q, p_kw_min=min(p, 0.0),
                    )
                )  # fmt: skip
    live = np.flatnonzero(flow.v_pu > 0.0)
    drawn = np.stack([np.bincount(node, x, len(grid.nodes)) for x in (before.p_kw, before.q_kvar)]) - of_units
    # turning all voltages behind a transformer by its vector group changes no power; units start at one angle
    trafos = replace(grid.transformers, shift_degree=0.0 * grid.transformers.shift_degree)
    network = reduced(
        replace(grid, transformers=trafos), live, np.array(terminals), drawn[0, live], drawn[1, live], flow.v_pu[live]
    ).network
    strength = grid.source.sk_mva if np.isfinite(grid.source.sk_mva) else STRONG_MVA
    units.append(main_grid("main grid", 0, 1e3 * strength, v_pu=grid.source.v_pu))
    island = Island(network, tuple(units), f_hz=grid.f_hz)
    return simulate(island, [Trip(time_s=LOST_S, id="main grid")], duration_s=LOST_S + SECONDS)


_FOLLOWING = ("pv", "generator", "dispatchable")


def _rating(fleet: DeviceFleet) -> Floats:
    found = getattr(fleet, "s_kva", None)
    return cast("Floats", fleet.p_kw_max if found is None else found)  # type: ignore[attr-defined]


def _life(
    moved_hz: float | None, hours: float, seed: int, cannot: tuple[str, ...]
) -> tuple[tuple[Said, ...], Closing | None]:
    """The cell's modes from the loss (time 0) to a minute after it is back with the main grid.

    `moved_hz` is where the island's frequency settles, from nominal; None where there is no island. The rules of modes
    count from 50 Hz, so frequencies are told to them from there.
    """
    rng = np.random.default_rng(seed)
    life, said, order_open = Life(), [], None
    alive = moved_hz is not None
    angle, slip, dv = rng.uniform(-180, 180), moved_hz or 0.0, rng.uniform(-0.03, 0.03)
    now, back, closed, closing, touch = 0.0, hours * 3600.0, True, None, None
    while now < back + 1200.0:
        main = now >= back
        facts = Facts(
            now, closed, 1.0 if main else 0.0, 50.0 if main else None,
            (1.0 + dv if not closed or main else 0.0) if alive or (closed and main) else 0.0,
            50.0 + slip, wrapped(angle), cannot_form=cannot,
        )  # fmt: skip
        wanted, change = life.step(facts)
        if change is not None:
            said.append(change)
        if Order.OPEN in wanted.orders and order_open is None and closed:
            order_open = now
        if order_open is not None and now - order_open >= BREAKER_S and closed:
            closed = False
        if Order.CLOSE in wanted.orders and touch is None and not closed:
            touch = now + life.rules.window.closing_s + rng.uniform(-1, 1) * life.rules.window.spread_s
        if touch is not None and now >= touch:
            closed, touch, order_open = True, None, None
            if alive:
                closing = Closing(now - back, wrapped(angle), slip, dv)
        if Order.STEER in wanted.orders:
            slip += TICK_S / 0.5 * (wanted.slip_hz - slip)
            dv -= TICK_S / 2.0 * dv
        angle += 360.0 * slip * TICK_S
        if life.mode is Mode.CONNECTED and main and now > back:
            break
        calm = touch is None and life.mode in {Mode.ISLAND, Mode.DEGRADED, Mode.RECONNECTED}
        now += 10.0 if calm and now + 10.0 < back else 1.0 if calm else TICK_S
    return tuple(said), closing


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
