"""From pypowsybl's tables of a network to ours.

Nodes are the buses of its bus-breaker view, so that switches that are retained stay switches. Its branches are pi
equivalents in ohm and siemens; a transformer is an ideal one at side 1, a shunt behind it, and a series impedance at
side 2 (powsybl documentation, "Grid model"). What does not fit ours stands beside a branch as shunts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from archipel.formats.device_rows import DeviceRows, GeneratorRows, LoadRows
from archipel.formats.imported import Imported
from archipel.formats.loss_report import Totals
from archipel.formats.networks.reactive import with_reactive
from archipel.formats.source_columns import Notes
from archipel.grid.topology import live
from archipel.model import (
    Bools,
    Floats,
    Grid,
    ImportRefused,
    Ints,
    Lines,
    Nodes,
    Shunts,
    Source,
    Switches,
    Transformers,
)

V_PU_MIN, V_PU_MAX = 0.9, 1.1
F_HZ = 50.0
NO_LIMIT = 1e6
RATED_MVA = 100.0
"""Base for the impedance of a transformer without a rating."""
DROPPED = (
    ("get_boundary_lines", "boundary line", "what lies beyond the boundary is not modelled; give its power as a load"),
    ("get_tie_lines", "tie line", "not modelled"),
    ("get_hvdc_lines", "HVDC line", "not modelled"),
    ("get_static_var_compensators", "static var compensator", "not modelled; its reactive power is missing"),
    ("get_vsc_converter_stations", "VSC station", "not modelled"),
    ("get_lcc_converter_stations", "LCC station", "not modelled"),
    ("get_batteries", "battery", "the file states no energy; add it to batteries.csv"),
)


@final
@dataclass(frozen=True, slots=True)
class Slack:
    """Where the network is fed."""

    id: str
    """The generator that feeds it."""
    bus: str
    view_bus: str
    """Its bus in the bus-breaker view, and in the bus view."""
    v_kv: float
    chosen: str
    """How it was found."""


class _Frame:
    """A table of pypowsybl as arrays."""

    def __init__(self, frame: Any) -> None:
        self.id: tuple[str, ...] = tuple(str(i) for i in frame.index)
        self._frame = frame

    def __len__(self) -> int:
        return len(self.id)

    def text(self, column: str) -> list[str]:
        return [str(cell) for cell in self._frame[column]]

    def number(self, column: str) -> Floats:
        return np.asarray(self._frame[column], dtype=np.float64)

    def flag(self, column: str) -> Bools:
        return np.asarray(self._frame[column], dtype=np.bool_)


def slack_of(network: Any, source: str) -> Slack:
    """The generator with the first reference priority, else the largest one that holds its voltage."""
    made = _Frame(network.get_generators(all_attributes=True))
    holding = made.flag("voltage_regulator_on") & made.flag("connected") & (made.number("target_v") > 0.0)
    if not holding.any():
        raise ImportRefused(
            f"{source}: found no generator or external injection in service that holds a voltage; expected one where "
            "the network is fed. Give one a RegulatingControl with a target voltage, in the SSH profile too."
        )
    priority = np.full(len(made), np.inf)
    try:
        known = network.get_extensions("referencePriorities")
    except Exception:  # an older library knows no such extension
        known = None
    if known is not None and len(known):
        for one, rank in zip(known.index, known["priority"], strict=True):
            key = one[0] if isinstance(one, tuple) else one
            if key in made.id and rank > 0:
                priority[made.id.index(key)] = rank
    size = np.where(np.abs(made.number("max_p")) < 1e6, made.number("max_p"), 1e6)
    best = min(np.flatnonzero(holding), key=lambda i: (priority[i], -size[i], made.id[i]))
    chosen = (
        "by its reference priority"
        if np.isfinite(priority[best])
        else "the file names no slack: the largest generator that holds its voltage"
    )
    return Slack(made.id[best], made.text("bus_breaker_bus_id")[best], made.text("bus_id")[best],
                 float(made.number("target_v")[best]), chosen)  # fmt: skip


def from_network(network: Any, source: str) -> Imported:
    """The network and devices. Raises ImportRefused where they make no network."""
    notes = Notes(source)
    nodes, row = _nodes(network, notes)
    slack = slack_of(network, source)
    lines, odd = _lines(_Frame(network.get_lines(all_attributes=True)), row, nodes, notes)
    transformers, magnetising, extra = _transformers(network, row, nodes, notes)
    nodes = _more_nodes(nodes, extra)
    limits_a = _limits(network)
    lines = _limited(lines, limits_a, notes)
    v_pu = slack.v_kv / float(nodes.vn_kv[row[slack.bus]])
    notes.approximated.append(f"fed at generator {slack.id} ({slack.chosen}), which becomes the upstream grid")
    grid = Grid(
        nodes,
        lines,
        transformers,
        _switches(network, row, notes),
        Source(f"generator/{slack.id}", row[slack.bus], v_pu),
        F_HZ,
        _shunts(network, row, nodes, [*odd, *magnetising], notes),
    )
    devices = _devices(network, row, live(grid), slack, notes)
    before = _counts(network, notes)
    load, made = _Frame(network.get_loads(all_attributes=True)), _Frame(network.get_generators(all_attributes=True))
    on, feeding = load.flag("connected"), np.array([one == slack.id for one in made.id], dtype=np.bool_)
    totals = Totals(
        1e3 * float(load.number("p0")[on].sum()),
        1e3 * float(load.number("q0")[on].sum()),
        1e3 * float(made.number("target_p")[made.flag("connected") & ~feeding].sum()),
    )
    report = notes.report("cgmes", before, grid, devices, totals, "pypowsybl's load flow")
    return Imported(grid, devices, ("",) * len(nodes), ("",) * len(lines), report)


def _nodes(network: Any, notes: Notes) -> tuple[Nodes, dict[str, int]]:
    buses = _Frame(network.get_bus_breaker_view_buses(all_attributes=True))
    levels = _Frame(network.get_voltage_levels(all_attributes=True))
    level = {one: i for i, one in enumerate(levels.id)}
    at = np.array([level[one] for one in buses.text("voltage_level_id")], dtype=np.int64)
    vn_kv = levels.number("nominal_v")[at]
    low, high = levels.number("low_voltage_limit")[at] / vn_kv, levels.number("high_voltage_limit")[at] / vn_kv
    unusable = ~((low > 0.0) & (high < 2.0) & (low < high))
    notes.approximate(int(unusable.sum()), f"nodes without usable voltage limits: {V_PU_MIN} to {V_PU_MAX} pu assumed")
    low[unusable], high[unusable] = V_PU_MIN, V_PU_MAX
    nowhere = np.full(len(buses), np.nan)
    nodes = Nodes(tuple(f"bus/{i}" for i in buses.id), tuple(buses.text("name")), vn_kv, low, high, nowhere,
                  nowhere.copy())  # fmt: skip
    return nodes, {one: i for i, one in enumerate(buses.id)}


def _ends(frame: _Frame, row: dict[str, int], sides: Sequence[str] = ("1", "2")) -> tuple[list[Ints], list[Bools]]:
    at = [np.array([row.get(one, -1) for one in frame.text(f"bus_breaker_bus{s}_id")], dtype=np.int64) for s in sides]
    return at, [frame.flag(f"connected{s}") for s in sides]


Beside = tuple[str, int, float, float]
"""A shunt beside a branch: id, node row, conductance and susceptance [S]."""


def _lines(frame: _Frame, row: dict[str, int], nodes: Nodes, notes: Notes) -> tuple[Lines, list[Beside]]:
    (a, b), (on_a, on_b) = _ends(frame, row)
    r_ohm, x_ohm = frame.number("r"), frame.number("x")
    placed = (a >= 0) & (b >= 0) & (a != b)
    notes.drop("line", int((~placed).sum()), "without two nodes", [frame.id[i] for i in np.flatnonzero(~placed)])
    placed &= ~_crossing(a, b, nodes)
    bare = placed & ~(np.hypot(r_ohm, x_ohm) > 0.0)
    if bare.any():
        raise ImportRefused(f"{notes.source}: line {frame.id[int(np.argmax(bare))]}: found r = 0 and x = 0; expected "
                            "an impedance. Make it a switch.")  # fmt: skip
    keep = np.flatnonzero(placed)
    siemens = np.stack([frame.number(f"b{k}") for k in "12"])[:, keep]
    conductance = np.stack([frame.number(f"g{k}") for k in "12"])[:, keep]
    even_b, even_g = np.maximum(siemens.min(axis=0), 0.0), np.maximum(conductance.min(axis=0), 0.0)
    beside: list[Beside] = []
    for k, i in enumerate(keep):
        for end, node, on in ((0, a[i], on_a[i]), (1, b[i], on_b[i])):
            g, s = float(conductance[end, k] - even_g[k]), float(siemens[end, k] - even_b[k])
            if (g or s) and on:
                beside.append((f"charging/{frame.id[i]}/{end + 1}", int(node), g, s))
    n = len(keep)
    lines = Lines(
        tuple(f"line/{frame.id[i]}" for i in keep), tuple(frame.text("name")[i] for i in keep), a[keep], b[keep],
        r_ohm[keep], x_ohm[keep], 2.0 * even_b / (2.0 * np.pi * F_HZ) * 1e9, 2.0 * even_g * 1e6, np.full(n, np.inf),
        on_a[keep], on_b[keep],
    )  # fmt: skip
    return lines, beside


def _limits(network: Any) -> dict[str, float]:
    """The smallest permanent current limit of every branch [A]."""
    found: dict[str, float] = {}
    # the newer name of the two
    method = getattr(network, "get_loading_limits", None) or network.get_operational_limits
    frame = method(all_attributes=True).reset_index()
    if not len(frame):
        return found
    for one, kind, duration, value in zip(
        frame["element_id"], frame["type"], frame["acceptable_duration"], frame["value"], strict=True
    ):
        if str(kind) == "CURRENT" and int(duration) == -1 and 0.0 < float(value) < 1e9:
            found[str(one)] = min(found.get(str(one), np.inf), float(value))
    return found


def _limited(lines: Lines, limits_a: dict[str, float], notes: Notes) -> Lines:
    ampere = np.array([limits_a.get(one.removeprefix("line/"), np.inf) for one in lines.id])
    notes.approximate(int(np.isinf(ampere).sum()), "lines without a permanent current limit: no limit assumed")
    columns = {name: getattr(lines, name) for name in Lines.__dataclass_fields__}
    return Lines(**(columns | {"i_a_max": ampere}))


def _transformers(
    network: Any, row: dict[str, int], nodes: Nodes, notes: Notes
) -> tuple[Transformers, list[Beside], list[tuple[str, float]]]:
    """Two-winding transformers, and three-winding ones as three from an inner node; the inner nodes by id and kV."""
    rows: list[tuple[Any, ...]] = []
    two = _Frame(network.get_2_windings_transformers(all_attributes=True))
    (a, b), (on_a, on_b) = _ends(two, row)
    columns = [two.number(f"{name}_at_current_tap") for name in "rxgb"]
    for i, one in enumerate(two.id):
        rows.append((f"trafo/{one}", two.text("name")[i], a[i], b[i], on_a[i], on_b[i],
                     float(two.number("rated_u2")[i]), float(two.number("rho")[i]), float(two.number("alpha")[i]),
                     float(two.number("rated_s")[i]),
                     *(float(c[i]) for c in columns)))  # fmt: skip
    bridges, charging = _bridges(_Frame(network.get_lines(all_attributes=True)), row, nodes, notes)
    rows += bridges
    three = _Frame(network.get_3_windings_transformers(all_attributes=True))
    inner: list[tuple[str, float]] = []
    for i, one in enumerate(three.id):
        star = len(nodes) + len(inner)
        inner.append((f"inner/star of {one}", float(three.number("rated_u0")[i])))
        for leg in "123":
            ends, on = _ends(three, row, (leg,))
            columns = [three.number(f"{name}{leg}_at_current_tap") for name in "rxgb"]
            rows.append((f"trafo3w/{one}/{leg}", three.text("name")[i], ends[0][i], star, on[0][i], True,
                         float(three.number("rated_u0")[i]), float(three.number(f"rho{leg}")[i]),
                         float(three.number(f"alpha{leg}")[i]), float(three.number(f"rated_s{leg}")[i]),
                         *(float(c[i]) for c in columns)))  # fmt: skip
    notes.approximate(len(three), "three-winding transformers: three two-winding ones from an inner node each")
    transformers, beside = _two_winding(rows, nodes, inner, notes)
    return transformers, [*beside, *charging], inner


def _crossing(a: Ints, b: Ints, nodes: Nodes) -> Bools:
    """Which branches join nodes of different nominal voltage."""
    return np.asarray((a >= 0) & (b >= 0) & (nodes.vn_kv[a] != nodes.vn_kv[b]), dtype=np.bool_)


def _bridges(
    frame: _Frame, row: dict[str, int], nodes: Nodes, notes: Notes
) -> tuple[list[tuple[Any, ...]], list[Beside]]:
    """Lines between nodes of different nominal voltage, as transformers whose sides have one rated voltage."""
    (a, b), (on_a, on_b) = _ends(frame, row)
    at = np.flatnonzero(_crossing(a, b, nodes))
    columns = [frame.number(name) for name in "rx"]
    notes.merge(len(at), "lines between nodes of different nominal voltage: transformers whose sides have one rated "
                "voltage", [frame.id[i] for i in at])  # fmt: skip
    (g1, b1), (g2, b2) = ((frame.number(f"g{k}"), frame.number(f"b{k}")) for k in "12")
    rows = [
        (f"line/{frame.id[i]}", frame.text("name")[i], a[i], b[i], on_a[i], on_b[i], float(nodes.vn_kv[b[i]]), 1.0, 0.0,
         0.0, *(float(c[i]) for c in columns), float(g1[i]), float(b1[i]))
        for i in at
    ]  # fmt: skip
    beside = [(f"charging/{frame.id[i]}/2", int(b[i]), float(g2[i]), float(b2[i])) for i in at if on_b[i]]
    return rows, beside


def _two_winding(
    rows: list[tuple[Any, ...]], nodes: Nodes, inner: list[tuple[str, float]], notes: Notes
) -> tuple[Transformers, list[Beside]]:
    beside: list[Beside] = []
    kept: list[tuple[Any, ...]] = []
    odd: list[str] = []
    vn_kv = np.append(nodes.vn_kv, [kv for _, kv in inner])
    for name, label, a, b, on_a, on_b, u2, rho, alpha, rated, r, x, g, s in rows:
        if a < 0 or b < 0:
            notes.drop("trafo", 1, "without two nodes", [name])
            continue
        if x < 0.0 or r < 0.0 or not np.hypot(r, x) > 0.0:
            raise ImportRefused(
                f"{notes.source}: {name}: found r = {r:g}, x = {x:g} ohm; expected positive ones. "
                "Replace the transformer by one with a positive short-circuit impedance."
            )
        if (g or s) and on_a:
            beside.append((f"magnetising/{name}", int(a), g * rho**2, s * rho**2))
        if abs(alpha / 30.0 - round(alpha / 30.0)) > 1e-6:
            odd.append(name)
            alpha = 0.0  # noqa: PLW2901 - only the ratio is kept
        sn_mva = rated if rated > 0.0 else RATED_MVA
        percent = 100.0 * sn_mva / u2**2
        turned = vn_kv[a] < vn_kv[b]
        high, low = (u2, u2 / rho) if turned else (u2 / rho, u2)
        ends = (b, a, bool(on_b), bool(on_a)) if turned else (a, b, bool(on_a), bool(on_b))
        kept.append((name, label, *ends, sn_mva * 1e3, high, low, percent * np.hypot(r, x), percent * r,
                     alpha if turned else -alpha, 1.0 if rated > 0.0 else NO_LIMIT))  # fmt: skip
    notes.approximate(len(odd), "phase shifters of other than multiples of 30 degrees: only their ratio is kept", odd)
    notes.approximate(sum(one[-1] == NO_LIMIT for one in kept), "transformers without a rating: no limit assumed")
    column = list(zip(*kept, strict=True)) if kept else [()] * 13
    number = [np.array(column[k], dtype=np.float64) for k in range(6, 13)]
    zero = np.zeros(len(kept))
    transformers = Transformers(
        tuple(column[0]), tuple(column[1]), np.array(column[2], dtype=np.int64), np.array(column[3], dtype=np.int64),
        number[0], number[1], number[2], number[3], number[4], zero, zero.copy(), number[5],
        np.ones(len(kept), dtype=np.bool_), zero.copy(), zero.copy(), zero.copy(), number[6],
        np.array(column[4], dtype=np.bool_), np.array(column[5], dtype=np.bool_),
    )  # fmt: skip
    return transformers, beside


def _more_nodes(nodes: Nodes, inner: list[tuple[str, float]]) -> Nodes:
    if not inner:
        return nodes
    n = len(inner)
    return Nodes(
        (*nodes.id, *(name for name, _ in inner)),
        (*nodes.name, *("star point of a three-winding transformer" for _ in inner)),
        np.append(nodes.vn_kv, [kv for _, kv in inner]),
        np.append(nodes.v_pu_min, np.full(n, V_PU_MIN)),
        np.append(nodes.v_pu_max, np.full(n, V_PU_MAX)),
        np.append(nodes.x, np.full(n, np.nan)),
        np.append(nodes.y, np.full(n, np.nan)),
    )


def _switches(network: Any, row: dict[str, int], notes: Notes) -> Switches:
    frame = _Frame(network.get_switches(all_attributes=True))
    a, b = (frame.text(f"bus_breaker_bus{k}_id") for k in "12")
    keep = [i for i in range(len(frame)) if a[i] in row and b[i] in row and a[i] != b[i]]
    notes.merge(len(frame) - len(keep), "switches inside a bus of the bus-breaker view: part of their node")
    closed = ~frame.flag("open") if len(frame) else np.zeros(0, dtype=np.bool_)
    return Switches(
        tuple(f"switch/{frame.id[i]}" for i in keep),
        tuple(frame.text("name")[i] for i in keep),
        np.array([row[a[i]] for i in keep], dtype=np.int64),
        tuple(f"bus/{b[i]}" for i in keep),
        closed[keep],
    )


def _shunts(network: Any, row: dict[str, int], nodes: Nodes, beside: list[Beside], notes: Notes) -> Shunts:
    frame = _Frame(network.get_shunt_compensators(all_attributes=True))
    on = frame.flag("connected") if len(frame) else np.zeros(0, dtype=np.bool_)
    at = [row.get(one, -1) for one in frame.text("bus_breaker_bus_id")]
    keep = [i for i in range(len(frame)) if on[i] and at[i] >= 0]
    notes.drop("shunt", len(frame) - len(keep), "out of service")
    notes.approximate(
        sum(frame.flag("voltage_regulation_on")[i] for i in keep), "regulating shunts: fixed at their present sections"
    )
    g, b = frame.number("g"), frame.number("b")
    every = [*((f"shunt/{frame.id[i]}", at[i], float(g[i]), float(b[i])) for i in keep), *beside]
    node = np.array([one[1] for one in every], dtype=np.int64)
    kilo = 1e3 * nodes.vn_kv[node] ** 2
    return Shunts(
        tuple(one[0] for one in every),
        ("",) * len(every),
        node,
        kilo * np.array([one[2] for one in every]),
        -kilo * np.array([one[3] for one in every]),
    )


def _devices(network: Any, row: dict[str, int], fed: Bools, slack: Slack, notes: Notes) -> DeviceRows:
    def kept(frame: _Frame, kind: str) -> tuple[list[int], Ints]:
        on = frame.flag("connected") if len(frame) else np.zeros(0, dtype=np.bool_)
        at = np.array([row.get(one, -1) for one in frame.text("bus_breaker_bus_id")], dtype=np.int64)
        notes.drop(kind, int((~on).sum()), "out of service", [frame.id[i] for i in np.flatnonzero(~on)])
        dead = [i for i in np.flatnonzero(on) if at[i] < 0 or not fed[at[i]]]
        notes.drop(kind, len(dead), "at a dead node (no closed way to the source)", [frame.id[i] for i in dead])
        keep = [int(i) for i in np.flatnonzero(on) if i not in dead]
        return keep, at[keep]

    frame = _Frame(network.get_loads(all_attributes=True))
    keep, node = kept(frame, "load")
    load = LoadRows(
        tuple(f"load/{frame.id[i]}" for i in keep), node, 1e3 * frame.number("p0")[keep],
        1e3 * frame.number("q0")[keep], ("",) * len(keep),
    )  # fmt: skip
    frame = _Frame(network.get_generators(all_attributes=True))
    keep, node = kept(frame, "generator")
    which = [k for k, i in enumerate(keep) if frame.id[i] != slack.id]
    keep, node = [keep[k] for k in which], node[which]
    p_kw, q_kvar = (1e3 * np.nan_to_num(frame.number(f"target_{x}")[keep]) for x in "pq")
    holding = [frame.id[i] for i in keep if frame.flag("voltage_regulator_on")[i]]
    notes.approximate(
        len(holding), "generators that hold a voltage: fixed power, reactive power as in the file", holding
    )
    drawing = [frame.id[i] for i, p in zip(keep, p_kw, strict=True) if p < 0.0]
    notes.approximate(len(drawing), "generators that draw power: loads", drawing)
    less = p_kw < 0.0
    source = [_kind(frame.text("energy_source")[i]) for i in keep]
    ids = tuple(f"generator/{frame.id[i]}" for i in keep)
    rated = 1e3 * np.nan_to_num(frame.number("rated_s")[keep])
    made = GeneratorRows(ids, node, np.maximum(p_kw, 0.0), np.maximum(rated, np.maximum(np.abs(p_kw), 1e-3)),
                         ("",) * len(keep), tuple(source))  # fmt: skip
    load = with_reactive(load, made, -q_kvar, notes)
    load = LoadRows(
        (*load.id, *(f"{ids[k]}/p" for k in np.flatnonzero(less))), np.concatenate([load.node, node[less]]),
        np.concatenate([load.p_kw, -p_kw[less]]), np.concatenate([load.q_kvar, np.zeros(int(less.sum()))]),
        (*load.profile, *("" for _ in np.flatnonzero(less))),
    )  # fmt: skip
    return DeviceRows(load=load, generator=made)


def _kind(source: str) -> str:
    return {"HYDRO": "hydro", "WIND": "wind"}.get(source, "biomass")


def _counts(network: Any, notes: Notes) -> dict[str, int]:
    """Elements of the source by class; what has no counterpart is told."""
    counts = {
        "bus": len(network.get_bus_breaker_view_buses()),
        "line": len(network.get_lines()),
        "trafo": len(network.get_2_windings_transformers()),
        "trafo3w": len(network.get_3_windings_transformers()),
        "load": len(network.get_loads()),
        "generator": len(network.get_generators()),
        "shunt": len(network.get_shunt_compensators()),
        "switch": len(network.get_switches()),
    }
    for method, kind, why in DROPPED:
        if not hasattr(network, method):  # the older name of the library
            method = {"get_boundary_lines": "get_dangling_lines"}.get(method, method)  # noqa: PLW2901
        frame = getattr(network, method)()
        if len(frame):
            counts[kind] = len(frame)
            notes.drop(kind, len(frame), why, [str(i) for i in frame.index])
    return {kind: count for kind, count in counts.items() if count}
