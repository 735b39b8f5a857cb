"""Published feeders cut into cells, with sun, batteries and a real day: the reference cases of the AC passes.

A case is a folder of `data`: `cells.csv` (the cell of every node), `devices.csv`, `case.json` (limits). Networks stand
in `tests/coordination/data`; where everything comes from is told in `data/README.md`.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from archipel.cell.parts import Parts, cut
from archipel.cell.site import Duty, duty
from archipel.controller.agreeing import RootFacts
from archipel.devices import BatteryFleet, LoadFleet, PvFleet
from archipel.forecasting.perfect import perfect
from archipel.model import (
    Archipelago,
    Cell,
    Connection,
    Floats,
    Grid,
    Horizon,
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

DATA = Path(__file__).parent / "data"
NETWORKS = Path(__file__).parents[1] / "coordination" / "data"
NAMES = ("baran_wu_33", "baran_wu_69", "khodr_141")
START = datetime(2016, 6, 9, tzinfo=UTC)
EFFICIENCY = 0.95
HOURLY = Horizon(START, np.full(24, 4))
MULTI_RATE = Horizon(START, np.array([1] * 16 + [4] * 20))
"""Four hours of quarter hours, then hours: 36 intervals."""


def feeder(name: str, *, closed: tuple[str, ...] = (), merged: dict[str, str] | None = None) -> Scenario:
    """The scenario of one case; with ties `closed` as well, and cells `merged` into others."""
    facts = json.loads((DATA / name / "case.json").read_text("utf-8"))
    nodes, branches = _rows(NETWORKS / name / "nodes.csv"), _rows(NETWORKS / name / "branches.csv")
    row = {node["node"]: i for i, node in enumerate(nodes)}
    grid = _grid(len(nodes), row, [b for b in branches if b["closed"] == "true" or b["branch"] in closed], facts)
    of_node = [(merged or {}).get(cell["cell"], cell["cell"]) for cell in _rows(DATA / name / "cells.csv")]
    profiles, price = _day()
    return Scenario(
        name=name,
        title=facts["title"],
        grid=grid,
        archipelago=_cells(grid, of_node),
        fleets=_fleets(nodes, _rows(DATA / name / "devices.csv"), row, facts),
        profiles=profiles,
        price=price,
        tariff=Tariff(),
        connection=Connection(import_kw_max=facts["import_kw_max"], export_kw_max=facts["export_kw_max"]),
        start=START,
        days=1,
        seed=1,
    )


def ring_behind_a_tap() -> Scenario:
    """The 33 nodes with the tie 9-15 closed inside a cell, and a transformer with its tap off neutral at the head."""
    scenario = feeder("baran_wu_33", closed=("34",), merged={"from11": "from3"})
    lines = scenario.grid.lines
    rest = dataclasses.replace(
        lines, **{field.name: getattr(lines, field.name)[1:] for field in dataclasses.fields(lines)}
    )
    one = {"sn_kva": 5000.0, "vn_hv_kv": 12.66, "vn_lv_kv": 12.66, "vk_percent": 6.0, "vkr_percent": 0.5}
    two = {"pfe_kw": 5.0, "i0_percent": 0.1, "shift_degree": 0.0}
    tap = {"tap_pos": -1.0, "tap_neutral": 0.0, "tap_step_percent": 1.25, "loading_max": 1.0}
    yes = np.ones(1, dtype=np.bool_)
    transformers = Transformers(
        ("trafo/1",), ("",), np.array([0]), np.array([1]), **{k: np.array([v]) for k, v in {**one, **two,
        **tap}.items()}, tap_side_hv=yes, hv_closed=yes, lv_closed=yes,
    )  # fmt: skip
    return dataclasses.replace(scenario, grid=dataclasses.replace(scenario.grid, lines=rest, transformers=transformers))


def problem(scenario: Scenario, horizon: Horizon = HOURLY) -> tuple[Parts, list[Duty], RootFacts]:
    """What every cell has to decide, and what its root is told."""
    parts = cut(scenario)
    row = scenario.profiles.row(horizon.start)
    steps = int(horizon.steps.sum())
    weather = perfect(scenario.profiles, row, steps)
    states = {fleet.kind: fleet.initial(row) for fleet in scenario.fleets}  # type: ignore[attr-defined]
    duties = [duty(site, parts.states(i, states), weather, horizon) for i, site in enumerate(parts.sites)]
    price = horizon.mean(scenario.price[row : row + steps])
    return parts, duties, RootFacts(price, scenario.grid.source.v_pu, np.zeros(1))


def _rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))


def _day() -> tuple[Profiles, Floats]:
    """The day of `day.csv` in quarter hours, and its price [EUR/kWh]."""
    rows = _rows(DATA / "day.csv")
    names = ("home", "trade", "sun")
    hourly = np.array([[float(r[name]) for name in names] for r in rows])
    price = np.array([float(r["price_eur_per_mwh"]) for r in rows]) / 1000.0
    return Profiles(START, names, np.repeat(hourly, 4, axis=0).astype(np.float32)), np.repeat(price, 4)


def _grid(count: int, row: dict[str, int], branches: list[dict[str, str]], facts: dict) -> Grid:
    m = len(branches)
    a, b = (np.array([row[branch[end]] for branch in branches]) for end in ("from_node", "to_node"))
    r, x = (np.array([float(branch[name]) for branch in branches]) for name in ("r_ohm", "x_ohm"))
    limit = np.array([facts["i_a_max"].get(branch["branch"], np.inf) for branch in branches])
    ids = tuple(f"line/{branch['branch']}" for branch in branches)
    nothing, none = np.zeros(0), np.zeros(0, dtype=np.int64)
    yes = np.ones(m, dtype=np.bool_)
    no = np.zeros(0, dtype=np.bool_)
    lines = Lines(ids, ("",) * m, a, b, r, x, 0 * r, 0 * r, limit, yes, yes)
    return Grid(
        nodes=Nodes(
            tuple(f"bus/{i + 1}" for i in range(count)),
            ("",) * count,
            np.full(count, facts["vn_kv"]),
            np.full(count, facts["v_pu_min"]),
            np.full(count, facts["v_pu_max"]),
            np.full(count, np.nan),
            np.full(count, np.nan),
        ),
        lines=lines,
        transformers=Transformers((), (), none, none, *(nothing,) * 8, no, *(nothing,) * 4, no, no),
        switches=Switches((), (), none, (), no),
        source=Source("ext_grid/0", 0, facts["source_v_pu"]),
    )


def _cells(grid: Grid, of_node: list[str]) -> Archipelago:
    """Cells of a radial grid whose lines lead away from the source."""
    names = list(dict.fromkeys(of_node[n] for n in _outwards(grid)))
    row = {name: i for i, name in enumerate(names)}
    ties: dict[str, Tie] = {}
    parent = {names[0]: ""}
    for k, (a, b) in enumerate(zip(grid.lines.from_node.tolist(), grid.lines.to_node.tolist(), strict=True)):
        upper, lower = of_node[a], of_node[b]
        if upper != lower:
            parent[lower] = upper
            ties[lower] = Tie(grid.lines.id[k], "vertical", upper, lower, a, b, closed=True)
    cells = tuple(Cell(name, parent[name], "substation" if not i else "feeder") for i, name in enumerate(names))
    return Archipelago(cells, tuple(ties[name] for name in names[1:]), np.array([row[name] for name in of_node]))


def _outwards(grid: Grid) -> list[int]:
    below: dict[int, list[int]] = {}
    for a, b in zip(grid.lines.from_node.tolist(), grid.lines.to_node.tolist(), strict=True):
        below.setdefault(a, []).append(b)
    order = [grid.source.node]
    for node in order:
        order += below.get(node, [])
    return order


def _fleets(nodes: list[dict], devices: list[dict], row: dict[str, int], facts: dict) -> tuple:
    """Loads of the publication (homes and trade in turn), modern inverters, batteries."""
    p, q = (np.array([float(node[name]) for node in nodes]) * facts["load_share"] for name in ("p_kw", "q_kvar"))
    loaded = np.flatnonzero(p + np.abs(q) > 0)
    kind = np.arange(len(loaded)) % 2
    pv, battery = ([d for d in devices if d["kind"] == name] for name in ("pv", "battery"))
    at = {name: np.array([row[d["node"]] for d in some]) for name, some in (("pv", pv), ("battery", battery))}
    pv_kw = np.array([float(d["kw"]) for d in pv])
    kw, kwh = (np.array([float(d[name]) for d in battery]) for name in ("kw", "kwh"))
    same = np.full(len(kw), EFFICIENCY)
    return (
        LoadFleet(tuple(f"load/{n + 1}" for n in loaded), loaded, p[loaded], q[loaded], kind, kind),
        PvFleet(tuple(f"pv/{n + 1}" for n in at["pv"]), at["pv"], pv_kw, 1.1 * pv_kw, np.full(len(pv), 2),
                np.ones(len(pv), dtype=np.bool_)),
        BatteryFleet(tuple(f"battery/{n + 1}" for n in at["battery"]), at["battery"], kwh, kw, kw, same, same,
                     np.full(len(kw), 0.5), np.full(len(kw), 0.002)),
    )  # fmt: skip
