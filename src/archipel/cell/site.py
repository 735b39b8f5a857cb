"""What a cell knows of itself and never tells: its network, its limits, its devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from archipel.cell.soft_ties import Ends, SoftTies, ends_of
from archipel.devices.base import DeviceFleet, Plan, State
from archipel.grid.cell_network import CellFlow, CellNetwork
from archipel.model import Connection, FirmLimits, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.block import control_order
from archipel.optimisation.columns import Columns


@final
@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One cell, as long as its network and devices stay what they are."""

    id: str
    parent: str
    """Cell above; empty for the root."""
    children: tuple[str, ...]
    child_node: Ints
    """Local row of the node each child hangs on."""
    network: CellNetwork
    v_pu_min: Floats
    v_pu_max: Floats
    """The source's limits of the local nodes."""
    node_id: tuple[str, ...]
    branch_id: tuple[str, ...]
    """Ids of local nodes and own branches."""
    fleets: tuple[DeviceFleet, ...]
    """Own devices only; `node` counts through the whole grid."""
    tariff: Tariff
    connection: Connection | None
    """Firm limits at the boundary; None where there are none."""
    margin_v_pu: float
    margin_loading: float
    ties: SoftTies = field(default_factory=SoftTies)
    """Soft open points on whose way it lies."""
    told: FirmLimits | None = None
    """In a plan: firm limits of every interval, in place of `connection`."""

    @property
    def limited(self) -> bool:
        """Whether there are firm limits at the boundary."""
        return self.told is not None or self.connection is not None

    def firm(self, intervals: int) -> FirmLimits:
        """Firm limits at the boundary in every interval."""
        return self.told if self.told is not None else (self.connection or Connection()).over(intervals)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Duty:
    """What there is to decide in one horizon: devices' columns and what draws power anyway."""

    horizon: Horizon
    plans: tuple[Plan, ...]
    """One per fleet of the site."""
    columns: tuple[Columns, ...]
    """Of every plan, in their order; then the powers of the soft open points that are decided here."""
    order: tuple[tuple[int, int, int], ...]
    node: Ints
    """Local row of every control."""
    p: Floats
    q: Floats
    """kW and kvar drawn per unit of every control."""
    lo: Floats
    hi: Floats
    base_p_kw: Floats
    base_q_kvar: Floats
    """Of every local node, shape (nodes, T)."""
    ends: Ends
    """The ends of soft open points among the controls."""

    def drawn(self, u: Floats) -> tuple[Floats, Floats]:
        """What the cell's nodes draw at controls `u` (N, T), without child cells."""
        p, q = self.base_p_kw.copy(), self.base_q_kvar.copy()
        np.add.at(p, self.node, self.p[:, None] * u)
        np.add.at(q, self.node, self.q[:, None] * u)
        return p, q

    def idle(self) -> Floats:
        """A first guess: renewables in full, stores in the middle of what they may hold, batteries at rest."""
        guess = np.where((self.q != 0.0)[:, None], 0.5 * (self.lo + self.hi), self.lo)
        known = ((g, c) for g, c in enumerate(self.columns) if c.store is not None or c.even is not None)
        middle = {g: _middle(columns) for g, columns in known}
        for n, (group, k, j) in enumerate(self.order):
            if group in middle:
                guess[n] = middle[group][k, j]
        return guess

    def gentle(self) -> Floats:
        """A start well inside every limit: as `idle`, but renewables nearly off."""
        plain = np.array([_plain(self.columns[g]) for g, _, _ in self.order], dtype=np.bool_)
        off = plain & (self.q == 0.0)
        return np.where(off[:, None], self.hi - 0.1 * (self.hi - self.lo), self.idle())

    def keys(self) -> list[tuple[int, str, int, int]]:
        """A name for every control that stays the same from plan to plan."""
        seen: dict[tuple[int, str, int], int] = {}
        out = []
        for g, k, j in self.order:
            name = (g, str(int(self.columns[g].node[k])) + self.columns[g].device[k], j)
            seen[name] = seen.get(name, -1) + 1
            out.append((*name, seen[name]))
        return out


