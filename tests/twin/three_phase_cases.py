"""A street with a regulated transformer and an unbalanced load, as an OpenDSS circuit and the scenario beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from archipel.formats.cells import propose_cells
from archipel.formats.device_rows import BatteryRows, DeviceRows, LoadRows, PvRows
from archipel.formats.scenario_write import write_scenario
from archipel.formats.tables import write_sheet
from archipel.model import Grid, Lines, Nodes, Profiles, Source, Switches, Transformers

CIRCUIT = """clear
new circuit.street basekv=11 pu=1.02 isc3=3000 isc1=2500 bus1=head basefreq=50
new linecode.c nphases=3 r1=0.32 x1=0.08 r0=1.2 x0=0.3 c1=0 c0=0 units=km
new transformer.t1 phases=3 windings=2 buses=(head, b1) conns=(delta, wye) kvs=(11, 0.4) kvas=(250, 250) xhl=4
~ %loadloss=1.2 wdg=2 maxtap=1.1 mintap=0.9 numtaps=16
new regcontrol.r1 transformer=t1 winding=2 vreg=236 band=3 ptratio=1 delay=30
new line.l1 bus1=b1 bus2=b2 linecode=c length=0.15 units=km normamps=200
new line.l2 bus1=b2 bus2=b3 linecode=c length=0.2 units=km normamps=200
new load.a bus1=b2.1 phases=1 kv=0.231 kw=8 kvar=2 model=1 vminpu=0.6 vmaxpu=1.4
new load.b bus1=b2.2 phases=1 kv=0.231 kw=5 kvar=1 model=2 vminpu=0.6 vmaxpu=1.4
new load.c bus1=b3.1 phases=1 kv=0.231 kw=6 kvar=1 model=1 vminpu=0.6 vmaxpu=1.4
new load.d bus1=b3 phases=3 conn=delta kv=0.4 kw=9 kvar=3 model=1 vminpu=0.6 vmaxpu=1.4
set voltagebases=[11, 0.4]
calcvoltagebases
solve
"""
DAY = 96


def grid() -> Grid:
    """The same in positive sequence."""
    on, none = np.ones(2, dtype=bool), np.zeros(0, dtype=np.int64)
    one = np.ones(1)
    return Grid(
        Nodes(
            ("bus/head", "bus/b1", "bus/b2", "bus/b3"),
            ("head", "b1", "b2", "b3"),
            np.array([11.0, 0.4, 0.4, 0.4]),
            np.full(4, 0.94),
            np.full(4, 1.06),
            np.full(4, np.nan),
            np.full(4, np.nan),
        ),
        Lines(
            ("line/l1", "line/l2"),
            ("l1", "l2"),
            np.array([1, 2]),
            np.array([2, 3]),
            np.array([0.048, 0.064]),
            np.array([0.012, 0.016]),
            np.zeros(2),
            np.zeros(2),
            np.full(2, 200.0),
            on,
            on.copy(),
        ),
        Transformers(
            ("trafo/t1",),
            ("t1",),
            np.array([0]),
            np.array([1]),
            250 * one,
            11 * one,
            0.4 * one,
            4.18 * one,
            1.2 * one,
            0 * one,
            0 * one,
            30 * one,
            np.ones(1, dtype=bool),
            0 * one,
            0 * one,
            0 * one,
            one,
            np.ones(1, dtype=bool),
            np.ones(1, dtype=bool),
        ),
        Switches((), (), none, (), np.zeros(0, dtype=bool)),
        Source("source/source", 0, 1.02, 57.0),
        50.0,
    )


def street(folder: Path, circuit: str = CIRCUIT, pv_kw: float = 12.0, more: str = "") -> Path:
    """Write circuit and scenario below `folder`; the path of the TOML file. PV and battery are not in the circuit."""
    net = grid()
    load = LoadRows(
        ("load/a", "load/b", "load/c", "load/d"),
        np.array([2, 2, 3, 3]),
        np.array([8.0, 5.0, 6.0, 9.0]),
        np.array([2.0, 1.0, 1.0, 3.0]),
        ("h",) * 4,
    )
    flags = np.array([True, True])
    pv = PvRows(("pv/1", "pv/2"), np.array([1, 3]), np.full(2, pv_kw), np.full(2, pv_kw), ("sun",) * 2, flags)
    battery = BatteryRows(
        ("battery/1",), np.array([2]), *(np.array([x]) for x in (10.0, 5.0, 5.0, 0.95, 0.95, 0.5, 0.01))
    )
    hour = np.arange(2 * DAY) % DAY / 4.0
    use = 0.35 + 0.4 * np.exp(-((hour - 19.0) ** 2) / 6.0)
    sun = np.clip(np.sin((hour - 5.0) / 15.0 * np.pi), 0.0, None)
    profiles = Profiles(
        datetime(2016, 6, 6, tzinfo=UTC),
        ("h_pload", "h_qload", "sun"),
        np.column_stack([use, use, sun]).astype(np.float32),
    )
    circuits = folder / "circuit"
    circuits.mkdir(parents=True)
    (circuits / "street.dss").write_text(circuit + more, encoding="utf-8")
    write_sheet(folder / "three_phase_devices.csv", {"id": load.id, "element": [f"Load.{i[5:]}" for i in load.id]})
    write_sheet(
        folder / "three_phase_nodes.csv",
        {"node": net.nodes.id, "bus": net.nodes.name, "phases": ["1.2.3"] * len(net.nodes)},
    )
    return write_scenario(
        folder,
        "street",
        "A street",
        net,
        propose_cells(net),
        DeviceRows(load=load, pv=pv, battery=battery),
        profiles,
        profiles.start,
        more={
            "network.three_phase": {
                "folder": "circuit",
                "master": "street.dss",
                "devices": "three_phase_devices.csv",
                "nodes": "three_phase_nodes.csv",
            }
        },
    )
