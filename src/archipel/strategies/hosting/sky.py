"""Series for scenarios that bring none: sun under a clear sky, heat demand of a cold year.

Sources: declination: P. I. Cooper, "The absorption of radiation in solar stills", Solar Energy 12 (1969),
doi:10.1016/0038-092X(69)90047-4. Clear sky: B. Haurwitz, "Insolation in relation to cloudiness and cloud density",
Journal of Meteorology 2 (1945), doi:10.1175/1520-0469(1945)002<0154:IIRTCA>2.0.CO;2.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from archipel.model import Floats

SKY, DESIGN_HEAT = "hosting clear sky", "hosting design heat"
LATITUDE_DEG, LONGITUDE_DEG = 51.0, 10.0
"""The middle of Germany."""
COLDEST_DAY = 20
"""Day of the year around which it is coldest."""


def sky(start: datetime, rows: int) -> Floats:
    """Power of panels under a clear sky over their peak, shape (rows,), flat on the ground."""
    hour, day = _clock(start, rows)
    declination = np.radians(23.45) * np.sin(2.0 * np.pi * (284.0 + day) / 365.0)
    angle = np.radians(15.0 * (hour - 12.0) + LONGITUDE_DEG)
    latitude = np.radians(LATITUDE_DEG)
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    up = np.maximum(height, 1e-3)
    return np.where(height > 1e-3, 1.098 * up * np.exp(-0.059 / up), 0.0)


def design_heat(start: datetime, rows: int) -> Floats:
    """Heat demand over that at design temperature, shape (rows,): full in the coldest nights, a tenth in summer."""
    hour, day = _clock(start, rows)
    season = 0.5 + 0.5 * np.cos(2.0 * np.pi * (day - COLDEST_DAY) / 365.0)
    night = 0.9 - 0.1 * np.cos(2.0 * np.pi * (hour - 17.0) / 24.0)
    return (0.1 + 0.9 * season) * night


def _clock(start: datetime, rows: int) -> tuple[Floats, Floats]:
    """Hour of the day (middle of the quarter, UTC) and day of the year."""
    begin = start + timedelta(minutes=7.5)
    first = begin.hour + begin.minute / 60.0
    hours = first + 0.25 * np.arange(rows)
    return np.mod(hours, 24.0), begin.timetuple().tm_yday + np.floor(hours / 24.0)
