"""Lines, reactors, switches and transformers of a solved model as branches between two buses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import final

import numpy as np

from archipel.formats.networks.opendss.model import Model
from archipel.formats.networks.opendss.sequence import series_equivalent
from archipel.formats.networks.opendss.windings import (
    Unit,
    merge,
    nominal_across,
    series_of_centre_tap,
    series_of_two,
)
from archipel.formats.source_columns import Notes

DEFAULT_A = 400.0
"""The rating OpenDSS takes where a file gives none [A]."""
SMALL_PU = 1e-9
"""A series impedance below this (on 1 MVA) joins its ends."""


@final
@dataclass(frozen=True, slots=True)
class Wire:
    """A line between two buses, in its three-phase equivalent."""

    name: str
    bus: tuple[str, str]
    z_ohm: complex
    shunt_s: complex
    i_a_max: float
    phases: tuple[int, ...]
    members: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """A switch between two buses, open or closed."""

    name: str
    bus: tuple[str, str]
    phases: tuple[int, ...]
    closed: bool


@final
@dataclass(slots=True)
class Branches:
    """All branches of a model."""

    wires: list[Wire] = field(default_factory=list)
    joints: list[Joint] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    shunts: list[str] = field(default_factory=list)
    """Reactors to earth, by name."""


def branches_of(model: Model, notes: Notes) -> Branches:
    """The branches, with notes of what was left out, merged or simplified."""
    found = Branches()
    _series(model, found, notes)
    _transformers(model, found, notes)
    found.wires = _side_by_side(found.wires, notes)
    found.units = _banks(found.units, notes)
    _beside_regulators(found, notes)
    closed = sum(joint.closed for joint in found.joints)
    notes.approximate(closed, "closed switches and lines without impedance: switches without impedance")
    return found


def _series(model: Model, found: Branches, notes: Notes) -> None:
    table = model.tables["series"]
    start, unrated, odd, neutral = 0, 0, [], []
    opened: list[str] = []
    few: list[str] = []
    for i, name in enumerate(table["name"]):
        size = int(table["size"][i])
        y = table["y"][start : start + size * size].reshape(size, size)
        start += size * size
        element = model.of(name)
        bus = (element["bus"][0], element["bus"][1])
        if bus[0] == bus[1] or not any(element["nodes"][1]):
            if name.startswith("reactor."):
                found.shunts.append(name)
            else:
                odd.append(name)
            continue
        phases = tuple(n for n in element["nodes"][0] if n in {1, 2, 3})
        if any(element["open"]):
            found.joints.append(Joint(name, bus, phases, closed=False))
            if not table["switch"][i]:
                opened.append(name)
            continue
        if table["switch"][i]:
            found.joints.append(Joint(name, bus, phases, closed=True))
            continue
        v_from, v_to = model.v_pu(bus[0], element["nodes"][0]), model.v_pu(bus[1], element["nodes"][1])
        if not np.abs(np.r_[v_from, v_to]).max() > 0.0:
            # Dead: its angles are unknown, those of the standard sequence are as good.
            v_from = v_to = np.exp(-2j * np.pi / 3.0 * (np.array(element["nodes"][0]) - 1.0))
        equal = series_equivalent(y, v_from, v_to, element["nodes"][0])
        if equal is None:
            neutral.append(name)
            continue
        if abs(equal.z_ohm) < SMALL_PU * model.vn_kv[model.row[bus[0]]] ** 2:
            found.joints.append(Joint(name, bus, phases, closed=True))
            continue
        rated = float(table["i_a_max"][i])
        unrated += name.startswith("line.") and rated == DEFAULT_A
        if equal.rating < 1.0:
            few.append(name)
        limit = rated * equal.rating if rated > 0.0 and name.startswith("line.") else np.inf
        found.wires.append(Wire(name, bus, equal.z_ohm, equal.shunt_s, limit, equal.phases))
    notes.approximate(len(few), "lines of one or two phases: the three-phase equivalent of the same power")
    notes.approximate(unrated, f"lines rated {DEFAULT_A:g} A, which OpenDSS takes where a file gives none")
    notes.approximate(len(opened), "open lines that are no switches: open switches", opened)
    notes.drop("line", len(odd), "both ends at one bus", odd)
    notes.drop("line or reactor", len(neutral), "only a neutral or earth conductor is connected", neutral)
    reactors = [wire.name for wire in found.wires if wire.name.startswith("reactor.")]
    notes.approximate(len(reactors), "series reactors: lines without a current limit", reactors)


def _transformers(model: Model, found: Branches, notes: Notes) -> None:
    table = model.tables["transformers"]
    centre, split, lone = [], [], []
    for i, name in enumerate(table["name"]):
        if name not in model.element or not model.of(name)["enabled"]:
            continue
        element = model.of(name)
        r, kva = table["r"][i], table["kva"][i]
        x = (float(table["xhl"][i]), float(table["xht"][i]), float(table["xlt"][i]))
        if len(r) == 2:
            pairs = [(1, *series_of_two(r, kva, x[0]))]
        elif len(r) == 3 and element["bus"][1] == element["bus"][2]:
            centre.append(name)
            pairs = [(1, *series_of_centre_tap(r, kva, x))]
        elif len(r) >= 3:
            split.append(name)
            others = [x[0], x[1], *[x[1]] * (len(r) - 3)]
            pairs = [(w, *series_of_two([r[0], r[w]], [kva[0], kva[w]], others[w - 1])) for w in range(1, len(r))]
        else:
            lone.append(name)
            continue
        for w, r_percent, x_percent in pairs:
            own = len(pairs) == 1 or w == 1
            found.units.append(
                Unit(
                    name if own else f"{name}.{w + 1}",
                    (element["bus"][0], element["bus"][w]),
                    _phase_nodes(model, element["bus"][0], element["nodes"][0]),
                    kva[0] if own else kva[w],
                    (_rated(model, table, i, element, 0), _rated(model, table, i, element, w)),
                    r_percent,
                    x_percent,
                    _number(table["no_load"][i]) if own else 0.0,
                    _number(table["magnetising"][i]) if own else 0.0,
                    _loading(float(table["i_a_max"][i]), kva[0]),
                    (table["tap"][i][0], table["tap"][i][w]),
                    (bool(element["open"][0]), bool(element["open"][w])),
                    element["phases"] == 1 and len(_phase_nodes(model, element["bus"][0], element["nodes"][0])) == 2,
                )
            )
    auto = model.tables["autotransformers"]
    for i, name in enumerate(auto["name"]):
        element = model.of(name)
        kv, tap, kva, r = auto["kv"][i], auto["tap"][i], auto["kva"][i], auto["r"][i]
        across = [
            nominal_across(model.kv[model.row[bus]], (0.0, None), element["phases"]) for bus in element["bus"][:2]
        ]
        vn = [model.vn_kv[model.row[bus]] for bus in element["bus"][:2]]
        found.units.append(
            Unit(
                name,
                (element["bus"][0], element["bus"][1]),
                _phase_nodes(model, element["bus"][0], element["nodes"][0]),
                kva[0],
                (kv[0] * tap[0] * vn[0] / across[0], kv[1] * tap[1] * vn[1] / across[1]),
                r[0] + r[1],
                float(auto["xhl"][i]),
                0.0,
                0.0,
                1.0,
                (tap[0], tap[1]),
                (bool(element["open"][0]), bool(element["open"][1])),
            )
        )
    notes.approximate(len(centre), "centre-tapped transformers: both halves share the power evenly")
    notes.approximate(len(split), "transformers of three or more windings: one for each pair with the first", split)
    notes.drop("transformer", len(lone), "fewer than two windings", lone)


def _phase_nodes(model: Model, bus: str, nodes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in nodes if n and model.theta(bus, n) is not None)


def _rated(model: Model, table: dict[str, list[list[float]]], i: int, element: dict[str, object], w: int) -> float:
    """Rated voltage of a winding on the line-to-line base of its bus, tap included [kV]."""
    buses, nodes = element["bus"], element["nodes"]
    assert isinstance(buses, list)
    assert isinstance(nodes, list)
    bus, own = buses[w], nodes[w]
    row = model.row[bus]
    phases = element["phases"]
    assert isinstance(phases, int)
    theta = model.theta(bus, own[0])
    if theta is None:  # the winding may be drawn the other way round
        theta, other = (model.theta(bus, own[1]) if len(own) > 1 else None), None
    else:
        other = model.theta(bus, own[1]) if len(own) > 1 else None
    across = nominal_across(float(model.kv[row]), (theta or 0.0, other), phases)
    return float(table["kv"][i][w] * table["tap"][i][w] * model.vn_kv[row] / across)


def _number(value: float) -> float:
    return value if np.isfinite(value) else 0.0


def _loading(rated_kva: float, kva: float) -> float:
    return rated_kva / kva if np.isfinite(rated_kva) and rated_kva > 0.0 else 1.0


def _side_by_side(wires: list[Wire], notes: Notes) -> list[Wire]:
    """Lines between the same two buses as one."""
    groups: dict[frozenset[str], list[Wire]] = defaultdict(list)
    for wire in wires:
        groups[frozenset(wire.bus)].append(wire)
    merged, names = [], []
    for group in groups.values():
        if len(group) == 1:
            merged.append(group[0])
            continue
        y = np.array([1.0 / wire.z_ohm for wire in group])
        share = np.abs(y) / abs(y.sum())
        limit = min(wire.i_a_max / part for wire, part in zip(group, share, strict=True))
        shunt = sum(wire.shunt_s for wire in group)
        members = tuple(wire.name for wire in group)
        phases = tuple(sorted({phase for wire in group for phase in wire.phases}))
        merged.append(Wire(group[0].name, group[0].bus, complex(1.0 / y.sum()), shunt, float(limit), phases, members))
        names.append(" + ".join(members))
    notes.merge(len(names), "lines made of several side by side", names)
    return merged


def _banks(units: list[Unit], notes: Notes) -> list[Unit]:
    """Transformers between the same two buses as one."""
    groups: dict[frozenset[str], list[Unit]] = defaultdict(list)
    alone = []
    for unit in units:
        if any(unit.open_ends):
            alone.append(unit)
        else:
            groups[frozenset(unit.bus)].append(unit if groups[frozenset(unit.bus)][:1] == [] else _turned(unit, groups))
    banks = [merge(group) for group in groups.values()]
    names = [" + ".join(member.split(".", 1)[1] for member in bank.members) for bank in banks if bank.members]
    notes.merge(len(names), "transformers made of several units between the same buses", names)
    return banks + alone


def _beside_regulators(found: Branches, notes: Notes) -> None:
    """Phases that pass a bank straight through, on a switch or a line between the same two buses.

    Where a regulator sits on some phases only, the mean over the phases counts the others with ratio one. The jumper of
    an open-delta bank lies on a phase the bank covers already; it adds nothing. A bypass of a regulator's own phase
    stays what it is: it joins the two buses.
    """
    at = {frozenset(unit.bus): k for k, unit in enumerate(found.units) if not any(unit.open_ends)}
    taken: list[str] = []
    kept_wires: list[Wire] = []
    kept_joints: list[Joint] = []
    beside: dict[int, set[int]] = defaultdict(set)
    branches: list[Wire | Joint] = [*found.wires, *found.joints]
    for branch in branches:
        k = at.get(frozenset(branch.bus))
        straight = k is not None and not (isinstance(branch, Joint) and not branch.closed)
        if straight and k is not None:
            own = set(found.units[k].phases)
            if not own & set(branch.phases) or found.units[k].between_phases:
                beside[k] |= set(branch.phases) - own
                taken.append(branch.name)
                continue
        if isinstance(branch, Wire):
            kept_wires.append(branch)
        else:
            kept_joints.append(branch)
    found.wires, found.joints = kept_wires, kept_joints
    for k, phases in beside.items():
        found.units[k] = found.units[k].beside(len(phases))
    notes.merge(len(taken), "lines or switches beside a regulator, on phases it does not regulate", taken)


def _turned(unit: Unit, groups: dict[frozenset[str], list[Unit]]) -> Unit:
    """A unit written in the direction of the first of its group."""
    if unit.bus == groups[frozenset(unit.bus)][0].bus:
        return unit
    return Unit(
        unit.name,
        (unit.bus[1], unit.bus[0]),
        unit.phases,
        unit.s_kva,
        (unit.v_kv[1], unit.v_kv[0]),
        unit.r_percent,
        unit.x_percent,
        unit.no_load_percent,
        unit.magnetising_percent,
        unit.loading_max,
        (unit.taps[1], unit.taps[0]),
        between_phases=unit.between_phases,
    )
