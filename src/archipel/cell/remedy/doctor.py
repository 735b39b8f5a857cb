"""Finds what of a day cannot be kept by any plan, why, and the least change of every kind that mends it.

    asked of the area --> as near as it can be kept (the yardstick) --> conflicts: what binds together
                                                                          |
    for every kind of change: the least of it, made again around the AC state it leads to, until AC power flow agrees

The yardstick is the linear programme that may break what is asked, at one unit each; what it breaks, no plan keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from archipel.cell.remedy.case import Ask, Case, Wishes, case_of
from archipel.cell.remedy.changes import KINDS, NEAR, WIDE, Trial, Zone, changed_limits
from archipel.cell.remedy.network import Beyond, Limits, Network, Rows, Watch
from archipel.cell.remedy.prices import Prices
from archipel.devices import EvChargerFleet
from archipel.grid.cell_network import CellFlow
from archipel.model import Diverged, Floats, Horizon, Ints, Scenario, SolverFailed
from archipel.optimisation.programme import Found, Programme

PASSES = 12
BROKEN = 2e-3
"""Of a row's unit (about a kW): less is the solver's tolerance."""
TIED = 1e-4
"""Price, as a share of the largest, from which on a row takes part in a conflict."""
SETTLED = 2e-3
"""Change of the least change from one pass to the next, as a share, that ends the passes."""
CORRECTED_AFTER = 3
"""Passes after which what AC power flow finds beyond a limit tightens it."""
DAMPED = 0.004
"""Price of going as far as the last pass did, as a share of the change."""
LATER_STEPS = 32
TAPS = 5
PUSH = 1e4
"""Price of what stays broken, in the dearest unit of change, where a kind alone may not do."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Powers and the AC state there."""

    u: Floats
    p_kw: Floats
    q_kvar: Floats
    flow: CellFlow


