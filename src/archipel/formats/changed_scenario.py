"""Writing a scenario in which a change has been made: the files it was read from, with the rows that differ."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, final

import numpy as np

from archipel.devices import BatteryFleet, EvChargerFleet, HeatPumpFleet
from archipel.formats.adopting.adopt import named_files
from archipel.formats.adopting.document import document_text, read_rows, rows_text
from archipel.formats.scenario import check_scenario
from archipel.formats.series import write_profiles
from archipel.formats.staging import staged
from archipel.model import ArchipelError, Floats, Grid, Scenario, ScenarioInvalid

Row = dict[str, Any]
SERIES = "change-profiles.parquet"
STEP = timedelta(minutes=15)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """Power that is drawn at a node whatever is chosen: (rows of the series,) [kW], [kvar]."""

    node: str
    p_kw: Floats
    q_kvar: Floats


@dataclass(slots=True)
class _Edit:
    """Tables that are changed, as they are read for the first time."""

    folder: Path
    document: dict[str, Any]
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def rows(self, section: str, key: str) -> list[Row]:
        name = self.document.get(section, {}).get(key)
        where = f"{section}.{key}"
        if where not in self.tables:
            self.tables[where] = read_rows(self.folder / name) if name else []
        return self.tables[where]


def write_changed(
    source: Path, folder: Path, old: Scenario, new: Scenario, fixed: Sequence[Fixed] = (), words: str = ""
) -> Path:
    """Write into `folder` the scenario of the TOML file `source` with what differs between `old` and `new`.

    `old` is the scenario read from `source`, or a part of it. What may differ: limits and taps of the network, the
    connection, batteries that were added, energy and ends of charging sessions, ratings of chargers and heat pumps.
    `fixed` become loads with series. Returns the path of the new TOML file. All or nothing is written.

    Raises:
        ArchipelError: something that differs stands in no table (a recipe makes it), or the folder is not empty.
        ScenarioInvalid: the result would not pass `archipel check`.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArchipelError(f"-o {folder}: found something there; expected a new folder, or an empty one")
    document = tomllib.loads(source.read_text(encoding="utf-8"))
    keep = named_files(document, source.parent)
    edit = _Edit(source.parent, document)
    _network(edit, old.grid, new.grid)
    if new.connection != old.connection:
        limits = {"import_kw_max": new.connection.import_kw_max, "export_kw_max": new.connection.export_kw_max}
        document["connection"] = {**document.get("connection", {}), **{k: float(v) for k, v in limits.items()}}
    for was, now in zip(old.fleets, new.fleets, strict=False):
        if was is not now:
            _fleet(edit, old, was, now)
    for more in new.fleets[len(old.fleets) :]:
        _fleet(edit, old, None, more)
    series = _loads(edit, fixed)
    about = document.setdefault("scenario", {})
    name = f"{about.get('name') or source.stem}-changed"
    about.update(name=name, title=f"{about.get('title') or source.stem}; {words}" if words else about.get("title", ""))
    notes = [f"Made of {old.name} by archipel remedy: {words}"]
    if document.get("network", {}).pop("three_phase", None) is not None:
        notes.append("The three-phase circuit was left behind: the change is made in the balanced network alone.")
    for where in edit.tables:
        section, key = where.split(".")
        document.setdefault(section, {})[key] = f"change-{key.replace('_', '-')}.csv"
    if series:
        document["series"]["profiles"] = [*document["series"]["profiles"], SERIES]
    with staged(folder) as stage:
        for file in named_files(document, source.parent):
            if file in keep:
                (stage / file).parent.mkdir(parents=True, exist_ok=True)
                (stage / file).write_bytes((source.parent / file).read_bytes())
        for where, rows in edit.tables.items():
            (stage / f"change-{where.split('.')[1].replace('_', '-')}.csv").write_bytes(rows_text(rows))
        if series:
            values = np.column_stack(list(series.values())).astype(np.float32)
            write_profiles(stage / SERIES, old.profiles.start, list(series), values, digits=6, level=6)
        (stage / f"{name}.toml").write_text(document_text(document, notes), encoding="utf-8")
        problems = check_scenario(stage / f"{name}.toml")
        if problems:
            raise ScenarioInvalid(problems)
    return folder / f"{name}.toml"


