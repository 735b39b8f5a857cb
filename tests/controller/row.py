"""A row of controllers, upper first, with a planner that agrees on a constant; stepped second by second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from archipel.controller.facts import Cap, Instant, Intentions, Mail, Note, Orders, Snapshot, TieSide
from archipel.controller.stepping import Controller, Settings
from archipel.coordination.tree import Ask, Gather, Program, Tell

START = datetime(2016, 6, 9, 12, tzinfo=UTC)
SETTINGS = Settings(every_s=60, step_s=30, lead_s=24.0, attempts=3, repeat_s=1.0, lease_s=20.0, contradiction_s=4.0,
                    grace_s=5.0, healthy_s=5.0)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowPlan:
    cell: str
    p_kw: float
    bad: str = ""

    def exchange_kw(self, neighbour: str) -> tuple[float, ...]:
        del neighbour
        return (self.p_kw,) * 4

    def orders(self, now: datetime, devices: Any) -> Orders:
        del now, devices
        return {f"plan/{self.cell}": (self.p_kw, 0.0)}

    def unsafe(self, neighbour: str) -> str:
        del neighbour
        return self.bad


@dataclass(slots=True)
class RowPlanner:
    """The root says a number, everybody below hears it."""

    cell: str
    parent: str
    says_kw: float = 7.0
    bad: str = ""
    took_part: list[tuple[str, ...]] = field(default_factory=list)

    def program(
        self,
        start: datetime,
        now: datetime,
        devices: Any,
        told: Orders,
        children: tuple[str, ...],
        held_kw: Mapping[str, float],
    ) -> Program:
        del start, now, devices, told, held_kw
        self.took_part.append(children)
        yield Gather()
        p_kw = self.says_kw
        if self.parent:
            p_kw = float((yield Ask({"want": np.ones(())}))["p"])
        yield Tell([{"p": np.array(p_kw)} for _ in children])
        return RowPlan(self.cell, p_kw, self.bad)

    def alone(self, now: datetime, devices: Any, held_kw: Mapping[str, float]) -> Orders:
        del now, devices
        return {f"alone/{self.cell}": (held_kw.get(self.parent, -1.0), 0.0)}


MOST_KW = 100.0
"""No tie can carry more."""


class Row:
    """`names[0]` is the root, every next one the child of the one before."""

    def __init__(self, *names: str, settings: Settings = SETTINGS) -> None:
        self.names, self.settings = names, settings
        self.planner = {n: RowPlanner(n, names[i - 1] if i else "") for i, n in enumerate(names)}
        self.cell = {n: self.fresh(n) for n in names}
        self.notes: dict[str, list[Note]] = {n: [] for n in names}
        self.inbox: dict[str, list[Mail]] = {n: [] for n in names}
        self.clock_off_s = dict.fromkeys(names, 0.0)
        self.down: set[str] = set()
        self.trouble: dict[str, str] = {}
        self.metered: dict[str, float] = {}
        """By tie; what is agreed unless given."""
        self.cap: dict[str, Cap] = {}
        """What an operator allows, by cell."""
        self.lost: Callable[[Mail], bool] = lambda _: False
        self.wants: dict[str, Intentions] = {}
        self.now_s = 0

    def fresh(self, name: str) -> Controller:
        i = self.names.index(name)
        up = (TieSide(f"t{i}", self.names[i - 1], True, 0.0, 1.0, MOST_KW),) if i else ()
        below = (TieSide(f"t{i + 1}", self.names[i + 1], False, 0.0, 1.0, MOST_KW),) if i + 1 < len(self.names) else ()
        return Controller(name, up + below, self.planner[name], self.settings)

    def instant(self, name: str) -> Instant:
        return Instant(START + timedelta(seconds=self.now_s + self.clock_off_s[name]), 100.0 + self.now_s)

    def alive(self, name: str) -> frozenset[str]:
        i = self.names.index(name)
        beside = [self.names[k] for k in (i - 1, i + 1) if 0 <= k < len(self.names)]
        off = self.clock_off_s
        return frozenset(n for n in beside if n not in self.down and abs(off[n] - off[name]) <= 2.0)

    def step(self, name: str) -> None:
        cell = self.cell[name]
        held = {side.id: cell.acts_on[side.id].p_kw[0] for side in cell.ties if side.id in cell.acts_on}
        snapshot = Snapshot(None, self.trouble.get(name, ""), self.alive(name), held | self.metered)
        snapshot = replace(snapshot, cap=self.cap.get(name))
        inbox, self.inbox[name] = self.inbox[name], []
        self.wants[name] = wants = cell.step(self.instant(name), snapshot, inbox)
        self.notes[name] += wants.notes
        for mail in wants.mail:
            if mail.receiver not in self.down and not self.lost(mail):
                self.inbox[mail.receiver].append(mail)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1
            for _ in range(3):  # a second is long for messages
                for name in self.names:
                    if name not in self.down:
                        self.step(name)

    def kill(self, name: str) -> None:
        self.down.add(name)
        self.inbox[name].clear()

    def restart(self, name: str) -> None:
        self.down.discard(name)
        self.cell[name] = self.fresh(name)
        self.cell[name].restore(self.notes[name], self.instant(name))

    def orders(self, name: str) -> list[str]:
        return sorted(self.wants[name].orders)


def with_settings(**changed: Any) -> Settings:
    return replace(SETTINGS, **changed)