@final
@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One part of an alternative, in numbers; the words are made of it."""

    kind: str
    thing: str
    amount: float
    unit: str
    beside: float = 0.0
    """The kW that go with storage."""
    profile: tuple[tuple[int, float], ...] = ()
    """(interval, amount) where it is needed, for changes of power; else empty."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """A way to make it possible."""

    kind: str
    changes: tuple[Change, ...]
    eur_per_day: float
    """Paid on every such day."""
    eur_per_a: float
    """Paid by the year."""
    measure: float
    """What was made least: the price of a day, in EUR."""
    kept: bool
    """Whether AC power flow keeps everything in it."""
    beyond: Beyond
    trial: Trial
    """The programme it is the least of, and its answer `x`."""
    x: Floats
    columns: Ints
    """The variables that are its change."""
    point: Point
    limits: Limits
    discrete: tuple[tuple[str, str, int], ...] = ()
    """For steps of time or taps: (kind, thing, steps)."""

    @property
    def total_eur_a(self) -> float:
        """EUR a year, for sorting."""
        return self.eur_per_a + self.eur_per_day * self.trial.prices.days_a_year


@final
@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """What cannot be kept together."""

    broken: tuple[tuple[Ask, float], ...]
    """Rows that stay broken at best, and by how much in their physical unit."""
    tied: tuple[Ask, ...]
    """Everything that binds together."""
    zones: tuple[Zone, ...]
    alternatives: tuple[Alternative, ...] = ()
    unable: tuple[str, ...] = ()
    """Kinds that do not do by themselves."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """The answer."""

    case: Case
    conflicts: tuple[Conflict, ...]
    dark: tuple[tuple[str, float, float], ...] = ()
    """Nodes that nothing feeds, with their load: (node, kWh, peak kW)."""
    best: Point | None = None
    """As near as the day can be kept."""

    @property
    def possible(self) -> bool:
        """Whether some plan keeps all that is asked."""
        return not self.conflicts and not self.dark


@dataclass(slots=True, eq=False)
class _Work:
    """What stays the same while one case is looked at."""

    case: Case
    network: Network
    limits: Limits
    watch: Watch
    prices: Prices
    reach: tuple[Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        case = self.case
        p = case.p
        up = p.maximum(0) @ case.hi + p.minimum(0) @ case.lo if len(case.lo) else 0.0 * case.base_kw
        down = -(p.maximum(0) @ case.lo + p.minimum(0) @ case.hi) if len(case.lo) else 0.0 * case.base_kw
        own = np.abs(case.base_kw)
        q = abs(case.q) @ np.maximum(np.abs(case.lo), np.abs(case.hi)) if len(case.lo) else 0.0 * case.base_kw
        # choices are counted from the point, so the whole range may lie on one side of it
        wide = np.maximum(up, 0.0) + np.maximum(down, 0.0) + own + q
        self.reach = (wide, wide)

    def point(self, u: Floats, more_p: Floats | float = 0.0, more_q: Floats | float = 0.0, guess: Any = None) -> Point:
        case = self.case
        p = case.base_kw + (case.p @ u if len(u) else 0.0) + more_p
        q = case.base_kvar + (case.q @ u if len(u) else 0.0) + more_q
        live = self.network.live[:, None]
        p, q = np.where(live, p, 0.0), np.where(live, q, 0.0)
        return Point(u, p, q, self.network.state(p, q, guess))

    def rows(self, point: Point, limits: Limits) -> Rows:
        self.network.look(point.flow, limits, self.watch)
        return self.network.rows(point.flow, point.p_kw, point.q_kvar, limits, self.watch, self.reach)

    def programme(self, rows: Rows, tight: Mapping[tuple[str, str, int], float] | None = None) -> tuple[Programme, Ints]:
        """Devices' part with the network's rows, some of them tightened (in their physical unit)."""
        case = self.case
        programme = case.programme.copy()
        bound = rows.bound - self._base(rows)
        if tight:
            less = np.array([tight.get((a.what, a.thing, a.t), 0.0) for a in rows.ask])
            bound = bound - less / rows.scale
        at = programme.rows("le", bound)
        if len(case.lo) and len(at):
            effect = rows.on_p @ case.p[rows.nodes].toarray() + rows.on_q @ case.q[rows.nodes].toarray()
            effect = np.where(np.abs(effect) > 1e-5, effect, 0.0)
            programme.fill("le", at[:, None], case.u[:, rows.t].T, effect)
        return programme, at

    def _base(self, rows: Rows) -> Floats:
        case, n = self.case, rows.nodes
        live = self.network.live[n][:, None]
        p, q = np.where(live, case.base_kw[n], 0.0), np.where(live, case.base_kvar[n], 0.0)
        return np.asarray((rows.on_p * p[:, rows.t].T + rows.on_q * q[:, rows.t].T).sum(axis=1))


def diagnose(
    scenario: Scenario,
    horizon: Horizon,
    wishes: Wishes | None = None,
    prices: Prices | None = None,
    *,
    kinds: Sequence[str] | None = None,
    network: Network | None = None,
    tell: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Look at a scenario over a horizon, everything known in advance.

    Args:
        scenario: what is asked, and of which devices.
        horizon: its intervals.
        wishes: what is asked beside the scenario.
        prices: of changes; by default those of `Prices.of(scenario.tariff)`.
        kinds: of changes to look for, by default all of `changes.KINDS`, "later", "tap" and "together".
        network: of the scenario, where the caller has it.
        tell: is told what is being looked for.

    Raises:
        Diverged: the network has no AC state even without any load.
        SolverFailed: the optimiser did not find the yardstick.
    """
    prices = prices or Prices.of(scenario.tariff)
    case = case_of(scenario, horizon, wishes)
    network = network or Network(scenario.grid, scenario.archipelago)
    work = _Work(case, network, network.limits(case), Watch(), prices)
    wanted = tuple(kinds) if kinds is not None else (*KINDS, "later", "tap", "together")
    point, rows, found, net_row, broken = _yardstick(work)
    conflicts = []
    for conflict in _conflicts(work, rows, net_row, found, broken):
        by_row = {int(r): a for a, r in zip(rows.ask, net_row, strict=True)} | {r: a for a, r in case.asks}
        others = _of_others(by_row, conflict, broken)
        conflicts.append(_mended(work, conflict, point, others, wanted, tell))
    return Diagnosis(case, tuple(conflicts), _dark(work), point)


def _dark(work: _Work) -> tuple[tuple[str, float, float], ...]:
    case = work.case
    load = np.maximum(case.base_kw, 0.0)
    rows = np.flatnonzero(~work.network.live & (load.max(axis=1, initial=0.0) > 1e-6))
    ids = case.scenario.grid.nodes.id
    return tuple((ids[n], float(load[n] @ case.horizon.dt_h), float(load[n].max())) for n in rows)


