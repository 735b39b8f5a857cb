"""What of a scenario may move and what is fixed, as seen from the network: connection points and fixed load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from archipel.devices import (
    BatteryFleet,
    DispatchableFleet,
    GeneratorFleet,
    LoadFleet,
    PvFleet,
    SheddableFleet,
    SwitchedCapacitorFleet,
    WindFleet,
)
from archipel.devices.soft_open_point import SoftOpenPointFleet
from archipel.devices.volt_var import CURVE_Q, CURVE_V_PU, Q_SHARE
from archipel.model import Floats, Scenario
from archipel.model.weather import Weather
from archipel.vpp.envelope import Points

HIGH_V_PU = 1.1
"""Voltage at which capacitor banks give the most that is counted on."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Loads:
    """Bounds of what fixed load draws at all nodes of the grid, shape (nodes, T) each."""

    p_kw_min: Floats
    p_kw_max: Floats
    q_kvar_min: Floats
    q_kvar_max: Floats

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return int(self.p_kw_min.shape[1])

    def over(self, hold: int) -> Loads:
        """The range over every `hold` intervals together; a last part may be shorter."""
        first = np.arange(0, self.intervals, hold)
        low, high = np.minimum.reduceat, np.maximum.reduceat
        return Loads(
            low(self.p_kw_min, first, axis=1),
            high(self.p_kw_max, first, axis=1),
            low(self.q_kvar_min, first, axis=1),
            high(self.q_kvar_max, first, axis=1),
        )

    def take(self, t: Any) -> Loads:
        """Some of the intervals."""
        return Loads(self.p_kw_min[:, t], self.p_kw_max[:, t], self.q_kvar_min[:, t], self.q_kvar_max[:, t])


def connection_points(scenario: Scenario) -> Points:
    """All nodes with a device other than plain load, and what the devices there can draw and give at the most."""
    nodes = len(scenario.grid.nodes)
    draws, gives, kvar, there = np.zeros((4, nodes))
    for fleet in scenario.fleets:
        if isinstance(fleet, LoadFleet):
            continue
        most_import, most_export = ratings(fleet)
        there[fleet.node] = 1.0
        np.add.at(draws, fleet.node, most_import)
        np.add.at(gives, fleet.node, most_export)
        if isinstance(fleet, PvFleet | WindFleet):
            np.add.at(kvar, fleet.node, np.where(fleet.volt_var, Q_SHARE * fleet.s_kva, 0.0))
    at = np.flatnonzero(there)
    cells = scenario.archipelago
    return Points(
        node=at,
        node_id=tuple(scenario.grid.nodes.id[n] for n in at),
        cell=cells.node_cell[at],
        cell_id=tuple(cell.id for cell in cells.cell),
        import_kw_max=draws[at],
        export_kw_max=gives[at],
        q_kvar_max=kvar[at],
    )


def ratings(fleet: Any) -> tuple[Floats, Floats]:
    """Most that every device of a fleet can (draw, give) [kW], shape (n,) each, non-negative."""
    none = np.zeros(len(fleet.id))
    if isinstance(fleet, PvFleet | GeneratorFleet):
        peak = fleet.p_kw_peak if isinstance(fleet, PvFleet) else fleet.p_kw
        return none, np.minimum(peak, fleet.s_kva)
    if isinstance(fleet, BatteryFleet):
        return fleet.p_kw_charge, fleet.p_kw_discharge
    if isinstance(fleet, DispatchableFleet):
        return none, fleet.p_kw_max
    if isinstance(fleet, SoftOpenPointFleet):
        return fleet.p_kw_max, fleet.p_kw_max
    if (box := getattr(fleet, "p_kw_range", None)) is not None:
        return np.maximum(box[1], 0.0), np.maximum(-box[0], 0.0)
    return np.asarray(fleet.p_kw), none  # chargers, heat pumps, sheddable load


def fixed_load(scenario: Scenario, weather: Weather) -> tuple[Floats, Floats]:
    """Active and reactive power that plain load draws at every node, shape (nodes, T) each, by the weather's rows."""
    value = np.column_stack([weather.value, np.ones(len(weather.value))])
    p, q = np.zeros((2, len(scenario.grid.nodes), len(value)))
    for fleet in scenario.fleets:
        if isinstance(fleet, LoadFleet):
            np.add.at(p, fleet.node, fleet.p_kw[:, None] * value[:, fleet.p_profile].T)
            np.add.at(q, fleet.node, fleet.q_kvar[:, None] * value[:, fleet.q_profile].T)
    return p, q


def load_range(scenario: Scenario, weather: Weather, margin: float) -> Loads:
    """What fixed load may draw when it is off its forecast by the share `margin`, at every node by itself.

    The reactive power of sheddable load and of capacitor banks, which may or may not be on, is part of it.
    """
    p, q = fixed_load(scenario, weather)
    dp, dq = margin * np.abs(p), margin * np.abs(q)
    low, high = q - dq, q + dq
    value = np.column_stack([weather.value, np.ones(len(weather.value))])
    for fleet in scenario.fleets:
        if isinstance(fleet, SheddableFleet):
            drawn = (1.0 + margin) * fleet.q_kvar[:, None] * value[:, fleet.q_profile].T
            np.add.at(low, fleet.node, np.minimum(drawn, 0.0))
            np.add.at(high, fleet.node, np.maximum(drawn, 0.0))
        elif isinstance(fleet, SwitchedCapacitorFleet):
            most = HIGH_V_PU**2 * fleet.steps * fleet.kvar_per_step
            np.add.at(low, fleet.node, -most[:, None])
    return Loads(p - dp, p + dp, low, high)


def curve_kvar(v_pu: Floats, q_kvar_max: Floats) -> Floats:
    """Reactive power that volt-var inverters draw at these voltages, (N, T), for a largest of `q_kvar_max` (N,)."""
    return np.asarray(np.interp(v_pu, CURVE_V_PU, CURVE_Q) * q_kvar_max[:, None])
