"""A cell with all that is below it, cut out of a scenario as a scenario of its own.

    whole                                part "B"
    main grid - A - B - C                source (where B's tie began) - B - C
                 \\- D

The part's source is the upper node of the cell's tie, with the tie's branch, so a transformer stays with the cell whose
star point it earths, and its losses with it. At the voltage and the powers of the whole the part has the whole's flows.
A source that gives nothing is an open switch there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast, final

import numpy as np

from archipel.devices.base import DeviceFleet, State
from archipel.devices.select import OwnDevices, select
from archipel.devices.soft_open_point import SoftOpenPointFleet
from archipel.grid.ownership import branch_owners, upper_nodes
from archipel.grid.topology import branch_ends, fused, live_points
from archipel.model import Archipelago, Bools, Connection, Floats, Grid, Ints, Scenario, Source


@final
@dataclass(frozen=True, slots=True, eq=False)
class Subtree:
    """A part of a scenario and where its rows stand in the whole."""

    scenario: Scenario
    cells: Ints
    """Rows in the whole of its cells; the first is the root of the part."""
    nodes: Ints
    """Rows in the whole of its nodes, in its order."""
    devices: Ints
    """Numbers in the whole of its devices, in its order."""
    head: int
    """The node of the part where the tie of its topmost cell ends, below its switch; the source's for the whole."""
    own: tuple[OwnDevices, ...]
    """Its fleets as parts of the whole's; their nodes are rows of the whole."""

    def states(self, whole: Mapping[str, State]) -> dict[str, State]:
        """The part's own of all states by kind."""
        return {own.fleet.kind: own.state_of(whole[own.fleet.kind]) for own in self.own}

    def at_voltage(self, node_v_pu: Floats) -> Scenario:
        """The part with its source at the voltage which stands there in the whole, shape (nodes of the whole,)."""
        grid = self.scenario.grid
        v_pu = float(node_v_pu[self.nodes[grid.source.node]])
        return replace(self.scenario, grid=replace(grid, source=replace(grid.source, v_pu=v_pu)))


def below(archipelago: Archipelago, cell: int) -> Ints:
    """Rows of a cell and of all cells below it, in rising order."""
    found = [cell]
    for row, parent in enumerate(archipelago.parents()):  # parents stand before their children
        if parent in found:
            found.append(row)
    return np.array(found, dtype=np.int64)


def subtree(scenario: Scenario, cell: int) -> Subtree:
    """Cut a cell with all below it out of a scenario; the root gives the whole.

    Lines whose open end lies outside end at their other node, still open: they charge as before. Soft open points and
    open ties that lead out are left out. Nodes joined to the source's by closed switches come along without devices.
    Firm limits at the upstream connection stay with the whole.

    Raises GridError where the cells do not fit the grid (see `branch_owners`).
    """
    whole, cells = scenario.grid, below(scenario.archipelago, cell)
    if cell == 0:
        return _all(scenario, cells)
    point = fused(whole)
    own_node = np.isin(scenario.archipelago.node_cell, cells)
    top = int(upper_nodes(whole, scenario.archipelago)[cell])
    nodes = np.flatnonzero(own_node | (point == point[top]))
    place = np.full(len(whole.nodes), -1, dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    owner = branch_owners(whole, scenario.archipelago, point, live_points(whole, point))
    ends = branch_ends(whole)
    dead = (owner < 0) & own_node[ends.from_node] & own_node[ends.to_node]
    grid = _grid(whole, np.isin(owner, cells) | dead, nodes, place, top)
    own, fleets, devices, offset = [], [], [np.zeros(0, dtype=np.int64)], 0
    for fleet in scenario.fleets:
        rows = np.flatnonzero(own_node[fleet.node])
        if isinstance(fleet, SoftOpenPointFleet):
            rows = rows[np.isin([fleet.point[r] for r in rows], _inner(fleet, own_node))]
        if len(rows):
            one = select(fleet, rows)
            own.append(one)
            fleets.append(replace(cast("Any", one.fleet), node=place[one.fleet.node]))
            devices.append(offset + one.rows)
        offset += len(cast("DeviceFleet", fleet).id)
    part = replace(
        scenario,
        grid=grid,
        archipelago=_archipelago(scenario.archipelago, cells, nodes, place),
        fleets=tuple(fleets),
        connection=Connection(),
    )
    head = int(place[scenario.archipelago.tie[cell - 1].lower_node])
    return Subtree(part, cells, nodes, np.concatenate(devices), head, tuple(own))


def _all(scenario: Scenario, cells: Ints) -> Subtree:
    own = tuple(OwnDevices(cast("DeviceFleet", fleet), np.arange(len(fleet.id))) for fleet in scenario.fleets)
    nodes, devices = np.arange(len(scenario.grid.nodes)), np.arange(len(scenario.device_node))
    return Subtree(scenario, cells, nodes, devices, scenario.grid.source.node, own)


def _inner(fleet: SoftOpenPointFleet, own_node: Bools) -> list[str]:
    """Soft open points with both ends inside."""
    outside = {fleet.point[row] for row in np.flatnonzero(~own_node[fleet.node])}
    return [name for name in dict.fromkeys(fleet.point) if name not in outside]


def _grid(whole: Grid, kept: Bools, nodes: Ints, place: Ints, top: int) -> Grid:
    lines, trafos = _rows(whole.lines, kept[: len(whole.lines)]), _rows(whole.transformers, kept[len(whole.lines) :])
    from_node, to_node = _ends(place[lines.from_node], place[lines.to_node])
    hv_node, lv_node = _ends(place[trafos.hv_node], place[trafos.lv_node])
    known = {whole.nodes.id[n] for n in nodes} | set(lines.id) | set(trafos.id)
    switch = (place[whole.switches.node] >= 0) & np.array([e in known for e in whole.switches.element], dtype=np.bool_)
    switches = _rows(whole.switches, switch)
    here = np.zeros(len(whole.nodes), dtype=np.bool_)
    here[nodes] = True
    return replace(
        whole,
        nodes=_rows(whole.nodes, here),
        lines=replace(lines, from_node=from_node, to_node=to_node),
        transformers=replace(trafos, hv_node=hv_node, lv_node=lv_node),
        switches=replace(switches, node=place[switches.node]),
        source=Source(whole.source.id, int(place[top]), whole.source.v_pu),
    )


def _ends(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """An open end outside is told as lying at the other end."""
    return np.where(first < 0, second, first), np.where(second < 0, first, second)


def _rows(table: Any, kept: Bools) -> Any:
    """Some rows of a table of columns."""
    at = np.flatnonzero(kept)
    columns = {f.name: getattr(table, f.name) for f in fields(table)}
    return replace(table, **{k: tuple(v[i] for i in at) if isinstance(v, tuple) else v[at] for k, v in columns.items()})


def _archipelago(whole: Archipelago, cells: Ints, nodes: Ints, place: Ints) -> Archipelago:
    row = np.full(len(whole.cell), 0, dtype=np.int64)  # nodes that came along count to the root of the part
    row[cells] = np.arange(len(cells))
    mine = {whole.cell[c].id for c in cells}
    ties = [
        replace(tie, upper_node=int(place[tie.upper_node]), lower_node=int(place[tie.lower_node]))
        for number, tie in enumerate(whole.tie)
        if tie.upper in mine and tie.lower in mine and number != cells[0] - 1
    ]
    cell = (replace(whole.cell[cells[0]], parent=""), *(whole.cell[c] for c in cells[1:]))
    return Archipelago(cell, tuple(ties), row[whole.node_cell[nodes]])
