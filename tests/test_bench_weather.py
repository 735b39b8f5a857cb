"""What loss and silence may cost a conversation, on recorded sizes like those of the exact way over 24 intervals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.weather import Endured, Sizes, Weather, endure

TRIPS = 60
UP, DOWN = (72, 2774, 151), (73, 73, 145)
"""Numbers in the messages of one iteration."""
MOST = 2.5
"""Times the round trips, and the bytes, that a fifth of all messages lost may cost."""


def tree(feeders: int, below: int) -> tuple[int, ...]:
    """A root, feeders, and so many low-voltage cells below each; every fifth feeder is behind the one before."""
    above = [-1, *(f if f and f % 5 == 0 else 0 for f in range(feeders))]
    return (*above, *(1 + f for f in range(feeders) for _ in range(below)))


def sizes(parents: tuple[int, ...]) -> Sizes:
    out = []
    for cell in range(len(parents)):
        kids = parents.count(cell)
        said: list[tuple[str, list[int]]] = []
        for trip in range(TRIPS):
            said += [("ask", [UP[trip % 3]])] if cell else []
            said.append(("tell", [DOWN[trip % 3]] * kids))
        out.append(said)
    return out


def had(parents: tuple[int, ...], weather: Weather, seed: int = 0) -> Endured:
    return endure(parents, sizes(parents), weather, seed)


def test_in_good_weather_every_message_is_said_once() -> None:
    parents = tree(2, 5)
    calm = had(parents, Weather())
    assert calm.ended
    assert calm.trips == TRIPS
    assert calm.hops == 4 * TRIPS
    numbers = sum(8 * (UP[t % 3] + DOWN[t % 3]) for t in range(TRIPS)) * (len(parents) - 1)
    messages = 2 * TRIPS * (len(parents) - 1)
    assert numbers < calm.bytes_ < numbers + 200 * messages


@pytest.mark.parametrize(("feeders", "below"), [(2, 5), (11, 9)], ids=["10 cells", "99 cells"])
def test_a_fifth_of_all_messages_lost_costs_at_most_two_and_a_half_times_the_trips_and_the_bytes(
    feeders: int, below: int
) -> None:
    parents = tree(feeders, below)
    calm, lossy = had(parents, Weather()), had(parents, Weather(lose=0.2), seed=1)
    assert lossy.finished == len(parents)
    assert lossy.attempts == 0, "nobody is taken for silent"
    assert TRIPS < lossy.trips <= MOST * calm.trips
    assert lossy.bytes_ <= MOST * calm.bytes_


def test_delay_is_not_taken_for_silence() -> None:
    parents = tree(2, 5)
    late = had(parents, Weather(delay=24), seed=1)
    assert (late.finished, late.attempts) == (len(parents), 0)


@pytest.mark.parametrize("lose", [0.0, 0.2])
def test_a_silent_subtree_costs_one_new_beginning_and_all_others_finish(lose: float) -> None:
    parents = tree(3, 4)
    behind = frozenset({2} | {cell for cell, parent in enumerate(parents) if parent == 2})
    left = had(parents, Weather(lose=lose, silent=behind, silent_after=TRIPS), seed=1)
    assert left.ended
    assert (left.attempts, left.finished) == (1, len(parents) - len(behind))
