"""Controllers of the small scenario's three cells, and the messages between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from small_scenario import scenario

from archipel.cell.parts import Parts, cut
from archipel.controller.agreeing import RootFacts
from archipel.controller.controller import CellController, Readings
from archipel.coordination.message import Message
from archipel.forecasting.perfect import perfect
from archipel.model import Connection, Floats, Horizon

NOON = datetime(2016, 6, 8, 12, tzinfo=UTC)


class Village:
    """Three cells in a row: root, feeder, lv."""

    def __init__(self, connection: Connection | None = None, only: tuple[str, ...] | None = None) -> None:
        case = scenario(pv_kw=90.0, only=only)
        if connection is not None:
            case = dataclasses.replace(case, connection=connection)
        self.parts: Parts = cut(case)
        self.cells = {site.id: CellController(site) for site in self.parts.sites}
        self.plan = 0
        self.said: dict[str, Floats] = {}
        """Powers that every cell told its parent last, as the parent read them."""

    def states(self, cell: str) -> dict[str, dict[str, Floats]]:
        names = [site.id for site in self.parts.sites]
        case = self.parts.scenario
        return self.parts.states(names.index(cell), {f.kind: f.initial(case.profiles.row(NOON)) for f in case.fleets})

    def begin(self, now: datetime) -> list[Message]:
        """All cells start a plan."""
        self.plan += 1
        case = self.parts.scenario
        horizon = Horizon.multi_rate(now, 4, 8)
        row = case.profiles.row(now)
        weather = perfect(case.profiles, row, 96)
        price = np.full(len(horizon), 0.05)
        out: list[Message] = []
        for name, cell in self.cells.items():
            root = RootFacts(price, 1.0, np.zeros(2)) if name == "root" else None
            out += cell.begin(self.plan, horizon, Readings(self.states(name), weather, 1.0), root)
        return out

    def talk(self, mail: list[Message], lost: Callable[[Message], bool] = lambda _: False, ticks: int = 60) -> None:
        """Carry messages; tick when nothing moves."""
        for _ in range(ticks):
            while mail:
                message = mail.pop(0)
                if not lost(message):
                    read = Message.from_bytes(message.to_bytes())
                    if read.up and "pq" in read.body:
                        self.said[read.sender] = read.body["pq"]
                    mail += self.cells[read.receiver].receive([read])
            mail = [m for cell in self.cells.values() for m in cell.tick()]

    def setpoints(self, cell: str, now: datetime) -> list[tuple[Floats, Floats]]:
        return self.cells[cell].setpoints(now, self.states(cell))


def later(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)
