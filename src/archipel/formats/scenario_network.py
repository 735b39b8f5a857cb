"""The network tables of a scenario, and what must be true of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.tables import Column, Sheet, read_sheet, write_sheet
from archipel.model import Bools, Grid, Ints, Lines, Nodes, Shunts, Source, Switches, Transformers

NAN = math.nan
NODES = (
    Column("id", "id"),
    Column("name", "text", default=""),
    Column("vn_kv", above=0.0, unit="kV"),
    Column("v_pu_min", low=0.0, high=2.0),
    Column("v_pu_max", low=0.0, high=2.0),
    Column("x", default=NAN),
    Column("y", default=NAN),
    Column("cell", "text"),
)
LINES = (
    Column("id", "id"),
    Column("name", "text", default=""),
    Column("from_node", "text"),
    Column("to_node", "text"),
    Column("r_ohm", low=0.0),
    Column("x_ohm"),
    Column("c_nf", default=0.0, low=0.0),
    Column("g_us", default=0.0, low=0.0),
    Column("i_a_max", above=0.0, unit="A"),
    Column("from_closed", "flag", default=True),
    Column("to_closed", "flag", default=True),
)
TRANSFORMERS = (
    Column("id", "id"),
    Column("name", "text", default=""),
    Column("hv_node", "text"),
    Column("lv_node", "text"),
    Column("sn_kva", above=0.0, unit="kVA"),
    Column("vn_hv_kv", above=0.0, unit="kV"),
    Column("vn_lv_kv", above=0.0, unit="kV"),
    Column("vk_percent", above=0.0),
    Column("vkr_percent", default=0.0, low=0.0),
    Column("pfe_kw", default=0.0, low=0.0),
    Column("i0_percent", default=0.0, low=0.0),
    Column("shift_degree", default=0.0),
    Column("tap_side", "text", default="hv", one_of=("hv", "lv")),
    Column("tap_pos", default=0.0),
    Column("tap_neutral", default=0.0),
    Column("tap_step_percent", default=0.0, low=0.0, high=50.0),
    Column("loading_max", default=1.0, above=0.0),
    Column("hv_closed", "flag", default=True),
    Column("lv_closed", "flag", default=True),
)
SWITCHES = (
    Column("id", "id"),
    Column("name", "text", default=""),
    Column("node", "text"),
    Column("element", "text"),
    Column("closed", "flag"),
)
SHUNTS = (
    Column("id", "id"),
    Column("name", "text", default=""),
    Column("node", "text"),
    Column("p_kw", default=0.0, unit="kW"),
    Column("q_kvar", default=0.0, unit="kvar"),
)
TABLES = {"nodes": NODES, "lines": LINES, "transformers": TRANSFORMERS, "switches": SWITCHES, "shunts": SHUNTS}
UNLIMITED_A = 1e9
"""What a line without a limit carries in a file [A]; infinity has no place in a table of finite numbers."""


def read_network(
    folder: Path, files: Mapping[str, Any], source: Mapping[str, Any], toml: str, findings: Findings
) -> tuple[Grid, tuple[str, ...]] | None:
    """The grid and the cell id of every node; None where findings leave no network to speak of."""
    lacking = [name for name in ("nodes", "lines", "transformers") if not files.get(name)]
    if lacking and any(one.table == "[network]" and one.file == toml for one in findings.problems):
        # a table is lost to a misspelt key or a missing file, which is told; all else would only follow from it
        for name, columns in TABLES.items():
            if files.get(name):
                read_sheet(folder, files[name], name, columns, findings)
        return None
    mark = len(findings)
    sheets = {
        name: read_sheet(folder, files[name], name, columns, findings) if files.get(name) else _empty(name, columns)
        for name, columns in TABLES.items()
    }
    nodes, lines, trafos, switches = (sheets[name] for name in ("nodes", "lines", "transformers", "switches"))
    shunts = sheets["shunts"]
    if nodes is None or lines is None or trafos is None or switches is None or shunts is None:
        return None
    row = {name: i for i, name in enumerate(nodes.id)}
    ends = [
        node_rows(sheet, column, row, findings)
        for sheet, column in (
            (lines, "from_node"),
            (lines, "to_node"),
            (trafos, "hv_node"),
            (trafos, "lv_node"),
            (switches, "node"),
            (shunts, "node"),
        )
    ]
    _check_values(nodes, lines, trafos, ends, findings)
    _check_switches(switches, (nodes, lines, trafos), lacking, findings)
    if source["node"] is not None and source["node"] not in row:
        findings.add(toml, "[network.source]", "node", repr(source["node"]), "the id of a node",
                     did_you_mean(source["node"], row))  # fmt: skip
    if findings.since(mark):
        return None
    grid = _grid(nodes, lines, trafos, switches, ends, files["f_hz"], source, row)
    to_earth = Shunts(shunts.id, shunts.text["name"], ends[5], shunts.numbers["p_kw"], shunts.numbers["q_kvar"])
    return replace(grid, shunts=to_earth), nodes.text["cell"]


def node_rows(sheet: Sheet, column: str, row: Mapping[str, int], findings: Findings) -> Ints:
    """Node rows of a column of node ids; unknown ids become findings and -1."""
    found = np.array([row.get(name, -1) for name in sheet.text[column]], dtype=np.int64)
    for i in np.flatnonzero(found < 0)[:20]:
        name = sheet.text[column][i]
        if name:
            findings.add(sheet.file, sheet.name, sheet.id[i], f"{column} = {name!r}", "the id of a node",
                         did_you_mean(name, row))  # fmt: skip
    return found


def _empty(name: str, columns: Sequence[Column]) -> Sheet:
    none = np.zeros(0)
    return Sheet(
        "",
        name,
        (),
        {c.name: none for c in columns if c.kind == "number"},
        {c.name: none.astype(np.bool_) for c in columns if c.kind == "flag"},
        {c.name: () for c in columns if c.kind in {"id", "text"}},
    )


def _check_values(nodes: Sheet, lines: Sheet, trafos: Sheet, ends: list[Ints], findings: Findings) -> None:
    low, high = nodes.numbers["v_pu_min"], nodes.numbers["v_pu_max"]
    findings.add_each(
        nodes.file,
        nodes.name,
        [(nodes.id[i], f"v_pu_min = {low[i]:g} above v_pu_max = {high[i]:g}") for i in np.flatnonzero(low >= high)],
        "v_pu_min below v_pu_max",
        "Exchange the two limits.",
    )
    nothing = np.hypot(lines.numbers["r_ohm"], lines.numbers["x_ohm"]) <= 0.0
    findings.add_each(
        lines.file,
        lines.name,
        [(lines.id[i], "r_ohm = 0 and x_ohm = 0") for i in np.flatnonzero(nothing)],
        "a line with an impedance",
        "Join the nodes with a closed switch instead.",
    )
    for sheet, a, b in ((lines, ends[0], ends[1]), (trafos, ends[2], ends[3])):
        findings.add_each(
            sheet.file,
            sheet.name,
            [(sheet.id[i], "both ends at the same node") for i in np.flatnonzero((a == b) & (a >= 0))],
            "two different nodes",
            "Correct one of its ends.",
        )
    vkr, vk = trafos.numbers["vkr_percent"], trafos.numbers["vk_percent"]
    findings.add_each(
        trafos.file,
        trafos.name,
        [(trafos.id[i], f"vkr_percent = {vkr[i]:g} above vk_percent = {vk[i]:g}") for i in np.flatnonzero(vkr > vk)],
        "a resistive part no larger than the whole",
        "Correct vk_percent or vkr_percent.",
    )
    _check_levels(nodes, lines, ends, findings)


def _check_levels(nodes: Sheet, lines: Sheet, ends: list[Ints], findings: Findings) -> None:
    vn_kv = nodes.numbers["vn_kv"]
    placed = (ends[0] >= 0) & (ends[1] >= 0)
    a, b = vn_kv[ends[0]], vn_kv[ends[1]]
    findings.add_each(
        lines.file,
        lines.name,
        [
            (lines.id[i], f"nodes of {a[i]:g} and {b[i]:g} kV")
            for i in np.flatnonzero(placed & (np.abs(a - b) > 0.01 * np.maximum(a, b)))
        ],
        "the same nominal voltage at both ends",
        "Correct an end or vn_kv, or use a transformer.",
    )


def _check_switches(switches: Sheet, sheets: Sequence[Sheet], lacking: Sequence[str], findings: Findings) -> None:
    known = {name for sheet in sheets for name in sheet.id}
    wrong = [i for i, element in enumerate(switches.text["element"]) if element and element not in known]
    lost = [name for name in lacking if name != "nodes"]
    if lost and len(wrong) > 1:
        shown = ", ".join(repr(switches.text["element"][i]) for i in wrong[:3])
        findings.add(switches.file, switches.name, "", f"{len(wrong):,} elements in no table: {shown}, ...",
                     "the id of a node, line or transformer",
                     f"[network] names no table of {' or '.join(lost)}; add what is missing.")  # fmt: skip
        return
    for i in wrong[:20]:
        element = switches.text["element"][i]
        findings.add(switches.file, switches.name, switches.id[i], f"element = {element!r}",
                     "the id of a node, line or transformer",
                     did_you_mean(element, _alike(element, sheets)))  # fmt: skip


def _alike(name: str, sheets: Sequence[Sheet]) -> set[str]:
    """The ids of the tables whose ids begin with the same word; all ids where no table's do."""
    word = _word(name)
    same = [set(sheet.id) for sheet in sheets if any(_word(one) == word for one in sheet.id)] if word else []
    return set().union(*(same or [set(sheet.id) for sheet in sheets]))


