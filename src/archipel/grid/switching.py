"""Which lines of a network may be switched, and what a position of all switches means.

A *position* says for every branch (lines, then transformers) whether it is closed, shape (branches,). It is sound
when the source feeds every point it fed at the start, over exactly one way: radial, every node fed, no live loop.

Only lines are operated, and only at their own switches. Transformers and node-node switches stay as they are. A
forbidden (tagged) switch holds its whole line, a forbidden line is held by its own name: people may be at work there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np

from archipel.grid.branch_model import BASE_KVA
from archipel.grid.topology import branch_ends, components, fused
from archipel.model import Bools, Floats, Grid, GridError, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """How every electrical point is fed at one sound position."""

    above: Ints
    """The next point towards the source, shape (points,); -1 at the source and at points that nothing feeds."""
    by: Ints
    """The branch from there, shape (points,); -1 where `above` is."""
    depth: Ints
    """Branches between the point and the source, shape (points,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Switchable:
    """A network whose lines may be switched. Made by `Switchable.of`."""

    grid: Grid
    ends: Ints
    """Electrical point at from and to end of every branch, shape (2, branches)."""
    point: Ints
    """Electrical point of every node, shape (nodes,)."""
    live: Bools
    """Whether the source feeds a point at the start, shape (points,)."""
    start: Bools
    """Position at the start."""
    operable: Bools
    """Whether a branch may be opened and closed, shape (branches,)."""
    r_pu: Floats
    """Series resistance of every branch on 1 MVA and nominal voltage, shape (branches,)."""

    @classmethod
    def of(cls, grid: Grid, forbidden: Iterable[str] = ()) -> Self:
        """The network as it stands; `forbidden` names switches and lines that nothing may operate.

        Raises GridError for a forbidden id that the network does not have, and for a network that is not radial.
        """
        point = _points(grid)
        ends = branch_ends(grid)
        at = np.stack([point[ends.from_node], point[ends.to_node]])
        start = ends.from_closed & ends.to_closed
        island = components(int(point.max()) + 1, at[0, start], at[1, start])
        live = np.asarray(island == island[point[grid.source.node]])
        operable = _with_switches(grid, _held(grid, frozenset(forbidden)))
        operable &= (at[0] != at[1]) & live[at].all(axis=0)
        whole = cls(grid, at, point, live, np.asarray(start), operable, _resistance(grid))
        ring = whole.ring(whole.start)
        if len(ring):
            names = ", ".join(grid.branch_id[i] for i in ring[:5])
            raise GridError(f"the network is not radial: found a closed ring with {names}; open one of its lines first")
        return whole

    def ties(self, position: Bools) -> Ints:
        """Rows of the open branches that may be closed."""
        return np.flatnonzero(self.operable & ~position)

    def supply(self, position: Bools) -> Supply:
        """How every point is fed. Raises GridError, naming what is wrong, when the position is not sound."""
        count = len(self.live)
        inside = np.flatnonzero(position & self.live[self.ends].all(axis=0) & (self.ends[0] != self.ends[1]))
        beside: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for branch, a, b in zip(inside.tolist(), *self.ends[:, inside].tolist(), strict=True):
            beside[a].append((b, branch))
            beside[b].append((a, branch))
        above, by, depth = np.full(count, -1), np.full(count, -1), np.full(count, -1)
        source = int(self.point[self.grid.source.node])
        depth[source] = 0
        queue = [source]
        for here in queue:
            for there, branch in beside[here]:
                if depth[there] < 0:
                    above[there], by[there], depth[there] = here, branch, depth[here] + 1
                    queue.append(there)
        if len(queue) < np.count_nonzero(self.live):
            dead = self.live[self.point] & (depth[self.point] < 0)
            raise GridError(f"nothing feeds {self.grid.nodes.id[int(np.flatnonzero(dead)[0])]} at this position")
        if len(inside) != len(queue) - 1:
            extra = np.setdiff1d(inside, by)
            raise GridError(f"{self.grid.branch_id[int(extra[0])]} closes a live loop at this position")
        return Supply(above, by, depth)

    def ring(self, position: Bools) -> Ints:
        """Rows of the closed branches that lie on a closed ring or between two; empty when there is no ring."""
        live = np.flatnonzero(position & self.live[self.ends].all(axis=0) & (self.ends[0] != self.ends[1]))
        count = np.bincount(self.ends[:, live].ravel(), minlength=len(self.live))
        while True:  # take off what hangs on one branch only, until nothing does; rings and what joins them remain
            loose = (count[self.ends[:, live]] == 1).any(axis=0)
            if not loose.any():
                return live
            count -= np.bincount(self.ends[:, live[loose]].ravel(), minlength=len(count))
            live = live[~loose]

    def cut_off(self, position: Bools) -> Bools:
        """Nodes that were fed at the start and are not at this position, shape (nodes,)."""
        island = components(len(self.live), *self.ends[:, position])
        fed = island == island[self.point[self.grid.source.node]]
        return np.asarray((self.live & ~fed)[self.point])

    def exchanged(self, position: Bools, close: int, open_: int) -> Bools:
        """The position after closing one branch and opening another."""
        after = position.copy()
        after[close], after[open_] = True, False
        return after

    def operations(self, branch: int, *, close: bool) -> tuple[str, ...]:
        """Ids of the switches to operate: all open ones of a line to close it, its first one to open it."""
        switches, line = self.grid.switches, self.grid.branch_id[branch]
        own = [i for i, element in enumerate(switches.element) if element == line]
        if close and not self.start[branch]:
            return tuple(switches.id[i] for i in own if not switches.closed[i])
        return (switches.id[own[0]],)  # closing again a line that was opened here takes back the same one

    def grid_at(self, position: Bools) -> Grid:
        """The network with its switches at this position.

        A line opened here is open at its first switch and stays live, and charging, from its other end.
        """
        grid, lines, switches = self.grid, self.grid.lines, self.grid.switches
        from_closed, to_closed, closed = lines.from_closed.copy(), lines.to_closed.copy(), switches.closed.copy()
        row = {switch: i for i, switch in enumerate(switches.id)}
        for branch in np.flatnonzero(position != self.start).tolist():
            for switch in self.operations(branch, close=bool(position[branch])):
                closed[row[switch]] = position[branch]
                node = switches.node[row[switch]]
                if node == lines.from_node[branch]:
                    from_closed[branch] = position[branch]
                if node == lines.to_node[branch]:
                    to_closed[branch] = position[branch]
        return replace(
            grid,
            lines=replace(lines, from_closed=from_closed, to_closed=to_closed),
            switches=replace(switches, closed=closed),
        )


def _points(grid: Grid) -> Ints:
    """Electrical points, with the ends of transformers that run in parallel counted as one.

    Such transformers are a closed ring, but not one that any switch of a line could open.
    """
    point, trafos = fused(grid), grid.transformers
    closed = trafos.hv_closed & trafos.lv_closed
    pairs = np.sort(np.stack([point[trafos.hv_node], point[trafos.lv_node]])[:, closed], axis=0)
    several, count = np.unique(pairs, axis=1, return_counts=True)
    a, b = several[:, count > 1]
    return components(int(point.max()) + 1, a, b)[point]


def _with_switches(grid: Grid, held: frozenset[str]) -> Bools:
    """Whether a branch is a line that its own switches can open and close, and nobody holds it, shape (branches,)."""
    lines, switches = grid.lines, grid.switches
    row = {line: i for i, line in enumerate(lines.id)}
    can = np.zeros((2, len(lines)), dtype=np.bool_)
    for node, element in zip(switches.node, switches.element, strict=True):
        if element in row:
            i = row[element]
            can[:, i] |= (node == lines.from_node[i], node == lines.to_node[i])
    # an end that stands open must have a switch to close it
    able = can.any(axis=0) & (can | np.stack([lines.from_closed, lines.to_closed])).all(axis=0)
    able &= np.array([line not in held for line in lines.id], dtype=np.bool_)
    return np.concatenate([able, np.zeros(len(grid.transformers), dtype=np.bool_)])


def _held(grid: Grid, forbidden: frozenset[str]) -> frozenset[str]:
    """Ids of the lines that forbidden switches and lines hold."""
    element = dict(zip(grid.switches.id, grid.switches.element, strict=True))
    unknown = sorted(forbidden - element.keys() - set(grid.branch_id))
    if unknown:
        raise GridError(
            f"forbidden {unknown[0]!r}: found no such switch or line in the network; "
            "expected ids as in its tables, such as switch/7 or line/5"
        )
    return forbidden | {element[one] for one in forbidden if one in element}


def _resistance(grid: Grid) -> Floats:
    lines, trafos = grid.lines, grid.transformers
    line = lines.r_ohm / grid.nodes.vn_kv[lines.from_node] ** 2
    trafo = trafos.vkr_percent / 100.0 / (trafos.sn_kva / 1000.0)
    return np.concatenate([line, trafo]) * (BASE_KVA / 1000.0)
