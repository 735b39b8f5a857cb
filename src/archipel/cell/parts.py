"""Cut a scenario into what each cell may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np

from archipel.cell.site import Site
from archipel.cell.soft_ties import SoftTies
from archipel.devices.base import DeviceFleet, State
from archipel.devices.select import OwnDevices, select
from archipel.devices.soft_open_point import SoftOpenPointFleet
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
    ties = soft_ties(scenario)
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
                ties=ties[i],
            )
        )
        owns.append(tuple(own))
        whose.append(np.array(numbers, dtype=np.int64))
    sizes = [len(cast("DeviceFleet", fleet).id) for fleet in scenario.fleets]
    offset = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    return Parts(scenario, tuple(sites), tuple(owns), tuple(whose), offset, tuple(parents), tie_of)


def soft_ties(scenario: Scenario) -> tuple[SoftTies, ...]:
    """What each cell knows of the soft open points: decided by the lowest cell above both ends."""
    cells, parents = scenario.archipelago, scenario.archipelago.parents()
    ways: list[tuple[list[int], str, float, float]] = []
    for fleet in scenario.fleets:
        if not isinstance(fleet, SoftOpenPointFleet):
            continue
        for name in dict.fromkeys(fleet.point):
            rows = [row for row, point in enumerate(fleet.point) if point == name]
            ends = cells.node_cell[fleet.node[rows]].tolist()
            ways.append((_way(parents, ends), name, float(fleet.p_kw_max[rows[0]]), float(fleet.loss_share[rows[0]])))
    out = []
    for i in range(len(parents)):
        decided = [(name, p_kw, share) for way, name, p_kw, share in ways if way[0] == i]
        below = {
            cells.cell[j].id: tuple(name for way, name, *_ in ways if j in way[1:])
            for j, parent in enumerate(parents)
            if parent == i
        }
        names, p_kw_max, loss_share = zip(*decided, strict=True) if decided else ((), (), ())
        above = tuple(name for way, name, *_ in ways if i in way[1:])
        out.append(SoftTies(above, names, p_kw_max, loss_share, {k: v for k, v in below.items() if v}))
    return tuple(out)


def _way(parents: list[int], ends: list[int]) -> list[int]:
    """The lowest cell above all ends, then the cells on the way from it to them."""

    def up(cell: int) -> list[int]:
        path = [cell]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        return path

    paths = [up(cell) for cell in ends]
    lowest = max(set.intersection(*(set(path) for path in paths)))  # parents stand before their children
    return [lowest, *sorted({cell for path in paths for cell in path if cell > lowest})]
