"""Black start from nothing but storage and renewables, growing cell by cell, in the dynamics of all cells at once.

    1. the strongest store raises the voltage of its cell from nothing, softly; critical load, then sun and wind
    2. every other cell whose store can does the same by itself: many small islands
    3. the first closes to its neighbours: dead ones are energised one after another, live ones turn towards it all at
       once and join when they are there; merged cells share power by rating and state of charge
    4. the rest of the load comes back, stage by stage, while there is more stored than the reserve

Every step waits until frequency and voltages of all live cells have settled. What was dark for long draws more when it
comes back (cold-load pick-up, `grid.dynamics.Connect`). Inrush of transformers is not modelled: step 1 ramps the
voltage, and a dead neighbour hangs on units that limit their current.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import final

import numpy as np

from archipel.devices import BatteryFleet, Weather
from archipel.grid.dynamics import Close, Connect, Event, Reading, SetPoint, Start, StartUp, Traces, simulate
from archipel.model import GridError, IslandRules, Scenario
from archipel.strategies.cells_as_units import STAGES, Area, State, area
from archipel.strategies.closing import LOOK_S, STEP_S, Synchroniser
from archipel.strategies.seconds import PERIOD_S, Faults, Sharing
from archipel.twin import Decision, Truth
from archipel.twin.plant import Plant

RAMP_S = 2.0
PICKUP, PICKUP_HOLD_S, PICKUP_DECAY_S = 2.0, 60.0, 900.0
"""What was dark draws twice as much for a minute, then less and less."""
SUN_S = 10
"""Seconds over which sun and wind come back, a tenth at a time."""
TAKES = 0.3
"""Of the rating of stores: what sun and wind may charge them with while an area starts."""
SETTLED_HZ, SETTLED_V_PU, SETTLED_S = 0.05, (0.93, 1.07), 1.0
WAIT_S = 180.0
"""Longest wait for one step."""
CARRIES = 0.9
"""Of the rating of stores that load may draw when it is picked up cold."""
STARTS_SOC = 0.02
"""A store with less cannot start its cell; it is energised by a neighbour."""
LONGEST_S = 900.0


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One thing done."""

    at_s: float
    what: str


@final
@dataclass(frozen=True, slots=True, eq=False)
class BlackStart:
    """How an area came back."""

    area: Area
    steps: tuple[Step, ...]
    order: tuple[str, ...]
    """Cells in the order in which they became one island."""
    critical_back_s: float
    """From the first voltage on until all critical load had been connected; infinite if not all was."""
    nadir_hz: float
    peak_hz: float
    traces: Traces
    why_not: str
    """Empty when it went through to the end."""


def black_start(
    scenario: Scenario,
    at: datetime,
    *,
    rules: IslandRules,
    soc: float | None = None,
    seed: int = 0,
    faults: Faults | None = None,
) -> BlackStart:
    """Start an area in which all is dark, with the load and the sun of `at`.

    Args:
        scenario: Cells with storage that hang together by lines.
        at: A quarter hour of its profiles.
        rules: `critical_share`, `reserve_kwh` and `droop` count.
        soc: State of charge of all batteries; by default what they start the scenario with.
        seed: Of messages, meters and switches.
        faults: Of messages and meters.

    Raises:
        GridError: No store can start a cell, or a tie is no line.
    """
    battery = next((f for f in scenario.fleets if isinstance(f, BatteryFleet)), None)
    if battery is None:
        raise GridError(f"{scenario.name}: found no batteries, so nothing can start it; add batteries to [devices]")
    state = _dark(scenario, at, battery, soc)
    built = area(scenario, state, battery, rules.droop, main="none", switched=True, critical=rules.critical_share)
    held = np.array([unit.store.e_kwh if unit.store else 0.0 for unit in built.island.units])[built.unit]
    if not (held >= STARTS_SOC * built.e_kwh_max).any():
        raise GridError(
            f"{scenario.name}: all stores are empty ({held.sum():,.0f} kWh), so nothing can start it; expected one "
            f"cell with {STARTS_SOC:.0%} of its storage filled"
        )
    control = _Growth(scenario, built, held, rules, seed, faults)
    start = Start(on=np.zeros((1, len(built.island.units)), dtype=np.bool_))
    traces = simulate(
        built.island, duration_s=LONGEST_S, start=start, step_s=STEP_S, record_s=0.05, control=control
    )  # fmt: skip
    f = traces.f_part_hz[0][np.isfinite(traces.f_part_hz[0])]
    return BlackStart(
        built, tuple(control.steps), tuple(control.order), control.critical_back_s, float(f.min()), float(f.max()),
        traces, control.why_not,
    )  # fmt: skip


