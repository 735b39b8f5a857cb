"""The forecast anybody can make: quantiles of recent days, corrected by what was just seen.

Calendar-driven columns (demand) look at recent days of the same kind: workday, Saturday, Sunday or holiday.
Weather-driven columns (sun, wind, heat) look at the last days of any kind. For the first two hours the difference
between the last hour and its own forecast fades out linearly: added to demand, multiplied onto weather-driven
columns, because a cloud takes a share of the sun and nothing of the night.

Rows from `first_row` on are never read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np

from archipel.forecasting.calendar import kind_of_day, local_day
from archipel.model import Bools, Floats, Ints, Profiles
from archipel.model.horizon import STEP_MINUTES
from archipel.model.weather import Weather

LEVELS = (0.1, 0.5, 0.9)
DAY = 96
WEATHER_DAYS = 7
"""How many of the last days tell of weather-driven columns."""
FADE_ROWS = 8
SEEN_ROWS = 4
"""Quarter hours over which the last error fades, and over which it is measured."""


def naive(
    profiles: Profiles,
    first_row: int,
    rows: int,
    *,
    history_days: int = 28,
    weather_driven: Bools | None = None,
) -> Weather:
    """The median of `naive_quantiles`, as the weather a plan is made for."""
    value = naive_quantiles(
        profiles, first_row, rows, history_days=history_days, weather_driven=weather_driven, levels=(0.5,)
    )
    return Weather(first_row, value[0], perfect=False)


def naive_quantiles(
    profiles: Profiles,
    first_row: int,
    rows: int,
    *,
    history_days: int = 28,
    weather_driven: Bools | None = None,
    levels: tuple[float, ...] = LEVELS,
) -> Floats:
    """Quantiles of every profile column for `rows` quarter hours from `first_row`, shape (levels, rows, columns).

    Args:
        profiles: the series; only rows before `first_row` are read.
        first_row: first row to forecast. Behind the end of the table its last week repeats, as in `Profiles.window`.
        rows: how many.
        history_days: how far to look back for days of the same kind.
        weather_driven: which columns follow the weather, shape (columns,); none by default. See
            `archipel.devices.weather_driven`.
        levels: probabilities, ascending.

    Raises:
        ValueError: when there is nothing before `first_row` to learn from.
    """
    if first_row < 1:
        raise ValueError(
            f"naive forecast from row {first_row}: found no earlier row; expected some history. "
            "Start a day or more after the first row of the profiles, or use the perfect forecast."
        )
    weather = np.zeros(len(profiles.name), dtype=bool) if weather_driven is None else weather_driven
    # The last hour is forecast along, in the same way, to see how wrong the method is today.
    seen = min(SEEN_ROWS, first_row)
    target = np.arange(first_row - seen, first_row + rows)
    value = np.empty((len(levels), len(target), len(weather)))
    for columns, same_kind, days in ((~weather, True, history_days), (weather, False, WEATHER_DAYS)):
        if columns.any():
            value[:, :, columns] = _quantiles(profiles, target, first_row, columns, same_kind, days, levels)
    actual = _past(profiles, target[:seen], first_row)[:, :]
    return _corrected(value, actual, seen, weather, int(np.argmin(np.abs(np.array(levels) - 0.5))))


def _quantiles(
    profiles: Profiles,
    target: Ints,
    first_row: int,
    columns: Bools,
    same_kind: bool,
    days: int,
    levels: tuple[float, ...],
) -> Floats:
    """Quantiles over the same time of earlier days, shape (levels, target rows, columns)."""
    out = np.empty((len(levels), len(target), int(columns.sum())))
    day = [local_day(profiles.start + timedelta(minutes=STEP_MINUTES * int(row))) for row in target]
    # Rows of one local day that are equally far from the present share their earlier days.
    lead = (target - first_row) // DAY
    for group in sorted({(d, int(k)) for d, k in zip(day, lead, strict=True)}):
        here = np.array([i for i in range(len(target)) if (day[i], lead[i]) == group])
        newest = max(group[1] + 1, 1)
        back = range(newest, newest + days)
        kind = kind_of_day(group[0])
        alike = [k for k in back if not same_kind or kind_of_day(group[0] - timedelta(days=k)) == kind]
        sample = _days_back(profiles, target[here], first_row, alike) or _days_back(
            profiles, target[here], first_row, back
        )
        if sample:
            out[:, here] = np.quantile(np.stack(sample)[:, :, columns], levels, axis=0)
        else:
            # Less than a day of history: the last value seen is all there is.
            out[:, here] = _past(profiles, np.array([first_row - 1]), first_row)[:, columns]
    return out


def _days_back(profiles: Profiles, target: Ints, first_row: int, back: Iterable[int]) -> list[Floats]:
    """What was seen whole days before, for those days that lie in the table and in the past."""
    return [
        _past(profiles, target - DAY * k, first_row)
        for k in back
        if target[0] - DAY * k >= 0 and target[-1] - DAY * k < first_row
    ]


def _past(profiles: Profiles, row: Ints, first_row: int) -> Floats:
    """Rows of the table that lie before `first_row`; behind its end the last week repeats."""
    behind = np.maximum(row - len(profiles.value) + 1, 0)
    row = row - 7 * DAY * -(-behind // (7 * DAY))
    if np.any(row < 0) or np.any(row >= first_row):
        raise ValueError(f"rows {row.min()} to {row.max()}: expected rows from 0 to before {first_row}")
    return np.asarray(profiles.value[row], dtype=np.float64)


def _corrected(value: Floats, actual: Floats, seen: int, weather: Bools, median: int) -> Floats:
    """The forecast after the `seen` first rows, drawn towards what was seen in them."""
    expected, out = value[median, :seen], value[:, seen:].copy()
    rows = np.arange(out.shape[1])
    fade = np.clip(1.0 - (rows + 0.5) / FADE_ROWS, 0.0, 1.0)[:, None]
    error = (actual - expected).mean(axis=0)
    total = expected.sum(axis=0)
    ratio = np.divide(actual.sum(axis=0), total, out=np.ones_like(total), where=total > 0.02 * seen)
    ratio = np.clip(ratio, 0.0, 2.0)
    added = out + fade * error
    # A demand that never was below zero is not forecast below zero.
    added = np.where(out >= 0, np.maximum(added, 0.0), added)
    return np.asarray(np.where(weather, out * (1.0 + fade * (ratio - 1.0)), added))
