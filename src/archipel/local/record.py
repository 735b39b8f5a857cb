"""What really happened in a rehearsal, as Parquet: quarter-hour means in the tables of a run, ties by the minute.

    record/devices/2016-06-09T0000.parquet ...   the columns of docs/reference/tables.md, strategy "rehearsal"
    record/ties/2016-06-09T0000.parquet ...      time, tie, p_kw: minute means at the metered end, into the lower cell

A file per simulated hour and table, so that what was done is readable after the world was killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archipel.model import Floats, Scenario, StrategyResult
from archipel.report.tables import rows
from archipel.twin import Decision
from archipel.twin.plant import Happened
from archipel.twin.record import Recorder

NAME = "rehearsal"
QUARTER_S, MINUTE_S = 900.0, 60.0
MEANS = (
    *("p_kw", "q_kvar", "available_kw", "v_pu", "loading", "losses_kw"),
    *("upstream_p_kw", "upstream_q_kvar", "tie_p_kw", "tie_q_kvar", "tie_v_pu"),
)
SUMS = ("unserved_kwh", "ev_unserved_kwh", "comfort_missed_k_h")
HELD = ("soc", "tie_agreed_kw", "tie_price")
"""Taken as it was last."""
TIES = pa.schema([("time", pa.timestamp("us", tz="UTC")), ("tie", pa.string()), ("p_kw", pa.float64())])


@final
class WorldRecord:
    """Takes parts of any length that end with whole minutes; writes after every simulated hour."""

    def __init__(self, scenario: Scenario, start: datetime, folder: Path) -> None:
        self._scenario, self._start, self._folder = scenario, start, folder
        self._free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))
        self._quarter: dict[str, Any] = {}
        self._minute: Floats = np.zeros(len(scenario.archipelago.tie))
        self._done_s = 0.0
        self._quarters: list[dict[str, Any]] = []
        self._minutes: list[tuple[datetime, Floats]] = []

    def add(self, happened: Happened, dt_s: float) -> None:
        """One part, right after the last one."""
        recorder = Recorder(self._scenario, NAME, self._start, 1, dt_s / 3600.0)
        recorder.step(0, happened, self._free)
        one = recorder.result
        for name in MEANS:
            self._quarter[name] = self._quarter.get(name, 0.0) + getattr(one, name).astype(np.float64) * dt_s
        for name in SUMS:
            self._quarter[name] = self._quarter.get(name, 0.0) + getattr(one, name)
        self._quarter |= {name: getattr(one, name) for name in HELD}
        self._minute = self._minute + self._metered(one) * dt_s
        self._done_s = round(self._done_s + dt_s, 3)
        if self._done_s % MINUTE_S == 0.0:
            at = self._start + timedelta(seconds=self._done_s - MINUTE_S)
            self._minutes.append((at, self._minute / MINUTE_S))
            self._minute = np.zeros(len(self._minute))
        if self._done_s % QUARTER_S == 0.0:
            self._end_quarter(QUARTER_S)
            if self._done_s % 3600.0 == 0.0:
                self.flush()

    def _metered(self, one: StrategyResult) -> Floats:
        upper = np.array([tie.metered_at == "upper" for tie in self._scenario.archipelago.tie])
        return np.where(upper, -one.tie_p_kw[:, 0, 0], one.tie_p_kw[:, 1, 0])

    def _end_quarter(self, length_s: float) -> None:
        self._quarters.append({**self._quarter, **{name: self._quarter[name] / length_s for name in MEANS}})
        self._quarter = {}

    def close(self) -> None:
        """Write what is left; a quarter hour that was begun counts as the mean of what there is of it."""
        begun_s = self._done_s % QUARTER_S
        if self._quarter and begun_s:
            self._end_quarter(begun_s)
            self._done_s += QUARTER_S - begun_s
        self.flush()

    def flush(self) -> None:
        """Write the whole quarter hours and minutes there are."""
        if self._minutes:
            ids = [tie.id for tie in self._scenario.archipelago.tie]
            columns = [
                pa.array([at for at, _ in self._minutes for _ in ids], TIES.field("time").type),
                pa.array(ids * len(self._minutes)),
                pa.array(np.concatenate([p for _, p in self._minutes])),
            ]
            self._write("ties", self._minutes[0][0], pa.Table.from_arrays(columns, schema=TIES))
            self._minutes = []
        if self._quarters:
            count = len(self._quarters)
            first = self._start + timedelta(seconds=self._done_s - QUARTER_S * count)
            pieces: dict[str, list[pa.Table]] = {}
            for name, piece in rows(self._scenario, self._result(first)):
                pieces.setdefault(name, []).append(piece)
            for name, tables in pieces.items():
                if name != "agreements":  # the cells have them in their journals
                    self._write(name, first, pa.concat_tables(tables))
            self._quarters = []

    def _result(self, first: datetime) -> StrategyResult:
        empty = Recorder(self._scenario, NAME, first, len(self._quarters), QUARTER_S / 3600.0).result
        arrays: Mapping[str, Any] = {
            name: np.concatenate([quarter[name] for quarter in self._quarters], axis=-1)
            for name in (*MEANS, *SUMS, *HELD)
        }
        return replace(empty, **arrays)

    def _write(self, name: str, first: datetime, table: pa.Table) -> None:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{first:%Y-%m-%dT%H%M}.parquet"
        fresh = path.with_suffix(".part")
        pq.write_table(table, fresh)
        fresh.replace(path)


def read_record(folder: Path, table: str) -> pa.Table:
    """A whole table of a rehearsal's record, in order of time."""
    files = sorted((folder / table).glob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files], promote_options="permissive")
