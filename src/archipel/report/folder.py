"""Writing the folder of a run: `runs/<id>/` with kpis.json, run.json, Parquet tables and the report.

Everything is written into a hidden sibling and renamed when it is whole, so a folder without a leading dot is
always one that can be read. Strategies are written one after the other, and nothing of them stays in memory.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import pyarrow.parquet as pq

from archipel.model import Scenario, StrategyResult
from archipel.report.deliveries import write_delivery
from archipel.report.kpis import kpis, kpis_file
from archipel.report.reload import source_of
from archipel.report.tables import LABELS, LISTED, VALUES, plain, rows, schema
from archipel.report.words import first_date

LAYOUT = 1
"""Version of the folder's layout; raised when a reader of the old one would be misled."""
TABLES = (*LABELS, *LISTED)


@final
class RunWriter:
    """Writes one run. Use it in a `with` block: what is there when the block is left early is kept and marked.

        with RunWriter(Path("runs"), scenario, start=..., days=1, forecast="perfect", seed=1) as writer:
            for strategy in ...:
                writer.add(run_strategy(...))
        print(writer.path)

    Args:
        runs: Folder that holds all runs; made when it is not there.
        scenario: What is run.
        start: First interval (timezone-aware).
        days: Days asked for.
        forecast: `perfect` or `naive`.
        seed: Seed of the run.
        method: How cells agree under `distributed`.
        physics: Name of the physics of the network.
        source: How to load the scenario again: the name of a shipped one or the path of its file; found out when not
            given.
        now: Time of the run's name; the clock when not given.
        report: Whether report.html is written too.
    """

    def __init__(
        self,
        runs: Path,
        scenario: Scenario,
        *,
        start: datetime,
        days: int,
        forecast: str,
        seed: int,
        method: str = "exact",
        physics: str = "positive-sequence",
        source: str | None = None,
        now: datetime | None = None,
        report: bool = True,
    ) -> None:
        self.scenario, self.start, self.days, self.forecast, self.seed = scenario, start, days, forecast, seed
        self.method, self.physics = method, physics
        self._made = (now or datetime.now(UTC)).astimezone(UTC)
        self._source = source if source is not None else source_of(scenario)
        self._report = report
        self.path = _free(runs, run_id(scenario.name, start, days, forecast, seed, self._made))
        """Where the run will be found."""
        self._part = runs / f".part-{self.path.name}"
        self._part.mkdir(parents=True)
        self._writers: dict[str, pq.ParquetWriter] = {}
        self.strategies: dict[str, dict[str, Any]] = {}
        """Figures of the strategies written so far, by name."""
        self._gaps: dict[str, list[dict[str, Any]]] = {}
        self._shape: dict[str, dict[str, Any]] = {}

    def add(self, result: StrategyResult) -> dict[str, Any]:
        """Write one strategy's tables and return its figures (`archipel.report.kpis.kpis`)."""
        figures = kpis(self.scenario, result)
        if not self._writers:
            self._writers = {name: self._open(name) for name in TABLES}
        for name, table in rows(self.scenario, result):
            if table.num_rows:
                self._writers[name].write_table(table, row_group_size=table.num_rows)
        for delivery in result.deliveries:
            write_delivery(self._part, delivery, strategy=result.strategy)
        self.strategies[result.strategy] = figures
        self._gaps[result.strategy] = plain(result.gaps)
        self._shape[result.strategy] = {
            "complete": result.complete,
            "dt_h": result.dt_h,
            "steps": len(result.time),
            "quarters": -(-len(result.time) // round(0.25 / result.dt_h)),
        }
        return figures

    @property
    def figures(self) -> dict[str, Any]:
        """What kpis.json holds."""
        return kpis_file(
            self.scenario,
            self.strategies,
            start=self.start,
            days=self.days,
            forecast=self.forecast,
            seed=self.seed,
            method=self.method,
            physics=self.physics,
        )

    def finish(self, *, complete: bool = True) -> Path:
        """Close the tables, write the rest, and give the folder its name."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
        complete = complete and all(figures["complete"] for figures in self.strategies.values())
        self._json("kpis.json", self.figures)
        self._json("run.json", self._identity(complete=complete))
        try:
            if self._report:
                from archipel.report.run import load_run  # which reads what this module writes

                load_run(self._part, self.scenario).report()
        finally:  # results that took an hour are not lost because a picture could not be drawn
            self._part.rename(self.path)
        return self.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.strategies:
            self.finish(complete=kind is None)
            return
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self._part)

    def _open(self, name: str) -> pq.ParquetWriter:
        columns = schema(name)
        numbers = set(VALUES.get(name, ())) - {"closed"}
        return pq.ParquetWriter(
            self._part / f"{name}.parquet",
            columns,
            compression="zstd",
            use_dictionary=[column for column in columns.names if column not in numbers],
            use_byte_stream_split=sorted(numbers),
        )

    def _identity(self, *, complete: bool) -> dict[str, Any]:
        return {
            "layout": LAYOUT,
            "id": self.path.name,
            "made": self._made.isoformat(),
            "complete": complete,
            "scenario": {
                "name": self.scenario.name,
                "title": self.scenario.title,
                "source": self._source,
                "seed": self.scenario.seed,
            },
            "start": self.start.isoformat(),
            "days": self.days,
            "forecast": self.forecast,
            "seed": self.seed,
            "method": self.method,
            "physics": self.physics,
            "strategies": self._shape,
            "planning_problems": self._gaps,
        }

    def _json(self, name: str, value: dict[str, Any]) -> None:
        text = json.dumps(value, indent=2, allow_nan=False)
        (self._part / name).write_text(text + "\n", encoding="utf-8")


def run_id(scenario: str, start: datetime, days: int, forecast: str, seed: int, made: datetime) -> str:
    """A readable name: when it was made, what was run, which days, how, with which seed."""
    word = "".join(c if c.isalnum() or c in "-_" else "-" for c in scenario)[:60]
    return f"{made:%Y%m%d-%H%M%S}-{word}-{first_date(start)}-{days}d-{forecast}-seed{seed}"


def _free(runs: Path, name: str) -> Path:
    """The first of `name`, `name-2`, `name-3`, ... that no run has."""
    number, path = 1, runs / name
    while path.exists() or (runs / f".part-{path.name}").exists():
        number += 1
        path = runs / f"{name}-{number}"
    return path