def _network(edit: _Edit, old: Grid, new: Grid) -> None:
    for key, was, now, columns in (
        ("nodes", old.nodes, new.nodes, ("v_pu_min", "v_pu_max")),
        ("lines", old.lines, new.lines, ("i_a_max",)),
        ("transformers", old.transformers, new.transformers, ("loading_max", "tap_pos")),
    ):
        for column in columns:
            before, after = getattr(was, column), getattr(now, column)
            changed = {now.id[k]: float(after[k]) for k in np.flatnonzero(before != after)}
            if changed:
                _set(edit.rows("network", key), "id", changed, column)


def _set(rows: list[Row], key: str, changed: Mapping[str, float], column: str) -> None:
    missing = set(changed) - {row[key] for row in rows}
    if missing:
        raise _made(f"{column} of {min(missing)}")
    for row in rows:
        if row[key] in changed:
            row[column] = changed[row[key]]


def _made(what: str) -> ArchipelError:
    return ArchipelError(
        f"-o: found {what} made by a recipe of the scenario; expected a row of a table. This change cannot be "
        "written: choose another number, or put it into a table first."
    )


def _fleet(edit: _Edit, old: Scenario, was: Any, now: Any) -> None:
    ids = old.grid.nodes.id
    if isinstance(now, BatteryFleet):
        known = set(was.id) if was is not None else set()
        names = {row["id"] for row in edit.rows("devices", "batteries")}
        for k in (k for k, one in enumerate(now.id) if one not in known):
            # a node may get one more than once
            name = next(n for n in (now.id[k], *(f"{now.id[k]}/{i}" for i in range(2, 10**6))) if n not in names)
            row = {"id": name, "node": ids[now.node[k]], "soc_start": float(now.soc_start[k])}
            for column in ("e_kwh", "p_kw_charge", "p_kw_discharge", "efficiency_charge", "efficiency_discharge"):
                row[column] = float(getattr(now, column)[k])
            edit.rows("devices", "batteries").append(row | {"wear_eur_per_kwh": float(now.wear_eur_per_kwh[k])})
    elif isinstance(now, EvChargerFleet | HeatPumpFleet):
        key = "ev_chargers" if isinstance(now, EvChargerFleet) else "heat_pumps"
        stronger = {now.id[k]: float(now.p_kw[k]) for k in np.flatnonzero(was.p_kw != now.p_kw)}
        if stronger:
            _set(edit.rows("devices", key), "id", stronger, "p_kw")
        if isinstance(now, EvChargerFleet):
            _sessions(edit, old, was, now)


def _sessions(edit: _Edit, old: Scenario, was: EvChargerFleet, now: EvChargerFleet) -> None:
    for s in np.flatnonzero((was.session_kwh != now.session_kwh) | (was.session_end != now.session_end)).tolist():
        charger = now.id[int(now.session_device[s])]
        begin = old.profiles.start + STEP * int(was.session_start[s])
        rows = edit.rows("devices", "ev_sessions")
        row = next((r for r in rows if r["charger"] == charger and _near(r["start"], begin)), None)
        if row is None:
            raise _made(f"a stay at {charger}")
        row["e_kwh"] = float(now.session_kwh[s])
        if now.session_end[s] != was.session_end[s]:
            row["end"] = f"{old.profiles.start + STEP * int(now.session_end[s]):%Y-%m-%dT%H:%M:%SZ}"


def _near(text: str, begin: datetime) -> bool:
    time = datetime.fromisoformat(text)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return abs(time - begin) < STEP


def _loads(edit: _Edit, fixed: Sequence[Fixed]) -> dict[str, Floats]:
    """Rows of loads of 1 kW whose series are the powers."""
    series: dict[str, Floats] = {}
    free: Callable[[str], bool] = {row["id"] for row in edit.rows("devices", "loads")}.__contains__ if fixed else bool
    k = 0
    for one in fixed:
        k += 1
        while free(f"change/{k}"):
            k += 1
        row = {"id": f"change/{k}", "node": one.node, "p_kw": 1.0, "q_kvar": 1.0, "profile": f"change-{k}"}
        edit.rows("devices", "loads").append(row)
        series[f"change-{k}_pload"], series[f"change-{k}_qload"] = one.p_kw, one.q_kvar
    return series
