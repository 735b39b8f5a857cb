"""From the engine's tables to our network in positive sequence: nodes, lines, transformers, switches, source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.networks.opendss.branches import Branches, branches_of
from archipel.formats.networks.opendss.model import ROOT3, Model
from archipel.formats.networks.opendss.sequence import positive_sequence
from archipel.formats.networks.opendss.windings import Unit
from archipel.formats.source_columns import Notes
from archipel.grid.topology import components
from archipel.model import Floats, Grid, ImportRefused, Ints, Lines, Nodes, Source, Switches, Transformers

EN_50160 = (0.9, 1.1)
"""Limits where the circuit runs at 50 Hz and states none of its own [pu]."""
RANGE_A, RANGE_B = (0.95, 1.05), (0.917, 1.058)
"""Service voltage of ANSI C84.1 [pu]; the engine's own default is range A."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """The network, and what of the engine became what of it."""

    grid: Grid
    branches: Branches
    elements: dict[str, tuple[str, ...]]
    """Engine names by id of a line, transformer or switch."""
    v_pu: Floats
    """The engine's positive-sequence voltage of every node; 0 where dead."""
    v_pu_low: Floats
    """Its lowest and highest phase."""
    v_pu_high: Floats


def reduce_model(model: Model, notes: Notes) -> Reduced:
    """The positive-sequence network. Raises ImportRefused where it has no source."""
    branches = branches_of(model, notes)
    vn_kv = _bases(model, branches, notes)
    solved = [
        positive_sequence(model.v_pu(bus, nodes), nodes) for bus, nodes in zip(model.bus, model.nodes, strict=True)
    ]
    scale = model.vn_kv / vn_kv  # where a base was mended
    v_pu = np.array([one for one, _ in solved]) * scale
    low = np.array([each.min(initial=np.inf) for _, each in solved]) * scale
    high = np.array([each.max(initial=0.0) for _, each in solved]) * scale
    low = np.where(np.isfinite(low), low, 0.0)
    _drop_short_circuited(model, branches, notes)
    v_min, v_max = _limits(model, low, high, notes)
    count = len(model.bus)
    nodes = Nodes(
        tuple(f"bus/{name}" for name in model.bus),
        tuple(model.bus),
        vn_kv,
        np.full(count, v_min),
        np.full(count, v_max),
        model.tables["buses"]["x"],
        model.tables["buses"]["y"],
    )
    elements: dict[str, tuple[str, ...]] = {}
    lines = _lines(model, branches, elements)
    transformers = _transformers(model, branches, vn_kv, elements, notes)
    switches = _switches(model, branches, elements)
    grid = Grid(nodes, lines, transformers, switches, _source(model, notes), float(model.summary["f_hz"]))
    return Reduced(grid, branches, elements, v_pu, low, high)


def _rows(model: Model, pairs: list[tuple[str, str]]) -> tuple[Ints, Ints]:
    ends = np.array([[model.row[a], model.row[b]] for a, b in pairs], dtype=np.int64).reshape(-1, 2)
    return ends[:, 0].copy(), ends[:, 1].copy()


def _bases(model: Model, branches: Branches, notes: Notes) -> Floats:
    """Nominal voltages; buses joined by lines or switches share the one most of them have."""
    a, b = _rows(model, [wire.bus for wire in branches.wires] + [joint.bus for joint in branches.joints])
    part = components(len(model.bus), a, b)
    vn_kv = model.vn_kv
    first: dict[int, Counter[float]] = {}
    for row, label in enumerate(part):
        first.setdefault(int(label), Counter())[float(vn_kv[row])] += 1
    mended = np.array([first[int(label)].most_common(1)[0][0] for label in part])
    other = np.flatnonzero(mended != vn_kv)
    notes.approximate(
        len(other),
        "buses with another nominal voltage than the line or switch they hang on: the same is taken",
        [model.bus[i] for i in other],
    )
    return np.asarray(mended)


