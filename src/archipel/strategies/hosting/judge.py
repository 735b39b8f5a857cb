"""One day of one strategy with some new devices: is a limit broken, and which?

The strategy runs in closed loop on the twin; the run ends at the first step that breaks a limit of the network. What
all nodes drew is then solved again by a power flow of its own, and only that is judged.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, final

import numpy as np

from archipel.grid.power_flow import Flow, PowerFlow
from archipel.model import ArchipelError, Floats, Scenario
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.hosting.broken import Broken
from archipel.strategies.hosting.customers import Newcomers
from archipel.strategies.hosting.joined import wanted_kwh, with_newcomers
from archipel.strategies.hosting.question import Question
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin.base import Strategy
from archipel.twin.course import Course

TOLERANCE_PU = 1e-5
TOLERANCE_SHARE = 1e-4
"""How far beyond a limit is within it still: far more than a power flow errs, far less than anybody can meter."""


@final
@dataclass(frozen=True, slots=True)
class Given:
    """What devices got over the day, all of the network."""

    curtailed_kwh: float = 0.0
    missing_kwh: float = 0.0
    """Missing at departure, and load shed."""
    comfort_k_h: float = 0.0
    """Over all heat pumps and days."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a day came to."""

    broken: tuple[Broken, ...]
    """The first in time, most exceeded first among those of one step; empty when all is well."""
    given: Given
    wanted_kwh: float
    """Energy the new devices would give or draw."""
    steps: int
    """That were run."""
    service: Mapping[str, float] = field(default_factory=dict)
    """What is counted over the day, by kind of limit; empty on the day without new devices."""
    v_pu_max: Floats = field(default_factory=lambda: np.zeros(0))
    v_pu_min: Floats = field(default_factory=lambda: np.zeros(0))
    """Highest and lowest voltage of every node over the steps; NaN where nothing feeds it."""
    loading: Floats = field(default_factory=lambda: np.zeros(0))
    """Highest loading of every branch."""
    upstream_kw: tuple[float, float] = (0.0, 0.0)
    """Highest import and export."""
    off_pu: float = 0.0
    """Largest difference of a voltage between the twin and the power flow that judged."""
    p_kw: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    q_kvar: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """What every node drew, shape (nodes, steps)."""

    @property
    def fine(self) -> bool:
        """Whether no limit is broken."""
        return not self.broken

    def without(self, nodes: Floats) -> Verdict:
        """The same without what every node drew."""
        return replace(self, p_kw=nodes, q_kvar=nodes)

    def plain(self) -> dict[str, Any]:
        """What is kept of every evaluation, as JSON has it."""
        return {
            "broken": [one.plain() for one in self.broken[:5]],
            "service": dict(self.service),
            **asdict(self.given),
            "wanted_kwh": self.wanted_kwh,
            "steps": self.steps,
            "off_pu": self.off_pu,
        }


