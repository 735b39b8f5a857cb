"""Hydro plants with a reservoir: inflow, a turbine at constant head, residual flow, and spill when it is full.

    kW per m3/s:  k = 9.81 head_m efficiency
    e' = e + (k inflow - k residual) dt - p dt - spill,   0 <= e <= e_kwh = k volume_m3 / 3600
    residual flow comes first, then the turbine; spill is what does not fit

`e` is the energy that the turbine makes of the water stored between the lowest and highest level allowed. The head is
constant: right where the level moves little beside it. Residual flow passes beside the turbine and gives no power.

Spill is a control of its own in a plan: it moves no power and only empties the store. It costs a little, and the more
the earlier, so that a plan spills what would overflow, when it would: that is what the physics do. A plan that spills
earlier (it may, before hours of negative prices) is carried out all the same, with more water left than it says.

Sources: p = rho g Q H eta; water balance of a reservoir in short-term hydro scheduling, e.g. A. J. Wood, B. F.
Wollenberg, G. B. Sheble, "Power Generation, Operation, and Control", 3rd ed., chapter 5 (Wiley, 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.renewable import CURTAILING_EUR_PER_KWH
from archipel.devices.shared import MIN_ROOM_KW, ends_a_day, profile_means, profile_now, row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

KW_PER_M4_PER_S = 9.81
"""rho g of water: kW per m3/s and metre of head."""
SHORT_EUR_PER_KWH = 1.0
"""What a plan pays per kWh and interval for leaving the store's bounds: above any spread of prices."""