def _start(work: _Work) -> Point:
    """Some state: devices near rest, load taken off in halves until the network has one."""
    case = work.case
    u = np.clip(0.0, case.lo, case.hi)
    for n, kind in enumerate(case.kind):
        if kind in ("pv", "generator") and abs(case.p[:, [n]]).sum() > 0:
            u[n] = case.lo[n]
    for session in case.sessions:
        n = session.control
        hours = max(float((case.hi[n] > 0).astype(float) @ case.horizon.dt_h), 1e-9)
        u[n] = np.minimum(session.kwh / hours, case.hi[n])
    for share in (1.0, 0.7, 0.5, 0.25, 0.0):
        try:
            return work.point(share * u, (share - 1.0) * case.base_kw, (share - 1.0) * case.base_kvar)
        except Diverged:
            if share == 0.0:
                raise
    raise AssertionError


def _yardstick(work: _Work) -> tuple[Point, Rows, Found, Ints, Floats]:
    """As near as all can be kept: the point, its rows and programme, and how far every row of G stays broken."""
    point = _start(work)
    before = np.inf
    for _ in range(PASSES):
        rows = work.rows(point, work.limits)
        programme, at = work.programme(rows)
        asked = np.concatenate([at, np.array([r for _, r in work.case.asks], dtype=np.int64)])
        over = programme.add(0.0, np.inf, 1.0, len(asked))
        programme.fill("le", asked, over, -1.0)
        found = programme.solve()
        broken = np.zeros(programme._count["le"])
        broken[asked] = found.x[over]
        try:
            new = work.point(found.x[work.case.u], guess=point.flow)
        except Diverged:
            break
        point, value = new, float(found.value)
        if abs(value - before) <= SETTLED * max(value, 0.05) and (
            value > BROKEN or work.network.truth(point.p_kw, point.q_kvar, work.limits).kept
        ):
            break
        if value <= BROKEN and work.network.truth(point.p_kw, point.q_kvar, work.limits).kept:
            break
        before = value
    return point, rows, found, at, broken


def _conflicts(work: _Work, rows: Rows, at: Ints, found: Found, broken: Floats) -> list[Conflict]:
    """Broken rows and those that bind with them, grouped by the nodes they share."""
    by_row: dict[int, Ask] = {int(r): a for a, r in zip(rows.ask, at, strict=True)}
    by_row |= {r: a for a, r in work.case.asks}
    place = {int(r): k for k, r in enumerate(at)}
    hurt = [r for r in by_row if broken[r] > BROKEN]
    if not hurt:
        return []
    most = float(found.price.max())
    tied = [r for r in by_row if found.price[r] > TIED * most or broken[r] > BROKEN]
    zones = {r: _zone(work, rows, place.get(r), by_row[r]) for r in tied}
    group = {r: k for k, r in enumerate(tied)}
    for i, r in enumerate(tied):
        for s in tied[i + 1 :]:
            if group[r] != group[s] and _overlap(zones[r], zones[s], by_row[r], by_row[s]):
                old, new = group[s], group[r]
                group = {k: new if g == old else g for k, g in group.items()}
    out = []
    for number in dict.fromkeys(group.values()):
        mine = [r for r in tied if group[r] == number]
        if not any(broken[r] > BROKEN for r in mine):
            continue
        said = [(by_row[r], float(broken[r]) * (rows.scale[place[r]] if r in place else 1.0)) for r in mine if broken[r] > BROKEN]
        named: dict[tuple[int, int], Zone] = {}
        for r in mine:
            for zone in zones[r]:
                named.setdefault((zone.best, len(zone.nodes)), zone)
        out.append(Conflict(tuple(said), tuple(by_row[r] for r in mine), _few(named)))
    return out


def _few(named: dict[tuple[int, int], Zone]) -> tuple[Zone, ...]:
    """Not every node of a street on its own: zones that differ."""
    zones = sorted(named.values(), key=lambda z: -len(z.nodes))
    return tuple(zones[:6])


def _zone(work: _Work, rows: Rows, k: int | None, ask: Ask) -> list[Zone]:
    """The nodes near a limit, and all behind it."""
    case = work.case
    if k is None:
        devices = {ask.thing}
        for promise in case.wishes.promises:
            if promise.name == ask.thing:
                devices |= set(promise.devices)
        nodes = {s.node for s in case.sessions if s.id in devices}
        nodes |= {int(i) for n, name in enumerate(case.name) if name in devices for i in case.p[:, [n]].nonzero()[0]}
        every = np.array(sorted(nodes), dtype=np.int64)
        return [Zone(case.scenario.grid.nodes.id[every[0]], every, int(every[0]))] if len(every) else []
    effect = rows.on_p[k]
    strength = np.abs(effect)
    most = float(strength.max())
    busy = (np.abs(case.base_kw[rows.nodes]).any(axis=1)) | (work.reach[0][rows.nodes] > 1e-6).any(axis=1)
    best = int(rows.nodes[int(np.argmax(np.where(busy, strength, strength * 0.5)))])
    out = []
    for share in (NEAR, WIDE):
        nodes = rows.nodes[strength >= share * most]
        if not out or len(nodes) != len(out[-1].nodes):
            out.append(Zone(ask.thing, nodes, best))
    return out


