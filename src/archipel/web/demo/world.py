"""One way the demonstration lives: a strategy on the twin, minute by minute, and the frame of every minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from archipel.devices import State
from archipel.model import Connection, Floats, StrategyResult
from archipel.report.tally import day_ahead
from archipel.twin import Decision, Seen, Strategy
from archipel.twin.course import Course
from archipel.twin.plant import Happened
from archipel.web.columns import FrameBuilder

if TYPE_CHECKING:
    from archipel.strategies.distributed import Distributed
    from archipel.web.demo.outage import Outage

MINUTE = timedelta(minutes=1)
RULES, COOPERATING, FOLLOWING, NO_ANSWER = 4.0, 0.0, 1.0, 5.0
"""Levels of the ladder, see docs/reference/api.md."""
MODES = ("connected", "islanding", "island", "resynchronising", "reconnected", "degraded", "black start")
DARK = 7.0


@final
class Held:
    """A strategy whose leases a person may overrule, device by device, for a time."""

    def __init__(self, inner: Strategy) -> None:
        self._inner = inner
        self.name = inner.name
        self.holds: dict[int, tuple[float, datetime]] = {}
        """Power [kW] and until when, by device."""

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """What the strategy decides, but for what is held."""
        self.holds = {device: held for device, held in self.holds.items() if held[1] > now}
        decided = self._inner.decide(now, first_row, states, last)
        if not self.holds:
            return decided
        p_kw = decided.p_kw.copy()
        for device, (kw, _) in self.holds.items():
            p_kw[device] = kw
        return replace(decided, p_kw=p_kw)


@final
class World:
    """The twin under one strategy, and what of it is seen."""

    def __init__(self, course: Course, builder: FrameBuilder, factor: float, cells: Distributed | None) -> None:
        """`factor`: seconds of grid time in one second of the wall, for the age of what is not told any more.

        `cells`: who agrees, None where nobody does.
        """
        self.course, self._agreeing = course, cells
        scenario = course.scenario
        self.outage: Outage | None = None
        self.last: Happened | None = None
        self._build, self._factor = builder, factor
        self._cells = [cell.id for cell in scenario.archipelago.cell]
        self._parents = scenario.archipelago.parents()
        self._node_cell, self._device_cell = scenario.archipelago.node_cell, scenario.device_cell
        self._lost_at: dict[str, datetime] = {}
        self._told: NDArray[np.float32] | None = None

    @property
    def now(self) -> datetime:
        """Start of the next minute."""
        return self.course.now

    @property
    def result(self) -> StrategyResult:
        """The present piece of the record."""
        return self.course.recorder.result

    def first_look(self) -> NDArray[np.float32]:
        """The frame of the first minute by local rules, before anybody has planned; nothing is written down."""
        course = self.course
        before = list(course.plant.states)
        happened = course.plant.step(course.weather, course.decision, course.dt_h)
        course.plant.states = before
        return self._frame(happened, course.now, frozenset())

    def step(self, dead: frozenset[str] = frozenset(), limit: Connection | None = None) -> NDArray[np.float32]:
        """A minute passes; its frame. `dead` cells tell nothing any more; `limit` is what the connection may carry."""
        at = self.course.now
        if self.outage is None:
            happened = self.course.step()
        else:
            self.course.decision = Decision.free(len(self._device_cell), len(self.course.decision.price))
            happened = self.outage.step()
        self.last = happened
        return self._frame(happened, at, dead, limit)

    def _frame(
        self, happened: Happened, at: datetime, dead: frozenset[str], limit: Connection | None = None
    ) -> NDArray[np.float32]:
        price = float(day_ahead(self.course.scenario, np.array([at.replace(tzinfo=None)], "datetime64[s]"))[0])
        more: dict[tuple[str, str], Floats | float] = {
            ("cells", "level"): self._levels(dead),
            ("cells", "mode"): self._modes(at, happened),
            ("cells", "armed"): 1.0,
            ("cells", "age_s"): 0.0,
            **self._build.limited(limit),
        }
        if self.outage is not None:
            shut = np.array([float(tie.closed) for tie in self.course.scenario.archipelago.tie])
            shut[: len(self._cells) - 1] = [float(tie) for tie in self._inside()]
            more["ties", "closed"] = shut
        out = self._build.from_step(
            happened, self.course.decision, dt_h=self.course.dt_h, price_eur_per_kwh=price, more=more
        )
        self._freeze(out, at, dead)
        self._told = out
        return out

    def _inside(self) -> list[bool]:
        """Of every cell but the root, whether it stays joined to its parent while there is no main grid."""
        islands = () if self.outage is None else self.outage.islands
        own = {int(row): k for k, island in enumerate(islands) for row in island.cells}
        return [row in own and own.get(parent) == own[row] for row, parent in enumerate(self._parents) if parent >= 0]

    def _levels(self, dead: frozenset[str]) -> Floats:
        if self._agreeing is None or self.outage is not None:
            level = np.full(len(self._cells), RULES)
        else:
            level = np.array([self._level(self._agreeing, name) for name in self._cells])
        level[[name in dead for name in self._cells]] = NO_ANSWER
        return level

    @staticmethod
    def _level(inner: Distributed, name: str) -> float:
        told = inner.outcome_of(name)
        if told is None:
            return RULES
        return FOLLOWING if told.silent else COOPERATING

    def _modes(self, at: datetime, happened: Happened) -> Floats:
        mode = np.zeros(len(self._cells))
        if self.outage is None:
            return mode
        mode[self.outage.dark] = DARK
        for island in self.outage.islands:
            since_s = (at - self.outage.begun) / timedelta(seconds=1)
            said = [one.after for one in island.left.life if one.at_s <= since_s + 60.0]
            mode[island.cells] = MODES.index(said[-1]) if said else 0
        return mode

    def _freeze(self, out: NDArray[np.float32], at: datetime, dead: frozenset[str]) -> None:
        """What only a dead cell itself could tell stays as it was last told, with its age; ties have another end."""
        self._lost_at = {name: self._lost_at.get(name, at) for name in dead}
        if not dead or self._told is None:
            return
        for name, since in self._lost_at.items():
            row = self._cells.index(name)
            for (table, column), part in self._build.at.items():
                if table == "cells" and column not in {"p_kw", "own_kw", "price_eur_per_kwh", "level", "mode"}:
                    out[part.start + row] = self._told[part.start + row]
                mine = {"devices": self._device_cell, "nodes": self._node_cell}.get(table)
                if mine is not None:
                    at_rows = part.start + np.flatnonzero(mine == row)
                    out[at_rows] = self._told[at_rows]
            age = self._build.at["cells", "age_s"].start + row
            out[age] = (at - since + MINUTE) / timedelta(seconds=1) / self._factor
