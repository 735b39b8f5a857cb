"""What is asked of an area in some hours, and what may be chosen to keep it: one table, no network yet.

Asked (and so open to a remedy) are limits of the network and of connections, energy of vehicles by their departure,
warmth, reserves and promised powers. Not asked but given are what devices can do: ratings, capacities, efficiencies,
the sun. Money plays no part: whatever a plan could be made to do at any price counts as possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, final

import numpy as np
from scipy import sparse

from archipel.devices import BatteryFleet, EvChargerFleet, LoadFleet, SoftOpenPointFleet
from archipel.forecasting.perfect import perfect
from archipel.model import FirmLimits, Floats, Horizon, Ints, Scenario
from archipel.optimisation.programme import Programme

HOUR_ROWS = 4
ROOM_KWH = 0.01
"""What a vehicle may get beyond what it wants: optimisers need an interior."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """Power that some devices together promise to draw at most (`side` +1) or at least (-1), in some intervals."""

    name: str
    devices: tuple[str, ...]
    side: float
    p_kw: Floats
    """Shape (T,); not a number where nothing is promised."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Hosted:
    """A device that is to be connected: what it draws in every interval (T,) [kW] at a node, not to be changed."""

    name: str
    node: int
    p_kw: Floats
    q_kvar: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Wishes:
    """What is asked beside what the scenario says."""

    firm: FirmLimits | None = None
    """At the upstream connection, in place of the scenario's."""
    cells: Mapping[str, FirmLimits] = field(default_factory=dict)
    """Envelopes and agreements: limits at cells' boundaries [kW]."""
    promises: tuple[Promise, ...] = ()
    hosted: tuple[Hosted, ...] = ()
    curtail: bool = True
    """Whether renewables may be curtailed."""
    outage: tuple[int, int] | None = None
    """Intervals [first, end) without a main grid: only critical load is served then, by what is here."""
    day_ends_as_begun: bool = True
    """Whether batteries hold at the end what they began with."""
    part: str = ""
    """The cell that is looked at, as a scenario of its own; empty for the whole area."""


@final
@dataclass(frozen=True, slots=True)
class Ask:
    """One row of what is asked."""

    what: str
    """"voltage high", "voltage low", "loading", "import limit", "export limit", "cell import", "cell export",
    "energy", "warmth", "reserve", "promise"."""
    thing: str
    """Id of the element, session, device, cell."""
    t: int
    """Interval; for energy the one in which the vehicle leaves."""
    scale: float = 1.0
    """One unit of the row in the unit of the thing (kW, pu, share, kWh, K)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One stay of a vehicle at a charger, as far as it lies in the horizon."""

    id: str
    charger: str
    node: int
    p_kw: float
    start: int
    end: int
    """Profile rows."""
    kwh: float
    """Wanted within the horizon."""
    control: int
    """Row of `Case.u`."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Devices' part of the problem, laid out."""

    scenario: Scenario
    horizon: Horizon
    wishes: Wishes
    first_row: int
    load_kw: Floats
    """Fixed load that may be taken off, (nodes, T)."""
    load_kvar: Floats
    made_kw: Floats
    """Fixed feed-in that may be taken off, (nodes, T), non-negative."""
    base_kw: Floats
    base_kvar: Floats
    """What is drawn whatever is chosen, hosted devices included, (nodes, T)."""
    lo: Floats
    hi: Floats
    """Of every control, (N, T)."""
    p: sparse.csr_matrix
    q: sparse.csr_matrix
    """kW and kvar drawn at every node per unit of every control, (nodes, N)."""
    name: tuple[str, ...]
    """Device of every control."""
    kind: tuple[str, ...]
    sessions: tuple[Session, ...]
    programme: Programme
    """Controls, stores, what devices can do, and what is asked of devices."""
    u: Ints
    """Variables of the programme, (N, T)."""
    store: Mapping[str, Ints]
    """Variables (T,) of every store's level, by device."""
    asks: tuple[tuple[Ask, int], ...]
    """What is asked of devices, each with its row among G."""

    def at(self, t: int) -> datetime:
        """Start of interval `t`."""
        return self.horizon.at(t)


