"""A cell taken out of the scenario it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import final

from archipel.cell.parts import Parts, cut
from archipel.controller.assemble import controller_of, tie_sides
from archipel.controller.outlook import outlook_of
from archipel.controller.stepping import Controller, Settings
from archipel.coordination.methods import METHODS
from archipel.field.cell_file import CellFile, CellFileInvalid
from archipel.field.estimate import Estimator
from archipel.formats.findings import did_you_mean
from archipel.formats.scenario import load_scenario
from archipel.model import Grid, Problem


@final
@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """What a cell knows of itself from the scenario it belongs to."""

    controller: Controller
    estimator: Estimator
    grid: Grid
    nodes: Mapping[str, int]
    """Row of the node of every own device."""


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
    times = {name.name: getattr(file.controller, name.name) for name in fields(file.controller)}
    times.pop("tick_s")
    cell = ids.index(file.cell.id)
    outlook = outlook_of(scenario, file.cell.forecast, scenario.replan_steps)
    limits_kw = (file.cell.import_kw_max, file.cell.export_kw_max)
    controller = controller_of(parts, cell, outlook, limits_kw, Settings(**times), METHODS[file.cell.method])
    site = parts.sites[cell]
    nodes = {name: int(node) for fleet in site.fleets for name, node in zip(fleet.id, fleet.node, strict=True)}
    return Built(controller, Estimator(site, outlook), scenario.grid, nodes)


def _strangers(file: CellFile, parts: Parts, cell: int) -> tuple[Problem, ...]:
    """Devices, ties and neighbours of the file that are not of this cell in its scenario."""
    site, cells = parts.sites[cell], {one.id for one in parts.sites}
    devices = {name for fleet in site.fleets for name in fleet.id}
    ties = {side.id for side in tie_sides(parts, cell)} | ({""} if not site.parent else set())
    switches = set(parts.scenario.grid.switches.id)
    asked = [
        *(("[[device]]", "id", row.id, devices | switches, "a device or switch") for row in file.device),
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
