"""The engine's tables with their look-ups: what the reduction asks of them."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from archipel.formats.networks.opendss.sequence import NEUTRAL_PU, Complex
from archipel.model import Floats, ImportRefused

ROOT3 = 3.0**0.5


@final
class Model:
    """A solved model. Raises ImportRefused where its buses have no nominal voltage."""

    def __init__(self, tables: dict[str, Any], source: str) -> None:
        self.tables, self.source = tables, source
        self.summary = tables["summary"]
        buses = tables["buses"]
        self.bus: list[str] = buses["name"]
        self.row = {name: i for i, name in enumerate(self.bus)}
        self.kv: Floats = buses["kv"].copy()
        self.nodes = [tuple(int(n) for n in text.split(".") if n) for text in buses["nodes"]]
        self.volt: dict[str, complex] = dict(zip(tables["voltages"]["node"], tables["voltages"]["v"], strict=True))
        elements = tables["elements"]
        self.element = {name: i for i, name in enumerate(elements["name"])}
        if not np.all(self.kv > 0.0):
            name = self.bus[int(np.argmin(self.kv > 0.0))]
            raise ImportRefused(
                f"{source}: bus {name} has no nominal voltage; expected `Set VoltageBases=[...]` and "
                "`CalcVoltageBases` in the master, with every line-to-line voltage of the network."
            )

    def v_pu(self, bus: str, nodes: tuple[int, ...]) -> Complex:
        """Per unit voltages of nodes of a bus; 0 for earth."""
        base = self.kv[self.row[bus]] * 1e3
        return np.array([self.volt.get(f"{bus}.{n}", 0.0) / base if n else 0.0 for n in nodes], dtype=np.complex128)

    def theta(self, bus: str, node: int) -> float | None:
        """Angle of a node's voltage; None for earth and neutral."""
        v = self.v_pu(bus, (node,))[0]
        return float(np.angle(v)) if abs(v) > NEUTRAL_PU else None

    def of(self, name: str) -> dict[str, Any]:
        """One element of the circuit: its buses, the nodes of each terminal, whether it is on, which ends are open."""
        elements, i = self.tables["elements"], self.element[name]
        buses = elements["bus"][i]
        nodes = elements["nodes"][i]
        each = len(nodes) // len(buses) if buses else 0
        return {
            "bus": buses,
            "nodes": [tuple(nodes[t * each : (t + 1) * each]) for t in range(len(buses))],
            "enabled": bool(elements["enabled"][i]),
            "open": elements["open"][i],
            "phases": int(elements["phases"][i]),
            "p_kw": float(elements["p_kw"][i]),
            "q_kvar": float(elements["q_kvar"][i]),
        }

    def of_class(self, kind: str, enabled: bool = True) -> list[str]:
        """Full names of the elements of a class, in the engine's order."""
        elements = self.tables["elements"]
        return [
            name
            for i, name in enumerate(elements["name"])
            if name.startswith(kind + ".") and bool(elements["enabled"][i]) == enabled
        ]

    @property
    def vn_kv(self) -> Floats:
        """Nominal line-to-line voltage of every bus [kV]."""
        return np.round(self.kv * ROOT3, 9)
