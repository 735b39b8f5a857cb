"""Which devices and meters a scenario has, as the device farm serves them.

    pv, generator, wind, battery                     SunSpec inverters
    ev_charger, heat_pump, building, sheddable       Archipel register map
    both ends of every closed tie, and the upstream connection   SunSpec meters

Inflexible loads are not served: nobody can order them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

from archipel.devices import BatteryFleet, PvFleet, SheddableFleet, WindFleet
from archipel.farm import Device, Inverter, InverterPlate, MappedDevice, MappedPlate, Meter, MeterPlate, Storage
from archipel.model import Scenario
from archipel.model.register_map import Kind

UPSTREAM = "meter/upstream"
"""Id of the meter at the upstream connection."""
MAPPED = {
    "ev_charger": Kind.CHARGER,
    "heat_pump": Kind.HEAT_PUMP,
    "building": Kind.HEAT_PUMP,
    "sheddable": Kind.SHEDDABLE_LOAD,
}
METER_SHARE = 0.3
"""Of a branch's rating, what its meter is made for: meters of the farm have room for four times as much, and finer
steps tell more than room for what no branch carries."""
LEAST_KW = 0.01
"""Smallest rating on a nameplate; registers know no devices without power."""


def driver_of(kind: str) -> Literal["sunspec", "archipel"] | None:
    """The driver that talks to a kind of device; None for what nobody can order."""
    if kind in MAPPED:
        return "archipel"
    return "sunspec" if kind in {"pv", "generator", "wind", "battery"} else None


def meter_id(tie: str, cell: str) -> str:
    """Id of the meter of `cell` at a tie."""
    return f"meter/{tie}/{cell}"


@final
@dataclass(frozen=True, slots=True)
class MeterPlace:
    """Where a meter sits."""

    id: str
    cell: str
    tie: str
    """Empty for the upstream connection."""
    node: int
    """Where it takes the voltage: the upper node of the tie, where the lower cell's network begins."""
    v_nominal_v: float
    p_kw_most: float
    upward: bool
    """Whether it sits at the boundary towards the source, whose voltage the cell needs."""


def devices(scenario: Scenario) -> list[Device]:
    """All devices and meters, as they leave the factory."""
    out: list[Device] = []
    for fleet in scenario.fleets:
        if driver_of(fleet.kind) is not None:
            volts = scenario.grid.nodes.vn_kv[fleet.node] * 1000.0
            out += [_device(scenario, fleet, i, float(volts[i])) for i in range(len(fleet.id))]
    return out + [Meter(MeterPlate(at.id, at.p_kw_most, v_nominal_v=at.v_nominal_v)) for at in meters(scenario)]


def meters(scenario: Scenario) -> Iterator[MeterPlace]:
    """One meter per cell at each closed tie, and the root's at the upstream connection."""
    most, volts = _ratings(scenario), scenario.grid.nodes.vn_kv * 1000.0
    source, root = scenario.grid.source.node, scenario.archipelago.cell[0].id
    yield MeterPlace(UPSTREAM, root, "", source, float(volts[source]), max(most.values(), default=1000.0), True)
    for tie in scenario.archipelago.tie:
        if tie.closed:
            node, v_nominal_v = tie.upper_node, float(volts[tie.upper_node])
            for cell in (tie.upper, tie.lower):
                place = meter_id(tie.id, cell)
                yield MeterPlace(place, cell, tie.id, node, v_nominal_v, most[tie.id], cell == tie.lower)


def _ratings(scenario: Scenario) -> dict[str, float]:
    """What the meter of every branch is made for [kW]."""
    grid = scenario.grid
    lines = math.sqrt(3.0) * grid.nodes.vn_kv[grid.lines.from_node] * grid.lines.i_a_max
    rated = [*lines.tolist(), *grid.transformers.sn_kva.tolist()]
    return {name: max(METER_SHARE * kva, LEAST_KW) for name, kva in zip(grid.branch_id, rated, strict=True)}


def _device(scenario: Scenario, fleet: Any, i: int, v_nominal_v: float) -> Device:
    name = fleet.id[i]
    if fleet.kind in MAPPED:
        p_kw = float(fleet.p_kw[i])
        if isinstance(fleet, SheddableFleet) and fleet.p_profile[i] >= 0:
            p_kw *= float(scenario.profiles.value[:, fleet.p_profile[i]].max())
        return MappedDevice(MappedPlate(name, MAPPED[fleet.kind], max(p_kw, LEAST_KW), v_nominal_v=v_nominal_v))
    if isinstance(fleet, BatteryFleet):
        charge, discharge = (max(float(p[i]), LEAST_KW) for p in (fleet.p_kw_charge, fleet.p_kw_discharge))
        storage = Storage(
            e_kwh=max(float(fleet.e_kwh[i]), LEAST_KW),
            soc=float(fleet.soc_start[i]),
            p_kw_charge=charge,
            efficiency_charge=float(fleet.efficiency_charge[i]),
            efficiency_discharge=float(fleet.efficiency_discharge[i]),
        )
        return Inverter(InverterPlate(name, max(charge, discharge), v_nominal_v=v_nominal_v), storage)
    inverter = Inverter(InverterPlate(name, max(float(fleet.s_kva[i]), LEAST_KW), v_nominal_v=v_nominal_v))
    if isinstance(fleet, PvFleet | WindFleet) and fleet.volt_var[i]:
        inverter.image.show("705.Ena", 1)  # modern inverters follow their curve until they are told otherwise
    return inverter
