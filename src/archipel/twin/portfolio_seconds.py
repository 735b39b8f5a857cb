"""A portfolio second by second: devices with lags, limits, energy and failures, under the loops of `archipel.vpp`.

    every second    frequency -> droop in every battery; power follows through its lag; energy
    every 4 s       reports -> portfolio -> targets of members (lost, late) -> set-points of devices, one second later
    every minute    shares of containment by message; chargers and heat pumps, where they are to relieve batteries
    every 15 min    vehicles come and go; the schedule of the quarter hour after the next is nominated

Many days at once, days are the first axis. Physics has other numbers than the controllers know: lags, errors, losses of
messages. Only active power; the network is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.devices.heat_pump import thermal
from archipel.model import Bools, Floats, Ints
from archipel.twin.portfolio_days import QUARTERS, Days, Kind
from archipel.vpp.activation import battery_setpoints, charger_setpoints, chosen, relief_kw
from archipel.vpp.containment import CONTINENTAL_EUROPE, activation, allot, dispatch_limits, kept_kwh
from archipel.vpp.restoration import GAIN, LEASE_S, SILENT_S, Loop, Reports, cycle
from archipel.vpp.tracking_signals import ramped

QUARTER_CYCLES, MINUTE_CYCLES = 225, 15
PATIENT_H = 0.75
"""A vehicle has time when it can wait this much longer and still be full at departure."""
RUN_S, REST_S = 600.0, 600.0
"""Least time a heat pump runs and rests."""
LOST, LATE = 0.01, 0.02
"""Of messages either way; a late one comes a cycle later."""
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
@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """What happened."""

    metered_kw: NDArray[np.float32]
    """All devices together, every second, shape (D, 4 T)."""
    wanted_kw: NDArray[np.float64]
    """Schedule, restoration and containment, every second."""
    schedule_kw: NDArray[np.float32]
    """Nominated, with its ramps, every second."""
    kept: Floats
    """Least part of (containment, restoration up, restoration down) that could have been called, in every quarter hour
    of the run, shape (D, Q, 3)."""
    soc: Floats
    """Of all working batteries, every minute, shape (D, T / 15)."""
    missed_kwh: Floats
    """Not charged at departure, shape (D,)."""
    slow_kwh: Floats
    """Energy by which chargers and pumps relieved batteries and sun that was curtailed, shape (D, 3)."""


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
        self.p_bat, self.set_bat, self.fcr = np.zeros((D, n)), np.zeros((D, n)), np.zeros((D, n))
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


def run(days: Days, asked: Asked, gain: float = GAIN) -> Ran:
    """Run the days side by side for as long as `asked` lasts."""
    state, loop, T = Portfolio(days, asked), None, asked.restoration.shape[1]
    seconds = 4 * T
    metered, before = np.zeros((state.D, seconds), dtype=np.float32), np.zeros(state.D)
    quarters = -(-T // QUARTER_CYCLES)
    kept, soc = np.ones((state.D, quarters, 3)), np.zeros((state.D, -(-T // MINUTE_CYCLES)))
    for k in range(T):
        quarter, at_s = k // QUARTER_CYCLES, 4.0 * k
        state.sunshine(k)
        if k % QUARTER_CYCLES == 0:
            state.vehicles(quarter)
            if k == 0:
                state.slow_devices(0, 0)
                state.p_ev = state.set_ev.copy()
            state.nominate(quarter)
        works = days.battery.works(at_s)
        if k % MINUTE_CYCLES == 0:
            state.slow_devices(k, quarter)
            rated = np.minimum(state.p_ch, state.p_dis) * state.may_contain
            state.fcr = allot(asked.fcr_kw[:, quarter], np.broadcast_to(rated, works.shape), works)
            soc[:, k // MINUTE_CYCLES] = (state.e * works).sum(axis=1) / (state.size * works).sum(axis=1)
        state.follow_slow(at_s)
        signal = asked.restoration[:, k] * asked.afrr_kw[:, quarter]
        wanted = ramped(state.nominated, np.array([at_s]))[:, 0] + signal
        loop, limits = _cycle(state, loop, wanted, works, at_s, float(gain))
        # Set-points are still those of the signal before.
        kept[:, quarter] = np.minimum(kept[:, quarter], _kept(state, works, limits, before, quarter))
        before = signal
        for j in range(4):
            if j == 1:
                _members(state, works, limits, at_s)
            _second(state, works, activation(asked.f_hz[:, 4 * k + j]))
            rest = state.p_ev.sum(axis=1) + state.p_hp.sum(axis=1) + state.p_pv.sum(axis=1)
            metered[:, 4 * k + j] = state.p_bat.sum(axis=1) + rest
    time = np.arange(seconds, dtype=np.float64)
    schedule = ramped(state.nominated, time).astype(np.float32)
    quarter_of = np.arange(seconds) // 900
    called = np.repeat(asked.restoration, 4, axis=1) * asked.afrr_kw[:, quarter_of]
    contained = activation(asked.f_hz) * asked.fcr_kw[:, quarter_of]
    wanted_kw = schedule + called + contained
    return Ran(metered, wanted_kw, schedule, kept, soc, state.missed, state.slow)


def _cycle(
    s: Portfolio, loop: Loop | None, wanted: Floats, works: Bools, at_s: float, gain: float
) -> tuple[Loop, tuple[Floats, Floats]]:
    """Reports, the portfolio's cycle, targets on their way."""
    days = s.days
    limits = dispatch_limits(s.e, s.size, s.fcr, s.p_dis, s.p_ch, s.eta_d, s.eta_c, CONTINENTAL_EUROPE.hold_h)
    # A connection point that was not heard for two cycles has no room; a device that tripped says so in its report.
    use = works & days.heard(days.battery, at_s - SILENT_S) & days.heard(days.battery, at_s)
    least, most = (np.where(use, x, 0.0) for x in limits)
    others = s.by_contract(days.sun, s.p_pv) + s.by_contract(days.charger, s.p_ev) + s.by_contract(days.pump, s.p_hp)
    away = (at_s >= days.contract_down) & (at_s < days.contract_up)
    came = (s.rng.random((s.D, s.C)) >= LOST + LATE) & ~away
    full = s.by_contract(days.sun, s.p_pv) / (1.0 - s.curtail)
    said = (full + s.wish, s.by_contract(days.battery, least), s.by_contract(days.battery, most), -full)
    now = (s.base, s.least, s.most, s.spare_more)
    s.base, s.least, s.most, s.spare_more = (np.where(came, new, old) for new, old in zip(said, now, strict=True))
    s.report_age = np.where(came, 0.0, s.report_age + 4.0)
    reports = Reports(s.base, np.minimum(s.least, s.most), s.most, s.spare_less, s.spare_more, s.report_age)
    own = s.p_bat - s.fcr * s.answer
    metered = own.sum(axis=1) + others.sum(axis=1)
    loop, targets = cycle(loop or Loop.fresh(metered), wanted, metered, reports, gain)
    draw = s.rng.random((s.D, s.C))
    arrives, late = (draw >= LOST + LATE) & ~away, (draw < LATE) & ~away
    s.target_age = np.where(arrives | np.isfinite(s.coming), 0.0, s.target_age + 4.0)
    s.target = np.where(arrives, targets, np.where(np.isfinite(s.coming), s.coming, s.target))
    s.coming = np.where(late, targets, np.nan)
    return loop, (least, most)


