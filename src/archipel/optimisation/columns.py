"""What flexible devices put into the schedule problem: boxes, linear costs and at most one first-order store each.

    control  u[k, j, t]   lo <= u <= hi,  cost[k, j, t] * u + 1/2 quad[k, j, t] * u^2
    power    p[k, t] = sum_j p[k, j] * u[k, j, t]        (load convention, at node[k]);  q likewise
    store    e[k, t] = keep[k, t] * e[k, t-1] + sum_j gain[k, j, t] * u[k, j, t] + add[k, t],   e[k, -1] = start[k]
             leaving e_lo..e_hi costs price[k, t] per unit and interval (a hinge), so no problem is ever infeasible

This closed form is what makes agreement between cells cheap: the response of one column to prices is a
tridiagonal solve, whatever the device is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Floats, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """Energy (or temperature) that couples the intervals of a column. Units are the device's own."""

    keep: Floats
    """Share of the store that survives each interval, shape (K, T), in (0, 1]."""
    gain: Floats
    """Increase of the store per kW of each control over the interval, shape (K, J, T)."""
    add: Floats
    """Increase of the store from outside per interval (negative: loss), shape (K, T)."""
    start: Floats
    """Store before the first interval, shape (K,)."""
    lo: Floats
    hi: Floats
    """Bounds at the end of every interval, shape (K, T); infinite where free."""
    price: Floats
    """Cost per unit of store outside its bounds and interval [EUR], shape (K, T), above zero."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """K columns of J controls over T intervals."""

    device: tuple[str, ...]
    """A name for every column: the device's id, or the first of those it stands for."""
    node: Ints
    """Node row of every column, shape (K,)."""
    p: Floats
    q: Floats
    """kW and kvar drawn per unit of each control, shape (K, J)."""
    lo: Floats
    hi: Floats
    """Bounds of the controls, shape (K, J, T), finite, lo <= hi."""
    cost: Floats
    """EUR per unit of control held for the whole interval, shape (K, J, T)."""
    quad: Floats
    """EUR per unit squared held for the whole interval, shape (K, J, T), above zero: keeps the answer unique."""
    store: Store | None = None
    even: Floats | None = None
    """Controls well inside their bounds that also keep the store inside its own, where the device knows some: a start
    for methods that need an interior, shape (K, J, T)."""

    def __len__(self) -> int:
        return len(self.node)

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return int(self.lo.shape[2])

    def store_of(self, u: Floats) -> Floats:
        """Store at the end of every interval, shape (K, T), for controls `u` of shape (K, J, T)."""
        if self.store is None:
            raise ValueError("these columns have no store")
        flow = (self.store.gain * u).sum(axis=1) + self.store.add
        level = np.empty_like(flow)
        before = self.store.start
        for t in range(flow.shape[1]):
            before = self.store.keep[:, t] * before + flow[:, t]
            level[:, t] = before
        return np.asarray(level, dtype=np.float64)


def tiny_quad(hi: Floats, lo: Floats, dt_h: Floats) -> Floats:
    """Curvature that raises the marginal cost by 0.5 EUR/MWh over a control's range [EUR/kW^2 per interval].

    Small beside any price, large enough to make the optimum unique. Shapes as in `Columns`; `dt_h` is (T,).
    """
    span = np.maximum(np.max(hi - lo, axis=-1, keepdims=True), 1.0)
    return np.asarray(np.broadcast_to(5e-4 / span, hi.shape) * dt_h, dtype=np.float64)
