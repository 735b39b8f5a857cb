"""Heat pumps that hold the temperature of a house or buffer in a comfort band.

Lumped capacity of first order, `T` in kelvin above the lower comfort limit, held inputs, solved exactly:

    C dT/dt = cop * p - heat_kw * profile - UA * T,       UA = heat_kw / 30 K
    T' = keep * T + gain * (cop * p - heat_kw * profile), keep = exp(-UA dt / C),  gain = (1 - keep) / UA

`heat_kw * profile` is the demand that keeps the lower comfort limit; being warmer loses `UA` per kelvin more, with
`heat_kw` taken as the loss at 30 K between inside and outside.

Source: first-order lumped-capacity (1R1C) building model, e.g. P. Bacher, H. Madsen, "Identifying suitable models
for the heat dynamics of buildings", Energy and Buildings 43 (2011), doi:10.1016/j.enbuild.2011.02.005.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import ends_a_day, profile_means, profile_now, row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

DESIGN_DIFFERENCE_K = 30.0
"""Temperature difference at which a house loses `heat_kw`: 20 degrees inside, -10 outside."""


@final
@dataclass(frozen=True, eq=False)
class HeatPumpFleet:
    """Modulating heat pumps with thermal buffers."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    """Largest electrical power."""
    heat_profile: Ints
    """Profile column of the heat demand; -1 for constant."""
    heat_kw: Floats
    """Heat demand at profile value one."""
    cop: Floats
    """Heat given per electricity drawn; constant."""
    buffer_kwh_per_k: Floats
    """Heat capacity of house and buffer, above zero."""
    band_k: Floats
    """Width of the comfort band, above zero."""

    kind: ClassVar[str] = "heat_pump"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    def initial(self, first_row: int) -> State:
        """`t_k`: temperature above the lower limit, half the band at first; `on`: 1 while the thermostat heats."""
        del first_row
        return {"t_k": 0.5 * self.band_k, "on": np.zeros(len(self.id))}

    def _step(self, weather: Weather, dt_h: float) -> tuple[Floats, Floats, Floats]:
        """(keep, gain, kelvin lost to the demand) of one step, shape (n,) each."""
        keep, gain = thermal(self.heat_kw, self.buffer_kwh_per_k, dt_h)
        return keep, gain, gain * self.heat_kw * profile_now(weather, self.heat_profile)

    def held_kwh(self, state: State) -> Floats:
        """Electricity that the warmth above the lower comfort limit took."""
        return state["t_k"] * self.buffer_kwh_per_k / self.cop

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Thermostat with the band as its hysteresis: full power from the lower limit until the upper one.

        It acts within a step: starts when the lower limit would be crossed, stops at the upper one.
        """
        del sensed
        keep, gain, lost = self._step(weather, dt_h)
        cold = keep * state["t_k"] - lost
        heats = (state["on"] > 0.5) | (cold < 0)
        return np.where(heats, self._up_to_band(cold, gain), 0.0), np.zeros(len(self.id))

    def _up_to_band(self, cold_k: Floats, gain: Floats) -> Floats:
        return np.clip((self.band_k - cold_k) / (gain * self.cop), 0.0, self.p_kw)

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
        """The wish within the rating; the device's own limiter stops it at the upper comfort limit."""
        del q_kvar
        keep, gain, lost = self._step(weather, dt_h)
        cold = keep * state["t_k"] - lost
        p = np.where(tripped, 0.0, np.clip(p_kw, 0.0, self._up_to_band(cold, gain)))
        t_k = cold + gain * self.cop * p
        warm = t_k >= self.band_k - 1e-9
        outside = np.maximum(-t_k, 0.0) + np.maximum(t_k - self.band_k, 0.0)
        # Below a millionth of a kelvin it is rounding, not discomfort.
        missed = np.where(outside > 1e-6, outside, 0.0) * dt_h
        state = {"t_k": t_k, "on": np.where(((p > 0) & ~warm) | (t_k <= 0), 1.0, 0.0)}
        zero = np.zeros(len(self.id))
        return Delivered(state, p, zero, t_k, zero, zero, zero, missed)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per heat pump; its store is the temperature.

        At the end of every UTC day at least half the band is kept, so no schedule profits from cooling houses down.
        """
        shape = (len(rows), 1, len(horizon))
        keep, gain = thermal(self.heat_kw[rows, None], self.buffer_kwh_per_k[rows, None], horizon.dt_h)
        demand = self.heat_kw[rows, None] * profile_means(weather, horizon, self.heat_profile[rows])
        lo, hi = np.zeros(shape), np.broadcast_to(self.p_kw[rows, None, None], shape)
        band = np.broadcast_to(self.band_k[rows, None], demand.shape)
        store = Store(
            keep=keep,
            gain=(gain * self.cop[rows, None])[:, None],
            add=-gain * demand,
            start=state["t_k"][rows],
            lo=np.where(ends_a_day(horizon), 0.5 * band, 0.0),
            hi=band,
            price=np.broadcast_to(tariff.comfort_eur_per_k_h * horizon.dt_h, demand.shape),
        )
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.ones(shape[:2]),
            q=np.zeros(shape[:2]),
            lo=lo,
            hi=hi,
            cost=np.broadcast_to(tariff.lv_fee_eur_per_kwh * horizon.dt_h, shape),
            quad=tiny_quad(hi, lo, horizon.dt_h),
            store=store,
        )
        zero = np.zeros_like(demand)
        return Plan(zero, zero, columns, np.arange(len(rows), dtype=np.int64))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """As planned."""
        del state, now
        return u[plan.column_of, 0, t], np.zeros(len(rows))


def thermal(heat_kw: Floats, buffer_kwh_per_k: Floats, dt_h: Floats | float) -> tuple[Floats, Floats]:
    """(keep, gain [K per kW of heat]) of an interval, see the formula at the top; the shapes are broadcast."""
    x = heat_kw / DESIGN_DIFFERENCE_K * dt_h / buffer_kwh_per_k
    # (1 - exp(-x)) / x, which is 1 where nothing is lost.
    mean = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x > 1e-12)
    return np.exp(-x), mean * dt_h / buffer_kwh_per_k
