"""Radial networks with open ties for the tests of reconfiguration: published ones from `data`, and drawn ones."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from archipel.grid.day_flow import DayFlow, day_flow
from archipel.grid.switching import Switchable
from archipel.model import Archipelago, Bools, Cell, Floats, Grid, Lines, Nodes, Source, Switches, Transformers

DATA = Path(__file__).parent / "data"
NONE = np.zeros(0)


def published(name: str) -> tuple[Grid, Floats, Floats]:
    """Grid, and P and Q drawn at every node, shape (nodes, 1), of a folder of `data`; a switch on every branch."""
    nodes, branches = (
        list(csv.DictReader((DATA / name / f"{table}.csv").read_text("utf-8").splitlines()))
        for table in ("nodes", "branches")
    )
    row = {node["node"]: i for i, node in enumerate(nodes)}
    made = grid(
        len(nodes),
        [(row[b["from_node"]], row[b["to_node"]], float(b["r_ohm"]), float(b["x_ohm"])) for b in branches],
        np.array([b["closed"] == "true" for b in branches]),
    )
    return made, *(np.array([[float(node[q])] for node in nodes]) for q in ("p_kw", "q_kvar"))


def drawn(seed: int, nodes: int, ties: int, steps: int = 2) -> tuple[Grid, Floats, Floats]:
    """A random tree with random ties; some nodes generate, and what they draw changes over the steps."""
    rng = np.random.default_rng(seed)
    pairs = [(int(rng.integers(max(0, i - 4), i)), i) for i in range(1, nodes)]
    while len(pairs) < nodes - 1 + ties:
        a, b = sorted(rng.choice(nodes, 2, replace=False).tolist())
        if (a, b) not in pairs:
            pairs.append((a, b))
    r = rng.uniform(0.1, 1.5, len(pairs))
    x = r * rng.uniform(0.3, 1.2, len(pairs))
    p = rng.uniform(-40.0, 160.0, (nodes, steps))
    q = rng.uniform(0.0, 60.0, (nodes, steps))
    closed = np.arange(len(pairs)) < nodes - 1
    return grid(nodes, [(a, b, float(i), float(j)) for (a, b), i, j in zip(pairs, r, x, strict=True)], closed), p, q


def grid(count: int, branches: list[tuple[int, int, float, float]], closed: Bools, vn_kv: float = 12.66) -> Grid:
    """Lines without capacitance or limits of current; branch k is `line/k` from 1, with `switch/k` at its from end."""
    a, b, r, x = (np.array(column) for column in zip(*branches, strict=True))
    n, m = count, len(branches)
    lines = tuple(f"line/{k + 1}" for k in range(m))
    return Grid(
        Nodes(
            tuple(f"bus/{i + 1}" for i in range(n)), ("",) * n, np.full(n, vn_kv), np.full(n, 0.9), np.full(n, 1.1),
            np.full(n, np.nan), np.full(n, np.nan),
        ),
        Lines(lines, ("",) * m, a, b, r, x, np.zeros(m), np.zeros(m), np.full(m, 1e9), closed, np.ones(m, dtype=bool)),
        Transformers((), (), *(NONE.astype(int),) * 2, *(NONE,) * 8, *(NONE.astype(bool),) * 1, *(NONE,) * 4,
                     *(NONE.astype(bool),) * 2),
        Switches(tuple(f"switch/{k + 1}" for k in range(m)), ("",) * m, a, lines, closed),
        Source("ext_grid/0", 0, 1.0),
    )  # fmt: skip


def cells(network: Switchable, size: int) -> Archipelago:
    """Cells of about `size` nodes each, cut from the tree as it stands; 1: every node a cell, large: one cell."""
    supply = network.supply(network.start)
    node_cell, cell, filled = np.zeros(len(network.live), dtype=np.int64), [Cell("cell0", "", "substation")], [1]
    for i in np.argsort(supply.depth, kind="stable")[1:]:
        above = int(node_cell[supply.above[i]])
        if filled[above] >= size:
            cell.append(Cell(f"cell{len(cell)}", cell[above].id, "feeder"))
            filled.append(0)
            above = len(cell) - 1
        node_cell[i] = above
        filled[above] += 1
    return Archipelago(tuple(cell), (), node_cell)


def open_branches(position: Bools) -> set[int]:
    """Numbers of the open branches, counted from 1 as in the literature."""
    return set((np.flatnonzero(~position) + 1).tolist())


class Studies:
    """The day's AC power flow at any position, remembered."""

    def __init__(self, network: Switchable, p_kw: Floats, q_kvar: Floats, dt_h: float) -> None:
        self.network, self._day, self._known = network, (p_kw, q_kvar, dt_h), dict[bytes, DayFlow]()

    def __call__(self, position: Bools) -> DayFlow:
        key = position.tobytes()
        if key not in self._known:
            self._known[key] = day_flow(self.network.grid_at(position), *self._day)
        return self._known[key]
