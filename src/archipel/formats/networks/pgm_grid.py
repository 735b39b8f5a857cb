"""From power-grid-model's components to our network and devices.

Its units are W, var, V, A, ohm, farad; loads and generators are positive in their own direction. A source's
short-circuit impedance becomes a line from an inner node, so that its resistance and several sources are kept exactly.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from archipel.formats.device_rows import DeviceRows, GeneratorRows, LoadRows, Rows, join, pick
from archipel.formats.findings import did_you_mean
from archipel.formats.imported import Imported
from archipel.formats.loss_report import Totals
from archipel.formats.networks.pgm_json import COMPONENTS
from archipel.formats.networks.reactive import with_reactive
from archipel.formats.pandapower_json import Table, Tables
from archipel.formats.source_columns import Notes, flags, names, numbers, rows_of
from archipel.grid.topology import live
from archipel.model import (
    Bools,
    Floats,
    Grid,
    ImportRefused,
    Lines,
    Nodes,
    Shunts,
    Source,
    Switches,
    Transformers,
)

V_PU_MIN, V_PU_MAX = 0.9, 1.1
SK_VA, RX_RATIO = 1e10, 0.1
"""What power-grid-model takes where a source does not say."""
CONST_POWER, CONST_IMPEDANCE, CONST_CURRENT = 0, 1, 2
MODELLED = ("node", "line", "link", "transformer", "source", "shunt", "sym_load", "sym_gen", "asym_load", "asym_gen")
NOT_ELECTRICAL = ("sensor", "fault")


def from_pgm(tables: Tables) -> Imported:
    """The network and devices. Raises ImportRefused where they make no network."""
    notes = Notes(tables.source)
    source_ = tables["source"]
    nodes, row = _nodes(tables["node"])
    for name, columns in (
        ("line", ("from_node", "to_node")),
        ("link", ("from_node", "to_node")),
        ("transformer", ("from_node", "to_node")),
        *((one, ("node",)) for one in ("source", "shunt", "sym_load", "sym_gen", "asym_load", "asym_gen")),
    ):
        _check_ends(tables[name], columns, row, tables.source)
    lines = _lines(tables["line"], row, notes)
    nodes, lines, source = _source(source_, row, nodes, lines, notes, tables.source)
    shunts, loads = _loads(tables, row, nodes, notes)
    grid = Grid(
        nodes, lines, _transformers(tables["transformer"], row, notes), _links(tables["link"], row, notes), source,
        tables.f_hz, shunts,
    )  # fmt: skip
    if (lines.c_nf != 0.0).any():
        notes.approximated.append(f"the file states no frequency: {tables.f_hz:g} Hz assumed")
    devices = _devices(tables, loads, row, live(grid), notes)
    _unmodelled(tables, notes)
    before = {name: len(table) for name, table in tables.table.items()}
    totals = Totals(
        _sum(tables, ("sym_load", "asym_load"), "p_specified"),
        _sum(tables, ("sym_load", "asym_load"), "q_specified"),
        _sum(tables, ("sym_gen", "asym_gen"), "p_specified"),
    )
    report = notes.report("power-grid-model", before, grid, devices, totals)
    after = {name: count for name, count in report.after.items() if name != "inner"}
    return Imported(grid, devices, ("",) * len(nodes), ("",) * len(lines), replace(report, after=after))


def _nodes(table: Table) -> tuple[Nodes, dict[int, int]]:
    vn_kv = _needed(table, "u_rated", positive=True) / 1e3
    n = len(table)
    nowhere = np.full(n, np.nan)
    return (
        Nodes(
            tuple(f"node/{i}" for i in table.index), tuple(names(table, "name")), vn_kv, np.full(n, V_PU_MIN),
            np.full(n, V_PU_MAX), nowhere, nowhere.copy(),
        ),
        {i: k for k, i in enumerate(table.index)},
    )  # fmt: skip


def _needed(table: Table, column: str, positive: bool = False) -> Floats:
    """A column that every row must state."""
    values = numbers(table, column, np.nan)
    for k in np.flatnonzero(~(values > 0.0) if positive else np.isnan(values))[:1]:
        given = table.column.get(column, (None,) * len(table))[k]
        raise ImportRefused(
            f"{table.name}/{table.index[k]}: {column}: found {'nothing' if given is None else given}; expected a "
            f"{'positive ' if positive else ''}number. Fill in {column}."
        )
    return values


def _check_ends(table: Table, columns: tuple[str, ...], row: dict[int, int], source: str) -> None:
    for column in columns:
        _needed(table, column)
        for k in np.flatnonzero(rows_of(table, column, row) < 0)[:1]:
            given = table.column[column][k]
            raise ImportRefused(
                f"{source}: {table.name}/{table.index[k]}: {column}: found {given}; expected the id of a node. "
                f"{did_you_mean(str(given), map(str, row))}"
            )
    if len(columns) == 2 and len(table):
        a, b = (rows_of(table, column, row) for column in columns)
        for k in np.flatnonzero(a == b)[:1]:
            raise ImportRefused(f"{source}: {table.name}/{table.index[k]}: found both ends at one node; expected two. "
                                "Correct one end.")  # fmt: skip


def _lines(table: Table, row: dict[int, int], notes: Notes) -> Lines:
    r_ohm, x_ohm = _needed(table, "r1"), _needed(table, "x1")
    for k in np.flatnonzero(~(np.hypot(r_ohm, x_ohm) > 0.0) | (r_ohm < 0.0))[:1]:
        raise ImportRefused(
            f"line/{table.index[k]}: found r1 = {r_ohm[k]:g}, x1 = {x_ohm[k]:g}; expected an impedance, r1 at least 0. "
            "Correct it, or make it a link."
        )
    farad, tan = numbers(table, "c1", 0.0), numbers(table, "tan1", 0.0)
    limit = numbers(table, "i_n", np.nan)
    unlimited = ~(limit > 0.0)
    notes.approximate(int(unlimited.sum()), "lines without a rated current: no limit assumed")
    return Lines(
        tuple(f"line/{i}" for i in table.index), tuple(names(table, "name")), rows_of(table, "from_node", row),
        rows_of(table, "to_node", row), r_ohm, x_ohm, farad * 1e9, 2.0 * np.pi * 50.0 * farad * tan * 1e6,
        np.where(unlimited, np.inf, limit), flags(table, "from_status", True), flags(table, "to_status", True),
    )  # fmt: skip


def _links(table: Table, row: dict[int, int], notes: Notes) -> Switches:
    closed = flags(table, "from_status", True) & flags(table, "to_status", True)
    notes.merge(int(closed.sum()), "closed links: node-node switches without impedance")
    ids = tuple(f"link/{i}" for i in table.index)
    to_node = tuple(f"node/{int(i)}" for i in numbers(table, "to_node", -1.0))
    return Switches(ids, tuple(names(table, "name")), rows_of(table, "from_node", row), to_node, closed)


def _transformers(table: Table, row: dict[int, int], notes: Notes) -> Transformers:
    """The side of the higher rated voltage is `hv`; the equivalent circuit is the same seen from either side."""
    u1, u2, sn, uk = (_needed(table, column, positive=True) for column in ("u1", "u2", "sn", "uk"))
    size = numbers(table, "tap_size", 0.0)
    low, high = numbers(table, "tap_min", 0.0), numbers(table, "tap_max", 0.0)
    neutral = numbers(table, "tap_nom", 0.0)
    position = np.where(np.isnan(numbers(table, "tap_pos", np.nan)), neutral, numbers(table, "tap_pos", 0.0))
    moved = np.where(high >= low, 1.0, -1.0) * (position - neutral)
    at_from = numbers(table, "tap_side", 0.0) == 0.0
    varying = ~np.isnan(numbers(table, "uk_min", np.nan)) & (moved != 0.0)
    notes.approximate(int(varying.sum()), "transformers whose impedance follows the tap: that of the nominal tap")
    turned = u1 < u2
    hour = numbers(table, "clock", 0.0)
    from_node, to_node = rows_of(table, "from_node", row), rows_of(table, "to_node", row)
    from_on, to_on = flags(table, "from_status", True), flags(table, "to_status", True)
    return Transformers(
        tuple(f"transformer/{i}" for i in table.index),
        tuple(names(table, "name")),
        np.where(turned, to_node, from_node),
        np.where(turned, from_node, to_node),
        sn / 1e3,
        np.where(turned, u2, u1) / 1e3,
        np.where(turned, u1, u2) / 1e3,
        uk * 100.0,
        numbers(table, "pk", 0.0) / sn * 100.0,
        numbers(table, "p0", 0.0) / 1e3,
        numbers(table, "i0", 0.0) * 100.0,
        np.where(turned, -hour, hour) % 12 * 30.0,
        at_from != turned,
        moved,
        np.zeros(len(table)),
        size / np.where(at_from, u1, u2) * 100.0,
        np.ones(len(table)),
        np.where(turned, to_on, from_on).astype(np.bool_),
        np.where(turned, from_on, to_on).astype(np.bool_),
    )


def _source(
    table: Table, row: dict[int, int], nodes: Nodes, lines: Lines, notes: Notes, file: str
) -> tuple[Nodes, Lines, Source]:
    """An inner node of the ideal voltage, and a line of the short-circuit impedance to every source's node."""
    on, node = flags(table, "status", True), rows_of(table, "node", row)
    at = np.flatnonzero(on)
    notes.drop("source", int((~on).sum()), "out of service")
    if not len(at):
        raise ImportRefused(f"{file}: found no source in service; expected one where the network is fed. Add one.")
    v_pu, angle = _needed(table, "u_ref"), numbers(table, "u_ref_angle", 0.0)
    first = int(at[0])
    alike = [k for k in at if (v_pu[k], angle[k], nodes.vn_kv[node[k]])
             == (v_pu[first], angle[first], nodes.vn_kv[node[first]])]  # fmt: skip
    other = [f"source/{table.index[k]}" for k in at if k not in alike]
    notes.drop("source", len(other), "a further source of another voltage is not modelled", other)
    notes.merge(len(alike) - 1, f"further sources of the voltage of source/{table.index[first]}: fed from one inner "
                "node, each through its own impedance", [f"source/{table.index[k]}" for k in alike[1:]])  # fmt: skip
    notes.approximate(int(angle[first] != 0.0), "voltage angle of the source: set to zero")
    notes.merge(len(alike), "short-circuit impedances of sources: a line each from an inner node")
    sk, rx = numbers(table, "sk", SK_VA)[alike], numbers(table, "rx_ratio", RX_RATIO)[alike]
    for k, value in zip(alike, sk, strict=True):
        if not value > 0.0:
            raise ImportRefused(f"{file}: source/{table.index[k]}: found sk = {value:g}; expected positive "
                                "short-circuit power in VA. Correct it.")  # fmt: skip
    vn_kv = float(nodes.vn_kv[node[first]])
    z_ohm = (vn_kv * 1e3) ** 2 / sk
    x_ohm = z_ohm / np.sqrt(1.0 + rx**2)
    n, zero, shut = len(alike), np.zeros(len(alike)), np.ones(len(alike), dtype=np.bool_)
    inner = len(nodes)
    extra = Lines(
        tuple(f"inner/impedance of source {table.index[k]}" for k in alike), ("",) * n,
        np.full(n, inner, dtype=np.int64), node[alike], x_ohm * rx, x_ohm, zero, zero.copy(), np.full(n, np.inf),
        shut, shut.copy(),
    )  # fmt: skip
    name = f"source/{table.index[first]}"
    whole = Nodes(
        (*nodes.id, f"inner/node of source {table.index[first]}"),
        (*nodes.name, "ideal voltage behind the short-circuit impedance"),
        np.append(nodes.vn_kv, vn_kv),
        np.append(nodes.v_pu_min, V_PU_MIN), np.append(nodes.v_pu_max, V_PU_MAX), np.append(nodes.x, np.nan),
        np.append(nodes.y, np.nan),
    )  # fmt: skip
    return whole, join_lines(lines, extra), Source(name, inner, float(v_pu[first]))