def _word(name: str) -> str:
    found = re.match(r"[^\W\d_]+", name)
    return found[0].casefold() if found else ""


def _grid(
    nodes: Sheet,
    lines: Sheet,
    trafos: Sheet,
    switches: Sheet,
    ends: list[Ints],
    f_hz: float,
    source: Mapping[str, Any],
    row: Mapping[str, int],
) -> Grid:
    n, line, trafo = nodes.numbers, lines.numbers, trafos.numbers
    ampere = line["i_a_max"]
    side: Bools = np.array([side == "hv" for side in trafos.text["tap_side"]], dtype=np.bool_)
    return Grid(
        Nodes(nodes.id, nodes.text["name"], n["vn_kv"], n["v_pu_min"], n["v_pu_max"], n["x"], n["y"]),
        Lines(
            lines.id,
            lines.text["name"],
            ends[0],
            ends[1],
            line["r_ohm"],
            line["x_ohm"],
            line["c_nf"],
            line["g_us"],
            np.where(ampere >= UNLIMITED_A, np.inf, ampere),
            lines.flags["from_closed"],
            lines.flags["to_closed"],
        ),
        Transformers(
            trafos.id,
            trafos.text["name"],
            ends[2],
            ends[3],
            trafo["sn_kva"],
            trafo["vn_hv_kv"],
            trafo["vn_lv_kv"],
            trafo["vk_percent"],
            trafo["vkr_percent"],
            trafo["pfe_kw"],
            trafo["i0_percent"],
            trafo["shift_degree"],
            side,
            trafo["tap_pos"],
            trafo["tap_neutral"],
            trafo["tap_step_percent"],
            trafo["loading_max"],
            trafos.flags["hv_closed"],
            trafos.flags["lv_closed"],
        ),
        Switches(switches.id, switches.text["name"], ends[4], switches.text["element"], switches.flags["closed"]),
        Source(source["id"], row[source["node"]], source["v_pu"], source["sk_mva"]),
        f_hz,
    )


