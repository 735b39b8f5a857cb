"""Dividing many into groups of like kind: always the cut that keeps most of what the groups are worth."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np

from archipel.model import Floats, Ints


def divided(
    kind: Ints,
    sorts: Sequence[Floats],
    worth: Callable[[Ints], float],
    most: int,
    least: int,
    tries: int,
) -> Ints:
    """Group 0..G-1 of every one of N, shape (N,).

    The group that gains most by it is cut in two, along the order and at the place where the two halves are worth most,
    until there are `most` groups or nothing is gained. No half is smaller than `least`.

    Args:
        kind: what is never mixed, shape (N,).
        sorts: values to order by, shape (N,) each.
        worth: what a group of these rows is worth.
        most: groups at most (at least one per kind).
        least: members of a group at least, where a kind has so many.
        tries: places where a group may be cut, per order.
    """
    least = max(least, 1)
    heap: list[tuple[float, int, Ints, Ints]] = []
    done: list[Ints] = []
    count = 0

    def offer(rows: Ints) -> None:
        nonlocal count
        count += 1
        gain, left, right = _best_cut(rows, sorts, worth, least, tries)
        if gain <= 0.0:
            done.append(rows)
        else:
            heapq.heappush(heap, (-gain, count, left, right))

    for k in np.unique(kind):
        offer(np.flatnonzero(kind == k))
    while heap and len(heap) + len(done) < most:
        _, _, left, right = heapq.heappop(heap)
        offer(left)
        offer(right)
    done += [np.concatenate([left, right]) for _, _, left, right in heap]
    out = np.empty(len(kind), dtype=np.int64)
    for number, rows in enumerate(sorted(done, key=lambda r: int(r.min()))):
        out[rows] = number
    return out


def _best_cut(
    rows: Ints, sorts: Sequence[Floats], worth: Callable[[Ints], float], least: int, tries: int
) -> tuple[float, Ints, Ints]:
    """(gain, one half, the other); a gain of 0 where no cut helps."""
    best, halves = 0.0, (rows, rows[:0])
    if len(rows) < 2 * least:
        return best, *halves
    now = worth(rows)
    places = np.unique(np.linspace(least, len(rows) - least, min(tries, len(rows))).astype(int))
    for value in sorts:
        own = value[rows]
        if np.ptp(own) <= 1e-9 * np.abs(own).max():
            continue
        order = rows[np.argsort(own, kind="stable")]
        for at in places.tolist():
            gain = worth(order[:at]) + worth(order[at:]) - now
            if gain > max(best, 1e-9 * now):
                best, halves = gain, (order[:at], order[at:])
    return best, *halves