@final
@dataclass(frozen=True, eq=False)
class HydroFleet:
    """Plants at unity power factor."""

    id: tuple[str, ...]
    node: Ints
    p_kw_max: Floats
    """Rating of turbine and generator, above zero."""
    head_m: Floats
    efficiency: Floats
    """Of turbine and generator, in (0, 1]."""
    volume_m3: Floats
    """Between the lowest and the highest level allowed."""
    soc_start: Floats
    """Share of it that is full before the first step, and the least at the end of every UTC day of a plan, as far as
    inflow allows: so no schedule profits from selling what was stored."""
    profile: Ints
    """Profile column of the inflow; -1 for constant."""
    inflow_m3_per_s: Floats
    """Inflow at profile value one, non-negative."""
    residual_m3_per_s: Floats
    """Flow that is always left to the river, while there is water."""

    kind: ClassVar[str] = "hydro"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    @property
    def kw_per_m3_per_s(self) -> Floats:
        """Power of a flow, shape (n,)."""
        return KW_PER_M4_PER_S * self.head_m * self.efficiency

    @property
    def e_kwh(self) -> Floats:
        """Energy in a full reservoir, shape (n,)."""
        return self.kw_per_m3_per_s * self.volume_m3 / 3600.0

    @property
    def p_kw_range(self) -> tuple[Floats, Floats]:
        """(Lowest, highest) power, load convention."""
        return -self.p_kw_max, np.zeros(len(self.id))

    @property
    def s_kva(self) -> Floats:
        """Rating of the generator: that of the turbine."""
        return self.p_kw_max

    def offered(self, value: Floats) -> Floats:
        """What the river alone gives [kW], shape (n, rows), for profile rows `value` of shape (rows, columns)."""
        column = np.column_stack([np.asarray(value, dtype=np.float64), np.ones(len(value))])[:, self.profile].T
        return np.clip(self._net_kw(column), 0.0, self.p_kw_max[:, None])

    def _net_kw(self, profile: Floats, rows: Ints | slice = slice(None)) -> Floats:
        """Power of inflow less residual flow, shape as `profile`, whose first axis is the device."""
        shape = (-1,) + (1,) * (profile.ndim - 1)
        k, flow, kept = (
            x[rows].reshape(shape) for x in (self.kw_per_m3_per_s, self.inflow_m3_per_s, self.residual_m3_per_s)
        )
        return np.asarray(k * (flow * np.maximum(profile, 0.0) - kept))

    def initial(self, first_row: int) -> State:
        """`e_kwh`: energy in the reservoir."""
        del first_row
        return {"e_kwh": self.soc_start * self.e_kwh}

    def room_kw(self, state: State, weather: Weather, dt_h: float) -> Floats:
        """Most that can be given for `dt_h` [kW], shape (n,), non-negative."""
        water = state["e_kwh"] / dt_h + self._net_kw(profile_now(weather, self.profile))
        return np.clip(water, 0.0, self.p_kw_max)

    def held_kwh(self, state: State) -> Floats:
        """Nothing that was drawn: a reservoir is filled by its river."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Run of river: what flows in, less the residual flow."""
        del sensed
        flow = np.maximum(self._net_kw(profile_now(weather, self.profile)), 0.0)
        return -np.minimum(flow, self.room_kw(state, weather, dt_h)), np.zeros(len(self.id))

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
        """Gives the wish within rating and water; what overflows is lost.

        Available is what it gives and what the turbine could have made of the water that was spilled.
        """
        del q_kvar
        p = np.where(tripped, 0.0, np.clip(p_kw, -self.room_kw(state, weather, dt_h), 0.0))
        level = state["e_kwh"] + (self._net_kw(profile_now(weather, self.profile)) + p) * dt_h
        e = np.clip(level, 0.0, self.e_kwh)
        available = np.minimum(-p + np.maximum(level - e, 0.0) / dt_h, self.p_kw_max)
        zero, soc = np.zeros(len(self.id)), np.divide(e, self.e_kwh, out=np.zeros_like(e), where=self.e_kwh > 0)
        return Delivered({"e_kwh": e}, p, zero, soc, available, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per plant: control 0 gives power, control 1 spills; the store is the energy in the reservoir.

        The residual flow falls short where even a still turbine leaves too little water.
        """
        del tariff
        shape = (len(rows), 2, len(horizon))
        full, dt_h = self.e_kwh[rows], horizon.dt_h
        net = self._net_kw(profile_means(weather, horizon, self.profile[rows]), rows)
        add = net * dt_h
        level, still = state["e_kwh"][rows], np.zeros(add.shape)
        for t in range(len(horizon)):  # with a still turbine: what the reservoir can be filled to
            add[:, t] = np.maximum(add[:, t], -level)
            level = np.minimum(level + add[:, t], full)
            still[:, t] = level
        kept = np.where(ends_a_day(horizon), np.minimum((self.soc_start * self.e_kwh)[rows, None], still), 0.0)
        lo, hi = np.zeros(shape), np.zeros(shape)
        lo[:, 0] = -self.p_kw_max[rows, None]
        hi[:, 1] = np.maximum(net, MIN_ROOM_KW)
        late = 1.0 + np.arange(len(horizon), 0, -1) / len(horizon)
        cost = np.zeros(shape)
        cost[:, 1] = CURTAILING_EUR_PER_KWH * late * dt_h
        gain = np.broadcast_to(dt_h * np.array([[1.0], [-1.0]]), shape)
        flow = np.clip(net, 0.0, self.p_kw_max[rows, None])
        gently = np.clip(-0.95 * flow, 0.98 * lo[:, 0], 0.02 * lo[:, 0])
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.broadcast_to(np.array([1.0, 0.0]), shape[:2]),
            q=np.zeros(shape[:2]),
            lo=lo,
            hi=hi,
            cost=cost,
            # curvature would spread the spill over the day
            quad=tiny_quad(hi, lo, dt_h) * np.array([[1.0], [0.01]]),
            store=Store(
                keep=np.ones(add.shape),
                gain=gain,
                add=add,
                start=state["e_kwh"][rows],
                lo=kept,
                hi=np.repeat(full[:, None], len(horizon), axis=1),
                price=np.full(add.shape, SHORT_EUR_PER_KWH),
            ),
            even=np.stack([gently, np.minimum(0.05 * flow + 1e-4, 0.5 * hi[:, 1])], axis=1),
        )
        zero = np.zeros(add.shape)
        return Plan(zero, zero, columns, np.arange(len(rows), dtype=np.int64))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """What was planned to be given; spill follows by itself."""
        del state, now
        return u[plan.column_of, 0, t], np.zeros(len(rows))