def _drop_short_circuited(model: Model, branches: Branches, notes: Notes) -> None:
    """Lines and transformers whose ends are joined by closed switches carry nothing."""
    a, b = _rows(model, [joint.bus for joint in branches.joints if joint.closed])
    point = components(len(model.bus), a, b)

    def joined(bus: tuple[str, str]) -> bool:
        return bool(point[model.row[bus[0]]] == point[model.row[bus[1]]])

    shorted = [wire.name for wire in branches.wires if joined(wire.bus)]
    shorted += [unit.name for unit in branches.units if joined(unit.bus)]
    branches.wires = [wire for wire in branches.wires if not joined(wire.bus)]
    branches.units = [unit for unit in branches.units if not joined(unit.bus)]
    notes.merge(len(shorted), "lines or transformers bridged by closed switches", shorted)


def _limits(model: Model, low: Floats, high: Floats, notes: Notes) -> tuple[float, float]:
    """Voltage limits: the circuit's own where it states them, else those of its part of the world."""
    own = (float(model.summary["v_pu_min"]), float(model.summary["v_pu_max"]))
    live = high > 0.0
    count, f_hz = int(live.sum()), float(model.summary["f_hz"])
    outside = int(((low < own[0]) | (high > own[1]))[live].sum())
    if own != RANGE_A:
        limits, why = own, "as the file states (NormVminpu, NormVmaxpu)"
    elif f_hz < 55.0:
        limits, why = EN_50160, f"EN 50160, the file states none and runs at {f_hz:g} Hz"
    elif outside == 0:
        limits, why = RANGE_A, "ANSI C84.1 range A, the engine's default"
    else:
        limits = RANGE_B
        why = f"ANSI C84.1 range B: {outside:,} of {count:,} nodes lie outside range A (0.95 to 1.05) in the engine"
    beyond = int(((low < limits[0]) | (high > limits[1]))[live].sum())
    also = f"; {beyond:,} of {count:,} nodes lie outside even so, in at least one phase" if beyond else ""
    notes.approximated.append(f"voltage limits {limits[0]:g} to {limits[1]:g} pu: {why}{also}")
    return limits


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    ids = []
    for name in names:
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return ids


def _plain(name: str) -> str:
    """`line.l1` is `l1`; a reactor keeps its class, so that no line has the same id."""
    kind, _, rest = name.partition(".")
    return rest if kind in {"line", "transformer"} else f"{kind}_{rest}"


def _lines(model: Model, branches: Branches, elements: dict[str, tuple[str, ...]]) -> Lines:
    wires = branches.wires
    a, b = _rows(model, [wire.bus for wire in wires])
    ids = tuple(f"line/{name}" for name in _unique([_plain(wire.name) for wire in wires]))
    elements.update((i, wire.members or (wire.name,)) for i, wire in zip(ids, wires, strict=True))
    z = np.array([wire.z_ohm for wire in wires], dtype=np.complex128)
    shunt = np.array([wire.shunt_s for wire in wires], dtype=np.complex128)
    c_nf = np.maximum(shunt.imag, 0.0) / (2.0 * np.pi * float(model.summary["f_hz"])) * 1e9
    g_us = shunt.real * 1e6
    g_us = np.where(g_us > 1e-3, g_us, 0.0)  # what is left of a difference of large numbers
    on = np.ones(len(wires), dtype=np.bool_)
    return Lines(
        ids,
        tuple(wire.name for wire in wires),
        a,
        b,
        np.maximum(z.real, 0.0),  # a reactance alone leaves a trace of either sign
        z.imag.copy(),
        np.where(c_nf > 1e-6, c_nf, 0.0),
        g_us,
        np.array([wire.i_a_max for wire in wires]),
        on,
        on.copy(),
    )