@final
class _Laid:
    """Collects controls."""

    def __init__(self, nodes: int, intervals: int) -> None:
        self.nodes, self.t_count = nodes, intervals
        self.lo: list[Floats] = []
        self.hi: list[Floats] = []
        self.p: list[dict[int, float]] = []
        self.q: list[dict[int, float]] = []
        self.name: list[str] = []
        self.kind: list[str] = []

    def add(self, kind: str, name: str, lo: Floats, hi: Floats, p: dict[int, float], q: dict[int, float]) -> int:
        self.lo.append(lo)
        self.hi.append(hi)
        self.p.append(p)
        self.q.append(q)
        self.name.append(name)
        self.kind.append(kind)
        return len(self.lo) - 1

    def matrix(self, which: list[dict[int, float]]) -> sparse.csr_matrix:
        entries = [(node, n, v) for n, at in enumerate(which) for node, v in at.items() if v]
        row, col, value = zip(*entries, strict=True) if entries else ((), (), ())
        return sparse.csr_matrix((value, (row, col)), shape=(self.nodes, len(which)))


def case_of(scenario: Scenario, horizon: Horizon, wishes: Wishes | None = None) -> Case:
    """Lay out the devices of a scenario over a horizon, everything known in advance."""
    wishes = wishes or Wishes()
    t_count, dt_h = len(horizon), horizon.dt_h
    nodes = len(scenario.grid.nodes)
    first_row, steps = scenario.profiles.row(horizon.start), int(horizon.steps.sum())
    weather = perfect(scenario.profiles, first_row, steps)
    laid, programme = _Laid(nodes, t_count), Programme()
    load_kw, load_kvar, made_kw, base_kw, base_kvar = np.zeros((5, nodes, t_count))
    stores: list[tuple[str, str, list[tuple[int, Floats]], Any, int]] = []
    sessions: list[Session] = []
    out = np.zeros(t_count, dtype=np.bool_)
    if wishes.outage is not None:
        out[slice(*wishes.outage)] = True
    served = np.where(out, scenario.island.critical_share, 1.0)
    whole: list[Any] = list(scenario.fleets)
    for fleet in whole:
        rows = np.arange(len(fleet.id))
        if isinstance(fleet, EvChargerFleet):
            sessions += _sessions(fleet, horizon, first_row, laid, out)
            continue
        if isinstance(fleet, SoftOpenPointFleet):
            _soft_points(fleet, laid)
            continue
        plan = fleet.plan(rows, fleet.initial(first_row), weather, horizon, scenario.tariff)
        share = served if isinstance(fleet, LoadFleet) else 1.0
        np.add.at(base_kw, fleet.node, plan.base_p_kw * share)
        np.add.at(base_kvar, fleet.node, plan.base_q_kvar * share)
        if isinstance(fleet, LoadFleet):
            np.add.at(load_kw, fleet.node, np.maximum(plan.base_p_kw, 0.0) * share)
            np.add.at(load_kvar, fleet.node, np.where(plan.base_p_kw > 0.0, plan.base_q_kvar, 0.0) * share)
            np.add.at(made_kw, fleet.node, np.maximum(-plan.base_p_kw, 0.0) * share)
        columns = plan.columns
        must_run = not wishes.curtail and fleet.kind in ("pv", "generator")
        for k, device in enumerate(columns.device):
            node, mine = int(columns.node[k]), []
            for j in range(columns.lo.shape[1]):
                lo, hi = columns.lo[k, j].copy(), columns.hi[k, j].copy()
                if must_run and columns.p[k, j]:
                    # lo is all that is on offer
                    full = np.minimum(lo, hi)
                    base_kw[node] += columns.p[k, j] * full
                    made_kw[node] -= columns.p[k, j] * full
                    continue
                n = laid.add(
                    fleet.kind, device, np.where(np.abs(lo) < 2e-3, np.minimum(0.0, hi), lo), hi,
                    {node: float(columns.p[k, j])}, {node: float(columns.q[k, j])},
                )  # fmt: skip
                if columns.store is not None:
                    mine.append((n, columns.store.gain[k, j]))
            if columns.store is not None:
                stores.append((device, fleet.kind, mine, columns.store, k))
    _host(wishes.hosted, base_kw, base_kvar)
    lo = np.stack(laid.lo) if laid.lo else np.zeros((0, t_count))
    hi = np.stack(laid.hi) if laid.hi else np.zeros((0, t_count))
    u = programme.add(lo, np.maximum(hi, lo), 0.0)
    asks: list[tuple[Ask, int]] = []
    level: dict[str, Ints] = {}
    for device, kind, mine, store, k in stores:
        level[device] = _store(programme, asks, u, device, kind, mine, store, k, horizon, out, wishes, scenario)
    for session in sessions:
        inside = hi[session.control] > 0.0
        cols, dt = u[session.control, inside], dt_h[inside]
        row = programme.rows("le", np.array([-session.kwh, session.kwh + ROOM_KWH]))
        programme.fill("le", row[0], cols, -dt)
        programme.fill("le", row[1], cols, dt)
        last = int(np.searchsorted(horizon.first, max(session.end - first_row - 1, 0), side="right")) - 1
        asks.append((Ask("energy", session.id, min(last, t_count - 1)), int(row[0])))
    p, q = laid.matrix(laid.p), laid.matrix(laid.q)
    _promises(wishes.promises, scenario, programme, asks, laid, u, base_kw, load_kw)
    return Case(
        scenario=scenario, horizon=horizon, wishes=wishes, first_row=first_row,
        load_kw=load_kw, load_kvar=load_kvar, made_kw=made_kw, base_kw=base_kw, base_kvar=base_kvar,
        lo=lo, hi=hi, p=p, q=q, name=tuple(laid.name), kind=tuple(laid.kind),
        sessions=tuple(sessions), programme=programme, u=u, store=level, asks=tuple(asks),
    )  # fmt: skip


