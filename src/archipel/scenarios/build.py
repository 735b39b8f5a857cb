"""Makes the data files of the shipped scenarios from the SimBench files of the data folder.

    python -m archipel.scenarios.build DATA_FOLDER

The TOML files are written by hand and not touched. Origin, licence and recipe stand in `simbench/README.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from archipel.formats.cells import describe_cells, propose_cells
from archipel.formats.device_rows import DeviceRows, DispatchableRows, pick
from archipel.formats.imported import Imported
from archipel.formats.pandapower_import import import_pandapower
from archipel.formats.scenario_cells import write_cells
from archipel.formats.scenario_devices import write_devices
from archipel.formats.scenario_network import write_network
from archipel.formats.series import write_profiles
from archipel.model import Archipelago, Bools, Floats, Grid, Ints, Source

HERE = Path(__file__).parent / "simbench"
START = datetime(2015, 12, 31, 23, 0, tzinfo=UTC)
"""SimBench's first row is 2016-01-01 00:00 Central European Time; its rows are consecutive quarter hours."""

HEAT_PUMPS = ("Air_", "Soil_")
HEAD = "bus/8"
"""District: the base station's busbar section that feeder 12 leaves; it stands for all three sections."""
OTHER_SECTION = "bus/10"
DISTRICT_FEEDERS = ("Feeder12", "Feeder13")


def build(data: Path, target: Path = HERE) -> None:
    """Write every data file of the shipped scenarios below `target`."""
    networks = data / "networks" / "simbench"
    city = import_pandapower(networks / "1-MVLV-urban-all-1-sw.json.gz")
    cells = propose_cells(city.grid, city.node_area, city.line_area)
    city = replace(city, devices=_without_batteries(city.devices))
    write_folder(target / "urban", city, cells)
    district, district_cells = district_of(city, cells)
    write_folder(target / "two-feeders", district, district_cells)
    rural = import_pandapower(networks / "1-MV-rural--1-sw.json.gz")
    write_folder(target / "rural", rural, propose_cells(rural.grid, rural.node_area, rural.line_area))
    off_grid = pq.read_table(networks / "profiles_renewables.parquet")
    write_dispatchable(target / "rural", rural.devices, rural.grid.nodes.id, off_grid)

    load, renewable = (pq.read_table(networks / f"profiles_{kind}.parquet") for kind in ("load", "renewables"))
    names = _load_columns(city.devices)
    heat = _heat(load, [name for name in names if name.startswith(HEAT_PUMPS) and name.endswith("_pload")])
    write_profiles(target / "urban" / "profiles_load.parquet", START, names, _matrix(load, names))
    names = _generation_columns(city.devices)
    write_profiles(
        target / "urban" / "profiles_renewables.parquet",
        START,
        [*names, "heat"],
        np.column_stack([_matrix(renewable, names), heat]).astype(np.float32),
    )
    for kind, table, names in (
        ("load", load, _load_columns(rural.devices)),
        ("renewables", renewable, _generation_columns(rural.devices)),
    ):
        write_profiles(target / "rural" / f"profiles_{kind}.parquet", START, names, _matrix(table, names))


def write_dispatchable(folder: Path, devices: DeviceRows, node: tuple[str, ...], renewable: Any) -> None:
    """Biomass plants as a table of their own, each with the year's energy of its profile, and the others without."""
    made = devices.generator
    burns = np.array([source == "biomass" for source in made.source], dtype=np.bool_)
    some = pick(made, burns)
    power = _matrix(renewable, some.profile).astype(np.float64) * some.p_kw
    stock = DispatchableRows(
        some.id, some.node, some.p_kw, np.minimum(power, some.s_kva).sum(axis=0).round() / 4.0,
        np.full(len(some.id), 0.08), some.source,
    )  # fmt: skip
    for name, rows in (
        ("dispatchable", DeviceRows(dispatchable=stock)),
        ("weather", DeviceRows(generator=pick(made, ~burns))),
    ):
        (file,) = write_devices(folder / "year", rows, node).values()
        (folder / "year" / file).rename(folder / f"{name}.csv")
    (folder / "year").rmdir()


def write_folder(folder: Path, imported: Imported, archipelago: Archipelago) -> None:
    """Network, cells and devices of one import as tables."""
    write_network(folder, imported.grid, [archipelago.cell[i].id for i in archipelago.node_cell])
    write_cells(folder, archipelago, imported.grid)
    write_devices(folder, imported.devices, imported.grid.nodes.id)
    sys.stdout.write(f"{folder.name}: {imported.grid!r}\n{describe_cells(archipelago).splitlines()[0]} ...\n")


