"""Which cells talk: neighbours by a tie, and chords so that no single cell's end separates the rest.

    root                     the tree of cells, and a ring through all its ends:
    |   \\                    take any cell away, and every part of the tree that remains
    A    B                   holds an end of the ring, which is then still a chain
    |\\   |\\
    c d--e f--c
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Link:
    """Two cells that talk; the second one dials the first."""

    listens: str
    dials: str
    electrical: bool


def links(cells: Sequence[str], parents: Sequence[int]) -> list[Link]:
    """All links of an archipelago.

    Args:
        cells: Ids of the cells, parents before their children.
        parents: Row of every cell's parent; -1 for the root.
    """
    found = [Link(cells[p], cells[i], True) for i, p in enumerate(parents) if p >= 0]
    known = {frozenset((link.listens, link.dials)) for link in found}
    ends = _ends(parents)
    ring = [*pairwise(ends), (ends[-1], ends[0])] if len(ends) > 1 else []
    for a, b in ring:
        pair = frozenset((cells[a], cells[b]))
        if pair not in known:
            known.add(pair)
            found.append(Link(cells[min(a, b)], cells[max(a, b)], False))
    return found


def _ends(parents: Sequence[int]) -> list[int]:
    """Cells with one neighbour, in the order of a walk through the tree."""
    children: dict[int, list[int]] = {}
    for i, p in enumerate(parents):
        children.setdefault(p, []).append(i)
    out, todo = [], children.get(-1, [])[::-1]
    while todo:
        i = todo.pop()
        below = children.get(i, [])
        if len(below) + (parents[i] >= 0) <= 1:
            out.append(i)
        todo += below[::-1]
    return out
