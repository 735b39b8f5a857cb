"""Relief of the grid above: keep power at the substation in a band, under a cap, within a ramp.

    free   = P - members' power                                    P metered at the substation
    band'  = [low, high] cut with [aim' - ramp dt, aim' + ramp dt]  aim' of the cycle before; the band wins
    aim    = clip(free, band'),      wanted = aim - free

Where what flows freely fits, members are back at rest: nothing has to be released.
What is wanted of the members goes into the same loop as restoration (`archipel.vpp.restoration.cycle`): who fails is
replaced, and what lines lose is found by the meter. Reactive power the same way, shared by what inverters have free.
"""

from __future__ import annotations

import numpy as np

from archipel.model.grid import Floats
from archipel.vpp.restoration import share


def band_kw(
    low_kw: Floats, high_kw: Floats, before_kw: Floats, ramp_kw_per_s: Floats | float, dt_s: float
) -> tuple[Floats, Floats]:
    """The band for the coming cycle: requested band and ramp limit together.

    Args:
        low_kw, high_kw: requested band of the power that flows in; infinite where free. A peak cap has only `high_kw`.
        before_kw: what the cycle before aimed at; at first what is metered.
        ramp_kw_per_s: most change of the metered power; infinite where free.
        dt_s: length of a cycle.

    Raises:
        ValueError: for a band that is empty, or a ramp below zero.
    """
    if not np.all(np.asarray(low_kw) <= high_kw):
        raise ValueError(f"band: found low_kw {low_kw} above high_kw {high_kw}; expected low_kw <= high_kw")
    if np.any(np.asarray(ramp_kw_per_s) < 0.0):
        raise ValueError(f"ramp_kw_per_s: found {ramp_kw_per_s}; expected at least 0, or infinity for none")
    most = np.asarray(ramp_kw_per_s * dt_s)
    slow_low, slow_high = before_kw - most, before_kw + most
    # Outside the band the ramp is the way back into it, not a reason to stay out: so the nearer end moves.
    return np.clip(slow_low, low_kw, high_kw), np.clip(slow_high, low_kw, high_kw)


def wanted_kw(metered_kw: Floats, members_kw: Floats, low_kw: Floats, high_kw: Floats) -> tuple[Floats, Floats]:
    """(what the members are to change together, the power aimed at) so that the substation is in the band.

    Args:
        metered_kw: flows in at the substation now.
        members_kw: by how much all members' devices differ from what they would draw, metered.
        low_kw, high_kw: of `band_kw`.
    """
    free = metered_kw - members_kw
    aim = np.clip(free, low_kw, high_kw)
    return np.asarray(aim - free), np.asarray(aim)


def free_kvar(s_kva: Floats, p_kw: Floats, share_of_rating: float = 0.44) -> Floats:
    """Reactive power that inverters have free either way, shape as given: active power goes first.

    Source: IEEE Std 1547-2018, category B: 44 % of the apparent rating.
    """
    return np.minimum(share_of_rating * s_kva, np.sqrt(np.maximum(s_kva**2 - p_kw**2, 0.0)))


def q_setpoints(
    metered_kvar: Floats, drawn_kvar: Floats, low_kvar: Floats, high_kvar: Floats, room_kvar: Floats
) -> Floats:
    """Reactive set-points [kvar drawn], shape (..., n), that bring the substation into its band, or near it.

    Args:
        metered_kvar: flows in at the substation, shape (...,).
        drawn_kvar: what the inverters draw now, shape (..., n).
        low_kvar, high_kvar: the requested band, shape (...,).
        room_kvar: of `free_kvar`, shape (..., n).
    """
    wanted = drawn_kvar.sum(axis=-1) + np.clip(metered_kvar, low_kvar, high_kvar) - metered_kvar
    return share(wanted, -room_kvar, room_kvar)
