"""Frames of a running system as they were: written into its folder as they come, found again after any restart."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import final

import numpy as np

from archipel.model import Floats, Scenario
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import Series
from archipel.web.recording import Recorder, Recording, RecordingUnusable
from archipel.web.source import Frame, NotShown

FOLDER = "recording"
KEEP_H = 48
"""Hours of grid time that are kept."""


@final
class LivePast:
    """Writes, and reads what was written. Of several that look on the same rehearsal the first one writes.

    Args:
        folder: Of the rehearsal.
        scenario: The case.
        builder: Knows where numbers are.
        every_s: Grid seconds between two frames kept.
    """

    def __init__(self, folder: Path, scenario: Scenario, builder: FrameBuilder, every_s: float) -> None:
        self._builder, self._lock = builder, Lock()
        at = folder / FOLDER
        at.mkdir(exist_ok=True)
        self._guard = os.open(at / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        self._recorder: Recorder | None = None
        self.trouble = ""
        """Why frames are not kept; empty while they are."""
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recorder = Recorder(at, builder.sections, every_s=every_s, keep_h=KEEP_H)
        except BlockingIOError:
            pass  # another one writes what this one reads
        self._recording = Recording(at)
        grid, ties = scenario.grid, scenario.archipelago.tie
        self._rows = {
            "area": {"": 0, "upstream": 0, scenario.name: 0},
            "cells": {cell.id: i for i, cell in enumerate(scenario.archipelago.cell)},
            "ties": {tie.id: i for i, tie in enumerate(ties)},
            "nodes": {name: i for i, name in enumerate(grid.nodes.id)},
            "branches": {name: i for i, name in enumerate(grid.branch_id)},
            "devices": {name: i for i, name in enumerate(scenario.device_id)},
        }
        above = {tie.lower: int(tie.upper_node) for tie in ties if tie.direction == "vertical" and tie.closed}
        self._boundary = {c.id: above.get(c.id, int(grid.source.node)) for c in scenario.archipelago.cell}

    def take(self, frame: Frame) -> None:
        """Keep a frame. A disk that takes none any more ends the keeping, never the showing: `trouble` says so."""
        with self._lock:
            if self._recorder is None:
                return
            try:
                self._recorder.write(frame)
            except (OSError, RecordingUnusable) as error:
                self.trouble, self._recorder = f"Frames are kept no more: {error}", None

    def span(self) -> tuple[datetime, datetime] | None:
        """First and last time that is kept."""
        return self._recording.span()

    def at(self, time: datetime) -> Frame:
        """The frame in force at a time. Raises `NotShown`."""
        return self._recording.at(time)

    def row(self, table: str, element: str) -> int:
        """Row of an element in its table. Raises `NotShown`."""
        if table not in self._rows:
            raise NotShown(f"table {table}: found none; expected one of {', '.join(self._rows)}")
        if element not in self._rows[table]:
            raise NotShown(f"{table} {element}: found no such element; expected one of `GET /api/v1/area`")
        return self._rows[table][element]

    def series(self, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime) -> Series:
        """Columns of one element. Raises `NotShown`."""
        row, places = self.row(table, element), []
        for column in columns:
            if (table, column) not in self._builder.at:
                known = ", ".join(name for of, name in self._builder.at if of == table)
                raise NotShown(f"column {column} of {table}: found none; expected one of {known}")
            places.append(self._builder.at[table, column].start + row)
        times, values = self._recording.range(start, end, places)
        return Series(
            table=table,
            element=element,
            time=[datetime.fromtimestamp(float(t), UTC) for t in times],
            columns={column: numbers(values[:, k].astype(np.float64)) for k, column in enumerate(columns)},
        )

    def means(
        self, cell: str, columns: Sequence[str], starts: Sequence[datetime], ends: Sequence[datetime]
    ) -> dict[str, list[float | None]]:
        """Means of what was measured in every interval, as far as there is any; `v_pu` is that of the boundary."""
        if not starts:
            return {name: [] for name in columns}
        row = self.row("cells", cell)
        place = {
            name: self._builder.at["nodes", "v_pu"].start + self._boundary[cell]
            if name == "v_pu"
            else self._builder.at["cells", name].start + row
            for name in columns
        }
        times, values = self._recording.range(starts[0], ends[-1], list(place.values()))
        edges = [(np.searchsorted(times, a.timestamp()), np.searchsorted(times, b.timestamp()))
                 for a, b in zip(starts, ends, strict=True)]  # fmt: skip
        return {
            name: [_mean(values[int(a) : int(b), k].astype(np.float64)) for a, b in edges]
            for k, name in enumerate(place)
        }

    def close(self) -> None:
        """Write what is left."""
        with self._lock:
            if self._recorder is not None:
                self._recorder.close()
                self._recorder = None
        self._recording.close()
        os.close(self._guard)


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def numbers(values: Floats) -> list[float | None]:
    """As JSON knows them; what is not known becomes null."""
    return [float(v) if np.isfinite(v) else None for v in values]
