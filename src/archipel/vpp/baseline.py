"""What a device draws when nothing is asked of it: the path that everything published is a change of."""

from __future__ import annotations

import numpy as np

from archipel.model import Floats
from archipel.optimisation.columns import Columns, Store


def baseline(columns: Columns) -> tuple[Floats, Floats | None]:
    """(controls (K, J, T), store levels (K, T) or None) when nothing is asked.

    Without a store a control rests at its cheaper end (nothing is shed, no sun is cut), reactive power at none. A store
    that has to be filled (its upper bound rises: a vehicle) is filled as soon as it can be; any other stays at the
    level it has, moved only as far as its bounds will ask for later. Where bounds cannot be kept the path is as near as
    the control comes.
    """
    if columns.store is None:
        rest = np.where(columns.cost > 0.0, columns.lo, columns.hi)
        active = (columns.p != 0.0)[:, :, None]
        return np.where(active, rest, np.clip(0.0, columns.lo, columns.hi)), None
    store = columns.store
    ends = np.sort(np.stack([store.gain * columns.lo, store.gain * columns.hi]), axis=0).sum(axis=2) + store.add
    step_min, step_max = ends
    low, high = _tube(store, step_min, step_max)
    rests_at = store.hi if is_filled(store) else np.broadcast_to(store.start[:, None], low.shape)
    level, before = np.empty_like(low), store.start
    for t in range(columns.intervals):
        kept = store.keep[:, t] * before
        wish = np.clip(rests_at[:, t], low[:, t], high[:, t])
        before = np.clip(wish, kept + step_min[:, t], kept + step_max[:, t])
        level[:, t] = before
    return _controls(columns, level), level


def is_filled(store: Store) -> bool:
    """Whether these are needs that have to be filled (vehicles): what counts as full rises with time, nothing leaks."""
    rises = store.hi[:, -1] > store.hi[:, 0] + 1e-9
    return bool(np.any(rises & np.isfinite(store.hi[:, -1])) and np.all(store.keep == 1.0) and not store.add.any())


def _tube(store: Store, step_min: Floats, step_max: Floats) -> tuple[Floats, Floats]:
    """Levels from which all later bounds can be kept, (K, T) each."""
    low, high = store.lo.copy(), store.hi.copy()
    for t in range(low.shape[1] - 2, -1, -1):
        keep = store.keep[:, t + 1]
        need, room = (low[:, t + 1] - step_max[:, t + 1]) / keep, (high[:, t + 1] - step_min[:, t + 1]) / keep
        low[:, t] = np.minimum(np.maximum(low[:, t], need), store.hi[:, t])
        high[:, t] = np.maximum(np.minimum(high[:, t], room), store.lo[:, t])
    return low, high


def _controls(columns: Columns, level: Floats) -> Floats:
    """The controls that make these levels; of two, only one moves at a time."""
    store = columns.store
    assert store is not None
    before = np.concatenate([store.start[:, None], level[:, :-1]], axis=1)
    inflow = (level - store.keep * before - store.add)[:, None]
    inflow = np.where(np.abs(inflow) < 1e-12, 0.0, inflow)
    wants = inflow / store.gain
    if store.gain.shape[1] > 1:
        wants = np.maximum(wants, 0.0)
    return np.clip(wants, columns.lo, columns.hi)
