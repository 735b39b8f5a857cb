"""The way from every node to the source, over what is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from archipel.model import Bools, Ints, Scenario


@final
class Paths:
    """Made once of a scenario, as it is switched there. A ring that is closed is walked one way."""

    def __init__(self, scenario: Scenario) -> None:
        grid = scenario.grid
        self.feeder, self.order = tree(scenario)
        """Node that feeds each, -1 for a root; and all nodes from the roots down."""
        row: dict[tuple[int, int], int] = {}
        ends = (
            np.concatenate([grid.lines.from_node, grid.transformers.hv_node]).tolist(),
            np.concatenate([grid.lines.to_node, grid.transformers.lv_node]).tolist(),
        )
        for branch, (a, b) in enumerate(zip(*ends, strict=True)):
            row[min(a, b), max(a, b)] = branch
        self.branch = [
            row.get((min(node, up), max(node, up)), -1) if up >= 0 else -1 for node, up in enumerate(self.feeder)
        ]
        """Branch every node is fed by; -1 where it is a switch."""
        self._fed = {branch: node for node, branch in enumerate(self.branch) if branch >= 0}
        self._above: dict[int, frozenset[int]] = {}
        self.parent = scenario.archipelago.parents()
        """Row of the cell above every cell; -1 for the root."""

    def branches_of(self, node: int) -> list[int]:
        """Branches between a node and the source, the nearest first."""
        out = []
        while node >= 0:
            if self.branch[node] >= 0:
                out.append(self.branch[node])
            node = self.feeder[node]
        return out

    def branches_above(self, branch: int) -> frozenset[int]:
        """Branches between a branch and the source, itself not."""
        if branch not in self._above:
            fed = self._fed.get(branch, -1)
            self._above[branch] = frozenset(self.branches_of(self.feeder[fed]) if fed >= 0 else ())
        return self._above[branch]

    def cells_above(self, cell: int) -> list[int]:
        """Cells between a cell and the root, the nearest first, itself not."""
        out = []
        while (cell := self.parent[cell]) >= 0:
            out.append(cell)
        return out


def tree(scenario: Scenario) -> tuple[list[int], list[int]]:
    """(the node that feeds each, -1 for a root; nodes from the roots down), over what is closed first.

    What the source does not reach hangs on the other end of an open switch or branch, where there is one.
    """
    a, b, closed = edges(scenario)
    count = len(scenario.grid.nodes)
    near: list[list[int]] = [[] for _ in range(count)]
    far: list[list[int]] = [[] for _ in range(count)]
    for i, j, shut in zip(a.tolist(), b.tolist(), closed.tolist(), strict=True):
        where = near if shut else far
        where[i].append(j)
        where[j].append(i)
    feeder, order, seen = [-1] * count, [], [False] * count
    for root in (scenario.grid.source.node, *range(count)):
        if seen[root]:
            continue
        feeder[root] = next((n for n in far[root] if seen[n]), -1) if root != scenario.grid.source.node else -1
        seen[root], queue = True, [root]
        for node in queue:  # grows while it is read
            order.append(node)
            for other in near[node]:
                if not seen[other]:
                    seen[other], feeder[other] = True, node
                    queue.append(other)
    return feeder, order


def edges(scenario: Scenario) -> tuple[Ints, Ints, Bools]:
    """Both ends of all lines, transformers and node-node switches, and whether they are closed."""
    grid = scenario.grid
    lines, trafos, switches = grid.lines, grid.transformers, grid.switches
    row = {name: i for i, name in enumerate(grid.nodes.id)}
    joins = [i for i, element in enumerate(switches.element) if element in row]
    other = np.array([row[switches.element[i]] for i in joins], dtype=np.int64)
    return (
        np.concatenate([lines.from_node, trafos.hv_node, switches.node[joins]]).astype(np.int64),
        np.concatenate([lines.to_node, trafos.lv_node, other]).astype(np.int64),
        np.concatenate(
            [lines.from_closed & lines.to_closed, trafos.hv_closed & trafos.lv_closed, switches.closed[joins]]
        ).astype(np.bool_),
    )


def named(names: Sequence[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b and 5 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
