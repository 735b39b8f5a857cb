"""Batteries: losses both ways, a converter rating for each direction, wear per kWh moved.

e' = e + efficiency_charge * charged - discharged / efficiency_discharge        [kWh at the terminal]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import ends_a_day, row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

STORE_PRICE_EUR_PER_KWH = 1.0
"""What a plan pays per kWh and interval for leaving the store's bounds: above any spread of prices."""
OFF_GRID_FLOOR = 0.1
"""Off grid: part of what is held at the end that plans keep at all times, for what happens inside their intervals."""
OFF_GRID_EUR_PER_KWH = 20.0
"""The same off grid: there load is shed before a store is planned to give what it has not."""


REFILL_H = 1.0
"""A battery below its reserve fills up to it in about this time, so that many at once overload nothing."""


class Floor(Protocol):
    """A state of charge that is kept for the loss of the main grid."""

    def share(self, first_row: int, rows: int) -> Floats:
        """Least state of charge at the beginning of `rows` quarter hours, as known at the first, (rows,), at most 1."""
        ...


def wear_eur(p_kw: Floats, wear_eur_per_kwh: Floats, dt_h: float) -> Floats:
    """Wear of every battery [EUR], shape (n,), for terminal powers `p_kw` of shape (n, S) held for `dt_h` each.

    Convention: `wear_eur_per_kwh` is the wear of a full cycle that gives back one kWh, half of it booked per kWh
    charged and half per kWh discharged, both at the terminal. With losses a cycle costs a little more than that
    (5 % more at 0.95 each way), because more is charged than discharged.
    """
    return np.asarray(0.5 * wear_eur_per_kwh * np.abs(p_kw).sum(axis=-1) * dt_h)


