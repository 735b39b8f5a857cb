"""Writing a scenario: the TOML file a person goes on with, and its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archipel.formats.device_rows import DeviceRows
from archipel.formats.scenario_cells import write_cells
from archipel.formats.scenario_devices import write_devices
from archipel.formats.scenario_network import write_network
from archipel.formats.series import write_profiles
from archipel.model import Archipelago, Grid, Profiles


def write_scenario(
    folder: Path,
    name: str,
    title: str,
    grid: Grid,
    archipelago: Archipelago,
    devices: DeviceRows,
    profiles: Profiles,
    start: datetime,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write `folder/<name>.toml` and its tables; returns the path of the TOML file.

    Chargers are not written: an import has none, recipes make them. `more` are further tables of the TOML file,
    `notes` become comments on its top. Existing files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder, grid, [archipelago.cell[i].id for i in archipelago.node_cell])
    write_cells(folder, archipelago, grid)
    device_files = write_devices(folder, devices, grid.nodes.id)
    write_profiles(folder / "profiles.parquet", profiles.start, list(profiles.name), profiles.value, digits=6)
    source = grid.source
    tables: dict[str, Mapping[str, Any]] = {
        "scenario": {"name": name, "title": title, "start": start.astimezone(UTC), "days": 1, "seed": 1},
        "network": {
            "nodes": "nodes.csv",
            "lines": "lines.csv",
            "transformers": "transformers.csv",
            "switches": "switches.csv",
            **({"shunts": "shunts.csv"} if len(grid.shunts) else {}),
            "f_hz": grid.f_hz,
        },
        "network.source": {
            "id": source.id,
            "node": grid.nodes.id[source.node],
            "v_pu": source.v_pu,
            "sk_mva": source.sk_mva,
        },
        "cells": {"cells": "cells.csv", "ties": "ties.csv"},
        "devices": device_files,
        "series": {"profiles": ["profiles.parquet"]},
        "series.price": {"source": "formula", "mean_eur_per_mwh": 35.0},
        **(more or {}),
    }
    path = folder / f"{name}.toml"
    comments = "".join(f"# {line}\n" for note in notes for line in note.splitlines())
    path.write_text(comments + "\n".join(table_text(key, values) for key, values in tables.items()), encoding="utf-8")
    return path


def table_text(name: str, values: Mapping[str, Any]) -> str:
    """One table of a TOML file."""
    lines = [f"{key} = {_written(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines]) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_written(item)}" for key, item in value.items()) + "}"
    # JSON strings are valid TOML basic strings, escapes included.
    return json.dumps(value, ensure_ascii=False)
