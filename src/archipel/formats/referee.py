"""pandapower as a referee for an import: the same file, solved by both.

pandapower is imported only here and only when asked. It never reads the file itself: it gets our plain tables, so
that no class named in a file is built.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from archipel.formats.imported import Imported
from archipel.formats.pandapower_json import Table, Tables
from archipel.grid.power_flow import PowerFlow
from archipel.model import ExtraMissing, Floats

ELECTRICAL = (
    "bus",
    "load",
    "asymmetric_load",
    "sgen",
    "gen",
    "switch",
    "shunt",
    "ext_grid",
    "line",
    "trafo",
    "trafo3w",
    "impedance",
    "ward",
    "xward",
    "motor",
)
DEFAULTS = {
    "in_service": True,
    "closed": True,
    "scaling": 1.0,
    "parallel": 1,
    "df": 1.0,
    "slack_weight": 1.0,
    "z_ohm": 0.0,
}
"""What pandapower takes for a column the source does not have."""


def referee_there() -> bool:
    """Whether pandapower is installed."""
    return find_spec("pandapower") is not None


def voltage_difference(source: Tables, imported: Imported) -> float:
    """Largest |dV| over all nodes against pandapower, all loads and generators at nominal power [pu].

    Storages stand still in both. pandapower runs with taps of type Ratio (SimBench leaves the type empty, and
    pandapower 3 then ignores the taps), transformers as pi, and voltage angles. Raises ExtraMissing without it.
    """
    reference = reference_voltages(source)
    nodes, devices = len(imported.grid.nodes), imported.devices
    load, pv, made = devices.load, devices.pv, devices.generator
    p_kw, q_kvar = np.zeros(nodes), np.zeros(nodes)
    np.add.at(p_kw, load.node, load.p_kw)
    np.add.at(q_kvar, load.node, load.q_kvar)
    np.add.at(p_kw, pv.node, -pv.p_kw_peak)
    np.add.at(p_kw, made.node, -made.p_kw)
    flow = PowerFlow(imported.grid).solve(p_kw, q_kvar)
    theirs = np.array([reference[node] for node in imported.grid.nodes.id])
    ours = np.where(flow.v_pu > 0.0, flow.v_pu, np.nan)
    if np.any(np.isnan(ours) != np.isnan(theirs)):
        return float("inf")  # a node is live for one and dead for the other
    return float(np.nanmax(np.abs(ours - theirs)))


def reference_voltages(source: Tables) -> dict[str, float]:
    """pandapower's voltage of every node by our id; NaN where dead."""
    if not referee_there():
        raise ExtraMissing("pandapower", "verify", "comparing voltages")
    import pandapower

    net = pandapower.create_empty_network(f_hz=source.f_hz)
    for name in ELECTRICAL:
        if len(source[name]):
            net[name] = _frame(source[name], net[name])
    if len(net.trafo):
        net.trafo["tap_changer_type"] = "Ratio"
    pandapower.runpp(net, trafo_model="pi", calculate_voltage_angles=True, init="dc", tolerance_mva=1e-9, numba=False)
    v_pu: Floats = net.res_bus["vm_pu"].to_numpy(dtype=np.float64)
    return {f"bus/{i}": float(v) for i, v in zip(net.res_bus.index, v_pu, strict=True)}


def _frame(table: Table, like: Any) -> Any:
    """The table as a DataFrame with pandapower's own column types."""
    import pandas

    frame = pandas.DataFrame({name: list(cells) for name, cells in table.column.items()}, index=list(table.index))
    for name in like.columns:
        if name.startswith("id_characteristic"):
            frame[name] = pandas.array([None] * len(frame), dtype="Int64")  # curves are not ours to follow
            continue
        if name not in frame:
            frame[name] = DEFAULTS.get(name, 0.0 if name.startswith("const_") else None)
        kind = like[name].dtype.kind
        if kind == "f":
            frame[name] = pandas.to_numeric(frame[name], errors="coerce").astype("float64")
        elif kind in "iu":
            frame[name] = pandas.to_numeric(frame[name], errors="coerce").fillna(0).astype(like[name].dtype)
        elif kind == "b":
            frame[name] = frame[name].astype("boolean").fillna(value=False).astype(bool)
    return frame