def _plain(columns: Columns) -> bool:
    """Whether the columns hold nothing and know no better start than their bounds."""
    return columns.store is None and columns.even is None


def _middle(columns: Columns) -> Floats:
    """Controls (K, J, T) that keep every store near the middle of its bounds.

    Columns with a control for either direction use a little of both.
    """
    if columns.even is not None:
        return columns.even
    store = columns.store
    if store is None:
        raise ValueError("these columns have no store")
    lo, hi = columns.lo, columns.hi
    out = np.zeros_like(lo)
    level = store.start
    floor = np.where(np.isfinite(store.lo), store.lo, -np.inf).max(axis=1, initial=-np.inf)
    for t in range(lo.shape[2]):
        rest = store.keep[:, t] * level + store.add[:, t]
        low = np.where(np.isfinite(store.lo[:, t]), store.lo[:, t], rest)
        high = np.where(np.isfinite(store.hi[:, t]), store.hi[:, t], rest)
        gain = store.gain[:, :, t]
        if lo.shape[1] == 1:
            gap = 0.5 * (low + high) - rest
            way = np.divide(gap, gain[:, 0], out=np.zeros_like(gap), where=gain[:, 0] != 0)
            out[:, 0, t] = np.clip(way, lo[:, 0, t], hi[:, 0, t])
        else:
            # gently towards the middle, on top of a little of both directions
            way = (0.5 * (np.maximum(floor, low) + high) - rest) / 3.0
            for j in (0, 1):
                most = hi[:, j, t]
                little = 0.05 * hi[:, 1, t] * (-gain[:, 1] / gain[:, 0] if j == 0 else 1.0)
                out[:, j, t] = little + np.clip(way / gain[:, j], 0.0, 0.15 * most)
        level = rest + (gain * out[:, :, t]).sum(axis=1)
    return out


def duty(site: Site, states: Mapping[str, State], weather: Weather, horizon: Horizon) -> Duty:
    """Ask every fleet for its columns."""
    t_count = len(horizon)
    plans = tuple(
        fleet.plan(np.arange(len(fleet.id)), states[fleet.kind], weather, horizon, site.tariff) for fleet in site.fleets
    )
    base_p, base_q = np.zeros((2, len(site.network.nodes), t_count))
    for fleet, plan in zip(site.fleets, plans, strict=True):
        at = site.network.local[fleet.node]
        np.add.at(base_p, at, plan.base_p_kw)
        np.add.at(base_q, at, plan.base_q_kvar)
    columns = tuple(plan.columns for plan in plans)
    if site.ties.decides:
        columns = (*columns, site.ties.columns(horizon, int(site.network.nodes[0])))
    order = control_order(columns)
    empty = np.zeros((0, t_count))
    return Duty(
        horizon=horizon,
        plans=plans,
        columns=columns,
        order=order,
        node=np.array([site.network.local[columns[g].node[k]] for g, k, _ in order], dtype=np.int64),
        p=np.array([columns[g].p[k, j] for g, k, j in order]),
        q=np.array([columns[g].q[k, j] for g, k, j in order]),
        lo=np.stack([columns[g].lo[k, j] for g, k, j in order]) if order else empty,
        hi=np.stack([columns[g].hi[k, j] for g, k, j in order]) if order else empty,
        base_p_kw=base_p,
        base_q_kvar=base_q,
        ends=ends_of(site.fleets, order),
    )


def flow(site: Site, what: Duty, u: Floats, child_pq: Floats, v_pu: Floats, guess: CellFlow | None) -> CellFlow:
    """True AC state of the cell at controls `u`, children's powers (children, 2, T) and boundary voltage (T,)."""
    p, q = drawn_with_children(site, what, u, child_pq)
    return site.network.flow(p, q, v_pu, None if guess is None or guess.v.shape[1] != len(v_pu) else guess.v)


def drawn_with_children(site: Site, what: Duty, u: Floats, child_pq: Floats) -> tuple[Floats, Floats]:
    """What all local nodes draw, child cells at theirs."""
    p, q = what.drawn(u)
    if len(child_pq):
        np.add.at(p, site.child_node, child_pq[:, 0])
        np.add.at(q, site.child_node, child_pq[:, 1])
    return p, q
