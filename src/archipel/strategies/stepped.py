"""The field's controllers in the twin: one `Controller` per cell, stepped on the twin's clock, mail passed as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.cell.parts import cut
from archipel.controller.assemble import controller_of
from archipel.controller.facts import Instant, Mail, Note, Orders, Snapshot
from archipel.controller.outlook import ForecastKind, outlook_of
from archipel.controller.planner import DeviceFacts
from archipel.controller.stepping import Settings
from archipel.coordination.message import Message
from archipel.devices.base import State
from archipel.model import Scenario
from archipel.strategies.limits import fixed_limits
from archipel.twin import Decision, Seen


@final
class Stepped:
    """Distributed control exactly as in the field: plans begin before they hold, agreements are accepted by both ends.

    The first hour is every cell's own, for nothing is agreed yet.
    """

    name = "distributed"

    def __init__(self, scenario: Scenario, *, forecast: ForecastKind = "perfect") -> None:
        self.parts = cut(scenario)
        settings = Settings(every_s=900 * scenario.replan_steps, lead_s=900.0, healthy_s=0.0)
        view, limits = outlook_of(scenario, forecast, scenario.replan_steps), fixed_limits(self.parts)
        self.cells = [
            controller_of(self.parts, i, view, (float(limits.import_kw[i]), float(limits.export_kw[i])), settings)
            for i in range(len(self.parts.sites))
        ]
        self.notes: list[tuple[str, Note]] = []
        self._peaks: dict[str, float] = {}

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Step every cell, pass the mail until nobody has more to say, and collect the orders."""
        del first_row
        if last is not None:
            day = (now - timedelta(minutes=15)).date().isoformat()
            self._peaks[day] = max(self._peaks.get(day, 0.0), last.upstream_p_kw)
        snapshots = {cell.cell: self._snapshot(i, states, last) for i, cell in enumerate(self.cells)}
        orders: dict[str, Orders] = {}
        mail: dict[str, list[Mail]] = {cell.cell: [] for cell in self.cells}
        at = now
        for turn in range(1_000_000):
            spoken: list[Mail] = []
            moment = Instant(at, at.timestamp())
            for cell in self.cells:
                inbox, mail[cell.cell] = mail[cell.cell], []
                if turn > 2 and not inbox:
                    continue
                done = cell.step(moment, snapshots[cell.cell], inbox)
                orders[cell.cell] = done.orders
                spoken += done.mail
                self.notes += [(cell.cell, note) for note in done.notes]
            for letter in spoken:
                mail[letter.receiver].append(_carried(letter))
            if turn > 2 and not spoken:
                break
            at += timedelta(microseconds=100)
        return self._decision(now, orders)

    def _snapshot(self, cell: int, states: Mapping[str, State], last: Seen | None) -> Snapshot:
        site = self.parts.sites[cell]
        source = self.parts.scenario.grid.source.v_pu
        v_pu = source if last is None else float(last.v_pu[site.network.slack_node])
        facts = DeviceFacts(self.parts.states(cell, states), v_pu, self._peaks if cell == 0 else {})
        return Snapshot(facts, neighbours=frozenset(side.neighbour for side in self.cells[cell].ties))

    def _decision(self, now: datetime, orders: Mapping[str, Orders]) -> Decision:
        parts = self.parts
        free = Decision.free(len(parts.scenario.device_node), len(parts.scenario.archipelago.tie))
        p, q, agreed = free.p_kw.copy(), free.q_kvar.copy(), free.agreed_kw.copy()
        for i, cell in enumerate(self.cells):
            told = orders[cell.cell]
            pairs = []
            for own in parts.own[i]:
                ids = own.fleet.id
                both = np.array([told.get(name, (np.nan, np.nan)) for name in ids]).reshape(-1, 2)
                pairs.append((both[:, 0], both[:, 1]))
            parts.put(i, pairs, p, q)
            up = next((side for side in cell.ties if side.upward), None)
            if up is not None and (held := cell.holdings(now)[up.id]).record is not None:
                agreed[parts.tie_of[i]] = held.p_kw
        return Decision(p, q, free.price, agreed)


def _carried(letter: Mail) -> Mail:
    """As it arrives after it was bytes."""
    said: Any = letter.said
    return Mail(
        letter.sender, letter.receiver, Message.from_bytes(said.to_bytes()) if hasattr(said, "to_bytes") else said
    )
