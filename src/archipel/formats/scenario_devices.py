"""The device tables of a scenario, and what must be true of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.device_checks import check_rows
from archipel.formats.device_rows import (
    ApplianceRows,
    BatteryRows,
    BuildingRows,
    DeviceRows,
    DispatchableRows,
    GeneratorRows,
    HeatPumpRows,
    HydroRows,
    LoadRows,
    PvRows,
    SheddableRows,
    SoftOpenPointRows,
    SwitchedCapacitorRows,
    TapChangerRows,
    WindRows,
)
from archipel.formats.device_sessions import SESSIONS, V2G_SESSIONS, read_chargers, read_sessions, read_v2g
from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.fleets import load_series
from archipel.formats.scenario_network import node_rows
from archipel.formats.scenario_taps import tap_changer_values
from archipel.formats.tables import Column, Sheet, read_sheet, write_sheet
from archipel.grid.topology import live
from archipel.model import Bools, Grid, Ints, Profiles

ID, NODE, PROFILE = Column("id", "id"), Column("node", "text"), Column("profile", "text", default="")
P_KW = Column("p_kw", above=0.0, unit="kW")
LOADS = (ID, NODE, Column("p_kw", low=0.0, unit="kW"), Column("q_kvar", default=0.0), PROFILE)
TABLES: Mapping[str, tuple[Column, ...]] = {
    "loads": LOADS,
    "pv": (
        ID,
        NODE,
        Column("p_kw_peak", low=0.0, unit="kW"),
        Column("s_kva", low=0.0, unit="kVA"),
        PROFILE,
        Column("volt_var", "flag", default=False),
    ),
    "generators": (
        ID,
        NODE,
        Column("p_kw", low=0.0, unit="kW"),
        Column("s_kva", low=0.0, unit="kVA"),
        PROFILE,
        Column("source", "text", one_of=("hydro", "wind", "biomass")),
    ),
    "batteries": (
        ID,
        NODE,
        Column("e_kwh", above=0.0, unit="kWh"),
        Column("p_kw_charge", low=0.0, unit="kW"),
        Column("p_kw_discharge", low=0.0, unit="kW"),
        Column("efficiency_charge", above=0.0, high=1.0),
        Column("efficiency_discharge", above=0.0, high=1.0),
        Column("soc_start", default=0.5, low=0.0, high=1.0),
        Column("wear_eur_per_kwh", default=0.010, low=0.0),
    ),
    "ev_chargers": (ID, NODE, P_KW),
    "heat_pumps": (
        ID,
        NODE,
        P_KW,
        Column("heat_kw", above=0.0, unit="kW"),
        PROFILE,
        Column("cop", default=3.0, above=0.0),
        Column("buffer_kwh_per_k", default=2.0, above=0.0),
        Column("band_k", default=2.0, above=0.0),
    ),
    "sheddable": (*LOADS, Column("voll_eur_per_kwh", default=10.0, low=0.0)),
    "dispatchable": (
        ID,
        NODE,
        Column("p_kw_max", above=0.0, unit="kW"),
        Column("e_kwh", low=0.0, unit="kWh"),
        Column("cost_eur_per_kwh", default=0.08, low=0.0),
        Column("source", "text", default="biomass", one_of=("biomass", "biogas")),
    ),
    "wind": (
        ID,
        NODE,
        P_KW,
        Column("s_kva", above=0.0, unit="kVA"),
        Column("profile", "text"),
        Column("measured_m", default=10.0, above=0.0, unit="m"),
        Column("hub_m", above=0.0, unit="m"),
        Column("shear", default=1.0 / 7.0, low=0.0, high=1.0),
        Column("speed_m_per_s_in", default=3.0, low=0.0, unit="m/s"),
        Column("speed_m_per_s_rated", default=12.0, above=0.0, unit="m/s"),
        Column("speed_m_per_s_out", default=25.0, above=0.0, unit="m/s"),
        Column("density_kg_per_m3", default=1.225, low=0.5, high=1.6),
        Column("volt_var", "flag", default=False),
    ),
    "v2g_chargers": (
        ID,
        NODE,
        Column("p_kw_charge", above=0.0, unit="kW"),
        Column("p_kw_discharge", low=0.0, unit="kW"),
        Column("e_kwh", above=0.0, unit="kWh"),
        Column("efficiency_charge", default=0.95, above=0.0, high=1.0),
        Column("efficiency_discharge", default=0.95, above=0.0, high=1.0),
        Column("soc_min", default=0.2, low=0.0, high=1.0),
        Column("wear_eur_per_kwh", default=0.03, low=0.0),
    ),
    "hydro": (
        ID,
        NODE,
        Column("p_kw_max", above=0.0, unit="kW"),
        Column("head_m", above=0.0, unit="m"),
        Column("efficiency", default=0.85, above=0.0, high=1.0),
        Column("volume_m3", low=0.0, unit="m3"),
        Column("soc_start", default=0.5, low=0.0, high=1.0),
        PROFILE,
        Column("inflow_m3_per_s", low=0.0, unit="m3/s"),
        Column("residual_m3_per_s", default=0.0, low=0.0, unit="m3/s"),
    ),
    "buildings": (
        ID,
        NODE,
        P_KW,
        Column("ua_kw_per_k", above=0.0, high=100.0, unit="kW/K"),
        Column("c_kwh_per_k", above=0.0, unit="kWh/K"),
        Column("t_c", default=20.0, low=0.0, high=30.0),
        Column("band_k", default=2.0, above=0.0),
        Column("source", "text", default="air", one_of=("air", "ground")),
        Column("heating", "text", default="floor", one_of=("floor", "radiator")),
        Column("outdoor_profile", "text"),
        Column("solar_profile", "text", default=""),
        Column("solar_kw", default=0.0, low=0.0, unit="kW"),
        Column("internal_kw", default=0.0, low=0.0, unit="kW"),
    ),
    "tap_changers": (
        ID,
        Column("transformer", "text"),
        Column("tap_min", low=-100.0, high=100.0),
        Column("tap_max", low=-100.0, high=100.0),
        Column("v_pu_set", default=1.0, low=0.8, high=1.2),
        Column("band_pu", default=0.0125, above=0.0, high=0.1),
        Column("delay_s", default=60.0, above=0.0, high=900.0, unit="s"),
    ),
    "switched_capacitors": (
        ID,
        NODE,
        Column("kvar_per_step", above=0.0, unit="kvar"),
        Column("steps", default=1.0, low=1.0, high=100.0),
        Column("steps_start", default=0.0, low=0.0, high=100.0),
        Column("v_pu_on", default=0.97, low=0.5, high=1.5),
        Column("v_pu_off", default=1.03, low=0.5, high=1.5),
        Column("delay_s", default=60.0, above=0.0, high=900.0, unit="s"),
    ),
    "appliances": (
        ID,
        NODE,
        Column("run_kw", "text"),
        Column("earliest", "text"),
        Column("latest", "text"),
    ),
    "soft_open_points": (
        ID,
        Column("from_node", "text"),
        Column("to_node", "text"),
        Column("p_kw_max", above=0.0, unit="kW"),
        Column("loss_share", default=0.02, low=0.0, high=0.4),
    ),
}
KIND = {
    "loads": ("load", LoadRows),
    "pv": ("pv", PvRows),
    "generators": ("generator", GeneratorRows),
    "batteries": ("battery", BatteryRows),
    "heat_pumps": ("heat_pump", HeatPumpRows),
    "sheddable": ("sheddable", SheddableRows),
    "soft_open_points": ("soft_open_point", SoftOpenPointRows),
    "dispatchable": ("dispatchable", DispatchableRows),
    "wind": ("wind", WindRows),
    "appliances": ("appliance", ApplianceRows),
    "buildings": ("building", BuildingRows),
    "hydro": ("hydro", HydroRows),
    "tap_changers": ("tap_changer", TapChangerRows),
    "switched_capacitors": ("switched_capacitor", SwitchedCapacitorRows),
}


WITH_SESSIONS = {
    "ev_chargers": ("ev_charger", read_chargers, "ev_sessions", SESSIONS),
    "v2g_chargers": ("v2g", read_v2g, "v2g_sessions", V2G_SESSIONS),
}
"""Tables whose devices have a second table of sessions: kind, how they are read, that table and its columns."""


def read_devices(
    folder: Path, files: Mapping[str, Any], grid: Grid | None, profiles: Profiles | None, toml: str, findings: Findings
) -> DeviceRows:
    """All device tables. Without a grid or series the references to them go unchecked."""
    row = {name: i for i, name in enumerate(grid.nodes.id)} if grid is not None else {}
    fed = live(grid) if grid is not None else None
    known = set(profiles.name) if profiles is not None else None
    found: dict[str, Any] = {}
    sheets: list[Sheet] = []
    for table, columns in TABLES.items():
        sheet = read_sheet(folder, files[table], table, columns, findings) if files.get(table) else None
        if sheet is None:
            continue
        sheets.append(sheet)
        node = {name: _fed_nodes(sheet, name, row, fed, grid, findings) for name in _node_columns(table)}
        if known is not None and "profile" in sheet.text:
            _check_profiles(sheet, known, pair=table in {"loads", "sheddable"}, findings=findings)
        if table in WITH_SESSIONS:
            kind, read, key, asked = WITH_SESSIONS[table]
            told = read_sessions(folder, files.get(key), key, asked, sheet, profiles, toml, findings)
            if told is not None:
                found[kind] = read(sheet, node["node"], told, findings)
        else:
            if table == "soft_open_points":
                _check_ends(sheet, node, findings)
            check_rows(table, sheet, profiles, findings)
            kind, record = KIND[table]
            if table == "tap_changers":
                node = tap_changer_values(sheet, grid, findings)
            found[kind] = record(**_values(record, sheet, node))
    for table, (_, _, sessions, _) in WITH_SESSIONS.items():
        if files.get(sessions) and not files.get(table):
            findings.add(toml, "[devices]", sessions, "sessions without chargers", "the file of the chargers too",
                         f"Add {table} to [devices].")  # fmt: skip
    _check_ids(sheets, findings)
    return DeviceRows(**found)


def _node_columns(table: str) -> list[str]:
    """Columns of a table that name nodes."""
    return [column.name for column in TABLES[table] if column.name in {"node", "from_node", "to_node"}]


def _fed_nodes(
    sheet: Sheet, column: str, row: Mapping[str, int], fed: Bools | None, grid: Grid | None, findings: Findings
) -> Ints:
    """Rows of the nodes a column names, -1 where there is none; a finding for each that no source feeds."""
    if grid is None or fed is None:
        return np.full(len(sheet), -1, dtype=np.int64)
    node = node_rows(sheet, column, row, findings)
    dead = (node >= 0) & ~fed[np.maximum(node, 0)]
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"the node {grid.nodes.id[node[i]]}, which no source feeds") for i in np.flatnonzero(dead)],
        "a node with a closed way to the source",
        "Close a switch on the way, or remove the device.",
    )
    return node


def _check_ends(sheet: Sheet, node: Mapping[str, Ints], findings: Findings) -> None:
    """A soft open point has two ends."""
    same = (node["from_node"] == node["to_node"]) & (node["from_node"] >= 0)
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"the node {sheet.text['to_node'][i]} at both ends") for i in np.flatnonzero(same)],
        "two different nodes",
        "Name the nodes on both sides of the open point.",
    )


def _values(record: type, sheet: Sheet, node: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = dict(node)
    for name in (f.name for f in fields(record) if f.name not in node):
        values[name] = sheet.text.get(name, sheet.numbers.get(name, sheet.flags.get(name)))
    return values


def _check_profiles(sheet: Sheet, known: set[str], pair: bool, findings: Findings) -> None:
    """Every profile named must exist; loads may name a pair of series by their common beginning."""
    names = set(sheet.text["profile"]) - {""}
    missing = {
        name for name in names if (load_series(name, dict.fromkeys(known, 0)) is None if pair else name not in known)
    }
    if not missing:
        return
    choices = known | {name.removesuffix("_pload") for name in known} if pair else known
    first: dict[str, int] = {}
    for i, name in enumerate(sheet.text["profile"]):
        if name in missing:
            first.setdefault(name, i)
    for name, i in first.items():
        findings.add(sheet.file, sheet.name, sheet.id[i], f"profile = {name!r}",
                     "a series of the profile files" + (" (with _pload and _qload)" if pair else ""),
                     did_you_mean(name, choices))  # fmt: skip


def _check_ids(sheets: Iterable[Sheet], findings: Findings) -> None:
    """An id stands for one device, whatever its kind."""
    owner: dict[str, str] = {}
    for sheet in sheets:
        shared = [(name, f"an id that {owner[name]} has too") for name in sheet.id if name in owner]
        findings.add_each(sheet.file, sheet.name, shared, "every device id once", "Give one of them another id.")
        owner.update(dict.fromkeys(sheet.id, sheet.file))


def write_devices(folder: Path, devices: DeviceRows, node: tuple[str, ...]) -> dict[str, str]:
    """Write a table per kind that has devices (chargers excepted); returns the file of every [devices] key."""
    written = {}
    for table, (kind, _) in KIND.items():
        rows = getattr(devices, kind)
        if not rows.id:
            continue
        values = {c.name: getattr(rows, c.name) for c in TABLES[table]}
        for name in _node_columns(table):
            values[name] = [node[i] for i in values[name]]
        write_sheet(folder / f"{table}.csv", values)
        written[table] = f"{table}.csv"
    return written
