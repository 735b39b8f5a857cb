"""Kinds of days: workday, Saturday, Sunday or public holiday, in Central European standard time."""

from __future__ import annotations

from datetime import date, datetime, timedelta

ZONE = timedelta(hours=1)
"""Standard time of the shipped cases against UTC. Summer time is left out: for a kind of day an hour is nothing."""

WORKDAY, SATURDAY, SUNDAY = 0, 1, 2


def local_day(time: datetime) -> date:
    """The calendar day of a UTC time."""
    return (time + ZONE).date()


def kind_of_day(day: date) -> int:
    """WORKDAY, SATURDAY or SUNDAY; a nationwide German public holiday counts as a Sunday."""
    if day.weekday() == 6 or is_holiday(day):
        return SUNDAY
    return SATURDAY if day.weekday() == 5 else WORKDAY


def is_holiday(day: date) -> bool:
    """Whether the day is one of the nine public holidays kept in all of Germany."""
    fixed = {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
    moving = {-2, 1, 39, 50}  # Good Friday, Easter Monday, Ascension, Whit Monday
    return (day.month, day.day) in fixed or (day - easter(day.year)).days in moving


def easter(year: int) -> date:
    """Easter Sunday in the Gregorian calendar.

    Source: anonymous Gregorian algorithm, J. Meeus, "Astronomical Algorithms", 2nd ed., 1998, chapter 8.
    """
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), g = divmod(b, 4), (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, before = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, before + 1)
