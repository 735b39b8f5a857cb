"""Networks for the tests of the grid: hand-made ones, and the data folder's read without our importer.

The reader here shares no line with `archipel.formats`, so an error there does not hide one here.
"""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archipel.grid.topology import fused
from archipel.model import Archipelago, Cell, Grid, Lines, Nodes, Shunts, Source, Switches, Tie, Transformers

Table = dict[str, Any]


def data_file(name: str) -> Path:
    """A SimBench file of the data folder; skips the test, saying so, where there is none."""
    folder = os.environ.get("ARCHIPEL_DATA")
    if not folder:
        pytest.skip(f"LEFT OUT: {name} is in the data folder; set the environment variable ARCHIPEL_DATA to it")
    return Path(folder) / "networks" / "simbench" / f"{name}.json.gz"


def tables(path: Path) -> dict[str, Table]:
    raw = json.loads(gzip.decompress(path.read_bytes()))["_object"]
    found: dict[str, Table] = {}
    for name, value in raw.items():
        if isinstance(value, dict) and value.get("_class") == "DataFrame":
            frame = json.loads(value["_object"])
            columns = list(zip(*frame["data"], strict=True)) or [()] * len(frame["columns"])
            found[name] = {"index": frame["index"], **dict(zip(frame["columns"], columns, strict=True))}
    return found


def simbench(name: str) -> tuple[Grid, np.ndarray, np.ndarray]:
    """Grid, and P and Q drawn at every node [kW, kvar], of a SimBench file at its nominal loads."""
    t = tables(data_file(name))
    bus, line, trafo, switch = t["bus"], t["line"], t["trafo"], t["switch"]
    node = {b: i for i, b in enumerate(bus["index"])}
    grid_nodes = Nodes(
        id=tuple(f"bus/{b}" for b in bus["index"]),
        name=tuple(bus["name"]),
        vn_kv=floats(bus["vn_kv"]),
        v_pu_min=floats(bus["min_vm_pu"]),
        v_pu_max=floats(bus["max_vm_pu"]),
        x=np.full(len(node), np.nan),
        y=np.full(len(node), np.nan),
    )
    shut = {
        (et, element, node[b]): closed
        for b, element, et, closed in zip(switch["bus"], switch["element"], switch["et"], switch["closed"], strict=True)
    }

    def closed(et: str, table: Table, side: str) -> np.ndarray:
        return np.array([shut.get((et, i, node[b]), True) for i, b in zip(table["index"], table[side], strict=True)])

    km, par = floats(line["length_km"]), floats(line["parallel"])
    grid_lines = Lines(
        id=tuple(f"line/{i}" for i in line["index"]),
        name=tuple(line["name"]),
        from_node=np.array([node[b] for b in line["from_bus"]]),
        to_node=np.array([node[b] for b in line["to_bus"]]),
        r_ohm=floats(line["r_ohm_per_km"]) * km / par,
        x_ohm=floats(line["x_ohm_per_km"]) * km / par,
        c_nf=floats(line["c_nf_per_km"]) * km * par,
        g_us=floats(line["g_us_per_km"]) * km * par,
        i_a_max=1e3 * floats(line["max_i_ka"]) * floats(line["df"]) * par * floats(line["max_loading_percent"]) / 100,
        from_closed=closed("l", line, "from_bus"),
        to_closed=closed("l", line, "to_bus"),
    )
    par = floats(trafo["parallel"])
    grid_trafos = Transformers(
        id=tuple(f"trafo/{i}" for i in trafo["index"]),
        name=tuple(trafo["name"]),
        hv_node=np.array([node[b] for b in trafo["hv_bus"]]),
        lv_node=np.array([node[b] for b in trafo["lv_bus"]]),
        sn_kva=1e3 * floats(trafo["sn_mva"]) * par,
        vn_hv_kv=floats(trafo["vn_hv_kv"]),
        vn_lv_kv=floats(trafo["vn_lv_kv"]),
        vk_percent=floats(trafo["vk_percent"]),
        vkr_percent=floats(trafo["vkr_percent"]),
        pfe_kw=floats(trafo["pfe_kw"]) * par,
        i0_percent=floats(trafo["i0_percent"]),
        shift_degree=floats(trafo["shift_degree"]),
        tap_side_hv=np.array([side == "hv" for side in trafo["tap_side"]]),
        tap_pos=floats(trafo["tap_pos"]),
        tap_neutral=floats(trafo["tap_neutral"]),
        tap_step_percent=floats(trafo["tap_step_percent"]),
        loading_max=floats(trafo["max_loading_percent"]) / 100 * floats(trafo["df"]),
        hv_closed=closed("t", trafo, "hv_bus"),
        lv_closed=closed("t", trafo, "lv_bus"),
    )
    kind = {"b": "bus", "l": "line", "t": "trafo"}
    grid_switches = Switches(
        id=tuple(f"switch/{i}" for i in switch["index"]),
        name=tuple(switch["name"]),
        node=np.array([node[b] for b in switch["bus"]]),
        element=tuple(f"{kind[et]}/{e}" for et, e in zip(switch["et"], switch["element"], strict=True)),
        closed=np.array(switch["closed"], dtype=bool),
    )
    ext = t["ext_grid"]
    source = Source(id="ext_grid/0", node=node[ext["bus"][0]], v_pu=float(ext["vm_pu"][0]))
    p_kw, q_kvar = np.zeros(len(node)), np.zeros(len(node))
    for kind_of, sign in (("load", 1.0), ("sgen", -1.0), ("storage", 1.0)):
        table = t[kind_of]
        at = np.array([node[b] for b in table["bus"]], dtype=np.int64)
        on = floats(table["scaling"]) * np.array(table["in_service"], dtype=float) * sign * 1e3
        np.add.at(p_kw, at, floats(table["p_mw"]) * on)
        np.add.at(q_kvar, at, floats(table["q_mvar"]) * on)
    return Grid(grid_nodes, grid_lines, grid_trafos, grid_switches, source), p_kw, q_kvar