def judge(scenario: Scenario, question: Question, strategy: str, new: Newcomers, base: Given | None = None) -> Verdict:
    """Run a prepared scenario with the new devices.

    Args:
        scenario: Prepared, without new devices.
        question: What counts.
        strategy: Who decides.
        new: The new devices.
        base: What the same strategy gave without any; None when this is that day, whose service nobody judges.
    """
    case = with_newcomers(scenario, new, question.start, question.days)
    wanted = wanted_kwh(scenario, new, question.start, question.days)
    steps = 96 * question.days
    try:
        decider = strategy_of(strategy, case)
    except ArchipelError as error:
        return _no_answer(str(error), wanted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what did not settle is seen in the power flow
            course = Course(case, decider, start=question.start, steps=steps)
            p_kw, q_kvar, voltages, given = _run(case, course, steps)
    except ArchipelError as error:
        return _no_answer(str(error), wanted)
    finally:
        if isinstance(decider, Distributed):
            decider.close()
    return _verdict(case, question, p_kw, q_kvar, voltages, given, wanted, base)


def limits_broken(scenario: Scenario, flow: Flow, time: str) -> list[Broken]:
    """Every limit of the network that a state breaks, most exceeded first."""
    grid, cells = scenario.grid, scenario.archipelago
    nodes = grid.nodes
    found = []
    live = flow.v_pu > 0.0
    for what, beyond, limit in (
        ("voltage high", live & (flow.v_pu > nodes.v_pu_max + TOLERANCE_PU), nodes.v_pu_max),
        ("voltage low", live & (flow.v_pu < nodes.v_pu_min - TOLERANCE_PU), nodes.v_pu_min),
    ):
        for n in np.flatnonzero(beyond).tolist():
            cell = cells.cell[int(cells.node_cell[n])].id
            found.append(
                Broken(what, nodes.id[n], nodes.name[n], cell, time, float(flow.v_pu[n]), float(limit[n]), "pu")  # type: ignore[arg-type]
            )
    names, lines = grid.lines.name + grid.transformers.name, len(grid.lines)
    most = _loading_max(scenario)
    for b in np.flatnonzero(flow.loading > 1.0 + TOLERANCE_SHARE).tolist():
        kind = "line" if b < lines else "transformer"
        share = 100.0 * float(most[b])
        found.append(
            Broken(
                kind, grid.branch_id[b], names[b], _cell_of_branch(scenario, b), time,  # type: ignore[arg-type]
                share * float(flow.loading[b]), share, "%",
            )
        )  # fmt: skip
    firm = scenario.connection
    for what, kw, limit_kw in (
        ("import", flow.upstream_p_kw, firm.import_kw_max), ("export", -flow.upstream_p_kw, firm.export_kw_max)
    ):  # fmt: skip
        if kw > limit_kw * (1.0 + TOLERANCE_SHARE) + 1e-6:
            where = cells.cell[0].id
            found.append(Broken(what, where, "", where, time, float(kw), float(limit_kw), "kW"))  # type: ignore[arg-type]
    return sorted(found, key=lambda one: -one.excess)


def _run(case: Scenario, course: Course, steps: int) -> tuple[Floats, Floats, Floats, Given]:
    """(P, Q, V of all nodes, what devices got), until the end or the first limit broken."""
    nodes = len(case.grid.nodes)
    p_kw, q_kvar, v_pu = np.zeros((3, nodes, steps))
    curtailed = missing = comfort = 0.0
    done = 0
    while done < steps:
        happened = course.step()
        p_kw[:, done] = np.bincount(case.device_node, happened.p_kw, nodes)
        q_kvar[:, done] = np.bincount(case.device_node, happened.q_kvar, nodes)
        v_pu[:, done] = happened.flow.v_pu
        for fleet in happened.delivered:
            offered = fleet.available_kw > 0.0
            curtailed += 0.25 * float((fleet.available_kw + fleet.p_kw)[offered].sum())
            missing += float(fleet.ev_unserved_kwh.sum() + fleet.unserved_kwh.sum())
            comfort += float(fleet.comfort_missed_k_h.sum())
        done += 1
        if limits_broken(case, happened.flow, ""):
            break
    return p_kw[:, :done], q_kvar[:, :done], v_pu[:, :done], Given(curtailed, missing, comfort)


def _verdict(
    case: Scenario, question: Question, p_kw: Floats, q_kvar: Floats, voltages: Floats, given: Given, wanted: float,
    base: Given | None,
) -> Verdict:  # fmt: skip
    """The state of every step solved again, and judged."""
    nodes, steps = p_kw.shape
    high, low, loading = np.full(nodes, -np.inf), np.full(nodes, np.inf), np.zeros(len(case.grid.branch_id))
    most, least, off = -np.inf, np.inf, 0.0
    broken: list[Broken] = []
    for t, flow in enumerate(PowerFlow(case.grid).solve_all(p_kw, q_kvar)):
        off = max(off, float(np.abs(flow.v_pu - voltages[:, t]).max()))
        np.maximum(high, flow.v_pu, out=high)
        np.minimum(low, flow.v_pu, out=low)
        np.maximum(loading, flow.loading, out=loading)
        most, least = max(most, flow.upstream_p_kw), min(least, flow.upstream_p_kw)
        if not broken:
            time = question.start + timedelta(minutes=15 * t)
            broken = limits_broken(case, flow, time.isoformat())
    service: dict[str, float] = {}
    if not broken and base is not None:
        service, broken = _service(case, question, given, base, wanted)
    high, low = np.where(high > 0.0, high, np.nan), np.where(low > 0.0, low, np.nan)
    return Verdict(tuple(broken), given, wanted, steps, service, high, low, loading, (most, -least), off, p_kw, q_kvar)


def _service(
    case: Scenario, question: Question, given: Given, base: Given, wanted: float
) -> tuple[dict[str, float], list[Broken]]:
    """What devices got too little of, against the day without new ones, and where that is too much."""
    most, energy = question.service, max(wanted, 1e-9)
    pumps = max(sum(len(fleet.id) for fleet in case.fleets if fleet.kind == "heat_pump"), 1)
    curtailed = 100.0 * (given.curtailed_kwh - base.curtailed_kwh) / energy
    missing = 100.0 * (given.missing_kwh - base.missing_kwh) / energy
    comfort = (given.comfort_k_h - base.comfort_k_h) / pumps / question.days
    told = [
        ("curtailed", curtailed, 100.0 * most.curtailed_share, "%"),
        ("missing", missing, 100.0 * most.missing_share, "%"),
        ("comfort", comfort, most.comfort_k_h, "K h"),
    ]
    cell = case.archipelago.cell[0].id
    found = [
        Broken(what, "area", "", cell, "", value, limit, unit)  # type: ignore[arg-type]
        for what, value, limit, unit in told
        if value > limit + 1e-6
    ]
    return {what: value for what, value, _, _ in told}, sorted(found, key=lambda one: -one.excess)


def strategy_of(name: str, case: Scenario) -> Strategy:
    """Who decides, on a perfect forecast, in this process."""
    if name == "uncoordinated":
        return Uncoordinated(case)
    if name == "alone":
        return Alone(case)
    return Central(case) if name == "central" else Distributed(case, workers=1, gaps=False)


def _no_answer(why: str, wanted: float) -> Verdict:
    return Verdict((Broken("answer", "area", "", "", "", 1.0, 0.0, "", why),), Given(), wanted, 0)


def _loading_max(scenario: Scenario) -> Floats:
    """What is 100 % in `Flow.loading` as a share of the rating: lines carry their limit already."""
    grid = scenario.grid
    return np.concatenate([np.ones(len(grid.lines)), grid.transformers.loading_max])


def _cell_of_branch(scenario: Scenario, branch: int) -> str:
    grid = scenario.grid
    end = np.concatenate([grid.lines.to_node, grid.transformers.lv_node])[branch]
    return scenario.archipelago.cell[int(scenario.archipelago.node_cell[end])].id
