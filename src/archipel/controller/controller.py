"""One cell's controller: facts in, intentions out. No clock, no socket, no file, no randomness.

    begin(...)                 a plan starts: opening messages
    receive(inbox), tick()     the conversation goes on
    setpoints(...)             leases for the coming quarter hour, or none

The planning half of a cell; `stepping` adds what the field needs: agreements that both ends accept, leases, levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, final

import numpy as np

from archipel.cell.site import Duty, Site, duty
from archipel.cell.taps import standing
from archipel.controller.absent import taking_part, with_fixed
from archipel.controller.agreeing import Agreed, Habits, Passes, RootFacts, Scheduled, agree, carry_over
from archipel.coordination.auto import DEFAULT
from archipel.coordination.message import Message
from archipel.coordination.outcome import Method
from archipel.coordination.tree import Conversation, Program, Silent
from archipel.devices.base import State
from archipel.model import Floats, Horizon, Ints
from archipel.model.weather import Weather
from archipel.optimisation.block import Block

LEASE_H = 4.0
"""How long a schedule is followed when no newer one is agreed; it then lapses to the devices' local rules."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What one cell knows when a plan starts."""

    states: Mapping[str, State]
    """State of its own devices by kind."""
    weather: Weather
    v_pu: float
    """Voltage metered at its boundary."""


@final
class CellController:
    """Level 1 and 2 of one cell."""

    def __init__(self, site: Site, *, method: Method = DEFAULT, passes: Passes | None = None) -> None:
        self.site = site
        self._method, self._passes = method, passes or Passes()
        self._habits = Habits()
        self.conversation: Conversation | None = None

    @property
    def agreed(self) -> Agreed | None:
        """What holds now; None when nothing was ever agreed."""
        return self._habits.last

    def begin(self, plan: int, horizon: Horizon, readings: Readings, root: RootFacts | None) -> list[Message]:
        """Start a plan. The root is told what upstream asks; the others get None."""
        site, habits = standing(self.site, readings.states), self._habits
        whole = duty(site, readings.states, readings.weather, horizon)

        def program(children: tuple[str, ...]) -> Program:
            absent = {name: habits.forecast(name, horizon) for name in site.children if name not in children}
            what = with_fixed(site, whole, absent)
            return program_of(
                taking_part(site, children), what, readings.v_pu, habits, root, self._method, self._passes
            )

        children = site.children
        self.conversation = Conversation(plan, site.id, site.parent, children, program(children), again=program)
        return self._after(self.conversation.open())

    def receive(self, inbox: list[Message]) -> list[Message]:
        """Take messages of the running plan."""
        return [] if self.conversation is None else self._after(self.conversation.receive(inbox))

    def tick(self) -> list[Message]:
        """Time passes without news."""
        return [] if self.conversation is None else self._after(self.conversation.tick())

    def _after(self, out: list[Message]) -> list[Message]:
        if self.conversation is not None and isinstance(self.conversation.outcome, Agreed):
            self._habits.last = self.conversation.outcome
        return out

    @property
    def silent(self) -> str:
        """The neighbour whose silence ended the running plan; empty when none did."""
        outcome = None if self.conversation is None else self.conversation.outcome
        return outcome.neighbour if isinstance(outcome, Silent) else ""

    def taken_for(self, child: str, horizon: Horizon) -> Floats:
        """What the cell takes a child for that took no part: the power last agreed with it [kW], (T,)."""
        return np.asarray(self._habits.forecast(child, horizon)[0])

    def interval(self, now: datetime) -> int | None:
        """The interval of the schedule that holds `now`; None when nothing holds any more."""
        if self.agreed is None:
            return None
        horizon = self.agreed.duty.horizon
        age = now - horizon.start
        if age < timedelta(0) or age >= timedelta(hours=LEASE_H):
            return None
        quarter = age // timedelta(minutes=15)
        return int(np.searchsorted(horizon.first, quarter, side="right")) - 1

    def planned_kw(self, rows: Mapping[str, Ints]) -> Floats | None:
        """What devices (rows of own fleets, by kind) draw together by the schedule [kW], shape (T,); None without one.

        A sum, so that it can be told to others.
        """
        if self.agreed is None:
            return None
        chosen = self.agreed
        total = np.zeros(len(chosen.duty.horizon))
        groups = chosen.block.by_columns(chosen.u)
        for fleet, plan, u in zip(self.site.fleets, chosen.duty.plans, groups, strict=False):
            mine = rows.get(fleet.kind, np.zeros(0, dtype=np.int64))
            columns = np.unique(plan.column_of[mine])
            columns = columns[columns >= 0]
            total += plan.base_p_kw[mine].sum(axis=0)
            total += np.einsum("kj,kjt->t", plan.columns.p[columns], u[columns])
        return total

    def setpoints(self, now: datetime, states: Mapping[str, State]) -> list[tuple[Floats, Floats]]:
        """(p_kw, q_kvar) of every fleet of the site for the quarter hour from `now`; NaN where there is no lease."""
        t = self.interval(now)
        if t is None or self.agreed is None:
            return [(np.full(len(f.id), np.nan), np.full(len(f.id), np.nan)) for f in self.site.fleets]
        return shared_out(self.site, self.agreed, t, now, states)


class Chosen(Scheduled, Protocol):
    """Controls with the linear problem they solve."""

    @property
    def block(self) -> Block:
        """The linear problem."""
        ...


def program_of(
    site: Site, what: Duty, v_pu: float, habits: Habits, root: RootFacts | None, method: Method, passes: Passes
) -> Program:
    """A cell's side of a plan that starts from what it agreed on last; the first one may take twice the passes."""
    wish = carry_over(habits.last, what)
    if habits.last is None:
        passes = replace(passes, most=2 * passes.most)
    return agree(site, what, wish, np.full(len(what.horizon), v_pu), habits, root, method, passes)


def shared_out(
    site: Site, chosen: Chosen, t: int, now: datetime, states: Mapping[str, State]
) -> list[tuple[Floats, Floats]]:
    """(p_kw, q_kvar) of every fleet in interval `t`: a schedule's columns split over devices."""
    groups = chosen.block.by_columns(chosen.u)
    out = []
    for fleet, plan, u in zip(site.fleets, chosen.duty.plans, groups[: len(site.fleets)], strict=True):
        out.append(fleet.setpoints(np.arange(len(fleet.id)), states[fleet.kind], plan, u, t, now))
    return out