def _dark(scenario: Scenario, at: datetime, battery: BatteryFleet, soc: float | None) -> State:
    """What load would draw and sun would give if there were a voltage."""
    row = scenario.profiles.row(at)
    plant = Plant(scenario, Truth(), row)
    free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))
    weather = Weather(row, scenario.profiles.window(row, 1).astype(np.float64), perfect=True)
    happened = plant.step(weather, free, 0.25)
    e = battery.e_kwh * battery.soc_start if soc is None else battery.e_kwh * soc
    p = np.where(np.array(scenario.device_kind) == "battery", 0.0, happened.p_kw)
    return State(p, happened.q_kvar, e, np.where(happened.flow.v_pu > 0, 1.0, 0.0))


Wait = Callable[[Reading], bool]
Story = Generator[tuple[list[Event], Wait], Reading, None]


@final
@dataclass(slots=True)
class _Settled:
    """All that is live has been near nominal for a while."""

    f_hz: float
    units: np.ndarray
    since_s: float = field(default=np.inf)

    def __call__(self, reading: Reading) -> bool:
        f, v = reading.f_hz[0, self.units], reading.v_pu[0, self.units]
        on = reading.on[0, self.units]
        well = np.abs(f - self.f_hz) <= SETTLED_HZ
        well &= (v >= SETTLED_V_PU[0]) & (v <= SETTLED_V_PU[1])
        self.since_s = min(self.since_s, reading.time_s) if bool(well[on].all()) else np.inf
        return reading.time_s - self.since_s >= SETTLED_S


