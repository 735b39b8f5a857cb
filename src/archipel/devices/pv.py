"""Photovoltaics: modern inverters with reactive power, older ones without it that trip at over-voltage.

Reactive power: see `archipel.devices.volt_var`. Source of the trip: IEEE Std 1547-2018, table 13, OV1 at 1.10 pu; the
time it takes (2 s) is short beside a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.renewable import available_means, curtailment_columns, released
from archipel.devices.shared import profile_now
from archipel.devices.volt_var import beside, q_kvar_at, q_kvar_max, reactive_columns
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather

TRIP_V_PU = 1.10


@final
@dataclass(frozen=True, eq=False)
class PvFleet:
    """Panels and their inverters."""

    id: tuple[str, ...]
    node: Ints
    p_kw_peak: Floats
    """Power given at profile value one, non-negative."""
    s_kva: Floats
    """Rating of the inverter."""
    profile: Ints
    """Profile column; -1 for constant."""
    volt_var: Bools
    """True for a modern inverter: reactive power by setpoint or curve, rides through over-voltage. False for an
    older one: unity power factor, trips above 1.10 pu for the step; reconnects in the next."""

    kind: ClassVar[str] = "pv"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = True

    def available(self, weather: Weather) -> Floats:
        """Power on offer in the one row of a step [kW], shape (n,), non-negative."""
        return np.clip(self.p_kw_peak * profile_now(weather, self.profile), 0.0, self.s_kva)

    def q_kvar_max(self, p_kw: Floats) -> Floats:
        """Reactive power left beside `p_kw`: min(0.44 s, sqrt(s^2 - p^2)); zero for older inverters."""
        return q_kvar_max(self.s_kva, p_kw, self.volt_var)

    def initial(self, first_row: int) -> State:
        """Nothing moves."""
        del first_row
        return {}

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Full feed-in; reactive power by the curve at the sensed voltage."""
        del state, dt_h
        p = -self.available(weather)
        return p, self.q_at_voltage(sensed.v_pu, p, np.full(len(p), np.nan))

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """Reactive power drawn [kvar]: the curve without a lease, else the setpoint and its local correction."""
        return q_kvar_at(sensed_v_pu, self.q_kvar_max(p_kw), self.s_kva, q_set_kvar)

    def trips(self, v_pu: Floats) -> Bools:
        """Older inverters above 1.10 pu."""
        return np.asarray(~self.volt_var & (v_pu > TRIP_V_PU))

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Gives the wish, at most what is on offer; nothing while tripped (what was on offer is lost)."""
        del dt_h
        available = self.available(weather)
        p = np.where(tripped, 0.0, np.clip(p_kw, -available, 0.0))
        q_max = np.where(tripped, 0.0, self.q_kvar_max(p))
        zero = np.zeros(len(self.id))
        return Delivered(state, p, np.clip(q_kvar, -q_max, q_max), np.full(len(p), np.nan), available, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """First the curtailment controls of all that see the sun, then the reactive controls of modern inverters.

        Active and reactive power are columns of their own (J = 1): the room for reactive power is what full active
        power leaves, so they do not meet, and older inverters bring no empty controls.
        """
        del state, tariff
        available = available_means(weather, horizon, self.profile[rows], self.p_kw_peak[rows], self.s_kva[rows])
        active, column_of = curtailment_columns(self.id, self.node, rows, available, horizon)
        modern = np.flatnonzero(self.volt_var[rows])
        reactive = reactive_columns(self.id, self.node, rows[modern], self.s_kva, available[modern], horizon)
        zero = np.zeros((len(rows), len(horizon)))
        return Plan(zero, zero, beside(active, reactive), column_of)

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """Active power: a limit where the plan curtails, the rating elsewhere. Reactive power: as planned."""
        del state, now
        p, q = -self.s_kva[rows], np.zeros(len(rows))
        planned = plan.column_of >= 0
        column = plan.column_of[planned]
        p[planned] = released(u[column, 0, t], plan.columns.lo[column, 0, t], self.s_kva[rows][planned])
        q[self.volt_var[rows]] = u[len(column) :, 0, t]
        return p, q
