"""Renewable generators (wind, hydro, biomass) that follow a profile and can be curtailed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.renewable import available_means, curtailment_columns, released
from archipel.devices.shared import profile_now, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather


@final
@dataclass(frozen=True, eq=False)
class GeneratorFleet:
    """Generators at unity power factor."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    """Power given at profile value one, non-negative."""
    s_kva: Floats
    """Rating of generator or inverter."""
    profile: Ints
    """Profile column; -1 for constant."""
    source: tuple[str, ...]
    """What drives it: wind, hydro, biomass, ..."""

    kind: ClassVar[str] = "generator"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    def available(self, weather: Weather) -> Floats:
        """Power on offer in the one row of a step [kW], shape (n,), non-negative."""
        return np.clip(self.p_kw * profile_now(weather, self.profile), 0.0, self.s_kva)

    def initial(self, first_row: int) -> State:
        """Nothing moves."""
        del first_row
        return {}

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Full feed-in at unity power factor."""
        del state, sensed, dt_h
        return -self.available(weather), np.zeros(len(self.id))

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """No curve."""
        del sensed_v_pu, p_kw
        return setpoint_or_zero(q_set_kvar)

    def trips(self, v_pu: Floats) -> Bools:
        """Never."""
        return np.zeros(len(v_pu), dtype=bool)

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Gives the wish, at most what is on offer."""
        del q_kvar, dt_h
        available = self.available(weather)
        p = np.where(tripped, 0.0, np.clip(p_kw, -available, 0.0))
        zero = np.zeros(len(self.id))
        return Delivered(state, p, zero, np.full(len(self.id), np.nan), available, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One curtailment control per generator that has anything to give."""
        del state, tariff
        available = available_means(weather, horizon, self.profile[rows], self.p_kw[rows], self.s_kva[rows])
        columns, column_of = curtailment_columns(self.id, self.node, rows, available, horizon)
        zero = np.zeros((len(rows), len(horizon)))
        return Plan(zero, zero, columns, column_of)

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """A limit where the plan curtails, the rating elsewhere."""
        del state, now
        p = -self.s_kva[rows]
        planned = plan.column_of >= 0
        column = plan.column_of[planned]
        p[planned] = released(u[column, 0, t], plan.columns.lo[column, 0, t], self.s_kva[rows][planned])
        return p, np.zeros(len(rows))
