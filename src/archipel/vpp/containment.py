"""Frequency containment: every device answers the frequency it measures itself, with no message in the loop.

    p = set-point + fcr_kw * a(f),       a(f) = 0                                    where |f - f0| <= insensitivity
                                         a(f) = clip((f - f0) / full_hz, -1, 1)      elsewhere

Load convention: a high frequency draws more. What comes by message, and may be minutes old, is only each device's share
of the reserve (`allot`): a device that hears nothing goes on with the share it has.

Rules of Continental Europe: Commission Regulation (EU) 2017/1485 (SO GL), annex V (insensitivity and dead band at most
10 mHz together, all within 30 s at 200 mHz) and article 156(9) (15 to 30 min at full activation for reservoirs that are
limited); start within 2 s and half of it after 15 s as in the German prequalification conditions (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.grid import Bools, Floats

NOMINAL_HZ = 50.0
ALERT = 0.25
"""Activation at the edge of the standard range of Continental Europe, 50 mHz."""
RECOVER_H = 0.5


@final
@dataclass(frozen=True, slots=True)
class FcrRules:
    """What a synchronous area asks of frequency containment."""

    insensitivity_hz: float = 0.010
    full_hz: float = 0.200
    reaction_s: float = 2.0
    half_s: float = 15.0
    full_s: float = 30.0
    hold_h: float = 0.25
    """How long full activation must be held from any moment."""


CONTINENTAL_EUROPE = FcrRules()


def activation(f_hz: Floats, rules: FcrRules = CONTINENTAL_EUROPE) -> Floats:
    """Share of the reserve that a frequency calls, -1..1, any shape; positive draws more.

    Inside the insensitivity nothing is owed. Beyond it the line through nominal frequency is followed, so the answer
    begins with a step of insensitivity / full_hz.
    """
    off = f_hz - NOMINAL_HZ
    # A nanohertz of rounding decides nothing.
    owed = np.abs(off) > rules.insensitivity_hz + 1e-9
    return np.where(owed, np.clip(off / rules.full_hz, -1.0, 1.0), 0.0)


def droop_kw(f_hz: Floats, set_kw: Floats, fcr_kw: Floats, least_kw: Floats, most_kw: Floats) -> Floats:
    """What devices draw: set-point and answer to the frequency, within their limits; shapes are broadcast."""
    return np.asarray(np.clip(set_kw + fcr_kw * activation(f_hz), least_kw, most_kw))


def steps_kw(wanted_kw: Floats, least_on_kw: Floats, most_kw: Floats, step_kw: Floats) -> Floats:
    """The nearest power that a device with steps has: off, or `least_on_kw` and whole steps above, up to `most_kw`.

    An electric vehicle takes 6 A at least, or nothing, and whole amperes above (IEC 61851-1).
    """
    on = least_on_kw + np.round((wanted_kw - least_on_kw) / step_kw) * step_kw
    # The last step below the rating, also where the rating is no whole number of steps.
    on = np.clip(on, least_on_kw, least_on_kw + np.floor((most_kw - least_on_kw) / step_kw + 1e-9) * step_kw)
    return np.where(wanted_kw >= 0.5 * least_on_kw, on, 0.0)


def staggered(number: int) -> Floats:
    """Activations 0..1 at which `number` equal devices that are only on or off switch, so their sum follows the line.

    Each switches in the middle of its part: the sum is never more than half a device from the line.
    """
    return np.asarray((np.arange(number) + 0.5) / max(number, 1))


def switched_kw(f_hz: Floats, drawing_kw: Floats, threshold: Floats) -> Floats:
    """What devices that are on and can only be switched off draw at this frequency (heat pumps, resistive heat).

    Args:
        f_hz: measured at the device; broadcast with the rest.
        drawing_kw: what they draw otherwise.
        threshold: of `staggered`.
    """
    return np.where(-activation(f_hz) >= threshold, 0.0, drawing_kw)


def kept_kwh(fcr_kw: Floats, efficiency: Floats, rules: FcrRules = CONTINENTAL_EUROPE) -> Floats:
    """Energy a store keeps for its share of the reserve, to give: fcr * hold / efficiency of discharging [kWh].

    For the room to take, multiply instead: `kept_kwh(fcr, 1 / efficiency_charge)`.
    """
    return np.asarray(fcr_kw * rules.hold_h / efficiency)


def holdable_kw(
    e_kwh: Floats,
    size_kwh: Floats,
    p_kw_discharge: Floats,
    p_kw_charge: Floats,
    efficiency_discharge: Floats,
    efficiency_charge: Floats,
    hours: float,
) -> tuple[Floats, Floats]:
    """(most it can give, most it can draw) [kW], both at least 0, for `hours` from what is stored; shapes broadcast."""
    give = np.minimum(p_kw_discharge, np.maximum(e_kwh, 0.0) * efficiency_discharge / hours)
    take = np.minimum(p_kw_charge, np.maximum(size_kwh - e_kwh, 0.0) / (efficiency_charge * hours))
    return give, take


def allot(fcr_kw: Floats, rating_kw: Floats, answers: Bools) -> Floats:
    """Every device's share of the reserve: by rating, over those that answer, none above its rating.

    Args:
        fcr_kw: promised by all together, shape (...,).
        rating_kw: most a device may be given, shape (..., n).
        answers: which devices count, shape (..., n).

    Returns:
        Shape (..., n); its sum is the promise, or all there is.
    """
    may = np.where(answers, rating_kw, 0.0)
    total = may.sum(axis=-1, keepdims=True)
    part = np.divide(np.asarray(fcr_kw)[..., None], total, out=np.zeros_like(total), where=total > 0.0)
    return np.asarray(may * np.minimum(part, 1.0))


def dispatch_limits(
    e_kwh: Floats,
    size_kwh: Floats,
    fcr_kw: Floats,
    p_kw_discharge: Floats,
    p_kw_charge: Floats,
    efficiency_discharge: Floats,
    efficiency_charge: Floats,
    hours: float,
    restore_h: float = 1.0,
) -> tuple[Floats, Floats]:
    """(least, most) set-point of batteries [kW] that leaves their share of containment untouched; shapes broadcast.

    Power: `fcr_kw` stays free both ways. Energy: what is held for `hours` leaves the energy that full activation takes.
    Where that energy is touched already (only containment itself may), the set-point is pushed the other way so that
    it is back after about `restore_h`: the small offset of the set-point that the rules leave to the provider. Others
    of the portfolio make up for it.
    """
    low = kept_kwh(fcr_kw, efficiency_discharge)
    high = size_kwh - kept_kwh(fcr_kw, 1.0 / efficiency_charge)
    middle = 0.5 * (low + high)
    low, high = np.minimum(low, middle), np.maximum(high, middle)
    above, below = e_kwh - low, high - e_kwh
    least = np.where(above >= 0.0, -above * efficiency_discharge / hours, -above / (efficiency_charge * restore_h))
    most = np.where(below >= 0.0, below / (efficiency_charge * hours), below * efficiency_discharge / restore_h)
    floor, ceiling = np.minimum(fcr_kw - p_kw_discharge, 0.0), np.maximum(p_kw_charge - fcr_kw, 0.0)
    least = np.clip(least, floor, ceiling)
    return least, np.clip(most, least, ceiling)


def spent_kwh(
    before_kwh: Floats, fcr_kw: Floats, answer: Floats, eta_discharge: Floats, eta_charge: Floats, seconds: float
) -> Floats:
    """Energy put into a store (negative: taken out) by containment in the disturbance that goes on, or has just ended.

    Dispatch reckons with `e - spent`: what is kept for containment is there to be used by it, so using it must not push
    the set-points away in the very moment it is needed. Beyond `ALERT` (50 mHz, the standard range) it is booked, and
    afterwards forgotten with a time constant of `RECOVER_H`, well within the 2 h that SO GL article 156(13) gives to
    refill. Small deviations are not booked: dispatch makes room for them at once.

    Args:
        before_kwh: what this function gave before, shape as the others.
        fcr_kw: share of each store.
        answer: of `activation`.
        eta_discharge, eta_charge: efficiencies.
        seconds: since then.
    """
    alert = np.abs(answer) > ALERT
    p_kw = np.where(alert, fcr_kw * answer, 0.0)
    into = np.maximum(p_kw, 0.0) * eta_charge + np.minimum(p_kw, 0.0) / eta_discharge
    keep = np.where(alert, 1.0, np.exp(-seconds / (3600.0 * RECOVER_H)))
    most = kept_kwh(fcr_kw, eta_discharge)
    return np.asarray(np.clip(keep * before_kwh + into * seconds / 3600.0, -most, most))
