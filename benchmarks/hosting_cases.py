"""Two public feeders through the project's own doors: case33bw of MATPOWER and the European LV test feeder of IEEE.

Both are read as `archipel import` reads them from the folder that ARCHIPEL_DATA names. What neither file says is
written into the tables of the import, as a person would by hand: ratings of lines, and cells with more than one branch.

- case33bw (MATPOWER): 400 A on the trunk up to the node where its branches have left, 250 A elsewhere; its main feeder
  and three branches are cells. `archipel adopt` without any share gives the loads BDEW profiles.
- European LV (OpenDSS, positive sequence): 400 A on every line, which is what OpenDSS shows where none is stated; its
  trunk and three branches are cells. The 55 customers keep the 55 daily load shapes of the source.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from archipel.formats.adopting import AdoptOptions, adopt
from archipel.formats.importing import import_scenario
from archipel.formats.scenario import load_scenario
from archipel.formats.ties import find_ties
from archipel.model import ArchipelError, Cell, Grid, Ints

HEADS_33 = {"main": "line/1", "north": "line/18", "east": "line/22", "south": "line/25"}
TRUNK_33 = {f"line/{k}" for k in range(1, 6)}
RATING_33_A = (400.0, 250.0)
"""Of the trunk, and of all other lines."""

HEADS_LV = {
    "trunk": "trafo/tr1",
    "branch_287": "line/line286",
    "branch_288": "line/line287",
    "branch_666": "line/line665",
}
RATING_LV_A = 400.0


def case33bw(folder: Path) -> Path:
    """Baran and Wu's 12.66 kV feeder; 33 nodes, 3.7 MW; the scenario's file."""
    import_scenario(_source("matpower", "case33bw.m"), folder, name="bare")
    _by_hand(folder / "bare.toml", HEADS_33, lambda line: RATING_33_A[line not in TRUNK_33])
    return adopt(folder / "bare.toml", AdoptOptions(name="case33bw")).scenario


def european_lv(folder: Path) -> Path:
    """The 416 V feeder of IEEE with 55 customers and 907 nodes, positive sequence; the scenario's file."""
    import_scenario(_source("opendss", "LVTestCase", "Master.dss"), folder, name="european-lv", reduce=True)
    _by_hand(folder / "european-lv.toml", HEADS_LV, lambda _: RATING_LV_A)
    return folder / "european-lv.toml"


def _source(*parts: str) -> Path:
    data = os.environ.get("ARCHIPEL_DATA")
    if not data:
        raise ArchipelError("ARCHIPEL_DATA: found nothing; expected the folder of public data in this variable")
    return Path(data, "networks", *parts)


def _by_hand(toml: Path, heads: Mapping[str, str], rating_a: Callable[[str], float]) -> None:
    """Write ratings and cells into the tables of an import: what hangs on a head is the cell of its name."""
    folder, grid = toml.parent, load_scenario(toml).grid
    node_cell, cells = _cells(grid, heads)
    ties = find_ties(grid, cells, node_cell)
    name = [cell.id for cell in cells]
    node = dict(zip(grid.nodes.id, node_cell.tolist(), strict=True))
    _rewrite(folder / "lines.csv", lambda row: {**row, "i_a_max": f"{rating_a(row['id']):g}"})
    _rewrite(folder / "nodes.csv", lambda row: {**row, "cell": name[node[row["id"]]]})
    with (folder / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "parent", "level"), *((cell.id, cell.parent, cell.level) for cell in cells)])
    rows = [
        (one.id, one.direction, one.upper, one.lower, grid.nodes.id[one.upper_node], grid.nodes.id[one.lower_node],
         str(one.closed).lower())
        for one in ties
    ]  # fmt: skip
    with (folder / "ties.csv").open("w", newline="", encoding="utf-8") as file:
        heading = ("id", "direction", "upper", "lower", "upper_node", "lower_node", "closed")
        csv.writer(file).writerows([heading, *rows])


def _cells(grid: Grid, heads: Mapping[str, str]) -> tuple[Ints, tuple[Cell, ...]]:
    """Cell of every node of a radial grid, and the cells: below a head its own, else that of the node above."""
    lines, trafos, n = grid.lines, grid.transformers, len(grid.nodes)
    a = np.concatenate([lines.from_node, trafos.hv_node])
    b = np.concatenate([lines.to_node, trafos.lv_node])
    closed = np.concatenate([lines.from_closed & lines.to_closed, trafos.hv_closed & trafos.lv_closed])
    a, b = a[closed], b[closed]
    ends = zip(a.tolist(), b.tolist(), strict=True)
    branch = {frozenset(pair): grid.branch_id[k] for pair, k in zip(ends, np.flatnonzero(closed), strict=True)}
    joined = coo_array((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()
    order, above = breadth_first_order(joined, grid.source.node, directed=False)
    of_head = {head: name for name, head in heads.items()}
    cells, row, node_cell = [Cell("Substation", "", "substation")], {"Substation": 0}, np.zeros(n, dtype=np.int64)
    for v in order[1:].tolist():
        up = int(above[v])
        name = of_head.get(branch[frozenset((up, v))])
        if name is not None:
            row[name] = len(cells)
            cells.append(Cell(name, cells[int(node_cell[up])].id, "feeder"))
        node_cell[v] = node_cell[up] if name is None else row[name]
    return node_cell, tuple(cells)


def _rewrite(path: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [change(row) for row in csv.DictReader(file)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
