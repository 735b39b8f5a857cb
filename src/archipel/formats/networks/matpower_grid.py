"""From the matrices of a MATPOWER case to our network and devices.

Per unit on `baseMVA` and the buses' `baseKV`; a branch is a pi behind an ideal transformer at its from end
(MATPOWER User's Manual, section 3.2). A branch without a ratio between buses of one voltage is a line, any other a
transformer; what charging a transformer has stands beside it as two shunts.
"""

from __future__ import annotations

import numpy as np

from archipel.formats.device_rows import DeviceRows, GeneratorRows, LoadRows
from archipel.formats.imported import Imported
from archipel.formats.loss_report import Totals
from archipel.formats.networks.matpower_case import (
    BASE_KV,
    BR_B,
    BR_R,
    BR_STATUS,
    BR_X,
    BS,
    BUS_TYPE,
    F_BUS,
    GEN_BUS,
    GEN_STATUS,
    GS,
    ISOLATED,
    MBASE,
    PD,
    PG,
    PV,
    QD,
    QG,
    RATE_A,
    REF,
    SHIFT,
    T_BUS,
    TAP,
    VA,
    VG,
    VM,
    VMAX,
    VMIN,
    Case,
)  # fmt: skip
from archipel.formats.networks.reactive import with_reactive
from archipel.formats.source_columns import Notes
from archipel.formats.source_joins import join_sources, with_joins
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
"""Share of its rating at which a transformer without a rating is full."""


def from_case(case: Case) -> Imported:
    """The network and devices of a case. Raises ImportRefused where they make no network."""
    notes = Notes(case.source)
    keep = np.flatnonzero(case.bus[:, BUS_TYPE] != ISOLATED)
    dropped = np.flatnonzero(case.bus[:, BUS_TYPE] == ISOLATED)
    notes.drop("bus", len(dropped), "isolated (type 4)", [f"bus/{case.number[i]}" for i in dropped])
    row = {int(case.number[i]): k for k, i in enumerate(keep)}
    nodes = _nodes(case, keep, notes)
    lines, transformers, charging = _branches(case, row, nodes, notes)
    source, joins = _source(case, row, nodes, notes)
    grid = Grid(
        nodes,
        lines,
        transformers,
        with_joins(_switches(lines, transformers), joins, nodes),
        source,
        F_HZ,
        _with(_bus_shunts(case, keep), charging),
    )
    devices = _devices(case, row, keep, live(grid), source, notes)
    if (lines.c_nf != 0.0).any():
        notes.approximated.append(f"the file states no frequency: {F_HZ:g} Hz assumed; charging is kept as stated")
    for other in case.other:
        notes.unknown.append(f"mpc.{other}: not read")
    bus, gen = case.bus, case.gen[case.gen[:, GEN_STATUS] > 0]
    feeding = np.isin(gen[:, GEN_BUS], bus[bus[:, BUS_TYPE] == REF, 0])
    loaded, shunted = bus[:, [PD, QD]].any(axis=1), bus[:, [GS, BS]].any(axis=1)
    transforming = _transforming(case)
    before = {
        "bus": len(bus),
        "line": int((~transforming).sum()),
        "trafo": int(transforming.sum()),
        "load": int(loaded.sum()),
        "shunt": int(shunted.sum()),
        "gen": len(case.gen) - int(feeding.sum()),
        "ref": int((bus[:, BUS_TYPE] == REF).sum()),
    }
    totals = Totals(
        1e3 * float(bus[:, PD].sum()), 1e3 * float(bus[:, QD].sum()), 1e3 * float(gen[~feeding][:, PG].sum())
    )
    before = {name: count for name, count in before.items() if count}
    report = notes.report("matpower", before, grid, devices, totals)
    return Imported(grid, devices, ("",) * len(nodes), ("",) * len(lines), report)


def _transforming(case: Case) -> Bools:
    """Which branches are transformers."""
    kv = dict(zip(case.number, case.bus[:, BASE_KV], strict=True))
    a, b = (np.array([kv[int(i)] for i in case.branch[:, end]]) for end in (F_BUS, T_BUS))
    return np.asarray((case.branch[:, TAP] != 0.0) | (case.branch[:, SHIFT] != 0.0) | (a != b), dtype=np.bool_)


