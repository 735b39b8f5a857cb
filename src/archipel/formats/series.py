"""Profile series from Parquet files: equidistant quarter hours in UTC, whatever the file's own stamps are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.formats.findings import Findings
from archipel.model import Profiles

STEP = np.timedelta64(15, "m")
TIME = "time"


def read_profiles(
    folder: Path, files: list[str], zone: str | None, findings: Findings, table: str = "[series]"
) -> Profiles | None:
    """All columns of the profile files side by side; None when they cannot be used, with findings that say why.

    Every file has a column `time` (interval start) and columns of numbers. Stamps without an offset are refused
    unless `zone` names their zone.
    """
    read = [(file, _read(folder, file, zone, findings, table)) for file in files]
    tables = [(file, one) for file, one in read if one is not None]
    if len(tables) < len(read):
        return None
    start, rows = tables[0][1][0], len(tables[0][1][2])
    names: list[str] = []
    mark = len(findings)
    for file, (begin, columns, value) in tables:
        if begin != start or len(value) != rows:
            findings.add(file, table, "", f"{len(value):,} quarter hours from {begin:%Y-%m-%dT%H:%MZ}",
                         f"{rows:,} from {start:%Y-%m-%dT%H:%MZ} as in {files[0]}",
                         "Cut or complete the files to the same span.")  # fmt: skip
        for column in set(columns) & set(names):
            findings.add(file, table, column, "a column that an earlier file has too", "every column once",
                         "Rename or remove one of them.")  # fmt: skip
        names += columns
    if findings.since(mark):
        return None
    return Profiles(start, tuple(names), np.concatenate([value for _, (_, _, value) in tables], axis=1))


def _read(
    folder: Path, file: str, zone: str | None, findings: Findings, table: str
) -> tuple[datetime, list[str], NDArray[np.float32]] | None:
    try:
        # not read_table, which loads pyarrow.dataset and with it pandas: a second in every process of a cell
        with pq.ParquetFile(folder / file) as source:
            content = source.read()
    except (pa.ArrowInvalid, OSError) as error:
        findings.add(file, table, "", f"an unreadable file ({str(error).splitlines()[0]})", "a Parquet file",
                     "Write it again, for instance with pyarrow.parquet.write_table.")  # fmt: skip
        return None
    if TIME not in content.column_names or content.num_rows == 0:
        findings.add(file, table, TIME, "no rows with a column 'time'", "the start of every quarter hour",
                     "Add a column 'time' of time stamps.")  # fmt: skip
        return None
    mark = len(findings)
    if len(set(content.column_names)) < len(content.column_names):
        findings.add(file, table, "", "two columns of one name", "every column once", "Rename or remove one of them.")
        return None
    start = start_of(content[TIME], zone, file, table, findings)
    columns = [name for name in content.column_names if name != TIME]
    value = np.empty((content.num_rows, len(columns)), dtype=np.float32)
    for k, name in enumerate(columns):
        if not (pa.types.is_floating(content[name].type) or pa.types.is_integer(content[name].type)):
            findings.add(file, table, name, f"a column of {content[name].type}", "numbers", "Convert the column.")
            continue
        value[:, k] = content[name].to_numpy()
    bad = ~np.isfinite(value)
    for column in np.flatnonzero(bad.any(axis=0)):
        rows = np.flatnonzero(bad[:, column])
        findings.add(file, table, columns[column], f"{len(rows):,} values that are not finite, first in row {rows[0]}",
                     "finite numbers", "Fill the gaps; a scenario does not guess.")  # fmt: skip
    return None if findings.since(mark) or start is None else (start, columns, value)


def start_of(stamps: Any, zone: str | None, file: str, table: str, findings: Findings) -> datetime | None:
    """UTC start of equidistant quarter hours given as time stamps; None, with findings, when they are not that."""
    if not pa.types.is_timestamp(stamps.type):
        findings.add(file, table, TIME, f"a column of {stamps.type}", "time stamps", "Store time stamps, not text.")
        return None
    if stamps.null_count:
        findings.add(file, table, TIME, f"{stamps.null_count} empty stamps", "a stamp in every row", "Fill them in.")
        return None
    clock = stamps.to_numpy().astype("datetime64[s]")
    if stamps.type.tz is None:
        if zone is None:
            findings.add(file, table, TIME, "naive time stamps", "time stamps in UTC, or their zone in [series]",
                         'Add zone = "Europe/Berlin" (or what it is) to [series].')  # fmt: skip
            return None
        try:
            clock = to_utc(clock, zone)
        except (KeyError, ValueError, OSError):
            findings.add(file, table, "zone", repr(zone), "a zone of the IANA database", 'Write "Europe/Berlin" or so.')
            return None
    odd = np.flatnonzero(np.diff(clock) != STEP)
    if len(odd):
        i = int(odd[0])
        minutes = (clock[i + 1] - clock[i]) / np.timedelta64(1, "m")
        findings.add(file, table, TIME, f"a step of {minutes:g} min after {clock[i]}Z", "steps of 15 min everywhere",
                     "Resample the series; the zone of naive stamps may also be wrong.")  # fmt: skip
        return None
    return datetime.fromtimestamp(int(clock[0].astype(np.int64)), UTC)


def to_utc(clock: NDArray[Any], zone: str) -> NDArray[Any]:
    """UTC of naive stamps, where rows follow each other in time.

    Stamps of a clock that was changed for daylight saving (a gap in spring, doubled stamps in autumn) are read as
    such. Stamps without any such jump are those of a clock that nobody changed: its offset is that of the first
    stamp all year. SimBench's rows are of that second kind: shops open an hour earlier on its clock in summer.
    """
    seconds = clock.astype("datetime64[s]").astype(np.int64)
    tz = ZoneInfo(zone)
    first = datetime.fromtimestamp(int(seconds[0]), UTC).replace(tzinfo=tz)
    if np.all(np.diff(seconds) == 900):
        offset = first.utcoffset() or timedelta(0)
        return (seconds - int(offset.total_seconds())).astype("datetime64[s]")
    start = int(first.timestamp())
    counted = start + 900 * np.arange(len(seconds))
    local = np.array([_wall(int(second), tz) for second in counted])
    # Where counting quarter hours from the first row gives exactly these stamps, the count is the truth.
    if np.array_equal(local, seconds):
        return counted.astype("datetime64[s]")
    return np.array([_instant(int(second), tz) for second in seconds]).astype("datetime64[s]")


def _wall(second: int, tz: ZoneInfo) -> int:
    return int(datetime.fromtimestamp(second, tz).replace(tzinfo=UTC).timestamp())


def _instant(second: int, tz: ZoneInfo) -> int:
    return int(datetime.fromtimestamp(second, UTC).replace(tzinfo=tz).timestamp())


def write_profiles(
    path: Path, start: datetime, names: list[str], value: NDArray[np.float32], digits: int = 4, level: int = 19
) -> None:
    """Write columns of quarter hours from `start` as a small Parquet file (single precision, rounded, zstd)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "s")
    stamps = pa.array((begin + STEP * np.arange(len(value))).astype("datetime64[s]"), pa.timestamp("s", "UTC"))
    columns = {TIME: stamps} | {name: pa.array(np.round(value[:, k], digits)) for k, name in enumerate(names)}
    pq.write_table(
        pa.table(columns),
        path,
        compression="zstd",
        compression_level=level,
        use_dictionary=names,
        write_statistics=False,
    )
