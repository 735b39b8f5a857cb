"""Made-up scenarios and results that keep the laws of a real one: every node and tie balances, losses are positive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from archipel.devices.battery import BatteryFleet
from archipel.model import (
    Archipelago,
    Cell,
    Connection,
    Floats,
    Grid,
    Ints,
    Lines,
    Nodes,
    Profiles,
    Scenario,
    Source,
    StrategyResult,
    Switches,
    Tariff,
    Tie,
    Transformers,
)

START = datetime(2016, 6, 9, tzinfo=UTC)
KINDS = ("load", "pv", "battery", "ev_charger", "heat_pump")


@dataclass(frozen=True)
class BareFleet:
    kind: str
    id: tuple[str, ...]
    node: Ints


def fleet(kind: str, node: Ints) -> BareFleet | BatteryFleet:
    ids, one = tuple(f"{kind}/{i}" for i in range(len(node))), np.ones(len(node))
    if kind == "battery":
        return BatteryFleet(ids, node, 10 * one, 5 * one, 5 * one, 0.95 * one, 0.95 * one, 0.5 * one, 0.01 * one)
    return BareFleet(kind, ids, node)


def lines(ends: list[tuple[int, int]]) -> Lines:
    n, one = len(ends), np.ones(len(ends))
    return Lines(
        id=tuple(f"line/{i}" for i in range(n)),
        name=tuple(f"Line {i}" for i in range(n)),
        from_node=np.array([a for a, _ in ends], dtype=np.int64),
        to_node=np.array([b for _, b in ends], dtype=np.int64),
        r_ohm=0.1 * one,
        x_ohm=0.1 * one,
        c_nf=0 * one,
        g_us=0 * one,
        i_a_max=270 * one,
        from_closed=one > 0,
        to_closed=one > 0,
    )


def transformers(ends: list[tuple[int, int]], vn: np.ndarray) -> Transformers:
    n, one = len(ends), np.ones(len(ends))
    hv = np.array([a for a, _ in ends], dtype=np.int64)
    lv = np.array([b for _, b in ends], dtype=np.int64)
    return Transformers(
        id=tuple(f"trafo/{i}" for i in range(n)),
        name=tuple(f"Transformer {i}" for i in range(n)),
        hv_node=hv,
        lv_node=lv,
        sn_kva=np.where(vn[hv] > 50, 40_000.0, 630.0),
        vn_hv_kv=vn[hv],
        vn_lv_kv=vn[lv],
        vk_percent=6 * one,
        vkr_percent=one,
        pfe_kw=one,
        i0_percent=0.1 * one,
        shift_degree=0 * one,
        tap_side_hv=one > 0,
        tap_pos=0 * one,
        tap_neutral=0 * one,
        tap_step_percent=2.5 * one,
        loading_max=one,
        hv_closed=one > 0,
        lv_closed=one > 0,
    )


def scenario(feeders: int = 2, lv_cells: int = 3, lv_nodes: int = 5, seed: int = 0, name: str = "made-up") -> Scenario:
    """A substation, its feeders, LV cells spread over them, and one open loop line."""
    rng = np.random.default_rng(seed)
    vn, xy, node_cell = [110.0, 10.0], [(0.0, 0.0), (0.001, 0.0)], [0, 0]
    cells, vertical = [Cell("substation", "", "substation")], []
    line_ends, trafo_ends = [], [(0, 1)]
    last_of_feeder = []
    for f in range(feeders):
        row = len(cells)
        cells.append(Cell(f"feeder {f + 1}", "substation", "feeder"))
        at, angle = 1, 2 * np.pi * f / feeders
        vertical.append((f"line/{len(line_ends)}", 0, row, 1, len(vn)))
        mine = range(f, lv_cells, feeders)
        for k, _ in enumerate(mine or (0,)):
            line_ends.append((at, len(vn)))
            at = len(vn)
            vn.append(10.0)
            xy.append((0.004 * (k + 1) * np.cos(angle), 0.004 * (k + 1) * np.sin(angle)))
            node_cell.append(row)
        last_of_feeder.append(at)
    medium = [i for i, v in enumerate(vn) if v == 10.0 and i > 1]
    for c in range(lv_cells):
        feeder = 1 + c % feeders
        row = len(cells)
        cells.append(Cell(f"LV {c + 1}", cells[feeder].id, "lv"))
        at = [n for n in medium if node_cell[n] == feeder][c // feeders]
        vertical.append((f"trafo/{len(trafo_ends)}", feeder, row, at, len(vn)))
        trafo_ends.append((at, len(vn)))
        for k in range(lv_nodes):
            if k:
                line_ends.append((len(vn) - 1, len(vn)))
            vn.append(0.4)
            jitter = rng.normal(0, 0.0006, 2)
            xy.append((xy[at][0] + jitter[0], xy[at][1] + jitter[1]))
            node_cell.append(row)
    order = sorted(vertical, key=lambda tie: tie[2])
    ties = [Tie(i, "vertical", cells[u].id, cells[w].id, a, b, closed=True) for i, u, w, a, b in order]
    if feeders > 1:
        ends = (last_of_feeder[0], last_of_feeder[1])
        ties.append(Tie("switch/0", "horizontal", cells[1].id, cells[2].id, *ends, closed=False))
    v = np.array(vn)
    nodes = Nodes(
        id=tuple(f"bus/{i}" for i in range(len(v))),
        name=tuple(f"Node {i}" for i in range(len(v))),
        vn_kv=v,
        v_pu_min=np.where(v < 1, 0.90, 0.965),
        v_pu_max=np.where(v < 1, 1.10, 1.055),
        x=np.array([a for a, _ in xy]),
        y=np.array([b for _, b in xy]),
    )
    switches = Switches(("switch/0",), ("loop",), np.array([1]), ("line/0",), np.array([False]))
    low = np.flatnonzero(v < 1)
    grid = Grid(nodes, lines(line_ends), transformers(trafo_ends, v), switches, Source("ext_grid/0", 0, 1.025))
    hours = np.arange(7 * 96) / 4.0
    return Scenario(
        name=name,
        title="A made-up case",
        grid=grid,
        archipelago=Archipelago(tuple(cells), tuple(ties), np.array(node_cell)),
        fleets=tuple(fleet(kind, low[k % 2 :: 1 + k]) for k, kind in enumerate(KINDS)),
        profiles=Profiles(START, ("price",), np.zeros((len(hours), 1), dtype=np.float32)),
        price=0.06 + 0.05 * np.cos(2 * np.pi * (hours - 19) / 12),
        tariff=Tariff(),
        connection=Connection(import_kw_max=lv_cells * lv_nodes * 3.0, export_kw_max=lv_cells * lv_nodes * 3.0),
        start=START,
        days=1,
        seed=seed,
    )


def result(case: Scenario, strategy: str = "distributed", steps: int = 96, dt_h: float = 0.25) -> StrategyResult:
    """A day in which every cell balances: ties and the upstream connection follow from devices and losses."""
    rng = np.random.default_rng([case.seed, len(strategy)])
    kind = np.array(case.device_kind)
    hour = np.arange(steps) * dt_h
    sun = np.maximum(np.sin(np.pi * (hour - 5) / 15), 0.0) ** 1.5
    shape = {
        "load": 0.4 + 0.5 * np.exp(-((hour - 19) ** 2) / 8),
        "pv": -6.0 * sun,
        "battery": 4.0 * (sun * (hour < 13)) - 2.5 * ((hour > 18) & (hour < 22)),
        "ev_charger": 3.5 * ((hour > 17) & (hour < 21)),
        "heat_pump": 1.0 + 0.5 * np.cos(2 * np.pi * hour / 24),
    }
    p = np.array([shape[k] * rng.uniform(0.3, 1.5) for k in kind]).reshape(len(kind), steps)
    available = np.where((kind == "pv")[:, None], -p, 0.0)
    if strategy != "uncoordinated":
        p[kind == "pv"] *= 0.97
    own = np.zeros((len(case.archipelago.cell), steps))
    np.add.at(own, case.device_cell, p)
    losses = 0.01 * np.abs(own)
    own += losses
    total = own.copy()
    parents = case.archipelago.parents()
    for i in range(len(total) - 1, 0, -1):
        total[parents[i]] += total[i]
    ties = len(case.archipelago.tie)
    tie_p = np.zeros((ties, 2, steps))
    tie_p[: len(total) - 1, 1] = total[1:]
    tie_p[:, 0] = -tie_p[:, 1]
    agreed = (
        tie_p[:, 1] + rng.normal(0, 0.02, (ties, steps))
        if strategy == "distributed"
        else np.full((ties, steps), np.nan)
    )
    price = np.broadcast_to(case.price[:96], (ties, 96))[:, np.arange(steps) % 96] + rng.normal(0, 0.002, (ties, steps))
    v = (
        1.0
        + 0.05 * sun
        + rng.normal(0, 0.015, (len(case.grid.nodes), 1))
        + rng.normal(0, 0.003, (len(case.grid.nodes), steps))
    )
    loading = np.abs(rng.normal(0.3, 0.15, (len(case.grid.branch_id), 1))) * (0.4 + sun)
    return StrategyResult(
        strategy=strategy,
        time=np.datetime64(case.start.replace(tzinfo=None), "us")
        + (np.arange(steps) * round(dt_h * 3600)) * np.timedelta64(1, "s"),
        dt_h=dt_h,
        p_kw=p.astype(np.float32),
        q_kvar=(0.1 * p).astype(np.float32),
        soc=np.where((kind == "battery")[:, None], 0.5, np.nan).astype(np.float32)
        * np.ones((1, steps), dtype=np.float32),
        available_kw=available.astype(np.float32),
        v_pu=v.astype(np.float32),
        loading=loading.astype(np.float32),
        losses_kw=losses.sum(0),
        upstream_p_kw=total[0],
        upstream_q_kvar=0.1 * total[0],
        tie_p_kw=tie_p,
        tie_q_kvar=0.1 * tie_p,
        tie_v_pu=np.ones((ties, 2, steps)),
        tie_agreed_kw=agreed,
        tie_price=price if strategy in {"distributed", "central"} else np.full((ties, steps), np.nan),
        tie_price_parts=_parts(price, case.price[np.arange(steps) % 96], rng) if strategy == "distributed" else None,
        unserved_kwh=np.zeros(steps),
        ev_unserved_kwh=np.zeros(steps),
        comfort_missed_k_h=np.zeros(steps),
        stored_kwh=(100.0, 100.0),
        agreements=_agreements(case, steps, dt_h) if strategy == "distributed" else [],
        gaps=[
            {
                "time": case.start,
                "costs": {"alone": 139.0, "distributed": -1932.0, "central": -1933.0},
                "gross_eur": 12_000.0,
            }
        ]
        if strategy == "distributed"
        else [],
        cpu_s=12.0,
        wall_s=7.0,
    )


def _parts(price: Floats, energy: Floats, rng: np.random.Generator) -> Floats:
    """Parts of a price (ties, steps): energy is told, the others are drawn, congestion is the rest."""
    losses, voltage, fees = rng.normal(0.0, 0.003, (3, *price.shape))
    congestion = price - energy - losses - voltage - np.abs(fees)
    return np.stack([np.broadcast_to(energy, price.shape), losses, congestion, voltage, np.abs(fees)], axis=1)


def _agreements(case: Scenario, steps: int, dt_h: float) -> list[dict[str, object]]:
    every = round(1 / dt_h)
    stamp = np.datetime64(case.start.replace(tzinfo=None), "us")
    return [
        {
            "time": stamp + np.timedelta64(round(k * dt_h * 3600), "s"),
            "rounds": 20 + k % 7,
            "messages": 1000,
            "bytes": 250_000,
            "passes": 2,
            "gap": 1e-4,
            "residual_kw": 0.01,
            "given": ["LV 1: voltage at bus/12 by 0.002 pu for 5 EUR/pu"] if k == 48 else [],
        }
        for k in range(0, steps, every)
    ]


def without_upstream_limits(case: Scenario) -> Scenario:
    return replace(case, connection=Connection())