def write_network(folder: Path, grid: Grid, node_cell: Sequence[str]) -> None:
    """Write nodes.csv, lines.csv, transformers.csv and switches.csv into `folder`; shunts.csv where there are any."""
    nodes, lines, trafos, switches = grid.nodes, grid.lines, grid.transformers, grid.switches
    node = nodes.id
    write_sheet(
        folder / "nodes.csv",
        {c.name: list(node_cell) if c.name == "cell" else getattr(nodes, c.name) for c in NODES},
    )
    line_values = {c.name: getattr(lines, c.name) for c in LINES}
    line_values["from_node"] = [node[i] for i in lines.from_node]
    line_values["to_node"] = [node[i] for i in lines.to_node]
    line_values["i_a_max"] = np.minimum(lines.i_a_max, UNLIMITED_A)
    write_sheet(folder / "lines.csv", line_values)
    trafo_values = {c.name: getattr(trafos, c.name) for c in TRANSFORMERS if c.name != "tap_side"}
    trafo_values["hv_node"] = [node[i] for i in trafos.hv_node]
    trafo_values["lv_node"] = [node[i] for i in trafos.lv_node]
    trafo_values["tap_side"] = ["hv" if hv else "lv" for hv in trafos.tap_side_hv]
    write_sheet(folder / "transformers.csv", {c.name: trafo_values[c.name] for c in TRANSFORMERS})
    switch_values = {c.name: getattr(switches, c.name) for c in SWITCHES}
    switch_values["node"] = [node[i] for i in switches.node]
    write_sheet(folder / "switches.csv", switch_values)
    if len(grid.shunts):
        shunt_values = {c.name: getattr(grid.shunts, c.name) for c in SHUNTS}
        write_sheet(folder / "shunts.csv", shunt_values | {"node": [node[i] for i in grid.shunts.node]})
