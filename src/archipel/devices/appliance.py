"""Shiftable appliances: one run a day of a fixed power profile, begun within a window and never interrupted.

    begins b_k = b_0 + 96 k,  earliest..latest start b_k <= s <= b_k + flex          [quarter hours]
    p(t) = run_kw[t - s]  for s <= t < s + length

Which start is best is a choice between whole things, and a plan is convex. So a plan takes a window for a block of
energy: it lies between what a run begun at once and a run begun at the latest have drawn so far, with the run's
highest power as its limit. Every mixture of starts is such a block. `setpoints` makes one real run of it: it starts
where the run covers most of the planned energy. A run that has begun is base power of all later plans, and a window's
latest start is the device's own: it needs no order.

Source of the block and its curves: energy between an earliest and a latest schedule, as for vehicles
(`archipel.devices.ev_charger`); shiftable and uninterruptible loads: A.-H. Mohsenian-Rad, A. Leon-Garcia, "Optimal
residential load control with price prediction", IEEE Trans. Smart Grid 1 (2010), doi:10.1109/TSG.2010.2055903.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.ev_charger import ROWS_PER_H, clock_row
from archipel.devices.shared import MIN_ROOM_KW, no_columns, row_names, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns, Store, tiny_quad

DAY = 96
IDLE = -1.0


@final
@dataclass(frozen=True, eq=False)
class ApplianceFleet:
    """Washing machines, dishwashers, pumps and whatever else runs through once begun."""

    id: tuple[str, ...]
    node: Ints
    run_kw: Floats
    """Power in every quarter hour of a run, shape (n, longest), zero behind its end; the first above zero."""
    run_rows: Ints
    """Length of a run in quarter hours, at least 1."""
    begin_row: Ints
    """Profile row of the first window's begin, 0..95; there is one window a day."""
    flex_rows: Ints
    """How much later a run may start; with its length at most a day."""

    kind: ClassVar[str] = "appliance"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    @cached_property
    def _drawn(self) -> Floats:
        """Energy of a run before each of its quarter hours, and after the last, shape (n, longest + 1) [kWh]."""
        return np.pad(np.cumsum(self.run_kw, axis=1) / ROWS_PER_H, ((0, 0), (1, 0)))

    @property
    def run_kwh(self) -> Floats:
        """Energy of a run."""
        return np.asarray(self._drawn[:, -1])

    @property
    def p_kw_range(self) -> tuple[Floats, Floats]:
        """(Lowest, highest) power, load convention."""
        return np.zeros(len(self.id)), self.run_kw.max(axis=1, initial=0.0)

    def _drawn_after(self, device: Ints, rows: Ints) -> Floats:
        """Energy of a run of each device (n,) so many quarter hours (n, ...) after its start; 0 before it."""
        at = np.clip(rows, 0, self.run_kw.shape[1])
        return np.asarray(self._drawn[device.reshape((-1,) + (1,) * (rows.ndim - 1)), at])

    def initial(self, first_row: int) -> State:
        """`window`: number of the next window to serve; `run_h`: hours since the run in progress began, -1 for none;
        `clock_h` since profile row 0.

        Windows that are open already were served at their begin.
        """
        window = -((self.begin_row - first_row) // DAY)
        since = first_row - (self.begin_row + DAY * (window - 1))
        return {
            "window": window.astype(np.float64),
            "run_h": np.where(since < self.run_rows, since / ROWS_PER_H, IDLE),
            "clock_h": np.full(len(self.id), first_row / ROWS_PER_H),
        }

    def _now(self, state: State) -> tuple[Bools, Floats, Bools, Ints]:
        """(running?, its power [kW], may one start?, quarter hours until it must, at least 0)."""
        running = state["run_h"] >= 0.0
        at = np.clip(clock_row(state["run_h"]), 0, self.run_kw.shape[1] - 1)
        power = np.where(running, self.run_kw[np.arange(len(self.id)), at], 0.0)
        begin = self.begin_row + DAY * state["window"].astype(np.int64)
        row = clock_row(state["clock_h"])
        return running, power, ~running & (row >= begin), np.maximum(begin + self.flex_rows - row, 0)

    def held_kwh(self, state: State) -> Floats:
        """Nothing: what a run drew is used."""
        return np.zeros(len(state["clock_h"]))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """Starts when its window begins."""
        del weather, sensed, dt_h
        _, power, may, _ = self._now(state)
        return np.where(may, self.run_kw[:, 0], power), np.zeros(len(self.id))

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
        """A wish of at least half the first quarter hour's power starts a run; whatever is wished does not stop it.

        At its latest start a run begins by itself. One that is cut off, or could not begin in time, is not made up for.
        """
        del weather, q_kvar
        running, power, may, left = self._now(state)
        starts = may & ~tripped & ((left == 0) | (p_kw >= 0.5 * self.run_kw[:, 0]))
        p = np.where(starts, self.run_kw[:, 0], np.where(tripped, 0.0, power))
        clock = state["clock_h"] + dt_h
        run_h = np.where(running, state["run_h"], 0.0) + dt_h
        goes_on = (starts | (running & ~tripped)) & (clock_row(run_h) < self.run_rows)
        late = clock_row(clock) > self.begin_row + DAY * state["window"].astype(np.int64) + self.flex_rows
        missed = may & ~starts & late
        cut = running & tripped
        rest = self.run_kwh - self._drawn_after(np.arange(len(p)), clock_row(state["run_h"]))
        zero = np.zeros(len(p))
        return Delivered(
            state={
                "window": state["window"] + (starts | missed),
                "run_h": np.where(goes_on, run_h, IDLE),
                "clock_h": clock,
            },
            p_kw=p,
            q_kvar=zero,
            soc=np.full(len(p), np.nan),
            available_kw=zero,
            unserved_kwh=np.where(missed, self.run_kwh, 0.0) + np.where(cut, rest, 0.0),
            ev_unserved_kwh=zero,
            comfort_missed_k_h=zero,
        )

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """A run in progress is base power; every appliance with a window in the horizon has one column of one block of
        energy per window."""
        running = (state["run_h"] >= 0.0)[rows]
        edge = np.append(horizon.first, horizon.steps.sum())
        begun = np.where(running, clock_row(state["run_h"])[rows], 0)
        base = np.diff(self._drawn_after(rows, begun[:, None] + edge), axis=1) / horizon.dt_h
        base = np.where(running[:, None], base, 0.0)

        count = int(edge[-1]) // DAY + 2
        window = state["window"].astype(np.int64)[rows, None] + np.arange(count)
        begin = self.begin_row[rows, None] + DAY * window - weather.first_row  # in rows from now on
        latest = np.maximum(begin + self.flex_rows[rows, None], 0)
        begin = np.maximum(begin, 0)
        soonest = self._drawn_after(rows, edge - begin[:, :, None]).sum(axis=1)
        last = self._drawn_after(rows, edge - latest[:, :, None]).sum(axis=1)
        ends = latest + self.run_rows[rows, None]
        open_rows = np.clip(np.minimum(edge[1:], ends[:, :, None]) - np.maximum(edge[:-1], begin[:, :, None]), 0, None)
        share = np.minimum(open_rows.sum(axis=1) / horizon.steps, 1.0)
        hi = self.run_kw.max(axis=1, initial=0.0)[rows, None] * share
        hi[:, 0] = soonest[:, 1] / horizon.dt_h[0]
        lo = np.zeros_like(hi)

        alive = np.flatnonzero(soonest[:, -1] > 0.0)
        column_of = np.full(len(rows), -1, dtype=np.int64)
        column_of[alive] = np.arange(len(alive))
        if not len(alive):
            return Plan(base, np.zeros_like(base), no_columns(len(horizon)), column_of)
        hi = np.maximum(hi, MIN_ROOM_KW)[alive, None]
        must = last[alive, 1] > 0.0
        lo = np.zeros_like(hi)
        lo[must, 0, 0] = hi[must, 0, 0] - MIN_ROOM_KW
        even = np.diff(0.5 * (soonest + last), axis=1)[alive, None] / horizon.dt_h
        shape = (len(alive), len(horizon))
        columns = Columns(
            device=row_names(self.id, rows[alive]),
            node=self.node[rows[alive]],
            p=np.ones((len(alive), 1)),
            q=np.zeros((len(alive), 1)),
            lo=lo,
            hi=hi,
            cost=np.broadcast_to(tariff.lv_fee_eur_per_kwh * horizon.dt_h, hi.shape),
            quad=tiny_quad(hi, lo, horizon.dt_h),
            store=Store(
                keep=np.ones(shape),
                gain=np.broadcast_to(horizon.dt_h, hi.shape),
                add=np.zeros(shape),
                start=np.zeros(len(alive)),
                lo=last[alive, 1:],
                hi=soonest[alive, 1:],
                price=np.full(shape, max(tariff.voll_eur_per_kwh, 1e-3)),
            ),
            even=np.clip(even, lo + 0.02 * (hi - lo), hi - 0.02 * (hi - lo)),
        )
        return Plan(base, np.zeros_like(base), columns, column_of, whole=np.ones(len(alive), dtype=np.bool_))

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """Start now where, of all starts that are left, the run begun now covers most of the planned energy."""
        del now
        _, power, may, left = self._now(state)
        p = power[rows].copy()
        asked = np.flatnonzero(may[rows] & (plan.column_of >= 0))
        if len(asked):
            device = rows[asked]
            dt_h = plan.columns.store.gain[0, 0, t:] if plan.columns.store is not None else np.zeros(0)
            quarter = np.repeat(u[plan.column_of[asked], 0, t:], np.rint(dt_h * ROWS_PER_H).astype(np.int64), axis=1)
            longest, most = self.run_kw.shape[1], int(left[device].max()) + 1
            quarter = np.pad(quarter, ((0, 0), (0, max(longest + most - quarter.shape[1], 0))))
            covered = np.zeros((len(asked), most))
            for j in range(longest):
                covered += self.run_kw[device, j, None] * quarter[:, j : j + most]
            covered[np.arange(most) > left[device, None]] = 0.0
            best = covered.max(axis=1)
            begins = (covered[:, 0] >= (1.0 - 1e-6) * best) & (best > 1e-6)
            p[asked] = np.where(begins | (left[device] == 0), self.run_kw[device, 0], 0.0)
        return p, np.zeros(len(rows))
