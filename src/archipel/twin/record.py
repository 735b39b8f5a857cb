"""Writing down what happened, as `StrategyResult` wants it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.cell.reserve import ReserveNotHeld, reserve_of
from archipel.devices import DeviceFleet, State
from archipel.grid.physics import Physics
from archipel.grid.power_flow import Flow
from archipel.model import PRICE_PARTS, Floats, GridError, Ints, Scenario, StrategyResult, Tie
from archipel.twin.base import Decision, Priced, Seen
from archipel.twin.plant import Happened, controls_of


@final
class Meters:
    """Where the power at both ends of every tie is read: from the flows of the branch that crosses the boundary."""

    def __init__(self, scenario: Scenario) -> None:
        grid, ties = scenario.grid, scenario.archipelago.tie
        row = {branch: i for i, branch in enumerate(grid.branch_id)}
        begin = np.concatenate([grid.lines.from_node, grid.transformers.hv_node])
        cell = scenario.archipelago.node_cell
        upper_cell = {c.id: i for i, c in enumerate(scenario.archipelago.cell)}
        self.node = np.array([(tie.upper_node, tie.lower_node) for tie in ties], dtype=np.int64).reshape(-1, 2)
        self._live = np.array([i for i, tie in enumerate(ties) if tie.closed], dtype=np.int64)
        branch, upper_end = [], []
        for tie in (ties[i] for i in self._live):
            if tie.id not in row:
                raise GridError(
                    f"tie {tie.id}: found no branch of that id; a closed tie is metered on a line or transformer. "
                    "Put the boundary on the branch behind the switch."
                )
            branch.append(row[tie.id])
            upper_end.append(0 if _begins_above(tie, int(begin[branch[-1]]), cell, upper_cell[tie.upper]) else 1)
        self._branch = np.array(branch, dtype=np.int64)
        self._end = np.array(upper_end, dtype=np.int64)

    def read(self, flow: Flow) -> tuple[Floats, Floats]:
        """(p_kw, q_kvar) at both ends of all ties, shape (ties, 2): upper, lower; positive into the end's cell."""
        p, q = np.zeros(self.node.shape), np.zeros(self.node.shape)
        for side, end in enumerate((self._end, 1 - self._end)):
            # What leaves the branch at an end flows into the cell there.
            p[self._live, side] = -flow.branch_p_kw[end, self._branch]
            q[self._live, side] = -flow.branch_q_kvar[end, self._branch]
        return p, q


def _begins_above(tie: Tie, begin: int, cell: Ints, upper: int) -> bool:
    """Whether the branch's from/HV end is the tie's upper one; nodes may differ by a closed switch, cells not."""
    if begin in (tie.upper_node, tie.lower_node):
        return begin == tie.upper_node
    return bool(cell[begin] == upper)


