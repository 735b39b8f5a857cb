"""Days of measurements as Parquet files, for analysis: `days/kind=load/2016-06-09.parquet` in the journal's folder.

One row per reading: time (UTC), source, and a column per named value (NaN is what a meter said, null is no answer).
DuckDB, Polars and Arrow read the folder as one table with `kind` as a column.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archipel.journal.errors import DamagedJournal, JournalUnavailable
from archipel.journal.measurements import Measurements
from archipel.journal.witness import sync

_DAY = timedelta(days=1)
_TIME = pa.timestamp("us", tz="UTC")


def export_day(measurements: Measurements, day: date, folder: Path) -> tuple[Path, ...]:
    """Write all committed readings of one UTC day, one file per kind; a file that is there is replaced.

    Raises:
        DamagedJournal: readings of that day are not as they were written; no file of that kind is written.
        JournalUnavailable: the disk did not take a file.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    written = []
    for kind in measurements.kinds():
        names = measurements.columns(kind, start, start + _DAY)
        if not names:
            continue
        columns = [pa.field("time", _TIME), pa.field("source", pa.dictionary(pa.int32(), pa.string()))]
        schema = pa.schema(columns + [pa.field(name, pa.float64()) for name in names])
        path = _path(folder, kind, day)
        with _Part(path) as part, pq.ParquetWriter(part.path, schema, compression="zstd") as writer:
            for hour in range(24):
                rows = measurements.read(kind, start + timedelta(hours=hour), start + timedelta(hours=hour + 1))
                table = [{"time": row.time, "source": row.source, **row.values} for row in rows]
                if any(not row.keys() <= set(schema.names) for row in table):
                    raise DamagedJournal(
                        measurements.path, f"{kind} readings of {day} have values that were not listed"
                    )
                writer.write_table(pa.Table.from_pylist(table, schema=schema))
        written.append(path)
    return tuple(written)


def forget_days(folder: Path, time: datetime, kinds: Collection[str]) -> int:
    """Remove exported readings of these kinds before `time`; returns how many. Raises `JournalUnavailable`."""
    gone = 0
    for kind in sorted(kinds):
        for path in sorted((folder / f"kind={kind}").glob("????-??-??.parquet")):
            start = datetime.fromisoformat(path.stem).replace(tzinfo=UTC)
            if start >= time:
                continue
            # `partitioning=None`: the folder's name is no column of the file
            table = pq.read_table(path, partitioning=None)
            kept = table.filter(pc.greater_equal(table["time"], pa.scalar(time, _TIME)))
            gone += len(table) - len(kept)
            if len(kept):
                with _Part(path) as part:
                    pq.write_table(kept, part.path, compression="zstd")
            else:
                path.unlink()
                sync(path.parent)
    return gone


def _path(folder: Path, kind: str, day: date) -> Path:
    return folder / f"kind={kind}" / f"{day.isoformat()}.parquet"


class _Part:
    """A file that takes its name when it is whole and on the disk."""

    def __init__(self, whole: Path) -> None:
        self.whole, self.path = whole, whole.with_suffix(".part")

    def __enter__(self) -> _Part:
        try:
            self.whole.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnavailable(self.whole, f"its folder cannot be made ({error.strerror})") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            self.path.unlink(missing_ok=True)
            raise JournalUnavailable(self.whole, f"it cannot be written ({error})") from error
        if error is not None:
            self.path.unlink(missing_ok=True)
            return
        try:
            sync(self.path)
            self.path.replace(self.whole)
            sync(self.whole.parent)
        except OSError as failure:
            raise JournalUnavailable(self.whole, f"it cannot be written ({failure})") from failure