def _host(hosted: tuple[Hosted, ...], base_kw: Floats, base_kvar: Floats) -> None:
    for one in hosted:
        base_kw[one.node] += one.p_kw
        base_kvar[one.node] += one.q_kvar


def _store(
    programme: Programme, asks: list[tuple[Ask, int]], u: Ints, device: str, kind: str,
    mine: list[tuple[int, Floats]], store: Any, k: int, horizon: Horizon, out: Any, wishes: Wishes, scenario: Scenario,
) -> Ints:  # fmt: skip
    """Level of one store; what it may hold is given, the least it must hold is asked."""
    t_count = len(horizon)
    lo, hi = store.lo[k].copy(), store.hi[k].copy()
    floor: Any = 0.0 if kind == "battery" else -np.inf
    if kind == "battery":
        fleet = next(f for f in scenario.fleets if isinstance(f, BatteryFleet) and device in f.id)
        at = fleet.id.index(device)
        begun = float(store.start[k])
        lo = np.zeros(t_count)
        if fleet.reserve is not None:
            lo = fleet.kept_share(scenario.profiles.row(horizon.start), horizon) * fleet.e_kwh[at]
        if wishes.day_ends_as_begun and wishes.outage is None:
            floor = np.where(np.arange(t_count) == t_count - 1, begun, 0.0)
        lo = np.where(out, 0.0, lo)
    elif kind == "heat_pump":
        # what comfort asks; the plans' own rule that a day ends half warm is none
        lo = np.where(out, -np.inf, np.minimum(lo, 0.0))
    below = np.where(np.isfinite(lo), np.minimum(floor, lo), floor)
    e = programme.add(np.broadcast_to(below, (t_count,)), np.where(np.isfinite(hi), hi, np.inf), 0.0)
    rhs = store.add[k].copy()
    rhs[0] += store.keep[k, 0] * store.start[k]
    rows = programme.rows("eq", rhs)
    programme.fill("eq", rows, e, 1.0)
    programme.fill("eq", rows[1:], e[:-1], -store.keep[k, 1:])
    for n, gain in mine:
        programme.fill("eq", rows, u[n], -gain)
    what = {"battery": "reserve", "heat_pump": "warmth"}.get(kind, "energy")
    asked = (
        np.flatnonzero(np.isfinite(lo) & (lo > np.broadcast_to(below, (t_count,)) + 1e-9))
        if kind == "battery"
        else (np.flatnonzero(np.isfinite(lo)))
    )
    if len(asked):
        row = programme.rows("le", -lo[asked])
        programme.fill("le", row, e[asked], -1.0)
        asks.extend((Ask(what, device, int(t)), int(r)) for t, r in zip(asked, row, strict=True))
    return e


