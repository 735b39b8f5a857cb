"""Chargers of electric vehicles: sessions with plug-in, departure and energy.

What a schedule may do with the chargers of a node lies between two curves of energy delivered so far:

    kWh |        ______ earliest: everybody charges at once
        |      /   ____
        |    /   /      latest: everybody charges as late as can be
        |  /___/
        +----------------- time

The sum over vehicles that are there at the same time keeps that shape but loses who needs what, so chargers of a node
share a column only as long as no two of them are in use at once. A vehicle that came unannounced to a shared column is
served by least laxity (who has least time to spare goes first).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.sessions import Sessions, energy_curves, known_sessions
from archipel.devices.shared import no_columns, row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.horizon import STEP_MINUTES
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

ROWS_PER_H = 60.0 / STEP_MINUTES
URGENT_H = 1.5
"""A vehicle no plan knows of waits for the next plan, unless it has less than this to spare."""


@final
@dataclass(frozen=True, eq=False)
class EvChargerFleet:
    """Chargers and the sessions they will see."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    """Rating, above zero."""
    session_device: Ints
    """Row number of the charger of every session; sessions are sorted by charger, then by start, never overlapping."""
    session_start: Ints
    session_end: Ints
    """Profile rows [start, end) while the vehicle is plugged in."""
    session_kwh: Floats
    """Energy wanted by departure."""

    kind: ClassVar[str] = "ev_charger"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    @cached_property
    def sessions(self) -> Sessions:
        """The sessions with their index."""
        return Sessions(len(self.id), self.session_device, self.session_start, self.session_end, self.session_kwh)

    def initial(self, first_row: int) -> State:
        """`session`: number of the current or next session; `delivered_kwh` in it; `clock_h` since profile row 0.

        Vehicles that are plugged in already have been charging since their arrival.
        """
        session = self.sessions.at(first_row)
        start, kwh = self.sessions.start[session], self.sessions.kwh[session]
        plugged_h = np.maximum(first_row - start, 0) / ROWS_PER_H
        return {
            "session": session.astype(np.float64),
            "delivered_kwh": np.minimum(kwh, self.p_kw * plugged_h),
            "clock_h": np.full(len(self.id), first_row / ROWS_PER_H),
        }

    def _current(self, state: State) -> tuple[Ints, Bools, Floats]:
        """(session, plugged in now?, energy still wanted [kWh])."""
        session = self.sessions.own(state["session"].astype(np.int64))
        row = clock_row(state["clock_h"])
        plugged = (self.sessions.start[session] <= row) & (row < self.sessions.end[session])
        return session, plugged, np.where(plugged, self.sessions.kwh[session] - state["delivered_kwh"], 0.0)

    def held_kwh(self, state: State) -> Floats:
        """Energy the sessions in progress have got."""
        return state["delivered_kwh"]

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Full power on arrival until done."""
        del weather, sensed
        _, _, wanted = self._current(state)
        return np.clip(wanted / dt_h, 0.0, self.p_kw), np.zeros(len(self.id))

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
        """The wish within rating and need, nothing when unplugged; who leaves at the end of the step is settled."""
        del weather, q_kvar
        session, plugged, wanted = self._current(state)
        p = np.where(tripped, 0.0, np.clip(p_kw, 0.0, np.clip(wanted / dt_h, 0.0, self.p_kw)))
        delivered = state["delivered_kwh"] + p * dt_h
        clock = state["clock_h"] + dt_h
        kwh = self.sessions.kwh[session]
        leaves = self.sessions.end[session] <= clock_row(clock)
        missing = np.where(leaves, kwh - delivered, 0.0)
        share = np.divide(delivered, kwh, out=np.ones_like(p), where=kwh > 0)
        zero = np.zeros(len(self.id))
        return Delivered(
            state={
                "session": state["session"] + leaves,
                "delivered_kwh": np.where(leaves, 0.0, delivered),
                "clock_h": clock,
            },
            p_kw=p,
            q_kvar=zero,
            soc=np.where(plugged, np.minimum(share, 1.0), np.nan),
            available_kw=zero,
            unserved_kwh=zero,
            # Below a milliwatt-hour it is rounding, not a short trip.
            ev_unserved_kwh=np.where(missing > 1e-6, missing, 0.0),
            comfort_missed_k_h=zero,
        )

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """As many columns per node as chargers are in use at once; a store is the energy delivered since the start.

        With a perfect forecast all sessions are known. Otherwise those plugged in now, and for what is to come the
        sessions of the same charger seven days before.
        """
        shape = (len(rows), len(horizon))
        zero = np.zeros(shape)
        session, plugged, wanted = self._current(state)
        steps = int(horizon.steps.sum())
        seen = known_sessions(self.sessions, rows, session[rows], plugged[rows], wanted[rows], weather, steps)
        column_of = np.full(len(rows), -1, dtype=np.int64)
        if len(seen.who) == 0:
            return Plan(zero, zero, no_columns(len(horizon)), column_of)
        edge = weather.first_row + np.append(horizon.first, horizon.steps.sum())
        latest, earliest, rating, even = energy_curves(seen, self.p_kw[rows], edge, ROWS_PER_H)

        present = np.unique(seen.who)
        lane = seen.lanes(self.node[rows])
        pairs = np.stack([self.node[rows[present]], lane[present]])
        (nodes, _), first, place = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
        column_of[present] = place
        shape = (len(nodes), len(horizon))
        group = column_of[seen.who]
        lo, hi, box, mild = (_sum_by(group, curve, shape) for curve in (latest, earliest, rating, even))
        box = np.maximum(box, 1e-3)[:, None]
        columns = Columns(
            device=row_names(self.id, rows[present[first]]),
            node=nodes,
            p=np.ones((len(nodes), 1)),
            q=np.zeros((len(nodes), 1)),
            lo=np.zeros_like(box),
            hi=box,
            cost=np.broadcast_to(tariff.lv_fee_eur_per_kwh * horizon.dt_h, box.shape),
            quad=tiny_quad(box, np.zeros_like(box), horizon.dt_h),
            store=Store(
                keep=np.ones(shape),
                gain=np.broadcast_to(horizon.dt_h, box.shape),
                add=np.zeros(shape),
                start=np.zeros(len(nodes)),
                lo=lo,
                hi=hi,
                price=np.full(shape, tariff.ev_unserved_eur_per_kwh),
            ),
            even=mild[:, None],
        )
        return Plan(zero, zero, columns, column_of)

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """A column's power goes to the vehicles plugged in at its node now, least laxity first.

        A vehicle that came unannounced at a node without a column waits for the next plan, if it can.
        """
        del now
        session, _, wanted = self._current(state)
        wanted, rating = wanted[rows], self.p_kw[rows]
        cap = np.clip(wanted * ROWS_PER_H, 0.0, rating)
        spare_h = self.sessions.end[session[rows]] / ROWS_PER_H - state["clock_h"][rows] - wanted / rating
        p = np.where(spare_h < URGENT_H, cap, 0.0)
        planned = np.flatnonzero(plan.column_of >= 0)
        order = planned[np.lexsort((spare_h[planned], plan.column_of[planned]))]
        column = plan.column_of[order]
        before = np.cumsum(cap[order]) - cap[order]
        heads = np.searchsorted(column, column)  # first member of each one's column
        before -= before[heads] if len(before) else 0.0
        p[order] = np.clip(u[column, 0, t] - before, 0.0, cap[order])
        return p, np.zeros(len(rows))


def clock_row(clock_h: Floats) -> Ints:
    """Profile row a clock is in; a step of one minute adds up to a row only within rounding."""
    return np.floor(clock_h * ROWS_PER_H + 1e-6).astype(np.int64)


def _sum_by(group: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    total = np.zeros(shape)
    np.add.at(total, group, values)
    return total
