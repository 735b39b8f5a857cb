"""A small real network with one kind of device on it: the European low-voltage benchmark of CIGRE, 44 nodes.

Network and loads: CIGRE Task Force C6.04.02, "Benchmark Systems for Network Integration of Renewable and Distributed
Energy Resources" (2014), as pandapower carries it. Series and devices are made up.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from archipel.formats.cells import propose_cells
from archipel.formats.device_rows import (
    ApplianceRows,
    BuildingRows,
    DeviceRows,
    HydroRows,
    V2gRows,
    WindRows,
)
from archipel.formats.fleets import make_fleets
from archipel.formats.imported import Imported
from archipel.formats.pandapower_import import import_pandapower
from archipel.model import Connection, Profiles, Scenario, Tariff

START = datetime(2016, 2, 3, tzinfo=UTC)
N = 4
KINDS = ("wind", "v2g", "hydro", "building", "appliance")


@cache
def network() -> Imported:
    """The benchmark, by way of a file as anybody would bring it."""
    import warnings

    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of pandas, inside pandapower
        import pandapower
        from pandapower.networks import create_cigre_network_lv

        pandapower.to_json(create_cigre_network_lv(), f"{folder}/cigre.json")
        return import_pandapower(Path(folder) / "cigre.json")


def series() -> Profiles:
    """Three days: what people draw, wind [m/s], temperature [C], sun, and nothing else."""
    row = np.arange(96 * 3)
    hour = row / 4 % 24
    home = 0.35 + 0.3 * np.exp(-(((hour - 18.5) / 2.5) ** 2)) + 0.15 * np.exp(-(((hour - 8) / 2) ** 2))
    wind = 7.0 + 3.0 * np.sin(2 * np.pi * row / 70) + 1.5 * np.sin(row / 3)
    cold = 2.0 - 5.0 * np.cos(2 * np.pi * (hour - 3) / 24)
    sun = np.clip(np.sin(np.pi * (hour - 8) / 9), 0.0, None) * ((hour > 8) & (hour < 17))
    names = ("home", "wind", "cold", "sun")
    return Profiles(START, names, np.stack([home, wind, cold, sun], axis=1).astype(np.float32))


def town(*kinds: str, load_share: float = 1.0, export_kw_max: float = np.inf, steps: int = 8) -> Scenario:
    """The benchmark with `N` devices of each kind at its last nodes, planned anew every `steps` quarter hours."""
    found, profiles = network(), series()
    load = found.devices.load
    homes = replace(
        load, p_kw=load_share * load.p_kw, q_kvar=load_share * load.q_kvar, profile=("home",) * len(load.id)
    )
    node = found.devices.load.node[-N:]
    rows = replace(DeviceRows(load=homes), **{each: _rows(each, node) for each in kinds})  # type: ignore[arg-type]
    hour = np.arange(len(profiles.value)) / 4 % 24
    price = 0.06 + 0.05 * np.exp(-(((hour - 18) / 2.0) ** 2)) - 0.03 * np.exp(-(((hour - 3) / 2.5) ** 2))
    return Scenario(
        name="town",
        title="CIGRE low voltage",
        grid=found.grid,
        archipelago=propose_cells(found.grid, found.node_area, found.line_area),
        fleets=make_fleets(rows, profiles),
        profiles=profiles,
        price=price,
        tariff=Tariff(),
        connection=Connection(export_kw_max=export_kw_max),
        start=START,
        days=1,
        seed=1,
        near_steps=8,
        far_steps=4,
        replan_steps=steps,
        central_replan_steps=steps,
    )


def _rows(kind: str, node: np.ndarray) -> object:
    ids = tuple(f"{kind}/{i}" for i in range(N))
    one = np.ones(N)
    if kind == "wind":
        return WindRows(
            ids, node, 40 * one, 44 * one, ("wind",) * N, 10 * one, 30 * one, one / 7, 3 * one, 11 * one, 25 * one,
            1.225 * one, np.ones(N, bool),
        )  # fmt: skip
    if kind == "hydro":
        return HydroRows(
            ids, node, 30 * one, 12 * one, 0.85 * one, 3000 * one, 0.5 * one, ("",) * N, 0.12 * one, 0.02 * one
        )
    if kind == "building":
        return BuildingRows(
            ids, node, 8 * one, 0.5 * one, 25 * one, 20 * one, 2 * one, ("air",) * N, ("floor",) * N, ("cold",) * N,
            ("sun",) * N, 5 * one, one,
        )  # fmt: skip
    if kind == "appliance":
        return ApplianceRows(ids, node, ("1 6 6 2",) * N, ("16:30",) * N, ("22:00",) * N)
    device = np.repeat(np.arange(N), 2)
    start = np.tile([8, 66], N)
    return V2gRows(
        ids, node, 11 * one, 11 * one, 60 * one, 0.95 * one, 0.95 * one, 0.2 * one, 0.005 * one,
        device, start, start + np.tile([22, 40], N), np.tile([8.0, 15.0], N), np.tile([0.5, 0.4], N),
    )  # fmt: skip