def join_lines(first: Lines, second: Lines) -> Lines:
    """The lines of both."""
    values: dict[str, Any] = {}
    for name in Lines.__dataclass_fields__:
        a, b = getattr(first, name), getattr(second, name)
        values[name] = a + b if isinstance(a, tuple) else np.concatenate([a, b])
    return Lines(**values)


def _loads(tables: Tables, row: dict[int, int], nodes: Nodes, notes: Notes) -> tuple[Shunts, LoadRows]:
    """Shunts, loads of constant impedance among them, and loads of constant power."""
    table = tables["shunt"]
    at, node = np.flatnonzero(flags(table, "status", True)), rows_of(table, "node", row)
    notes.drop("shunt", len(table) - len(at), "out of service")
    per_siemens = 1e3 * nodes.vn_kv[node[at]] ** 2
    ids = [f"shunt/{table.index[k]}" for k in at]
    where, p, q = (
        [node[at]],
        [numbers(table, "g1", 0.0)[at] * per_siemens],
        [-numbers(table, "b1", 0.0)[at] * per_siemens],
    )
    load = LoadRows()
    for name in ("sym_load", "asym_load"):
        table = tables[name]
        on, kind, node = flags(table, "status", True), numbers(table, "type", 0.0), rows_of(table, "node", row)
        notes.drop(name, int((~on).sum()), "out of service")
        notes.approximate(int((on & (kind == CONST_CURRENT)).sum()), f"{name}s of constant current: constant power")
        if name == "asym_load":
            notes.approximate(int(on.sum()), "asymmetric loads: the sum of their phases, balanced")
        p_kw, q_kvar = (_specified(table, f"{x}_specified") / 1e3 for x in "pq")
        still = np.flatnonzero(on & (kind == CONST_IMPEDANCE))
        notes.merge(len(still), f"{name}s of constant impedance: shunts, which draw the same")
        ids += [f"{name}/{table.index[k]}" for k in still]
        where, p, q = [*where, node[still]], [*p, p_kw[still]], [*q, q_kvar[still]]
        at = np.flatnonzero(on & (kind != CONST_IMPEDANCE))
        load = join(load, LoadRows(tuple(f"{name}/{table.index[k]}" for k in at), node[at], p_kw[at], q_kvar[at],
                                   ("",) * len(at)))  # fmt: skip
    return Shunts(tuple(ids), ("",) * len(ids), np.concatenate(where), np.concatenate(p), np.concatenate(q)), load


