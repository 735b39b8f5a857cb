"""A low-voltage feeder of two cells, eight customers and two days of series, as a scenario."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from archipel.formats.device_rows import DeviceRows, LoadRows
from archipel.formats.scenario import load_scenario
from archipel.formats.scenario_write import write_scenario
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

CUSTOMERS = 8
START = datetime(2024, 6, 20, tzinfo=UTC)


def small(folder: Path, *, v_pu: float = 1.02, sn_kva: float = 100.0) -> Scenario:
    """bus/0 (20 kV), a transformer, bus/1 to bus/9 in a row; the second cell begins after bus/5."""
    n = 10
    name = tuple(f"bus/{i}" for i in range(n))
    nan = np.full(n, np.nan)
    vn = np.array([20.0] + [0.4] * (n - 1))
    nodes = Nodes(name, ("",) * n, vn, np.full(n, 0.92), np.full(n, 1.08), nan, nan)
    m = n - 2
    one, yes = np.ones(m), np.ones(m, dtype=np.bool_)
    lines = Lines(
        tuple(f"line/{i}" for i in range(m)), ("",) * m, np.arange(1, n - 1), np.arange(2, n), one * 0.015, one * 0.006,
        one * 0.0, one * 0.0, one * 200.0, yes, yes,
    )  # fmt: skip
    t = np.ones(1)
    trafo = Transformers(
        ("trafo/0",), ("T7",), np.array([0]), np.array([1]), t * sn_kva, t * 20.0, t * 0.4, t * 4.0, t * 1.5, t * 0.2,
        t * 0.3, t * 150.0, yes[:1], t * 0.0, t * 0.0, t * 2.5, t, yes[:1], yes[:1],
    )  # fmt: skip
    none = np.zeros(0, dtype=np.int64)
    switches = Switches((), (), none, (), np.zeros(0, dtype=np.bool_))
    grid = Grid(nodes, lines, trafo, switches, Source("ext_grid/0", 0, v_pu))
    cells = Archipelago(
        (Cell("Substation", "", "substation"), Cell("near", "Substation", "lv"), Cell("far", "near", "lv")),
        (
            Tie("trafo/0", "vertical", "Substation", "near", 0, 1, closed=True),
            Tie("line/4", "vertical", "near", "far", 5, 6, closed=True),
        ),
        np.array([0, 1, 1, 1, 1, 1, 2, 2, 2, 2]),
    )
    at = np.arange(2, n)
    load = LoadRows(
        tuple(f"load/{i}" for i in at), at, np.full(CUSTOMERS, 3.0), np.full(CUSTOMERS, 0.6), ("home",) * CUSTOMERS
    )
    hour = (np.arange(192) + 0.5) / 4.0 % 24.0
    home = 0.15 + 0.5 * np.exp(-(((hour - 19.0) / 2.5) ** 2))
    sun = np.clip(np.cos((hour - 12.0) / 8.0 * np.pi / 2.0), 0.0, None) ** 1.3 * (np.abs(hour - 12.0) < 8.0)
    sun[:96] *= 0.5  # the second day is the brighter one
    heat = 0.6 + 0.3 * np.cos((hour - 5.0) / 12.0 * np.pi)
    value = np.column_stack([home, sun, heat]).astype(np.float32)
    profiles = Profiles(START, ("home", "PV1", "heat"), value)
    path = write_scenario(
        folder, "small", "A feeder of eight homes", grid, cells, DeviceRows(load=load), profiles, START
    )
    return load_scenario(path)