def _nodes(case: Case, keep: Ints, notes: Notes) -> Nodes:
    bus = case.bus[keep]
    ids = tuple(f"bus/{i}" for i in case.number[keep])
    low, high = bus[:, VMIN].copy(), bus[:, VMAX].copy()
    unusable = ~((low > 0.0) & (high < 2.0) & (low < high))
    notes.approximate(
        int(unusable.sum()),
        f"nodes whose voltage limits leave no room: {V_PU_MIN} to {V_PU_MAX} pu assumed",
        [ids[i] for i in np.flatnonzero(unusable)],
    )
    low[unusable], high[unusable] = V_PU_MIN, V_PU_MAX
    nowhere = np.full(len(bus), np.nan)
    return Nodes(ids, tuple(case.names[i] for i in keep), bus[:, BASE_KV], low, high, nowhere, nowhere.copy())


def _branches(case: Case, row: dict[int, int], nodes: Nodes, notes: Notes) -> tuple[Lines, Transformers, Shunts]:
    ends = np.array([[row.get(int(i), -1) for i in case.branch[:, end]] for end in (F_BUS, T_BUS)]).reshape(2, -1)
    placed, transforming = (ends >= 0).all(axis=0), _transforming(case)
    for kind, these in (("line", ~transforming), ("trafo", transforming)):
        notes.drop(kind, int((these & ~placed).sum()), "at an isolated bus")
    at = np.flatnonzero(placed & ~transforming)
    lines, charging = _lines(case, at, ends[:, at], nodes, notes)
    at = np.flatnonzero(placed & transforming)
    transformers, more = _transformers(case, at, ends[:, at], nodes, notes)
    return lines, transformers, _with(charging, more)


def _lines(case: Case, at: Ints, ends: Ints, nodes: Nodes, notes: Notes) -> tuple[Lines, Shunts]:
    branch, ids = case.branch[at], tuple(f"line/{i + 1}" for i in at)
    on = branch[:, BR_STATUS] != 0
    notes.approximate(
        int((~on).sum()),
        "lines out of service: kept, open at both ends by a switch each",
        [ids[i] for i in np.flatnonzero(~on)],
    )
    vn_kv = nodes.vn_kv[ends[0]]
    ohm = vn_kv**2 / case.base_mva
    rated = branch[:, RATE_A] > 0.0
    notes.approximate(int((~rated).sum()), "lines without a current limit (rateA = 0): no limit assumed")
    # An inductive charging does not fit a capacitance; it stands beside the line.
    odd = branch[:, BR_B] < 0.0
    siemens = np.where(odd, 0.0, branch[:, BR_B]) / ohm
    bare = np.flatnonzero(~on & (np.hypot(branch[:, BR_R], branch[:, BR_X]) == 0.0))
    if len(bare):
        raise ImportRefused(
            f"{case.source}: mpc.branch: row {at[bare[0]] + 1}: found r = 0 and x = 0; expected an impedance. "
            "Give it a small reactance, or remove the branch."
        )
    lines = Lines(
        ids,
        ("",) * len(at),
        ends[0],
        ends[1],
        branch[:, BR_R] * ohm,
        branch[:, BR_X] * ohm,
        siemens / (2.0 * np.pi * F_HZ) * 1e9,
        np.zeros(len(at)),
        np.where(rated, branch[:, RATE_A] * 1e3 / (np.sqrt(3.0) * vn_kv), np.inf),
        on,
        on.copy(),
    )
    q_kvar = -1e3 * case.base_mva * branch[:, BR_B]
    return lines, _charging(ids, ends, q_kvar, q_kvar.copy(), on & odd)


