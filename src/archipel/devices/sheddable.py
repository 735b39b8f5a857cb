"""Sheddable load: like a load, but any part of it may be cut at the value of lost load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import profile_means, profile_now, profile_peaks, row_names, setpoint_or_zero, with_room
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, tiny_quad


@final
@dataclass(frozen=True, eq=False)
class SheddableFleet:
    """Loads that may be cut by 0 to 100 %; active and reactive power are cut by the same share."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    q_kvar: Floats
    """Power at profile value one."""
    p_profile: Ints
    q_profile: Ints
    """Profile columns; -1 for constant."""
    voll_eur_per_kwh: Floats
    """Value of a kWh not served."""
    priority: Ints | None = None
    """Without a main grid: 1 is served longest, the highest number is shed first; None: all alike."""

    kind: ClassVar[str] = "sheddable"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    @property
    def rank(self) -> Ints:
        """The priority of every load."""
        return np.ones(len(self.id), dtype=np.int64) if self.priority is None else self.priority

    def initial(self, first_row: int) -> State:
        """Nothing moves in a load."""
        del first_row
        return {}

    def demand(self, weather: Weather) -> tuple[Floats, Floats]:
        """(p_kw, q_kvar) wanted in the one row of a step, shape (n,)."""
        return (
            self.p_kw * profile_now(weather, self.p_profile),
            self.q_kvar * profile_now(weather, self.q_profile),
        )

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Nothing is cut without an order."""
        del state, sensed, dt_h
        return self.demand(weather)

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
        """Draws the wish between nothing and the demand; reactive power follows the share served."""
        del q_kvar, tripped
        p_wanted, q_wanted = self.demand(weather)
        p = np.clip(p_kw, 0.0, p_wanted)
        served = np.divide(p, p_wanted, out=np.ones_like(p), where=p_wanted > 0)
        zero = np.zeros(len(self.id))
        unserved_kwh = (p_wanted - p) * dt_h
        return Delivered(state, p, served * q_wanted, np.full(len(self.id), np.nan), zero, unserved_kwh, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """The demand is base; the control is the power shed, so `p` is -1 per unit.

        A kWh not served costs its value of lost load less the end-use fee that is not paid for it. Reactive power
        is shed in the mean proportion of the horizon, because a column's coefficient does not change with time.
        """
        del state
        p = self.p_kw[rows, None] * profile_means(weather, horizon, self.p_profile[rows])
        q = self.q_kvar[rows, None] * profile_means(weather, horizon, self.q_profile[rows])
        total = p.sum(axis=1)
        ratio = np.divide(q.sum(axis=1), total, out=np.zeros(len(rows)), where=total > 0)
        lo, hi = with_room(np.zeros_like(p), p)
        cost = (self.voll_eur_per_kwh[rows, None] - tariff.lv_fee_eur_per_kwh) * horizon.dt_h
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.full((len(rows), 1), -1.0),
            q=-ratio[:, None],
            lo=lo[:, None],
            hi=hi[:, None],
            cost=cost[:, None],
            quad=tiny_quad(hi[:, None], lo[:, None], horizon.dt_h),
        )
        peak = self.p_kw[rows, None] * profile_peaks(weather, horizon, self.p_profile[rows])
        return Plan(p, q, columns, np.arange(len(rows), dtype=np.int64), peak)

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """A limit on the power drawn where something is shed, no lease elsewhere.

        The share of the mean that stays is the share of the peak that may be drawn: a limit at the mean would cut
        peaks where next to nothing is to be shed.
        """
        del state, now
        shed, wanted = u[plan.column_of, 0, t], plan.base_p_kw[:, t]
        peak = wanted if plan.peak_kw is None else plan.peak_kw[:, t]
        stays = 1.0 - shed / np.maximum(wanted, 1e-9)
        return np.where(shed > 1e-6 * wanted, np.maximum(stays, 0.0) * peak, np.nan), np.full(len(rows), np.nan)
