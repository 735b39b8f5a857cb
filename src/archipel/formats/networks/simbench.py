"""The doors for SimBench: codes such as `1-LV-rural1--1-sw`, and folders of its CSV tables."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc

from archipel.formats.findings import did_you_mean
from archipel.formats.networks.base import Imported, ReadOptions, path_of
from archipel.formats.networks.simbench_csv import is_folder, read_folder, series_tables
from archipel.formats.pandapower_import import from_tables
from archipel.formats.pandapower_json import Tables, parse_tables, read_tables
from archipel.formats.referee import voltage_difference
from archipel.formats.series import TIME
from archipel.formats.source_series import Series, series_beside, series_of
from archipel.model import ExtraMissing, ImportRefused

CODE = re.compile(r"[01]-(EHV|HV|MV|LV|complete)[\w.]*(-[\w.]*)*", re.IGNORECASE)
FILES_OF_OTHERS = (".json", ".gz", ".m", ".dss", ".xml", ".zip", ".csv")
ZONE = "Europe/Berlin"
"""Zone of the naive stamps of SimBench's series (a German data set)."""
ASSUMED = f"time stamps of the series carry no zone: {ZONE} assumed, as the data set is German (--zone says otherwise)"


@final
@dataclass(frozen=True, slots=True)
class SimbenchReader:
    """SimBench codes, out of the folder of public data where it has them, else out of the package `simbench`."""

    name: str = "simbench"
    engine: str = "pandapower"
    files: str = "a code such as 1-LV-rural1--1-sw"
    extra: str = "simbench"

    def reads(self, source: str) -> bool:
        """What looks like a code and is no file."""
        return bool(CODE.fullmatch(source)) and not source.endswith(FILES_OF_OTHERS) and not path_of(source).exists()

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network and its series."""
        file = _file(source)
        if file is not None:
            imported = from_tables(read_tables(file))
            devices, profiles, notes = series_beside(file.parent, imported.devices, options.zone or ZONE)
        else:
            tables, series = _from_package(source)
            imported = from_tables(tables)
            devices, profiles, notes = series_of(series, imported.devices, options.zone or ZONE)
        report = replace(
            imported.report,
            source=source,
            format=self.name,
            approximated=(*imported.report.approximated, *notes, *(() if options.zone else (ASSUMED,))),
        )
        return replace(imported, devices=devices, profiles=profiles, report=report)

    def compare(self, source: str, imported: Imported) -> float:
        """Against pandapower's own power flow."""
        file = _file(source)
        return voltage_difference(read_tables(file) if file else _from_package(source)[0], imported)


@final
@dataclass(frozen=True, slots=True)
class SimbenchCsvReader:
    """Folders of SimBench's CSV tables, semicolons between values."""

    name: str = "simbench-csv"
    engine: str = "pandapower"
    files: str = "a folder with Node.csv, Line.csv, ... (;)"
    extra: str = ""

    def reads(self, source: str) -> bool:
        """A folder with the tables every network has."""
        return is_folder(path_of(source))

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network and its series."""
        folder = path_of(source)
        tables, counts, notes = read_folder(folder)
        imported = from_tables(tables)
        devices, profiles, more = series_of(series_tables(folder), imported.devices, options.zone or ZONE)
        assumed = () if options.zone or not profiles.name or profiles.name == ("one",) else (ASSUMED,)
        report = replace(
            imported.report,
            format=self.name,
            before=counts,
            after={FILES.get(name, name): count for name, count in imported.report.after.items()},
            dropped=(*imported.report.dropped, *notes),
            approximated=(*imported.report.approximated, *more, *assumed),
        )
        return replace(imported, devices=devices, profiles=profiles, report=report)

    def compare(self, source: str, imported: Imported) -> float:
        """Against pandapower's own power flow of the same tables."""
        return voltage_difference(read_folder(path_of(source))[0], imported)


FILES = {
    "bus": "Node", "line": "Line", "trafo": "Transformer", "switch": "Switch", "ext_grid": "ExternalNet",
    "load": "Load", "sgen": "RES", "gen": "PowerPlant", "storage": "Storage", "shunt": "Shunt",
}  # fmt: skip
"""Name of the CSV file by that of the table it becomes."""


def _file(code: str) -> Path | None:
    """The file of a code in the folder of public data."""
    folder = os.environ.get("ARCHIPEL_DATA")
    if not folder:
        return None
    path = Path(folder) / "networks" / "simbench" / f"{code}.json.gz"
    return path if path.is_file() else None


def _codes() -> list[str]:
    """Every code that can be read here."""
    found: set[str] = set()
    if find_spec("simbench"):
        import simbench

        found |= set(simbench.collect_all_simbench_codes())
    if folder := os.environ.get("ARCHIPEL_DATA"):
        found |= {path.name[: -len(".json.gz")] for path in (Path(folder) / "networks/simbench").glob("*.json.gz")}
    return sorted(found)


def _from_package(code: str) -> tuple[Tables, list[Series]]:
    """The network and series out of the package `simbench`."""
    if not find_spec("simbench"):
        known = _codes()
        hint = f" Here without it: {', '.join(known)}." if known else ""
        raise ExtraMissing("simbench", "simbench", f"the SimBench network {code} (not in the folder of data){hint}")
    known = _codes()
    if code not in known:
        raise ImportRefused(
            f"{code}: found no SimBench network of that code; expected one of its {len(known)}. "
            f"{did_you_mean(code, known)}"
        )
    import warnings

    import pandapower
    import simbench

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own data frames
        net = simbench.get_simbench_net(code)
        frames: dict[str, Any] = net.pop("profiles", {})
        tables = parse_tables(pandapower.to_json(net), code)
    series: list[Series] = []
    for name in ("load", "renewables", "powerplants"):
        if name in frames:
            frame = frames[name]
            series.append((f"profiles of {name}", list(frame.columns), partial(_arrow, frame)))
    return tables, series


def _arrow(frame: Any, columns: list[str]) -> pa.Table:
    """Columns of a data frame; its stamps are text."""
    table = {name: pa.array(frame[name].to_numpy()) for name in columns if name != TIME}
    stamps = pc.strptime(pa.array(frame[TIME].to_list(), pa.string()), format="%d.%m.%Y %H:%M", unit="s")
    return pa.table({TIME: stamps, **table})