def _transformers(case: Case, at: Ints, ends: Ints, nodes: Nodes, notes: Notes) -> tuple[Transformers, Shunts]:
    """The side of the higher nominal voltage is `hv`; a ratio is folded into the rated voltages.

    The impedance stands at the to end. Where that is the `hv` side it is carried through the ratio to the other.
    """
    branch, ids = case.branch[at], tuple(f"trafo/{i + 1}" for i in at)
    on = branch[:, BR_STATUS] != 0
    reactive = branch[:, BR_X] >= 0.0
    if not reactive.all():
        bad = int(at[np.flatnonzero(~reactive)[0]])
        raise ImportRefused(
            f"{case.source}: mpc.branch: row {bad + 1}: found a transformer of x = {case.branch[bad, BR_X]:g}; "
            "expected at least 0. Replace the equivalent of a three-winding transformer by two-winding ones."
        )
    notes.approximate(
        int((~on).sum()),
        "transformers out of service: kept, open at both ends",
        [ids[i] for i in np.flatnonzero(~on)],
    )
    ratio = np.where(branch[:, TAP] > 0.0, branch[:, TAP], 1.0)
    from_kv, to_kv = nodes.vn_kv[ends[0]] * ratio, nodes.vn_kv[ends[1]]
    step_up = nodes.vn_kv[ends[0]] < nodes.vn_kv[ends[1]]
    rated = branch[:, RATE_A] > 0.0
    notes.approximate(int((~rated).sum()), "transformers without a rating (rateA = 0): no limit assumed")
    sn_mva = np.where(rated, branch[:, RATE_A], case.base_mva)
    percent = 100.0 * sn_mva / case.base_mva
    degree = np.where(step_up, -branch[:, SHIFT], branch[:, SHIFT])
    odd = np.abs(degree / 30.0 - np.round(degree / 30.0)) > 1e-9
    notes.approximate(
        int(odd.sum()),
        "phase-shifting transformers of other than multiples of 30 degrees: only their ratio is kept",
        [ids[i] for i in np.flatnonzero(odd)],
    )
    none = np.zeros(len(at))
    transformers = Transformers(
        ids,
        ("",) * len(at),
        np.where(step_up, ends[1], ends[0]),
        np.where(step_up, ends[0], ends[1]),
        sn_mva * 1e3,
        np.where(step_up, to_kv, from_kv),
        np.where(step_up, from_kv, to_kv),
        percent * np.hypot(branch[:, BR_R], branch[:, BR_X]),
        percent * branch[:, BR_R],
        none,
        none.copy(),
        np.where(odd, 0.0, degree),
        np.ones(len(at), dtype=np.bool_),
        none.copy(),
        none.copy(),
        none.copy(),
        np.where(rated, 1.0, NO_LIMIT),
        on,
        on.copy(),
    )
    q_kvar = -1e3 * case.base_mva * branch[:, BR_B]
    return transformers, _charging(ids, ends, q_kvar / ratio**2, q_kvar, on & (branch[:, BR_B] != 0.0))


def _charging(ids: tuple[str, ...], ends: Ints, q_from: Floats, q_to: Floats, where: Bools) -> Shunts:
    """Half of a branch's charging at either end, as shunts."""
    at = np.flatnonzero(where)
    names = tuple(f"charging/{ids[i]}/{end}" for end in ("from", "to") for i in at)
    return Shunts(
        names,
        ("",) * len(names),
        np.concatenate([ends[0][at], ends[1][at]]).astype(np.int64),
        np.zeros(len(names)),
        0.5 * np.concatenate([q_from[at], q_to[at]]),
    )


def _with(first: Shunts, second: Shunts) -> Shunts:
    return Shunts(
        first.id + second.id,
        first.name + second.name,
        np.concatenate([first.node, second.node]),
        np.concatenate([first.p_kw, second.p_kw]),
        np.concatenate([first.q_kvar, second.q_kvar]),
    )


def _bus_shunts(case: Case, keep: Ints) -> Shunts:
    bus = case.bus[keep]
    at = np.flatnonzero(bus[:, [GS, BS]].any(axis=1))
    ids = tuple(f"shunt/{case.number[keep[i]]}" for i in at)
    return Shunts(ids, ("",) * len(at), at.astype(np.int64), 1e3 * bus[at, GS], -1e3 * bus[at, BS])


def _switches(lines: Lines, transformers: Transformers) -> Switches:
    """A switch at either end of every open branch, so that it can be closed."""
    found = [
        (f"switch/{i}/{end}", int(node[k]), i)
        for ids, open_, ends in (
            (lines.id, ~lines.from_closed, (lines.from_node, lines.to_node)),
            (transformers.id, ~transformers.hv_closed, (transformers.hv_node, transformers.lv_node)),
        )
        for k, i in enumerate(ids)
        if open_[k]
        for end, node in zip(("from", "to"), ends, strict=True)
    ]
    return Switches(
        tuple(name for name, _, _ in found),
        ("",) * len(found),
        np.array([node for _, node, _ in found], dtype=np.int64),
        tuple(element for _, _, element in found),
        np.zeros(len(found), dtype=np.bool_),
    )