def _members(s: Portfolio, works: Bools, limits: tuple[Floats, Floats], at_s: float) -> None:
    """Every member splits its target over its devices."""
    days, (least, most) = s.days, limits
    sun, slow = s.by_contract(days.sun, s.p_pv), s.by_contract(days.charger, s.p_ev) + s.by_contract(days.pump, s.p_hp)
    heard = days.heard(days.battery, at_s)
    lapsed = s.target_age > LEASE_S
    for c in range(s.C):
        mine = days.battery.contract == c
        full = sun[:, c] / (1.0 - s.curtail[:, c])
        target = np.where(lapsed[:, c], full + s.wish[:, c], s.target[:, c])
        low, high = least[:, mine].sum(axis=1), most[:, mine].sum(axis=1)
        s.less[:, c], more = relief_kw(target - full - s.wish[:, c], low, high)
        s.curtail[:, c] = np.clip(np.divide(more, -full, out=np.zeros(s.D), where=full < -1.0), 0.0, 0.99)
        if mine.any():
            new = battery_setpoints(target, sun[:, c] + slow[:, c], least[:, mine], most[:, mine])
            s.set_bat[:, mine] = np.where(heard[:, mine], new, s.set_bat[:, mine])
    # A device that hears nothing lets its set-point lapse.
    quiet = ~days.heard(days.battery, at_s) & ~days.heard(days.battery, at_s - LEASE_S)
    s.set_bat = np.where(quiet, 0.0, s.set_bat)


def _second(s: Portfolio, works: Bools, answer: Floats) -> None:
    """One second of batteries."""
    s.answer = answer[:, None]
    wish = s.set_bat + s.fcr * s.answer
    wish = np.clip(
        wish, -np.minimum(s.p_dis, 3600.0 * s.e * s.eta_d), np.minimum(s.p_ch, 3600.0 * (s.size - s.e) / s.eta_c)
    )
    s.p_bat += s.follow * (np.where(works, wish, 0.0) - s.p_bat)
    s.e += (np.maximum(s.p_bat, 0.0) * s.eta_c + np.minimum(s.p_bat, 0.0) / s.eta_d) / 3600.0


def _kept(s: Portfolio, works: Bools, limits: tuple[Floats, Floats], signal: Floats, quarter: int) -> Floats:
    """Part of every promise that could be called in full now: shape (D, 3)."""
    fcr, afrr = s.asked.fcr_kw[:, quarter], s.asked.afrr_kw[:, quarter]
    give = np.minimum(1.0, s.e / np.maximum(kept_kwh(s.fcr, s.eta_d), 1e-9))
    take = np.minimum(1.0, (s.size - s.e) / np.maximum(kept_kwh(s.fcr, 1.0 / s.eta_c), 1e-9))
    hold = (s.fcr * np.minimum(give, take) * works).sum(axis=1)
    used = np.where(limits[0] < limits[1], s.set_bat, 0.0)
    up = (used - limits[0]).sum(axis=1)
    down = (limits[1] - used).sum(axis=1) - s.p_pv.sum(axis=1)
    part = np.stack([fcr - hold, afrr + signal - up, afrr - signal - down], axis=1)
    size = np.stack([fcr, afrr, afrr], axis=1)
    return np.asarray(1.0 - np.divide(np.maximum(part, 0.0), size, out=np.zeros_like(part), where=size > 0.0))
