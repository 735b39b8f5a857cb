"""Events that are over in seconds, drawn into a run of quarter hours: what happens there at steps of milliseconds.

    sun     all sun and wind of a cell trips, and stays off for the quarter hour
    store   the batteries of a cell trip; they are back before the quarter hour ends
    load    load that was off for long comes back, drawing twice its power at first

Quarter hours are quasi-static: frequency and voltages follow from what is on. In the quarter hour of an event the area
is simulated from what was metered before, with droop, secondary control over lossy messages, and relays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, final, get_args

import numpy as np

from archipel.devices import BatteryFleet, State
from archipel.grid.dynamics import Connect, Event, Load, Traces, Trip, simulate
from archipel.model import GridError, Scenario
from archipel.strategies.cells_as_units import FOLLOWING, Area, area
from archipel.strategies.cells_as_units import State as Metered
from archipel.strategies.seconds import Sharing
from archipel.twin import Decision, Seen, Strategy

Kind = Literal["sun", "store", "load"]
AT_S, SECONDS, STEP_S = 1.0, 20.0, 0.002
BLOCK_SHARE, PICKUP, HOLD_S = 0.3, 2.0, 2.0
"""Of a cell's load that comes back at once, what it draws over that at first, and for how long."""
QUARTER = timedelta(minutes=15)


@final
@dataclass(frozen=True, slots=True)
class Drawn:
    """One event before it happens."""

    at: datetime
    """Start of its quarter hour."""
    kind: Kind
    cell: str


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """One event after it happened."""

    drawn: Drawn
    lost_kw: float
    """Power given or taken by what tripped, or drawn by what came back, right after."""
    traces: Traces | None
    """None where the area had no settled state before, or nothing of the kind was on."""
    why_not: str = ""


def draw(scenario: Scenario, number: int, *, start: datetime, days: int, seed: int) -> tuple[Drawn, ...]:
    """Events at different quarter hours, in order of time; kinds and cells by turns of the same seed.

    Raises:
        ValueError: for more events than quarter hours.
    """
    rng = np.random.default_rng(seed)
    total = 96 * days - 1
    if number > total:
        raise ValueError(f"events: found {number} for {total} quarter hours; expected at most one in each")
    quarters = np.sort(rng.choice(total, number, replace=False)) + 1  # before the first nothing was metered
    kinds: tuple[Kind, ...] = get_args(Kind)
    cells = [cell.id for cell in scenario.archipelago.cell]
    begin = start.astimezone(UTC)
    return tuple(
        Drawn(begin + int(k) * QUARTER, kinds[int(rng.integers(len(kinds)))], cells[int(rng.integers(len(cells)))])
        for k in quarters
    )


@final
class WithEvents:
    """A strategy as it is, in a run with events. `lived` tells of each."""

    def __init__(self, strategy: Strategy, scenario: Scenario, events: Sequence[Drawn]) -> None:
        battery = next((f for f in scenario.fleets if isinstance(f, BatteryFleet)), None)
        if battery is None or not scenario.island.off_grid:
            raise GridError(f"{scenario.name}: events of seconds need batteries and an area without a main grid")
        self.name = strategy.name
        self.lived: list[Lived] = []
        self._strategy, self._scenario, self._battery = strategy, scenario, battery
        self._due = {event.at: event for event in events}
        kind, names = np.array(scenario.device_kind), np.array([c.id for c in scenario.archipelago.cell])
        self._cell = names[scenario.device_cell]
        self._follows, self._draws = np.isin(kind, FOLLOWING), np.isin(kind, ("load", "sheddable"))

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """What the strategy decides; what an event took away gives nothing in its quarter hour."""
        decision = self._strategy.decide(now, first_row, states, last)
        event = self._due.get(now)
        if event is None or last is None:
            return decision
        self.lived.append(self._live(event, states["battery"]["e_kwh"], last))
        if event.kind != "sun":
            return decision
        off = self._follows & (self._cell == event.cell)
        return replace(decision, p_kw=np.where(off, 0.0, decision.p_kw))

    def _live(self, event: Drawn, e_kwh: np.ndarray, last: Seen) -> Lived:
        """The seconds of one event."""
        case = self._scenario
        metered = Metered(last.p_kw, last.q_kvar, e_kwh, last.v_pu)
        built = area(case, metered, self._battery, case.island.droop, main="none")
        built, happens, lost_kw = self._what(built, event, last)
        if happens is None:
            return Lived(event, 0.0, None, f"{event.cell} has no {event.kind} that is on")
        try:
            control = Sharing(built, begins_s=0.0, seed=int(event.at.timestamp()) // 900)
            traces = simulate(built.island, [happens], duration_s=AT_S + SECONDS, step_s=STEP_S, control=control)
        except GridError as error:
            return Lived(event, lost_kw, None, str(error))
        return Lived(event, lost_kw, traces)

    def _what(self, built: Area, event: Drawn, last: Seen) -> tuple[Area, Event | None, float]:
        """The event for `simulate`, in an area that can have it, and its power [kW]."""
        ids = [unit.id for unit in built.island.units]
        if event.kind == "load":
            rows = np.flatnonzero(self._draws & (self._cell == event.cell))
            drawn = last.p_kw[rows]
            if not len(rows) or drawn.max() <= 0.0:
                return built, None, 0.0
            p_kw = BLOCK_SHARE * float(drawn.sum())
            terminal = next((u.terminal for u in built.island.units if u.id.startswith(f"{event.cell}/")), 0)
            block = Load(id="block", terminal=terminal, p_kw=p_kw, on=False)
            built = replace(built, island=replace(built.island, loads=(*built.island.loads, block)))
            return built, Connect(time_s=AT_S, load="block", pickup=PICKUP, hold_s=HOLD_S), PICKUP * p_kw
        name = f"{event.cell}/{'following' if event.kind == 'sun' else 'forming'}"
        others = sum(unit.endswith("/forming") for unit in ids) > 1
        if name not in ids or (event.kind == "store" and not others):
            return built, None, 0.0
        unit = built.island.units[ids.index(name)]
        return built, Trip(time_s=AT_S, id=name), unit.p_kw
