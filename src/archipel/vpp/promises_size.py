"""How much reserve may be promised: what is left of power and energy after plans, errors and failures.

    power:    fcr + afrr <= (1 - lost) P - |plan| - z sd_kw
    energy:   fcr 15 min + afrr 1 h + z sd_kwh <= what can be given (and taken) where the plan is
    lost      = failing + z sqrt(failing (1 - failing) / n_eff)

`n_eff` = (sum P)^2 / sum P^2 is the number of equal devices that would scatter as much. `z`: 2.58 standard deviations
are exceeded once in 200 times on one side, which leaves room for what is not normal in the promised 99 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.grid import Floats

AFRR_HOLD_H = 1.0
"""For how long a call of restoration in one direction is backed by energy; after that trades have brought more."""
FCR_HOLD_H = 0.25
Z = 2.58


@final
@dataclass(frozen=True, slots=True, eq=False)
class Size:
    """Reserve per interval, symmetric, shape (T,) each [kW]."""

    fcr_kw: Floats
    afrr_kw: Floats


def lost_share(rating_kw: Floats, failing: float, z: float = Z) -> float:
    """Part of the power that is not counted on when every device fails with probability `failing`, 0..1."""
    if not 0.0 <= failing < 1.0:
        raise ValueError(f"failing: found {failing}; expected a probability of at least 0 and below 1")
    total = float(rating_kw.sum())
    if total <= 0.0:
        return 1.0
    devices = total**2 / float((rating_kw**2).sum())
    return min(failing + z * float(np.sqrt(failing * (1.0 - failing) / devices)), 1.0)


def largest(
    power_kw: float,
    plan_kw: Floats,
    sd_kw: Floats,
    give_kwh: Floats,
    take_kwh: Floats,
    sd_kwh: Floats,
    lost: float,
    fcr_part: float,
    z: float = Z,
) -> Size:
    """The largest reserve that is backed by power and energy in every interval.

    Args:
        power_kw: rating of what backs it, the same both ways.
        plan_kw: what the schedule already draws of it, shape (T,).
        sd_kw: standard deviation of what it must make up for (forecast errors within trading time), shape (T,).
        give_kwh, take_kwh: at the terminal, at the planned state of charge, shape (T,).
        sd_kwh: standard deviation of that energy, shape (T,).
        lost: of `lost_share`.
        fcr_part: containment as a part of all reserve, 0..1.
        z: standard deviations kept.
    """
    if not 0.0 <= fcr_part <= 1.0:
        raise ValueError(f"fcr_part: found {fcr_part}; expected 0 to 1")
    by_power = (1.0 - lost) * power_kw - np.abs(plan_kw) - z * sd_kw
    energy = (1.0 - lost) * np.minimum(give_kwh, take_kwh) - z * sd_kwh
    by_energy = energy / (fcr_part * FCR_HOLD_H + (1.0 - fcr_part) * AFRR_HOLD_H)
    reserve = np.maximum(np.minimum(by_power, by_energy), 0.0)
    return Size(fcr_part * reserve, (1.0 - fcr_part) * reserve)


def blocks(size: Size, intervals: int) -> Size:
    """The same, level over every block of `intervals` (products of 4 h): the least of each block."""

    def least(x: Floats) -> Floats:
        first = np.arange(0, len(x), intervals)
        length = np.diff(np.append(first, len(x)))
        return np.asarray(np.repeat(np.minimum.reduceat(x, first), length))

    return Size(least(size.fcr_kw), least(size.afrr_kw))
