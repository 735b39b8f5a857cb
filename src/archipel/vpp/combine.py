"""Members as one: a sum of what they publish is published in the same way, so portfolios nest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from archipel.model import Flexibility, Floats


def combine(portfolio: str, members: Sequence[Flexibility]) -> Flexibility:
    """All stores of all members beside each other, in the order of `members`; the base is the sum.

    Every store keeps its own bounds, so what is inside the sum is inside every member. A member with a limit on its
    ramp is first narrowed so that nothing inside breaks it (`without_ramp`). The confidence is the least that holds
    however failures go together: 1 less the sum of what each lacks.

    Raises:
        ValueError: without members, or if their intervals differ.
    """
    if not members:
        raise ValueError(f"{portfolio}: found no members; a sum needs at least one")
    head = members[0]
    for one in members[1:]:
        if (one.start, one.dt_h, one.intervals) != (head.start, head.dt_h, head.intervals):
            raise ValueError(
                f"{one.member} tells {one.intervals} intervals of {one.dt_h:g} h from {one.start:%Y-%m-%d %H:%M}, "
                f"{head.member} {head.intervals} of {head.dt_h:g} h from {head.start:%Y-%m-%d %H:%M}; "
                "ask both for the same hours"
            )
    free = [without_ramp(one) for one in members]

    def beside(of: Callable[[Flexibility], Floats]) -> Floats:
        return np.concatenate([of(one) for one in free])

    return Flexibility(
        member=portfolio,
        start=head.start,
        dt_h=head.dt_h,
        base_kw=np.asarray(np.sum([one.base_kw for one in free], axis=0)),
        p_kw_min=beside(lambda f: f.p_kw_min),
        p_kw_max=beside(lambda f: f.p_kw_max),
        e_kwh_min=beside(lambda f: f.e_kwh_min),
        e_kwh_max=beside(lambda f: f.e_kwh_max),
        e_kwh_start=beside(lambda f: f.e_kwh_start),
        charge_efficiency=beside(lambda f: f.charge_efficiency),
        discharge_efficiency=beside(lambda f: f.discharge_efficiency),
        keep=beside(lambda f: f.keep),
        cost_eur_per_kwh=beside(lambda f: f.cost_eur_per_kwh),
        confidence=max(0.0, 1.0 - sum(1.0 - one.confidence for one in free)),
    )


def without_ramp(flexibility: Flexibility) -> Flexibility:
    """The same with bounds so narrow that no profile inside can break its ramp; infinite ramps change nothing.

    Raises:
        ValueError: if the base alone is steeper.
    """
    f = flexibility
    if not np.isfinite(f.ramp_kw_per_h):
        return f
    most = f.ramp_kw_per_h * f.dt_h
    high, low, base = f.p_kw_max.sum(axis=0), f.p_kw_min.sum(axis=0), f.base_kw
    step = np.diff(base)
    if np.any(np.abs(step) > most + 1e-9):
        raise ValueError(
            f"{f.member}: found a baseline that moves by {np.abs(step).max():g} kW between two intervals; "
            f"its own ramp allows {most:g} kW"
        )
    room = np.concatenate([most - step, most + step])
    reach = np.concatenate([high[1:] - low[:-1], high[:-1] - low[1:]])
    share = min(1.0, float(np.min(room / np.maximum(reach, 1e-12), initial=1.0)))
    return replace(f, p_kw_min=share * f.p_kw_min, p_kw_max=share * f.p_kw_max, ramp_kw_per_h=float("inf"))
