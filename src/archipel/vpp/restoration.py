"""Frequency restoration: a signal that comes every 4 s is shared over members, and by each member over its devices.

    wanted(t)  = schedule + restoration signal + containment at the frequency of now         [kW, load convention]
    asked      = wanted + correction - sum of bases
    target_m   = base_m + share(asked; room)_m + share(what is left of it; spare room)_m
    correction = correction + gain * (wanted a cycle ago - metered a cycle ago), as long as there is room

`base_m` is what a member draws when nothing is asked, as it last reported. A member that fell silent has no room, so
the rest carry its part in the next cycle; what is wrong with its base is found by the meter and is in the correction.
A target is a lease: when no other came for `LEASE_S` a member goes back to its base.

Aim: first answer within 30 s, all within 5 min (Commission Regulation (EU) 2017/2195, implementation framework of the
platform for automatic restoration, standard product).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.grid import Bools, Floats

CYCLE_S = 4.0
LEASE_S = 60.0
"""How long a member holds a target after its last message."""
SILENT_S = 10.0
"""A member not heard for longer has no room: two cycles and a little."""
GAIN = 0.3
"""Part of the metered error that is taken into the correction per cycle."""


def share(request_kw: Floats, least_kw: Floats, most_kw: Floats) -> Floats:
    """Split a request by room: nobody beyond its limits, nobody against the others.

    Everybody starts at the power nearest to zero it may have; what is missing is split in proportion to the room left
    in that direction. So the parts add up to the request, or to all there is, and grow with it.

    Args:
        request_kw: change wanted of all together, shape (...,).
        least_kw, most_kw: limits of everyone's change, least <= most, shape (..., n). They may leave zero out.

    Returns:
        Everyone's change, shape (..., n).

    Raises:
        ValueError: when a lower limit is above the upper one, or no number.
    """
    if not np.all(least_kw <= most_kw):
        raise ValueError("limits: found a least_kw above its most_kw, or NaN; expected least_kw <= most_kw everywhere")
    start = np.clip(0.0, least_kw, most_kw)
    missing = request_kw - start.sum(axis=-1)
    up = (missing > 0.0)[..., None]
    room = np.where(up, most_kw - start, start - least_kw)
    total = room.sum(axis=-1)
    part = np.divide(np.abs(missing), total, out=np.zeros_like(total), where=total > 0.0)
    part = np.minimum(part, 1.0)[..., None]
    return np.asarray(start + np.where(up, part, -part) * room)


def ramped_limits(
    now_kw: Floats, least_kw: Floats, most_kw: Floats, ramp_kw_per_s: Floats | float, dt_s: float
) -> tuple[Floats, Floats]:
    """Limits of what can be reached from `now_kw` within `dt_s`, so that others take what is too quick for one.

    Limits win over the ramp: who is outside them is asked for the nearer one, as fast as it can.

    Args:
        now_kw: everyone's change now, shape (..., n).
        least_kw, most_kw: limits at rest, same shape.
        ramp_kw_per_s: at least 0; infinite for none.
        dt_s: until the next cycle.
    """
    most = ramp_kw_per_s * dt_s
    return np.clip(now_kw - most, least_kw, most_kw), np.clip(now_kw + most, least_kw, most_kw)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reports:
    """What the portfolio last heard of its M members, shape (..., M) each. No device is in it."""

    base_kw: Floats
    """Drawn when nothing is asked."""
    least_kw: Floats
    most_kw: Floats
    """Limits of the change of it."""
    less_kw: Floats
    more_kw: Floats
    """Spare room, at least 0, asked for last: vehicles and heat that wait; sun that is curtailed."""
    age_s: Floats
    """Since it was measured."""

    def heard(self) -> Bools:
        """Which members count."""
        return np.asarray(self.age_s <= SILENT_S)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """Memory of the portfolio's loop, shape (...,) each."""

    correction_kw: Floats
    wanted_kw: Floats
    """Wanted in the cycle before."""

    @classmethod
    def fresh(cls, wanted_kw: Floats) -> Loop:
        """Nothing seen yet."""
        return cls(np.zeros_like(wanted_kw), np.array(wanted_kw, dtype=np.float64))


def cycle(
    loop: Loop, wanted_kw: Floats, metered_kw: Floats, reports: Reports, gain: float = GAIN
) -> tuple[Loop, Floats]:
    """One cycle of the portfolio: (memory, targets of its members [kW]).

    Args:
        loop: memory of the cycle before.
        wanted_kw: schedule, signal and containment of now, shape (...,).
        metered_kw: of all devices together, now; it answers to what was wanted a cycle ago. Shape (...,).
        reports: of the members.
        gain: see `GAIN`; 0 for none.

    Returns:
        Targets of shape (..., M): what each member's devices are to draw together.
    """
    heard = reports.heard()
    rooms = (reports.least_kw, reports.most_kw, -reports.less_kw, reports.more_kw)
    least, most, less, more = (np.where(heard, x, 0.0) for x in rooms)
    low, high = (least + less).sum(axis=-1), (most + more).sum(axis=-1)
    base = reports.base_kw.sum(axis=-1)
    error = loop.wanted_kw - metered_kw
    correction = loop.correction_kw + gain * error
    # Never ask for more than there is, or the correction would grow while nothing can follow (wind-up).
    asked = wanted_kw + correction - base
    full = (asked < low) | (asked > high)
    grows = np.abs(correction) > np.abs(loop.correction_kw)
    correction = np.where(full & grows, loop.correction_kw, correction)
    first = share(asked, least, most)
    rest = share(asked - first.sum(axis=-1), less, more)
    return Loop(correction, np.array(wanted_kw, dtype=np.float64)), reports.base_kw + first + rest


def leased(target_kw: Floats, base_kw: Floats, age_s: Floats, lease_s: float = LEASE_S) -> Floats:
    """What a member holds: its target, or its base when the last message is older than the lease."""
    return np.where(age_s <= lease_s, target_kw, base_kw)
