"""The physics of one step: devices, their reactions to voltage, and the true AC power flow, made to agree.

leases or local rules -> powers -> AC voltages -> volt-var and trips -> powers -> ...  until they agree
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import cast, final

import numpy as np

from archipel.devices import (
    BatteryFleet,
    Delivered,
    DeviceFleet,
    Sensed,
    State,
    SwitchedCapacitorFleet,
    SwitchingFleet,
    TapChangerFleet,
    Weather,
)
from archipel.grid.physics import Physics, PositiveSequence, Terminals
from archipel.grid.power_flow import Flow
from archipel.model import Bools, Floats, Scenario
from archipel.twin.base import Decision, Truth
from archipel.twin.off_grid import NEAR_KW, OffGrid
from archipel.twin.off_grid import ROUNDS as BALANCES

SETTLED_PU = 1e-4
"""Settled: every inverter gives the reactive power of its curve at a voltage this close to the true one."""
SETTLED_KVAR = 0.02
"""Or: this close to its curve. Where the curve is flat, no voltage tells how far away an inverter is."""
ROUNDS = 60
FIRST_STRIDE = 0.85
"""Share of the way to its curve an inverter goes in the first round. Curves of many inverters on one feeder act on
each other: at 1 they swing. Later rounds learn the share cell by cell."""
TRIP_V_PU = 1.10
MOVES = 5
"""Most often that the network's own controls act again in a step because inverters moved the voltage."""


class VoltVarUnsettled(UserWarning):
    """Inverters on their volt-var curves did not come to rest; the last power flow is valid AC physics all the same."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Happened:
    """One step as it was."""

    delivered: tuple[Delivered, ...]
    """By fleet."""
    p_kw: Floats
    q_kvar: Floats
    tripped: Bools
    """Shape (devices,)."""
    flow: Flow
    f_hz: float = float("nan")
    """Off grid: frequency right after the step."""
    critical_unserved_kwh: float = 0.0
    position: Floats = field(default_factory=lambda: np.zeros(0))
    """Where the scenario's tap changers and switched capacitors stood, in the order of `controls_of`."""


def controls_of(scenario: Scenario) -> tuple[str, ...]:
    """Ids of the devices whose positions move by voltage."""
    return tuple(name for fleet in scenario.fleets if isinstance(fleet, SwitchingFleet) for name in fleet.id)