@final
class Recorder:
    """Arrays for all steps, filled one column at a time."""

    def __init__(
        self,
        scenario: Scenario,
        strategy: str,
        start: datetime,
        steps: int,
        dt_h: float,
        physics: Physics | None = None,
    ) -> None:
        devices, ties = len(scenario.device_node), len(scenario.archipelago.tie)
        nodes, branches = len(scenario.grid.nodes), len(scenario.grid.branch_id)
        self._meters = Meters(scenario)
        self._reserve, self._first_row = reserve_of(scenario), scenario.profiles.row(start)
        self._warned = False
        begin = np.datetime64(start.replace(tzinfo=None), "s")
        self._seconds = np.timedelta64(round(dt_h * 3600), "s")
        single, double = np.float32, np.float64
        self.result = StrategyResult(
            strategy=strategy,
            time=begin + self._seconds * np.arange(steps),
            dt_h=dt_h,
            p_kw=np.zeros((devices, steps), single),
            q_kvar=np.zeros((devices, steps), single),
            soc=np.full((devices, steps), np.nan, single),
            available_kw=np.zeros((devices, steps), single),
            p_kw_set=np.full((devices, steps), np.nan, single),
            v_pu=np.zeros((nodes, steps), single),
            loading=np.zeros((branches, steps), single),
            losses_kw=np.zeros(steps),
            upstream_p_kw=np.zeros(steps),
            upstream_q_kvar=np.zeros(steps),
            tie_p_kw=np.zeros((ties, 2, steps)),
            tie_q_kvar=np.zeros((ties, 2, steps)),
            tie_v_pu=np.zeros((ties, 2, steps), double),
            tie_agreed_kw=np.full((ties, steps), np.nan),
            tie_price=np.full((ties, steps), np.nan),
            tie_price_q=np.full((ties, steps), np.nan),
            tie_price_parts=np.full((ties, len(PRICE_PARTS), steps), np.nan),
            node_price=np.full((nodes, 2, steps), np.nan, single),
            unserved_kwh=np.zeros(steps),
            ev_unserved_kwh=np.zeros(steps),
            comfort_missed_k_h=np.zeros(steps),
            f_hz=np.full(steps, np.nan) if scenario.island.off_grid else None,
            critical_unserved_kwh=np.zeros(steps) if scenario.island.off_grid else None,
            reserve_kwh=None if self._reserve is None else np.zeros(steps),
        )
        if physics is not None and physics.controls is not None:
            self.result.physics, self.result.control = physics.name, physics.controls
            self.result.phase_v_pu = np.full((nodes, 3, steps), np.nan, single)
            self.result.unbalance = np.full((nodes, steps), np.nan, single)
            self.result.position = np.zeros((len(physics.controls), steps))
        elif own := controls_of(scenario):
            self.result.control, self.result.position = own, np.full((len(own), steps), np.nan)

    def decided(self, decision: Decision) -> None:
        """Keep the entries a decision brought along."""
        self.result.agreements.extend(decision.agreements)
        self.result.gaps.extend(decision.gaps)
        if decision.believed is not None:
            self.result.believed.append(decision.believed)

    def step(self, s: int, happened: Happened, decision: Decision) -> Seen:
        """Write step `s`; returns what was metered."""
        out, flow = self.result, happened.flow
        tie_p, tie_q = self._meters.read(flow)
        out.p_kw[:, s], out.q_kvar[:, s] = happened.p_kw, happened.q_kvar
        if out.p_kw_set is not None:
            out.p_kw_set[:, s] = decision.p_kw
        first = 0
        for fleet in happened.delivered:
            part = slice(first, first + len(fleet.p_kw))
            out.soc[part, s], out.available_kw[part, s] = fleet.soc, fleet.available_kw
            out.unserved_kwh[s] += fleet.unserved_kwh.sum()
            out.ev_unserved_kwh[s] += fleet.ev_unserved_kwh.sum()
            out.comfort_missed_k_h[s] += fleet.comfort_missed_k_h.sum()
            first = part.stop
        out.v_pu[:, s], out.loading[:, s] = flow.v_pu, flow.loading
        out.losses_kw[s] = flow.losses_kw
        if out.phase_v_pu is not None and flow.phases is not None:
            out.phase_v_pu[:, :, s] = flow.phases.v_pu
            if out.unbalance is not None and out.position is not None:
                out.unbalance[:, s], out.position[:, s] = flow.phases.unbalance, flow.phases.position
        elif out.position is not None and len(happened.position):
            out.position[:, s] = happened.position
        if out.f_hz is not None and out.critical_unserved_kwh is not None:
            out.f_hz[s], out.critical_unserved_kwh[s] = happened.f_hz, happened.critical_unserved_kwh
        out.upstream_p_kw[s], out.upstream_q_kvar[s] = flow.upstream_p_kw, flow.upstream_q_kvar
        out.tie_p_kw[:, :, s], out.tie_q_kvar[:, :, s] = tie_p, tie_q
        out.tie_v_pu[:, :, s] = flow.v_pu[self._meters.node]
        out.tie_agreed_kw[:, s], out.tie_price[:, s] = decision.agreed_kw, decision.price
        self._kept(s)
        if (priced := decision.priced) is not None:
            self._priced(s, priced)
        metered = (flow.v_pu, flow.loading, happened.p_kw, happened.q_kvar, happened.tripped, tie_p, tie_q)
        return Seen(*metered, float(flow.upstream_p_kw))

    def _kept(self, s: int) -> None:
        """Write down what batteries should hold after step `s`; warn at the first that they cannot."""
        kept, wanted = self._reserve, self.result.reserve_kwh
        if kept is None or wanted is None:
            return
        now, then = (self._first_row + int((s + more) * self.result.dt_h / 0.25 + 1e-6) for more in (0, 1))
        wanted[s] = kept.wanted_kwh(now, then - now + 1)[-1]
        if wanted[s] > kept.bank.e_kwh and not self._warned:
            self._warned = True
            warnings.warn(kept.why_not(now, wanted[s]), ReserveNotHeld, stacklevel=2)

    def _priced(self, s: int, priced: Priced) -> None:
        out = self.result
        for kept, value in (
            (out.tie_price_q, priced.tie_q),
            (out.tie_price_parts, priced.tie_parts),
            (out.node_price, priced.node),
        ):
            if kept is not None:
                kept[..., s] = value

    def cut(self, done: int) -> None:
        """Keep only the steps that were done."""
        series = (
            "time p_kw q_kvar soc p_kw_set available_kw v_pu loading losses_kw upstream_p_kw upstream_q_kvar tie_p_kw "
            "tie_q_kvar tie_v_pu tie_agreed_kw tie_price tie_price_q tie_price_parts node_price unserved_kwh "
            "ev_unserved_kwh comfort_missed_k_h f_hz critical_unserved_kwh reserve_kwh phase_v_pu unbalance position"
        )
        for name in series.split():
            whole: NDArray[Any] | None = getattr(self.result, name)
            if whole is not None:
                setattr(self.result, name, whole[..., :done].copy())
        self.result.complete = False


def stored_kwh(fleets: Sequence[DeviceFleet], states: Sequence[State]) -> float:
    """Energy in all batteries."""
    pairs = zip(fleets, states, strict=True)
    return float(sum(fleet.held_kwh(state).sum() for fleet, state in pairs if fleet.kind == "battery"))
