"""The cells and ties of a scenario, and what must be true of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.reach import closed_pairs
from archipel.formats.tables import Column, Sheet, read_sheet, write_sheet
from archipel.formats.ties import crossings, find_ties
from archipel.grid.topology import components, live
from archipel.model import Archipelago, Cell, Grid, Ints, Tie

CELLS = (
    Column("id", "id"),
    Column("parent", "text", default=""),
    Column("level", "text", one_of=("substation", "feeder", "lv")),
)
TIES = (
    Column("id", "id"),
    Column("direction", "text", one_of=("vertical", "horizontal")),
    Column("upper", "text"),
    Column("lower", "text"),
    Column("upper_node", "text"),
    Column("lower_node", "text"),
    Column("closed", "flag"),
    Column("metered_at", "text", default="upper", one_of=("upper", "lower")),
    Column("default_p_kw", default=0.0),
)


def read_cells(
    folder: Path, files: dict[str, Any], grid: Grid, node_cell_id: tuple[str, ...], nodes_file: str, findings: Findings
) -> Archipelago | None:
    """The cells with their ties, parents before children; None where findings leave no tree."""
    sheet = read_sheet(folder, files["cells"], "cells", CELLS, findings)
    if sheet is None:
        return None
    mark = len(findings)
    order = _ordered(sheet, findings)
    known = {name: i for i, name in enumerate(sheet.id[k] for k in order)}
    node_cell = np.array([known.get(name, -1) for name in node_cell_id], dtype=np.int64)
    _check_nodes(node_cell, node_cell_id, grid, set(sheet.id), nodes_file, findings)
    if findings.since(mark):
        return None
    cells = tuple(Cell(sheet.id[k], sheet.text["parent"][k], sheet.text["level"][k]) for k in order)  # type: ignore[arg-type]
    _check_shape(cells, node_cell, grid, sheet.file, findings)
    ties = find_ties(grid, cells, node_cell)
    if findings.since(mark):
        return None
    if files.get("ties"):
        ties = _stated(folder, files["ties"], ties, grid, findings)
    return None if findings.since(mark) else Archipelago(cells, ties, node_cell)


def _ordered(sheet: Sheet, findings: Findings) -> list[int]:
    """Rows with parents before children, otherwise in the order of the file; findings for what is no tree."""
    file, parent = sheet.file, sheet.text["parent"]
    row = {name: k for k, name in enumerate(sheet.id)}
    roots = [k for k, above in enumerate(parent) if not above]
    if len(roots) != 1:
        found = "no cell without a parent" if not roots else "cells without a parent: " + ", ".join(
            sheet.id[k] for k in roots[:5])  # fmt: skip
        findings.add(file, "cells", sheet.id[roots[1]] if len(roots) > 1 else "", found, "exactly one root",
                     "Name the parent of every other cell.")  # fmt: skip
    for k, above in enumerate(parent):
        if above and above not in row:
            findings.add(
                file, "cells", sheet.id[k], f"parent = {above!r}", "the id of a cell", did_you_mean(above, row)
            )
    depth: dict[int, int] = {}
    for k in range(len(sheet.id)):
        trail: list[int] = []
        at = k
        while at not in depth and at not in trail and parent[at] in row:
            trail.append(at)
            at = row[parent[at]]
        if at in trail:
            names = " > ".join(sheet.id[j] for j in trail[trail.index(at) :])
            findings.add(file, "cells", sheet.id[k], f"the loop {names}", "a tree", "Correct a parent in the loop.")
        base = depth.setdefault(at, 0)
        for steps, j in enumerate(reversed(trail), start=1):
            depth.setdefault(j, base + steps)
    return sorted(range(len(sheet.id)), key=lambda k: depth[k])


def _check_nodes(
    node_cell: Ints, ids: tuple[str, ...], grid: Grid, known: set[str], nodes_file: str, findings: Findings
) -> None:
    for i in np.flatnonzero(node_cell < 0)[:20]:
        if ids[i]:
            findings.add(nodes_file, "nodes", grid.nodes.id[i], f"cell = {ids[i]!r}", "the id of a cell",
                         did_you_mean(ids[i], known))  # fmt: skip


def _check_shape(cells: tuple[Cell, ...], node_cell: Ints, grid: Grid, file: str, findings: Findings) -> None:
    """Every cell hangs together, has nodes, and one closed tie, to its parent; the root holds the source."""
    count = np.bincount(node_cell, minlength=len(cells))
    for i in np.flatnonzero(count == 0):
        findings.add(file, "cells", cells[i].id, "no node in it", "at least one node",
                     "Remove the cell, or name it in the column cell of the nodes.")  # fmt: skip
    if node_cell[grid.source.node] != 0:
        findings.add(file, "cells", cells[int(node_cell[grid.source.node])].id,
                     f"the source at {grid.nodes.id[grid.source.node]}", f"the source in the root {cells[0].id}",
                     "Put that node into the root.")  # fmt: skip
    a, b = closed_pairs(grid)
    same = node_cell[a] == node_cell[b]
    label, fed = components(len(grid.nodes), a[same], b[same]), live(grid)
    for k, cell in enumerate(cells):
        pieces = np.unique(label[(node_cell == k) & fed], return_index=True)[1]
        if len(pieces) > 1:
            at = [grid.nodes.id[n] for n in np.flatnonzero((node_cell == k) & fed)[pieces][:3]]
            findings.add(file, "cells", cell.id, f"{len(pieces)} parts that do not touch, at {', '.join(at)}",
                         "nodes joined by closed branches of the cell itself",
                         "Give the parts to other cells, or make them cells.")  # fmt: skip
    _check_closed(cells, node_cell, grid, file, findings)


def _check_closed(cells: tuple[Cell, ...], node_cell: Ints, grid: Grid, file: str, findings: Findings) -> None:
    row = {cell.id: i for i, cell in enumerate(cells)}
    above: Counter[int] = Counter()
    for crossing in crossings(grid, node_cell):
        if not crossing.closed:
            continue
        a, b = int(node_cell[crossing.a]), int(node_cell[crossing.b])
        child = b if row.get(cells[b].parent, -1) == a else a
        if row.get(cells[child].parent, -1) != (a if child == b else b):
            findings.add(file, "cells", cells[b].id, f"{crossing.id} closed between {cells[a].id} and {cells[b].id}",
                         "a closed connection only to a parent or child",
                         "Correct the parent, open the switch, or join the cells.")  # fmt: skip
            continue
        above[child] += 1
        if above[child] == 2:
            findings.add(file, "cells", cells[child].id, f"a second closed tie to its parent, {crossing.id}",
                         "exactly one", "Open one of them, or make both cells one.")  # fmt: skip
    for i in range(1, len(cells)):
        if not above[i] and np.any(node_cell == i):
            findings.add(file, "cells", cells[i].id, f"no closed tie to its parent {cells[i].parent}", "exactly one",
                         "Close its branch, or correct the parent.")  # fmt: skip


def _stated(folder: Path, file: str, ties: tuple[Tie, ...], grid: Grid, findings: Findings) -> tuple[Tie, ...]:
    """The ties with meter and default exchange as the file states them; findings where it contradicts the network."""
    sheet = read_sheet(folder, file, "ties", TIES, findings)
    if sheet is None:
        return ties
    stated = {name: k for k, name in enumerate(sheet.id)}
    found = {tie.id: tie for tie in ties}
    for name in stated.keys() - found.keys():
        findings.add(file, "ties", name, "a tie that joins no two cells", "a branch or switch between cells",
                     did_you_mean(name, found.keys() - stated.keys()) + " Or remove the row.")  # fmt: skip
    for name in found.keys() - stated.keys():
        tie = found[name]
        findings.add(file, "ties", name, f"no row for it, though it joins {tie.upper} and {tie.lower}",
                     "every tie", "Add it, or leave out the whole file: ties are then found.")  # fmt: skip
    answer = []
    for tie in ties:
        k = stated.get(tie.id)
        if k is None:
            continue
        _compare(tie, k, sheet, grid, findings)
        answer.append(
            replace(
                tie,
                metered_at=sheet.text["metered_at"][k],  # type: ignore[arg-type]
                default_p_kw=float(sheet.numbers["default_p_kw"][k]),
            )
        )
    return tuple(answer)


def _compare(tie: Tie, k: int, sheet: Sheet, grid: Grid, findings: Findings) -> None:
    truth = {
        "direction": tie.direction,
        "upper": tie.upper,
        "lower": tie.lower,
        "upper_node": grid.nodes.id[tie.upper_node],
        "lower_node": grid.nodes.id[tie.lower_node],
    }
    for column, value in truth.items():
        said = sheet.text[column][k]
        if said != value:
            findings.add(sheet.file, "ties", tie.id, f"{column} = {said!r}", f"{value!r}, as in the network",
                         "Correct the tie, or the cells of its nodes.")  # fmt: skip
    if bool(sheet.flags["closed"][k]) != tie.closed:
        findings.add(sheet.file, "ties", tie.id, f"closed = {str(not tie.closed).lower()}",
                     f"{str(tie.closed).lower()}, as its switches in the network", "Correct one of them.")  # fmt: skip


def write_cells(folder: Path, archipelago: Archipelago, grid: Grid) -> None:
    """Write cells.csv and ties.csv into `folder`."""
    cells, ties, node = archipelago.cell, archipelago.tie, grid.nodes.id
    write_sheet(folder / "cells.csv", {c.name: [getattr(cell, c.name) for cell in cells] for c in CELLS})
    values: dict[str, Any] = {c.name: [getattr(tie, c.name) for tie in ties] for c in TIES}
    values["upper_node"] = [node[tie.upper_node] for tie in ties]
    values["lower_node"] = [node[tie.lower_node] for tie in ties]
    values["default_p_kw"] = np.array([tie.default_p_kw for tie in ties], dtype=np.float64)
    values["closed"] = np.array([tie.closed for tie in ties], dtype=np.bool_)
    write_sheet(folder / "ties.csv", values)
