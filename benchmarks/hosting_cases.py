"""Two public feeders with series on them: case33bw of MATPOWER and the European LV test feeder of IEEE, by pandapower.

Both come without a day of data. Their loads get the household and trade profiles of the shipped SimBench series, drawn
by seed; voltages may go from 0.90 to 1.10 pu. case33bw is cut by hand into its main feeder and three branches; the
European LV feeder is reduced to positive sequence, its cells are what `archipel import` proposes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from archipel.formats.cells import propose_cells
from archipel.formats.device_rows import DeviceRows, LoadRows
from archipel.formats.findings import Findings
from archipel.formats.networks import ReadOptions, reader_of
from archipel.formats.scenario import shipped_scenarios
from archipel.formats.scenario_write import write_scenario
from archipel.formats.series import TIME, start_of
from archipel.model import Archipelago, Cell, Grid, Profiles, Tie

SERIES = ("H0-A", "H0-B", "H0-C", "H0-G", "H0-L", "G1-B", "G4-A")
SUN = ("PV1", "PV2", "PV3", "PV4", "PV5", "PV6", "PV7", "PV8", "heat")
BRANCHES_33 = {"main": range(1, 18), "north": range(18, 22), "east": range(22, 25), "south": range(25, 33)}

RATING_33_A = (400.0, 250.0)
"""Of the trunk up to the node where its branches have left, and of all other lines; the source has no ratings."""


def case33bw(folder: Path, seed: int = 1) -> Path:
    """Baran and Wu's 12.66 kV feeder; 33 nodes, 3.7 MW."""
    import pandapower.networks as nw

    grid, rows = _read(nw.case33bw(), folder)
    cell = np.zeros(len(grid.nodes), dtype=np.int64)
    for k, part in enumerate(BRANCHES_33.values(), start=1):
        cell[list(part)] = k
    ends = zip(grid.lines.from_node.tolist(), grid.lines.to_node.tolist(), strict=True)
    line = dict(zip(ends, grid.lines.id, strict=True))
    trunk = np.arange(len(grid.lines)) < 5
    grid = replace(grid, lines=replace(grid.lines, i_a_max=np.where(trunk, *RATING_33_A)))
    ties = tuple(
        Tie(line[a, b], "vertical", upper, lower, a, b, closed=True)
        for upper, lower, a, b in (
            ("Substation", "main", 0, 1),
            ("main", "north", 1, 18),
            ("main", "east", 2, 22),
            ("main", "south", 5, 25),
        )
    )
    cells = (
        Cell("Substation", "", "substation"),
        Cell("main", "Substation", "feeder"),
        *(Cell(name, "main", "feeder") for name in ("north", "east", "south")),
    )
    archipelago = Archipelago(cells, ties, cell)
    return _write(folder, "case33bw", "33-node feeder of Baran and Wu", grid, rows, archipelago, seed)


def european_lv(folder: Path, seed: int = 1) -> Path:
    """The 416 V feeder of IEEE with 55 customers and 906 nodes, positive sequence."""
    import pandapower as pp
    import pandapower.networks as nw

    net = nw.ieee_european_lv_asymmetric("off_peak_1")
    for at in net.asymmetric_load["bus"].tolist():
        pp.create_load(net, at, p_mw=0.002, q_mvar=0.00066)  # 2 kW: profiles are relative to a household's highest
    net.asymmetric_load = net.asymmetric_load.iloc[:0]
    if len(net.trafo):
        net.trafo["tap_changer_type"] = "Ratio"
    grid, rows = _read(net, folder)
    return _write(
        folder, "european-lv", "European LV test feeder, positive sequence", grid, rows, propose_cells(grid), seed
    )


def _read(net: Any, folder: Path) -> tuple[Grid, DeviceRows]:
    import pandapower as pp

    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.json"
    pp.to_json(net, str(source))
    found = reader_of(str(source)).read(str(source), ReadOptions(None))
    n = len(found.grid.nodes)
    nodes = replace(found.grid.nodes, v_pu_min=np.full(n, 0.90), v_pu_max=np.full(n, 1.10))
    return replace(found.grid, nodes=nodes), found.devices


def _write(folder: Path, name: str, title: str, grid: Grid, rows: DeviceRows, cells: Archipelago, seed: int) -> Path:
    urban = shipped_scenarios()["district"].parent / "urban"
    rng = np.random.default_rng(seed)
    drawn = tuple(SERIES[k] for k in rng.integers(0, len(SERIES) if name == "case33bw" else 5, len(rows.load.id)))
    load: LoadRows = replace(rows.load, profile=drawn)
    wanted = [f"{one}_{end}" for one in SERIES for end in ("pload", "qload")]
    table = pq.read_table(urban / "profiles_load.parquet")
    more = pq.read_table(urban / "profiles_renewables.parquet")
    value = [table[c].to_numpy() for c in wanted] + [more[c].to_numpy() for c in SUN if c in more.column_names]
    names = [*wanted, *(c for c in SUN if c in more.column_names)]
    start = start_of(table[TIME], None, "profiles", "time", Findings())
    assert start is not None
    profiles = Profiles(start, tuple(names), np.column_stack(value).astype(np.float32))
    return write_scenario(folder, name, title, grid, cells, replace(rows, load=load), profiles, start)
