"""Within one member: from the power it is to draw to set-points of its devices.

Batteries are quick and exact, so they carry what is left between the target and everything else behind the member's
connections, measured in the same moment: sun and cars that move are made up for here, without a message. When batteries
come near the end of their room the slow ones relieve them: vehicles that have time charge less, warm houses wait, and
sun is curtailed last of all.
"""

from __future__ import annotations

import numpy as np

from archipel.model.grid import Bools, Floats
from archipel.vpp.containment import steps_kw
from archipel.vpp.restoration import share

AMPERES_MIN, AMPERES_STEP = 6.0, 1.0
"""Of a charger's pilot signal (IEC 61851-1)."""


def battery_setpoints(target_kw: Floats, others_kw: Floats, least_kw: Floats, most_kw: Floats) -> Floats:
    """Set-points of batteries, shape (..., n), so that they and all else draw the target together.

    Args:
        target_kw: of the member, shape (...,).
        others_kw: what all its other devices draw, measured, shape (...,).
        least_kw, most_kw: of each battery, shape (..., n), see `containment.dispatch_limits`.
    """
    return share(target_kw - others_kw, least_kw, most_kw)


def relief_kw(wanted_kw: Floats, least_kw: Floats, most_kw: Floats) -> tuple[Floats, Floats]:
    """(drawn less, drawn more) that others are asked for [kW], both at least 0: what batteries cannot do.

    Args:
        wanted_kw: of all batteries, if nobody helped.
        least_kw, most_kw: what batteries can do together, with their energy; so others come in before one is empty.
    """
    return np.maximum(least_kw - wanted_kw, 0.0), np.maximum(wanted_kw - most_kw, 0.0)


def charger_setpoints(less_kw: Floats, wish_kw: Floats, rating_kw: Floats, patient: Bools) -> Floats:
    """Set-points of chargers when together they are asked to draw `less_kw`, shape (..., n).

    Who has time (`patient`) gives in proportion to what it would draw; powers are those that the pilot signal knows.

    Args:
        less_kw: shape (...,), at least 0.
        wish_kw: what each would draw, shape (..., n).
        rating_kw: shape (n,); 6 of 16 A (single phase, 3.7 kW; three phases, 11 kW) is the least.
        patient: shape (..., n).
    """
    change = share(-less_kw, np.where(patient, -wish_kw, 0.0), np.zeros_like(wish_kw))
    ampere = rating_kw / 16.0
    stepped = steps_kw(wish_kw + change, AMPERES_MIN * ampere, rating_kw, AMPERES_STEP * ampere)
    return np.asarray(np.where(change < 0.0, stepped, wish_kw))


def chosen(request_kw: Floats, p_kw: Floats, eligible: Bools, first: Floats) -> Bools:
    """Which on/off devices to switch so that their power comes nearest below the request, shape (..., n).

    Args:
        request_kw: shape (...,), at least 0.
        p_kw: power that switching each would change, shape (..., n).
        eligible: whether it may be switched now (run times, comfort), shape (..., n).
        first: those with the largest value go first, shape (..., n).
    """
    order = np.argsort(np.where(eligible, -first, np.inf), axis=-1, kind="stable")
    power = np.take_along_axis(np.where(eligible, p_kw, 0.0), order, axis=-1)
    taken = (np.cumsum(power, axis=-1) <= request_kw[..., None] + 1e-9) & np.take_along_axis(eligible, order, axis=-1)
    out: Bools = np.zeros(np.broadcast(p_kw, eligible).shape, dtype=np.bool_)
    np.put_along_axis(out, order, taken, axis=-1)
    return out
