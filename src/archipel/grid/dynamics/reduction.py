"""The door from the twin's grid: an island's network, reduced to the terminals of its units and loads of interest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.grid.branch_model import BASE_KVA, Complexes, branch_model, shunt_admittance
from archipel.grid.dynamics.island import Network, kron
from archipel.grid.topology import branch_ends, components, fused
from archipel.model import Bools, Floats, Grid, GridError, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """A network between terminals, and the way back to all nodes of the island."""

    network: Network
    nodes: Ints
    """Rows of `Grid.nodes` in the island."""
    live: Bools
    """Which of them a terminal reaches, shape (nodes,)."""
    back: Complexes
    """Voltage of the island's nodes per terminal's, shape (nodes, M); zero rows where nothing is live."""

    def v_pu(self, terminals: Complexes) -> Floats:
        """Voltages of the island's nodes from the complex ones at terminals, shape (M,) or (M, S)."""
        return np.asarray(np.abs(self.back @ terminals))


def reduced(
    grid: Grid,
    nodes: Ints,
    terminals: Ints,
    p_kw: Floats,
    q_kvar: Floats,
    v_pu: Floats,
    *,
    f_hz: float | None = None,
) -> Reduced:
    """The network of an island, Kron-reduced to `terminals`, its loads as admittances at a solved power flow.

    Args:
        grid: The whole grid with its switches.
        nodes: Rows of the nodes in the island (of one cell, `CellNetwork.nodes`, or of several). Branches that lead out
            of them are taken as open at both ends: the island has opened its ties.
        terminals: Rows of nodes that stay: where units and loads of the simulation stand, in their order.
        p_kw: Power drawn at every node of `nodes` that goes into the network as `conj(s) / v_pu**2`; without what the
            simulation's own units and loads draw.
        q_kvar: The same.
        v_pu: Voltage of these nodes at that power flow.
        f_hz: Frequency of the reactances and charging; None: nominal.

    Raises:
        GridError: A terminal is not in the island, two terminals are one electrical point, or values are no use.

    Source: see `island.kron`; loads as admittances: P. Kundur, "Power System Stability and Control", 1994, 7.1.1.
    """
    if f_hz is not None:
        grid = _at_frequency(grid, f_hz)
    model, ends, point = branch_model(grid), branch_ends(grid), fused(grid)
    inside = np.zeros(len(grid.nodes), dtype=np.bool_)
    inside[nodes] = True
    _check(grid, inside, terminals, point)
    kept = np.where(ends.from_closed, inside[ends.from_node], True) & np.where(
        ends.to_closed, inside[ends.to_node], True
    )
    kept &= (inside[ends.from_node] | ~ends.from_closed) & (inside[ends.to_node] | ~ends.to_closed)
    kept &= inside[ends.from_node] | inside[ends.to_node]
    row_of_point = np.full(int(point.max()) + 1, -1)
    points = np.unique(point[nodes])
    row_of_point[points] = np.arange(len(points))
    n = len(points)
    y: Complexes = np.zeros(
        (n + 1, n + 1), dtype=np.complex128
    )  # one more for ends outside, whose admittances are zero
    a, b = (np.where(inside[end], row_of_point[point[end]], n)[kept] for end in (ends.from_node, ends.to_node))
    for rows, columns, values in ((a, a, model.ff), (a, b, model.ft), (b, a, model.tf), (b, b, model.tt)):
        np.add.at(y, (rows, columns), values[kept])
    standing = inside[grid.shunts.node]
    earthed = row_of_point[point[grid.shunts.node[standing]]]
    np.add.at(y, (earthed, earthed), shunt_admittance(grid)[standing])
    y = y[:n, :n]
    through = (ends.from_closed & ends.to_closed)[kept]
    part = components(n, a[through], b[through])
    at = row_of_point[point[terminals]]
    lit = np.isin(part, part[at])
    own = row_of_point[point[nodes]]
    drawn = (p_kw - 1j * q_kvar) / BASE_KVA
    with np.errstate(divide="ignore", invalid="ignore"):
        y_load = np.where(lit[own] & (drawn != 0), drawn / np.square(v_pu), 0.0)
    if not np.isfinite(y_load).all():
        bad = nodes[np.flatnonzero(~np.isfinite(y_load))[0]]
        raise GridError(f"{grid.nodes.id[bad]}: its power or voltage is no use; give a solved power flow")
    np.add.at(y, (own, own), y_load)
    rest = np.setdiff1d(np.flatnonzero(lit), at)
    back: Complexes = np.zeros((n, len(at)), dtype=np.complex128)
    back[at, np.arange(len(at))] = 1.0
    back[rest] = -np.linalg.solve(y[np.ix_(rest, rest)], y[np.ix_(rest, at)]) if len(rest) else 0.0
    live = np.flatnonzero(lit)
    network = Network(kron(y[np.ix_(live, live)], np.searchsorted(live, at)))
    return Reduced(network, nodes, lit[own], back[own])


def _check(grid: Grid, inside: Bools, terminals: Ints, point: Ints) -> None:
    if len(terminals) == 0:
        raise GridError("found no terminals; name the nodes of the island's units")
    for node in terminals[~inside[terminals]]:
        raise GridError(f"{grid.nodes.id[node]}: a terminal, but not a node of the island")
    _, first, count = np.unique(point[terminals], return_index=True, return_counts=True)
    for row in first[count > 1]:
        same = terminals[point[terminals] == point[terminals[row]]]
        names = " and ".join(grid.nodes.id[node] for node in same)
        raise GridError(f"{names} are one electrical point; name one of them as terminal for all that stands there")


def _at_frequency(grid: Grid, f_hz: float) -> Grid:
    """Reactances and charging in proportion to frequency; iron losses and magnetising current stay."""
    k = f_hz / grid.f_hz
    lines, trafos, shunts = grid.lines, grid.transformers, grid.shunts
    x_percent = k * np.sqrt(trafos.vk_percent**2 - trafos.vkr_percent**2)
    return replace(
        grid,
        f_hz=f_hz,
        lines=replace(lines, x_ohm=lines.x_ohm * k),
        transformers=replace(trafos, vk_percent=np.hypot(trafos.vkr_percent, x_percent)),
        shunts=replace(shunts, q_kvar=shunts.q_kvar * np.where(shunts.q_kvar < 0.0, k, 1.0 / k)),
    )
