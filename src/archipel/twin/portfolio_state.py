"""State of the devices of a portfolio, and what moves it between the loops: sun, vehicles, heat, nominated schedules.

Every minute chargers and heat pumps are set, every 15 min vehicles come and go and the schedule of the quarter hour
after the next is nominated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.devices.heat_pump import thermal
from archipel.model import Floats, Ints
from archipel.twin.portfolio_days import QUARTERS, Days, Kind
from archipel.vpp.activation import charger_setpoints, chosen

QUARTER_CYCLES, MINUTE_CYCLES = 225, 15
PATIENT_H = 0.75
"""A vehicle has time when it can wait this much longer and still be full at departure."""
RUN_S, REST_S = 600.0, 600.0
"""Least time a heat pump runs and rests."""
RESTORE_H = 1.0
"""Trades bring stored energy back to plan in about this time."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What drives the portfolio over T cycles of 4 s; days first."""

    restoration: Floats
    """Share of the reserve called, shape (D, T); positive draws more."""
    f_hz: Floats
    """Every second, shape (D, 4 T)."""
    afrr_kw: Floats
    fcr_kw: Floats
    """Promised, per quarter hour, shape (D, 96)."""
    plan_kw: Floats
    """Batteries by the day-ahead plan, shape (D, 98)."""
    trade_kw: float
    """Most that a nomination may differ from the plan to bring back stored energy; 0 for none."""
    sees: bool = True
    """Whether nominations use what was measured until half an hour before; otherwise the day-ahead plan stands."""


