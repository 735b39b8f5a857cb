"""The whole way from a source file to a scenario a person can go on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from archipel.formats.cells import propose_cells
from archipel.formats.loss_report import LossReport
from archipel.formats.networks import Imported, NetworkReader, ReadOptions, reader_of
from archipel.formats.plausibility import doubts
from archipel.formats.scenario import check_scenario
from archipel.formats.scenario_write import write_scenario
from archipel.formats.source_series import series_beside
from archipel.formats.staging import inside, staged
from archipel.model import Archipelago, ArchipelError, ImportRefused

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
    implausible: bool = False,
    reduce: bool = False,
    root: Path | None = None,
    say: Say = silent,
) -> Written:
    """Import a network (a file, a folder, or a name such as a SimBench code) into a new scenario in `folder`.

    The first door that knows the source reads it, or the one called `door`. Series are those of the source, else
    SimBench's profile tables beside it, where there are any; `zone` is the zone of their time stamps if those have
    none. With `compare` the voltages are checked against the source's own engine where that is installed. `reduce`
    keeps only the positive sequence of three-phase sources; `root` is the folder an OpenDSS master may read. What is
    surely a mistake (see `plausibility`) is refused unless `implausible`; then the report tells it. `say` hears of
    every step as it begins.

    A scenario that is there already is overwritten with `force` only: people change what was proposed. Everything is
    written beside the folder first and moved in when it is whole and was checked, so that a refused source leaves
    nothing behind. Raises ImportRefused with every reason.
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
    imported = _read(reader, str(source), ReadOptions(zone, reduce, root))
    found = doubts(imported, Path(source).name)
    if found and not implausible:
        raise ImportRefused("\n".join([*found, "Where it is meant so, import it with --implausible."]))
    if imported.profiles is None:
        devices, profiles, notes = series_beside(Path(source).expanduser().parent, imported.devices, zone)
    else:
        devices, profiles, notes = imported.devices, imported.profiles, []
    doubtful = (f"IMPLAUSIBLE, kept as asked: {one}" for one in found)
    report = replace(imported.report, approximated=(*doubtful, *imported.report.approximated, *notes))
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
            told = "\n".join(f"  {problem}" for problem in problems)
            raise ImportRefused(
                f"{Path(source).name}: what it would become is no scenario that can be used (ids are those of the "
                f"source); mend them there:\n{told}"
            )
    return Written(folder / path.name, report, archipelago)


def _read(reader: NetworkReader, source: str, options: ReadOptions) -> Imported:
    """The network; what is wrong with it is told with the name of the file."""
    try:
        return reader.read(source, options)
    except ImportRefused as error:
        name = Path(source).name
        if name in str(error):
            raise
        raise ImportRefused(f"{name}: {error}") from error


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
