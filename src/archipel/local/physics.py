"""What happens in a rehearsal: devices of the farm do what they were told, the twin's plant decides what comes of it.

    registers --(order, lapse, settling)--> wish --> Plant.step: ratings, stores, sessions, AC power flow --> truth
        ^                                                                                                      |
        +--- state of charge, session, sun, voltage, metered powers -------------------------------------------+

Who owns what: the farm owns orders and their timers; the plant owns energy, sessions, weather and voltages. A device
without an order follows the local rule of the twin, so a rehearsal with the same orders is the twin's day.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast, final

import numpy as np

from archipel.devices import BatteryFleet, BuildingFleet, EvChargerFleet, HeatPumpFleet, Sensed
from archipel.devices.ev_charger import ROWS_PER_H
from archipel.farm import Device, Farm, Inverter
from archipel.farm import Truth as AtDevice
from archipel.grid.power_flow import Flow
from archipel.local.served import UPSTREAM, driver_of, meters
from archipel.local.telemetry import Moment, Sizes
from archipel.model import Floats, Scenario
from archipel.twin import Decision
from archipel.twin.base import Truth
from archipel.twin.outside import Outside
from archipel.twin.plant import Happened, Plant
from archipel.twin.record import Meters

QUARTER_S = 900
SHOWN_S = 1e-3
"""Simulated time after a part that registers of batteries and of tripped inverters take to show what became of it."""


@final
class Physics:
    """All devices on their network, moved by the registers of a farm.

    Args:
        scenario: What there is.
        farm: Serves `archipel.local.served.devices` of that scenario.
        start: Simulated time at second 0; a whole quarter hour.
    """

    def __init__(self, scenario: Scenario, farm: Farm, start: datetime) -> None:
        self.scenario, self.farm = scenario, farm
        self._row = scenario.profiles.row(start)
        self.plant = Plant(scenario, Truth(), self._row)
        self._outside = Outside(scenario.profiles, 15, 0.0, scenario.seed)
        self._devices: dict[str, Device] = farm.devices
        ids = scenario.device_id
        self._served = [i for i, kind in enumerate(scenario.device_kind) if driver_of(kind) is not None]
        self._id = [ids[i] for i in self._served]
        self._node = scenario.device_node[self._served]
        self._batteries = [i for i, kind in enumerate(scenario.device_kind) if kind == "battery"]
        self._meters = Meters(scenario)
        self._places = list(meters(scenario))
        self._tie = {tie.id: i for i, tie in enumerate(scenario.archipelago.tie)}
        self._start = start
        self.now_s = 0.0
        """Simulated seconds since the start."""
        self.flow: Flow | None = None
        """Of the last part; None before the first."""
        self.farm.step(0.0)
        self._tell_states()

    @property
    def utc(self) -> datetime:
        """Simulated time."""
        return self._start + timedelta(seconds=self.now_s)

    @property
    def row(self) -> int:
        """Profile row of the current time."""
        return self._row + int((self.now_s + 1e-6) // QUARTER_S)

    def step(self, dt_s: float) -> Happened:
        """Let one part pass; it may not cross the end of a quarter hour. Raises `Diverged` as the plant does."""
        into_s = self.now_s % QUARTER_S
        if not 0.0 < dt_s <= QUARTER_S - into_s + 1e-6:
            raise ValueError(f"a part of {dt_s} s at {into_s} s of a quarter hour; expected one that ends within it")
        dt_h = dt_s / 3600.0
        weather = self._outside.weather(self.row, 0)
        self._tell_rules(weather, dt_h)
        self.farm.step(self.now_s + dt_s)
        happened = self.plant.step(weather, self._wishes(), dt_h)
        self.now_s, self.flow = round(self.now_s + dt_s, 3), happened.flow
        self._tell(happened)
        return happened

    def _wishes(self) -> Decision:
        """What the devices go for; NaN where nobody ordered anything and the plant's own rule is the better one."""
        free = Decision.free(len(self.scenario.device_node), 0)
        p_kw, q_kvar = free.p_kw.copy(), free.q_kvar.copy()
        demand = self.farm.demand()
        for i, name in zip(self._served, self._id, strict=True):
            device, wish = self._devices[name], demand[name]
            p_kw[i] = wish.p_kw
            if isinstance(device, Inverter):
                obeys = not device.fault.ignores_setpoints
                ordered = obeys and (_on(device, "704.WSetEna") or _on(device, "704.WMaxLimPctEna"))
                if device.storage is not None and not ordered:
                    p_kw[i] = np.nan
                own_curve = not (obeys and (_on(device, "704.VarSetEna") or _on(device, "704.PFWInjEna")))
                # The plant makes curve and voltage agree; the device's own register follows with the next part.
                q_kvar[i] = np.nan if own_curve else wish.q_kvar
        return replace(free, p_kw=p_kw, q_kvar=q_kvar)

    def moment(self, happened: Happened, dt_s: float) -> Moment:
        """The part that has just happened, for those who look on."""
        flow = happened.flow
        tie_p, tie_q = self._meters.read(flow)
        ordered = np.full(len(self.scenario.device_node), np.nan)
        ordered[self._served] = [self._devices[name].ordered_kw for name in self._id]
        unserved_kwh = sum(float(one.unserved_kwh.sum()) for one in happened.delivered)
        area = (flow.upstream_p_kw, flow.upstream_q_kvar, flow.losses_kw, unserved_kwh * 3600.0 / dt_s, happened.f_hz)
        none = np.zeros(0)
        return Moment(
            area=np.array(area, np.float32),
            v_pu=flow.v_pu,
            loading=flow.loading,
            p_kw=happened.p_kw,
            q_kvar=happened.q_kvar,
            soc=np.concatenate([none, *(one.soc for one in happened.delivered)]),
            available_kw=np.concatenate([none, *(one.available_kw for one in happened.delivered)]),
            p_kw_set=ordered,
            tie_p_kw=tie_p.ravel(),
            tie_q_kvar=tie_q.ravel(),
        )

    def sizes(self) -> Sizes:
        """How much a moment holds."""
        grid, ties = self.scenario.grid, self.scenario.archipelago.tie
        return Sizes(len(grid.nodes), len(grid.branch_id), len(self.scenario.device_node), len(ties))

    # ---------------------------------------------------------------- what devices are told of the world

    def _tell_rules(self, weather: Any, dt_h: float) -> None:
        """What the sun gives, what the car takes, what houses draw: the devices' own rule in the coming part."""
        available: dict[str, float] = {}
        for fleet, state in zip(self.plant.fleets, self.plant.states, strict=True):
            if driver_of(fleet.kind) is None or isinstance(fleet, BatteryFleet):
                continue
            none = np.zeros(len(fleet.id))
            local, _ = fleet.local_rule(state, weather, Sensed(none + 1.0, none), dt_h)
            available.update(zip(fleet.id, np.abs(local).tolist(), strict=True))
        self.farm.observe(available_kw=available)

    def _tell(self, happened: Happened) -> None:
        flow = happened.flow
        v_pu = dict(zip(self._id, flow.v_pu[self._node].tolist(), strict=True))
        p_kw, q_kvar = {}, {}
        tie_p, tie_q = self._meters.read(flow)
        for place in self._places:
            v_pu[place.id] = float(flow.v_pu[place.node])
            if place.id == UPSTREAM:
                p_kw[place.id], q_kvar[place.id] = float(flow.upstream_p_kw), float(flow.upstream_q_kvar)
            else:
                p_kw[place.id], q_kvar[place.id] = self._metered(self._tie[place.tie], tie_p, tie_q)
        self.farm.observe(v_pu=v_pu, p_kw=p_kw, q_kvar=q_kvar)
        soc = self._tell_states()
        ids = self.scenario.device_id
        for i in self._batteries:
            battery = cast("Inverter", self._devices[ids[i]])
            assert battery.storage is not None, "served as one"
            # without an order its registers show what its own rule did
            battery.storage = replace(battery.storage, default_kw=float(happened.p_kw[i]))
            battery.advance(SHOWN_S, AtDevice(v_pu=v_pu[ids[i]], soc=soc[ids[i]]))
        for i in np.flatnonzero(happened.tripped).tolist():
            self._devices[ids[i]].advance(SHOWN_S, AtDevice(v_pu=v_pu[ids[i]], available_kw=0.0))
        self.farm.step(self.now_s)  # no time passes; all others see what there is now

    def _metered(self, tie: int, tie_p: Floats, tie_q: Floats) -> tuple[float, float]:
        """Power into the lower cell at the end where the tie is metered."""
        if self.scenario.archipelago.tie[tie].metered_at == "upper":
            return -float(tie_p[tie, 0]), -float(tie_q[tie, 0])
        return float(tie_p[tie, 1]), float(tie_q[tie, 1])

    def _tell_states(self) -> dict[str, float]:
        """State of charge and sessions; returns the former."""
        soc: dict[str, float] = {}
        wanted: dict[str, float] = {}
        ends: dict[str, float] = {}
        for fleet, state in zip(self.plant.fleets, self.plant.states, strict=True):
            if isinstance(fleet, BatteryFleet):
                share = np.divide(state["e_kwh"], fleet.e_kwh, out=np.zeros(len(fleet.id)), where=fleet.e_kwh > 0)
                soc.update(zip(fleet.id, share.tolist(), strict=True))
            elif isinstance(fleet, HeatPumpFleet | BuildingFleet):
                soc.update(zip(fleet.id, np.clip(state["t_k"] / fleet.band_k, 0.0, 1.0).tolist(), strict=True))
            elif isinstance(fleet, EvChargerFleet):
                still, left_s = sessions_now(fleet, state)
                wanted.update(zip(fleet.id, still.tolist(), strict=True))
                ends.update(zip(fleet.id, left_s.tolist(), strict=True))
        self.farm.observe(soc=soc, e_kwh_wanted=wanted, ends_in_s=ends)
        return soc


def sessions_now(fleet: EvChargerFleet, state: Any) -> tuple[Floats, Floats]:
    """(energy still wanted [kWh], seconds until departure) of every charger; zero where no car is plugged in."""
    sessions = fleet.sessions
    session = sessions.own(state["session"].astype(np.int64))
    row = state["clock_h"] * ROWS_PER_H + 1e-6
    plugged = (sessions.start[session] <= row) & (row < sessions.end[session])
    wanted = np.maximum(sessions.kwh[session] - state["delivered_kwh"], 0.0)
    left_s = (sessions.end[session] - row) * QUARTER_S
    return np.where(plugged, wanted, 0.0), np.where(plugged, left_s, 0.0)


def _on(device: Inverter, point: str) -> bool:
    return device.image.raw(point) == 1
