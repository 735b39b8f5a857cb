"""The day a command looks at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from archipel.model.errors import ArchipelError

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.model import Scenario


def first_day(text: str | None, scenario: Scenario, option: str = "--date", days: int = 1) -> datetime:
    """00:00 UTC of a day such as 2016-05-26; without text the scenario's own start.

    Raises:
        ArchipelError: for what is no day, or one from which the scenario has no series for so many days.
    """
    profiles = scenario.profiles
    first, last = profiles.start, profiles.start + timedelta(minutes=15) * (len(profiles.value) - 96 * days)
    try:
        day = scenario.start if text is None else datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        day = None
    if day is None or not first <= day <= last:
        more = f" for {days} days" if days > 1 else ""
        raise ArchipelError(
            f"{option}: found {text or scenario.start}; expected a day from {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
            f"where the scenario has series{more}"
        )
    return day