def _source(case: Case, row: dict[int, int], nodes: Nodes, notes: Notes) -> tuple[Source, list[tuple[str, int, int]]]:
    """The first reference bus; others of its voltage are joined with it."""
    at = np.flatnonzero(case.bus[:, BUS_TYPE] == REF)
    held = {int(gen[GEN_BUS]): float(gen[VG]) for gen in case.gen[::-1] if gen[GEN_STATUS] > 0}
    v_pu = [held.get(int(case.number[i]), float(case.bus[i, VM])) for i in at]
    node = [row[int(case.number[i])] for i in at]
    ids = [f"ref/{case.number[i]}" for i in at]
    like = [
        k
        for k in range(1, len(at))
        if (v_pu[k], case.bus[at[k], VA], nodes.vn_kv[node[k]]) == (v_pu[0], case.bus[at[0], VA], nodes.vn_kv[node[0]])
    ]
    joins = join_sources(ids[0], node[0], [(ids[k], node[k]) for k in like], notes)
    other = [ids[k] for k in range(1, len(at)) if k not in like]
    notes.drop("ref", len(other), "a further reference bus of another voltage is not modelled", other)
    notes.approximate(int(case.bus[at[0], VA] != 0.0), "voltage angle of the reference bus: set to zero")
    if not 0.5 <= v_pu[0] <= 1.5:
        raise ImportRefused(
            f"{case.source}: mpc.gen: found {v_pu[0]:g} pu at the reference bus {case.number[at[0]]}; expected 0.5 to "
            "1.5. Correct Vg of its generator."
        )
    return Source(ids[0], node[0], v_pu[0]), joins


def _devices(case: Case, row: dict[int, int], keep: Ints, fed: Bools, source: Source, notes: Notes) -> DeviceRows:
    bus = case.bus[keep]
    loaded = bus[:, [PD, QD]].any(axis=1)
    dead = loaded & ~fed
    number = case.number[keep]
    notes.drop("load", int(dead.sum()), "at a dead node (no closed way to the source)",
               [f"load/{number[i]}" for i in np.flatnonzero(dead)])  # fmt: skip
    at = np.flatnonzero(loaded & fed)
    load = LoadRows(
        tuple(f"load/{number[i]}" for i in at), at.astype(np.int64), 1e3 * bus[at, PD], 1e3 * bus[at, QD],
        ("",) * len(at),
    )  # fmt: skip
    feeding = {int(i) for i in case.number[case.bus[:, BUS_TYPE] == REF]}
    kept: list[int] = []
    for i, gen in enumerate(case.gen):
        node = row.get(int(gen[GEN_BUS]), -1)
        if int(gen[GEN_BUS]) in feeding:
            continue  # that is the upstream connection
        if gen[GEN_STATUS] <= 0:
            notes.drop("gen", 1, "out of service", [f"gen/{i + 1}"])
        elif node < 0 or not fed[node]:
            notes.drop("gen", 1, "at an isolated or dead node", [f"gen/{i + 1}"])
        else:
            kept.append(i)
    rows = case.gen[kept]
    kind = {int(n): t for n, t in zip(case.number, case.bus[:, BUS_TYPE], strict=True)}
    holding = [f"gen/{i + 1}" for i in kept if kind[int(case.gen[i, GEN_BUS])] == PV]
    notes.approximate(len(holding), "voltage-holding generators: fixed power at unity power factor", holding)
    fixed = np.array([kind[int(case.gen[i, GEN_BUS])] != PV for i in kept], dtype=np.bool_)
    notes.approximate(len(kept), "generators of a kind the file does not state: biomass assumed")
    p_kw = 1e3 * rows[:, PG]
    drawing = [f"gen/{i + 1}" for i, p in zip(kept, p_kw, strict=True) if p < 0.0]
    if drawing:
        raise ImportRefused(
            f"{case.source}: mpc.gen: {', '.join(drawing[:5])}: found negative Pg; expected generation of at least 0. "
            "Add what it draws to Pd of its bus, and remove the row."
        )
    generator = GeneratorRows(
        tuple(f"gen/{i + 1}" for i in kept),
        np.array([row[int(case.gen[i, GEN_BUS])] for i in kept], dtype=np.int64),
        p_kw,
        np.maximum(p_kw, 1e3 * rows[:, MBASE]),
        ("",) * len(kept),
        ("biomass",) * len(kept),
    )
    return DeviceRows(load=with_reactive(load, generator, -1e3 * rows[:, QG] * fixed, notes), generator=generator)
