"""A grid as input of power-grid-model: fused nodes, branches with their open ends, one load per fused node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from power_grid_model import ComponentType, DatasetType, LoadGenType, WindingType, initialize_array

from archipel.grid.topology import branch_ends, check_branches, fused, tapped_kv
from archipel.model import Floats, Grid, GridError, Ints

IDEAL_SK_VA = 1e20
"""Stands for an infinite short-circuit power; power-grid-model's own default of 1e10 costs 3e-4 pu on a city."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which row of power-grid-model's tables stands for which of ours; its branches stand in our order."""

    point: Ints
    """Row of power-grid-model's node and load for every node of ours, shape (nodes,)."""
    points: int
    """Loads in power-grid-model's input."""
    loading_per_a: Floats
    """Share of the source's limit per ampere at from and to end, shape (2, branches)."""


def pgm_input(grid: Grid, scale_line_r: float, scale_line_x: float) -> tuple[dict[Any, NDArray[Any]], Layout]:
    """Input data for `PowerGridModel` and the way back to our rows.

    Raises GridError for phase shifts that are no multiple of 30 degrees, for a branch short-circuited by
    closed switches, and for values that no power flow can use.
    """
    check_branches(grid)
    point = fused(grid)
    points = int(point.max()) + 1
    ends = branch_ends(grid)
    from_point, to_point = point[ends.from_node], point[ends.to_node]
    same = np.flatnonzero(from_point == to_point)
    _refuse_short_circuits(grid, same[(ends.from_closed & ends.to_closed)[same]])
    # power-grid-model wants two different nodes even where one end is open: that end gets a dead node of its own.
    u_rated = np.concatenate([_rated_v(grid, point, points), grid.nodes.vn_kv[ends.to_node[same]] * 1e3])
    to_open = ~ends.to_closed[same]
    to_point[same[to_open]] = points + np.flatnonzero(to_open)
    from_point[same[~to_open]] = points + np.flatnonzero(~to_open)

    data = {
        ComponentType.node: initialize_array(DatasetType.input, ComponentType.node, len(u_rated)),
        ComponentType.line: _lines(grid, scale_line_r, scale_line_x),
        ComponentType.transformer: _transformers(grid),
        ComponentType.sym_load: _loads(points),
        ComponentType.source: _source(grid, point),
        ComponentType.shunt: _shunts(grid, point),
    }
    data[ComponentType.node]["u_rated"] = u_rated
    lines = len(grid.lines)
    for kind, rows in ((ComponentType.line, slice(0, lines)), (ComponentType.transformer, slice(lines, None))):
        table = data[kind]
        table["from_node"], table["to_node"] = from_point[rows], to_point[rows]
        table["from_status"], table["to_status"] = ends.from_closed[rows], ends.to_closed[rows]
    first_id = 0
    for table in data.values():  # ids run through all tables; nodes come first and keep their row as id
        table["id"] = np.arange(first_id, first_id + len(table))
        first_id += len(table)
    return data, Layout(point, points, _loading_per_a(grid))


def _refuse_short_circuits(grid: Grid, branch: Ints) -> None:
    if len(branch):
        raise GridError(
            f"{grid.branch_id[branch[0]]}: both ends are joined by closed switches, which short-circuits it; "
            "open one of its ends or take it out of the network"
        )


def _rated_v(grid: Grid, point: Ints, points: int) -> Floats:
    """Nominal voltage of every electrical point [V]."""
    nodes, u_kv = grid.nodes, np.zeros(points)
    u_kv[point] = nodes.vn_kv
    mixed = np.flatnonzero(u_kv[point] != nodes.vn_kv)
    if len(mixed):
        a = int(mixed[0])
        b = int(np.flatnonzero((point == point[a]) & (nodes.vn_kv != nodes.vn_kv[a]))[0])
        raise GridError(
            f"{nodes.id[a]} ({nodes.vn_kv[a]} kV) and {nodes.id[b]} ({nodes.vn_kv[b]} kV) are "
            "joined by closed switches; give both the same nominal voltage"
        )
    return np.asarray(u_kv * 1e3)


