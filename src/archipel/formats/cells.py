"""Proposing the cells of a network: cut at transformers, at the heads of feeders and at open switches.

    Substation          the source's side, the transformers from high to medium voltage, the busbars
      Feeder3           what hangs on one line that leaves a busbar; a busbar at its far end begins further feeders
        Feeder11
          LV3.301       what hangs on one transformer from medium to low voltage

A busbar is a group of nodes joined by node-node switches. A part that is fed from two sides (a ring), or that serves
nobody, stays in the cell above: every cell has exactly one closed tie. Where the customers at every node are told, a
part with only a handful stays in the cell above too: an American feeder has hundreds of service transformers with one
to ten customers each, and a switch on every branch. A feeder with a part that is then too large to be planned quickly
is cut anew into a trunk and its laterals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from archipel.formats.reach import couplers
from archipel.formats.ties import find_ties
from archipel.grid.topology import components
from archipel.model import Archipelago, Bools, Cell, Grid, Ints

LV_KV_MAX = 1.0
"""Nodes up to this nominal voltage are low voltage (IEC 60038)."""
MV_KV_MAX = 60.0
"""Nodes above low voltage and up to this one are medium voltage."""

ROOT = "Substation"
CUSTOMERS_MIN = 20
"""Customers that make a part a cell of its own, where they are told."""
NODES_MAX = 200
"""The time to plan a cell grows with more than the square of its nodes: 0.05 s at 100, 0.5 s at 300."""
LATERAL_MIN, LATERAL_MAX = 60, 300
"""Nodes of a lateral that becomes a cell when a feeder is too large. Measured in decision 0028."""


def propose_cells(
    grid: Grid,
    node_area: Sequence[str] | None = None,
    line_area: Sequence[str] | None = None,
    customers: Ints | None = None,
) -> Archipelago:
    """A tree of cells for a network.

    `node_area` and `line_area` name the part of the source's network that every node and line belongs to; where
    such names are unambiguous the cells carry them. `customers` counts those at every node, shape (nodes,); parts with
    fewer than `CUSTOMERS_MIN` are then no cells of their own, but for those right below the root, and those with more
    than `NODES_MAX` nodes make their feeder one trunk with laterals of `LATERAL_MIN` to `LATERAL_MAX` nodes. Dead
    nodes belong to the root. The proposal is meant to be changed by a person.
    """
    cutting = _Cutting(grid)
    cutting.mend()
    if customers is not None:
        cutting.gather(customers)
        cutting.split()
    return _archipelago(cutting, node_area or [""] * len(grid.nodes), line_area or [""] * len(grid.lines))


def describe_cells(archipelago: Archipelago) -> str:
    """The tree of cells with the tie above each, then the open ties, as text."""
    parents, lines = archipelago.parents(), []
    count = np.bincount(archipelago.node_cell, minlength=len(archipelago.cell))

    def show(i: int, depth: int) -> None:
        cell = archipelago.cell[i]
        tie = "" if i == 0 else f", tie {archipelago.tie[i - 1].id}"
        lines.append(f"{'  ' * depth}{cell.id} ({cell.level}, {count[i]:,} nodes{tie})")
        for child in (k for k, parent in enumerate(parents) if parent == i):
            show(child, depth + 1)

    show(0, 0)
    open_ties = [tie for tie in archipelago.tie if not tie.closed]
    if open_ties:
        lines.append("open ties")
        lines += [f"  {tie.id}: {tie.upper} - {tie.lower}" for tie in open_ties]
    return "\n".join(lines)


@final
class _Cutting:
    """Which closed connections are cut, and the parts that remain.

    A connection joins node `a`, the end nearer to the source, with node `b`.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        lines, trafos = grid.lines, grid.transformers
        line = np.flatnonzero(lines.from_closed & lines.to_closed)
        trafo = np.flatnonzero(trafos.hv_closed & trafos.lv_closed)
        one, other, closed, _ = couplers(grid)
        one, other = one[closed], other[closed]
        first = np.concatenate([lines.from_node[line], trafos.hv_node[trafo], one])
        second = np.concatenate([lines.to_node[line], trafos.lv_node[trafo], other])
        none = np.full(len(one), -1)
        self.line: Ints = np.concatenate([line, np.full(len(trafo), -1), none]).astype(np.int64)
        self.trafo: Ints = np.concatenate([np.full(len(line), -1), trafo, none]).astype(np.int64)
        depth = _depth(len(grid.nodes), first, second, grid.source.node)
        turned = depth[first] > depth[second]
        self.a, self.b = np.where(turned, second, first), np.where(turned, first, second)
        self.live: Bools = np.asarray(depth >= 0, dtype=np.bool_)
        self.busbar = self._busbars(one, other)
        self.cut: Bools = (self._to_low_voltage() | self._feeder_heads()) & self.live[self.a]

    def _busbars(self, one: Ints, other: Ints) -> Bools:
        """Nodes where feeders begin: below a transformer from high voltage, at node-node switches, or the source."""
        grid, vn_kv = self.grid, self.grid.nodes.vn_kv
        trafos = grid.transformers
        bar = np.zeros(len(grid.nodes), dtype=np.bool_)
        switch_a, switch_b, _, _ = couplers(grid)
        bar[switch_a] = bar[switch_b] = bar[grid.source.node] = True
        bar[trafos.lv_node[vn_kv[trafos.lv_node] > LV_KV_MAX]] = True
        label = components(len(grid.nodes), one, other)
        return np.asarray(np.isin(label, label[bar]), dtype=np.bool_)

    def _to_low_voltage(self) -> Bools:
        vn_kv, trafos = self.grid.nodes.vn_kv, self.grid.transformers
        down = (vn_kv[trafos.lv_node] <= LV_KV_MAX) & (vn_kv[trafos.hv_node] > LV_KV_MAX)
        down &= vn_kv[trafos.hv_node] <= MV_KV_MAX
        found = np.zeros(len(self.a), dtype=np.bool_)
        at = self.trafo >= 0
        found[at] = down[self.trafo[at]]
        return found

    def _feeder_heads(self) -> Bools:
        vn_kv = self.grid.nodes.vn_kv[self.a]
        return np.asarray((self.line >= 0) & self.busbar[self.a] & (vn_kv > LV_KV_MAX) & (vn_kv <= MV_KV_MAX))

    def mend(self) -> None:
        """Undo cuts until every part has exactly one closed tie and something to serve."""
        while True:
            label = self.label()
            depth, feeding = self.tree(label)
            above, below = label[self.a], label[self.b]
            needless = (
                (above == below) | (feeding[below] != np.arange(len(self.a))) | ~self._serves(label, depth)[below]
            )
            if not (self.cut & needless).any():
                return
            self.cut &= ~needless

    def gather(self, customers: Ints) -> None:
        """Undo cuts above parts with fewer than `CUSTOMERS_MIN` customers, from the leaves upwards."""
        label = self.label()
        depth, feeding = self.tree(label)
        count = np.bincount(label, weights=customers, minlength=len(depth))
        for part in sorted(np.flatnonzero(depth >= 2), key=lambda p: -int(depth[p])):
            e = int(feeding[part])
            if count[part] < CUSTOMERS_MIN:
                self.cut[e] = False
                count[label[self.a[e]]] += count[part]

    def split(self) -> None:
        """Cut feeders that hold a part of more than `NODES_MAX` nodes anew: laterals off a trunk that stays whole.

        A chain of parts would agree slowly: what one end wants reaches the other only part by part.
        """
        label = self.label()
        depth, feeding = self.tree(label)
        head = np.arange(len(depth))  # the part right below the root that everything in a feeder hangs on
        for part in sorted(np.flatnonzero(depth >= 2), key=lambda p: int(depth[p])):
            head[part] = head[label[self.a[feeding[part]]]]
        large = np.zeros(len(depth), dtype=np.bool_)
        large[head[(np.bincount(label, minlength=len(depth)) > NODES_MAX) & (depth >= 0)]] = True
        again = large[head]
        self.cut[feeding[again & (depth >= 2)]] = False
        count = len(self.grid.nodes)
        steps = _depth(count, self.a, self.b, self.grid.source.node)
        below = np.ones(count)
        inside = np.flatnonzero(~self.cut & self.live[self.a] & again[label[self.b]] & (steps[self.b] > steps[self.a]))
        inside = inside[np.argsort(-steps[self.b[inside]], kind="stable")]
        for e in inside:
            below[self.a[e]] += below[self.b[e]]
        at_line = (self.line[inside] >= 0) & (self.grid.nodes.vn_kv[self.a[inside]] > LV_KV_MAX)
        hangs, on = below[self.b[inside]], below[self.a[inside]]
        self.cut[inside] = at_line & (hangs >= LATERAL_MIN) & (hangs <= LATERAL_MAX) & (on > LATERAL_MAX)
        self.mend()

    def label(self) -> Ints:
        """Part of every node after the cuts."""
        return components(len(self.grid.nodes), self.a[~self.cut], self.b[~self.cut])

    def tree(self, label: Ints) -> tuple[Ints, Ints]:
        """For every part: cuts between it and the source (-1: dead), and the connection that feeds it (-1: none)."""
        count = int(label.max()) + 1
        depth, feeding = np.full(count, -1, dtype=np.int64), np.full(count, -1, dtype=np.int64)
        leaving: dict[int, list[int]] = {}
        for cut in np.flatnonzero(self.cut):
            leaving.setdefault(int(label[self.a[cut]]), []).append(int(cut))
        reached = [int(label[self.grid.source.node])]
        depth[reached[0]] = 0
        for part in reached:  # grows while we go: breadth first
            for e in leaving.get(part, []):
                below = int(label[self.b[e]])
                if depth[below] < 0:
                    depth[below], feeding[below] = depth[part] + 1, e
                    reached.append(below)
        return depth, feeding

    def _serves(self, label: Ints, depth: Ints) -> Bools:
        """Whether a part, or one below it, has a node that is no busbar."""
        serves = np.zeros(len(depth), dtype=np.bool_)
        serves[label[~self.busbar]] = True
        for e in sorted(np.flatnonzero(self.cut), key=lambda e: -int(depth[label[self.b[e]]])):
            serves[label[self.a[e]]] |= serves[label[self.b[e]]]
        return serves