def district_of(city: Imported, cells: Archipelago) -> tuple[Imported, Archipelago]:
    """Two feeders with all that hangs on them, fed from one head node: the joined sections of their busbar."""
    tops = [cells.index(feeder) for feeder in DISTRICT_FEEDERS]
    parents = cells.parents()
    inside = {*tops, *(i for i, above in enumerate(parents) if above in tops)}
    ids = city.grid.nodes.id
    head, other = ids.index(HEAD), ids.index(OTHER_SECTION)
    keep = np.isin(cells.node_cell, list(inside))
    keep[head] = True
    grid, line_kept = _cut(city.grid, keep, head, moved=other)
    row = np.cumsum(keep) - 1
    part = replace(
        city,
        grid=grid,
        devices=_devices_at(city.devices, keep, row),
        node_area=tuple(city.node_area[i] for i in np.flatnonzero(keep)),
        line_area=tuple(city.line_area[i] for i in np.flatnonzero(line_kept)),
    )
    return part, propose_cells(part.grid, part.node_area, part.line_area)


def _cut(grid: Grid, keep: Bools, head: int, moved: int) -> tuple[Grid, Bools]:
    """The part of a grid on the nodes `keep`, what stood at node `moved` now at `head`, fed there."""

    def at_head(node: Ints) -> Ints:
        return np.where(node == moved, head, node)

    row = np.cumsum(keep) - 1
    lines, trafos, switches = grid.lines, grid.transformers, grid.switches
    a, b = at_head(lines.from_node), at_head(lines.to_node)
    hv, lv = trafos.hv_node, trafos.lv_node
    line, trafo = keep[a] & keep[b] & (a != b), keep[hv] & keep[lv]
    ids = {grid.nodes.id[i] for i in np.flatnonzero(keep)}
    ids |= {lines.id[i] for i in np.flatnonzero(line)} | {trafos.id[i] for i in np.flatnonzero(trafo)}
    place = at_head(switches.node)
    switch = keep[place] & np.array([element in ids for element in switches.element], dtype=np.bool_)
    cut_lines = replace(_rows(lines, line), from_node=row[a[line]], to_node=row[b[line]])
    cut_trafos = replace(_rows(trafos, trafo), hv_node=row[hv[trafo]], lv_node=row[lv[trafo]])
    cut_switches = replace(_rows(switches, switch), node=row[place[switch]])
    part = Grid(
        _rows(grid.nodes, keep),
        cut_lines,
        cut_trafos,
        cut_switches,
        Source("ext_grid/0", int(row[head]), 1.0),
        grid.f_hz,
    )
    return part, line


def _rows(table: Any, keep: Bools) -> Any:
    """The rows of a table of columns where `keep` is true."""
    chosen = np.flatnonzero(keep)
    columns = {name: getattr(table, name) for name in type(table).__dataclass_fields__}
    return type(table)(
        **{name: tuple(c[i] for i in chosen) if isinstance(c, tuple) else c[chosen] for name, c in columns.items()}
    )


def _devices_at(devices: DeviceRows, keep: Bools, row: Ints) -> DeviceRows:
    """Devices on the nodes `keep`, their nodes renumbered."""
    load = pick(devices.load, keep[devices.load.node])
    pv = pick(devices.pv, keep[devices.pv.node])
    made = pick(devices.generator, keep[devices.generator.node])
    return DeviceRows(
        load=replace(load, node=row[load.node]),
        pv=replace(pv, node=row[pv.node]),
        generator=replace(made, node=row[made.node]),
    )


def _without_batteries(devices: DeviceRows) -> DeviceRows:
    """The city's recipe puts other batteries in their place."""
    return DeviceRows(load=devices.load, pv=devices.pv, generator=devices.generator)


def _load_columns(devices: DeviceRows) -> list[str]:
    return [f"{name}_{part}load" for name in sorted(set(devices.load.profile)) for part in "pq"]


def _generation_columns(devices: DeviceRows) -> list[str]:
    return sorted(set(devices.pv.profile) | set(devices.generator.profile))


def _matrix(table: Any, names: Iterable[str]) -> Any:
    return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float32)


def _heat(table: Any, names: list[str]) -> Floats:
    """Heat demand of a house as a share of the year's highest: the day's mean power of the source's heat pumps.

    A mean over 24 h around every quarter hour keeps the weather of 2016 and takes out the switching of the source's
    own thermostats.
    """
    power = _matrix(table, names).astype(np.float64).mean(axis=1)
    ends = np.concatenate([[0.0], np.cumsum(np.concatenate([power[-48:], power, power[:48]]))])
    smooth = (ends[96:] - ends[:-96])[: len(power)] / 96.0
    return np.asarray(smooth / smooth.max(), dtype=np.float64)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m archipel.scenarios.build DATA_FOLDER")
    build(Path(sys.argv[1]))
