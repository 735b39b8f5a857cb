"""A small source file written by hand, and the scenario imported from it, for the tests of formats."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archipel.formats.cells import propose_cells
from archipel.formats.imported import Imported
from archipel.formats.pandapower_import import from_tables
from archipel.formats.pandapower_json import parse_tables
from archipel.formats.scenario_write import write_scenario
from archipel.model import Profiles

Source = dict[str, dict[str, list[Any]]]


def data_folder() -> Path:
    """The folder of public data; skips the test, saying so, where there is none."""
    folder = os.environ.get("ARCHIPEL_DATA")
    if not folder:
        pytest.skip("LEFT OUT: needs the folder of public data; name it in the environment variable ARCHIPEL_DATA")
    return Path(folder)


def small_source() -> Source:
    """One transformer from 110 to 10 kV, two feeders with an open loop line, one low-voltage grid.

    0 =T0= 1 =S= 2 -L0- 3 -L1- 4 =T1= 5 -L2- 6      feeder North and its low voltage
                 2 -L3- 7 -L4- 8                    feeder South
                 8 -L5/ 4                           loop line, open at node 4
    """
    return {
        "bus": {
            "name": [f"node {i}" for i in range(9)],
            "vn_kv": [110.0, 10.0, 10.0, 10.0, 10.0, 0.4, 0.4, 10.0, 10.0],
            "in_service": [True] * 9,
            "geo": ['{"type": "Point", "coordinates": [11.0, 53.0]}'] + [None] * 8,
            "subnet": ["HV", "MV", "MV", "MV", "MV", "LV_a", "LV_a", "MV", "MV"],
            "min_vm_pu": [0.9] * 9,
            "max_vm_pu": [1.1] * 9,
        },
        "ext_grid": {"bus": [0], "vm_pu": [1.02], "va_degree": [0.0], "in_service": [True]},
        "line": {
            "name": [f"line {i}" for i in range(6)],
            "from_bus": [2, 3, 5, 2, 7, 8],
            "to_bus": [3, 4, 6, 7, 8, 4],
            "length_km": [1.0, 1.0, 0.1, 1.0, 1.0, 0.5],
            "r_ohm_per_km": [0.2] * 6,
            "x_ohm_per_km": [0.1] * 6,
            "c_nf_per_km": [300.0] * 6,
            "g_us_per_km": [0.0] * 6,
            "max_i_ka": [0.3] * 6,
            "df": [1.0] * 6,
            "parallel": [1, 2, 1, 1, 1, 1],
            "max_loading_percent": [100.0, 100.0, 100.0, 80.0, 100.0, 100.0],
            "in_service": [True] * 6,
            "subnet": ["MV_North", "MV_North", "LV_a", "MV_South", "MV_South", "MV_Loop"],
        },
        "trafo": {
            "name": ["big", "small"],
            "hv_bus": [0, 4],
            "lv_bus": [1, 5],
            "sn_mva": [25.0, 0.4],
            "vn_hv_kv": [110.0, 10.0],
            "vn_lv_kv": [10.0, 0.4],
            "vk_percent": [12.0, 6.0],
            "vkr_percent": [0.4, 1.2],
            "pfe_kw": [14.0, 1.2],
            "i0_percent": [0.07, 0.3],
            "shift_degree": [150.0, 150.0],
            "tap_side": ["hv", "hv"],
            "tap_neutral": [0.0, 0.0],
            "tap_pos": [-2.0, None],
            "tap_step_percent": [1.5, 2.5],
            "tap_step_degree": [0.0, 0.0],
            "parallel": [1, 1],
            "df": [1.0, 1.0],
            "max_loading_percent": [50.0, 100.0],
            "in_service": [True, True],
        },
        "switch": {
            "bus": [1, 4, 8, 0],
            "element": [2, 5, 5, 0],
            "et": ["b", "l", "l", "t"],
            "closed": [True, False, True, True],
            "name": ["coupler", "loop 2", "loop 1", "head"],
            "z_ohm": [0.0] * 4,
        },
        "load": {
            "name": ["house", "shop", "works"],
            "bus": [6, 6, 8],
            "p_mw": [0.01, 0.02, 0.5],
            "q_mvar": [0.002, 0.004, 0.1],
            "scaling": [1.0] * 3,
            "in_service": [True] * 3,
            "profile": ["H0-A", "H0-B", "G3"],
        },
        "sgen": {
            "name": ["roof", "river"],
            "bus": [6, 7],
            "p_mw": [0.03, 0.4],
            "q_mvar": [0.0, 0.0],
            "sn_mva": [0.03, 0.4],
            "scaling": [1.0, 1.0],
            "in_service": [True, True],
            "type": ["PV", "Hydro_MV"],
            "profile": ["PV1", "Hydro1"],
        },
        "storage": {
            "bus": [6],
            "p_mw": [-0.005],
            "sn_mva": [0.005],
            "max_e_mwh": [0.01],
            "efficiency_percent": [0.95],
            "soc_percent": [40.0],
            "scaling": [1.0],
            "in_service": [True],
        },
    }


def as_json(source: Source, **more: Any) -> str:
    """The source as pandapower writes it."""
    frames = {name: _frame(table) for name, table in source.items()}
    return json.dumps({"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": {**frames, **more}})


def _frame(table: dict[str, list[Any]]) -> dict[str, Any]:
    count = len(next(iter(table.values())))
    data = [[column[i] for column in table.values()] for i in range(count)]
    body = json.dumps({"columns": list(table), "index": list(range(count)), "data": data})
    return {"_module": "pandas.core.frame", "_class": "DataFrame", "_object": body, "orient": "split"}


def small_import(change: Callable[[Source], None] = lambda _: None) -> Imported:
    """The small source, changed and imported."""
    source = small_source()
    change(source)
    return from_tables(parse_tables(as_json(source), "small.json"))


def small_profiles() -> Profiles:
    """Three days of made-up series."""
    quarter = np.arange(3 * 96)
    sun = np.clip(np.sin((quarter % 96 - 24) / 48 * np.pi), 0.0, 1.0)
    names = ["H0-A_pload", "H0-A_qload", "H0-B_pload", "H0-B_qload", "G3", "PV1", "Hydro1"]
    value = np.column_stack([0.5 + 0.1 * np.sin(quarter / 10 + k) for k in range(5)] + [sun, np.ones(len(quarter))])
    return Profiles(datetime(2016, 5, 25, 22, 0, tzinfo=UTC), tuple(names), value.astype(np.float32))


def small_scenario(folder: Path, more: dict[str, dict[str, Any]] | None = None) -> Path:
    """The small source as a scenario in `folder`; returns its TOML file."""
    imported = small_import()
    return write_scenario(
        folder,
        "small",
        "A small grid",
        imported.grid,
        propose_cells(imported.grid, imported.node_area, imported.line_area),
        imported.devices,
        small_profiles(),
        datetime(2016, 5, 25, 22, 0, tzinfo=UTC),
        more,
    )


def set_cell(folder: Path, file: str, row: str, column: str, value: str) -> None:
    """Change one cell of a CSV table, the row named by its first column."""
    path = folder / file
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    at = rows[0].index(column)
    next(r for r in rows[1:] if r[0] == row)[at] = value
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def append_line(folder: Path, file: str, line: str) -> None:
    """Add a line to a text file."""
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + f"\n{line}\n", encoding="utf-8")


def replace_text(folder: Path, file: str, old: str, new: str) -> None:
    """Replace text that must be there."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
