"""Small radial towns drawn by a seed: sun, batteries, vehicles and load behind two levels of transformers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from grid_nets import small_net

from archipel.devices import BatteryFleet, EvChargerFleet, LoadFleet, PvFleet
from archipel.forecasting.perfect import perfect
from archipel.grid.topology import components
from archipel.model import Archipelago, Cell, Connection, Profiles, Scenario, Tariff
from archipel.model.weather import Weather

START = datetime(2016, 6, 8, tzinfo=UTC)
ROWS = 96


def town(
    seed: int = 0,
    *,
    lv_nodes: int = 5,
    mv_nodes: int = 2,
    load_kw: float = 8.0,
    pv_kw: float = 60.0,
    export_kw_max: float = float("inf"),
    **changes: Any,
) -> Scenario:
    """A 110/10/0.4 kV net; every low-voltage net is a cell of its own, all above is the root."""
    rng = np.random.default_rng(seed)
    grid = small_net(feeders=2, mv_nodes=mv_nodes, lv_nodes=lv_nodes, seed=seed)
    low = np.flatnonzero(grid.nodes.vn_kv < 1.0)
    net = components(len(grid.nodes), grid.lines.from_node, grid.lines.to_node)
    cell = np.zeros(len(grid.nodes), dtype=np.int64)
    for number, name in enumerate(np.unique(net[low]), start=1):
        cell[low[net[low] == name]] = number
    cells = (Cell("root", "", "substation"), *(Cell(f"lv{k}", "root", "lv") for k in range(1, int(cell.max()) + 1)))
    sunny = np.sort(rng.choice(low, max(2, len(low) // 2), replace=False))
    charged = np.sort(rng.choice(low, max(1, len(low) // 3), replace=False))
    stored = np.sort(rng.choice(low, max(1, len(low) // 4), replace=False))
    series = np.stack([0.3 + 0.7 * rng.random(ROWS), np.linspace(0.0, 1.0, ROWS)], axis=1).astype(np.float32)
    peak = rng.uniform(0.2, 1.0, len(sunny)) * pv_kw
    power = rng.uniform(5.0, 30.0, len(stored))
    one = np.ones(len(stored))
    made = Scenario(
        name="town",
        title="A town",
        grid=grid,
        archipelago=Archipelago(cells, (), cell),
        fleets=(
            LoadFleet(_ids("load", low), low, rng.uniform(0.2, 1.0, len(low)) * load_kw,
                      rng.uniform(0.0, 0.3, len(low)) * load_kw, 0 * low, 0 * low),
            PvFleet(_ids("pv", sunny), sunny, peak, 1.1 * peak, np.ones_like(sunny), rng.random(len(sunny)) < 0.5),
            BatteryFleet(_ids("battery", stored), stored, 2.0 * power, power, power, 0.95 * one, 0.95 * one, 0.5 * one,
                         0.01 * one),
            EvChargerFleet(_ids("ev", charged), charged, np.full(len(charged), 22.0), np.zeros(0, int),
                           np.zeros(0, int), np.zeros(0, int), np.zeros(0)),
        ),
        profiles=Profiles(START, ("home", "sun"), series),
        price=np.full(ROWS, 0.05),
        tariff=Tariff(),
        connection=Connection(export_kw_max=export_kw_max),
        start=START,
        days=1,
        seed=seed,
    )  # fmt: skip
    return replace(made, **changes)


def hours(scenario: Scenario, rows: int = 2, first: int = 40) -> Weather:
    return perfect(scenario.profiles, first, rows)


def _ids(kind: str, at: np.ndarray) -> tuple[str, ...]:
    return tuple(f"{kind}/{i}" for i in at)
