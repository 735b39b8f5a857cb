"""Sun and temperature of a year.

**Sun** is measured: SimBench's eight PV series of 2016 (roofs of a German city, shipped with the scenarios), each
scaled to a yield of `YIELD_KWH` per kWp, for SimBench's are those of plants of all ages and of the year's worst
roofs. German
roofs gave 816 to 1,049 kWh per kWp (H. te Heesen et al., Solar Energy 194 (2019)).

**Temperature** is a formula with the means of Germany 1991 to 2020 (DWD: 9.3 degrees, January 0.9, July 18.3):

    T(d, h) = 9.3 - 8.7 cos(2 pi (d - 20) / 365) + 3 cos(2 pi (h - 15) / 24) + 3.8 z(d)

with z a first-order process of unit variance that keeps 80 % from day to day. It is no weather of any real year, and
knows nothing of the sun of 2016.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from archipel.formats.adopting.local_clock import LocalClock
from archipel.formats.series import TIME
from archipel.model import Floats

YIELD_KWH = 950.0
HEATING_LIMIT_C = 15.0
INSIDE_C = 20.0
OUTSIDE_C = -12.0
"""Design temperature outside (DIN/TS 12831-1, much of Germany)."""
WARM_WATER_SHARE = 0.12
"""Of the design load, all year."""


@cache
def sun() -> Floats:
    """Power per kWp of eight roofs for every quarter hour of 2016 in Central European Time, shape (35136, 8)."""
    path = Path(str(files("archipel.scenarios"))) / "simbench" / "urban" / "profiles_renewables.parquet"
    names = [name for name in pq.read_schema(path).names if name.startswith("PV") and name != TIME]
    table = pq.read_table(path, columns=names)
    value = np.stack([table[name].to_numpy().astype(np.float64) for name in names], axis=1)
    return np.asarray(value * (YIELD_KWH / (value.sum(axis=0) * 0.25)))


def sun_of(clock: LocalClock) -> Floats:
    """Power per kWp, shape (rows, 8): the same day and time of 2016, a leap day where it has none left out."""
    begin = np.datetime64(clock.start.replace(tzinfo=None), "m") + np.timedelta64(60, "m")  # Central European Time
    stamp = begin + np.timedelta64(15, "m") * np.arange(len(clock))
    year = stamp.astype("datetime64[Y]")
    day = (stamp.astype("datetime64[D]") - year.astype("datetime64[D]")).astype(np.int64)
    leap = (year.astype(np.int64) + 1970) % 4 == 0
    day = np.where(~leap & (day >= 59), day + 1, day)
    quarter = (stamp - stamp.astype("datetime64[D]")).astype(np.int64) // 15
    return np.asarray(sun()[np.minimum(day * 96 + quarter, len(sun()) - 1)])


def temperature(clock: LocalClock, rng: np.random.Generator) -> Floats:
    """Temperature outside [degree C], shape (rows,)."""
    days = len(clock.days)
    keep, z, level = 0.8, np.empty(days), float(rng.standard_normal())
    step = rng.standard_normal(days) * np.sqrt(1.0 - keep**2)
    for k in range(days):
        level = keep * level + step[k]
        z[k] = level
    d = np.array([day.timetuple().tm_yday for day in clock.days], dtype=np.float64)
    daily = 9.3 - 8.7 * np.cos(2.0 * np.pi * (d - 20.0) / 365.0) + 3.8 * z
    hour = clock.quarter / 4.0
    return np.asarray(daily[clock.day] + 3.0 * np.cos(2.0 * np.pi * (hour - 15.0) / 24.0))


def heat_demand(clock: LocalClock, outside_c: Floats) -> Floats:
    """Heat demand of a house relative to its design load, shape (rows,), by degree days.

    A day heats when its mean lies below 15 degrees; then by the difference to 20 degrees inside (VDI 3807 part 1, VDI
    2067: Gradtagzahl 20/15), smoothed over six hours by the walls. Warm water adds a constant.
    """
    walls = np.convolve(np.pad(outside_c, (23, 0), mode="edge"), np.ones(24) / 24.0, mode="valid")
    mean = np.bincount(clock.day, outside_c) / np.bincount(clock.day)
    heats = (mean < HEATING_LIMIT_C)[clock.day]
    room = np.where(heats, np.maximum(INSIDE_C - walls, 0.0), 0.0) / (INSIDE_C - OUTSIDE_C)
    return np.asarray(WARM_WATER_SHARE + (1.0 - WARM_WATER_SHARE) * room)
