"""What the demonstration remembers: its last minutes, frame by frame."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from archipel.model import Believed
from archipel.web.demo.beliefs import belief_of
from archipel.web.demo.tick import Tick
from archipel.web.nouns import Agreements, Area, Belief, Card, Series
from archipel.web.source import Frame, NotShown

MINUTES = 12 * 60
"""Of grid time that are kept: some 50 MB of `district`."""
MOST_POINTS = 5_000


@final
class Kept:
    """Frames by minute and strategy. Not safe for threads by itself."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._at: list[datetime] = []
        self._frames: dict[str, list[NDArray[np.float32]]] = {name: [] for name in area.strategies}
        self._agreements: dict[str, list[Agreements]] = {name: [] for name in area.strategies}
        self._believed: list[Believed] = []
        self._node_price: list[tuple[datetime, NDArray[np.float32]]] = []
        self._cards: dict[str, dict[str, list[tuple[datetime, Card]]]] = {name: {} for name in area.strategies}
        """By strategy and id: every face a card had, and since when."""
        self._shown: datetime | None = None
        self._seq = 0
        self._where: dict[tuple[str, str], int] = {}
        first = 0
        for section in area.sections:
            self._where[section.table, section.column] = first
            first += section.count
        self._ids = {
            "area": ["area"],
            "cells": [cell.id for cell in area.cells],
            "ties": [tie.id for tie in area.ties],
            "nodes": area.nodes.id,
            "branches": area.branches.id,
            "devices": area.devices.id,
        }

    def add(self, tick: Tick) -> None:
        """A minute is shown; the first look is replaced by the first minute."""
        self._seq += 1
        self._shown = datetime.now(UTC)
        if self._at and self._at[-1] == tick.time:
            self._at.pop()
            for frames in self._frames.values():
                frames.pop()
        self._at.append(tick.time)
        for name, values in tick.frames.items():
            self._frames[name].append(values)
        for name, told in tick.agreements.items():
            self._agreements[name] = [*self._agreements[name][-4 * MINUTES // 60 :], told]
        if tick.believed is not None:
            self._believed = [*self._believed[-4 * MINUTES // 60 :], tick.believed]
        if tick.node_price_eur_per_kwh is not None:
            self._node_price = [*self._node_price[-4 * MINUTES // 60 :], (tick.time, tick.node_price_eur_per_kwh)]
        for name, cards in tick.cards.items():
            for card in cards:
                self.put_card(name, card, tick.time)
        if len(self._at) > MINUTES:
            del self._at[0]
            for frames in self._frames.values():
                del frames[0]

    def ends(self) -> tuple[datetime | None, datetime | None]:
        """First and last minute kept."""
        return (self._at[0], self._at[-1]) if self._at else (None, None)

    def latest(self, strategy: str) -> Frame | None:
        """The minute that is shown."""
        if not self._at or self._shown is None:
            return None
        return Frame(self._seq, self._at[-1], self._shown, self._frames[strategy][-1])

    def frame(self, strategy: str, time: datetime) -> Frame:
        """The minute that holds a time. Raises `NotShown`."""
        name, row = self.name(strategy), self._row(time)
        back = len(self._at) - 1 - row
        measured = self._shown if back == 0 and self._shown is not None else self._at[row]
        return Frame(self._seq - back, self._at[row], measured, self._frames[name][row])

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element. Raises `NotShown`."""
        name = self.name(strategy)
        if table not in self._ids:
            raise NotShown(f"table {table}: found no such table; expected one of {', '.join(self._ids)}")
        if table != "area" and element not in self._ids[table]:
            raise NotShown(f"{table} {element}: found no such element; expected one of `GET /api/v1/area`")
        row = 0 if table == "area" else self._ids[table].index(element)
        if unknown := [column for column in columns if (table, column) not in self._where]:
            known = [column for of, column in self._where if of == table]
            raise NotShown(f"{table} {unknown[0]}: found no such column; expected one of {', '.join(known)}")
        rows = [i for i, at in enumerate(self._at) if start <= at <= end][:MOST_POINTS]
        frames = self._frames[name]
        return Series(
            table=table,
            element=element,
            time=[self._at[i] for i in rows],
            columns={
                column: [_number(frames[i][self._where[table, column] + row]) for i in rows] for column in columns
            },
        )

    def value(self, strategy: str, time: datetime, table: str, column: str, row: int) -> float | None:
        """One number of a frame; None where it is not known."""
        return _number(self.frame(strategy, time).values[self._where[table, column] + row])

    def agreements(self, strategy: str, time: datetime | None) -> Agreements:
        """Who agreed what at a time, beside what was metered then. Raises `NotShown`."""
        name = self.name(strategy)
        if not self._at:
            raise NotShown("nothing is shown yet; ask again in a second")
        at = self._at[-1] if time is None else time
        told = self._agreements[name]
        row = bisect_right([one.time for one in told], at) - 1
        if row < 0:
            return Agreements(time=at, plan=None, ties=[])
        found = told[row]
        ties = [replace(tie, p_kw=self.value(name, at, "ties", "p_kw", i)) for i, tie in enumerate(found.ties)]
        return Agreements(time=at, plan=found.plan, ties=ties)

    # ---------------------------------------------------------------- cards

    def put_card(self, strategy: str, card: Card, at: datetime) -> None:
        """A card, or a new face of one."""
        faces = self._cards[strategy].setdefault(card.id, [])
        if faces and faces[-1][1].acknowledged_by and not card.acknowledged_by:
            card = replace(card, acknowledged_by=faces[-1][1].acknowledged_by)
        faces.append((at, card))

    def card(self, name: str) -> tuple[str, Card] | None:
        """(strategy, card) as it is now."""
        return next(((of, cards[name][-1][1]) for of, cards in self._cards.items() if name in cards), None)

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """As they were at a time: open then, or begun in the 24 h before; newest first."""
        at = time or (self._at[-1] if self._at else None)
        if at is None:
            return []
        shown = []
        for faces in self._cards[self.name(strategy)].values():
            known = [card for since, card in faces if since <= at]
            if known and (known[-1].ended is None or at - known[-1].begun <= timedelta(hours=24)):
                shown.append(known[-1])
        return sorted(shown, key=lambda card: card.begun, reverse=True)

    # ---------------------------------------------------------------- beliefs

    def belief(self, strategy: str, cell: str, time: datetime | None) -> Belief:
        """What a cell believed at a time, beside what was true. Raises `NotShown`."""
        name = self.name(strategy)
        if cell not in self._ids["cells"]:
            raise NotShown(f"cell {cell}: found none; expected one of {', '.join(self._ids['cells'])}")
        row = self._ids["cells"].index(cell)
        at = self._at[self._row(time)] if time is not None else self._at[-1]
        level = self.value(name, at, "cells", "level", row)
        room = sum(
            e or 0.0
            for e, kind, of in zip(
                self._area.devices.e_kwh, self._area.devices.kind, self._area.devices.cell, strict=True
            )
            if of == row and kind == "battery"
        )
        return belief_of(
            cell, at, self.believed(name, at), int(level or 0), room, lambda *what: self._mean(name, row, *what)
        )

    def believed(self, strategy: str, time: datetime) -> Believed | None:
        """What all cells believed after the newest plan at a time; None without one."""
        if strategy != self._area.strategies[0]:
            return None
        return next((one for one in reversed(self._believed) if one.made <= time), None)

    def node_price(self, strategy: str, node: int, time: datetime) -> float | None:
        """Price at a node at a time [EUR/kWh]; None where there is none."""
        if strategy != self._area.strategies[0]:
            return None
        prices = next((price for since, price in reversed(self._node_price) if since <= time), None)
        return None if prices is None else _number(prices[node])

    def _mean(self, strategy: str, cell: int, column: str, begin: datetime, length: timedelta) -> float | None:
        """Of a column of a cell over an interval, as far as it is kept."""
        first, last = bisect_left(self._at, begin), bisect_left(self._at, begin + length)
        if column == "v_pu":
            if cell == 0:
                return None
            where = self._where["nodes", "v_pu"] + self._area.ties[cell - 1].upper_node
        else:
            where = self._where["cells", column] + cell
        values = np.array([frame[where] for frame in self._frames[strategy][first:last]], dtype=np.float64)
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) else None

    def name(self, strategy: str) -> str:
        """The strategy meant. Raises `NotShown`."""
        name = strategy or self._area.strategies[0]
        if name not in self._frames:
            raise NotShown(f"strategy {name}: found none; expected one of {', '.join(self._frames)}")
        return name

    def _row(self, time: datetime) -> int:
        row = bisect_right(self._at, time) - 1
        if row < 0 or time >= self._at[-1] + timedelta(seconds=2 * self._area.span.step_s):
            raise NotShown(
                f"time {time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}: nothing is kept of it; expected a time "
                + (f"from {self._at[0]:%Y-%m-%dT%H:%MZ} to {self._at[-1]:%Y-%m-%dT%H:%MZ}" if self._at else "later")
            )
        return row


def _number(value: float | np.float32) -> float | None:
    return float(value) if np.isfinite(value) else None