def _depth(nodes: int, a: Ints, b: Ints, source: int) -> Ints:
    """Connections between every node and the source; -1 where dead."""
    graph = coo_array((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(nodes, nodes)).tocsr()
    order, before = breadth_first_order(graph, source, directed=True)
    depth = np.full(nodes, -1, dtype=np.int64)
    depth[source] = 0
    for node in order[1:]:
        depth[node] = depth[before[node]] + 1
    return depth


def _archipelago(cutting: _Cutting, node_area: Sequence[str], line_area: Sequence[str]) -> Archipelago:
    grid, label = cutting.grid, cutting.label()
    depth, feeding = cutting.tree(label)
    # Feeders before low voltage, parents before children, otherwise in the order of the source.
    below = list(np.flatnonzero(feeding >= 0))
    below.sort(key=lambda p: (cutting.trafo[feeding[p]] >= 0, int(depth[p]), int(feeding[p])))
    root = int(label[grid.source.node])
    order = [root, *(int(p) for p in below)]
    row = np.zeros(len(depth), dtype=np.int64)  # dead parts belong to the root
    row[order] = np.arange(len(order))
    node_cell = row[label]
    ids = _cell_ids(cutting, order, feeding, node_cell, node_area, line_area)
    cells = [Cell(ROOT, "", "substation")]
    for i, part in enumerate(order[1:], start=1):
        e = int(feeding[part])
        above = int(node_cell[cutting.a[e]])
        cells.append(Cell(ids[i], ids[above], "lv" if cutting.trafo[e] >= 0 else "feeder"))
    return Archipelago(tuple(cells), find_ties(grid, tuple(cells), node_cell), node_cell)


def _cell_ids(
    cutting: _Cutting,
    order: list[int],
    feeding: Ints,
    node_cell: Ints,
    node_area: Sequence[str],
    line_area: Sequence[str],
) -> list[str]:
    """Readable ids: the shortest name of the source that only one cell would carry, else the number of the tie."""
    names: list[list[str]] = [[ROOT]]
    for i, part in enumerate(order[1:], start=1):
        e = int(feeding[part])
        if cutting.trafo[e] >= 0:
            area = Counter(node_area[int(n)] for n in np.flatnonzero(node_cell == i)).most_common(1)[0][0]
            number = cutting.grid.transformers.id[int(cutting.trafo[e])].split("/")[-1]
            names.append([area, f"LV_{number}"])
        else:
            line = int(cutting.line[e])
            area, number = line_area[line], cutting.grid.lines.id[line].split("/")[-1]
            names.append([area.rpartition("_")[2], area, f"Feeder_{number}"])
    count = Counter(name for wished in names for name in set(wished))
    return [next((name for name in wished if name and count[name] == 1), wished[-1]) for wished in names]
