"""Reading a run back: figures, tables, and the array of one column of one strategy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.model import RunNotFound, Scenario
from archipel.report.folder import LAYOUT, TABLES
from archipel.report.reload import reload_scenario
from archipel.report.tables import LABELS
from archipel.report.text import html_table, text_table


@final
class Run:
    """A finished (or interrupted) run in its folder. Tables are read when they are asked for."""

    def __init__(
        self, path: Path, info: dict[str, Any], kpis: dict[str, Any], scenario: Scenario | None = None
    ) -> None:
        self.path = path
        """The folder."""
        self.info = info
        """What run.json says: scenario, days, forecast, seeds, whether it is complete, planning problems."""
        self.kpis = kpis
        """What kpis.json says."""
        self._scenario = scenario

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of the strategies that were run, in that order."""
        return tuple(self.kpis["strategies"])

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that was run, loaded again unless it was handed over.

        Raises:
            RunNotFound: the scenario is no longer where the run found it, or has changed since.
        """
        if self._scenario is not None:
            return self._scenario
        return reload_scenario(self.info)

    def frame(self, name: str, columns: Sequence[str] | None = None, strategy: str | None = None) -> pa.Table:
        """A table as pyarrow (`.to_pandas()`, `.to_pylist()`, or hand it to DuckDB or Polars).

        Args:
            name: One of devices, nodes, branches, boundaries, switches, agreements, cells, area, agreed, plans,
                views; runs of older versions lack the last two.
            columns: Columns wanted; all by default.
            strategy: Only this strategy's rows.

        Raises:
            RunNotFound: there is no such table.
        """
        file = self._open(name)
        wanted = list(columns) if columns is not None else None
        if missing := sorted(set(wanted or ()) - set(file.schema_arrow.names)):
            known = ", ".join(file.schema_arrow.names)
            raise RunNotFound(f"table {name}: found no column {', '.join(missing)}; expected some of {known}")
        return file.read(wanted) if strategy is None else file.read_row_groups(self._groups(file, strategy), wanted)

    def columns(self, name: str) -> list[str]:
        """The columns of a table; runs of older versions lack some."""
        return list(self._open(name).schema_arrow.names)

    def array(self, name: str, column: str, strategy: str) -> NDArray[Any]:
        """One numeric column of one strategy as an array of shape (elements, steps); empty values are NaN.

        Elements stand in the order of `labels(name, ...)`; boundaries have two rows per tie, the upper cell's first.
        """
        values = self.frame(name, [column], strategy).column(column).to_numpy()
        steps = self.steps(strategy, name)
        return values.reshape(-1, steps) if steps else np.zeros((0, 0))

    def labels(self, name: str, label: str, strategy: str) -> list[str]:
        """The label (device, node, ...) of every element of a table, in the order of `array`."""
        if label not in LABELS[name]:
            raise RunNotFound(f"the table {name} has no label {label}; expected one of {', '.join(LABELS[name])}")
        column = self.frame(name, [label], strategy).column(label)
        steps = self.steps(strategy, name)
        every: list[str] = column.take(pa.array(np.arange(0, len(column), steps))).to_pylist() if steps else []
        return every

    def steps(self, strategy: str, name: str = "area") -> int:
        """Number of steps of a strategy; the table `cells` always has quarters of an hour."""
        shape = self._shape(strategy)
        return int(shape["quarters" if name == "cells" else "steps"])

    def dt_h(self, strategy: str) -> float:
        """Length of a strategy's steps [h]."""
        return float(self._shape(strategy)["dt_h"])

    def time(self, strategy: str) -> NDArray[np.datetime64]:
        """Start of every step, UTC, shape (steps,)."""
        return np.asarray(self.frame("area", ["time"], strategy).column("time").to_numpy())

    def table(self) -> str:
        """The strategies side by side, as text of at most 100 columns."""
        return text_table(self.kpis)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report (one HTML file that needs nothing else); into the run's folder unless told otherwise."""
        from archipel.report.html import write_report

        return write_report(self, Path(path) if path is not None else self.path / "report.html")

    def _open(self, name: str) -> pq.ParquetFile:
        file = self.path / f"{name}.parquet"
        if not file.is_file():
            if name not in TABLES:
                raise RunNotFound(f"run {self.path}: there is no table {name}; expected one of {', '.join(TABLES)}")
            raise RunNotFound(f"run {self.path}: found no file of the table {name}. Run the case again.")
        return pq.ParquetFile(file)

    def _groups(self, file: pq.ParquetFile, strategy: str) -> list[int]:
        """Row groups of a strategy: no group holds rows of two."""
        self._shape(strategy)
        meta = file.metadata
        return [i for i in range(meta.num_row_groups) if meta.row_group(i).column(0).statistics.min == strategy]

    def _shape(self, strategy: str) -> dict[str, Any]:
        shapes: dict[str, dict[str, Any]] = self.info["strategies"]
        if strategy not in shapes:
            raise RunNotFound(f"run {self.path}: found no strategy {strategy}; it has {', '.join(self.strategies)}")
        return shapes[strategy]

    def __repr__(self) -> str:
        state = "" if self.info["complete"] else ", interrupted"
        return (
            f"Run({self.path.name!r}: {self.kpis['days']} day(s) of {self.kpis['scenario']} from "
            f"{self.kpis['start'][:10]}, {', '.join(self.strategies)}{state})"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(repr(self))}</b></p>{html_table(self.kpis)}"


def load_run(path: str | Path, scenario: Scenario | None = None) -> Run:
    """Open the folder of a run.

    Args:
        path: The folder.
        scenario: The scenario that was run, where the caller still has it; otherwise it is loaded when needed.

    Raises:
        RunNotFound: there is no such folder, or it lacks kpis.json or run.json, or was written by a newer version.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise RunNotFound(f"found no folder {folder}; expected the folder of a run, for instance one below runs/")
    read = {}
    for name in ("kpis.json", "run.json"):
        try:
            read[name] = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunNotFound(f"run {folder}: found no {name}; the run did not finish. Run the case again.") from None
        except ValueError as error:
            raise RunNotFound(f"run {folder}: {name} cannot be read ({error}). Run the case again.") from error
    if read["run.json"].get("layout") != LAYOUT:
        raise RunNotFound(
            f"run {folder}: found layout {read['run.json'].get('layout')}, expected {LAYOUT}. "
            "It was written by another version of Archipel: read it with that one, or run the case again."
        )
    return Run(folder, read["run.json"], read["kpis.json"], scenario)