def _lines(grid: Grid, scale_r: float, scale_x: float) -> NDArray[Any]:
    lines = grid.lines
    line = initialize_array(DatasetType.input, ComponentType.line, len(lines))
    line["r1"], line["x1"] = lines.r_ohm * scale_r, lines.x_ohm * scale_x
    # Conductance is given as tan(delta) of the capacitance, so a line with nothing else gets a trace of it.
    farad = np.where((lines.c_nf == 0) & (lines.g_us != 0), 1e-9, lines.c_nf) * 1e-9
    siemens = 2 * np.pi * grid.f_hz * farad
    line["c1"] = farad
    line["tan1"] = np.divide(lines.g_us * 1e-6, siemens, out=np.zeros(len(lines)), where=siemens != 0)
    return line


def _transformers(grid: Grid) -> NDArray[Any]:
    trafos = grid.transformers
    table = initialize_array(DatasetType.input, ComponentType.transformer, len(trafos))
    # The tap is folded into the rated voltages, as pandapower does for tap changers of type Ratio.
    high, low = tapped_kv(grid)
    table["u1"], table["u2"] = high * 1e3, low * 1e3
    table["tap_side"], table["tap_pos"], table["tap_min"], table["tap_max"] = 0, 0, 0, 0
    table["tap_nom"], table["tap_size"] = 0, 0.0
    sn_va = trafos.sn_kva * 1e3
    table["sn"] = sn_va
    table["uk"], table["pk"] = trafos.vk_percent / 100, trafos.vkr_percent / 100 * sn_va
    table["i0"], table["p0"] = trafos.i0_percent / 100, trafos.pfe_kw * 1e3
    clock = trafos.shift_degree / 30.0
    odd_angle = np.flatnonzero(np.abs(clock - np.round(clock)) > 1e-9)
    if len(odd_angle):
        bad = int(odd_angle[0])
        raise GridError(
            f"{trafos.id[bad]}: found a phase shift of {trafos.shift_degree[bad]} degrees; "
            "expected a multiple of 30 (a vector group)"
        )
    hours = np.round(clock).astype(np.int64) % 12
    table["clock"] = hours
    table["winding_from"] = WindingType.wye_n
    table["winding_to"] = np.where(hours % 2 == 1, WindingType.delta, WindingType.wye_n)
    return table


def _loads(count: int) -> NDArray[Any]:
    load = initialize_array(DatasetType.input, ComponentType.sym_load, count)
    load["node"] = np.arange(count)
    load["status"] = 1
    load["type"] = LoadGenType.const_power
    load["p_specified"] = load["q_specified"] = 0.0
    return load


def _source(grid: Grid, point: Ints) -> NDArray[Any]:
    source = initialize_array(DatasetType.input, ComponentType.source, 1)
    source["node"] = point[grid.source.node]
    source["status"] = 1
    source["u_ref"], source["u_ref_angle"] = grid.source.v_pu, 0.0
    source["sk"], source["rx_ratio"] = min(grid.source.sk_mva * 1e6, IDEAL_SK_VA), 0.0
    return source


def _shunts(grid: Grid, point: Ints) -> NDArray[Any]:
    shunts = grid.shunts
    table = initialize_array(DatasetType.input, ComponentType.shunt, len(shunts))
    per_kw = 1e-3 / grid.nodes.vn_kv[shunts.node] ** 2  # siemens that draw 1 kW at nominal voltage
    table["node"], table["status"] = point[shunts.node], 1
    table["g1"], table["b1"] = shunts.p_kw * per_kw, -shunts.q_kvar * per_kw
    return table


def _loading_per_a(grid: Grid) -> Floats:
    """Lines: one over the limit. Transformers: over rated current of that side (nameplate voltage), then the limit."""
    lines, trafos = grid.lines, grid.transformers
    rated_kva = trafos.sn_kva * trafos.loading_max
    high, low = (np.sqrt(3.0) * kv / rated_kva for kv in (trafos.vn_hv_kv, trafos.vn_lv_kv))
    return np.stack([np.concatenate([1.0 / lines.i_a_max, side]) for side in (high, low)])