def _overlap(a: list[Zone], b: list[Zone], first: Ask, second: Ask) -> bool:
    if first.what == second.what and first.thing == second.thing:
        return True
    if not a or not b:
        return False
    both = first.what.startswith("voltage") and second.what.startswith("voltage")
    which = -1 if both else 0
    return bool(np.intersect1d(a[which].nodes, b[which].nodes).size)


def _trial(
    work: _Work, rows: Rows, conflict: Conflict, broken: dict[Any, float], tight: Mapping[tuple[str, str, int], float]
) -> Trial:
    programme, at = work.programme(rows, tight)
    own = (programme.matrix("eq")[0], programme.matrix("le")[0])
    by_row = {r: a for a, r in work.case.asks}
    trial = Trial(work.case, rows, at, programme, conflict.zones, conflict.tied, work.prices, by_row, own)
    # what others break stays broken as it is
    mine = {(a.what, a.thing) for a in conflict.tied}
    for r, ask in [*zip(at.tolist(), rows.ask, strict=True), *((r, a) for a, r in work.case.asks)]:
        slack = broken.get((ask.what, ask.thing, ask.t), 0.0)
        if slack > BROKEN and (ask.what, ask.thing) not in mine:
            free = programme.add(0.0, slack * 1.0001, 0.0, 1)
            programme.fill("le", np.array([r]), free, -1.0)
    return trial


def least(
    work: _Work, conflict: Conflict, point: Point, others: dict[Any, float], kinds: Sequence[str]
) -> Alternative | None:
    """The least change of some kinds, or None where they do not do."""
    before, measure = np.inf, np.inf
    last: Floats | None = None
    step = 0.0
    tight: dict[tuple[str, str, int], float] = {}
    watch = replace(work.watch, high=set(work.watch.high), low=set(work.watch.low), branch=set(work.watch.branch))
    work = _Work(work.case, work.network, work.limits, watch, work.prices)
    limits = work.limits
    for number in range(PASSES):
        rows = work.network.rows(point.flow, point.p_kw, point.q_kvar, work.limits, watch, work.reach)
        trial = _trial(work, rows, conflict, others, tight)
        first = trial.programme.size
        for kind in kinds:
            KINDS[kind](trial)
        if kinds and not trial.pieces:
            return None
        columns = np.arange(first, trial.programme.size)
        # of several answers the one nearest to the last, so that passes settle
        pull = DAMPED * measure / step if step > 1e-6 and np.isfinite(measure) else 0.0
        near = (work.case.u.ravel(), last, pull) if last is not None and pull > 0.0 else None
        try:
            found = trial.programme.solve(near)
        except SolverFailed:
            pushed = _pushed(trial)
            if pushed is None:
                return None
            found = pushed
        x = found.x
        now = x[work.case.u.ravel()]
        step = float(((now - last) ** 2).sum()) if last is not None else 0.0
        last = now
        more_p, more_q = np.zeros((2, *work.case.base_kw.shape))
        for cols, p, q in trial.inject:
            more_p += p * x[cols]
            more_q += q * x[cols]
        try:
            point = work.point(x[work.case.u], more_p, more_q, point.flow)
        except Diverged:
            return None
        ids, branch_id = work.network.grid.nodes.id, work.network.grid.branch_id
        limits = changed_limits(work.limits, trial, x, branch_id)
        cost = trial.programme.cost
        before, measure = measure, float(cost[columns] @ x[columns])
        allowed = _allowed(limits, rows, others, ids, branch_id, work)
        work.network.look(point.flow, allowed, watch)
        beyond = work.network.truth(point.p_kw, point.q_kvar, allowed)
        if beyond.kept and number and abs(measure - before) <= SETTLED * abs(measure):
            break
        if number >= CORRECTED_AFTER and np.isfinite(beyond.loading):
            # what passes do not settle (a current's larger end, bent losses) is taken off the limit
            for what, thing, t, by in beyond.said:
                tight[what, thing, t] = tight.get((what, thing, t), 0.0) + by
    return _alternative(work, kinds, trial, x, columns, point, allowed, beyond, measure)


