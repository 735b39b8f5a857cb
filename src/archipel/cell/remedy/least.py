"""The least change of one kind, found again around the AC state it leads to until AC power flow agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from scipy import sparse

from archipel.cell.remedy.case import Ask, Case
from archipel.cell.remedy.changes import KINDS, Trial, Zone, changed_limits
from archipel.cell.remedy.network import Beyond, Limits, Network, Rows, Watch
from archipel.cell.remedy.prices import Prices
from archipel.grid.cell_network import CellFlow
from archipel.model import Diverged, Floats, Ints, SolverFailed
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
MANY = 1.5
"""Controls per node from which on a programme has what nodes draw as variables."""
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


@dataclass(slots=True, eq=False)
class Work:
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
        """The AC state at controls `u` (N, T) and what is drawn beside. Raises Diverged."""
        case = self.case
        p = case.base_kw + (case.p @ u if len(u) else 0.0) + more_p
        q = case.base_kvar + (case.q @ u if len(u) else 0.0) + more_q
        live = self.network.live[:, None]
        p, q = np.where(live, p, 0.0), np.where(live, q, 0.0)
        return Point(u, p, q, self.network.state(p, q, guess))

    def rows(self, point: Point, limits: Limits) -> Rows:
        """The limits that may bind there."""
        self.network.look(point.flow, limits, self.watch)
        return self.network.rows(point.flow, point.p_kw, point.q_kvar, limits, self.watch, self.reach)

    def programme(
        self, rows: Rows, tight: Mapping[tuple[str, str, int], float] | None = None
    ) -> tuple[Programme, Ints]:
        """Devices' part with the network's rows, some of them tightened (in their physical unit)."""
        case = self.case
        programme = case.programme.copy()
        bound = rows.bound - self._base(rows)
        if tight:
            less = np.array([tight.get((a.what, a.thing, a.t), 0.0) for a in rows.ask])
            bound = bound - less / rows.scale
        at = programme.rows("le", bound)
        if len(case.lo) and len(at):
            for power, on in ((case.p[rows.nodes], rows.on_p), (case.q[rows.nodes], rows.on_q)):
                self._drawn(programme, power.tocsr(), on, rows.t, at)
        return programme, at

    def _drawn(self, programme: Programme, power: sparse.csr_matrix, on: Floats, when: Ints, at: Ints) -> None:
        """What controls draw, put into network rows: node by node where that is fewer numbers than one by one."""
        case = self.case
        controls, nodes = np.unique(power.indices), np.flatnonzero(np.diff(power.indptr))
        if len(controls) <= MANY * len(nodes):
            effect = on @ power[:, controls].toarray()
            programme.fill("le", at[:, None], case.u[controls][:, when].T, np.where(np.abs(effect) > 1e-5, effect, 0.0))
            return
        hours = np.unique(when)
        more, less = power[nodes].maximum(0), power[nodes].minimum(0)
        lo, hi = case.lo[:, hours], np.maximum(case.lo, case.hi)[:, hours]
        drawn = programme.add(more @ lo + less @ hi - 1.0, more @ hi + less @ lo + 1.0, 0.0)
        link = programme.rows("eq", np.zeros(drawn.shape)).reshape(drawn.shape)
        programme.fill("eq", link, drawn, -1.0)
        part = power[nodes].tocoo()
        programme.fill("eq", link[part.row], case.u[part.col][:, hours], part.data[:, None])
        effect = on[:, nodes]
        place = np.searchsorted(hours, when)
        programme.fill("le", at[:, None], drawn[:, place].T, np.where(np.abs(effect) > 1e-5, effect, 0.0))

    def _base(self, rows: Rows) -> Floats:
        case, n = self.case, rows.nodes
        live = self.network.live[n][:, None]
        p, q = np.where(live, case.base_kw[n], 0.0), np.where(live, case.base_kvar[n], 0.0)
        return np.asarray((rows.on_p * p[:, rows.t].T + rows.on_q * q[:, rows.t].T).sum(axis=1))


def _trial(
    work: Work, rows: Rows, conflict: Conflict, broken: dict[Any, float], tight: Mapping[tuple[str, str, int], float]
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
    work: Work, conflict: Conflict, point: Point, others: dict[Any, float], kinds: Sequence[str]
) -> Alternative | None:
    """The least change of some kinds, or None where they do not do."""
    before, measure = np.inf, np.inf
    last: Floats | None = None
    step = 0.0
    tight: dict[tuple[str, str, int], float] = {}
    watch = replace(work.watch, high=set(work.watch.high), low=set(work.watch.low), branch=set(work.watch.branch))
    work = Work(work.case, work.network, work.limits, watch, work.prices)
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


def _allowed(limits: Limits, rows: Rows, others: dict[Any, float], ids: Any, branch_id: Any, work: Work) -> Limits:
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
    work: Work, kinds: Sequence[str], trial: Trial, x: Floats, columns: Ints, point: Point, limits: Limits,
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
