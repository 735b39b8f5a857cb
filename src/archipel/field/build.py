"""A cell taken out of the scenario it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np

from archipel.cell.parts import Parts, cut
from archipel.controller.assemble import controller_of, tie_sides
from archipel.controller.main_grid import MainGrid, not_critical
from archipel.controller.outlook import outlook_of
from archipel.controller.stepping import Controller, Settings
from archipel.coordination.methods import METHODS
from archipel.devices import BatteryFleet
from archipel.field.cell_file import CellFile, CellFileInvalid
from archipel.field.estimate import Estimator
from archipel.formats.findings import did_you_mean
from archipel.formats.scenario import load_scenario
from archipel.grid.fault_current import node_fault_ka, unseen
from archipel.model import Grid, Problem
from archipel.model.kinds import BY_VOLTAGE

TOLD = 2
"""Lines that are named; a cell that is too weak is so on many."""


NO_DRIVER = ("v2g", "hydro", "appliance", *BY_VOLTAGE)
"""Kinds that run in the twin and in no field yet."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """What a cell knows of itself from the scenario it belongs to."""

    controller: Controller
    estimator: Estimator
    grid: Grid
    nodes: Mapping[str, int]
    """Row of the node of every own device."""
    cannot_form: tuple[str, ...] = ()
    """Why the cell can be no island, whatever its devices do now."""


def build(file: CellFile) -> Built:
    """Take the cell out of its scenario. Raises `CellFileInvalid`."""
    path = file.folder / file.cell.scenario
    scenario = load_scenario(path if path.exists() else file.cell.scenario)
    # nobody can order a soft open point yet, so it stays open and no plan may count on it
    parts = cut(replace(scenario, fleets=tuple(f for f in scenario.fleets if f.kind != "soft_open_point")))
    ids = [site.id for site in parts.sites]
    if file.cell.id not in ids:
        expected = f"a cell of scenario {scenario.name}: {', '.join(ids[:8])}{', ...' if len(ids) > 8 else ''}"
        raise CellFileInvalid((Problem(file.path.name, "[cell]", "id", file.cell.id, expected, "Correct it."),))
    if problems := _strangers(file, parts, ids.index(file.cell.id)):
        raise CellFileInvalid(problems)
    if problems := _without_driver(file, parts, ids.index(file.cell.id)):
        raise CellFileInvalid(problems)
    times = {name.name: getattr(file.controller, name.name) for name in fields(file.controller)}
    times.pop("tick_s")
    cell = ids.index(file.cell.id)
    outlook = outlook_of(scenario, file.cell.forecast, scenario.replan_steps)
    limits_kw = (file.cell.import_kw_max, file.cell.export_kw_max)
    controller = controller_of(parts, cell, outlook, limits_kw, Settings(**times), METHODS[file.cell.method])
    site = parts.sites[cell]
    cannot_form: tuple[str, ...] = ()
    if file.switch is not None:
        told = {row.id for row in file.device}
        sheds = not_critical((fleet.kind, [name for name in fleet.id if name in told]) for fleet in site.fleets)
        rules, shedding = file.switch.rules, file.switch.shedding
        controller.main_grid = MainGrid(sheds, rules, shedding, scenario.grid.f_hz)
        cannot_form = _too_weak(file, parts, cell)
    nodes = {name: int(node) for fleet in site.fleets for name, node in zip(fleet.id, fleet.node, strict=True)}
    return Built(controller, Estimator(site, outlook), scenario.grid, nodes, cannot_form)


def _without_driver(file: CellFile, parts: Parts, cell: int) -> tuple[Problem, ...]:
    """Kinds that no driver can order yet, and that no plan may therefore count on."""
    return tuple(
        Problem(
            file.path.name,
            "[cell]",
            "scenario",
            f"{len(fleet.id)} of kind {fleet.kind} in {parts.sites[cell].id}, the first {fleet.id[0]}",
            "kinds of device that a driver can order",
            f"Leave {fleet.kind} out of the scenario for the field; what it draws can be part of the loads.",
        )
        for fleet in parts.sites[cell].fleets
        if fleet.kind in NO_DRIVER
    )


def _too_weak(file: CellFile, parts: Parts, cell: int) -> tuple[str, ...]:
    """Lines of the cell on which a fault would not be seen when only its grid formers feed it, worst first.

    The network is taken as connected; what lies beyond the switch is passive then and feeds no fault.
    """
    grid = parts.scenario.grid
    rated = {
        name: (int(node), float(p_kw))
        for fleet in parts.sites[cell].fleets
        if isinstance(fleet, BatteryFleet)
        for name, node, p_kw in zip(fleet.id, fleet.node, fleet.p_kw_discharge, strict=True)
    }
    formers = [(rated[row.id][0], row.s_kva or rated[row.id][1]) for row in file.former]
    node, s_kva = np.array([n for n, _ in formers], dtype=int), np.array([s for _, s in formers])
    own = parts.scenario.archipelago.node_cell == cell
    weak = unseen(grid, np.where(own, node_fault_ka(grid, node, s_kva), 0.0))
    return weak if len(weak) <= TOLD + 1 else (*weak[:TOLD], f"and {len(weak) - TOLD} lines more")


def _strangers(file: CellFile, parts: Parts, cell: int) -> tuple[Problem, ...]:
    """Devices, ties and neighbours of the file that are not of this cell in its scenario."""
    site, cells = parts.sites[cell], {one.id for one in parts.sites}
    devices = {name for fleet in site.fleets for name in fleet.id}
    ties = {side.id for side in tie_sides(parts, cell)} | ({""} if not site.parent else set())
    switches = set(parts.scenario.grid.switches.id)
    batteries = {name for fleet in site.fleets if isinstance(fleet, BatteryFleet) for name in fleet.id}
    asked = [
        *(("[[device]]", "id", row.id, devices | switches, "a device or switch") for row in file.device),
        *(("[[former]]", "id", row.id, batteries, "a battery") for row in file.former),
        *(("[switch]", "device", row.device, switches, "a switch") for row in [file.switch] if row is not None),
        *(("[[meter]]", "tie", row.tie, ties, "a tie") for row in file.meter),
        *(("[[neighbour]]", "cell", row.cell, cells - {site.id}, "another cell") for row in file.neighbour),
    ]
    return tuple(
        Problem(
            file.path.name, table, key, repr(found), f"{what} of {site.id} in its scenario", did_you_mean(found, known)
        )
        for table, key, found, known, what in asked
        if found not in known
    )
