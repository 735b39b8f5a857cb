"""One optimiser that sees everything: the reference, not something one could build across owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, final

import numpy as np

from archipel.cell.linear import Memory
from archipel.cell.parts import cut
from archipel.cell.site import Duty, duty
from archipel.cell.taps import standing
from archipel.controller.agreeing import ACCEPT, carry_over, firmness
from archipel.controller.solo import SoloPlan
from archipel.coordination.outcome import Upstream
from archipel.devices.base import State
from archipel.model import Believed, Floats, Horizon, Scenario, SolverFailed
from archipel.optimisation.block import Block, bill
from archipel.optimisation.central import WAYS, Joined, join, solve_piqp
from archipel.strategies.planning import Desk, ForecastKind
from archipel.strategies.recorded import recorded_whole
from archipel.strategies.whole import (
    WholeState,
    at_one_desk,
    follow_whole,
    forget_whole,
    linearise_whole,
    price_parts_whole,
    settle_whole,
    stiffness_whole,
    worst_excess,
)
from archipel.twin import Decision, Priced, Seen

PASSES = 5
DESK_NODES = 500
"""With a cell of more nodes than this the joined problem is left to the cells' own method at one desk: PIQP's factors
fill, and it takes several times as long for the same answer (decision 0028)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """Controls (N, T) and price (2, T) [EUR per kW or kvar and interval] of every cell."""

    u: list[Floats]
    price: list[Floats]
    parts: list[Floats]
    """Of every cell's price, (parts, 2, T); empty where the solver that was asked tells none."""
    iterations: int
    said: list[str]


