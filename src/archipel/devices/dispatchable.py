"""Dispatchable renewable generators (biomass, biogas): any power up to the rating, while the stock of fuel lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

OVERDRAWN_EUR_PER_KWH = 20.0
"""What a plan pays per kWh and interval for more than the stock holds; nobody can carry it out."""


@final
@dataclass(frozen=True, eq=False)
class DispatchableFleet:
    """Generators at unity power factor, each with its own stock."""

    id: tuple[str, ...]
    node: Ints
    p_kw_max: Floats
    e_kwh: Floats
    """Electricity in the stock when a run begins."""
    cost_eur_per_kwh: Floats
    """Fuel and wear."""
    source: tuple[str, ...]
    """What drives it: biomass, biogas."""

    kind: ClassVar[str] = "dispatchable"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    def initial(self, first_row: int) -> State:
        """`left_kwh`: what the stock still gives."""
        del first_row
        return {"left_kwh": self.e_kwh.astype(np.float64)}

    def room_kw(self, state: State, dt_h: float) -> Floats:
        """Most that can be given for `dt_h` [kW], shape (n,), non-negative."""
        return np.minimum(self.p_kw_max, np.maximum(state["left_kwh"], 0.0) / dt_h)

    def held_kwh(self, state: State) -> Floats:
        """Nothing that was drawn: a stock is filled with fuel, not with electricity."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """It waits for an order: what it would give now it cannot give later."""
        del state, weather, sensed, dt_h
        return np.zeros(len(self.id)), np.zeros(len(self.id))

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
        """Gives the wish within rating and stock."""
        del weather, q_kvar
        room = self.room_kw(state, dt_h)
        p = np.where(tripped, 0.0, np.clip(p_kw, -room, 0.0))
        left = np.maximum(state["left_kwh"] + p * dt_h, 0.0)
        zero = np.zeros(len(self.id))
        return Delivered({"left_kwh": left}, p, zero, np.full(len(self.id), np.nan), -p, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per generator; its stock is a store that only empties, and no matter where it cannot run out."""
        del weather, tariff
        t_count, one = len(horizon), np.ones((len(rows), len(horizon)))
        left = np.maximum(state["left_kwh"], 0.0)[rows]
        lasts = left > self.p_kw_max[rows] * horizon.dt_h.sum()
        store = Store(
            keep=one,
            gain=one[:, None] * horizon.dt_h,
            add=0.0 * one,
            start=left,
            lo=np.where(lasts[:, None], -np.inf, 0.0 * one),  # a bound miles away only spoils the numbers
            hi=np.full_like(one, np.inf),
            price=OVERDRAWN_EUR_PER_KWH * one,
        )
        lo = -np.repeat(np.maximum(self.p_kw_max[rows], 1e-3)[:, None, None], t_count, axis=2)
        hi = np.zeros_like(lo)
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.ones((len(rows), 1)),
            q=np.zeros((len(rows), 1)),
            lo=lo,
            hi=hi,
            cost=-self.cost_eur_per_kwh[rows, None, None] * (one[:, None] * horizon.dt_h),
            quad=tiny_quad(hi, lo, horizon.dt_h),
            store=None if lasts.all() else store,
            even=0.05 * np.minimum(1.0, left[:, None, None] / (-lo * horizon.dt_h.sum())) * lo,
        )
        return Plan(0.0 * one, 0.0 * one, columns, np.arange(len(rows), dtype=np.int64))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """What was planned."""
        del rows, state, now
        return u[plan.column_of, 0, t], np.zeros(len(plan.column_of))
