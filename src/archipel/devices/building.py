"""Heat pumps in buildings: one heat capacity, losses to the weather, gains of sun and people, COP by temperatures.

    C dT/dt = cop(t) p + solar_kw sun(t) + internal_kw - UA (T + t_c - T_out(t)),    T in kelvin above the limit t_c
    T' = keep T + gain (cop p + free),   keep = exp(-UA dt / C),   gain = (1 - keep) / UA
    free = solar_kw sun + internal_kw - UA (t_c - T_out)                                              [kW]

    cop = 6.81 - 0.121 d + 0.000630 d^2  (air, 15 <= d <= 60)      d = supply - source temperature [K]
    cop = 8.77 - 0.150 d + 0.000734 d^2  (ground, 20 <= d <= 60)
    supply = 40 - T_out (radiators),  30 - 0.5 T_out (floor heating);   source = T_out (air),  10 degrees (ground)

Inputs are held over a quarter hour and the equation is solved exactly. The COP does not depend on the room, so the
model is linear in the power drawn. There is no cooling: what the sun warms above the band is not counted.

Sources: one capacity: 1R1C model, P. Bacher, H. Madsen, "Identifying suitable models for the heat dynamics of
buildings", Energy and Buildings 43 (2011), doi:10.1016/j.enbuild.2011.02.005, the reduction of the simple hourly method
of ISO 13790:2008 (5R1C) to its capacity and its overall loss; capacities by class of building: its table 12. COP:
I. Staffell et al., "A review of domestic heat pumps", Energy & Environmental Science 5 (2012), doi:10.1039/c2ee22653g.
Supply temperatures: O. Ruhnau, L. Hirth, A. Praktiknjo, "Time series of heat demand and heat pump efficiency for energy
system modeling", Scientific Data 6 (2019), doi:10.1038/s41597-019-0199-y.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import ends_a_day, row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

GROUND_C = 10.0
"""Temperature of the ground, all year."""
COP = {"air": (6.81, -0.121, 0.000630, 15.0), "ground": (8.77, -0.150, 0.000734, 20.0)}
"""Constant, linear and square part, and the smallest lift the fit is for [K]."""
LIFT_MAX_K = 60.0
SUPPLY = {"radiator": (40.0, -1.0), "floor": (30.0, -0.5)}
"""Supply temperature at 0 degrees outside, and its change per degree [C, K/K]."""


@final
@dataclass(frozen=True, eq=False)
class BuildingFleet:
    """Modulating heat pumps, each with the building that it heats."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    """Largest electrical power, above zero."""
    ua_kw_per_k: Floats
    """Overall heat loss of the building, above zero."""
    c_kwh_per_k: Floats
    """Its effective heat capacity, above zero."""
    t_c: Floats
    """Lower limit of comfort, in degrees Celsius."""
    band_k: Floats
    """Width of the comfort band, above zero."""
    source: tuple[str, ...]
    """Where the heat comes from: air or ground."""
    heating: tuple[str, ...]
    """Where it goes to: radiator or floor."""
    outdoor_profile: Ints
    """Profile column of the outdoor temperature [C]."""
    solar_profile: Ints
    """Profile column of the sun; -1 for constant."""
    solar_kw: Floats
    """Heat gained from the sun at profile value one."""
    internal_kw: Floats
    """Heat of people and appliances."""

    kind: ClassVar[str] = "building"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    def cop(self, outdoor_c: Floats) -> Floats:
        """Heat given per electricity drawn, shape as `outdoor_c`, whose first axis is the device."""
        shape = (-1,) + (1,) * (outdoor_c.ndim - 1)

        def each(numbers: list[float]) -> Floats:
            return np.array(numbers, dtype=np.float64).reshape(shape)

        a, b, c, least = (each([COP[name][k] for name in self.source]) for k in range(4))
        at_zero, slope = (each([SUPPLY[name][k] for name in self.heating]) for k in range(2))
        air = np.array([name == "air" for name in self.source]).reshape(shape)
        lift = at_zero + slope * outdoor_c - np.where(air, outdoor_c, GROUND_C)
        lift = np.clip(lift, least, LIFT_MAX_K)
        return np.asarray(a + b * lift + c * lift**2)

    def outside(self, value: Floats) -> tuple[Floats, Floats]:
        """(COP, free heat [kW]), shape (n, rows) each, for profile rows `value` of shape (rows, columns)."""
        told = np.column_stack([np.asarray(value, dtype=np.float64), np.ones(len(value))])
        outdoor, sun = told[:, self.outdoor_profile].T, told[:, self.solar_profile].T
        lost = self.ua_kw_per_k[:, None] * (self.t_c[:, None] - outdoor)
        return self.cop(outdoor), self.solar_kw[:, None] * sun + self.internal_kw[:, None] - lost

    def _thermal(self, dt_h: Floats | float) -> tuple[Floats, Floats]:
        """(keep, gain [K per kW of heat]) of intervals, shapes (n,) and (T,) broadcast to (n, T)."""
        ua, c = self.ua_kw_per_k[:, None], self.c_kwh_per_k[:, None]
        x = ua * np.atleast_1d(dt_h)[None, :] / c
        return np.exp(-x), -np.expm1(-x) / ua

    def initial(self, first_row: int) -> State:
        """`t_k`: temperature above the lower limit, half the band at first; `on`: 1 while the thermostat heats;
        `bought_kwh`: electricity since the start that is still warmth above the limit."""
        del first_row
        zero = np.zeros(len(self.id))
        return {"t_k": 0.5 * self.band_k, "on": zero, "bought_kwh": zero}

    def _step(self, state: State, weather: Weather, dt_h: float) -> tuple[Floats, Floats, Floats]:
        """(temperature after the step without heating, kelvin per kW drawn, keep), shape (n,) each."""
        keep, gain = (x[:, 0] for x in self._thermal(dt_h))
        cop, free = (x[:, 0] for x in self.outside(weather.value[:1]))
        return keep * state["t_k"] + gain * free, gain * cop, keep

    def held_kwh(self, state: State) -> Floats:
        """Electricity that is still warmth above the lower limit."""
        return state["bought_kwh"]

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Thermostat with the band as its hysteresis: full power from the lower limit until the upper one."""
        del sensed
        cold, gain, _ = self._step(state, weather, dt_h)
        heats = (state["on"] > 0.5) | (cold < 0)
        return np.where(heats, self._up_to_band(cold, gain), 0.0), np.zeros(len(self.id))

    def _up_to_band(self, cold_k: Floats, gain: Floats) -> Floats:
        return np.clip((self.band_k - cold_k) / gain, 0.0, self.p_kw)

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
        """The wish within the rating; the device's own limiter stops it at the upper comfort limit.

        Missed comfort is what is missing to the lower limit at the end of the step.
        """
        del q_kvar
        cold, gain, keep = self._step(state, weather, dt_h)
        p = np.where(tripped, 0.0, np.clip(p_kw, 0.0, self._up_to_band(cold, gain)))
        t_k = cold + gain * p
        warm = t_k >= self.band_k - 1e-9
        # Below a millionth of a kelvin it is rounding, not discomfort.
        missed = np.where(t_k < -1e-6, -t_k, 0.0) * dt_h
        after = {
            "t_k": t_k,
            "on": np.where(((p > 0) & ~warm) | (t_k <= 0), 1.0, 0.0),
            "bought_kwh": np.where(t_k > 0, keep * state["bought_kwh"] + p * dt_h, 0.0),
        }
        zero = np.zeros(len(self.id))
        return Delivered(after, p, zero, t_k, zero, zero, zero, missed)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per building; its store is the temperature.

        The upper limit is the band's, or the temperature without any heating where sun and people alone go beyond it.
        At the end of every UTC day at least half the band is kept, so no schedule profits from cooling houses down.
        """
        steps, shape = int(horizon.steps.sum()), (len(rows), 1, len(horizon))
        if len(weather.value) < steps:
            raise ValueError(
                f"the weather has {len(weather.value)} quarter hours, the horizon needs {steps}; forecast more rows"
            )
        keep, gain = (x[rows] for x in self._thermal(horizon.dt_h))
        cop, free = (horizon.mean(x)[rows] for x in self.outside(weather.value[:steps]))
        add, start = gain * free, state["t_k"][rows]
        unheated, level = np.zeros(add.shape), start
        for t in range(len(horizon)):
            level = keep[:, t] * level + add[:, t]
            unheated[:, t] = level
        band = np.broadcast_to(self.band_k[rows, None], add.shape)
        lo, hi = np.zeros(shape), np.broadcast_to(self.p_kw[rows, None, None], shape)
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.ones(shape[:2]),
            q=np.zeros(shape[:2]),
            lo=lo,
            hi=hi,
            cost=np.broadcast_to(tariff.lv_fee_eur_per_kwh * horizon.dt_h, shape),
            quad=tiny_quad(hi, lo, horizon.dt_h),
            store=Store(
                keep=keep,
                gain=(gain * cop)[:, None],
                add=add,
                start=start,
                lo=np.where(ends_a_day(horizon), 0.5 * band, 0.0),
                hi=np.maximum(band, unheated),
                price=np.broadcast_to(tariff.comfort_eur_per_k_h * horizon.dt_h, add.shape),
            ),
        )
        zero = np.zeros(add.shape)
        return Plan(zero, zero, columns, np.arange(len(rows), dtype=np.int64))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """As planned."""
        del state, now
        return u[plan.column_of, 0, t], np.zeros(len(rows))
