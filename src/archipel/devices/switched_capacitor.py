"""Switched capacitors: banks that step in when the voltage is low and out when it is high.

    q drawn = - position kvar_per_step v^2           v [pu]
    below v_pu_on for delay_s one step in, above v_pu_off for delay_s one step out

Source: reactive power of a constant susceptance; voltage control with dead band and delay as in IEEE Std 1036-2020
(guide for shunt power capacitors), clause on control of switched banks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.switching import inert, only_base, waited
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather


@final
@dataclass(frozen=True, eq=False)
class SwitchedCapacitorFleet:
    """Banks of equal steps."""

    id: tuple[str, ...]
    node: Ints
    kvar_per_step: Floats
    """At nominal voltage."""
    steps: Floats
    """How many there are."""
    steps_start: Floats
    """How many are in before the first step of time."""
    v_pu_on: Floats
    v_pu_off: Floats
    delay_s: Floats

    kind: ClassVar[str] = "switched_capacitor"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = True

    @property
    def p_kw_range(self) -> tuple[Floats, Floats]:
        """(Lowest, highest) power, load convention: none."""
        return np.zeros(len(self.id)), np.zeros(len(self.id))

    def initial(self, first_row: int) -> State:
        """`position`: steps that are in; `outside_s`: how long the voltage has been out of the band."""
        del first_row
        return {"position": self.steps_start.copy(), "outside_s": np.zeros(len(self.id))}

    def switched(self, state: State, v_pu: Floats, dt_h: float) -> State:
        """At most one step each, after `dt_h` more at voltage `v_pu`; where nothing supplies it, it stands still."""
        low, high = (v_pu > 0.0) & (v_pu < self.v_pu_on), v_pu > self.v_pu_off
        way = np.where(low, 1.0, np.where(high, -1.0, 0.0))
        return waited(state, way, np.zeros(len(self.id)), self.steps, self.delay_s, dt_h)

    def nominal_q_kvar(self, state: State) -> Floats:
        """What it draws at nominal voltage, shape (n,), not positive."""
        return np.asarray(-state["position"] * self.kvar_per_step)

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """The steps that are in; the twin asks `q_at_voltage` for what the voltage makes of them."""
        del weather, sensed, dt_h
        return np.zeros(len(self.id)), self.nominal_q_kvar(state)

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """By the square of the voltage. `q_set_kvar` is the power at nominal voltage of the steps that are in: a bank
        has no memory of them here."""
        del p_kw
        return np.asarray(np.nan_to_num(q_set_kvar) * sensed_v_pu**2)

    def trips(self, v_pu: Floats) -> Bools:
        """Never."""
        return np.zeros(len(v_pu), dtype=bool)

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Reactive power at nominal voltage; the steps stay: they move by voltage only, see `switched`."""
        del weather, p_kw, q_kvar, tripped, dt_h
        return inert(state, self.nominal_q_kvar(state))

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """Nothing to choose: plans take the steps that are in now, at nominal voltage."""
        del weather, tariff
        return only_base(self.nominal_q_kvar(state)[rows], horizon)

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """No lease."""
        del state, plan, u, t, now
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
