"""Cut a scenario into what each cell may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np

from archipel.cell.site import Site
from archipel.devices.base import DeviceFleet, State
from archipel.devices.select import OwnDevices, select
from archipel.grid.cell_network import cell_networks
from archipel.model import Floats, Ints, Scenario


@final
@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The cells of a scenario with their own devices. Fleet f of cell c is `own[c][f]`."""

    scenario: Scenario
    sites: tuple[Site, ...]
    own: tuple[tuple[OwnDevices, ...], ...]
    whose: tuple[Ints, ...]
    """For every cell the numbers of its fleets in `Scenario.fleets`."""
    offset: Ints
    """First device number of every fleet."""
    parents: tuple[int, ...]
    tie_of: Ints
    """For every cell but the root the number of the tie above it; -1 for the root."""

    def states(self, cell: int, whole: Mapping[str, State]) -> dict[str, State]:
        """The cell's part of all states."""
        return {own.fleet.kind: own.state_of(whole[own.fleet.kind]) for own in self.own[cell]}

    def put(self, cell: int, setpoints: list[tuple[Floats, Floats]], p_kw: Floats, q_kvar: Floats) -> None:
        """Write a cell's setpoints into arrays over all devices."""
        for own, number, (p, q) in zip(self.own[cell], self.whose[cell], setpoints, strict=True):
            at = self.offset[number] + own.rows
            p_kw[at], q_kvar[at] = p, q


def cut(scenario: Scenario) -> Parts:
    """Give every cell its network, its limits and its devices."""
    grid, cells = scenario.grid, scenario.archipelago
    networks = cell_networks(grid, cells)
    parents = cells.parents()
    row = {cell.id: i for i, cell in enumerate(cells.cell)}
    tie_of = np.full(len(cells.cell), -1, dtype=np.int64)
    for number, tie in enumerate(cells.tie):
        if tie.closed and parents[row[tie.lower]] == row[tie.upper]:
            tie_of[row[tie.lower]] = number
    sites, owns, whose = [], [], []
    for i, cell in enumerate(cells.cell):
        network = networks[i]
        kids = [j for j, p in enumerate(parents) if p == i]
        own, numbers = [], []
        for number, fleet in enumerate(scenario.fleets):
            rows = np.flatnonzero(cells.node_cell[fleet.node] == i)
            if len(rows):
                own.append(select(fleet, rows))
                numbers.append(number)
        branch_id = grid.branch_id
        sites.append(
            Site(
                id=cell.id,
                parent=cell.parent,
                children=tuple(cells.cell[j].id for j in kids),
                child_node=np.array([network.local[cells.tie[tie_of[j]].upper_node] for j in kids], dtype=np.int64),
                network=network,
                v_pu_min=grid.nodes.v_pu_min[network.nodes],
                v_pu_max=grid.nodes.v_pu_max[network.nodes],
                node_id=tuple(grid.nodes.id[n] for n in network.nodes),
                branch_id=tuple(branch_id[b] for b in network.branches),
                fleets=tuple(cast("Any", o.fleet) for o in own),
                tariff=scenario.tariff,
                connection=scenario.connection if i == 0 else None,
                margin_v_pu=scenario.margin_v_pu,
                margin_loading=scenario.margin_loading,
            )
        )
        owns.append(tuple(own))
        whose.append(np.array(numbers, dtype=np.int64))
    sizes = [len(cast("DeviceFleet", fleet).id) for fleet in scenario.fleets]
    offset = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    return Parts(scenario, tuple(sites), tuple(owns), tuple(whose), offset, tuple(parents), tie_of)
