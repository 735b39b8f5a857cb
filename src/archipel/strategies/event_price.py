"""An event by price: all cells are told what not drawing is worth, and each answers by its own plan.

    price -> every cell plans, agrees with its neighbours on the network, says by how much less its asked devices
             will draw -> the sum decides on the next price -> ... a few rounds -> the price holds

    announced:       one price for all of the event
    every plan in it: the price until the next plan, beginning with the one that holds

A price that is given is told once and never looked for. Nobody orders a device, and no answer says anything of one. All
else is as in `Distributed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.cell.parts import cut
from archipel.controller.controller import CellController
from archipel.coordination import auto
from archipel.coordination.outcome import Method
from archipel.devices.base import State
from archipel.model import Bools, Floats, Horizon, Scenario
from archipel.model.horizon import STEP_MINUTES
from archipel.strategies.event_asked import Asked, Base, Signal
from archipel.strategies.group import Group
from archipel.strategies.planning import Desk, ForecastKind
from archipel.twin import Decision, Seen
from archipel.vpp.event import Event, Round, find_price

QUIET_TICKS = 100
"""As in `Distributed`."""
ROUNDS = 8
"""Prices told at most in one search."""

AGAIN, SETTLED = 4, 0.02
"""A plan stays near the one before it (`cell.curvature`), so an answer lags behind a new price: cells agree again, this
often at most, until their answer moves by less than this share of the reduction."""


@final
@dataclass(frozen=True, slots=True)
class Search:
    """A price that was looked for, or told."""

    at: datetime
    until: datetime
    """End of what it is for; it begins at `at`, or with the event."""
    rounds: tuple[Round, ...]
    """Prices told and what was answered for that time; the last one holds."""


@final
class PriceToCells:
    """Plans like `Distributed`; from the announcement on, with a price on what asked devices draw in the event."""

    name = "price"

    def __init__(
        self,
        scenario: Scenario,
        event: Event,
        devices: Bools,
        base: Base | None,
        *,
        price_eur_per_kwh: float | None = None,
        forecast: ForecastKind = "perfect",
        method: Method = auto.DEFAULT,
    ) -> None:
        """The `devices` are asked; `base` is what every device draws without event, None: this is that day. A given
        price is told once; else it is looked for."""
        parts = cut(scenario)
        self.event, self._given = event, price_eur_per_kwh
        self.searches: list[Search] = []
        self.event_messages = 0
        """Prices told and answers of cells."""
        self._signal = Signal.silent(event)
        self._asked = Asked.of(parts, devices, event)
        self.parts = parts if base is None else self._asked.take_part(parts, self._signal, base)
        self._without = None if base is None else base.of(devices).sum()
        self._desk = Desk(self.parts, forecast, scenario.replan_steps)
        self._group = Group([CellController(site, method=method) for site in self.parts.sites])
        self._numbers = 0

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Plan when due; leases of all cells."""
        entries: tuple[dict[str, Any], ...] = ()
        if self._desk.due(now, last):
            horizon = self._desk.horizon(now)
            entries = self._plan(now, first_row, horizon, states, last)
        parts = self.parts
        free = Decision.free(len(parts.scenario.device_node), len(parts.scenario.archipelago.tie))
        p, q = free.p_kw.copy(), free.q_kvar.copy()
        own = {site.id: parts.states(i, states) for i, site in enumerate(parts.sites)}
        wanted = self._group.setpoints(now, own)
        for i, site in enumerate(parts.sites):
            parts.put(i, wanted[site.id], p, q)
        return Decision(p, q, free.price, free.agreed_kw, entries)

    @property
    def prices(self) -> Floats:
        """The price that held in every quarter hour of the event [EUR/kWh]."""
        return self._signal.price_eur_per_kwh

    def _plan(
        self, now: datetime, first_row: int, horizon: Horizon, states: Mapping[str, State], last: Seen | None
    ) -> tuple[dict[str, Any], ...]:
        """Agree once; while the event is to come or runs as often as it takes to find the price."""
        event, base = self.event, self._without
        told = bool(self.searches) and (self._given is not None or now < event.start)
        if base is None or not event.announced <= now < event.end or told:
            return (self._agree(now, horizon, states, last),)
        until = event.end
        if now >= event.start and self._given is None:
            until = min(until, now + self._desk.replan_steps * timedelta(minutes=STEP_MINUTES))
        begin = max(now, event.start)
        part = Event(begin, (until - begin) / timedelta(hours=1), now, event.reduction_kw)
        mine = part.quarters(event.start, len(self.prices))
        share = part.share(horizon)
        inside = share > 0.0
        weight = (share * horizon.dt_h)[inside]
        without = base.mean(first_row, horizon, share)
        entries: list[dict[str, Any]] = []

        def offered() -> float:
            return float(((without - self._planned_kw())[inside] / share[inside]) @ weight / weight.sum())

        def answer(price: float) -> float:
            self._signal.price_eur_per_kwh[mine] = price
            self.event_messages += 2 * len(self.parts.sites)
            said = [float("inf")]
            while len(said) <= AGAIN and (len(said) < 3 or abs(said[-1] - said[-2]) > SETTLED * event.reduction_kw):
                entries.append(self._agree(now, horizon, states, last))
                said.append(offered())
            return said[-1]

        if self._given is not None:
            rounds: tuple[Round, ...] = (Round(self._given, answer(self._given)),)
        else:
            first = float(self.prices[mine][0]) or None
            rounds = find_price(answer, event.reduction_kw, first_eur_per_kwh=first, rounds=ROUNDS)
            if float(self.prices[mine][0]) != rounds[-1].price_eur_per_kwh:
                answer(rounds[-1].price_eur_per_kwh)
        self.searches.append(Search(now, until, rounds))
        return tuple(entries)

    def _planned_kw(self) -> Floats:
        """Sum of what all cells say their asked devices will draw [kW], shape (T,)."""
        said = []
        for i, site in enumerate(self.parts.sites):
            agreed = self._group.by_id[site.id].agreed
            if agreed is not None:
                said.append(self._asked.planned_kw(i, agreed.duty, agreed.u))
        return np.asarray(np.sum(said, axis=0))

    def _agree(self, now: datetime, horizon: Horizon, states: Mapping[str, State], last: Seen | None) -> dict[str, Any]:
        """One agreement of all cells."""
        weather, sites = self._desk.weather(horizon), self.parts.sites
        readings = {site.id: self._desk.readings(i, weather, states, last) for i, site in enumerate(sites)}
        self._numbers += 1
        self._group.begin(self._numbers, horizon, readings, self._desk.root(horizon))
        quiet = 0
        while quiet < QUIET_TICKS and self._group.open():
            quiet += 1
            self._group.tick()
        seen = [outcome for outcome in self._group.outcomes().values() if outcome is not None]
        root = seen[0]
        return {
            "time": now, "rounds": root.rounds, "messages": sum(o.messages for o in seen),
            "bytes": sum(o.bytes for o in seen), "passes": root.passes, "gap": root.gap, "cost_eur": root.cost,
            "excess_v_pu": float(root.excess[0]), "excess_loading": float(root.excess[1]),
            "excess_connection": float(root.excess[2]), "accepted": root.accepted,
            "silent": sorted({o.silent for o in seen if o.silent}),
            "given": [text for outcome in seen for text in outcome.gave],
        }  # fmt: skip
