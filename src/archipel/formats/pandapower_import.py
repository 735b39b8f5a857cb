"""From the tables of a pandapower file to our network and device rows, with an account of every loss.

pandapower counts in MW, MVAr, kV and kA and gives generators and loads positive signs of their own; both end here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from archipel.formats.imported import Imported
from archipel.formats.loss_report import Totals
from archipel.formats.pandapower_devices import read_devices
from archipel.formats.pandapower_json import Table, Tables, read_tables
from archipel.formats.source_columns import Notes, flags, names, numbers, rows_of, whole
from archipel.formats.source_joins import Joins, join_sources, with_joins
from archipel.grid.topology import live
from archipel.model import Bools, Grid, ImportRefused, Ints, Lines, Nodes, Shunts, Source, Switches, Transformers

V_PU_MIN, V_PU_MAX = 0.9, 1.1
"""Voltage limits where the source gives none [pu] (EN 50160)."""

MODELLED = ("bus", "line", "trafo", "switch", "ext_grid", "shunt")
DEVICES = ("load", "asymmetric_load", "sgen", "gen", "storage")
NOT_ELECTRICAL = {
    "measurement": "measurements are not part of a network model",
    "substation": "names of substations only",
    "loadcases": "planning cases of the source",
    "bus_geodata": "old style coordinates",
    "line_geodata": "old style coordinates",
    "poly_cost": "costs of an optimal power flow",
    "pwl_cost": "costs of an optimal power flow",
    "controller": "controllers are code",
    "group": "groupings only",
}


def import_pandapower(path: Path) -> Imported:
    """Read a pandapower network (`.json`, `.json.gz`). Raises ImportRefused with the reason."""
    return from_tables(read_tables(path))


def from_tables(source: Tables) -> Imported:
    """The network and devices of plain tables. Raises ImportRefused where they make no network."""
    notes = Notes(source.source)
    nodes, row = _nodes(source["bus"], notes)
    end_open = _ends_opened(source["switch"])
    lines, line_area = _lines(source["line"], row, end_open, source.f_hz, notes)
    transformers = _transformers(source["trafo"], row, end_open, notes)
    upstream, joined = _source(source, row, nodes, notes)
    grid = Grid(
        nodes,
        lines,
        transformers,
        with_joins(_switches(source["switch"], row, lines, transformers, notes), joined, nodes),
        upstream,
        source.f_hz,
        _shunts(source["shunt"], row, nodes, notes),
    )
    devices = read_devices(source, row, live(grid), notes)
    _unmodelled(source, notes)
    area = names(source["bus"], "subnet")
    node_area = tuple(area[i] for i in np.flatnonzero(flags(source["bus"], "in_service", True)))
    return Imported(
        grid,
        devices,
        node_area,
        line_area,
        notes.report("pandapower", _before(source), grid, devices, _in_source(source)),
    )


def _nodes(table: Table, notes: Notes) -> tuple[Nodes, dict[int, int]]:
    keep = np.flatnonzero(flags(table, "in_service", True))
    notes.drop("bus", len(table) - len(keep), "out of service")
    low, high = numbers(table, "min_vm_pu", V_PU_MIN)[keep], numbers(table, "max_vm_pu", V_PU_MAX)[keep]
    for column, default in (("min_vm_pu", V_PU_MIN), ("max_vm_pu", V_PU_MAX)):
        missing = int(np.isnan(numbers(table, column, np.nan)[keep]).sum())
        notes.approximate(missing, f"nodes without {column}: {default} pu assumed")
    vn_kv = numbers(table, "vn_kv", np.nan)[keep]
    if not np.all(vn_kv > 0.0):
        bad = table.index[keep[int(np.flatnonzero(~(vn_kv > 0.0))[0])]]
        raise ImportRefused(f"{table.name}/{bad} has no positive vn_kv; every node needs its nominal voltage in kV.")
    places = [_place(text) for text in names(table, "geo")]
    name = names(table, "name")
    nodes = Nodes(
        tuple(f"bus/{table.index[i]}" for i in keep),
        tuple(name[i] for i in keep),
        vn_kv,
        low,
        high,
        np.array([places[i][0] for i in keep]),
        np.array([places[i][1] for i in keep]),
    )
    return nodes, {table.index[i]: r for r, i in enumerate(keep)}


def _place(text: str) -> tuple[float, float]:
    """Coordinates of a GeoJSON point; NaN when there is none that can be read."""
    nowhere = (float("nan"), float("nan"))
    if not text:
        return nowhere
    try:
        x, y = json.loads(text)["coordinates"]
        return float(x), float(y)
    except (ValueError, TypeError, KeyError, RecursionError):
        return nowhere


def _ends_opened(table: Table) -> set[tuple[str, int, int]]:
    """(element kind, element, bus) of every open switch on a line or transformer."""
    kind, closed = names(table, "et"), flags(table, "closed", True)
    bus, element = whole(table, "bus"), whole(table, "element")
    return {
        (kind[i], int(element[i]), int(bus[i])) for i in range(len(table)) if kind[i] in {"l", "t"} and not closed[i]
    }


def _lines(
    table: Table, row: dict[int, int], opened: set[tuple[str, int, int]], f_hz: float, notes: Notes
) -> tuple[Lines, tuple[str, ...]]:
    keep, start, end = _placed(table, "from_bus", "to_bus", row, notes)
    parallel = numbers(table, "parallel", 1.0)[keep]
    km = numbers(table, "length_km", np.nan)[keep]
    limit = numbers(table, "max_loading_percent", 100.0)[keep] / 100.0
    notes.merge(int((parallel > 1).sum()), "lines of several parallel systems, folded into one")
    unlimited = ~(numbers(table, "max_i_ka", 0.0)[keep] > 0.0)
    notes.approximate(int(unlimited.sum()), "lines without a current limit: no limit assumed")
    ampere = numbers(table, "max_i_ka", np.inf)[keep] * 1000.0 * numbers(table, "df", 1.0)[keep] * parallel * limit
    r_ohm = numbers(table, "r_ohm_per_km", np.nan)[keep] * km / parallel
    x_ohm = numbers(table, "x_ohm_per_km", np.nan)[keep] * km / parallel
    bad = np.flatnonzero(~(np.hypot(r_ohm, x_ohm) > 0.0))
    if len(bad):
        raise ImportRefused(
            f"line/{table.index[keep[bad[0]]]} has no impedance (length_km, r_ohm_per_km, x_ohm_per_km are zero or "
            "missing); join its nodes with a closed bus-bus switch instead."
        )
    name, area = names(table, "name"), names(table, "subnet")
    lines = Lines(
        tuple(f"line/{table.index[i]}" for i in keep),
        tuple(name[i] for i in keep),
        start,
        end,
        r_ohm,
        x_ohm,
        numbers(table, "c_nf_per_km", 0.0)[keep] * km * parallel,
        numbers(table, "g_us_per_km", 0.0)[keep] * km * parallel,
        np.where(unlimited, np.inf, ampere),
        _closed(table, keep, "l", "from_bus", opened),
        _closed(table, keep, "l", "to_bus", opened),
    )
    return lines, tuple(area[i] for i in keep)


def _transformers(table: Table, row: dict[int, int], opened: set[tuple[str, int, int]], notes: Notes) -> Transformers:
    keep, hv, lv = _placed(table, "hv_bus", "lv_bus", row, notes)
    parallel = numbers(table, "parallel", 1.0)[keep]
    notes.merge(int((parallel > 1).sum()), "transformers of several parallel units, folded into one")
    side = names(table, "tap_side")
    neutral = numbers(table, "tap_neutral", 0.0)[keep]
    # Without a position or a side the tap changer stands at neutral.
    position = numbers(table, "tap_pos", np.nan)[keep]
    sided = np.array([side[i] in {"hv", "lv"} for i in keep], dtype=np.bool_)
    position = np.where(np.isnan(position) | ~sided, neutral, position)
    moved = position != neutral
    degree = numbers(table, "tap_step_degree", 0.0)[keep]
    notes.approximate(int((moved & (degree != 0.0)).sum()), "phase-shifting tap changers: only their ratio is kept")
    kind = names(table, "tap_changer_type")
    other = np.array([kind[i] not in {"", "Ratio", "None"} for i in keep], dtype=np.bool_)
    notes.approximate(int((moved & other).sum()), "tap changers of another type than Ratio: treated as Ratio")
    second = numbers(table, "tap2_pos", np.nan)[keep] != numbers(table, "tap2_neutral", np.nan)[keep]
    notes.approximate(
        int((second & ~np.isnan(numbers(table, "tap2_pos", np.nan)[keep])).sum()), "second tap changers: left neutral"
    )
    step = numbers(table, "tap_step_percent", 0.0)[keep]
    sn_kva = numbers(table, "sn_mva", np.nan)[keep] * 1000.0 * parallel
    vk = numbers(table, "vk_percent", np.nan)[keep]
    for value, column in ((sn_kva, "sn_mva"), (vk, "vk_percent")):
        bad = np.flatnonzero(~(value > 0.0))
        if len(bad):
            raise ImportRefused(f"trafo/{table.index[keep[bad[0]]]} has no positive {column}; it cannot be modelled.")
    name = names(table, "name")
    return Transformers(
        tuple(f"trafo/{table.index[i]}" for i in keep),
        tuple(name[i] for i in keep),
        hv,
        lv,
        sn_kva,
        numbers(table, "vn_hv_kv", np.nan)[keep],
        numbers(table, "vn_lv_kv", np.nan)[keep],
        vk,
        numbers(table, "vkr_percent", 0.0)[keep],
        numbers(table, "pfe_kw", 0.0)[keep] * parallel,
        numbers(table, "i0_percent", 0.0)[keep],
        numbers(table, "shift_degree", 0.0)[keep],
        np.array([side[i] != "lv" for i in keep], dtype=np.bool_),
        position,
        neutral,
        step,
        numbers(table, "max_loading_percent", 100.0)[keep] / 100.0 * numbers(table, "df", 1.0)[keep],
        _closed(table, keep, "t", "hv_bus", opened),
        _closed(table, keep, "t", "lv_bus", opened),
    )


def _placed(table: Table, first: str, second: str, row: dict[int, int], notes: Notes) -> tuple[Ints, Ints, Ints]:
    """Rows of branches that are in service and whose ends exist, and the node rows of both ends."""
    service = flags(table, "in_service", True)
    notes.drop(table.name, int((~service).sum()), "out of service")
    a, b = rows_of(table, first, row), rows_of(table, second, row)
    placed = (a >= 0) & (b >= 0)
    notes.drop(table.name, int((service & ~placed).sum()), "at a node that is out of service or missing")
    keep = np.flatnonzero(service & placed).astype(np.int64)
    return keep, a[keep], b[keep]


def _closed(table: Table, keep: Ints, kind: str, column: str, opened: set[tuple[str, int, int]]) -> Bools:
    bus = whole(table, column)
    return np.array([(kind, table.index[i], int(bus[i])) not in opened for i in keep], dtype=np.bool_)


def _switches(table: Table, row: dict[int, int], lines: Lines, transformers: Transformers, notes: Notes) -> Switches:
    kind = names(table, "et")
    prefix = {"b": "bus", "l": "line", "t": "trafo"}
    known = {f"bus/{i}" for i in row} | set(lines.id) | set(transformers.id)
    node, other = rows_of(table, "bus", row), whole(table, "element")
    element = [f"{prefix.get(kind[i], kind[i])}/{int(other[i])}" for i in range(len(table))]
    keep = [i for i in range(len(table)) if node[i] >= 0 and element[i] in known]
    notes.drop("switch", len(table) - len(keep), "on elements that were dropped")
    closed, name = flags(table, "closed", True), names(table, "name")
    resisting = sum(bool(numbers(table, "z_ohm", 0.0)[i] > 0.0) for i in keep if kind[i] == "b")
    notes.approximate(resisting, "node-node switches with an impedance: joined without impedance")
    fused = sum(kind[i] == "b" and bool(closed[i]) for i in keep)
    notes.merge(fused, "closed node-node switches: their nodes are one electrical point (ids of both are kept)")
    return Switches(
        tuple(f"switch/{table.index[i]}" for i in keep),
        tuple(name[i] for i in keep),
        node[keep].astype(np.int64),
        tuple(element[i] for i in keep),
        closed[keep],
    )


def _source(source: Tables, row: dict[int, int], nodes: Nodes, notes: Notes) -> tuple[Source, Joins]:
    """The upstream grid, and further ones of the same voltage to be joined with it."""
    table = source["ext_grid"]
    node = rows_of(table, "bus", row)
    usable = np.flatnonzero(flags(table, "in_service", True) & (node >= 0))
    if not len(usable):
        raise ImportRefused(
            f"{source.source} has no upstream grid in service (table ext_grid); add one where the network is fed."
        )
    notes.drop("ext_grid", len(table) - len(usable), "out of service")
    v_pu, angle = numbers(table, "vm_pu", 1.0), numbers(table, "va_degree", 0.0)
    k = int(usable[0])
    alike = [
        i for i in usable[1:] if (v_pu[i], angle[i], nodes.vn_kv[node[i]]) == (v_pu[k], angle[k], nodes.vn_kv[node[k]])
    ]
    joined = join_sources(f"ext_grid/{table.index[k]}", int(node[k]),
                          [(f"ext_grid/{table.index[i]}", int(node[i])) for i in alike], notes)  # fmt: skip
    notes.drop("ext_grid", len(usable) - 1 - len(alike), "a further upstream grid of another voltage is not modelled",
               [f"ext_grid/{table.index[i]}" for i in usable[1:] if i not in alike])  # fmt: skip
    notes.approximate(int(angle[k] != 0.0), "voltage angle of the upstream grid: set to zero")
    return Source(f"ext_grid/{table.index[k]}", int(node[k]), float(v_pu[k])), joined


def _shunts(table: Table, row: dict[int, int], nodes: Nodes, notes: Notes) -> Shunts:
    service, node = flags(table, "in_service", True), rows_of(table, "bus", row)
    notes.drop("shunt", int((~service).sum()), "out of service")
    notes.drop("shunt", int((service & (node < 0)).sum()), "at a node that is out of service or missing")
    keep = np.flatnonzero(service & (node >= 0)).astype(np.int64)
    vn_kv = nodes.vn_kv[node[keep]]
    rated = numbers(table, "vn_kv", np.nan)[keep]
    kilo = 1e3 * numbers(table, "step", 1.0)[keep] * np.square(vn_kv / np.where(rated > 0.0, rated, vn_kv))
    name = names(table, "name")
    return Shunts(
        tuple(f"shunt/{table.index[i]}" for i in keep),
        tuple(name[i] for i in keep),
        node[keep],
        numbers(table, "p_mw", 0.0)[keep] * kilo,
        numbers(table, "q_mvar", 0.0)[keep] * kilo,
    )


def _unmodelled(source: Tables, notes: Notes) -> None:
    for name, table in source.table.items():
        if name not in MODELLED + DEVICES and len(table):
            notes.drop(name, len(table), NOT_ELECTRICAL.get(name, "not modelled; its effect on the network is missing"))


def _before(source: Tables) -> dict[str, int]:
    return {name: len(table) for name, table in source.table.items() if len(table)}


def _in_source(source: Tables) -> Totals:
    """Sums over all that is in service, whether it is kept or not."""
    load, unbalanced, sgen, gen = (source[name] for name in ("load", "asymmetric_load", "sgen", "gen"))
    phases = [_kilo(unbalanced, f"{letter}_{phase}_{unit}") for letter, unit in (("p", "mw"), ("q", "mvar"))
              for phase in "abc"]  # fmt: skip
    return Totals(
        _kilo(load, "p_mw") + sum(phases[:3]),
        _kilo(load, "q_mvar") + sum(phases[3:]),
        _kilo(sgen, "p_mw") + _kilo(gen, "p_mw"),
        _kilo(source["storage"], "max_e_mwh"),
    )


def _kilo(table: Table, column: str) -> float:
    service = flags(table, "in_service", True)
    return float(np.sum((numbers(table, column, 0.0) * numbers(table, "scaling", 1.0))[service]) * 1000.0)


def with_voltage_difference(imported: Imported, dv_pu_max: float) -> Imported:
    """The same import whose report states the difference against the source's own engine."""
    return replace(imported, report=replace(imported.report, dv_pu_max=dv_pu_max))