def floats(values: Any) -> np.ndarray:
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def small_net(
    *,
    feeders: int = 2,
    mv_nodes: int = 3,
    lv_nodes: int = 4,
    seed: int = 0,
    coupler: bool = True,
    sk_mva: float = float("inf"),
) -> Grid:
    """A 110/10/0.4 kV net: a busbar of two joined nodes, MV feeders, an LV net behind every MV node's transformer.

    The feeders' ends are joined by loop lines that are open at one end.
    """
    rng = np.random.default_rng(seed)
    vn, lines, trafos = [110.0, 10.0, 10.0], [], []
    ends = []
    for feeder in range(feeders):
        upper = 1 + feeder % 2
        for _ in range(mv_nodes):
            here = len(vn)
            vn.append(10.0)
            lines.append((upper, here, rng.uniform(0.05, 0.5), True, True))
            upper = here
            lv = len(vn)
            vn.append(0.4)
            trafos.append((here, lv, 400.0, 150.0, float(rng.integers(-2, 3)), 10.0, 0.4))
            below = [lv]
            for _ in range(lv_nodes - 1):
                new = len(vn)
                vn.append(0.4)
                lines.append((int(rng.choice(below)), new, rng.uniform(0.02, 0.1), True, True))
                below.append(new)
        ends.append(upper)
    lines += [(a, b, 0.7, True, False) for a, b in itertools.pairwise(ends)]
    trafos.append((0, 1, 40000.0, 150.0, -1.0, 110.0, 10.0))
    n = len(vn)
    from_node, to_node, km, from_closed, to_closed = (np.array(c) for c in zip(*lines, strict=True))
    is_mv = np.array(vn)[from_node] > 1
    hv, low, sn, shift, tap, vn_hv, vn_lv = (np.array(c) for c in zip(*trafos, strict=True))
    m = len(trafos)
    return Grid(
        nodes=Nodes(
            id=tuple(f"bus/{i}" for i in range(n)),
            name=tuple(f"node {i}" for i in range(n)),
            vn_kv=np.array(vn),
            v_pu_min=np.full(n, 0.9),
            v_pu_max=np.full(n, 1.1),
            x=np.full(n, np.nan),
            y=np.full(n, np.nan),
        ),
        lines=Lines(
            id=tuple(f"line/{i}" for i in range(len(lines))),
            name=tuple(f"line {i}" for i in range(len(lines))),
            from_node=from_node,
            to_node=to_node,
            r_ohm=np.where(is_mv, 0.16, 0.21) * km,
            x_ohm=np.where(is_mv, 0.12, 0.08) * km,
            c_nf=np.where(is_mv, 260.0, 300.0) * km,
            g_us=np.where(is_mv, 0.4, 0.0) * km,
            i_a_max=np.where(is_mv, 360.0, 270.0),
            from_closed=from_closed,
            to_closed=to_closed,
        ),
        transformers=Transformers(
            id=tuple(f"trafo/{i}" for i in range(m)),
            name=tuple(f"trafo {i}" for i in range(m)),
            hv_node=hv,
            lv_node=low,
            sn_kva=sn,
            vn_hv_kv=vn_hv,
            vn_lv_kv=vn_lv,
            vk_percent=np.where(sn > 1e4, 16.0, 6.0),
            vkr_percent=np.where(sn > 1e4, 0.3, 1.2),
            pfe_kw=np.where(sn > 1e4, 18.0, 1.2),
            i0_percent=np.where(sn > 1e4, 0.05, 0.3),
            shift_degree=shift,
            tap_side_hv=np.arange(m) % 3 != 1,
            tap_pos=tap,
            tap_neutral=np.zeros(m),
            tap_step_percent=np.full(m, 1.5),
            loading_max=np.where(sn > 1e4, 0.5, 1.0),
            hv_closed=np.ones(m, dtype=bool),
            lv_closed=np.ones(m, dtype=bool),
        ),
        switches=Switches(
            id=("switch/0",),
            name=("coupler",),
            node=np.array([1]),
            element=("bus/2",),
            closed=np.array([coupler]),
        ),
        source=Source(id="ext_grid/0", node=0, v_pu=1.02, sk_mva=sk_mva),
    )


