"""Wind turbines: the speed of the wind at a stated height, taken to the hub and through a power curve.

    v_hub = v (hub / measured)^shear                                               [m/s]
    v_n   = v_hub (density / 1.225)^(1/3)
    p     = p_kw (v_n^3 - v_in^3) / (v_rated^3 - v_in^3),  within 0..p_kw;  0 for v_hub < v_in and v_hub >= v_out

Sources: power law of the wind profile: IEC 61400-1. Speed normalised to standard density, as for turbines that control
their power by pitch: IEC 61400-12-1. Cubic curve between cut-in and rated speed: C. Carrillo et al., "Review of power
curve modelling for wind turbines", Renewable and Sustainable Energy Reviews 21 (2013), doi:10.1016/j.rser.2013.01.012.
Reactive power: `archipel.devices.volt_var`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.renewable import curtailment_columns, released
from archipel.devices.volt_var import beside, q_kvar_at, q_kvar_max, reactive_columns
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather

STANDARD_KG_PER_M3 = 1.225
"""Density of air at sea level and 15 degrees Celsius, which power curves are stated for."""


@final
@dataclass(frozen=True, eq=False)
class WindFleet:
    """Turbines, or parks seen as one, and their converters."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    """Rated power, above zero."""
    s_kva: Floats
    """Rating of the converter."""
    profile: Ints
    """Profile column of the wind speed [m/s]."""
    measured_m: Floats
    """Height above ground that the series is for, above zero."""
    hub_m: Floats
    """Height of the hub, above zero."""
    shear: Floats
    """Exponent of the power law; 1/7 over open land."""
    speed_m_per_s_in: Floats
    speed_m_per_s_rated: Floats
    speed_m_per_s_out: Floats
    """Speeds at the hub where power begins, is rated, and ends; rising."""
    density_kg_per_m3: Floats
    volt_var: Bools
    """True for converters that give reactive power, by setpoint or curve; False for unity power factor."""

    kind: ClassVar[str] = "wind"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = True

    @property
    def p_kw_range(self) -> tuple[Floats, Floats]:
        """(Lowest, highest) power, load convention."""
        return -np.minimum(self.p_kw, self.s_kva), np.zeros(len(self.id))

    def curve_kw(self, speed_m_per_s: Floats) -> Floats:
        """Power [kW] at speeds of shape (n, ...) as measured; non-negative, at most the rating of the converter."""

        def each(value: Floats) -> Floats:
            return value.reshape((-1,) + (1,) * (speed_m_per_s.ndim - 1))

        at_hub = speed_m_per_s * each((self.hub_m / self.measured_m) ** self.shear)
        normal = at_hub * each(np.cbrt(self.density_kg_per_m3 / STANDARD_KG_PER_M3))
        first, rated = each(self.speed_m_per_s_in**3), each(self.speed_m_per_s_rated**3)
        share = np.clip((np.maximum(normal, 0.0) ** 3 - first) / (rated - first), 0.0, 1.0)
        runs = (at_hub >= each(self.speed_m_per_s_in)) & (at_hub < each(self.speed_m_per_s_out))
        return np.where(runs, np.minimum(each(self.p_kw) * share, each(self.s_kva)), 0.0)

    def offered(self, value: Floats) -> Floats:
        """Power on offer [kW], shape (n, rows), for profile rows `value` of shape (rows, columns)."""
        return self.curve_kw(np.asarray(value, dtype=np.float64)[:, self.profile].T)

    def initial(self, first_row: int) -> State:
        """Nothing moves that is remembered."""
        del first_row
        return {}

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Full feed-in; reactive power by the curve at the sensed voltage."""
        del state, dt_h
        p = -self.offered(weather.value[:1])[:, 0]
        return p, self.q_at_voltage(sensed.v_pu, p, np.full(len(p), np.nan))

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """Reactive power drawn [kvar]: the curve without a lease, else the setpoint and its local correction."""
        return q_kvar_at(sensed_v_pu, q_kvar_max(self.s_kva, p_kw, self.volt_var), self.s_kva, q_set_kvar)

    def trips(self, v_pu: Floats) -> Bools:
        """Never: they ride through."""
        return np.zeros(len(v_pu), dtype=bool)

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Gives the wish, at most what the wind offers."""
        del dt_h
        available = self.offered(weather.value[:1])[:, 0]
        p = np.where(tripped, 0.0, np.clip(p_kw, -available, 0.0))
        q_max = np.where(tripped, 0.0, q_kvar_max(self.s_kva, p, self.volt_var))
        zero = np.zeros(len(self.id))
        return Delivered(state, p, np.clip(q_kvar, -q_max, q_max), np.full(len(p), np.nan), available, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """Curtailment controls of all that see wind, then the reactive ones, as for photovoltaics.

        The curve is bent, so the mean of an interval is that of its quarter hours' powers.
        """
        del state, tariff
        steps = int(horizon.steps.sum())
        if len(weather.value) < steps:
            raise ValueError(
                f"the weather has {len(weather.value)} quarter hours, the horizon needs {steps}; forecast more rows"
            )
        available = horizon.mean(self.offered(weather.value[:steps])[rows])
        active, column_of = curtailment_columns(self.id, self.node, rows, available, horizon)
        able = np.flatnonzero(self.volt_var[rows])
        reactive = reactive_columns(self.id, self.node, rows[able], self.s_kva, available[able], horizon)
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
