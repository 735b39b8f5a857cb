"""A hamlet with one of every kind of device, as a scenario on the disk, and its world.

node 0 --line/0-- 1 --trafo/0-- 2 --line/1-- 3
cell: root        feeder        lv ...
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from archipel.farm import Farm
from archipel.formats.device_rows import (
    BatteryRows,
    DeviceRows,
    GeneratorRows,
    HeatPumpRows,
    LoadRows,
    PvRows,
    SheddableRows,
)
from archipel.formats.scenario import load_scenario
from archipel.formats.scenario_write import write_scenario
from archipel.local.clock import SimulatedClock, wall_now
from archipel.local.layout import Layout, write_json
from archipel.local.physics import Physics
from archipel.local.served import devices
from archipel.model import (
    Archipelago,
    Cell,
    Grid,
    Lines,
    Nodes,
    Profiles,
    Scenario,
    Source,
    Switches,
    Tie,
    Transformers,
)

START = datetime(2016, 6, 8, 11, tzinfo=UTC)
FIRST = datetime(2016, 6, 8, tzinfo=UTC)
CELLS = ("root", "feeder", "lv")


def hamlet(folder: Path, *, metered_at: str = "upper", source_v_pu: float = 1.0, switch: bool = False) -> Path:
    """Write the scenario; the path of its TOML file. With a `switch` between the transformer and the cell lv."""
    path = write_scenario(
        folder, "hamlet", "One of each", _grid(source_v_pu, switch=switch), _cells(metered_at), _rows(), _profiles(),
        START, {"cells": {"cells": "cells.csv", "ties": "ties.csv"}},
    )  # fmt: skip
    (folder / "chargers.csv").write_text("id,node,p_kw\nev/0,bus/3,11.0\n", "utf-8")
    (folder / "sessions.csv").write_text(
        "charger,start,end,e_kwh\nev/0,2016-06-08T10:30:00Z,2016-06-08T16:00:00Z,40.0\n", "utf-8"
    )
    text = path.read_text("utf-8")
    text = text.replace("[devices]\n", '[devices]\nev_chargers = "chargers.csv"\nev_sessions = "sessions.csv"\n')
    path.write_text(text, "utf-8")
    return path


def loaded(folder: Path, **how: Any) -> Scenario:
    return load_scenario(hamlet(folder, **how))


async def standing(scenario: Scenario) -> tuple[Farm, Physics, dict[str, str]]:
    """Farm, physics, and where everything answers; the caller stops the farm."""
    farm = Farm()
    addresses = await farm.start(devices(scenario))
    return farm, Physics(scenario, farm, START), {name: str(at) for name, at in addresses.items()}


def world_folder(folder: Path, path: Path, *, factor: float = 60.0, hours: float | None = None) -> Layout:
    """The files a world starts from, as `archipel up` writes them; its time begins now."""
    layout = Layout(folder)
    folder.mkdir(parents=True)
    SimulatedClock(START, wall_now() + timedelta(seconds=1), factor).write(layout.clock)
    write_json(layout.world, {"scenario": str(path), "hours": hours, "tick_s": 0.1})
    return layout


def column(n: int, *values: float) -> np.ndarray:
    return np.array(values * n if len(values) == 1 else values, dtype=float)


def _grid(source_v_pu: float, *, switch: bool) -> Grid:
    full, name = np.full, ("switch/0",) * switch
    return Grid(
        nodes=Nodes(
            tuple(f"bus/{i}" for i in range(4)), tuple(f"n{i}" for i in range(4)), np.array([20.0, 20.0, 0.4, 0.4]),
            full(4, 0.9), full(4, 1.1), full(4, np.nan), full(4, np.nan),
        ),
        lines=Lines(
            ("line/0", "line/1"), ("l0", "l1"), np.array([0, 2]), np.array([1, 3]), np.array([0.5, 0.05]),
            np.array([0.4, 0.02]), full(2, 10.0), np.zeros(2), np.array([300.0, 270.0]), full(2, True), full(2, True),
        ),
        transformers=Transformers(
            ("trafo/0",), ("t0",), np.array([1]), np.array([2]),
            *(np.array([x]) for x in (250.0, 20.0, 0.4, 4.0, 1.2, 0.6, 0.2, 150.0)), np.array([True]),
            *(np.array([x]) for x in (0.0, 0.0, 2.5, 1.0)), np.array([True]), np.array([True]),
        ),
        switches=Switches(name, name, full(len(name), 2), ("trafo/0",) * switch, full(len(name), True)),
        source=Source("ext_grid/0", 0, source_v_pu),
    )  # fmt: skip


def _cells(metered_at: Any) -> Archipelago:
    return Archipelago(
        cell=(Cell("root", "", "substation"), Cell("feeder", "root", "feeder"), Cell("lv", "feeder", "lv")),
        tie=(
            Tie("line/0", "vertical", "root", "feeder", 0, 1, True, metered_at),
            Tie("trafo/0", "vertical", "feeder", "lv", 1, 2, True, metered_at),
        ),
        node_cell=np.array([0, 1, 2, 2]),
    )


def _profiles() -> Profiles:
    row = np.arange(96 * 2)
    sun = np.maximum(np.sin(2 * np.pi * (row / 96 - 0.25)), 0.0)
    home = 0.4 + 0.3 * np.sin(2 * np.pi * (row / 96 - 0.5)) ** 2 + 0.05 * np.sin(row)
    return Profiles(FIRST, ("home_pload", "home_qload", "sun"), np.stack([home, 0.3 * home, sun], 1).astype(np.float32))


def _rows() -> DeviceRows:
    def one(*values: float) -> Iterable[np.ndarray]:
        return (column(1, value) for value in values)

    node, home = np.array([3]), ("home",)
    return DeviceRows(
        load=LoadRows(("load/0", "load/1"), np.array([2, 3]), column(2, 5.0), column(2, 5.0), home * 2),
        pv=PvRows(
            ("sgen/0", "sgen/1"), np.array([3, 2]), column(2, 30.0), column(2, 33.0), ("sun",) * 2,
            np.array([True, False]),
        ),
        generator=GeneratorRows(("wind/0",), np.array([1]), *one(40.0, 50.0), ("sun",), ("wind",)),
        battery=BatteryRows(("storage/0",), node, *one(10.0, 5.0, 5.0, 0.95, 0.95, 0.5, 0.01)),
        heat_pump=HeatPumpRows(("hp/0",), node, *one(4.0, 6.0), ("",), *one(3.0, 5.0, 2.0)),
        sheddable=SheddableRows(("shed/0",), node, *one(2.0, 0.5), home, *one(10.0)),
    )  # fmt: skip
