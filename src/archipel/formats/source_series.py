"""Series a source brings: those its devices name, out of SimBench's profile tables or any of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.formats.device_rows import DeviceRows
from archipel.formats.findings import Findings
from archipel.formats.fleets import load_series
from archipel.formats.series import TIME, start_of
from archipel.model import ImportRefused, Profiles

PROFILE_FILES = ("profiles_load.parquet", "profiles_renewables.parquet")
"""Series of SimBench, looked for beside the source."""
YEAR = 366 * 96
Series = tuple[str, Sequence[str], Callable[[list[str]], Any]]
"""A table of series: its name for messages, its columns, and how to read some of them as an Arrow table."""


def series_beside(folder: Path, devices: DeviceRows, zone: str | None) -> tuple[DeviceRows, Profiles, list[str]]:
    """The series the devices name out of SimBench's Parquet files in `folder`; see `series_of`."""
    files = [folder / file for file in PROFILE_FILES if (folder / file).is_file()]
    tables: list[Series] = [(file.name, pq.read_schema(file).names, partial(_parquet, file)) for file in files]
    return series_of(tables, devices, zone)


def _parquet(file: Path, columns: list[str]) -> pa.Table:
    return pq.read_table(file, columns=columns)


def series_of(
    tables: Sequence[Series], devices: DeviceRows, zone: str | None
) -> tuple[DeviceRows, Profiles, list[str]]:
    """The series the devices name; devices whose series is missing are constant, and that is noted."""
    names = {name for _, columns, _ in tables for name in columns if name != TIME}
    load = tuple(name if name and load_series(name, names) else "" for name in devices.load.profile)
    pv = tuple(name if name in names else "" for name in devices.pv.profile)
    made = tuple(name if name in names else "" for name in devices.generator.profile)
    constant = sum(kept.count("") for kept in (load, pv, made))
    notes = [f"{constant:,} devices without a series beside the source: constant power"] if constant else []
    devices = replace(
        devices,
        load=replace(devices.load, profile=load),
        pv=replace(devices.pv, profile=pv),
        generator=replace(devices.generator, profile=made),
    )
    used = {series for name in set(load) - {""} for series in (load_series(name, names) or ())}
    used |= (set(pv) | set(made)) - {""}
    return devices, _profiles(tables, used, zone), notes


def _profiles(tables: Sequence[Series], used: set[str], zone: str | None) -> Profiles:
    if not used:
        # A scenario has series even when no device names one; the year is as good as any.
        return Profiles(datetime(2016, 1, 1, tzinfo=UTC), ("one",), np.ones((YEAR, 1), dtype=np.float32))
    start: datetime | None = None
    columns: list[str] = []
    values: list[NDArray[np.float32]] = []
    for file, there, read in tables:
        wanted = [name for name in there if name in used and name not in columns]
        if not wanted:
            continue
        table = read([*wanted, TIME])
        begin = _start(file, table, zone)
        if start is not None and (begin != start or table.num_rows != len(values[0])):
            raise ImportRefused(
                f"{file}: found other quarter hours than in {tables[0][0]}; expected the same span. "
                "Cut or complete the tables."
            )
        start, columns = begin, columns + wanted
        values += [table[name].to_numpy().astype(np.float32) for name in wanted]
    if start is None:
        raise ImportRefused("the profile files beside the source hold none of the series its devices name.")
    return Profiles(start, tuple(columns), np.column_stack(values))


def _start(file: str, table: pa.Table, zone: str | None) -> datetime:
    findings = Findings()
    start = start_of(table[TIME], zone, file, "time", findings)
    if start is None:
        problem = findings.problems[0]
        raise ImportRefused(
            f"{file}: found {problem.found}; expected {problem.expected}. Name the zone with --zone, "
            "such as --zone Europe/Berlin for SimBench."
        )
    return start
