"""The grid-forming island of OpenDSS' example on IEEE 123, balanced, solved by OpenDSS: beside it ours is tested.

The island is what lies behind switch 5 (buses 197 to 300, 101 to 114) with the storage that forms its voltage and PV,
of EPRI's example `microgrid_gfm_ieee123`. The feeder has lines of one phase; for a model of positive sequence on both
sides each line becomes a balanced one of three phases with the mean of its own less that of its mutual impedances, each
load one of three phases with the same power. In an environment that has dss-python:

    python opendss_peer.py FOLDER_OF_THE_EXAMPLES data/opendss_ieee123_island.json

as found in data/, made with dss-python 0.15.7 (OpenDSS SVN 3723) from EPRI's distribution of IEEE 123.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ISLAND = {"197", "300", *(str(bus) for bus in range(101, 115))}
CASES: dict[str, tuple[float, float]] = {"light": (1.0, 0.3), "heavy": (2.2, 0.0)}
"""Multiple of all loads, and irradiance."""


def feeder(dss: Any, folder: Path) -> tuple[list[list[Any]], list[list[Any]]]:
    """Lines (id, from, to, r and x [ohm], c [nF]) and loads (bus, kW, kvar, model) of the island in OpenDSS."""
    dss.Text.Command = f"redirect {folder / '123Bus' / 'IEEE123Master.dss'}"
    circuit, lines, loads = dss.ActiveCircuit, [], []
    for line in circuit.Lines:
        ends = [bus.split(".")[0] for bus in (line.Bus1, line.Bus2)]
        if set(ends) <= ISLAND:
            values = [_balanced(matrix) * line.Length for matrix in (line.Rmatrix, line.Xmatrix, line.Cmatrix)]
            lines.append([line.Name, *ends, *values])
    for load in circuit.Loads:
        bus = circuit.ActiveCktElement.BusNames[0].split(".")[0]
        if bus in ISLAND:
            loads.append([bus, load.kW, load.kvar, load.Model])
    return lines, loads


def _balanced(matrix: Any) -> float:
    """Own less mutual, both as means over the phases; a single phase has no mutual one."""
    square = np.array(matrix).reshape(int(np.sqrt(len(matrix))), -1)
    n = len(square)
    own = np.trace(square) / n
    return float(own - (square.sum() - np.trace(square)) / (n * n - n) if n > 1 else own)


def solved(dss: Any, lines: list[list[Any]], loads: list[list[Any]], multiple: float, sun: float) -> dict[str, Any]:
    """Voltages and powers of the balanced island."""
    transformer = "phases=3 windings=2 conns=(delta wye) kvs=(0.48 4.16) kvas=(1000 1000) XHL=0.5 %loadloss=0.4"
    commands = [
        "clear", "set defaultbasefrequency=60", "new circuit.island basekv=4.16 bus1=grid",
        "new line.sw5 bus1=grid bus2=197 switch=yes",
        *(f"new line.{name} bus1={a} bus2={b} length=1 r1={r} x1={x} c1={c} r0={r} x0={x} c0={c}"
          for name, a, b, r, x, c in lines),
        *(f"new load.l{i} bus1={bus} phases=3 conn=wye kv=4.16 model={model} kw={kw} kvar={kvar} vminpu=0.7 vmaxpu=1.3"
          for i, (bus, kw, kvar, model) in enumerate(loads)),
        f"new transformer.tsto {transformer} buses=(stobus 101)",
        f"new transformer.tpv {transformer} buses=(pvbus 108)",
        "new storage.sto phases=3 conn=delta bus1=stobus kv=0.48 kva=800 kwrated=800 kwhrated=6000 %stored=100",
        f"new pvsystem.pv phases=3 conn=delta bus1=pvbus kv=0.48 kva=800 pmpp=800 irradiance={sun} %cutin=0 %cutout=0",
        "new invcontrol.gfm derlist=[storage.sto] mode=gfm", "set voltagebases=[4.16 0.48]", "calcvoltagebases",
        f"set loadmult={multiple} tolerance=1e-9 maxiterations=100", "solve", "open line.sw5 terminal=1", "solve",
        "edit storage.sto state=discharging controlmode=gfm", "solve", "solve",
    ]  # fmt: skip
    for command in commands:
        dss.Text.Command = command
    circuit = dss.ActiveCircuit
    if not circuit.Solution.Converged:
        raise SystemExit("OpenDSS did not converge")
    v_pu = {bus.Name: bus.puVmagAngle[0] for bus in circuit.ActiveBus if bus.Name != "grid"}
    power = {}
    for name in ("storage.sto", "pvsystem.pv"):
        circuit.SetActiveElement(name)
        flow = np.array(circuit.ActiveCktElement.Powers).reshape(-1, 2)[:3].sum(axis=0)
        power[name.split(".")[0]] = [float(flow[0]), float(flow[1])]
    circuit.SetActiveElement("storage.sto")
    z = np.linalg.inv(np.array(circuit.ActiveCktElement.Yprim).view(np.complex128).reshape(3, 3))
    own = (z[0, 0] - z[0, 1]) / (0.48**2 / 0.8)
    return {"v_pu": v_pu, "power_kw_kvar": power, "storage_z_pu": [float(own.real), float(own.imag)]}


def main(folder: Path, file: Path) -> None:
    from dss import DSS

    DSS.AllowForms = False
    lines, loads = feeder(DSS, folder)
    cases = {
        name: {"loads": case[0], "sun": case[1]} | solved(DSS, lines, loads, *case) for name, case in CASES.items()
    }
    file.write_text(json.dumps({"lines": lines, "loads": loads, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
