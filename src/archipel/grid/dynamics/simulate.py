"""An island through time: steps while something moves, settled states while nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from archipel.grid.dynamics.balance import balance
from archipel.grid.dynamics.events import (
    Close,
    Connect,
    Event,
    LoadStep,
    Open,
    SetPoint,
    StartUp,
    Trip,
    Tripped,
)
from archipel.grid.dynamics.island import Island, Start
from archipel.grid.dynamics.plant import Plant
from archipel.grid.dynamics.readings import Control, Reading
from archipel.grid.dynamics.stepping import Stepper
from archipel.grid.dynamics.traces import Frame, Settled, Traces, traces
from archipel.grid.dynamics.watch import STORE_S, Watch
from archipel.model import Floats, GridError

LOOK_S = 0.01
"""Period of controls and relays, and the finest trace."""
QUIET_S = 0.25
"""How often it is asked whether the island has come to rest."""
QUIET_F_HZ, QUIET_PU = 1e-4, 1e-4
"""At rest: frequency, voltages and powers (on rating) are this near to the settled state, and no relay counts."""
SLOW_PU = 1e-3
"""Moving faster than this in `QUIET_S` is not at rest, and no settled state is looked for. Fading pick-up is slower."""


_INSTANT = ("p_kw", "q_kvar", "v_pu", "load_p_kw", "load_q_kvar", "load_v_pu", "losses_kw")


def settled(island: Island, start: Start | None = None) -> Settled:
    """Frequency, voltages and sharing of every scenario after all droops have acted, without simulating time.

    Raises GridError when the arrays of `start` do not fit.
    """
    plant = Plant(island, start or Start(), _scenarios(island, start))
    watch = Watch(plant)
    found, s = balance(plant, watch)
    seen = traces(plant, np.zeros(1), [Frame.of(plant, s)], (plant.w_centre, plant.w_centre), ())
    return Settled(
        found=found,
        f_hz=seen.f_centre_hz[:, 0],
        terminal_v_pu=plant.at_terminals().T,
        **{name: getattr(seen, name)[:, 0] for name in _INSTANT},
    )


def simulate(
    island: Island,
    events: Sequence[Event] = (),
    *,
    duration_s: float,
    start: Start | None = None,
    step_s: float = 0.001,
    record_s: float = LOOK_S,
    quasi_static: bool = True,
    control: Control | None = None,
) -> Traces:
    """Every scenario from its settled state through the events.

    Args:
        island: Units, loads and network.
        events: In any order. Their times are kept to the nearest step.
        duration_s: How long.
        start: Where scenarios differ; its arrays say how many there are.
        step_s: 1 to 10 ms; a divisor of 10 ms.
        record_s: How far apart traces are, a multiple of 10 ms.
        quasi_static: Jump from settled state to settled state while nothing moves (`QUIET_F_HZ`, `QUIET_PU`). Not with
            a control, which may act at any time.
        control: Looks every `period_s`, from the start on, and answers with more events. Traces end early when it is
            done.

    Raises:
        GridError: A scenario has no settled state to start from, an event names nothing, a time cannot be kept.
    """
    steps_per_look = round(LOOK_S / step_s) if step_s > 0 else 0
    if steps_per_look < 1 or abs(steps_per_look * step_s - LOOK_S) > 1e-9 or step_s < 1e-4:
        raise GridError(f"found a step of {step_s} s; expected 0.001 to 0.01 s that divides 0.01 s")
    plant = Plant(island, start or Start(), _scenarios(island, start))
    run = _Run(plant, step_s, record_s, quasi_static and control is None)
    return run.through(_in_order(plant, events, duration_s), duration_s, control)


def _scenarios(island: Island, start: Start | None) -> int:
    given = {name: getattr(start, name) for name in Start.__slots__} if start else {}
    counts = {len(array) for array in given.values() if array is not None}
    if island.network.y_pu.ndim == 3:
        counts.add(len(island.network.y_pu))
    if len(counts) > 1:
        raise GridError(f"found arrays for {sorted(counts)} scenarios; expected the same number in all")
    for name, array in given.items():
        columns = len(island.loads if name.startswith("load") else island.ties if name == "closed" else island.units)
        if array is not None and array.shape[1:] != (columns,):
            raise GridError(f"start.{name}: found shape {array.shape}; expected (S, {columns})")
        if array is not None and np.isnan(array).any():
            raise GridError(
                f"start.{name}: found a value that is not a number in scenario {np.argwhere(np.isnan(array))[0][0]}"
            )
    return counts.pop() if counts else 1


def _name(event: Event) -> str:
    if isinstance(event, SetPoint | StartUp):
        return event.unit
    if isinstance(event, Open | Close):
        return event.tie
    return event.id if isinstance(event, Trip) else event.load


def _in_order(plant: Plant, events: Sequence[Event], duration_s: float) -> list[Event]:
    problems = []
    units, loads = {unit.id for unit in plant.units}, {load.id for load in plant.island.loads}
    ties = {tie.id for tie in plant.island.ties}
    for event in events:
        name = _name(event)
        known = (
            units if isinstance(event, SetPoint | StartUp)
            else ties if isinstance(event, Open | Close)
            else units | loads if isinstance(event, Trip)
            else loads
        )  # fmt: skip
        if name not in known:
            problems.append(f"{type(event).__name__} at {event.time_s:g} s: there is no {name}")
        elif isinstance(event, SetPoint) and event.v_pu is not None and plant.ids.index(name) >= plant.F:
            problems.append(f"SetPoint of {name}: it follows a voltage, so v_pu means nothing to it")
        if isinstance(event, Connect) and not (event.pickup >= 1 and event.hold_s >= 0 and event.decay_s > 0):
            problems.append(f"{event}: expected a pickup not below 1, a hold_s not below 0 and a decay_s above it")
        if isinstance(event, StartUp) and not event.ramp_s > 0:
            problems.append(f"StartUp of {name}: found a ramp of {event.ramp_s:g} s; expected one above zero, often 1")
        if not 0 <= event.time_s <= duration_s:
            problems.append(f"{type(event).__name__} of {name}: its time {event.time_s:g} s is not in the run")
        if event.scenario is not None and not 0 <= event.scenario < plant.S:
            problems.append(f"{type(event).__name__} of {name}: there is no scenario {event.scenario}")
    if problems:
        raise GridError("\n".join(problems))
    return sorted(events, key=lambda event: event.time_s)


@final
class _Run:
    def __init__(self, plant: Plant, step_s: float, record_s: float, quasi_static: bool) -> None:
        self.plant, self.watch = plant, Watch(plant)
        self.step_s, self.quasi_static = step_s, quasi_static
        self.per_look = round(LOOK_S / step_s)
        self.stepper = Stepper(plant, step_s, self.per_look)
        self.per_record = self.per_look * max(1, round(record_s / LOOK_S))
        self.times: list[float] = []
        self.frames: list[Frame] = []
        self._place_before: Floats | None = None
        self.trips: list[Tripped] = []
        found, self.s = balance(plant, self.watch)
        if not found.all():
            bad = np.flatnonzero(~found)
            raise GridError(
                f"scenario {bad[0]}{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}: has no settled state "
                "to start from; the units that form its voltage must be able to carry its load within their limits"
            )
        self.lowest, self.highest = plant.w_centre.copy(), plant.w_centre.copy()
        self._extremes()

    def through(self, events: list[Event], duration_s: float, control: Control | None) -> Traces:
        """Steps are counted, so that no time is ever off by a sum of roundings."""
        last = round(duration_s / self.step_s)
        due = [(min(round(event.time_s / self.step_s), last), event) for event in events]
        k, looked, per_quiet = 0, 0, self.per_look * round(QUIET_S / LOOK_S)
        per_control = 0 if control is None else self.per_look * max(1, round(control.period_s / LOOK_S))
        self._record(0)
        while True:
            if control is not None and k % per_control == 0 and k < last:
                asked = control(Reading.of(self.plant, k * self.step_s, self.s))
                new = _in_order(self.plant, asked, duration_s) if asked else []
                due += [(max(k, min(round(event.time_s / self.step_s), last)), event) for event in new]
                due.sort(key=lambda one: one[0])
            switched = False
            while due and due[0][0] <= k:
                event = due.pop(0)[1]
                self._happen(event)
                switched |= not isinstance(event, SetPoint)
            if switched:
                self._switched()
            if k >= last or (control is not None and control.done):
                break
            stop = min(last, due[0][0]) if due else last
            if self.quasi_static and k % per_quiet == 0 and (ahead := self._jump(stop - k)):
                k = looked = k + ahead
                self._record(k)
                continue
            stop = min(stop, k + self.per_look - k % self.per_look)
            self.stepper.run(stop - k, self.lowest, self.highest)
            k = stop
            if k % self.per_look == 0 or k == last:
                self.s = self.watch.powers(self.stepper.s)
                gone = self.watch.look(k * self.step_s, (k - looked) * self.step_s, self.s)
                looked = k
                if gone:
                    self.trips += gone
                    self._switched()
                if k % self.per_record == 0 or k == last:
                    self._record(k)
        return self._traces()

    def _extremes(self) -> None:
        """Of frequencies of live parts in a settled state."""
        parts = self.plant.parts
        centres = np.where(parts.exist(), parts.centres(self.plant), self.plant.w_centre)
        np.minimum(self.lowest, centres.min(axis=0), out=self.lowest)
        np.maximum(self.highest, centres.max(axis=0), out=self.highest)

    def _switched(self) -> None:
        """Voltages and currents jump when something is switched; angles and filters do not."""
        plant = self.plant
        plant.rebuild()
        plant.solve()
        self.s = self.watch.powers(plant.V[: plant.F] * plant.I.conj())

    def _happen(self, event: Event) -> None:
        plant = self.plant
        at = slice(None) if event.scenario is None else event.scenario
        if isinstance(event, SetPoint):
            row = plant.ids.index(_name(event))
            for kw, values in ((event.p_kw, plant.p_set), (event.q_kvar, plant.q_set)):
                if kw is not None:
                    values[row, at] = -kw / plant.base
            if event.v_pu is not None:
                plant.v_set[row, at] = event.v_pu
            return
        if isinstance(event, Open | Close):
            tie = [each.id for each in plant.island.ties].index(event.tie)
            plant.closed[tie, at] = isinstance(event, Close)
            return
        row = plant.ids.index(_name(event))
        if isinstance(event, StartUp):
            for scenario in range(plant.S) if event.scenario is None else (event.scenario,):
                plant.start_up(row, scenario, event.ramp_s)
            return
        load = row - plant.N
        if isinstance(event, Trip):
            plant.switch_off(row, at)
        elif isinstance(event, LoadStep):
            plant.load[load, at] = (event.p_kw + 1j * event.q_kvar) / plant.base
        else:
            plant.on[row, at] = True
            plant.pickup[load, at] = plant.multiple[load, at] = event.pickup
            plant.pickup_s[load, at], plant.decay_s[load, at] = event.hold_s, event.decay_s

    def _jump(self, room: int) -> int:
        """Steps to leave out, the plant then being in the settled state at their end; 0 while something moves."""
        plant, watch = self.plant, self.watch
        now = self._place()
        moved = np.abs(now - self._place_before).max() if self._place_before is not None else np.inf
        self._place_before = now
        if plant.rising or moved > SLOW_PU or watch.beyond().any() or (ahead := self._still(room)) == 0:
            return 0
        kept = plant.kept()
        found, s = balance(plant, watch)
        before, self.s = self.s, s
        far = np.abs(self._place() - now)
        if not found.all() or far[: plant.F].max() * plant.island.f_hz > QUIET_F_HZ or far.max() > QUIET_PU:
            plant.put_back(kept)
            self.s = before
            return 0
        dt_s = ahead * self.step_s
        watch.spend(s.real, dt_s)
        if plant.L:
            watch.age_loads(dt_s, plant.island.f_hz * (1 + watch.at_loads()))
        turn = plant.parts.turn(plant, dt_s, slice(plant.F))
        if turn is not None:
            plant.u *= turn  # parts go on turning against each other while nothing else moves
        found, self.s = balance(plant, watch)
        if not found.all():
            plant.put_back(kept)
            self.s = before
            return 0
        self._extremes()
        return ahead

    def _place(self) -> Floats:
        """What must stand still: frequencies, voltages, powers on rating, by row."""
        plant = self.plant
        on = plant.on[: plant.F]
        p = np.where(plant.on[: plant.N], self.s, 0.0) / plant.rating
        return np.concatenate([np.where(on, plant.w, 0.0), np.abs(plant.V), p.real, p.imag])

    def _still(self, room: int) -> int:
        """Steps in which neither stores nor pick-up move the island much; all of `room` where there are none."""
        plant = self.plant
        shortest_s = np.inf
        fading = (plant.pickup > 1 + QUIET_PU) & plant.on[plant.N :]
        if fading.any():
            shortest_s = float(np.where(plant.pickup_s > 0, plant.pickup_s, plant.decay_s / 50)[fading].min())
        if plant.stored.any():
            p = self.s.real
            left = np.where(p > 0, plant.e * plant.efficiency, (plant.e_max - plant.e) / plant.efficiency)
            busy = plant.on[: plant.N] & plant.stored[:, None] & (np.abs(p) > 1e-9)
            if busy.any():
                soft_s = (left[busy] / np.abs(p[busy])) * 3600.0 - STORE_S  # until its power begins to fall with it
                shortest_s = min(shortest_s, max(float(soft_s.min()), STORE_S / 20))
        if shortest_s * 0.999 > room * self.step_s:
            return room
        quiet = self.per_look * round(QUIET_S / LOOK_S)
        return min(room, int(shortest_s / self.step_s) // quiet * quiet)

    def _record(self, k: int) -> None:
        self.times.append(k * self.step_s)
        self.frames.append(Frame.of(self.plant, self.s))

    def _traces(self) -> Traces:
        return traces(self.plant, np.array(self.times), self.frames, (self.lowest, self.highest), tuple(self.trips))