@final
class Plant:
    """All devices on their network. Physics is positive-sequence unless another is handed over."""

    def __init__(self, scenario: Scenario, truth: Truth, first_row: int, physics: Physics | None = None) -> None:
        self.fleets = tuple(_true_fleet(cast("DeviceFleet", fleet), truth) for fleet in scenario.fleets)
        self.states: list[State] = [fleet.initial(first_row) for fleet in self.fleets]
        node = scenario.device_node
        if physics is not None and truth.line_resistance != 1.0:
            raise ValueError("truth.line_resistance: only positive-sequence physics can have other lines than it says")
        self._physics = physics or PositiveSequence(scenario.grid, node, truth.line_resistance)
        self._nodes = len(scenario.grid.nodes)
        self._cell = scenario.device_cell
        self._trip = scenario.overvoltage_trip
        self._v_pu = np.ones(len(node))
        self._cells = len(scenario.archipelago.cell)
        ends = np.cumsum([0, *(len(fleet.id) for fleet in self.fleets)])
        self.part = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        self._off_grid = OffGrid(scenario, self.fleets, self.part) if scenario.island.off_grid else None
        self._losses_kw, self._q_forming = 0.0, 0.0
        self._reacts = tuple(i for i, fleet in enumerate(self.fleets) if fleet.follows_voltage)
        self._switching = {i: fleet for i, fleet in enumerate(self.fleets) if isinstance(fleet, SwitchingFleet)}
        self._stand()

    def begin(self, states: Mapping[str, State]) -> None:
        """Begin from these states of fleets by kind; the others stay as they are."""
        self.states = [states.get(fleet.kind, state) for fleet, state in zip(self.fleets, self.states, strict=True)]
        self._stand()

    def step(self, weather: Weather, decision: Decision, dt_h: float) -> Happened:
        """Let one step pass. Raises Diverged where the power flow has no answer."""
        if self._off_grid is not None:
            return self._step_off_grid(self._off_grid, weather, decision, dt_h)
        wish, delivered = self._first_pass(weather, decision.p_kw, dt_h)
        p = np.concatenate([np.zeros(0), *(one.p_kw for one in delivered)])
        q = np.concatenate([np.zeros(0), *(one.q_kvar for one in delivered)])
        settled = self._settle(p, q, self._with_banks(decision.q_kvar))
        passed_h = dt_h
        while self._switch(settled[3], passed_h):
            settled = self._settle(p, q, self._with_banks(decision.q_kvar))
            passed_h = 0.0  # what is left of the step they know themselves
        p, q, tripped, felt = settled
        for i in sorted({*self._reacts, *self._switching}):
            part = self.part[i]
            delivered[i] = self.fleets[i].advance(self.states[i], weather, wish[part], q[part], tripped[part], dt_h)
        self.states = [one.state for one in delivered]
        self._v_pu = felt.v_pu
        return Happened(tuple(delivered), p, q, tripped, self._physics.flow(), position=self._position())

    def _step_off_grid(self, island: OffGrid, weather: Weather, decision: Decision, dt_h: float) -> Happened:
        """The same where nothing comes from upstream: devices answer until nothing is missing."""

        def local(i: int) -> Floats:
            sensed = Sensed(self._v_pu[self.part[i]], np.zeros(len(self.fleets[i].id)))
            return self.fleets[i].local_rule(self.states[i], weather, sensed, dt_h)[0]

        def drawn(off: Bools, q: Floats | None) -> list[Delivered]:
            out = []
            for i, (fleet, part) in enumerate(zip(self.fleets, self.part, strict=True)):
                kvar = np.zeros(len(fleet.id)) if q is None else q[part]
                done = fleet.advance(self.states[i], weather, wish[part], kvar, off[part], dt_h)
                out.append(island.cut_loads(fleet.kind, done, dt_h))
            return out

        wish, share = island.wish(decision.p_kw, local), island.q_share()
        tripped = np.zeros(len(wish), dtype=bool)
        delivered = drawn(tripped, None)
        p = np.concatenate([one.p_kw for one in delivered])
        missing = float(p.sum()) + self._losses_kw  # a guess that saves a power flow
        for _ in range(BALANCES):
            wish = island.respond(wish, p, self.states, missing, dt_h)
            delivered = drawn(tripped, None)
            p = np.concatenate([one.p_kw for one in delivered])
            q = np.concatenate([one.q_kvar for one in delivered]) - share * self._q_forming
            p, q, more, felt = self._settle(p, q, self._with_banks(decision.q_kvar))
            flow = self._physics.flow()
            tripped |= more
            missing, self._losses_kw = flow.upstream_p_kw, flow.losses_kw
            self._q_forming += flow.upstream_q_kvar
            if abs(missing) <= NEAR_KW and abs(flow.upstream_q_kvar) <= NEAR_KW:
                break
        position = self._position()
        self._switch(felt, dt_h)  # off grid one step each, felt from the next step on
        delivered = drawn(tripped, q)
        self.states, self._v_pu = [one.state for one in delivered], felt.v_pu
        lost = sum(
            float(one.unserved_kwh.sum())
            for one, fleet in zip(delivered, self.fleets, strict=True)
            if fleet.kind == "load"
        )
        return Happened(tuple(delivered), p, q, tripped, flow, island.frequency(p), lost, position)

    def _switch(self, felt: Terminals, passed_h: float) -> bool:
        """Tap changers and capacitor banks feel these voltages for `passed_h` more: whether any of them moved."""
        moved = False
        for i, fleet in self._switching.items():
            after = fleet.switched(self.states[i], felt.v_pu[self.part[i]], passed_h)
            moved = moved or not np.array_equal(after["position"], self.states[i]["position"])
            self.states[i] = after
        if moved:
            self._stand()
        return moved

    def _stand(self) -> None:
        """Put the network's taps where the tap changers stand."""
        for i, fleet in self._switching.items():
            if isinstance(fleet, TapChangerFleet):
                self._physics.stand(fleet.branch, self.states[i]["position"])

    def _position(self) -> Floats:
        return np.concatenate([np.zeros(0), *(self.states[i]["position"] for i in self._switching)])

    def _with_banks(self, q_set: Floats) -> Floats:
        """Reactive setpoints, and for capacitor banks what the steps that are in draw at nominal voltage."""
        out = q_set.copy()
        for i, fleet in self._switching.items():
            if isinstance(fleet, SwitchedCapacitorFleet):
                out[self.part[i]] = fleet.nominal_q_kvar(self.states[i])
        return out

    def _first_pass(self, weather: Weather, lease_kw: Floats, dt_h: float) -> tuple[Floats, list[Delivered]]:
        """Wish (lease or local rule) of every device, and what each fleet makes of it if the voltage lets it.

        Fleets that balance the net power of their node are asked last.
        """
        wish = lease_kw.copy()
        delivered: dict[int, Delivered] = {}
        others = np.zeros(self._nodes)
        for i in sorted(range(len(self.fleets)), key=lambda i: self.fleets[i].follows_net):
            fleet, part, state = self.fleets[i], self.part[i], self.states[i]
            sensed = Sensed(self._v_pu[part], others[fleet.node])
            local, _ = fleet.local_rule(state, weather, sensed, dt_h)
            wish[part] = np.where(np.isnan(wish[part]), local, wish[part])
            none = np.zeros(len(fleet.id))
            delivered[i] = fleet.advance(state, weather, wish[part], none, none > 0, dt_h)
            if not fleet.follows_net:
                others = others + np.bincount(fleet.node, delivered[i].p_kw, self._nodes)
        return wish, [delivered[i] for i in range(len(self.fleets))]

    def _settle(self, p: Floats, q: Floats, q_set: Floats) -> tuple[Floats, Floats, Bools, Terminals]:
        """Voltages, reactive powers and trips that agree: (p, q, tripped, felt); physics keeps the flow.

        A trip lasts the step. Inverters trip cell by cell, those with the highest voltages first, until no older
        inverter is left above 1.10 pu. Controls of the network itself act before inverters settle, and again after, as
        long as they move: they are slower than inverters and quicker than a step.
        """
        p, tripped = p.copy(), np.zeros(len(p), dtype=bool)
        q = self._wanted_q(self._v_pu, p, q, q_set, tripped)
        felt, _ = self._physics.solve(p, q, act=True)
        stride, last_gap, moves, since = np.full(self._cells, FIRST_STRIDE), None, 0, False
        for _ in range(ROUNDS):
            gap = self._wanted_q(felt.v_pu, p, q, q_set, tripped) - q
            near = [self._wanted_q(felt.v_pu + d, p, q, q_set, tripped) for d in (-SETTLED_PU, SETTLED_PU)]
            low, high = np.min(near, axis=0), np.max(near, axis=0)  # capacitors give more when the voltage is higher
            if np.all((q >= low - SETTLED_KVAR) & (q <= high + SETTLED_KVAR)):
                over = self._over_voltage(felt.v_pu_high, tripped)
                if not over.any():
                    if not since or moves == MOVES or not self._physics.controls:
                        return p, q, tripped, felt
                    felt, moved = self._physics.solve(p, q, act=True)
                    if not moved:
                        return p, q, tripped, felt
                    moves, since, last_gap = moves + 1, False, None
                    continue
                tripped |= self._highest(over, felt.v_pu_high)
                p[tripped] = 0.0
                q[tripped] = 0.0
                last_gap = None
            else:
                if last_gap is not None:
                    stride = self._next_stride(stride, last_gap, gap)
                q += stride[self._cell] * gap
                last_gap = gap
            felt, _ = self._physics.solve(p, q, act=False)
            since = True
        warnings.warn(
            f"volt-var did not settle in {ROUNDS} rounds; an inverter is {np.abs(gap).max():.3g} kvar off its curve",
            VoltVarUnsettled,
            stacklevel=2,
        )
        return p, q, tripped, felt

    def _next_stride(self, stride: Floats, last_gap: Floats, gap: Floats) -> Floats:
        """Share of the way to the curve that would have closed each cell's gap, had it been a straight line.

        Source: Aitken relaxation, U. Kuettler, W. A. Wall, "Fixed-point fluid-structure interaction solvers with
        dynamic relaxation", Computational Mechanics 43 (2008), doi:10.1007/s00466-008-0255-5; here cell by cell.
        """
        closed = last_gap - gap
        above = np.bincount(self._cell, last_gap * closed, self._cells)
        below = np.bincount(self._cell, closed * closed, self._cells)
        factor = np.divide(above, below, out=np.ones(self._cells), where=below > 1e-12)
        return np.clip(stride * factor, 0.3, 1.0)

    def _wanted_q(self, v_pu: Floats, p: Floats, q: Floats, q_set: Floats, tripped: Bools) -> Floats:
        """Reactive power every device wants at these voltages."""
        wanted = q.copy()
        for i in self._reacts:
            fleet, part = self.fleets[i], self.part[i]
            wanted[part] = fleet.q_at_voltage(v_pu[part], p[part], q_set[part])
        wanted[tripped] = 0.0
        return wanted

    def _over_voltage(self, v_pu: Floats, tripped: Bools) -> Bools:
        over = np.zeros(len(tripped), dtype=bool)
        if self._trip:
            for i in self._reacts:
                over[self.part[i]] = self.fleets[i].trips(v_pu[self.part[i]])
        return over & ~tripped

    def _highest(self, over: Bools, v_pu: Floats) -> Bools:
        """Of those `over` the limit the upper half by voltage in every cell, so that few rounds are needed."""
        excess = np.where(over, v_pu - TRIP_V_PU, -np.inf)
        worst = np.full(int(self._cell.max(initial=0)) + 1, -np.inf)
        np.maximum.at(worst, self._cell, excess)
        return over & (excess >= 0.5 * worst[self._cell])


def _true_fleet(fleet: DeviceFleet, truth: Truth) -> DeviceFleet:
    """The fleet as it really is."""
    if isinstance(fleet, BatteryFleet) and truth.battery_efficiency != 1.0:
        factor = truth.battery_efficiency
        return replace(
            fleet,
            efficiency_charge=np.clip(fleet.efficiency_charge * factor, 1e-3, 1.0),
            efficiency_discharge=np.clip(fleet.efficiency_discharge * factor, 1e-3, 1.0),
        )
    return fleet
