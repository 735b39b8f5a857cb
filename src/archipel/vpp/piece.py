"""What single devices can change of their baseline, as rows of arrays: the raw material of what a member publishes.

A piece is a device, or a part of one. It never leaves the member.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np

from archipel.model import Bools, Floats, Ints
from archipel.optimisation.columns import Columns


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """N pieces over T intervals, each a store as in `Flexibility` with its level at 0 when nothing is asked."""

    column: Ints
    """Row of `Plan.columns` the piece belongs to, shape (N,)."""
    p_kw_min: Floats
    p_kw_max: Floats
    """Bounds of the change of power, around 0, shape (N, T)."""
    e_kwh_min: Floats
    e_kwh_max: Floats
    """Bounds of what the change puts aside, around 0, shape (N, T); infinite where free."""
    keep: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    cost_eur_per_kwh: Floats
    """Shape (N,) each."""

    def __len__(self) -> int:
        return len(self.column)

    def take(self, rows: Ints | Bools) -> Pieces:
        """Some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def around(columns: Columns, u: Floats, level: Floats | None, dt_h: float) -> Pieces:
    """Every column as one piece around the baseline (`u`, `level`), in the order of the columns.

    A device with losses both ways (two controls) may, while its baseline charges, only charge more or less than nothing
    more: there a change up and down again would leave more in the store than the change itself says.
    A fee on what is drawn is no cost of a change: what is drawn less saves it. What costs whichever way it can go is.

    Raises:
        ValueError: for columns whose gain or keep changes from interval to interval; a published store has one of each.
    """
    sign = columns.p[:, :, None]
    base = (sign * u).sum(axis=1)
    reach = np.sort(np.stack([sign * columns.lo, sign * columns.hi]), axis=0).sum(axis=2)
    low, high = np.minimum(reach[0] - base, 0.0), np.maximum(reach[1] - base, 0.0)
    cost = _cost(columns, u, dt_h)
    one, free = np.ones(len(columns)), np.full(base.shape, np.inf)
    rows = np.arange(len(columns))
    store = columns.store
    if store is None or level is None:
        return Pieces(rows, low, high, -free, free, one, one, one, cost)
    if np.ptp(store.gain, axis=2).max(initial=0.0) > 1e-9 or np.ptp(store.keep, axis=1).max(initial=0.0) > 1e-9:
        raise ValueError("found stores whose gain or keep changes with time; publish over intervals of equal length")
    per_kwh = store.gain[:, :, 0] / dt_h
    up, down, unit = one, one, per_kwh[:, 0] * columns.p[:, 0]
    if per_kwh.shape[1] > 1:
        up, down, unit = per_kwh[:, 0], -1.0 / per_kwh[:, 1], one
        low, high = np.where(base > 1e-9, 0.0, low), np.where(base < -1e-9, 0.0, high)
    a, b = (store.lo - level) / unit[:, None], (store.hi - level) / unit[:, None]
    return Pieces(
        rows, low, high, np.minimum(np.minimum(a, b), 0.0), np.maximum(np.maximum(a, b), 0.0),
        store.keep[:, 0], up, down, cost,
    )  # fmt: skip


def _cost(columns: Columns, u: Floats, dt_h: float) -> Floats:
    """EUR per kWh of change, shape (K,)."""
    price = columns.cost.mean(axis=2) / dt_h
    if columns.lo.shape[1] > 1:
        return np.asarray(np.maximum(price, 0.0).max(axis=1))
    at_low, at_high = (np.abs(u - end).max(axis=(1, 2), initial=0.0) < 1e-6 for end in (columns.lo, columns.hi))
    return np.asarray(np.where(at_low | at_high, np.abs(price[:, 0]), 0.0))
