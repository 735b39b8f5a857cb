"""Every cell optimises itself inside a fixed import and export limit; nobody talks to anybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, final

from archipel.cell.check import what_gave
from archipel.cell.parts import cut
from archipel.controller.solo import SoloCell
from archipel.devices.base import State
from archipel.model import Believed, Floats, Scenario
from archipel.strategies.central import interval_at, split
from archipel.strategies.limits import FixedLimits, fixed_limits
from archipel.strategies.planning import Desk, ForecastKind
from archipel.strategies.recorded import recorded_whole
from archipel.twin import Decision, Seen


@final
class Alone:
    """Self-optimising cells behind connection agreements as they are today."""

    name = "alone"

    def __init__(self, scenario: Scenario, *, forecast: ForecastKind = "perfect") -> None:
        self.parts = cut(scenario)
        self._desk = Desk(self.parts, forecast, scenario.replan_steps)
        self.limits: FixedLimits = fixed_limits(self.parts)
        self._cells = [
            SoloCell(site, float(i), float(e))
            for site, i, e in zip(self.parts.sites, self.limits.import_kw, self.limits.export_kw, strict=True)
        ]

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Plan every cell when due; leases for all devices."""
        entries: tuple[dict[str, Any], ...] = ()
        believed: Believed | None = None
        parts = self.parts
        if self._desk.due(now, last):
            self._horizon = self._desk.horizon(now)
            weather = self._desk.weather(self._horizon)
            price = self._desk.price(self._horizon)
            gave: list[str] = []
            for i, cell in enumerate(self._cells):
                plan = cell.plan(self._horizon, self._desk.readings(i, weather, states, last), price)
                gave += what_gave(plan.block, cell.hinge_values(), plan.block.store(plan.u))
            believed = self._recorded(price)
            entries = ({"time": now, "rounds": 0, "messages": 0, "bytes": 0, "passes": 1, "gap": 0.0, "given": gave},)
        free = Decision.free(len(parts.scenario.device_node), len(parts.scenario.archipelago.tie))
        p, q = free.p_kw.copy(), free.q_kvar.copy()
        t = interval_at(self._horizon, now)
        for i, cell in enumerate(self._cells):
            if cell.last is not None:
                parts.put(i, split(cell.last, parts.states(i, states), parts.sites[i].fleets, t, now), p, q)
        return Decision(p, q, free.price, free.agreed_kw, entries, believed=believed)

    def _recorded(self, price: Floats) -> Believed:
        """What every cell believes; of its neighbours it knows nothing."""
        lasts = [cell.last for cell in self._cells]
        plans = [None if last is None else (last.duty, last.u, last.block) for last in lasts]
        more = {
            "own_kw": [cell.exchange_kw for cell in self._cells],
            "price_eur_per_kwh": [price] * len(self._cells),
            "v_pu": [cell.v_pu for cell in self._cells],
        }
        return recorded_whole(self.parts, self._horizon, plans, more)
