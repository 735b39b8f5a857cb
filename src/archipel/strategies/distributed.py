"""Cells agree with their neighbours by messages; nobody sees behind a boundary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, final

import numpy as np

from archipel.cell.parts import Parts, cut
from archipel.controller.controller import CellController
from archipel.coordination import auto
from archipel.coordination.message import Message
from archipel.coordination.outcome import Method
from archipel.devices.base import State
from archipel.model import ArchipelError, Believed, Connection, Floats, Horizon, Ints, Scenario, SolverFailed
from archipel.strategies.group import Group, Outcome, RemoteGroup
from archipel.strategies.measure import measure
from archipel.strategies.off_grid import OffGridRule
from archipel.strategies.planning import Desk, ForecastKind
from archipel.strategies.recorded import recorded
from archipel.twin import Decision, Priced, Seen

QUIET_TICKS = 100
"""Ticks without any message after which a plan is given up; every cell then does what silence means."""


@final
class Distributed:
    """The strategy this project is about.

    `workers` processes share the cells by whole feeders (1: all in this process); the answer is the same, bit for
    bit. `gaps` plans are also solved centrally and alone, at 00:00 and 12:00 UTC, to measure the gap.

    With `apart` every cell has a process of its own, and may lose it (`kill_cell`): it is then silent, its devices
    follow their local rules, and the others agree without it until it is started again (`start_cell`). Linux only.
    """

    name = "distributed"

    def __init__(
        self,
        scenario: Scenario,
        *,
        forecast: ForecastKind = "perfect",
        workers: int | None = None,
        gaps: bool = True,
        method: Method = auto.DEFAULT,
        apart: bool = False,
    ) -> None:
        self.parts: Parts = cut(scenario)
        self._method, self._apart = method, apart
        self._desk = Desk(self.parts, forecast, scenario.replan_steps)
        self._gaps = gaps and not scenario.island.off_grid
        guards = scenario.island.off_grid and forecast != "perfect"
        self._rule = OffGridRule(scenario) if guards else None
        self.measuring_s = 0.0
        self.workers_cpu_s = 0.0
        shards = _shards(self.parts, _workers(workers))
        if apart:
            if not can_fork():
                raise ArchipelError("cells in processes of their own need Linux; found another system")
            shards = [[], *([i] for i in range(len(self.parts.sites)))]
        controllers = [[CellController(self.parts.sites[i], method=method) for i in shard] for shard in shards]
        self._here = Group(controllers[0])
        self._there = [RemoteGroup(some) for some in controllers[1:]]
        if self._there:
            self._here.outlet = self._send
        self._outcomes: dict[str, Outcome | None] = {}
        self._node_prices: dict[str, Floats] = {}
        self._planned: datetime | None = None
        self._believed: Believed | None = None

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Plan when due; leases of all cells."""
        entries: tuple[dict[str, Any], ...] = ()
        gaps: tuple[dict[str, Any], ...] = ()
        if self._desk.due(now, last):
            entries = (self._plan(now, states, last),)
            if self._gaps and now.hour in (0, 12) and now.minute == 0:
                begun = time.perf_counter()
                try:
                    gaps = (self._measure(now, states, last),)
                except SolverFailed as error:  # what was agreed holds, whoever else could solve it
                    entries[0]["given"].append(f"not measured against the centre: {error}")
                self.measuring_s += time.perf_counter() - begun
        decision = self._leases(now, states, entries, gaps)
        if entries:
            decision = replace(decision, believed=self._believed)
        if self._rule is None:
            return decision
        first = self._rule.decide(now, states, last)
        planned = np.where(self._rule.governs, np.nan, decision.p_kw)
        return replace(decision, p_kw=np.where(np.isnan(first), planned, first))

    def planned_kw(self, members: Mapping[str, Mapping[str, Mapping[str, Ints]]], now: datetime) -> dict[str, Floats]:
        """What the devices of every contract draw together by the last plan [kW], from `now` on in quarter hours.

        Args:
            members: rows of a cell's fleets, by cell, contract and kind.
            now: a quarter hour in the horizon of that plan.
        """
        total: dict[str, Floats] = {}
        for sums in self._collect("planned_kw", members).values():
            for contract, (horizon, kw) in sums.items():
                past = round((now - horizon.start).total_seconds() / 900.0)
                total[contract] = total.get(contract, 0.0) + np.repeat(kw, horizon.steps)[past:]
        return total

    def limit(self, most: Connection | None, until: datetime) -> None:
        """Tell the root of a limit at the upstream connection until a time, beside the scenario's; None: of no more.

        Plans made from then on keep to it.
        """
        self._desk.limited = None if most is None else (most, until)

    def plan_next(self) -> None:
        """Plan at the next quarter hour, whatever the rhythm."""
        self._desk.at_once = True

    def outcome_of(self, cell: str) -> Outcome | None:
        """How the last plan went for a cell; None where it took no part or nothing was ever agreed."""
        return self._outcomes.get(cell)

    @property
    def planned(self) -> tuple[datetime, Horizon] | None:
        """When the last plan was made and for which intervals; None before the first."""
        return None if self._planned is None else (self._planned, self._horizon)

    @property
    def dead(self) -> frozenset[str]:
        """Cells whose process is gone."""
        return frozenset(name for group in self._there if group.dead for name in group.names)

    def process_of(self, cell: str) -> int | None:
        """Number of the process a cell lives in; None in this one."""
        return next((group.pid for group in self._there if cell in group.names), None)

    def kill_cell(self, cell: str) -> None:
        """End a cell's process as a crash would. Raises ArchipelError without `apart`, or for a cell there is not."""
        self._there[self._row_of(cell)].kill()

    def start_cell(self, cell: str) -> None:
        """Start a cell's process again; it knows nothing of before and takes part in the next plan.

        Raises ArchipelError without `apart`, or for a cell there is not.
        """
        row = self._row_of(cell)
        self._there[row].close()
        self._there[row] = RemoteGroup([CellController(self.parts.sites[row], method=self._method)])
        self._outcomes.pop(cell, None)

    def _row_of(self, cell: str) -> int:
        names = [site.id for site in self.parts.sites]
        if not self._apart:
            raise ArchipelError(f"cell {cell}: found cells that share processes; expected every cell in one of its own")
        if cell not in names:
            raise ArchipelError(f"cell {cell}: there is none of that name; expected one of {', '.join(names)}")
        return names.index(cell)

    def close(self) -> None:
        """End the worker processes."""
        for group in self._there:
            self.workers_cpu_s += group.close()

    # ---------------------------------------------------------------- planning

    def _plan(self, now: datetime, states: Mapping[str, State], last: Seen | None) -> dict[str, Any]:
        horizon = self._desk.horizon(now)
        weather = self._desk.weather(horizon)
        sites = self.parts.sites
        readings = {site.id: self._desk.readings(i, weather, states, last) for i, site in enumerate(sites)}
        root = self._desk.root(horizon)
        plan = self._desk.plans
        top = sites[0].id
        for group in self._there:
            told = root if top in group.names else None
            group.start("begin", plan, horizon, {name: readings[name] for name in group.names}, told)
        self._talk(self._here.begin(plan, horizon, readings, root))
        self._outcomes, self._planned, self._horizon = self._collect("outcomes"), now, horizon
        self._node_prices = self._collect("node_prices")
        self._believed = recorded(self.parts, horizon, self._collect("beliefs", horizon), self._price_of)
        return self._entry(now)

    def _price_of(self, cell: str) -> Floats | None:
        """Price at a cell's boundary by the last plan, (T,): both ends of its tie know it."""
        outcome = self._outcomes.get(cell)
        return None if outcome is None or outcome.silent else outcome.price[0]

    def _talk(self, mail: list[Message]) -> None:
        """Pass messages between groups until nobody waits; when nothing moves, let time pass."""
        quiet = 0
        while quiet < QUIET_TICKS:
            self._send(mail)
            mail = [m for group in self._there for _ in range(group.pending) for m in group.finish() or ()]
            self._check()
            if mail:
                quiet = 0
                mail = self._here.deliver(mail)
            elif not any(group.pending for group in self._there):
                if not self._any_open():
                    return
                quiet += 1
                for group in self._there:
                    group.start("tick")
                mail = self._here.tick()

    def _check(self) -> None:
        """Where cells share processes a dead one is no silent cell: half the area would be missing."""
        if not self._apart and (dead := self.dead):
            raise ArchipelError(
                f"the process of {', '.join(sorted(dead))} has ended; expected it to live as long as this"
            )

    def _send(self, mail: list[Message]) -> None:
        for group in self._there:
            if some := [m for m in mail if m.receiver in group.names]:
                group.start("deliver", some)

    def _any_open(self) -> bool:
        for group in self._there:
            group.start("open")
        waits = self._here.open()
        for group in self._there:
            waits = bool(group.finish()) or waits
        return waits

    def _collect(self, call: str, *args: Any) -> dict[str, Any]:
        for group in self._there:
            group.start(call, *args)
        out: dict[str, Any] = dict(getattr(self._here, call)(*args))
        for group in self._there:
            out.update(group.finish() or {})
        self._check()
        return out

    def _entry(self, now: datetime) -> dict[str, Any]:
        seen = [o for o in self._outcomes.values() if o is not None]
        root = self._outcomes.get(self.parts.sites[0].id)
        gave = [text for outcome in seen for text in outcome.gave]
        return {
            "time": now,
            "rounds": 0 if root is None else root.rounds,
            "messages": sum(o.messages for o in seen),
            "bytes": sum(o.bytes for o in seen),
            "passes": 0 if root is None else root.passes,
            "gap": float("nan") if root is None else root.gap,
            "cost_eur": float("nan") if root is None else root.cost,
            "excess_v_pu": float("nan") if root is None else float(root.excess[0]),
            "excess_loading": float("nan") if root is None else float(root.excess[1]),
            "excess_connection": float("nan") if root is None else float(root.excess[2]),
            "accepted": root is not None and root.accepted,
            "residual_kw": self._ends_differ(),
            "way": "" if root is None else root.way,
            "primal_kw": float("nan") if root is None else root.primal_kw,
            "primal_v_pu": float("nan") if root is None else root.primal_v_pu,
            "dual_eur_per_kwh": float("nan") if root is None else root.dual_eur_per_kwh,
            "silent": sorted({o.silent for o in seen if o.silent} | self.dead),
            "given": gave,
        }

    def _ends_differ(self) -> float:
        """Largest difference between what the two ends of any tie hold to be agreed [kW]."""
        worst = 0.0
        for upper in self._outcomes.values():
            for name, held in () if upper is None else zip(upper.children, upper.child_boundary, strict=True):
                if (lower := self._outcomes.get(name)) is not None:
                    worst = max(worst, float(np.abs(held[0] - lower.boundary[0]).max()))
        return worst

    def _measure(self, now: datetime, states: Mapping[str, State], last: Seen | None) -> dict[str, Any]:
        problems = self._collect("problems")
        weather = self._desk.weather(self._horizon)
        root = self._desk.root(self._horizon)
        readings = [self._desk.readings(i, weather, states, last) for i in range(len(self.parts.sites))]
        return measure(self.parts, problems, readings, self._horizon, root, now)

    # ---------------------------------------------------------------- leases

    def _leases(
        self,
        now: datetime,
        states: Mapping[str, State],
        entries: tuple[dict[str, Any], ...],
        gaps: tuple[dict[str, Any], ...],
    ) -> Decision:
        parts = self.parts
        own = {site.id: parts.states(i, states) for i, site in enumerate(parts.sites)}
        for group in self._there:
            group.start("setpoints", now, {name: own[name] for name in group.names})
        wanted: dict[str, Any] = dict(self._here.setpoints(now, own))
        for group in self._there:
            wanted.update(group.finish() or {})
        self._check()
        free = Decision.free(len(parts.scenario.device_node), len(parts.scenario.archipelago.tie))
        p, q, price, agreed = free.p_kw.copy(), free.q_kvar.copy(), free.price.copy(), free.agreed_kw.copy()
        t = 0
        if self._planned is not None:
            quarter = int((now - self._planned).total_seconds() // 900)
            t = int(np.searchsorted(self._horizon.first, quarter, side="right")) - 1
        for i, site in enumerate(parts.sites):
            if site.id in wanted:
                parts.put(i, wanted[site.id], p, q)
            outcome = self._outcomes.get(site.id)
            if i and outcome is not None and not outcome.silent:
                price[parts.tie_of[i]], agreed[parts.tie_of[i]] = outcome.price[0, t], outcome.boundary[0, t]
        return Decision(p, q, price, agreed, entries, gaps, None if self._planned is None else self._priced(t))

    def _priced(self, t: int) -> Priced:
        """What prices are made of in interval `t`, for the record."""
        parts = self.parts
        told = Priced.none(len(parts.scenario.archipelago.tie), len(parts.scenario.grid.nodes))
        for i, site in enumerate(parts.sites):
            outcome = self._outcomes.get(site.id)
            if outcome is None or outcome.silent:
                continue
            if i:
                told.tie_q[parts.tie_of[i]] = outcome.price[1, t]
                if outcome.parts is not None:
                    told.tie_parts[parts.tie_of[i]] = outcome.parts[:, 0, t]
            if (inside := self._node_prices.get(site.id)) is not None:
                told.node[site.network.nodes] = inside[:, :, t].T
        return told


def can_fork() -> bool:
    """Whether cells can have processes of their own; forking is safe on Linux only."""
    return sys.platform.startswith("linux")


def _workers(wanted: int | None) -> int:
    """Processes to use."""
    if not can_fork():
        return 1
    return max(1, wanted if wanted is not None else min(4, os.cpu_count() or 1))


def _shards(parts: Parts, workers: int) -> list[list[int]]:
    """Cells by whole branches below the root, of about equal work; the root is in the first.

    A branch that is more than a worker's part (a network that is one feeder) is taken apart below its own head.
    """
    cells = range(1, len(parts.sites))
    own = [30.0 + sum(len(each.rows) for each in fleets) for fleets in parts.own]
    heads = {0}
    while True:
        branch = list(range(len(parts.sites)))
        for i in cells:
            branch[i] = i if parts.parents[i] in heads else branch[parts.parents[i]]
        weight: dict[int, float] = {}
        for i in cells:
            weight[branch[i]] = weight.get(branch[i], 0.0) + own[i]
        large = [b for b in weight if b not in heads and weight[b] > 1.2 * sum(own[1:]) / workers]
        if workers == 1 or not large:
            break
        heads |= set(large)
    shards: list[list[int]] = [[] for _ in range(max(1, min(workers, len(weight))))]
    load = [0.0] * len(shards)
    where = {}
    for b in sorted(weight, key=lambda k: (-weight[k], k)):
        least = load.index(min(load))
        where[b], load[least] = least, load[least] + weight[b]
    for i in range(len(parts.sites)):
        shards[0 if i == 0 else where[branch[i]]].append(i)
    return shards
