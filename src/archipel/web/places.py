"""Where every node is drawn: its coordinates in metres, or a tidy drawing of the network as a tree.

degrees   ->  x = R cos(middle latitude) * longitude,  y = R * latitude, both from the middle of the area
nothing   ->  the source on top, every node a row below the one that feeds it, its branches side by side
"""

from __future__ import annotations

import numpy as np

from archipel.model import Bools, Floats, Scenario
from archipel.web.paths import edges, tree

METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km."""
APART_M = 40.0
"""Between neighbours of a drawing made from the tree."""


def places(scenario: Scenario) -> tuple[Floats, Floats]:
    """Coordinates of all nodes [m], (nodes,) each, never NaN; y grows to the north and the middle is near 0, 0.

    Fewer than half of the nodes with coordinates: a drawing of the tree. Single nodes without any are put where the
    nearest node on the network is.
    """
    nodes = scenario.grid.nodes
    x, y = nodes.x.astype(np.float64), nodes.y.astype(np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() * 2 < len(nodes) or (np.ptp(x[known]) == 0.0 and np.ptp(y[known]) == 0.0):
        return drawn(scenario)
    if np.abs(y[known]).max() <= 90.0 and np.abs(x[known]).max() <= 360.0:
        x = x * METRES_PER_DEGREE * np.cos(np.radians(float(y[known].mean())))
        y = y * METRES_PER_DEGREE
    x, y = x - _middle(x[known]), y - _middle(y[known])
    if not known.all():
        x, y = _filled(scenario, x, y, known)
    return x, y


def drawn(scenario: Scenario) -> tuple[Floats, Floats]:
    """A drawing of the network as a tree, coordinates of all nodes (nodes,) each.

    A leaf takes a column of its own; every other node stands above the middle of what it feeds. What the source does
    not reach stands beside it, as trees of their own.
    """
    feeder, order = tree(scenario)
    count = len(feeder)
    depth, first, last = np.zeros(count), np.full(count, np.inf), np.full(count, -np.inf)
    for node in order:
        if feeder[node] >= 0:
            depth[node] = depth[feeder[node]] + 1.0
    has_below = np.zeros(count, dtype=bool)
    has_below[[above for above in feeder if above >= 0]] = True
    column = 0
    for node in _as_read(feeder, order):
        if not has_below[node]:
            first[node] = last[node] = column
            column += 1
    for node in reversed(order):
        if feeder[node] >= 0:
            first[feeder[node]] = min(first[feeder[node]], first[node])
            last[feeder[node]] = max(last[feeder[node]], last[node])
    x, y = APART_M * (first + last) / 2.0, -APART_M * depth
    return x - _middle(x), y - _middle(y)


def _middle(values: Floats) -> float:
    return float(values.min() + values.max()) / 2.0 if len(values) else 0.0


def _as_read(feeder: list[int], order: list[int]) -> list[int]:
    """All nodes, each right before all it feeds, so that no two branches of the tree cross."""
    below: dict[int, list[int]] = {}
    for node in order:
        below.setdefault(feeder[node], []).append(node)
    out, stack = [], below.get(-1, [])[::-1]
    while stack:
        node = stack.pop()
        out.append(node)
        stack += below.get(node, [])[::-1]
    return out


def _filled(scenario: Scenario, x: Floats, y: Floats, known: Bools) -> tuple[Floats, Floats]:
    """Nodes without coordinates where the nearest node with some is, along the network; what none reaches at 0, 0."""
    a, b, _ = edges(scenario)
    x, y, done = np.where(known, x, 0.0), np.where(known, y, 0.0), known.copy()
    while True:
        reach = done[a] != done[b]
        if not reach.any():
            return x, y
        source = np.where(done[a[reach]], a[reach], b[reach])
        target = np.where(done[a[reach]], b[reach], a[reach])
        x[target], y[target], done[target] = x[source], y[source], True
