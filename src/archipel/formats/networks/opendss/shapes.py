"""Load shapes of the engine as our series: quarter hours, energy kept, whole days from one midnight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from archipel.formats.source_columns import Notes
from archipel.model import Floats, ImportRefused, Profiles

QUARTER_H, DAY = 0.25, 96
YEAR = 365 * DAY
CLEAR_SKY = "clear_sky"
"""Name of the series PV plants follow where the file gives them none that covers a day."""


@final
@dataclass(slots=True)
class Shapes:
    """The load shapes devices may follow, and those they do."""

    series: dict[str, tuple[Floats, Floats]]
    """Quarter-hourly multipliers of P and Q by name, whole days each."""
    peak: dict[str, float]
    """For shapes that are powers themselves: their largest value [kW], by which the series is divided."""
    short: set[str]
    """Names of shapes that cover less than a day."""
    used: set[str] = field(default_factory=set)
    clear_sky: bool = False

    def of(self, yearly: str, daily: str) -> str:
        """The shape a device follows over time: yearly before daily; empty where neither covers a day."""
        for name in (yearly, daily):
            if name in self.series:
                self.used.add(name)
                return name
        return ""

    def too_short(self, yearly: str, daily: str) -> bool:
        """Whether the device names only shapes of less than a day."""
        return bool({yearly, daily} & self.short) and not {yearly, daily} & set(self.series)

    def sun(self) -> str:
        """The series of a plant without one of its own."""
        self.clear_sky = True
        return CLEAR_SKY


def read_shapes(table: dict[str, Any]) -> Shapes:
    """All load shapes that can be turned to quarter hours."""
    series: dict[str, tuple[Floats, Floats]] = {}
    peak: dict[str, float] = {}
    short: set[str] = set()
    at_p = at_q = 0
    for i, name in enumerate(table["name"]):
        n_p, n_q = int(table["p_length"][i]), int(table["q_length"][i])
        p, q = table["p"][at_p : at_p + n_p], table["q"][at_q : at_q + n_q]
        at_p, at_q = at_p + n_p, at_q + n_q
        hours = float(table["hours"][i])
        if hours <= 0.0 or n_p * hours < 24.0 - 1e-9:
            short.add(name.lower())
            continue
        q = q if n_q else p
        if table["actual"][i]:
            # Q of a shape of powers in kvar stands beside P in kW; both are shares of their own largest value.
            peak[name.lower()] = float(np.abs(p).max()) or 1.0
            p, q = p / peak[name.lower()], q / (float(np.abs(q).max()) or 1.0)
        series[name.lower()] = (quarters(p, hours), quarters(q, hours))
    return Shapes(series, peak, short)


def quarters(values: Floats, hours: float) -> Floats:
    """Means over quarter hours of values that hold for `hours` each, over the whole days they cover.

    The energy of every quarter hour is kept: the mean is the difference of the integral at its two ends.
    """
    end = np.arange(len(values) + 1) * hours
    energy = np.concatenate([[0.0], np.cumsum(values * hours)])
    days = int((len(values) * hours + 1e-9) // 24.0)
    grid = np.arange(days * DAY + 1) * QUARTER_H
    return np.asarray(np.diff(np.interp(grid, end, energy)) / QUARTER_H)


def profiles_of(
    shapes: Shapes, loads: Iterable[str], plants: Iterable[str], zone: str | None, notes: Notes
) -> Profiles:
    """The series devices follow, one year from the first of January; shorter ones repeat.

    `loads` are the shapes loads follow (two series each), `plants` those of plants. `zone` says where midnight is.
    """
    start = datetime(2017, 1, 1, tzinfo=_zone(zone)).astimezone(UTC)
    columns: dict[str, Floats] = {}
    for name in sorted(set(loads) - {""}):
        p, q = shapes.series[name]
        columns[f"{name}_pload"], columns[f"{name}_qload"] = _year(p), _year(q)
    for name in sorted(set(plants) - {"", CLEAR_SKY}):
        columns[name] = _year(shapes.series[name][0])
    if shapes.clear_sky:
        columns[CLEAR_SKY] = _year(clear_sky())
    if not columns:
        return Profiles(start, ("one",), np.ones((YEAR, 1), dtype=np.float32))
    daily = [name for name in shapes.used if len(shapes.series[name][0]) < YEAR]
    notes.approximate(len(daily), "load shapes shorter than a year repeat through it", sorted(daily))
    where = zone or "UTC; name another with --zone"
    notes.approximated.append(f"load shapes begin at midnight of 1 January 2017 ({where}): OpenDSS knows no dates")
    return Profiles(start, tuple(columns), np.column_stack(list(columns.values())).astype(np.float32))


def clear_sky() -> Floats:
    """A day of sun from 6 to 18 h: half a sine, its mean over every quarter hour."""
    hour = np.arange(DAY + 1) * QUARTER_H
    integral = -np.cos(np.pi * np.clip(hour - 6.0, 0.0, 12.0) / 12.0) * 12.0 / np.pi
    return np.asarray(np.diff(integral) / QUARTER_H)


def _year(values: Floats) -> Floats:
    return values[:YEAR] if len(values) >= YEAR else np.resize(values, YEAR)


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ImportRefused(f"--zone {name}: found no such time zone; expected one such as America/Chicago.") from error
