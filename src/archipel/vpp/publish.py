"""What a member tells a portfolio, and the key by which it alone can carry out what the portfolio orders.

plans of the fleets --publish--> Flexibility (to the portfolio), Key (stays here)
change of every store --disaggregate(key)--> controls of every device
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse

from archipel.devices.base import Plan
from archipel.model import Bools, Flexibility, Floats, Horizon, Ints
from archipel.optimisation.columns import Columns
from archipel.vpp import windows
from archipel.vpp.baseline import baseline, is_filled
from archipel.vpp.cluster import groups, shares
from archipel.vpp.optimum import levels
from archipel.vpp.piece import Pieces, around
from archipel.vpp.pool import pool


@final
@dataclass(frozen=True, slots=True)
class Rules:
    """How much a member tells."""

    stores: int = 128
    """About how many stores each kind of device becomes at most. More lose less and take longer to optimise."""
    least: int = 5
    """Fewest devices behind a store; a kind of which the member has fewer is one store."""
    durations: int = 4
    """Durations of charging told apart in one window of vehicles, at least 2."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """How the columns of one plan follow the stores; private."""

    columns: Columns
    base_kw: Floats
    """Power of every column when nothing is asked, shape (K, T)."""
    rest: Floats
    """The controls that make it, shape (K, J, T)."""
    up: sparse.csr_array
    down: sparse.csr_array
    leak: sparse.csr_array
    """kW of a column per kW of change upwards, downwards, and per kWh of level before, shape (K, S) each."""
    free: Ints
    """Store of every column that has no energy, -1 for none, shape (K,)."""
    room_kw: Floats
    """Its own lowest and highest change, shape (2, K, T); of columns without energy."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """What the member keeps to itself: which device is how much of which store."""

    flexibility: Flexibility
    parts: tuple[Part, ...]
    """One for every plan, in their order."""


def publish(
    member: str, plans: Sequence[Plan], horizon: Horizon, rules: Rules | None = None, confidence: float = 1.0
) -> tuple[Flexibility, Key]:
    """The flexibility of all devices in `plans`, which may be those of one cell or of many.

    Everything inside is deliverable by these devices, see `pool` and `windows` for why. What is published of a device
    is its part in sums, nothing else.

    Args:
        member: id of the contract or portfolio.
        plans: from `DeviceFleet.plan`, for `horizon`.
        horizon: with intervals of equal length.
        rules: how many stores, how many devices at least in each.
        confidence: with which the plans' forecasts hold.

    Raises:
        ValueError: if the horizon's intervals differ, or a column has other than one control, or one to charge and one
            to discharge.
    """
    rules = rules or Rules()
    dt_h = horizon.dt_h
    if np.ptp(dt_h) > 0:
        raise ValueError(f"found intervals of {dt_h.min():g} to {dt_h.max():g} h; publish over intervals of one length")
    step = float(dt_h[0])
    drafts = [_draft(plan.columns, step, rules) for plan in plans]
    stores = [draft.stores for draft in drafts]
    total = sum(len(s) for s in stores)
    base = np.zeros(len(horizon))
    parts, at = [], 0
    for plan, draft in zip(plans, drafts, strict=True):
        part = draft.part(at, total)
        parts.append(part)
        base += plan.base_p_kw.sum(axis=0) + part.base_kw.sum(axis=0)
        at += len(draft.stores)

    def table(name: str) -> Floats:
        return np.concatenate([np.zeros((0, len(horizon))), *(getattr(s, name) for s in stores)])

    def column(name: str) -> Floats:
        return np.concatenate([np.zeros(0), *(getattr(s, name) for s in stores)])

    flexibility = Flexibility(
        member=member,
        start=horizon.start,
        dt_h=step,
        base_kw=base,
        p_kw_min=table("p_kw_min"),
        p_kw_max=table("p_kw_max"),
        e_kwh_min=table("e_kwh_min"),
        e_kwh_max=table("e_kwh_max"),
        e_kwh_start=np.zeros(total),
        charge_efficiency=column("charge_efficiency"),
        discharge_efficiency=column("discharge_efficiency"),
        keep=column("keep"),
        cost_eur_per_kwh=np.repeat(column("cost_eur_per_kwh")[:, None], len(horizon), axis=1),
        confidence=confidence,
    )
    return flexibility, Key(flexibility, tuple(parts))


def disaggregate(key: Key, change_kw: Floats) -> tuple[Floats, ...]:
    """Controls (K, J, T) of every plan for a change of every store, shape (S, T), as `DeviceFleet.setpoints` takes."""
    return tuple(_controls(part, p_kw) for part, p_kw in zip(key.parts, column_powers(key, change_kw), strict=True))


def column_powers(key: Key, change_kw: Floats) -> tuple[Floats, ...]:
    """Power of the columns of every plan for a change of every store, shape (K, T) each: load convention."""
    f = key.flexibility
    level = levels(f, change_kw)
    before = np.concatenate([f.e_kwh_start[:, None], level[:, :-1]], axis=1)
    up, down = np.maximum(change_kw, 0.0), np.minimum(change_kw, 0.0)
    out = []
    for part in key.parts:
        p_kw = part.base_kw + part.up @ up + part.down @ down + part.leak @ before
        rows = np.flatnonzero(part.free >= 0)
        store = part.free[rows]
        for room, limit, move in ((part.room_kw[0], f.p_kw_min, down), (part.room_kw[1], f.p_kw_max, up)):
            whole = limit[store]
            share = np.divide(room[rows], whole, out=np.zeros_like(whole), where=whole != 0.0)
            p_kw[rows] += share * move[store]
        out.append(p_kw)
    return tuple(out)


def _controls(part: Part, p_kw: Floats) -> Floats:
    columns = part.columns
    if columns.lo.shape[1] > 1:
        return np.stack([np.maximum(p_kw, 0.0), np.maximum(-p_kw, 0.0)], axis=1)
    sign = columns.p[:, 0]
    moved = np.divide(p_kw, sign[:, None], out=part.rest[:, 0].copy(), where=(sign != 0.0)[:, None])
    return moved[:, None]


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """Stores of one plan and how its columns follow them."""

    columns: Columns
    base_kw: Floats
    rest: Floats
    stores: Pieces
    column: Ints
    store: Ints
    up: Floats
    down: Floats
    leak: Floats
    free: Ints
    room_kw: Floats

    def part(self, at: int, total: int) -> Part:
        where = (self.column, self.store + at)
        up, down, leak = (
            sparse.csr_array((value, where), shape=(len(self.columns), total))
            for value in (self.up, self.down, self.leak)
        )
        free = np.where(self.free >= 0, self.free + at, -1)
        return Part(self.columns, self.base_kw, self.rest, up, down, leak, free, self.room_kw)


def _draft(columns: Columns, dt_h: float, rules: Rules) -> _Draft:
    if columns.lo.shape[1] > 2 or (columns.lo.shape[1] == 2 and not np.all(columns.p == [1.0, -1.0])):
        raise ValueError(
            f"{columns.device[0]}: found {columns.lo.shape[1]} controls; expected one, or one to charge and "
            "one to discharge"
        )
    u, level = baseline(columns)
    if columns.store is not None and level is not None and len(columns) and is_filled(columns.store):
        return _vehicles(columns, u, level, dt_h, rules)
    pieces = around(columns, u, level, dt_h)
    base = (columns.p[:, :, None] * u).sum(axis=1)
    none, zero = np.full(len(columns), -1, dtype=np.int64), np.zeros((2, *base.shape))
    moves = (pieces.p_kw_max - pieces.p_kw_min).max(axis=1, initial=0.0) > 0.0
    if columns.store is None:
        return _without_energy(columns, base, u, pieces, moves)
    some = pieces.take(moves)
    group = groups(some, rules.stores, rules.least)
    if not len(some):
        return _Draft(columns, base, u, some, none[:0], none[:0], np.zeros(0), np.zeros(0), np.zeros(0), none, zero)
    pooled = pool(some, group, shares(some, group, dt_h), dt_h)
    return _Draft(columns, base, u, pooled.stores, some.column, group, pooled.up, pooled.down, pooled.leak, none, zero)


def _without_energy(columns: Columns, base: Floats, u: Floats, pieces: Pieces, moves: Bools) -> _Draft:
    """One store for all of equal cost: a sum of boxes is the box of the sums."""
    some = pieces.take(moves)
    _, first, group = np.unique(np.round(some.cost_eur_per_kwh, 9), return_index=True, return_inverse=True)
    stores = some.take(first)
    low, high = np.zeros((2, len(first), base.shape[1]))
    np.add.at(low, group, some.p_kw_min)
    np.add.at(high, group, some.p_kw_max)
    free = np.full(len(columns), -1, dtype=np.int64)
    free[some.column] = group
    none = np.zeros(0, dtype=np.int64)
    stores = Pieces(
        np.bincount(group, minlength=len(first)), low, high, stores.e_kwh_min, stores.e_kwh_max,
        stores.keep, stores.charge_efficiency, stores.discharge_efficiency, stores.cost_eur_per_kwh,
    )  # fmt: skip
    room = np.stack([pieces.p_kw_min, pieces.p_kw_max])
    return _Draft(columns, base, u, stores, none, none, np.zeros(0), np.zeros(0), np.zeros(0), free, room)


def _vehicles(columns: Columns, u: Floats, level: Floats, dt_h: float, rules: Rules) -> _Draft:
    s = windows.share_out(columns, level, dt_h, rules.stores, rules.least, rules.durations)
    base, earliest, latest = windows.unit_curves(s, columns.intervals)
    k_count, count = len(columns), len(s.first)
    size = np.bincount(s.store, s.p_kw, count)
    one = np.ones(count)
    stores = Pieces(
        column=np.bincount(s.store, minlength=count),
        p_kw_min=-base * size[:, None],
        p_kw_max=(windows.in_window(s, columns.intervals) - base) * size[:, None],
        e_kwh_min=(latest - earliest) * dt_h * size[:, None],
        e_kwh_max=np.zeros((count, columns.intervals)),
        keep=one,
        charge_efficiency=one,
        discharge_efficiency=one,
        cost_eur_per_kwh=0.0 * one,
    )
    weights = sparse.csr_array((s.p_kw, (s.column, s.store)), shape=(k_count, count))
    base_kw = s.fixed_kw + weights @ base
    share = s.p_kw / np.maximum(size[s.store], 1e-12)
    none, zero = np.full(k_count, -1, dtype=np.int64), np.zeros((2, *level.shape))
    return _Draft(columns, base_kw, u, stores, s.column, s.store, share, share, 0.0 * share, none, zero)