def _transformers(
    model: Model, branches: Branches, vn_kv: Floats, elements: dict[str, tuple[str, ...]], notes: Notes
) -> Transformers:
    units = []
    for unit in branches.units:
        scale = [vn_kv[model.row[bus]] / model.vn_kv[model.row[bus]] for bus in unit.bus]
        v = (unit.v_kv[0] * scale[0], unit.v_kv[1] * scale[1])
        down = vn_kv[model.row[unit.bus[0]]] >= vn_kv[model.row[unit.bus[1]]]
        units.append((unit, v if down else (v[1], v[0]), down))
    hv, lv = _rows(model, [u.bus if down else (u.bus[1], u.bus[0]) for u, _, down in units])
    ids = tuple(f"trafo/{name}" for name in _unique([_plain(u.name) for u, _, _ in units]))
    elements.update((i, _members(u)) for i, (u, _, _) in zip(ids, units, strict=True))
    moved = [f"{u.name.split('.', 1)[1]} {_taps(u)}" for u, _, _ in units if any(abs(t - 1.0) > 1e-9 for t in u.taps)]
    notes.approximate(len(moved), "transformers and regulators stand still at the tap the engine solved", moved)
    r = np.array([u.r_percent for u, _, _ in units])
    x = np.array([u.x_percent for u, _, _ in units])
    sn = np.array([u.s_kva for u, _, _ in units])
    iron = np.array([u.no_load_percent for u, _, _ in units])
    magnetising = np.array([u.magnetising_percent for u, _, _ in units])
    zero = np.zeros(len(units))
    closed = np.array([not u.open_ends[0 if down else 1] for u, _, down in units], dtype=np.bool_)
    closed_lv = np.array([not u.open_ends[1 if down else 0] for u, _, down in units], dtype=np.bool_)
    return Transformers(
        ids,
        tuple(u.name for u, _, _ in units),
        hv,
        lv,
        sn,
        np.array([v[0] for _, v, _ in units]),
        np.array([v[1] for _, v, _ in units]),
        np.maximum(np.hypot(r, x), 1e-4),
        np.minimum(r, np.maximum(np.hypot(r, x), 1e-4)),
        iron / 100.0 * sn,
        np.hypot(iron, magnetising),
        np.array([_shift(model, u, down) for u, _, down in units]),
        np.ones(len(units), dtype=np.bool_),
        zero,
        zero.copy(),
        zero.copy(),
        np.array([u.loading_max for u, _, _ in units]),
        closed,
        closed_lv,
    )


def _members(unit: Unit) -> tuple[str, ...]:
    return unit.members or (unit.name,)


def _taps(unit: Unit) -> str:
    return "/".join(f"{tap:.5g}" for tap in unit.taps)


def _shift(model: Model, unit: Unit, down: bool) -> float:
    """Phase shift of a three-phase transformer, from the solved angles, in whole clock hours [degree]."""
    high, low = unit.bus if down else (unit.bus[1], unit.bus[0])
    angles = []
    for bus in (high, low):
        nodes = model.nodes[model.row[bus]][:3]
        v = model.v_pu(bus, nodes)
        if set(nodes) != {1, 2, 3} or np.abs(v).min() < 0.2:
            return 0.0
        a, b, c = v[np.argsort(nodes)]
        turn = np.exp(2j * np.pi / 3.0)
        angles.append(float(np.degrees(np.angle(a + turn * b + turn**2 * c))))
    return float(round((angles[0] - angles[1]) / 30.0) % 12) * 30.0


def _switches(model: Model, branches: Branches, elements: dict[str, tuple[str, ...]]) -> Switches:
    joints = branches.joints
    ids = tuple(f"switch/{name}" for name in _unique([_plain(joint.name) for joint in joints]))
    elements.update((i, (joint.name,)) for i, joint in zip(ids, joints, strict=True))
    a, b = _rows(model, [joint.bus for joint in joints])
    return Switches(
        ids,
        tuple(joint.name for joint in joints),
        a,
        tuple(f"bus/{model.bus[row]}" for row in b),
        np.array([joint.closed for joint in joints], dtype=np.bool_),
    )


def _source(model: Model, notes: Notes) -> Source:
    table = model.tables["sources"]
    names = [name for name in table["name"] if name in model.element and model.of(name)["enabled"]]
    if not names:
        raise ImportRefused(f"{model.source}: found no voltage source that is on; expected one (Vsource).")
    notes.approximate(len(names) - 1, "voltage sources besides the first: constant power as solved", names[1:])
    i = table["name"].index(names[0])
    z = abs(complex(table["r1"][i], table["x1"][i]))
    bus = model.of(names[0])["bus"][0]
    kv = float(table["kv"][i])
    vn = float(model.vn_kv[model.row[bus]])
    sk = kv**2 / z if z > 0.0 else float("inf")
    return Source(f"source/{names[0].split('.', 1)[1]}", model.row[bus], float(table["pu"][i]) * kv / vn, sk)


__all__ = ["EN_50160", "RANGE_A", "RANGE_B", "ROOT3", "Reduced", "reduce_model"]
