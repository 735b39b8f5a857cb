"""What the demonstration remembers: its last minutes, frame by frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from archipel.web.demo.tick import Tick
from archipel.web.nouns import Agreements, Area, Series
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
            self._agreements[name] = [*self._agreements[name][-4 * MINUTES :], told]
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
        name, row = self._name(strategy), self._row(time)
        back = len(self._at) - 1 - row
        measured = self._shown if back == 0 and self._shown is not None else self._at[row]
        return Frame(self._seq - back, self._at[row], measured, self._frames[name][row])

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element. Raises `NotShown`."""
        name = self._name(strategy)
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
        name = self._name(strategy)
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

    def _name(self, strategy: str) -> str:
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