def _specified(table: Table, column: str) -> Floats:
    """A power [W]; of three phases their sum."""
    if not table.name.startswith("asym"):
        return numbers(table, column, 0.0)
    found = []
    for i, cell in zip(table.index, table.column.get(column, ("[0]",) * len(table)), strict=True):
        try:
            phases = json.loads(cell) if isinstance(cell, str) else [cell]
            found.append(float(sum(phase or 0.0 for phase in phases)))
        except (ValueError, TypeError) as error:
            raise ImportRefused(
                f"{table.name}/{i}: {column}: found {cell!r}; expected three numbers. Correct it."
            ) from error
    return np.array(found, dtype=np.float64)


def _sum(tables: Tables, kinds: tuple[str, ...], column: str) -> float:
    return sum(
        float(_specified(tables[name], column)[flags(tables[name], "status", True)].sum()) / 1e3 for name in kinds
    )


def _devices(tables: Tables, load: LoadRows, row: dict[int, int], fed: Bools, notes: Notes) -> DeviceRows:
    made, drawn = GeneratorRows(), [np.zeros(0)]
    for name in ("sym_gen", "asym_gen"):
        table = tables[name]
        on, node = flags(table, "status", True), rows_of(table, "node", row)
        notes.drop(name, int((~on).sum()), "out of service")
        at = np.flatnonzero(on)
        p_kw, q_kvar = (_specified(table, f"{x}_specified")[at] / 1e3 for x in "pq")
        notes.approximate(len(at), f"{name}s of a kind the file does not state: biomass, constant power")
        drawing = np.flatnonzero(p_kw < 0.0)
        if len(drawing):
            raise ImportRefused(
                f"{name}/{table.index[at[drawing[0]]]}: p_specified: found a negative generation; expected at least 0. "
                "Make it a sym_load."
            )
        made = join(made, GeneratorRows(tuple(f"{name}/{table.index[k]}" for k in at), node[at], p_kw,
                                        np.maximum(p_kw, 1e-3), ("",) * len(at), ("biomass",) * len(at)))  # fmt: skip
        drawn.append(-q_kvar)
    load = with_reactive(load, made, np.concatenate(drawn), notes)
    return DeviceRows(load=_fed(load, fed, notes), generator=_fed(made, fed, notes))


def _fed(rows: Rows, fed: Bools, notes: Notes) -> Rows:
    """The rows at live nodes."""
    keep = fed[rows.node] if len(rows.id) else np.zeros(0, dtype=np.bool_)
    dead = [rows.id[k] for k in np.flatnonzero(~keep)]
    notes.drop("device", len(dead), "at a dead node (no closed way to the source)", dead)
    return pick(rows, keep)


def _unmodelled(tables: Tables, notes: Notes) -> None:
    for name, table in tables.table.items():
        ids = [f"{name}/{i}" for i in table.index]
        if name not in COMPONENTS:
            notes.unknown.append(f"{len(table):,} x {name}")
        elif any(word in name for word in NOT_ELECTRICAL):
            notes.drop(name, len(table), "no part of the network")
        elif name.endswith("regulator"):
            notes.drop(name, len(table), "regulators stand still: taps and voltages are those of the file", ids)
        elif name not in MODELLED:
            notes.drop(name, len(table), "not modelled; its effect on the network is missing", ids)