def small_load(grid: Grid, seed: int = 0, steps: int | None = None, scale: float = 1.0) -> tuple[Any, Any]:
    """P and Q at every node [kW, kvar], some of them generating, shape (nodes,) or (nodes, steps)."""
    rng = np.random.default_rng(seed)
    shape = (len(grid.nodes),) if steps is None else (len(grid.nodes), steps)
    kw = np.where(grid.nodes.vn_kv < 1, 25.0, 150.0) * scale
    kw = kw if steps is None else kw[:, None]
    return kw * rng.uniform(-0.8, 1.2, shape), 0.3 * kw * rng.uniform(-0.5, 1.0, shape)


def archipelago(grid: Grid) -> Archipelago:
    """Cells cut at MV/LV transformers and at the heads of MV feeders; the root holds the 110/10 kV substation."""
    nodes, lines, trafos = grid.nodes, grid.lines, grid.transformers
    n = len(nodes)
    point = fused(grid)
    high = nodes.vn_kv > 60
    main = high[trafos.hv_node]
    busbar = np.isin(point, point[trafos.lv_node[main]])
    root = high | busbar
    through = lines.from_closed & lines.to_closed
    head = through & (root[lines.from_node] != root[lines.to_node])
    inner = through & ~head
    label = _components(n, point, lines.from_node[inner], lines.to_node[inner])
    label = np.where(root, -1, label)
    cells, ties = [Cell("root", "", "substation")], []
    number = {-1: 0}
    heads = [
        (f"line/{i}", int(a), int(b)) if root[a] else (f"line/{i}", int(b), int(a))
        for i, a, b in zip(np.flatnonzero(head), lines.from_node[head], lines.to_node[head], strict=True)
    ]
    downs = [(trafos.id[i], int(trafos.hv_node[i]), int(trafos.lv_node[i])) for i in np.flatnonzero(~main)]
    for kind, edges in (("feeder", heads), ("lv", downs)):
        for tie_id, upper, lower in edges:
            parent = cells[number[int(label[upper])]].id
            number[int(label[lower])] = len(cells)
            cells.append(Cell(f"{kind}-{len(cells)}", parent, kind))  # type: ignore[arg-type]
            ties.append(Tie(tie_id, "vertical", parent, cells[-1].id, upper, lower, closed=True))
    return Archipelago(tuple(cells), tuple(ties), np.array([number.get(int(k), 0) for k in label]))


def _components(n: int, point: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest member of every node's component, found by spreading the minimum."""
    label = np.arange(n)
    edges_a = np.concatenate([a, np.arange(n)])
    first_of_point = {p: i for i, p in reversed(list(enumerate(point)))}
    edges_b = np.concatenate([b, np.array([first_of_point[p] for p in point])])
    while True:
        low = np.minimum(label[edges_a], label[edges_b])
        new = label.copy()
        np.minimum.at(new, edges_a, low)
        np.minimum.at(new, edges_b, low)
        new = new[new]
        if (new == label).all():
            return label
        label = new


def with_shunts(grid: Grid) -> Grid:
    """The same grid with a capacitor at every second node and a reactor at its last."""
    at = np.append(np.arange(0, len(grid.nodes), 2), len(grid.nodes) - 1)
    q_kvar = np.append(np.full(len(at) - 1, -20.0), 15.0)
    ids = tuple(f"shunt/{i}" for i in range(len(at)))
    return dataclasses.replace(grid, shunts=Shunts(ids, ids, at, np.zeros(len(at)), q_kvar))