def _sessions(fleet: EvChargerFleet, horizon: Horizon, first_row: int, laid: _Laid, out: Any) -> list[Session]:
    """A control per stay."""
    edge = first_row + np.append(horizon.first, horizon.steps.sum())
    found: list[Session] = []
    state = fleet.initial(first_row)
    for s, device in enumerate(fleet.session_device.tolist()):
        start, end = int(fleet.session_start[s]), int(fleet.session_end[s])
        if end <= edge[0] or start >= edge[-1]:
            continue
        kwh, p_kw = float(fleet.session_kwh[s]), float(fleet.p_kw[device])
        if start < first_row and int(state["session"][device]) == s:
            kwh -= float(state["delivered_kwh"][device])
        after = max(end - int(edge[-1]), 0) / HOUR_ROWS
        kwh = max(kwh - p_kw * after, 0.0)
        plugged = np.clip(np.minimum(edge[1:], end) - np.maximum(edge[:-1], start), 0, None) / np.diff(edge)
        if kwh <= 1e-9:
            continue
        box = np.where(out, 0.0, p_kw * plugged)
        if out.any():  # vehicles are shed first of all
            kwh = min(kwh, float(box @ horizon.dt_h))
        node = int(fleet.node[device])
        n = laid.add("ev_charger", fleet.id[device], 0.0 * box, box, {node: 1.0}, {})
        later = len([one for one in found if one.charger == fleet.id[device]])
        name = fleet.id[device] + (f" (stay {later + 1})" if later else "")
        found.append(Session(name, fleet.id[device], node, p_kw, start, end, kwh, n))
    return found


def _soft_points(fleet: SoftOpenPointFleet, laid: _Laid) -> None:
    """Both directions of every soft open point, losses taken off what arrives."""
    for name in dict.fromkeys(fleet.point):
        rows = [i for i, one in enumerate(fleet.point) if one == name]
        if len(rows) != 2:
            continue
        a, b = (int(fleet.node[i]) for i in rows)
        lost, most = float(fleet.loss_share[rows[0]]), np.full(laid.t_count, float(fleet.p_kw_max[rows[0]]))
        for here, there in ((a, b), (b, a)):
            laid.add(fleet.kind, name, 0.0 * most, most, {here: 1.0, there: lost - 1.0}, {})


def _promises(
    promises: tuple[Promise, ...], scenario: Scenario, programme: Programme, asks: list[tuple[Ask, int]],
    laid: _Laid, u: Ints, base_kw: Floats, load_kw: Floats,
) -> None:  # fmt: skip
    """Rows of what was promised: of the devices' own power, not of the node's."""
    del base_kw, load_kw
    for one in promises:
        mine = [n for n, name in enumerate(laid.name) if name in one.devices]
        t = np.flatnonzero(np.isfinite(one.p_kw))
        row = programme.rows("le", one.side * one.p_kw[t])
        for n in mine:
            programme.fill("le", row, u[n, t], one.side * sum(laid.p[n].values()))
        asks.extend((Ask("promise", one.name, int(when)), int(r)) for when, r in zip(t, row, strict=True))


__all__ = ["Ask", "Case", "Hosted", "Promise", "Session", "Wishes", "case_of"]
