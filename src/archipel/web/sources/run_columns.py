"""The columns of a run as arrays by step, read when they are asked for and kept."""

from __future__ import annotations

import tempfile
import threading
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.report.run import Run

IN_MEMORY = 16 * 2**20
"""Bytes above which an array lies in a file without a name, so that the system may take its memory back."""

Single = NDArray[np.float32]


@final
class RunColumns:
    """Arrays of shape (steps, elements), float32: a step is one piece of memory, as a frame wants it.

    Parquet holds all steps of the first element, then of the second; a step of a city would be a walk through the
    whole column. So each column is turned over once, when it is first asked for.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._kept: dict[tuple[str, str, str], Single] = {}
        self._lock = threading.Lock()
        self._names: dict[str, frozenset[str]] = {}

    def has(self, table: str, column: str) -> bool:
        """Whether the run has this column; runs of older versions lack some."""
        if table not in self._names:
            there = (self.run.path / f"{table}.parquet").is_file()
            self._names[table] = frozenset(self.run.columns(table)) if there else frozenset()
        return column in self._names[table]

    def get(self, strategy: str, table: str, column: str) -> Single:
        """(steps, elements); of the table `cells` the steps are quarter hours. NaN where nothing is known."""
        key = (strategy, table, column)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = _turned(self.run.array(table, column, strategy))
            return self._kept[key]


def _turned(values: NDArray[Any]) -> Single:
    elements, steps = values.shape
    if 4 * elements * steps <= IN_MEMORY:
        return np.ascontiguousarray(values.T, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="archipel-") as file:
        out = np.memmap(file, np.float32, "w+", shape=(steps, elements))
        for first in range(0, elements, 4096):
            out[:, first : first + 4096] = values[first : first + 4096].T
        return out
