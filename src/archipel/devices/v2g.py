"""Chargers that also give back what vehicles hold (vehicle to grid): sessions with arrival, departure, energy wanted.

    e' = e + efficiency_charge * charged - discharged / efficiency_discharge        [kWh in the vehicle]
    soc_min * e_kwh <= e <= e_kwh;   at departure e >= e_arrival + e_wanted

What a schedule may do with a vehicle lies between two curves of the energy in it, both of which end where it leaves:

    kWh |   ____________
        |  /            \\        highest: full, and down to what is wanted in time
        | /              *
        |/             /
        |\\____________/          lowest: down to the least, and up to what is wanted in time
        +----------------- time

A vehicle leaves with what its owner wants and never with less than it came with, so no plan sells what it brought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.ev_charger import ROWS_PER_H, URGENT_H, clock_row
from archipel.devices.sessions import Seen, Sessions, known_sessions
from archipel.devices.shared import row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

FORGOTTEN = 1e-9
"""Share of the store that survives the change of vehicles: a store keeps something, and this is next to nothing."""


@final
@dataclass(frozen=True, eq=False)
class V2gFleet:
    """Chargers in both directions, each for vehicles of one size, at unity power factor."""

    id: tuple[str, ...]
    node: Ints
    p_kw_charge: Floats
    p_kw_discharge: Floats
    """Ratings at the terminal, above zero and non-negative."""
    e_kwh: Floats
    """Usable capacity of the vehicle's battery."""
    efficiency_charge: Floats
    efficiency_discharge: Floats
    """In (0, 1]."""
    soc_min: Floats
    """Share of the capacity below which nothing is given back."""
    wear_eur_per_kwh: Floats
    """Per kWh given back, at the terminal: driving wears the battery anyway."""
    session_device: Ints
    """Row number of the charger of every session; sessions are sorted by charger, then by start, never overlapping."""
    session_start: Ints
    session_end: Ints
    """Profile rows [start, end) while the vehicle is plugged in."""
    session_kwh: Floats
    """Energy in the battery wanted by departure on top of what the vehicle came with."""
    session_soc: Floats
    """State of charge on arrival."""

    kind: ClassVar[str] = "v2g"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    @cached_property
    def sessions(self) -> Sessions:
        """The sessions with their index."""
        return Sessions(len(self.id), self.session_device, self.session_start, self.session_end, self.session_kwh)

    @cached_property
    def _came_kwh(self) -> Floats:
        """Energy on arrival of every session, and of the row behind all."""
        return np.append(self.session_soc * self.e_kwh[self.session_device], 0.0)

    @cached_property
    def _goal_kwh(self) -> Floats:
        """Energy wanted at departure, as `_came_kwh`."""
        goal = self._came_kwh[:-1] + self.session_kwh
        return np.append(np.minimum(goal, self.e_kwh[self.session_device]), 0.0)

    @property
    def p_kw_range(self) -> tuple[Floats, Floats]:
        """(Lowest, highest) power, load convention."""
        return -self.p_kw_discharge, self.p_kw_charge

    def wear_eur(self, p_kw: Floats, dt_h: float) -> Floats:
        """Wear of every vehicle [EUR], shape (n,), for terminal powers (n, S) held for `dt_h` each."""
        return np.asarray(self.wear_eur_per_kwh * np.maximum(-p_kw, 0.0).sum(axis=-1) * dt_h)

    def open_kwh(self, last_row: int, soc: Floats) -> Floats:
        """What vehicles that stay beyond the end of `last_row` still want then, given their `soc`, shape (n,)."""
        session = self.sessions.at(last_row)
        stays = (self.sessions.start[session] <= last_row) & (self.sessions.end[session] > last_row + 1)
        missing = self._goal_kwh[session] - np.nan_to_num(soc, nan=1.0) * self.e_kwh
        return np.where(stays, np.maximum(missing, 0.0), 0.0)

    def initial(self, first_row: int) -> State:
        """`session`: number of the current or next session; `e_kwh` in the vehicle, or in the last one when
        it left; `clock_h` since profile row 0.

        Vehicles that are plugged in already have been charging since their arrival.
        """
        session = self.sessions.at(first_row)
        plugged_h = np.maximum(first_row - self.sessions.start[session], 0) / ROWS_PER_H
        charged = self._came_kwh[session] + self.efficiency_charge * self.p_kw_charge * plugged_h
        here, left = self.sessions.start[session] <= first_row, self._goal_kwh[self._before(session)]
        return {
            "session": session.astype(np.float64),
            "e_kwh": np.where(here, np.minimum(self._goal_kwh[session], charged), left),
            "clock_h": np.full(len(self.id), first_row / ROWS_PER_H),
        }

    def _current(self, state: State) -> tuple[Ints, Bools, Bools, Floats]:
        """(session, plugged in now?, just arrived?, energy in the vehicle [kWh])."""
        session = self.sessions.own(state["session"].astype(np.int64))
        start, row = self.sessions.start[session], clock_row(state["clock_h"])
        plugged = (start <= row) & (row < self.sessions.end[session])
        fresh = plugged & (state["clock_h"] * ROWS_PER_H - start < 1e-6)
        return session, plugged, fresh, np.where(fresh, self._came_kwh[session], state["e_kwh"])

    def held_kwh(self, state: State) -> Floats:
        """What the vehicle plugged in got here, or the last one; below zero where it gave some of what it came with."""
        session, plugged, fresh, _ = self._current(state)
        last = np.where(plugged & ~fresh, session, self._before(session))
        return np.where(last >= 0, state["e_kwh"] - self._came_kwh[last], 0.0)

    def _before(self, session: Ints) -> Ints:
        """The session of the same charger before each, -1 where there is none."""
        last = np.minimum(session, self.sessions.first[1:]) - 1
        return np.where(last >= self.sessions.first[:-1], last, -1)

    def _room_kw(self, state: State, dt_h: float) -> tuple[Floats, Floats]:
        """Most that can be (charged, discharged) for `dt_h` [kW], shape (n,), non-negative."""
        _, plugged, _, e = self._current(state)
        charge = np.maximum(self.e_kwh - e, 0.0) / (self.efficiency_charge * dt_h)
        discharge = np.maximum(e - self.soc_min * self.e_kwh, 0.0) * self.efficiency_discharge / dt_h
        return (
            np.where(plugged, np.minimum(self.p_kw_charge, charge), 0.0),
            np.where(plugged, np.minimum(self.p_kw_discharge, discharge), 0.0),
        )

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """As a plain charger: full power on arrival until what is wanted is there; it gives nothing back."""
        del weather, sensed
        session, plugged, _, e = self._current(state)
        wanted = np.where(plugged, self._goal_kwh[session] - e, 0.0)
        return np.clip(wanted / (self.efficiency_charge * dt_h), 0.0, self.p_kw_charge), np.zeros(len(self.id))

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
        """The wish within ratings and battery, nothing when unplugged; who leaves at the end of the step is settled."""
        del weather, q_kvar
        session, plugged, _, e = self._current(state)
        charge, discharge = self._room_kw(state, dt_h)
        p = np.where(tripped, 0.0, np.clip(p_kw, -discharge, charge))
        e = e + np.where(p > 0, p * self.efficiency_charge, p / self.efficiency_discharge) * dt_h
        clock = state["clock_h"] + dt_h
        leaves = self.sessions.end[session] <= clock_row(clock)
        missing = np.where(leaves, self._goal_kwh[session] - e, 0.0)
        zero = np.zeros(len(self.id))
        return Delivered(
            state={"session": state["session"] + leaves, "e_kwh": e, "clock_h": clock},
            p_kw=p,
            q_kvar=zero,
            soc=np.where(plugged, np.divide(e, self.e_kwh, out=np.zeros_like(e), where=self.e_kwh > 0), np.nan),
            available_kw=zero,
            unserved_kwh=zero,
            # Below a milliwatt-hour it is rounding, not a short trip.
            ev_unserved_kwh=np.where(missing > 1e-6, missing, 0.0),
            comfort_missed_k_h=zero,
        )

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """One column per charger: control 0 charges, control 1 discharges; its store is the energy in the vehicle.

        Where the vehicle changes the store begins anew with what the next one brings. Sessions to come are known as
        those of plain chargers are. The fee on end use is due for what a vehicle keeps: what it gives back is the end
        use of others, who pay it.
        """
        session, plugged, fresh, e_now = self._current(state)
        session, plugged, fresh, e_now = session[rows], plugged[rows], fresh[rows], e_now[rows]
        steps = int(horizon.steps.sum())
        some = np.ones(len(rows))  # all that are here count, whatever they want
        seen = known_sessions(self.sessions, rows, session, plugged, some, weather, steps)
        edge = weather.first_row + np.append(horizon.first, steps)
        shape = (len(rows), len(horizon))
        there, begins, came, lo, hi, even = self._curves(seen, rows, plugged & ~fresh, e_now, edge, shape)

        rating = np.stack([self.p_kw_charge[rows], self.p_kw_discharge[rows]], axis=1)[:, :, None]
        per_kw = np.stack([self.efficiency_charge[rows], -1.0 / self.efficiency_discharge[rows]], axis=1)[:, :, None]
        most = np.maximum(rating * there[:, None], 1e-3)
        least = np.zeros_like(most)
        cost = np.stack([np.zeros(len(rows)), self.wear_eur_per_kwh[rows]], axis=1)
        cost += tariff.lv_fee_eur_per_kwh * np.array([1.0, -1.0])
        columns = Columns(
            device=row_names(self.id, rows),
            node=self.node[rows],
            p=np.broadcast_to(np.array([1.0, -1.0]), (len(rows), 2)),
            q=np.zeros((len(rows), 2)),
            lo=least,
            hi=most,
            cost=cost[:, :, None] * horizon.dt_h,
            quad=tiny_quad(most, least, horizon.dt_h),
            store=Store(
                keep=np.where(begins, FORGOTTEN, 1.0),
                # room that is only there for the solver moves nothing
                gain=np.where(rating * there[:, None] > 0, per_kw * horizon.dt_h, FORGOTTEN * np.sign(per_kw)),
                add=came,
                start=state["e_kwh"][rows],
                lo=lo,
                hi=hi,
                price=np.full(shape, tariff.ev_unserved_eur_per_kwh),
            ),
            even=np.clip(even, 0.02 * most, 0.9 * most),
        )
        zero = np.zeros(shape)
        return Plan(zero, zero, columns, np.arange(len(rows), dtype=np.int64))

    def _curves(
        self, seen: Seen, rows: Ints, in_progress: Bools, e_now: Floats, edge: Ints, shape: tuple[int, int]
    ) -> tuple[Floats, Bools, Floats, Floats, Floats, Floats]:
        """Of every charger and interval: (share plugged in, does a session begin?, energy it brings, lowest and highest
        energy at the end [kWh], controls of even charging (rows, 2, T) [kW])."""
        order = np.lexsort((seen.start, seen.who))
        who, start, end = seen.who[order], seen.start[order], seen.end[order]
        session, at = seen.session[order], rows[seen.who[order]]
        charge = self.efficiency_charge[at] * self.p_kw_charge[at] / ROWS_PER_H  # kWh per row
        give = self.p_kw_discharge[at] / (self.efficiency_discharge[at] * ROWS_PER_H)
        here = in_progress[who] & (start == edge[0])
        came = np.where(here, e_now[who], self._came_kwh[session])
        goal = np.minimum(self._goal_kwh[session], came + charge * (end - start))
        goal = np.where(here, goal, np.maximum(goal, came))
        first, last = edge[None, :-1], edge[None, 1:]
        begin, finish = start[:, None], end[:, None]
        overlap = np.clip(np.minimum(last, finish) - np.maximum(first, begin), 0, None) / (last - first)
        left = np.maximum(finish - last, 0)
        least = np.minimum((self.soc_min * self.e_kwh)[at][:, None], came[:, None] + charge[:, None] * (last - begin))
        low = np.maximum(least, goal[:, None] - charge[:, None] * left)
        high = np.maximum(goal[:, None] + give[:, None] * left, np.where(here, came, 0.0)[:, None])
        high = np.maximum(np.minimum(high, self.e_kwh[at][:, None]), low)
        need = np.maximum(goal - came, 0.0) / np.maximum(self.efficiency_charge[at] * (end - start), 1e-9)

        there, add = np.zeros(shape), np.zeros(shape)
        begins = np.zeros(shape, dtype=np.bool_)
        lo, hi = np.full(shape, -np.inf), np.full(shape, np.inf)
        even = np.zeros((shape[0], 2, shape[1]))
        np.add.at(there, who, overlap)
        np.add.at(even[:, 0], who, (need * ROWS_PER_H)[:, None] * overlap)
        departs = (first < finish) & (finish < last)
        inside = (begin < last) & (last <= finish)
        for where in (departs, inside):  # who is there at the end comes after who left
            s, t = np.nonzero(where)
            lo[who[s], t], hi[who[s], t] = low[s, t], high[s, t]
        s, t = np.nonzero((first <= begin) & (begin < last) & ~here[:, None])
        begins[who[s], t] = True
        add[who[s], t] = came[s]
        return np.minimum(there, 1.0), begins, add, lo, hi, even

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """Charging less discharging power.

        A vehicle that came unannounced waits for the next plan, unless it has no time to spare.
        """
        del now
        column = plan.column_of
        session, plugged, _, e = self._current(state)
        session, plugged, e = session[rows], plugged[rows], e[rows]
        planned = plan.columns.hi[column, 0, t] > 2e-3
        wanted = np.maximum(self._goal_kwh[session] - e, 0.0) / self.efficiency_charge[rows]
        left_h = self.sessions.end[session] / ROWS_PER_H - state["clock_h"][rows]
        urgent = plugged & (left_h - wanted / self.p_kw_charge[rows] < URGENT_H)
        waits = np.where(urgent, np.clip(wanted * ROWS_PER_H, 0.0, self.p_kw_charge[rows]), 0.0)
        return np.where(planned, u[column, 0, t] - u[column, 1, t], waits), np.zeros(len(rows))