def _pushed(trial: Trial) -> Found | None:
    """The answer where what is asked may be broken at a high price; None where something stays broken."""
    programme = trial.programme.copy()
    asked = np.concatenate([trial.net_row, np.array(list(trial.asks), dtype=np.int64)])
    dear = float(programme.cost.max(initial=0.0)) or 1.0
    over = programme.add(0.0, np.inf, PUSH * dear, len(asked))
    programme.fill("le", asked, over, -1.0)
    try:
        found = programme.solve()
    except SolverFailed:
        return None
    if found.x[over].max(initial=0.0) > BROKEN:
        return None
    return Found(found.x[: trial.programme.size], 0.0, found.price)


def _allowed(
    limits: Limits, rows: Rows, others: dict[Any, float], ids: Any, branch_id: Any, work: _Work
) -> Limits:
    """Limits as they are here, widened by what other conflicts break."""
    if not others:
        return limits
    low, high, load = limits.v_pu_min.copy(), limits.v_pu_max.copy(), limits.loading.copy()
    scale = {(a.what, a.thing): float(s) for a, s in zip(rows.ask, rows.scale, strict=True)}
    firm, cells = limits.firm, dict(limits.cells)
    for (what, thing, t), units in others.items():
        by = units * scale.get((what, thing), 1.0) * 1.02
        if what == "voltage high":
            high[ids.index(thing)] = max(high[ids.index(thing)], work.limits.v_pu_max[ids.index(thing)] + by)
        elif what == "voltage low":
            low[ids.index(thing)] = min(low[ids.index(thing)], work.limits.v_pu_min[ids.index(thing)] - by)
        elif what == "loading":
            k = branch_id.index(thing)
            load[k] = max(load[k], work.limits.loading[k] + by)
        elif what in ("import limit", "export limit", "cell import", "cell export"):
            old = firm if not what.startswith("cell") else cells[thing]
            side = old.import_kw if what.endswith("import") or what.startswith("import") else old.export_kw
            wider = side.copy()
            wider[t] += by
            new = replace(old, import_kw=wider) if side is old.import_kw else replace(old, export_kw=wider)
            if what.startswith("cell"):
                cells[thing] = new
            else:
                firm = new
    return replace(limits, v_pu_min=low, v_pu_max=high, loading=load, firm=firm, cells=cells)


def _alternative(
    work: _Work, kinds: Sequence[str], trial: Trial, x: Floats, columns: Ints, point: Point, limits: Limits,
    beyond: Beyond, measure: float,
) -> Alternative:  # fmt: skip
    changes, by_year = [], 0.0
    cost = trial.programme.cost
    for piece in trial.pieces:
        value = x[piece.cols] * piece.scale
        most = float(value.max(initial=0.0))
        least_told = 1e-5 if piece.unit == "pu" else 1e-3
        if most <= least_told:
            continue
        beside = float(x[piece.beside].max()) if piece.beside is not None else 0.0
        over_time = len(piece.cols) > 1
        # what is below a thousandth of the most is the optimiser's
        profile = tuple((t, float(v)) for t, v in enumerate(value) if v > 1e-3 * most) if over_time else ()
        amount = most
        changes.append(Change(piece.kind, piece.thing, amount, piece.unit, beside, profile))
    yearly = {"storage", "generator", "reactive", "rating", "smaller"}
    for piece in trial.pieces:
        if piece.kind in yearly or piece.kind.startswith("limit"):
            by_year += float(cost[piece.cols] @ x[piece.cols])
            if piece.beside is not None:
                by_year += float(cost[piece.beside] @ x[piece.beside])
    per_day = max(measure - by_year, 0.0)
    name = (*kinds, "")[0] if len(kinds) < 2 else "together"
    return Alternative(
        name, tuple(changes), per_day, by_year * work.prices.days_a_year, measure, beyond.kept, beyond, trial, x,
        columns, point, limits,
    )  # fmt: skip


def _mended(
    work: _Work, conflict: Conflict, point: Point, others: dict[Any, float], wanted: Sequence[str],
    tell: Callable[[str], None] | None,
) -> Conflict:  # fmt: skip
    """A conflict with its alternatives, cheapest first."""
    ways, unable = [], []
    for kind in wanted:
        if tell is not None:
            tell(kind)
        found: Alternative | None
        if kind == "later":
            found = _later(work, conflict, point, others)
        elif kind == "tap":
            found = _tapped(work, conflict, point, others)
        elif kind == "together":
            continue
        else:
            found = least(work, conflict, point, others, (kind,))
        if found is not None and found.changes and found.kept:
            ways.append(found)
        else:
            unable.append(kind)
    if "together" in wanted and not ways:
        found = least(work, conflict, point, others, tuple(k for k in wanted if k in KINDS))
        if found is not None and found.changes:
            ways.append(found)
    ways.sort(key=lambda way: (not way.kept, way.total_eur_a))
    return replace(conflict, alternatives=tuple(ways), unable=tuple(unable))