@final
class Portfolio:
    """The moving state; `run` moves it."""

    def __init__(self, days: Days, asked: Asked) -> None:
        self.days, self.asked = days, asked
        self.rng = np.random.default_rng([days.seed, 99])
        b, rows = days.batteries, days.battery.row
        self.size, self.p_ch, self.p_dis = b.e_kwh[rows], b.p_kw_charge[rows], b.p_kw_discharge[rows]
        self.eta_c, self.eta_d = b.efficiency_charge[rows], b.efficiency_discharge[rows]
        D, n = len(days.first_row), len(rows)
        self.D, self.C = D, len(days.contracts)
        self.of = {k.name: _one_hot(k.contract, self.C) for k in (days.battery, days.charger, days.pump, days.sun)}
        self.e = np.broadcast_to(b.soc_start[rows] * self.size, (D, n)).copy()
        self.p_bat, self.set_bat, self.fcr, self.keep, self.spent = (np.zeros((D, n)) for _ in range(5))
        self.may_contain = days.contains[days.battery.contract]
        self.follow = -np.expm1(-1.0 / days.battery.lag_s)
        m = len(days.charger.row)
        self.p_ev, self.set_ev, self.left = np.zeros((D, m)), np.zeros((D, m)), np.zeros((D, m))
        self.session, self.patient = np.full((D, m), -1), np.zeros((D, m), dtype=bool)
        self.rating = days.chargers.p_kw[days.charger.row]
        self.follow_ev = -np.expm1(-4.0 / days.charger.lag_s)
        pumps, h = days.pumps, days.pump.row
        self.t_k = self.rng.uniform(0.2, 0.8, (D, len(h))) * pumps.band_k[h]
        self.on = self.rng.random((D, len(h))) < 0.3
        self.since = np.full((D, len(h)), 1e4)
        self.p_hp = np.where(self.on, pumps.p_kw[h], 0.0)
        self.follow_hp = -np.expm1(-4.0 / days.pump.lag_s)
        self.p_pv = np.zeros((D, len(days.sun.row)))
        self.curtail = np.zeros((D, self.C))
        self.target, self.coming = np.zeros((D, self.C)), np.full((D, self.C), np.nan)
        self.target_age = np.zeros((D, self.C))
        self.base, self.least, self.most = (np.zeros((D, self.C)) for _ in range(3))
        self.spare_less, self.spare_more, self.report_age, self.less = (np.zeros((D, self.C)) for _ in range(4))
        self.wish = np.zeros((D, self.C))
        self.answer = np.zeros((D, 1))
        self.nominated_bat = np.zeros((D, QUARTERS + 2))
        self.nominated = np.zeros((D, QUARTERS + 2))
        self.seen_kw = np.zeros(D)
        self.missed, self.slow = np.zeros(D), np.zeros((D, 3))

    def by_contract(self, kind: Kind, p_kw: Floats) -> Floats:
        """Sums over the devices of every contract, shape (D, C)."""
        return np.asarray(p_kw @ self.of[kind.name])

    def vehicles(self, quarter: int) -> None:
        """Who is plugged in, and what is still to be charged."""
        days, sessions = self.days, self.days.chargers.sessions
        for d, first in enumerate(days.first_row):
            row = int(first) + quarter
            now = sessions.at(row)[days.charger.row]
            plugged = sessions.start[now] <= row
            now = np.where(plugged, now, -1)
            new = now != self.session[d]
            self.missed[d] += self.left[d][new & (self.session[d] >= 0)].sum()
            kwh = np.where(now >= 0, sessions.kwh[now], 0.0)
            since_h = np.where(now >= 0, row - sessions.start[now], 0) / 4.0
            # What cannot be charged even at full power is nobody's miss.
            most = self.rating * np.where(now >= 0, sessions.end[now] - sessions.start[now], 0) / 4.0
            fresh = np.maximum(np.minimum(kwh, most) - self.rating * since_h, 0.0)
            self.left[d] = np.where(new, fresh, self.left[d])
            self.session[d] = now
            stays_h = np.where(now >= 0, sessions.end[now] - row, 0) / 4.0
            self.patient[d] = stays_h - self.left[d] / self.rating > PATIENT_H

    def nominate(self, quarter: int) -> None:
        """Nominate the schedule of the quarter hour after the next; at the start, of the first ones too."""
        days, asked = self.days, self.asked
        for q in range(quarter if quarter == 0 else quarter + 2, min(quarter + 3, QUARTERS + 2)):
            plain = days.forecast_kw[:, q]
            if asked.sees:
                sun, rest = days.forecast_sun_kw[:, q], plain - days.forecast_sun_kw[:, q]
                seen_sun = self.p_pv.sum(axis=1) - self.curtailed_kw()
                was = days.forecast_sun_kw[:, quarter]
                bright = was < -0.02 * days.sun_kw.max() * days.sun_kw.shape[-1] / 4.0
                ratio = np.divide(seen_sun, was, out=np.ones(self.D), where=bright)
                drawn = self.p_ev.sum(axis=1) + self.p_hp.sum(axis=1)
                was_rest = days.forecast_kw[:, quarter] - was
                plain = sun * np.clip(ratio, 0.3, 1.7) + rest + 0.5 * (drawn - was_rest)
            ahead = asked.plan_kw[:, :q].sum(axis=1) / 4.0
            start = (days.batteries.soc_start[days.battery.row] * self.size).sum()
            # What is stored, with what is nominated until then, against the plan for that time.
            between = self.nominated_bat[:, quarter:q].sum(axis=1) / 4.0
            stored = self.e.sum(axis=1) + (between if quarter else ahead)
            trade = np.clip((start + ahead - stored) / RESTORE_H, -asked.trade_kw, asked.trade_kw)
            self.nominated_bat[:, q] = asked.plan_kw[:, q] + trade
            self.nominated[:, q] = plain + self.nominated_bat[:, q]

    def curtailed_kw(self) -> Floats:
        """Sun that is offered and not taken, shape (D,)."""
        kept = np.maximum(1.0 - self.curtail[:, self.days.sun.contract], 1e-3)
        return np.asarray((-self.p_pv / kept + self.p_pv).sum(axis=1))

    def sunshine(self, k: int) -> None:
        """Power of the sun now."""
        days = self.days
        at = k / QUARTER_CYCLES + 0.5
        i, part = int(at), at - int(at)
        offered = (1.0 - part) * days.sun_kw[:, i] + part * days.sun_kw[:, i + 1]
        factor = days.sun_factor[:, :, k]
        heard = days.heard(days.sun, 4.0 * k)
        curtail = np.where(heard, self.curtail[:, days.sun.contract], 0.0)
        offered = offered * factor[:, days.sun.contract] * days.sun.works(4.0 * k)
        self.p_pv = -offered * (1.0 - curtail)
        self.slow[:, 2] += (offered * curtail).sum(axis=1) * 4.0 / 3600.0

    def slow_devices(self, k: int, quarter: int) -> None:
        """Chargers and heat pumps, once a minute."""
        days, at_s = self.days, 4.0 * k
        wish = np.where((self.session >= 0) & (self.left > 1e-6), np.minimum(self.rating, 60.0 * self.left), 0.0)
        wish = np.where(days.charger.works(at_s), wish, 0.0)
        heard = days.heard(days.charger, at_s) & self.patient
        self.set_ev = wish.copy()
        given = np.zeros((self.D, self.C))
        ready = self.by_contract(days.charger, np.where(heard, wish, 0.0))
        for c in range(self.C):
            mine = days.charger.contract == c
            if mine.any():
                new = charger_setpoints(self.less[:, c], wish[:, mine], self.rating[mine], heard[:, mine])
                given[:, c] = (wish[:, mine] - new).sum(axis=1)
                self.set_ev[:, mine] = np.minimum(new, wish[:, mine])
        self.slow[:, 0] += given.sum(axis=1) / 60.0
        self.heat(at_s, quarter, self.less - given)
        heating = np.where(self.on, days.pumps.p_kw[days.pump.row], 0.0)
        self.wish = self.by_contract(days.charger, wish) + self.by_contract(days.pump, heating)
        self.spare_less = ready

    def heat(self, at_s: float, quarter: int, less_kw: Floats) -> None:
        """Thermostats with least run times; those that are warm wait when asked."""
        days, rows = self.days, self.days.pump.row
        p, band, cop = days.pumps.p_kw[rows], days.pumps.band_k[rows], days.pumps.cop[rows]
        keep, gain = thermal(days.pumps.heat_kw[rows], days.pumps.buffer_kwh_per_k[rows], 1.0 / 60.0)
        self.t_k = keep * self.t_k + gain * (cop * self.p_hp - days.heat_kw[:, quarter])
        self.since += 60.0
        ready = np.where(self.on, self.since >= RUN_S, self.since >= REST_S)
        want = np.where(self.on, self.t_k < 0.8 * band, self.t_k < 0.3 * band)
        heard = days.heard(days.pump, at_s)
        for c in range(self.C):
            mine = days.pump.contract == c
            if mine.any():
                can = (want & ready & heard & (self.t_k > 0.3 * band))[:, mine]
                waits = chosen(
                    np.maximum(less_kw[:, c], 0.0), np.broadcast_to(p[mine], can.shape), can, self.t_k[:, mine]
                )
                self.slow[:, 1] += (waits * p[mine]).sum(axis=1) / 60.0
                want[:, mine] &= ~waits
        switches = (want != self.on) & ready
        self.on, self.since = np.where(switches, want, self.on), np.where(switches, 0.0, self.since)

    def follow_slow(self, at_s: float) -> None:
        """Four seconds of chargers and heat pumps."""
        self.p_ev += self.follow_ev * (np.where(self.left > 0.0, self.set_ev, 0.0) - self.p_ev)
        self.left = np.maximum(self.left - self.p_ev * 4.0 / 3600.0, 0.0)
        works = self.days.pump.works(at_s)
        self.p_hp += self.follow_hp * (
            np.where(self.on & works, self.days.pumps.p_kw[self.days.pump.row], 0.0) - self.p_hp
        )


def _one_hot(contract: Ints, number: int) -> Floats:
    return np.asarray(contract[:, None] == np.arange(number), dtype=np.float64)
