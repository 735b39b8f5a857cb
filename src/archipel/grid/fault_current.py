"""Short-circuit current of an island that only inverters feed: is it enough for the protection to see a fault?

An inverter limits its current; as a source of a short circuit it is worth its rating times that limit (IEC 60909-0:2016
counts a unit with a full-size converter by the current of its converter). The current at a fault is that of
power-grid-model's short-circuit calculation (IEC 60909) with these sources and without the upstream grid.
"""

from __future__ import annotations

import numpy as np
from power_grid_model import (
    ComponentType,
    DatasetType,
    FaultPhase,
    FaultType,
    PowerGridModel,
    initialize_array,
)
from power_grid_model.enum import ShortCircuitVoltageScaling  # type: ignore[attr-defined]

from archipel.grid.pgm_input import pgm_input
from archipel.model import Floats, Grid, Ints

INVERTER_LIMIT = 1.2
"""Current limit of a grid-forming inverter over its rating."""
PICKS_UP = 1.45
"""Smallest fault current over the limit of the branch: overcurrent protection is set at 1.2 / 0.95 of it (margin and
reset ratio), so that load does not trip it, and a fault is to exceed that by 15 %."""


def node_fault_ka(grid: Grid, node: Ints, s_kva: Floats, limit: float = INVERTER_LIMIT) -> Floats:
    """Three-phase short-circuit current at every node [kA], shape (nodes,).

    Args:
        grid: The network; its upstream source counts for nothing.
        node: Node of every grid-forming inverter.
        s_kva: Their ratings.
        limit: Current limit over rating.
    """
    data, layout = pgm_input(grid, 1.0, 1.0)
    of_node = np.zeros(layout.points)
    np.add.at(of_node, layout.point[node], s_kva * limit * 1e3)
    fed = np.flatnonzero(of_node > 0.0)
    if not len(fed):
        return np.zeros(len(grid.nodes))
    first_id = 1 + max(int(table["id"].max()) for table in data.values() if len(table))
    source = initialize_array(DatasetType.input, ComponentType.source, len(fed))
    source["id"], source["node"], source["status"] = first_id + np.arange(len(fed)), fed, 1
    source["u_ref"], source["sk"], source["rx_ratio"] = 1.0, of_node[fed], 0.1
    fault = initialize_array(DatasetType.input, ComponentType.fault, 1)
    fault["id"], fault["status"], fault["fault_object"] = first_id + len(fed), 1, 0
    fault["fault_type"], fault["fault_phase"] = FaultType.three_phase, FaultPhase.default_value
    fault["r_f"] = fault["x_f"] = 0.0
    model = PowerGridModel(
        {**data, ComponentType.source: source, ComponentType.fault: fault}, system_frequency=grid.f_hz
    )
    every = initialize_array(DatasetType.update, ComponentType.fault, (layout.points, 1))
    every["id"], every["fault_object"] = fault["id"], np.arange(layout.points)[:, None]
    found = model.calculate_short_circuit(
        update_data={ComponentType.fault: every},
        short_circuit_voltage_scaling=ShortCircuitVoltageScaling.minimum,
        output_component_types={ComponentType.fault: {"i_f"}},
    )
    ka = np.nan_to_num(np.abs(found[ComponentType.fault]["i_f"][:, 0, 0])) / 1e3
    return np.asarray(ka[layout.point])


def unseen(grid: Grid, node_ka: Floats, picks_up: float = PICKS_UP) -> tuple[str, ...]:
    """What to tell about lines on which a fault would not be seen by their protection, worst first; empty if none.

    A line's fault is smallest at the end farther from all sources; both ends are looked at. Dead lines do not count.
    """
    lines = grid.lines
    least = np.minimum(node_ka[lines.from_node], node_ka[lines.to_node]) * 1e3
    needed = picks_up * lines.i_a_max
    short = np.flatnonzero(lines.from_closed & lines.to_closed & (least > 0.0) & (least < needed))
    worst = short[np.argsort((least / needed)[short])]
    return tuple(
        f"{lines.id[k]}: a fault draws {least[k]:.0f} A, its protection needs {needed[k]:.0f} A "
        f"({picks_up:g} times the line's limit)"
        for k in worst
    )