def _of_others(by_row: dict[int, Ask], conflict: Conflict, broken: Floats) -> dict[Any, float]:
    """What other conflicts break, in units of rows, by what, thing and interval."""
    mine = {(a.what, a.thing) for a in conflict.tied}
    return {
        (a.what, a.thing, a.t): float(broken[r])
        for r, a in by_row.items()
        if broken[r] > BROKEN and (a.what, a.thing) not in mine
    }


def _later(work: _Work, conflict: Conflict, point: Point, others: dict[Any, float]) -> Alternative | None:
    """Vehicles of the conflict leave later, all by as many quarter hours: the fewest that do."""
    mine = {a.thing for a in conflict.tied if a.what == "energy"}
    mine |= {s.id for s in work.case.sessions if any(s.node in z.nodes for z in conflict.zones) and mine}
    if not mine:
        return None
    low, high, best = 0, LATER_STEPS, None
    while low + 1 < high or best is None:
        steps = high if best is None else (low + high) // 2
        scenario = _shifted(work, mine, steps)
        case = case_of(scenario, work.case.horizon, work.case.wishes)
        other = _Work(case, work.network, work.limits, work.watch, work.prices)
        found = least(other, conflict, point, others, ())
        if found is None or not found.kept:
            if best is None:
                return None
            low = steps
        else:
            best, high = replace(found, kind="later"), steps
        if high - low <= 1 and best is not None:
            break
    names = sorted(mine)
    changes = tuple(Change("later", n, 15.0 * high, "min") for n in names)
    day = work.prices.late_vehicle_eur_per_h * 0.25 * high * len(names)
    return replace(best, changes=changes, eur_per_day=day, measure=day, discrete=tuple(("later", n, high) for n in names))


def _shifted(work: _Work, names: set[str], steps: int) -> Scenario:
    fleets: list[Any] = list(work.case.scenario.fleets)
    for k, fleet in enumerate(fleets):
        if not isinstance(fleet, EvChargerFleet):
            continue
        end = fleet.session_end.copy()
        for one in work.case.sessions:
            if one.id not in names or one.charger not in fleet.id:
                continue
            device = fleet.id.index(one.charger)
            s = int(np.flatnonzero((fleet.session_device == device) & (fleet.session_start == one.start))[0])
            after = fleet.session_start[s + 1] if s + 1 < len(end) and fleet.session_device[s + 1] == device else 10**9
            end[s] = min(int(end[s]) + steps, int(after))
        fleets[k] = replace(fleet, session_end=end)
    return replace(work.case.scenario, fleets=tuple(fleets))


def _tapped(work: _Work, conflict: Conflict, point: Point, others: dict[Any, float]) -> Alternative | None:
    """A transformer's tap is moved: the fewest steps of one transformer that do."""
    if not any(a.what.startswith("voltage") for a in conflict.tied):
        return None
    grid, case = work.case.scenario.grid, work.case
    trafos = grid.transformers
    for steps in range(1, TAPS + 1):
        for k in np.flatnonzero((trafos.tap_step_percent > 0.0) & trafos.hv_closed & trafos.lv_closed):
            for way in (1, -1):
                tap = trafos.tap_pos.copy()
                tap[k] += way * steps
                changed = replace(grid, transformers=replace(trafos, tap_pos=tap))
                network = Network(changed, case.scenario.archipelago)
                other = _Work(case, network, work.limits, Watch(set(), set(), set()), work.prices)
                try:
                    at = other.point(point.u)
                except Diverged:
                    continue
                found = least(other, conflict, at, others, ())
                if found is not None and found.kept:
                    name = trafos.id[k]
                    change = Change("tap", name, float(steps), "up" if way > 0 else "down")
                    cost = work.prices.visit_eur / 15.0
                    return replace(
                        found, kind="tap", changes=(change,), eur_per_day=0.0, eur_per_a=cost,
                        measure=cost / work.prices.days_a_year, discrete=(("tap", name, way * steps),),
                    )  # fmt: skip
    return None
