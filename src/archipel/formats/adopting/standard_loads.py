"""Standard load profiles of BDEW (2025): the mean of many homes, businesses or farms.

A profile is twelve months times three kinds of days. That of homes is made dynamic by the day of the year t (1 to 366)

    f(t) = -3.92e-10 t^4 + 3.20e-7 t^3 - 7.02e-5 t^2 + 2.10e-3 t + 1.24

so that a month does not begin with a jump. Holidays are Sundays; 24 and 31 December are Saturdays where they are
working days. The holidays are those of all German states.

Source: BDEW, "Aktualisierte Standardlastprofile Strom", 2025; f(t): C. Fünfgeld, R. Tiedemann, "Anwendung der
repräsentativen VDEW-Lastprofile step-by-step", VDEW 2000. The numbers lie beside this file, in `bdew`.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

import numpy as np

from archipel.formats.adopting.local_clock import LocalClock
from archipel.model import Floats, Ints

FILES = {"home": "h25.csv", "business": "g25.csv", "farm": "l25.csv"}
SATURDAY, SUNDAY, WORKING = 0, 1, 2


@cache
def day_shapes(customer: str) -> Floats:
    """Power relative to the mean of the year by month, kind of day and quarter hour, shape (12, 3, 96)."""
    text = (files("archipel.formats.adopting") / "bdew" / FILES[customer]).read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))[2:]
    kwh = np.array([[float(value) for value in row[1:]] for row in rows])
    return np.ascontiguousarray(kwh.T.reshape(12, 3, 96)) * 4.0 * 8760.0 / 1e6


def standard_profile(customer: str, clock: LocalClock) -> Floats:
    """Power relative to the mean of a year (BDEW's 1,000 MWh), shape (rows,)."""
    month = np.array([day.month - 1 for day in clock.days])[clock.day]
    kind = np.array([_kind(day) for day in clock.days])[clock.day]
    shape = day_shapes(customer)[month, kind, clock.quarter]
    if customer != "home":
        return np.asarray(shape)
    t = np.array([day.timetuple().tm_yday for day in clock.days], dtype=np.float64)
    dynamic = -3.92e-10 * t**4 + 3.20e-7 * t**3 - 7.02e-5 * t**2 + 2.10e-3 * t + 1.24
    return np.asarray(shape * dynamic[clock.day])


def day_kinds(clock: LocalClock) -> Ints:
    """Saturday, Sunday (or holiday) or working day, of every local day."""
    return np.array([_kind(day) for day in clock.days], dtype=np.int64)


def _kind(day: date) -> int:
    if day.weekday() == 6 or day in holidays(day.year):
        return SUNDAY
    return SATURDAY if day.weekday() == 5 or (day.month, day.day) in {(12, 24), (12, 31)} else WORKING


@cache
def holidays(year: int) -> frozenset[date]:
    """Holidays of all German states."""
    easter = easter_sunday(year)
    moving = {easter + timedelta(days=days) for days in (-2, 0, 1, 39, 49, 50)}
    return frozenset(moving | {date(year, *day) for day in ((1, 1), (5, 1), (10, 3), (12, 25), (12, 26))})


def easter_sunday(year: int) -> date:
    """Easter of the Gregorian calendar (O. Nutzinger's complete form of Gauss's rule, by H. Lichtenberg, 1997)."""
    k = year // 100
    m = 15 + (3 * k + 3) // 4 - (8 * k + 13) // 25
    a = year % 19
    d = (19 * a + m) % 30
    moon = 21 + d - (d + a // 11) // 29
    first = 7 - (year + year // 4 + 2 - (3 * k + 3) // 4) % 7
    return date(year, 3, 1) + timedelta(days=moon + 7 - (moon - first) % 7 - 1)
