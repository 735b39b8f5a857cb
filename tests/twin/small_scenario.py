"""A village: substation, feeder, one transformer, three houses in a row, everything that devices can be.

node 0 --line/0-- 1 --trafo/0-- 2 --line/1-- 3 --line/2-- 4 --line/3-- 5
cell: root        feeder        lv ...
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from archipel.devices import (
    BatteryFleet,
    EvChargerFleet,
    GeneratorFleet,
    HeatPumpFleet,
    LoadFleet,
    PvFleet,
    SheddableFleet,
)
from archipel.model import (
    Archipelago,
    Cell,
    Connection,
    Fleet,
    Grid,
    Lines,
    Nodes,
    Profiles,
    Scenario,
    Source,
    Switches,
    Tariff,
    Tie,
    Transformers,
)

START = datetime(2016, 6, 8, tzinfo=UTC)


def grid(r_ohm: float = 0.05) -> Grid:
    full = np.full
    return Grid(
        nodes=Nodes(
            tuple(f"bus/{i}" for i in range(6)),
            tuple(f"n{i}" for i in range(6)),
            np.array([20.0, 20.0, 0.4, 0.4, 0.4, 0.4]),
            full(6, 0.9),
            full(6, 1.1),
            full(6, np.nan),
            full(6, np.nan),
        ),
        # line/2 is written from its lower to its upper end, as files do.
        lines=Lines(
            tuple(f"line/{i}" for i in range(4)),
            tuple(f"l{i}" for i in range(4)),
            np.array([0, 2, 4, 4]),
            np.array([1, 3, 3, 5]),
            np.array([0.5, r_ohm, r_ohm, r_ohm]),
            np.array([0.4, 0.4 * r_ohm, 0.4 * r_ohm, 0.4 * r_ohm]),
            full(4, 10.0),
            np.zeros(4),
            np.array([300.0, 270.0, 270.0, 270.0]),
            full(4, True),
            full(4, True),
        ),
        transformers=Transformers(
            ("trafo/0",),
            ("t0",),
            np.array([1]),
            np.array([2]),
            *(np.array([x]) for x in (250.0, 20.0, 0.4, 4.0, 1.2, 0.6, 0.2, 150.0)),
            np.array([True]),
            *(np.array([x]) for x in (0.0, 0.0, 2.5, 1.0)),
            np.array([True]),
            np.array([True]),
        ),
        switches=Switches((), (), np.zeros(0, int), (), np.zeros(0, bool)),
        source=Source("ext_grid/0", 0, 1.0),
    )


def archipelago() -> Archipelago:
    return Archipelago(
        cell=(Cell("root", "", "substation"), Cell("feeder", "root", "feeder"), Cell("lv", "feeder", "lv")),
        tie=(
            Tie("line/0", "vertical", "root", "feeder", 0, 1, True),
            Tie("trafo/0", "vertical", "feeder", "lv", 1, 2, True),
            Tie("switch/9", "horizontal", "feeder", "lv", 1, 5, False),
        ),
        node_cell=np.array([0, 1, 2, 2, 2, 2]),
    )


def profiles(days: int = 4) -> Profiles:
    row = np.arange(96 * days)
    sun = np.maximum(np.sin(2 * np.pi * (row / 96 - 0.25)), 0.0)
    home = 0.4 + 0.3 * np.sin(2 * np.pi * (row / 96 - 0.5)) ** 2 + 0.05 * np.sin(row)
    return Profiles(START, ("home", "sun"), np.stack([home, sun], axis=1).astype(np.float32))


def fleets(pv_kw: float = 30.0, modern: tuple[bool, ...] = (True, False, False)) -> tuple[Fleet, ...]:
    n = 3
    node = np.array([3, 4, 5])
    home, sun = np.zeros(n, int), np.ones(n, int)

    def ids(kind: str) -> tuple[str, ...]:
        return tuple(f"{kind}/{i}" for i in range(n))

    def all_of(x: float) -> np.ndarray:
        return np.full(n, float(x))

    start = np.concatenate([[70 + i, 70 + i + 96] for i in range(n)])
    return (
        LoadFleet(ids("load"), node, all_of(5), all_of(1), home, home),
        SheddableFleet(ids("shed"), node, all_of(2), all_of(0.5), home, home, all_of(10)),
        PvFleet(ids("sgen"), node, all_of(pv_kw), all_of(pv_kw * 1.1), sun, np.array(modern)),
        GeneratorFleet(("wind/0",), np.array([1]), np.array([40.0]), np.array([50.0]), np.zeros(1, int), ("wind",)),
        BatteryFleet(
            ids("storage"),
            node,
            all_of(10),
            all_of(5),
            all_of(5),
            all_of(0.95),
            all_of(0.95),
            all_of(0.5),
            all_of(0.01),
        ),
        EvChargerFleet(ids("ev"), node, all_of(11), np.repeat(np.arange(n), 2), start, start + 40, np.full(2 * n, 8.0)),
        HeatPumpFleet(ids("hp"), node, all_of(4), np.zeros(n, int), all_of(6), all_of(3), all_of(5), all_of(2)),
    )


def scenario(
    *,
    r_ohm: float = 0.05,
    pv_kw: float = 30.0,
    modern: tuple[bool, ...] = (True, False, False),
    overvoltage_trip: bool = True,
    only: tuple[str, ...] | None = None,
) -> Scenario:
    series = profiles()
    return Scenario(
        name="village",
        title="Three houses",
        grid=grid(r_ohm),
        archipelago=archipelago(),
        fleets=tuple(f for f in fleets(pv_kw, modern) if only is None or f.kind in only),
        profiles=series,
        price=np.full(len(series.value), 0.05),
        tariff=Tariff(),
        connection=Connection(),
        start=START,
        days=1,
        seed=1,
        overvoltage_trip=overvoltage_trip,
    )
