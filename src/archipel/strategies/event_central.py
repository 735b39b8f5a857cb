"""An event by one optimiser that sees everything: the reduction is a row of its problem, its answer leases for all.

    sum over asked devices of p[t]  <=  what they draw without event  -  reduction  +  missing[t],      missing >= 0

in every interval of the event; a missing kWh costs `WORTH_EUR_PER_KWH`. All else is as in `Central`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, final

import numpy as np
from scipy import sparse

from archipel.cell.linear import Memory
from archipel.cell.parts import cut
from archipel.cell.site import Duty, duty
from archipel.cell.taps import standing
from archipel.controller.agreeing import ACCEPT, carry_over, firmness
from archipel.controller.solo import SoloPlan
from archipel.devices.base import State
from archipel.model import Bools, Floats, Horizon, Scenario
from archipel.optimisation.central import WAYS, Joined, join, solve_piqp
from archipel.strategies.central import PASSES, interval_at, split
from archipel.strategies.event_asked import Asked, Base, EventImpossible, Signal
from archipel.strategies.planning import Desk, ForecastKind
from archipel.strategies.whole import (
    follow_whole,
    forget_whole,
    linearise_whole,
    settle_whole,
    stiffness_whole,
    worst_excess,
)
from archipel.twin import Decision, Seen
from archipel.vpp.event import WORTH_EUR_PER_KWH, Event

NEAREST_EUR_PER_KWH = 10.0 * WORTH_EUR_PER_KWH
"""While the most that can be held is looked for: what drawing more than without event costs."""
DEFAULT_SHARE = 0.5
"""Part of what can be held that is asked for when nobody says how much."""
LEAST_KW = 1.0
"""What is less is nothing to ask for."""
SOLVED = 0.01
"""Share by which the most that can be held is uncertain: it is found on a linear problem."""
TOLERANCE_PIQP = 1e-6
WAYS_HERE = (WAYS[2], *WAYS[:2], *WAYS[3:])
"""With the cost scaled first: on sunny afternoons with full batteries the others were seen to creep."""


@final
class CentralDispatch:
    """Plans like `Central`; from the announcement on, with the reduction."""

    name = "central"

    def __init__(
        self, scenario: Scenario, event: Event, devices: Bools, base: Base | None, *, forecast: ForecastKind = "perfect"
    ) -> None:
        """The `devices` are asked; `base` is what every device draws without event, None: this is that day. A reduction
        of NaN becomes `DEFAULT_SHARE` of the most, at the announcement."""
        self.parts = cut(scenario)
        self.most_kw = float("nan")
        """The most that can be held through all of the event, known from the announcement on."""
        self.event, self._devices = event, devices
        self._without = None if base is None else base.of(devices).sum()
        if base is not None:
            self.parts = Asked.of(self.parts, devices, event).take_part(self.parts, Signal.silent(event), base)
        self._desk = Desk(self.parts, forecast, scenario.central_replan_steps)
        self._memories = [Memory() for _ in self.parts.sites]
        self._plans: list[SoloPlan] = []

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Plan when due; leases for all devices.

        Raises:
            EventImpossible: more is asked than can be held; it is said how much can.
        """
        entries: tuple[dict[str, Any], ...] = ()
        if self._desk.due(now, last):
            entries = (self._plan(now, first_row, states, last),)
        parts = self.parts
        free = Decision.free(len(parts.scenario.device_node), len(parts.scenario.archipelago.tie))
        p, q = free.p_kw.copy(), free.q_kvar.copy()
        t = interval_at(self._horizon, now)
        for i, site in enumerate(parts.sites):
            parts.put(i, split(self._plans[i], parts.states(i, states), site.fleets, t, now), p, q)
        return Decision(p, q, free.price, free.agreed_kw, entries)

    def _plan(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> dict[str, Any]:
        """As `Central` plans, see there; a pass more where the reduction was not seen by the pass before."""
        parts, horizon = self.parts, self._desk.horizon(now)
        weather, root = self._desk.weather(horizon), self._desk.root(horizon)
        readings = [self._desk.readings(i, weather, states, last) for i in range(len(parts.sites))]
        parts = replace(parts, sites=tuple(map(standing, parts.sites, (r.states for r in readings))))
        duties = [duty(s, r.states, r.weather, horizon) for s, r in zip(parts.sites, readings, strict=True)]
        before: list[SoloPlan | None] = list(self._plans) or [None] * len(duties)
        at = [carry_over(old, what) for old, what in zip(before, duties, strict=True)]
        state = settle_whole(parts, duties, at, None)
        forget_whole(parts, state, self._memories)
        worst_excess(parts, horizon, state, self._memories)
        energy, v = (
            np.stack([root.price_eur_per_kwh * horizon.dt_h, np.zeros(len(horizon))]),
            np.full(len(horizon), root.v_pu),
        )
        passes, iterations = 0, 0
        while passes < (PASSES if self._plans else 2 * PASSES):
            passes += 1
            blocks = linearise_whole(parts, duties, at, state, self._memories, root.peaks_kw)
            stiff = stiffness_whole(parts, duties, state, root.price_eur_per_kwh)
            blocks = [
                replace(block, stiff=firmness(passes) * s, anchor=u)
                for block, s, u in zip(blocks, stiff, at, strict=True)
            ]
            joined = self._asked(join(tuple(blocks), list(parts.parents), energy, v), duties, now, first_row, horizon)
            best = solve_piqp(joined, TOLERANCE_PIQP, WAYS_HERE)
            u, iterations = follow_whole(parts, duties, blocks, joined.controls(best.x)), iterations + best.iterations
            state = settle_whole(parts, duties, u, state)
            worst = worst_excess(parts, horizon, state, self._memories)
            if (worst < ACCEPT).all():
                break
            at = u
        self._plans = [SoloPlan(*each) for each in zip(duties, u, blocks, strict=True)]
        self._horizon = horizon
        return _entry(now, iterations, passes, worst)

    def _asked(self, joined: Joined, duties: list[Duty], now: datetime, first_row: int, horizon: Horizon) -> Joined:
        """The problem with the row of the event, once it is announced."""
        share = self.event.share(horizon)
        if self._without is None or now < self.event.announced or not share.any():
            return joined
        asked = Asked.of(self.parts, self._devices, self.event)
        drawn = [asked.weights(i, what) for i, what in enumerate(duties)]
        room = self._without.mean(first_row, horizon, share) - np.sum([fixed for _, fixed in drawn], axis=0)
        rows = rows_of(joined, [per_unit for per_unit, _ in drawn], np.flatnonzero(share))
        if np.isnan(self.most_kw):
            self.most_kw = _most(joined, rows, room, share, horizon)
            if np.isnan(self.event.reduction_kw):
                self.event = replace(self.event, reduction_kw=self._half())
        if self.event.reduction_kw > (1.0 + SOLVED) * self.most_kw:
            raise EventImpossible(
                f"event of {self.event.start:%Y-%m-%d %H:%M} UTC: found a reduction of {self.event.reduction_kw:,.0f} "
                f"kW; expected at most {self.most_kw:,.0f} kW, which is what {int(self._devices.sum())} devices can "
                f"hold through all {self.event.hours:g} h when announced at {self.event.announced:%H:%M}. "
                "Ask for less, for a shorter time, or earlier."
            )
        inside = share > 0.0
        worth = WORTH_EUR_PER_KWH * (share * horizon.dt_h)[inside]
        return with_row(joined, rows, (room - self.event.reduction_kw * share)[inside], np.eye(len(worth)), worth)

    def _half(self) -> float:
        """What is asked for when nobody says how much."""
        if self.most_kw < LEAST_KW:
            raise EventImpossible(
                f"event of {self.event.start:%Y-%m-%d %H:%M} UTC: found {int(self._devices.sum())} devices that may be "
                f"asked, and together they can draw {self.most_kw:.1f} kW less; expected {LEAST_KW:g} kW or more. "
                "Choose another time."
            )
        return round_figure(DEFAULT_SHARE * self.most_kw)


def round_figure(kw: float) -> float:
    """Two digits, as people ask; never more than `kw`."""
    size = 10.0 ** (np.floor(np.log10(kw)) - 1.0)
    return float(np.floor(kw / size) * size)


def rows_of(joined: Joined, per_unit: list[Floats], intervals: Any) -> sparse.csc_matrix:
    """Power of the asked devices in the given intervals, from the variables of the joined problem."""
    count = joined.blocks[0].intervals
    row, column, value = [], [], []
    for at, weight in zip(joined.control_at, per_unit, strict=True):
        for n in np.flatnonzero(weight):
            row.append(np.arange(len(intervals)))
            column.append(at + n * count + intervals)
            value.append(np.full(len(intervals), weight[n]))
    shape = (len(intervals), len(joined.cost))
    if not row:
        return sparse.csc_matrix(shape)
    return sparse.csc_matrix((np.concatenate(value), (np.concatenate(row), np.concatenate(column))), shape=shape)


def with_row(joined: Joined, rows: sparse.csc_matrix, most: Floats, slack: Floats, cost: Floats) -> Joined:
    """The problem with `rows x <= most + slack s`, where new variables `s >= 0` cost `cost`; shapes (R, V), (R,),
    (R, S), (S,)."""
    new = len(cost)
    none = sparse.csc_matrix((joined.g.shape[0], new))
    g = sparse.bmat([[joined.g, none], [rows, sparse.csc_matrix(-slack)]], format="csc")
    a = sparse.hstack([joined.a, sparse.csc_matrix((joined.a.shape[0], new))], format="csc")
    return replace(
        joined,
        quad=np.append(joined.quad, np.full(new, 1e-9)),
        cost=np.append(joined.cost, cost),
        a=a,
        g=g,
        h=np.append(joined.h, most),
        lo=np.append(joined.lo, np.zeros(new)),
        hi=np.append(joined.hi, np.full(new, np.inf)),
    )


def _most(joined: Joined, rows: sparse.csc_matrix, room: Floats, share: Floats, horizon: Horizon) -> float:
    """The largest reduction that can be held through all of the event at `WORTH_EUR_PER_KWH`."""
    inside = share > 0.0
    dt_h = (share * horizon.dt_h)[inside]
    # unknowns: drawing more than without event, per interval, and the reduction itself, which is paid for
    slack = np.column_stack([np.eye(len(dt_h)), -share[inside]])
    cost = np.append(NEAREST_EUR_PER_KWH * dt_h, -WORTH_EUR_PER_KWH * dt_h.sum())
    best = solve_piqp(with_row(joined, rows, room[inside], slack, cost), TOLERANCE_PIQP, WAYS_HERE)
    over, most = best.x[-len(cost) : -1], float(best.x[-1])
    return max(most - float(over.max(initial=0.0)), 0.0)


def _entry(now: datetime, iterations: int, passes: int, worst: Floats) -> dict[str, Any]:
    return {
        "time": now, "rounds": iterations, "messages": 0, "bytes": 0, "passes": passes, "gap": 0.0,
        "excess_v_pu": float(worst[0]), "excess_loading": float(worst[1]), "excess_connection": float(worst[2]),
        "accepted": bool((worst < ACCEPT).all()), "silent": [], "given": [],
    }  # fmt: skip
