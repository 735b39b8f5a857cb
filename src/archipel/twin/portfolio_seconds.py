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

from archipel.model import Bools, Floats
from archipel.twin.portfolio_days import Days
from archipel.twin.portfolio_state import MINUTE_CYCLES, QUARTER_CYCLES, Asked, Portfolio
from archipel.vpp.activation import battery_setpoints, relief_kw
from archipel.vpp.containment import CONTINENTAL_EUROPE, activation, allot, dispatch_limits, kept_kwh, spent_kwh
from archipel.vpp.restoration import CYCLE_S, GAIN, LEASE_S, SILENT_S, Loop, Reports, cycle, leased
from archipel.vpp.tracking_signals import ramped

LOST, LATE = 0.01, 0.02
"""Of messages either way; a late one comes a cycle later."""
SPARE, AHEAD = 0.15, 5
"""Batteries keep room for so much more containment than is promised, and for the most of so many quarter hours: when
one trips the others take its share at once, and when a block begins its energy is there."""


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
        known = days.battery.works(at_s - CYCLE_S)  # a trip is known a cycle later
        if k % MINUTE_CYCLES == 0:
            state.slow_devices(k, quarter)
            rated = np.minimum(state.p_ch, state.p_dis) * state.may_contain
            rated = np.broadcast_to(rated, known.shape)
            state.fcr = allot(asked.fcr_kw[:, quarter], rated, known)
            soon = asked.fcr_kw[:, quarter : quarter + AHEAD].max(axis=1)
            state.keep = allot((1.0 + SPARE) * soon, rated, known)
            soc[:, k // MINUTE_CYCLES] = (state.e * works).sum(axis=1) / (state.size * works).sum(axis=1)
        state.follow_slow(at_s)
        signal = asked.restoration[:, k] * asked.afrr_kw[:, quarter]
        wanted = ramped(state.nominated, np.array([at_s]))[:, 0] + signal
        loop, limits = _cycle(state, loop, wanted, known, at_s, float(gain))
        # Set-points are still those of the signal before.
        kept[:, quarter] = np.minimum(kept[:, quarter], _kept(state, works, limits, before, at_s))
        before = signal
        for j in range(4):
            if j == 1:
                _members(state, limits, at_s)
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
    s: Portfolio, loop: Loop | None, wanted: Floats, known: Bools, at_s: float, gain: float
) -> tuple[Loop, tuple[Floats, Floats]]:
    """Reports, the portfolio's cycle, targets on their way."""
    days = s.days
    s.spent = spent_kwh(s.spent, s.fcr, s.answer, s.eta_d, s.eta_c, CYCLE_S)
    limits = dispatch_limits(
        s.e - s.spent, s.size, s.keep, s.p_dis, s.p_ch, s.eta_d, s.eta_c, CONTINENTAL_EUROPE.hold_h
    )
    # A connection point that was not heard for two cycles has no room.
    use = known & days.heard(days.battery, at_s - SILENT_S) & days.heard(days.battery, at_s)
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


def _members(s: Portfolio, limits: tuple[Floats, Floats], at_s: float) -> None:
    """Every member splits its target over its devices."""
    days, (least, most) = s.days, limits
    sun, slow = s.by_contract(days.sun, s.p_pv), s.by_contract(days.charger, s.p_ev) + s.by_contract(days.pump, s.p_hp)
    heard = days.heard(days.battery, at_s)
    for c in range(s.C):
        mine = days.battery.contract == c
        full = sun[:, c] / (1.0 - s.curtail[:, c])
        target = leased(s.target[:, c], full + s.wish[:, c], s.target_age[:, c])
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


def _kept(s: Portfolio, works: Bools, limits: tuple[Floats, Floats], signal: Floats, at_s: float) -> Floats:
    """Part of every promise that could be called in full now: shape (D, 3)."""
    days, quarter = s.days, int(at_s / 900.0)
    fcr, afrr = s.asked.fcr_kw[:, quarter], s.asked.afrr_kw[:, quarter]
    away = (at_s >= days.contract_down) & (at_s < days.contract_up)
    reached = ~away[:, days.battery.contract]  # who hears nothing cannot be called; containment needs no call
    give = np.minimum(1.0, s.e / np.maximum(kept_kwh(s.fcr, s.eta_d), 1e-9))
    take = np.minimum(1.0, (s.size - s.e) / np.maximum(kept_kwh(s.fcr, 1.0 / s.eta_c), 1e-9))
    hold = (s.fcr * np.minimum(give, take) * works).sum(axis=1)
    used = np.where(limits[0] < limits[1], s.set_bat, 0.0)
    up = ((used - limits[0]) * reached).sum(axis=1)
    down = ((limits[1] - used) * reached).sum(axis=1) - (s.p_pv * ~away[:, days.sun.contract]).sum(axis=1)
    part = np.stack([fcr - hold, afrr + signal - up, afrr - signal - down], axis=1)
    size = np.stack([fcr, afrr, afrr], axis=1)
    return np.asarray(1.0 - np.divide(np.maximum(part, 0.0), size, out=np.zeros_like(part), where=size > 0.0))