@final
@dataclass(frozen=True, eq=False)
class BatteryFleet:
    """Batteries behind their converters, at unity power factor."""

    id: tuple[str, ...]
    node: Ints
    e_kwh: Floats
    """Usable capacity."""
    p_kw_charge: Floats
    p_kw_discharge: Floats
    """Converter ratings at the terminal, non-negative."""
    efficiency_charge: Floats
    efficiency_discharge: Floats
    """In (0, 1]."""
    soc_start: Floats
    """State of charge before the first step, and the least at the end of every UTC day of a plan: so no schedule
    profits from selling what was in the store."""
    wear_eur_per_kwh: Floats
    """Wear per kWh discharged in a full cycle, see `wear_eur`."""
    off_grid_share: float | None = None
    """Off grid: share of the capacity held at the end of a plan, instead of `soc_start` at the end of every day."""
    reserve: Floor | None = None
    """With a main grid: what is kept for its loss, see `archipel.cell.reserve`."""
    p_kw_promised: Floats | None = None
    """Of each rating, shape (n,): plans leave it free, so that a reserve that was sold can be called at any moment."""
    e_kwh_promised: Floats | None = None
    """Energy for it, shape (n,): plans keep so much in the store and as much room in it."""

    kind: ClassVar[str] = "battery"
    follows_net: ClassVar[bool] = True
    follows_voltage: ClassVar[bool] = False

    def initial(self, first_row: int) -> State:
        """`e_kwh`: energy in the store."""
        del first_row
        return {"e_kwh": self.soc_start * self.e_kwh}

    def room_kw(self, state: State, dt_h: float) -> tuple[Floats, Floats]:
        """Largest (charging, discharging) power that can be held for `dt_h` [kW], shape (n,), non-negative."""
        e = state["e_kwh"]
        charge = np.maximum(self.e_kwh - e, 0.0) / (self.efficiency_charge * dt_h)
        discharge = np.maximum(e, 0.0) * self.efficiency_discharge / dt_h
        return np.minimum(self.p_kw_charge, charge), np.minimum(self.p_kw_discharge, discharge)

    def held_kwh(self, state: State) -> Floats:
        """Energy in the store."""
        return state["e_kwh"]

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Self-consumption: charge from the surplus of the own node, discharge to cover its demand.

        Several batteries at one node share in proportion to their ratings. A reserve is never discharged, and filled up
        within about `REFILL_H` from whatever there is.
        """
        charge, discharge = self.room_kw(state, dt_h)
        wanted = -sensed.net_kw
        p = np.clip(wanted * self._share(wanted > 0), -discharge, charge)
        if self.reserve is not None:
            over = state["e_kwh"] - self.reserve.share(weather.first_row, 2).max() * self.e_kwh
            refill = np.minimum(-over / (self.efficiency_charge * REFILL_H), charge)
            p = np.maximum(p, np.where(over < 0.0, refill, -over * self.efficiency_discharge / dt_h))
        return p, np.zeros(len(self.id))

    def _share(self, charging: Bools) -> Floats:
        rating = np.where(charging, self.p_kw_charge, self.p_kw_discharge)
        _, place = np.unique(self.node, return_inverse=True)
        total = np.bincount(place, weights=rating)[place] if len(place) else rating
        return np.divide(rating, total, out=np.zeros_like(rating), where=total > 0)

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
        """The wish within ratings and store; the store never leaves 0..capacity."""
        del weather, q_kvar
        charge, discharge = self.room_kw(state, dt_h)
        p = np.where(tripped, 0.0, np.clip(p_kw, -discharge, charge))
        gained = np.where(p > 0, p * self.efficiency_charge, p / self.efficiency_discharge) * dt_h
        e = np.clip(state["e_kwh"] + gained, 0.0, self.e_kwh)
        zero = np.zeros(len(self.id))
        soc = np.divide(e, self.e_kwh, out=np.zeros_like(e), where=self.e_kwh > 0)
        return Delivered({"e_kwh": e}, p, zero, soc, zero, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per battery: control 0 charges, control 1 discharges, both non-negative.

        Doing both at once would waste energy; at non-negative prices no optimum does. `setpoints` orders the net.
        """
        del tariff
        shape = (len(rows), 2, len(horizon))
        free_kw = 0.0 if self.p_kw_promised is None else self.p_kw_promised[rows, None]
        rating = np.stack([self.p_kw_charge[rows], self.p_kw_discharge[rows]], axis=1)
        rating = np.maximum(rating - free_kw, 0.0)[:, :, None]
        per_kw = np.stack([self.efficiency_charge[rows], -1.0 / self.efficiency_discharge[rows]], axis=1)[:, :, None]
        lo, hi = np.zeros(shape), np.broadcast_to(np.maximum(rating, 1e-3), shape)
        price = STORE_PRICE_EUR_PER_KWH
        if self.off_grid_share is None:
            share = np.where(ends_a_day(horizon), self.soc_start[rows, None], 0.0)
            held = np.maximum(share, self.kept_share(weather.first_row, horizon)) * self.e_kwh[rows, None]
        else:
            price = OFF_GRID_EUR_PER_KWH
            share = np.full(len(horizon), OFF_GRID_FLOOR * self.off_grid_share)
            share[-1] = self.off_grid_share
            held = share * self.e_kwh[rows, None]
        sold = 0.0 if self.e_kwh_promised is None else self.e_kwh_promised[rows, None]
        one = np.ones((len(rows), len(horizon)))
        store = Store(
            keep=one,
            gain=per_kw * horizon.dt_h,
            add=np.zeros_like(one),
            start=state["e_kwh"][rows],
            lo=np.maximum(held, sold),
            hi=one * self.e_kwh[rows, None] - sold,
            price=one * price,
        )
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.broadcast_to(np.array([1.0, -1.0]), shape[:2]),
            q=np.zeros(shape[:2]),
            lo=lo,
            hi=hi,
            cost=np.broadcast_to(0.5 * self.wear_eur_per_kwh[rows, None, None] * horizon.dt_h, shape),
            quad=tiny_quad(hi, lo, horizon.dt_h),
            store=store,
        )
        zero = np.zeros_like(one)
        return Plan(zero, zero, columns, np.arange(len(rows), dtype=np.int64))

    def kept_share(self, first_row: int, horizon: Horizon) -> Floats:
        """Least state of charge at the end of every interval, (T,), such that a straight line between two ends is
        never below the reserve."""
        if self.reserve is None:
            return np.zeros(len(horizon))
        first, ends = horizon.first, horizon.first + horizon.steps
        kept = self.reserve.share(first_row, int(ends[-1]) + 1)
        inside = np.array([kept[a : b + 1].max() for a, b in zip(first, ends, strict=True)])
        return np.asarray(np.maximum(inside, np.append(inside[1:], inside[-1])))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """Charging less discharging power."""
        del state, now
        column = plan.column_of
        return u[column, 0, t] - u[column, 1, t], np.zeros(len(rows))
