"""The whole way from a source file to a scenario a person can go on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.formats.cells import propose_cells
from archipel.formats.device_rows import DeviceRows
from archipel.formats.findings import Findings
from archipel.formats.fleets import load_series
from archipel.formats.loss_report import LossReport
from archipel.formats.networks import Imported, NetworkReader, ReadOptions, reader_of
from archipel.formats.scenario import check_scenario
from archipel.formats.scenario_write import write_scenario
from archipel.formats.series import TIME, start_of
from archipel.formats.staging import inside, staged
from archipel.model import Archipelago, ArchipelError, ImportRefused, Profiles, ScenarioInvalid

PROFILE_FILES = ("profiles_load.parquet", "profiles_renewables.parquet")
"""Series of SimBench, looked for beside the source."""
YEAR = 366 * 96
REPORT = "import-report.txt"
"""The loss report beside the scenario; the same as JSON lies beside it."""
SUFFIXES = {".gz", ".json", ".m", ".dss", ".zip", ".xml", ".csv"}
"""What is taken off the name of a source to make the name of its scenario."""
Say = Callable[[str], None]


def silent(step: str) -> None:
    """Hears of a step and says nothing."""
    del step


@final
@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What an import left behind."""

    scenario: Path
    """The TOML file."""
    report: LossReport
    archipelago: Archipelago


def import_scenario(
    source: Path | str,
    folder: Path,
    name: str = "",
    zone: str | None = None,
    compare: bool = True,
    force: bool = False,
    *,
    door: str = "",
    reduce: bool = False,
    root: Path | None = None,
    say: Say = silent,
) -> Written:
    """Import a network (a file, a folder, or a name such as a SimBench code) into a new scenario in `folder`.

    The first door that knows the source reads it, or the one called `door`. Series are those of the source, else
    SimBench's profile tables beside it, where there are any; `zone` is the zone of their time stamps if those have
    none. With `compare` the voltages are checked against the source's own engine where that is installed. `reduce`
    keeps only the positive sequence of three-phase sources; `root` is the folder an OpenDSS master may read. `say`
    hears of every step as it begins.

    A scenario that is there already is overwritten with `force` only: people change what was proposed. Everything is
    written beside the folder first and moved in when it is whole and was checked, so that a refused source leaves
    nothing behind. Raises ImportRefused with the reason, and ScenarioInvalid with every problem.
    """
    name = name or _name_of(str(source))
    if Path(name).name != name or name.startswith("."):
        raise ImportRefused(f"--name {name}: found a path; expected a plain name, such as my-grid.")
    if (folder / f"{name}.toml").exists() and not force:
        raise ImportRefused(
            f"{folder / name}.toml: found a scenario there already, maybe changed by hand; expected a new folder. "
            "Name another one with -o, or overwrite it with --force."
        )
    reader = reader_of(str(source), door)
    say(f"reading {Path(source).name} ({reader.name})")
    imported = reader.read(str(source), ReadOptions(zone, reduce, root))
    if imported.profiles is None:
        devices, profiles, notes = _series(Path(source).expanduser().parent, imported.devices, zone)
    else:
        devices, profiles, notes = imported.devices, imported.profiles, []
    report = replace(imported.report, approximated=(*imported.report.approximated, *notes))
    if compare:
        say(f"comparing voltages with {reader.engine}")
        report = _compared(report, reader, str(source), imported)
    else:
        report = replace(report, not_compared="as asked")
    say("proposing cells")
    archipelago = propose_cells(imported.grid, imported.node_area, imported.line_area, imported.customers)
    say("writing and checking the scenario")
    with staged(folder) as staging:
        path = write_scenario(
            staging,
            name,
            f"Imported from {Path(source).name}",
            imported.grid,
            archipelago,
            devices,
            profiles,
            profiles.start,
            notes=[
                str(report),
                "The cells are a proposal: change the column cell in nodes.csv and cells.csv as you like.",
            ],
            more=imported.tables,
        )
        (staging / REPORT).write_text(f"{report}\n", encoding="utf-8")
        (staging / REPORT).with_suffix(".json").write_text(report.to_json(), encoding="utf-8")
        for file, content in imported.files.items():
            target = inside(staging, file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        problems = check_scenario(path)
        if problems:
            raise ScenarioInvalid(problems)
    return Written(folder / path.name, report, archipelago)


def _name_of(source: str) -> str:
    name = Path(source).name
    while (suffix := Path(name).suffix.lower()) in SUFFIXES:
        name = name[: -len(suffix)]
    return name


def _compared(report: LossReport, reader: NetworkReader, source: str, imported: Imported) -> LossReport:
    """The report with the difference of voltages, or with the reason why there is none."""
    try:
        difference = reader.compare(source, imported)
    except ArchipelError as error:
        return replace(report, not_compared=str(error))
    return replace(report, engine=reader.engine, dv_pu_max=difference)


def _series(folder: Path, devices: DeviceRows, zone: str | None) -> tuple[DeviceRows, Profiles, list[str]]:
    """The series the devices name; devices whose series is missing are constant, and that is noted."""
    files = [folder / file for file in PROFILE_FILES if (folder / file).is_file()]
    names = {name for file in files for name in pq.read_schema(file).names if name != TIME}
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
    return devices, _profiles(files, used, zone), notes


def _profiles(files: list[Path], used: set[str], zone: str | None) -> Profiles:
    if not used:
        # A scenario has series even when no device names one; the year is as good as any.
        return Profiles(datetime(2016, 1, 1, tzinfo=UTC), ("one",), np.ones((YEAR, 1), dtype=np.float32))
    start: datetime | None = None
    columns: list[str] = []
    values: list[NDArray[np.float32]] = []
    for file in files:
        wanted = [name for name in pq.read_schema(file).names if name in used and name not in columns]
        if not wanted:
            continue
        table = pq.read_table(file, columns=[*wanted, TIME])
        begin = _start(file, table, zone)
        if start is not None and (begin != start or table.num_rows != len(values[0])):
            raise ImportRefused(f"{file.name} does not cover the same quarter hours as {files[0].name}.")
        start, columns = begin, columns + wanted
        values += [table[name].to_numpy().astype(np.float32) for name in wanted]
    if start is None:
        raise ImportRefused("the profile files beside the source hold none of the series its devices name.")
    return Profiles(start, tuple(columns), np.column_stack(values))


def _start(file: Path, table: pa.Table, zone: str | None) -> datetime:
    findings = Findings()
    start = start_of(table[TIME], zone, file.name, "time", findings)
    if start is None:
        problem = findings.problems[0]
        raise ImportRefused(
            f"{file.name}: found {problem.found}; expected {problem.expected}. Name the zone with --zone, "
            "such as --zone Europe/Berlin for SimBench."
        )
    return start
