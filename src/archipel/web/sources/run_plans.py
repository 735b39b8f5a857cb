"""What cells believed in a run, read from its tables `plans` and `views` a piece at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.model import BELIEVED, Floats
from archipel.report.run import Run
from archipel.report.tables import utc


@final
@dataclass(frozen=True, slots=True, eq=False)
class PlanOfCell:
    """One cell's part of one plan."""

    made: datetime
    start: list[datetime]
    hours: Floats
    columns: dict[str, Floats]
    """Columns of `BELIEVED`, (T,) each."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class ViewOfCell:
    """What it took one neighbour for."""

    neighbour: str
    tie: str
    state: str
    why: str
    p_kw: Floats
    price_eur_per_kwh: Floats


@final
class RunPlans:
    """Both tables of a run. The piece read last is kept: who steps through an hour reads once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: dict[tuple[str, int], dict[str, NDArray[Any]]] = {}
        self._lock = threading.Lock()

    @property
    def kept(self) -> bool:
        """Whether the run has these tables; runs of older versions have not."""
        return all((self._run.path / f"{name}.parquet").is_file() for name in ("plans", "views"))

    def plan(self, strategy: str, cell: str, time: datetime) -> PlanOfCell | None:
        """The newest plan of a cell made at or before a time; None where it had none."""
        for piece in self._pieces("plans", strategy, time):
            rows = _newest(piece, cell, time)
            if len(rows):
                return PlanOfCell(
                    made=_time(piece["made"][rows[0]]),
                    start=[_time(t) for t in piece["time"][rows]],
                    hours=piece["hours"][rows].astype(np.float64),
                    columns={name: piece[name][rows].astype(np.float64) for name in BELIEVED},
                )
        return None

    def views(self, strategy: str, cell: str, time: datetime) -> list[ViewOfCell]:
        """What the cell took its neighbours for when the newest plan was made."""
        for piece in self._pieces("views", strategy, time):
            rows = _newest(piece, cell, time)
            if not len(rows):
                continue
            names = piece["neighbour"][rows]
            out = []
            for name in dict.fromkeys(names):
                some = rows[names == name]
                out.append(
                    ViewOfCell(
                        neighbour=str(name),
                        tie=str(piece["tie"][some[0]]),
                        state=str(piece["state"][some[0]]),
                        why=str(piece["why"][some[0]]),
                        p_kw=piece["p_kw"][some].astype(np.float64),
                        price_eur_per_kwh=piece["price_eur_per_kwh"][some].astype(np.float64),
                    )
                )
            return out
        return []

    def _pieces(self, table: str, strategy: str, time: datetime) -> Any:
        """Pieces that may hold plans of a strategy made until then, the newest first."""
        file = pq.ParquetFile(self._run.path / f"{table}.parquet")
        meta = file.metadata
        for number in reversed(range(meta.num_row_groups)):
            group = meta.row_group(number)
            if group.column(0).statistics.min == strategy and utc(group.column(1).statistics.min) <= time:
                yield self._piece(file, table, number)

    def _piece(self, file: pq.ParquetFile, table: str, number: int) -> dict[str, NDArray[Any]]:
        with self._lock:
            if (table, number) not in self._kept:
                read = file.read_row_group(number)
                self._kept = {key: piece for key, piece in self._kept.items() if key[0] != table}
                self._kept[table, number] = {
                    name: read.column(name).to_numpy() for name in read.column_names if name != "strategy"
                }
            return self._kept[table, number]


def _newest(piece: dict[str, NDArray[Any]], cell: str, time: datetime) -> NDArray[np.int64]:
    """Rows of the newest plan of a cell made at or before a time."""
    made = piece["made"]
    mine = np.flatnonzero((piece["cell"] == cell) & (made <= np.datetime64(time.replace(tzinfo=None), "us")))
    return mine[made[mine] == made[mine].max()] if len(mine) else mine


def _time(value: np.datetime64) -> datetime:
    return utc(value.astype("datetime64[us]").item())