@final
class Central:
    """Joins all cells' problems into one quadratic programme and solves it with PIQP."""

    name = "central"

    def __init__(self, scenario: Scenario, *, forecast: ForecastKind = "perfect", tolerance: float = 1e-6) -> None:
        self.parts = cut(scenario)
        self._desk = Desk(self.parts, forecast, scenario.central_replan_steps)
        self._tolerance = tolerance
        self._memories = [Memory() for _ in self.parts.sites]
        self._plans: list[SoloPlan] = []
        self._state: WholeState | None = None
        self._price: list[Floats] = []
        self._parts: list[Floats] = []

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Plan when due; leases for all devices."""
        entries: tuple[dict[str, Any], ...] = ()
        believed: Believed | None = None
        if self._desk.due(now, last):
            try:
                entries = (self._plan(now, states, last),)
                believed = self._recorded()
            except SolverFailed as error:
                if not self._plans:
                    raise
                # the schedule in force goes on; the table of agreements says so
                entries = (_entry(now, 0, 0, float("nan"), np.full(6, np.nan), [str(error)]),)
        return replace(self._leases(now, states, entries), believed=believed)

    def _recorded(self) -> Believed | None:
        """The cells' parts of the one plan; None before the first."""
        if (state := self._state) is None:
            return None
        plans = [(plan.duty, plan.u, plan.block) for plan in self._plans]
        more = {
            "own_kw": [b[0] - pq[:, 0].sum(axis=0) for b, pq in zip(state.boundary, state.child_pq, strict=True)],
            "p_kw": [boundary[0] for boundary in state.boundary],
            "price_eur_per_kwh": [price[0] for price in self._price],
            "v_pu": state.v_pu,
        }
        return recorded_whole(self.parts, self._horizon, plans, more)

    def _plan(self, now: datetime, states: Mapping[str, State], last: Seen | None) -> dict[str, Any]:
        parts, horizon = self.parts, self._desk.horizon(now)
        weather = self._desk.weather(horizon)
        root = self._desk.root(horizon)
        readings = [self._desk.readings(i, weather, states, last) for i in range(len(parts.sites))]
        parts = replace(parts, sites=tuple(map(standing, parts.sites, (r.states for r in readings))))
        duties = [duty(s, r.states, r.weather, horizon) for s, r in zip(parts.sites, readings, strict=True)]
        before: list[SoloPlan | None] = list(self._plans) or [None] * len(duties)
        at = [carry_over(old, what) for old, what in zip(before, duties, strict=True)]
        state = settle_whole(parts, duties, at, None)
        forget_whole(parts, state, self._memories)
        worst_excess(parts, horizon, state, self._memories)
        passes, iterations, worst = 0, 0, np.zeros(3)
        energy = np.stack([root.price_eur_per_kwh * horizon.dt_h, np.zeros(len(horizon))])
        limit = PASSES if self._plans else 2 * PASSES
        while passes < limit:
            passes += 1
            blocks = linearise_whole(parts, duties, at, state, self._memories, root.peaks_kw)
            stiff = stiffness_whole(parts, duties, state, root.price_eur_per_kwh)
            blocks = [
                replace(block, stiff=firmness(passes) * s, anchor=u)
                for block, s, u in zip(blocks, stiff, at, strict=True)
            ]
            joined = join(tuple(blocks), list(parts.parents), energy, np.full(len(horizon), root.v_pu))
            starts = [
                what.gentle() if not self._plans and passes == 1 else 0.5 * (what.gentle() + w)
                for what, w in zip(duties, at, strict=True)
            ]
            best = self._optimum(blocks, joined, starts, Upstream(energy, np.full(len(horizon), root.v_pu)))
            u, iterations = follow_whole(parts, duties, blocks, best.u), iterations + best.iterations
            state = settle_whole(parts, duties, u, state)
            worst = worst_excess(parts, horizon, state, self._memories)
            if (worst < ACCEPT).all():
                break
            at = u
        self._plans = [SoloPlan(*each) for each in zip(duties, u, blocks, strict=True)]
        self._state, self._horizon = state, horizon
        self._price = [price / horizon.dt_h for price in best.price]
        self._parts = [parts / horizon.dt_h for parts in best.parts]
        # without the price of moving, which is no part of any bill
        cost = bill(blocks, list(parts.parents), u, energy, np.full(len(horizon), root.v_pu))
        return _entry(now, iterations, passes, cost.total, worst, best.said)

    def _optimum(self, blocks: list[Block], joined: Joined, starts: list[Floats], upstream: Upstream) -> _Best:
        """By PIQP; where it creeps, by the interior point method that cells agree by, with all of them at one desk.

        On some noon plans of a city PIQP takes a quarter of an hour to fail in every way it can be set. Others are
        never measured against such a plan: see `measure`, which asks PIQP alone. Where a cell is very large that method
        is asked first.
        """
        largest = max(len(site.network.nodes) for site in self.parts.sites)
        if largest > DESK_NODES:
            found = self._by_cells(blocks, starts, upstream, f"a cell of {largest:,} nodes")
            if found is not None:
                return found
        try:
            best = solve_piqp(joined, self._tolerance, WAYS[:1])
        except SolverFailed as error:
            found = self._by_cells(blocks, starts, upstream, str(error))
            if found is None:
                raise
            return found
        told = price_parts_whole(self.parts, blocks, best, upstream.price)
        return _Best(joined.controls(best.x), list(best.boundary_dual), told, best.iterations, [])

    def _by_cells(self, blocks: list[Block], starts: list[Floats], upstream: Upstream, why: str) -> _Best | None:
        """The optimum by the cells' own method, saying `why` it was asked; None where it does not get there."""
        solved = at_one_desk(self.parts, blocks, starts, upstream)
        if not solved[0].converged:
            return None
        said = f"{why}; planned by the cells' own method instead, certified gap {solved[0].gap:.1e}"
        return _Best([one.u for one in solved], [one.price for one in solved], [], solved[0].iterations, [said])

    def _leases(self, now: datetime, states: Mapping[str, State], entries: tuple[dict[str, Any], ...]) -> Decision:
        parts = self.parts
        free = Decision.free(len(parts.scenario.device_node), len(parts.scenario.archipelago.tie))
        p, q, price, agreed = free.p_kw.copy(), free.q_kvar.copy(), free.price.copy(), free.agreed_kw.copy()
        t = interval_at(self._horizon, now)
        more = Priced.none(len(parts.scenario.archipelago.tie), len(parts.scenario.grid.nodes))
        for i in range(len(parts.sites)):
            parts.put(i, split(self._plans[i], parts.states(i, states), parts.sites[i].fleets, t, now), p, q)
            if i and self._state is not None:
                agreed[parts.tie_of[i]] = self._state.boundary[i][0, t]
                price[parts.tie_of[i]], more.tie_q[parts.tie_of[i]] = self._price[i][:, t]
                if self._parts:
                    more.tie_parts[parts.tie_of[i]] = self._parts[i][:, 0, t]
        return Decision(p, q, price, agreed, entries, priced=more)


def _entry(
    now: datetime, iterations: int, passes: int, cost_eur: float, worst: Floats, given: list[str]
) -> dict[str, Any]:
    """A row of the table of agreements. Without a pass nothing was solved: NaN in cost and `worst`, not accepted."""
    return {
        "time": now,
        "rounds": iterations,
        "messages": 0,
        "bytes": 0,
        "passes": passes,
        "gap": 0.0 if passes else float("nan"),
        "cost_eur": cost_eur,
        "excess_v_pu": float(worst[0]),
        "excess_loading": float(worst[1]),
        "excess_connection": float(worst[2]),
        "accepted": bool((worst < ACCEPT).all()),
        "silent": [],
        "given": given,
    }


def interval_at(horizon: Horizon, now: datetime) -> int:
    """Number of the interval that holds `now`."""
    quarter = int((now - horizon.start).total_seconds() // 900)
    return int(np.searchsorted(horizon.first, quarter, side="right")) - 1


def split(
    plan: SoloPlan, states: Mapping[str, State], fleets: tuple[Any, ...], t: int, now: datetime
) -> list[tuple[Floats, Floats]]:
    """Setpoints of a cell's fleets in interval `t` of its plan."""
    what: Duty = plan.duty
    groups = plan.block.by_columns(plan.u)
    return [
        fleet.setpoints(np.arange(len(fleet.id)), states[fleet.kind], part, u, t, now)
        for fleet, part, u in zip(fleets, what.plans, groups[: len(fleets)], strict=True)
    ]
