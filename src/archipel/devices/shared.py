"""Small pieces that several kinds of devices are made of."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from archipel.model import Bools, Floats, Horizon, Ints
from archipel.model.horizon import STEP_MINUTES
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns

MIN_ROOM_KW = 1e-3
"""Smallest range of a control [kW]. Interior point methods need an interior; a watt is nobody's bill."""


def profile_now(weather: Weather, column: Ints) -> Floats:
    """Value of each device's profile in the one row of a step, shape (n,); column -1 is constantly one."""
    return np.append(weather.value[0], 1.0)[column]


def profile_means(weather: Weather, horizon: Horizon, column: Ints) -> Floats:
    """Interval means of each device's profile, shape (n, T); column -1 is constantly one.

    Raises:
        ValueError: if the weather ends before the horizon does.
    """
    value, where = _profiles(weather, horizon, column)
    return horizon.mean(value)[where]


def profile_peaks(weather: Weather, horizon: Horizon, column: Ints) -> Floats:
    """Largest value in a quarter hour of every interval, as `profile_means`."""
    value, where = _profiles(weather, horizon, column)
    return np.asarray(np.maximum.reduceat(value, horizon.first, axis=1)[where])


def _profiles(weather: Weather, horizon: Horizon, column: Ints) -> tuple[Floats, Ints]:
    """Profiles that are used, (used, quarter hours), and which of them is each device's."""
    steps = int(horizon.steps.sum())
    if len(weather.value) < steps:
        raise ValueError(
            f"the weather has {len(weather.value)} quarter hours, the horizon needs {steps}; forecast more rows"
        )
    used, where = np.unique(column, return_inverse=True)
    value = np.ones((len(used), steps))
    known = used >= 0
    value[known] = weather.value[:steps, used[known]].T
    return value, where


def no_columns(intervals: int) -> Columns:
    """Columns of a fleet that has nothing to decide."""
    box = np.zeros((0, 1, intervals))
    return Columns((), np.zeros(0, dtype=np.int64), np.zeros((0, 1)), np.zeros((0, 1)), box, box, box, box)


def with_room(lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
    """The box with `lo` lowered where it leaves less than `MIN_ROOM_KW` of room."""
    return np.minimum(lo, hi - MIN_ROOM_KW), hi


def ends_a_day(horizon: Horizon) -> Bools:
    """Whether a UTC day ends in (after the start, up to the end of) each interval, shape (T,)."""
    midnight = horizon.start.replace(hour=0, minute=0, second=0, microsecond=0)
    before = (horizon.start - midnight) / timedelta(minutes=STEP_MINUTES)
    begin = before + horizon.first
    day = 1440 / STEP_MINUTES
    return np.asarray(np.floor((begin + horizon.steps) / day) > np.floor(begin / day))


def row_names(ids: tuple[str, ...], rows: Ints) -> tuple[str, ...]:
    """Ids of the selected devices."""
    return tuple(ids[i] for i in rows.tolist())


def setpoint_or_zero(q_set_kvar: Floats) -> Floats:
    """Reactive power of a device without a volt-var curve: its setpoint, 0 where it has none."""
    return np.where(np.isnan(q_set_kvar), 0.0, q_set_kvar)
