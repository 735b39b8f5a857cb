"""Finds what of a day cannot be kept by any plan, why, and the least change of every kind that mends it.

    asked of the area --> as near as it can be kept (the yardstick) --> conflicts: what binds together
                                                                          |
    for every kind of change: the least of it, made again around the AC state it leads to, until AC power flow agrees

The yardstick is the linear programme that may break what is asked, at one unit each; what it breaks, no plan keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from archipel.cell.remedy.area import resting
from archipel.cell.remedy.case import Ask, Case, Wishes, case_of
from archipel.cell.remedy.changes import KINDS, NEAR, WIDE, Zone
from archipel.cell.remedy.least import (
    BROKEN,
    PASSES,
    SETTLED,
    TIED,
    Alternative,
    Conflict,
    Point,
    Work,
    least,
)
from archipel.cell.remedy.network import Network, Rows, Watch
from archipel.cell.remedy.prices import Prices
from archipel.cell.remedy.steps import later, shorter, switched, tapped
from archipel.model import Diverged, Floats, GridError, Horizon, Ints, Scenario, SolverFailed
from archipel.optimisation.programme import Found


@final
@dataclass(frozen=True, slots=True, eq=False)
class Dark:
    """A node that nothing feeds."""

    node: str
    kwh: float
    p_kw: float
    """Largest load."""
    switches: tuple[tuple[str, bool], ...]
    """What would feed it when closed, and whether all limits are kept then; those that keep them first."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """The answer."""

    case: Case
    conflicts: tuple[Conflict, ...]
    dark: tuple[Dark, ...] = ()
    best: Point | None = None
    """As near as the day can be kept."""
    branches: tuple[str, ...] = ()
    """Ids of the branches of `best.flow`."""

    @property
    def possible(self) -> bool:
        """Whether some plan keeps all that is asked."""
        return not self.conflicts and not self.dark


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
        kinds: of changes to look for, by default all of `changes.KINDS`, "later", "tap", "shorter" and "together".
        network: of the scenario, where the caller has it.
        tell: is told what is being looked for.

    Raises:
        Diverged: the network has no AC state even without any load.
        SolverFailed: the optimiser did not find the yardstick.
    """
    prices = prices or Prices.of(scenario.tariff)
    case = case_of(scenario, horizon, wishes)
    network = network or Network(scenario.grid, scenario.archipelago)
    work = Work(case, network, network.limits(case), Watch(), prices)
    wanted = tuple(kinds) if kinds is not None else (*KINDS, "later", "tap", "shorter", "together")
    point, rows, found, net_row, broken = _yardstick(work)
    conflicts = []
    for conflict in _conflicts(work, rows, net_row, found, broken):
        by_row = {int(r): a for a, r in zip(rows.ask, net_row, strict=True)} | {r: a for a, r in case.asks}
        others = _of_others(by_row, conflict, broken)
        conflicts.append(_mended(work, conflict, point, others, wanted, tell))
    branches = tuple(scenario.grid.branch_id[b] for b in network.net.branches)
    return Diagnosis(case, tuple(conflicts), _dark(work), point, branches)


def _dark(work: Work) -> tuple[Dark, ...]:
    """Load that nothing feeds, and which one switch would feed it without breaking a limit."""
    case, network = work.case, work.network
    load = np.maximum(case.base_kw, 0.0)
    rows = np.flatnonzero(~network.live & (load.max(axis=1, initial=0.0) > 1e-6))
    if not len(rows):
        return ()
    ids, ways = case.scenario.grid.nodes.id, []
    for name, grid in switched(case.scenario.grid):
        other = network.with_grid(grid)
        fed = rows[other.live[rows]]
        if not len(fed):
            continue
        again = Work(case, other, work.limits, Watch(), work.prices)
        try:
            point, *_, broken = _yardstick(again)
        except (GridError, SolverFailed):
            continue
        kept = broken.max(initial=0.0) <= BROKEN and other.truth(point.p_kw, point.q_kvar, work.limits).kept
        ways.append((name, frozenset(fed.tolist()), kept))
    ways.sort(key=lambda way: (not way[2], -len(way[1])))
    return tuple(
        Dark(
            ids[n], float(load[n] @ case.horizon.dt_h), float(load[n].max()),
            tuple((name, kept) for name, fed, kept in ways if n in fed),
        )
        for n in rows
    )  # fmt: skip


def _start(work: Work) -> Point:
    """Some state: devices near rest, load taken off in halves until the network has one."""
    case = work.case
    u = resting(case)
    for share in (1.0, 0.7, 0.5, 0.25, 0.0):
        try:
            return work.point(share * u, (share - 1.0) * case.base_kw, (share - 1.0) * case.base_kvar)
        except Diverged:
            if share == 0.0:
                raise
    raise AssertionError("without any load there is a state, or it was refused above")


def _yardstick(work: Work) -> tuple[Point, Rows, Found, Ints, Floats]:
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
        broken = np.zeros(programme.count("le"))
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


def _conflicts(work: Work, rows: Rows, at: Ints, found: Found, broken: Floats) -> list[Conflict]:
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
        said = [
            (by_row[r], float(broken[r]) * (rows.scale[place[r]] if r in place else 1.0))
            for r in mine
            if broken[r] > BROKEN
        ]
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


def _zone(work: Work, rows: Rows, k: int | None, ask: Ask) -> list[Zone]:
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
    out: list[Zone] = []
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


def _mended(
    work: Work, conflict: Conflict, point: Point, others: dict[Any, float], wanted: Sequence[str],
    tell: Callable[[str], None] | None,
) -> Conflict:  # fmt: skip
    """A conflict with its alternatives, cheapest first."""
    ways, unable = [], []
    for kind in wanted:
        if tell is not None:
            tell(kind)
        found: Alternative | None
        if kind == "later":
            found = later(work, conflict, point, others)
        elif kind == "tap":
            found = tapped(work, conflict, point, others)
        elif kind == "shorter":
            found = shorter(work, conflict, point, others)
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
