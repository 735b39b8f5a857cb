"""When plans begin, and their numbers: every cell finds the same ones, each by its own clock.

hour - lead      + lead/3        + 2 lead/3      hour
    | attempt 0      | attempt 1     | attempt 2   |  the plan holds
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from archipel.controller.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_ATTEMPTS = 8


def attempt_at(utc: datetime, times: Settings) -> int | None:
    """Number of the plan that may begin at a time; None outside every lead."""
    since_s = (utc - EPOCH).total_seconds() + times.lead_s
    turn = int(since_s // times.every_s)
    into_s = since_s - turn * times.every_s
    if into_s >= times.lead_s:
        return None
    return turn * MOST_ATTEMPTS + int(into_s / (times.lead_s / times.attempts))


def start_of(number: int, times: Settings) -> datetime:
    """When the plan of a number begins to hold."""
    return EPOCH + timedelta(seconds=number // MOST_ATTEMPTS * times.every_s)


def step_at(utc: datetime, times: Settings) -> int:
    """Number of the step of agreements that holds a time."""
    return int((utc - EPOCH).total_seconds() // times.step_s)


def until_next_s(utc: datetime, times: Settings) -> float:
    """Seconds until the next step, or the next attempt at a plan."""
    since_s, attempt_s = (utc - EPOCH).total_seconds(), times.lead_s / times.attempts
    into_s = (since_s + times.lead_s) % times.every_s
    to_attempt_s = attempt_s - into_s % attempt_s if into_s < times.lead_s else times.every_s - into_s
    return min(times.step_s - since_s % times.step_s, to_attempt_s)
