"""An area that has lost its main grid, minute by minute: islands that live on and cells that are dark.

Which islands form, their first seconds and their way back are those of `strategies.leaving`; here every island lives
on in steps of a minute, and the whole is told as one, so that it is recorded like any other step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import final

import numpy as np

from archipel.cell.subtree import Subtree
from archipel.devices import Delivered, State
from archipel.devices.select import OwnDevices
from archipel.grid.power_flow import Flow
from archipel.model import Floats, Ints, Scenario
from archipel.strategies.leaving import LeftIsland
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin.course import Course
from archipel.twin.plant import Happened

LOADS = ("load", "sheddable")


@final
class Island:
    """A part that lives on by the rules every cell has for it."""

    def __init__(
        self, whole: Scenario, part: Subtree, left: LeftIsland, at: datetime, states: dict[str, State]
    ) -> None:
        self.part, self.left = part, left
        case = left.scenario
        self.course = Course(case, Uncoordinated(case), start=at, steps=1, dt_minutes=1, states=part.states(states))
        branch = {name: row for row, name in enumerate(whole.grid.branch_id)}
        self.branches = np.array([branch[name] for name in case.grid.branch_id], dtype=np.int64)
        own = np.isin(whole.archipelago.node_cell[part.nodes], part.cells)
        self.here: Ints = np.flatnonzero(own)
        self.nodes: Ints = part.nodes[own]

    @property
    def cells(self) -> Ints:
        """Rows in the whole of its cells."""
        return self.part.cells

    def step(self) -> Happened:
        """A minute."""
        self.course.turn_over(1)
        return self.course.step()


@final
class Outage:
    """Lives the steps of a `Course` while there is no main grid; without islands all is dark."""

    def __init__(self, course: Course, islands: Sequence[Island]) -> None:
        self._course, self.islands = course, tuple(islands)
        self.begun = course.now
        """When the main grid was lost."""
        archipelago = course.scenario.archipelago
        self.cells: Ints = np.concatenate([np.zeros(0, np.int64), *(one.cells for one in islands)])
        self.dark: Ints = np.setdiff1d(np.arange(len(archipelago.cell)), self.cells)

    def step(self) -> Happened:
        """One step of the whole, written into the course."""
        course = self._course
        plant, scenario = course.plant, course.scenario
        weather, dt_h = course.weather, course.dt_h
        delivered = []
        for fleet, state in zip(plant.fleets, plant.states, strict=True):
            none = np.zeros(len(fleet.id))
            done = fleet.advance(state, weather, none, none, np.ones(len(fleet.id), dtype=np.bool_), dt_h)
            delivered.append(_unserved(done, dt_h) if fleet.kind in LOADS else done)
        flow = _dead(scenario)
        f_hz, most = float("nan"), -1.0
        for island in self.islands:
            lived = island.step()
            delivered = _put(scenario, delivered, island, lived)
            flow = _flowing(flow, island, lived.flow)
            rated = island.left.stored_kwh
            if rated > most:
                f_hz, most = lived.f_hz, rated
        p = np.concatenate([np.zeros(0), *(one.p_kw for one in delivered)])
        q = np.concatenate([np.zeros(0), *(one.q_kvar for one in delivered)])
        plant.states = [one.state for one in delivered]
        happened = Happened(tuple(delivered), p, q, np.zeros(len(p), dtype=np.bool_), flow, f_hz)
        course.passed(happened)
        return happened


def _unserved(done: Delivered, dt_h: float) -> Delivered:
    """A load without supply."""
    none = np.zeros(len(done.p_kw))
    missed = done.unserved_kwh + np.maximum(done.p_kw, 0.0) * dt_h
    return replace(done, p_kw=none, q_kvar=none, unserved_kwh=missed)


def _put(scenario: Scenario, whole: Sequence[Delivered], island: Island, lived: Happened) -> list[Delivered]:
    """The whole's fleets with an island's rows as they were there; parts of a load that may be shed join it again."""
    out = list(whole)
    kinds = [fleet.kind for fleet in scenario.fleets]
    case = island.course.scenario
    row_of = {fleet.kind: {name: k for k, name in enumerate(fleet.id)} for fleet in scenario.fleets}
    owns = {own.fleet.kind: own for own in island.part.own}
    for fleet, done in zip(case.fleets, lived.delivered, strict=True):
        if fleet.kind in owns:
            own = owns[fleet.kind]
            count = len(own.rows)
            i = kinds.index(fleet.kind)
            out[i] = _rows(out[i], own, done, count)
            extra, names = np.arange(count, len(fleet.id)), fleet.id[count:]
        else:
            extra, names = np.arange(len(fleet.id)), fleet.id
        if len(extra):  # `<load>/rest`, `<load>/stage-1` ...
            loads = row_of["load"]
            at = np.array([loads[name.rsplit("/", 1)[0]] for name in names], dtype=np.int64)
            i = kinds.index("load")
            p, q, missed = out[i].p_kw.copy(), out[i].q_kvar.copy(), out[i].unserved_kwh.copy()
            np.add.at(p, at, done.p_kw[extra])
            np.add.at(q, at, done.q_kvar[extra])
            np.add.at(missed, at, done.unserved_kwh[extra])
            out[i] = replace(out[i], p_kw=p, q_kvar=q, unserved_kwh=missed)
    return out


def _rows(whole: Delivered, own: OwnDevices, done: Delivered, count: int) -> Delivered:
    """A fleet's step with the first `count` rows of an island's put into their places."""

    def put(old: Floats, new: Floats) -> Floats:
        out = old.copy()
        out[own.rows] = new[:count]
        return out

    names = [f.name for f in fields(Delivered) if f.name != "state"]
    state = own.into(whole.state, {name: value[:count] for name, value in done.state.items()})
    return Delivered(state=state, **{name: put(getattr(whole, name), getattr(done, name)) for name in names})


def _dead(scenario: Scenario) -> Flow:
    nodes, branches = len(scenario.grid.nodes), len(scenario.grid.branch_id)
    none = np.zeros((2, branches))
    return Flow(np.zeros(nodes), np.zeros(nodes), np.zeros(branches), 0.0, none, none.copy(), 0.0, 0.0)


def _flowing(whole: Flow, island: Island, flow: Flow) -> Flow:
    v, angle, loading = whole.v_pu.copy(), whole.v_angle.copy(), whole.loading.copy()
    p, q = whole.branch_p_kw.copy(), whole.branch_q_kvar.copy()
    v[island.nodes], angle[island.nodes] = flow.v_pu[island.here], flow.v_angle[island.here]
    loading[island.branches] = flow.loading
    p[:, island.branches], q[:, island.branches] = flow.branch_p_kw, flow.branch_q_kvar
    return replace(
        whole, v_pu=v, v_angle=angle, loading=loading, branch_p_kw=p, branch_q_kvar=q,
        losses_kw=whole.losses_kw + flow.losses_kw,
    )  # fmt: skip
