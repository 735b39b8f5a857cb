"""Charging sessions of adopted vehicles: from statistics, or from the sessions of a file.

Statistics: a vehicle comes home around 17:45 (standard deviation 1.5 h) and leaves around 7:15 (0.75 h); it is plugged
in on every second evening for what two days of driving used (38 km a day at 0.19 kWh per km: R. Follmer et al.,
"Mobilität in Deutschland", 2018; gamma distribution of shape 3). At a business it comes at 8:15 (1 h), on four of five
working days, for 8 h (1 h) and 14.8 kWh (mean of the 19,505 sessions of ACN-Data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.adopting.local_clock import LocalClock
from archipel.formats.adopting.standard_loads import WORKING, day_kinds
from archipel.model import Bools, Floats, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Sessions by charger and start; rows are those of the series."""

    charger: Ints
    start: Ints
    end: Ints
    e_kwh: Floats


@final
@dataclass(frozen=True, slots=True)
class Habit:
    """When a vehicle comes and leaves, and what it then needs."""

    arrival_h: float
    arrival_sd_h: float
    leave_h: float
    """Of the next day where it lies before the arrival."""
    leave_sd_h: float
    plugs_in: float
    """Probability on a day."""
    e_kwh: float
    working_days: bool = False


HOME = Habit(17.75, 1.5, 7.25, 0.75, 0.5, 2.0 * 38.0 * 0.19)
WORK = Habit(8.25, 1.0, 16.25, 1.0, 0.8, 14.8, working_days=True)
MOST_SDS = 2.0
"""Draws lie within so many standard deviations."""
GAMMA_SHAPE = 3.0


def drawn_sessions(at_work: Bools, p_kw: Floats, clock: LocalClock, rng: np.random.Generator) -> Sessions:
    """Sessions of every charger by habit, over all days of the series."""
    parts = [_drawn(np.flatnonzero(at_work == work), habit, p_kw, clock, rng)
             for work, habit in ((False, HOME), (True, WORK))]  # fmt: skip
    device, start, end, e_kwh = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return in_order(device, start, end, e_kwh, p_kw, len(clock))


def _drawn(
    who: Ints, habit: Habit, p_kw: Floats, clock: LocalClock, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Floats]:
    days = len(clock.days)
    midnight = clock.midnights()[:-1]
    shape = (len(who), days)

    def near(centre: float, sd: float) -> Floats:
        drawn = np.clip(rng.standard_normal(shape), -MOST_SDS, MOST_SDS)
        return np.asarray(centre + sd * drawn)

    leave_h = habit.leave_h + (24.0 if habit.leave_h < habit.arrival_h else 0.0)
    start = midnight + np.rint(4.0 * near(habit.arrival_h, habit.arrival_sd_h)).astype(np.int64)
    end = midnight + np.rint(4.0 * near(leave_h, habit.leave_sd_h)).astype(np.int64)
    e_kwh = rng.gamma(GAMMA_SHAPE, habit.e_kwh / GAMMA_SHAPE, shape)
    comes = rng.random(shape) < habit.plugs_in
    if habit.working_days:
        comes &= day_kinds(clock) == WORKING
    device = np.broadcast_to(who[:, None], shape)
    return device[comes].astype(np.int64), start[comes], end[comes], e_kwh[comes]


def in_order(device: Ints, start: Ints, end: Ints, e_kwh: Floats, p_kw: Floats, rows: int) -> Sessions:
    """By charger and start, inside the series, one vehicle at a time, and never more energy than fits."""
    order = np.lexsort((start, device))
    device, start, end, e_kwh = device[order], start[order], end[order], e_kwh[order]
    following = np.r_[np.where(device[1:] == device[:-1], start[1:], rows), rows] if len(start) else start
    end = np.minimum(end, np.minimum(following, rows))
    keep = (start >= 0) & (end > start)
    device, start, end, e_kwh = device[keep], start[keep], end[keep], e_kwh[keep]
    fits = 0.98 * p_kw[device] * (end - start) * 0.25
    return Sessions(device, start, end, np.minimum(np.round(e_kwh, 2), np.floor(fits * 100.0) / 100.0))
