"""A conversation of cells in bad weather: how many trips, bytes and hops loss, delay and silence add.

Messages have the sizes of a recorded conversation; what is in them need not be worked out again, for
`check_coordination` holds that results are the same bit for bit however messages come. Time counts in hops.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archipel.coordination.message import Kind, Message
from archipel.coordination.tree import Ask, Conversation, Gather, Program, Silent, Tell

Sizes = Sequence[Sequence[tuple[str, Sequence[int]]]]
"""For every cell what it asked and told, in order: numbers in a message to the parent, or to every child."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to messages between cells. A message needs one hop if nothing delays it."""

    lose: float = 0.0
    """Share of messages lost, each way on its own."""
    delay: int = 0
    """Most hops a message may be late, all delays being equally likely."""
    silent: frozenset[int] = frozenset()
    """Cells that fall silent, all at once."""
    silent_after: int = 20
    """How many asks and tells the first of them still says before."""


TIMEOUT = 16
"""Hops without progress after which a cell ticks: longer than a trip up and down the tree."""
PATIENCE = 20
"""Ticks without a sign of life until a neighbour counts as silent."""
MOST_HOPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Endured:
    """What a conversation came to."""

    ended: bool
    """Whether every cell that is not silent itself knows an end."""
    finished: int
    """Cells that have a result."""
    trips: int
    """Every round trip as often as its most repeated message was said. Copies sent at once are one saying: they cost
    bytes and no time; what is said again after a time-out counts."""
    bytes_: int
    """Of all messages with their headers, every copy and every question counted."""
    hops: int
    attempts: int
    """How often the conversation began anew."""


def endure(parents: Sequence[int], sizes: Sizes, weather: Weather, seed: int) -> Endured:
    """Have a recorded conversation again in bad weather."""
    rng = np.random.default_rng(seed)
    names = [f"cell {i}" for i in range(len(parents))]
    number = {name: i for i, name in enumerate(names)}
    talks = [_talk(names, parents, sizes, i) for i in range(len(names))]
    said: Counter[tuple[int, int, bool, str, str, int]] = Counter()
    due: list[tuple[int, int, Message]] = []
    news = [(0, 0)] * len(names)
    carried = now = count = 0
    mute: set[int] = set()

    def send(i: int, messages: list[Message]) -> None:
        nonlocal carried, count
        if i in weather.silent and talks[i].asks + talks[i].tells > weather.silent_after:
            mute.update(weather.silent)
        if i in mute:
            return
        for m in messages:
            carried += len(m.to_bytes())
            if m.kind is Kind.SAY:
                said[m.attempt, m.number, m.up, m.sender, m.receiver, m.count] += 1
            count += 1
            if rng.random() >= weather.lose:
                heapq.heappush(due, (now + 1 + int(rng.integers(0, weather.delay + 1)), count, m))

    for i, talk in enumerate(talks):
        send(i, talk.open())
    while any(talk.outcome is None for i, talk in enumerate(talks) if i not in weather.silent) and now < MOST_HOPS:
        now += 1
        while due and due[0][0] <= now:
            message = heapq.heappop(due)[2]
            i = number[message.receiver]
            send(i, talks[i].receive([message]))
        for i, talk in enumerate(talks):
            if talk.waits > news[i][0]:
                news[i] = talk.waits, now
            elif talk.outcome is None and now - news[i][1] >= TIMEOUT:
                news[i] = talk.waits, now
                send(i, talk.tick())
    sayings: Counter[tuple[int, int, bool, str, str]] = Counter()
    for attempt, trip, up, sender, receiver, _ in said:
        sayings[attempt, trip, up, sender, receiver] += 1
    most: Counter[tuple[int, int]] = Counter()
    for (attempt, trip, *_), times in sayings.items():
        most[attempt, trip] = max(most[attempt, trip], times)
    ended = all(talk.outcome is not None for i, talk in enumerate(talks) if i not in weather.silent)
    finished = sum(talk.outcome is not None and not isinstance(talk.outcome, Silent) for talk in talks)
    return Endured(ended, finished, sum(most.values()), carried, now, talks[0].attempt)


def _talk(names: Sequence[str], parents: Sequence[int], sizes: Sizes, i: int) -> Conversation:
    children = tuple(names[j] for j, parent in enumerate(parents) if parent == i)

    def program(left: tuple[str, ...]) -> Program:
        return _again(sizes[i], [children.index(name) for name in left])

    parent = names[parents[i]] if i else ""
    return Conversation(1, names[i], parent, children, program(children), PATIENCE, program)


def _again(sequence: Sequence[tuple[str, Sequence[int]]], children: Sequence[int]) -> Program:
    """A program that gathers, asks and tells as the recorded one did, with as many numbers."""
    first = True
    for kind, counts in sequence:
        if first:
            yield Gather()
        first = kind == "tell"
        if kind == "ask":
            yield Ask(_numbers(counts[0]))
        else:
            yield Tell([_numbers(counts[k]) for k in children])
    return True


def _numbers(count: int) -> dict[str, Any]:
    return {"numbers": np.zeros(count)}