@final
class _Growth:
    """The sequence, as a control of the run."""

    period_s = LOOK_S

    def __init__(
        self, scenario: Scenario, built: Area, held: np.ndarray, rules: IslandRules, seed: int, faults: Faults | None
    ) -> None:
        self.scenario, self.area, self.held, self.rules = scenario, built, held, rules
        self.sharing = Sharing(built, begins_s=np.inf, seed=seed, faults=faults)
        self.sharing.group[:] = np.arange(len(built.cells))
        self._rng = np.random.default_rng([seed, 2])
        self._ids = {each.id for each in (*built.island.units, *built.island.loads)}
        self._ties = {tie.id: row for row, tie in enumerate(built.island.ties)}
        self.steps: list[Step] = []
        self.order: list[str] = []
        self.critical_back_s, self.why_not, self.done = float("inf"), "", False
        self._lit: set[str] = set()
        """Cells of the growing island."""
        self._waiting: Wait = lambda _: True
        self._waited_s, self._now = 0.0, 0.0
        self._turning: dict[str, Synchroniser] = {}
        """By cell that is turning towards the growing island."""
        self._story = self._grow()
        self._begun = False
        self._connected: set[str] = set()
        self._sunny: set[str] = set()
        """Cells whose sun and wind have been told to come back."""
        self._late: list[str] = []
        """Cells whose critical load waits."""

    def __call__(self, reading: Reading) -> Sequence[Event]:
        self._now = reading.time_s
        events: list[Event] = []
        if round(self._now / LOOK_S) % round(PERIOD_S / LOOK_S) == 0:
            events += self.sharing(reading)
        for name, turning in list(self._turning.items()):
            events += turning.step(reading, self.sharing)
            if reading.closed[0, turning.tie]:
                del self._turning[name]
                self._join(name)
                self._say(f"{name}: synchronised and joined over {turning.name}")
        if self._waiting(reading):
            try:
                asked, self._waiting = self._story.send(reading) if self._begun else next(self._story)
                self._begun, self._waited_s = True, self._now
                events += asked
            except StopIteration:
                self.done = True
        elif self._now - self._waited_s > WAIT_S:
            self.why_not = f"not settled {WAIT_S:g} s after: {self.steps[-1].what}"
            self.done = True
        return events

    def _say(self, what: str) -> None:
        self.steps.append(Step(self._now, what))

    def _settled(self) -> _Settled:
        return _Settled(self.area.island.f_hz, self.area.unit)

    def _grow(self) -> Story:
        cells = self.area.cells
        can = [i for i in np.argsort(-self.held) if self._full_enough()[i]]
        first = int(can[0])
        yield from self._alone([first])
        self._join(cells[first])
        if len(can) > 1:
            yield from self._alone([int(i) for i in can[1:]])
        while ways := self._ways():
            dead = [way for way in ways if not self._alive(way[1])]
            yield from self._energise(*dead[0]) if dead else self._turn(ways)
        if missing := [name for name in cells if name not in self._lit]:
            self.why_not = f"no closed way to {', '.join(missing)}"
        late, self._late = self._late, []
        for name in late:
            yield from self._serve([name])
        if self._late:
            self.why_not = f"stores cannot pick up the critical load of {', '.join(self._late)}"
            return
        self.critical_back_s = next(
            (s.at_s for s in reversed(self.steps) if s.what.endswith("critical load")), float("inf")
        ) if not missing else float("inf")  # fmt: skip
        yield from self._restore()

    def _alone(self, rows: list[int]) -> Story:
        """Cells start by themselves, each its own island: voltage, critical load, sun."""
        names = [self.area.cells[i] for i in rows]
        told = ", ".join(names)
        self._say(f"{told}: voltage from nothing over {RAMP_S:g} s")
        up_s = self._now + RAMP_S + 0.2
        yield (
            [StartUp(time_s=self._now, unit=f"{name}/forming", ramp_s=RAMP_S) for name in names],
            lambda reading: reading.time_s > up_s,
        )
        for i in rows:
            self.sharing.begin(i, self._now)
        yield [], self._settled()
        yield from self._serve(names)

    def _serve(self, names: list[str]) -> Story:
        """Critical load of cells that have a voltage, then their sun, a tenth at a time."""
        loads = [f"{name}/critical" for name in names if f"{name}/critical" in self._ids and self._carries(name)]
        if loads:
            self._say(f"{', '.join(load.split('/')[0] for load in loads)}: critical load")
            yield [self._connect(load) for load in loads], self._settled()
        ids = {f"{name}/following" for name in set(names) - self._sunny}
        suns = [u for u in self.area.island.units if u.id in ids and u.p_kw_min < 0]
        self._sunny |= set(names)
        if suns:
            self._say(f"{', '.join(u.id.split('/')[0] for u in suns)}: sun and wind over {SUN_S} s")
            begin: list[Event] = [SetPoint(time_s=self._now, unit=u.id, p_kw=0.0) for u in suns]
            begin += [StartUp(time_s=self._now, unit=u.id) for u in suns]
            for u in suns:
                name = u.id.split("/")[0]
                begin += self._sun([name], self._sun_share([name], ("critical",)), 0.0)
            until = self._now + SUN_S
            settled = self._settled()
            yield begin, lambda reading: settled(reading) and reading.time_s > until

    def _sun(self, names: list[str], share: float, before: float) -> list[Event]:
        """Sun and wind of cells up to a share of what there is, a step a second."""
        units = {u.id: u.p_kw_min for u in self.area.island.units}
        for name in set(names) & set(self.area.cells):
            self.sharing.allowed[self.area.cells.index(name)] = share
        return [
            SetPoint(
                time_s=self._now + k, unit=f"{name}/following", p_kw=(before + k / SUN_S * (share - before)) * most
            )
            for name in names
            if (most := units.get(f"{name}/following", 0.0)) < 0.0
            for k in range(1, SUN_S + 1)
        ]

    def _sun_share(self, names: list[str], parts: tuple[str, ...]) -> float:
        """How much of their sun and wind these cells can use: their load, and a part of what their stores can take."""
        given = -sum(u.p_kw_min for u in self.area.island.units if u.id in {f"{name}/following" for name in names})
        load = sum(
            x.p_kw for x in self.area.island.loads if x.id.split("/")[0] in names and x.id.split("/")[1] in parts
        )
        stores = set(names) if set(names) & set(self.area.cells) else self._lit
        rows = [i for i, name in enumerate(self.area.cells) if name in stores]
        empty = np.clip(2.0 * (1.0 - self.held[rows] / self.area.e_kwh_max[rows]), 0.0, 1.0)
        return min(1.0, (load + TAKES * float((self.area.rating_kw[rows] * empty).sum())) / max(given, 1e-9))

    def _carries(self, name: str) -> bool:
        """Whether the stores a cell hangs on can pick up its critical load; if not it waits until all cells are one."""
        mates = self._lit | {name} if name in self._lit else {name}
        rows = [i for i, cell in enumerate(self.area.cells) if cell in mates and self._full_enough()[i]]
        drawn = {load.id: PICKUP * load.p_kw for load in self.area.island.loads if load.id.split("/")[0] in mates}
        kw = sum(drawn[load] for load in self._connected & set(drawn)) + drawn.get(f"{name}/critical", 0.0)
        if kw <= CARRIES * float(self.area.rating_kw[rows].sum()):
            return True
        self._late.append(name)
        self._say(f"{name}: critical load waits, its stores cannot pick it up")
        return False

    def _full_enough(self) -> np.ndarray:
        return np.asarray(self.held >= STARTS_SOC * self.area.e_kwh_max)

    def _connect(self, load: str) -> Connect:
        self._connected.add(load)
        return Connect(
            time_s=self._now, load=load, pickup=PICKUP, hold_s=PICKUP_HOLD_S, decay_s=PICKUP_DECAY_S
        )  # fmt: skip

    def _ways(self) -> list[tuple[str, str, int]]:
        """Ties that lead out of the island, the cell beyond and the tie's end there; most stored first, a cell once."""
        ways: dict[str, tuple[float, str, str, int]] = {}
        for tie in self.scenario.archipelago.tie:
            ends = (tie.upper, tie.lower)
            inside = [name in self._lit for name in ends]
            if tie.closed and inside[0] != inside[1]:
                end = inside.index(False)
                stored = float(self.held[self.area.cells.index(ends[end])]) if ends[end] in self.area.cells else 0.0
                ways.setdefault(ends[end], (-stored, tie.id, ends[end], end))
        return [way[1:] for way in sorted(ways.values())]

    def _alive(self, name: str) -> bool:
        cells = self.area.cells
        return name in cells and bool(np.isfinite(self.sharing.begun_s[cells.index(name)]))

    def _energise(self, tie: str, name: str, end: int) -> Story:
        """A dead neighbour hangs on us; its own unit joins in step."""
        del end
        self._say(f"{name}: energised over {tie}")
        yield [Close(time_s=self._now, tie=tie)], self._settled()
        self._join(name)
        if name in self.area.cells:
            yield [StartUp(time_s=self._now, unit=f"{name}/forming")], self._settled()
            self.sharing.begin(self.area.cells.index(name), self._now)
        yield from self._serve([name])

    def _turn(self, ways: list[tuple[str, str, int]]) -> Story:
        """Live neighbours turn towards us and join."""
        for tie, name, end in ways:
            leader = self.area.cells.index(name)
            self._turning[name] = Synchroniser(self._ties[tie], tie, own_end=end, leader=leader, rng=self._rng)
        self._say(f"{', '.join(self._turning)}: turning towards the island")
        yield [], lambda _: not self._turning
        yield [], self._settled()

    def _join(self, name: str) -> None:
        """A cell is part of the growing island now, and hears the others there."""
        self._lit.add(name)
        self.order.append(name)
        if name in self.area.cells:
            self.sharing.group[self.area.cells.index(name)] = -1

    def _restore(self) -> Story:
        stored = float(self.held.sum())
        if stored <= self.rules.reserve_kwh:
            self._say(f"only critical load: {stored:,.0f} kWh stored, reserve {self.rules.reserve_kwh:,.0f} kWh")
            return
        for stage in range(1, STAGES + 1):
            loads = [
                load
                for load in sorted(self._ids)
                if load.endswith(f"/rest {stage}") and load.split("/")[0] in self._lit
            ]
            if loads:
                self._say(f"all cells: part {stage} of {STAGES} of the other load")
                yield [self._connect(load) for load in loads], self._settled()
        self._say("all load is back")
        names = sorted(self._lit)
        parts = tuple(load.split("/")[1] for load in self._ids if "/rest" in load)
        share = self._sun_share(names, ("critical", *parts))
        before = {name: self._sun_share([name], ("critical",)) for name in names}
        late = [event for name in names for event in self._sun([name], max(share, before[name]), before[name])]
        if late and min(before.values()) < share:
            self._say(f"all cells: sun and wind, {share:.0%} of what there is")
            until, settled = self._now + SUN_S, self._settled()
            yield late, lambda reading: settled(reading) and reading.time_s > until
