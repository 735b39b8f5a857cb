"""Which devices go together: groups of like shape, none smaller than what privacy asks for."""

from __future__ import annotations

import heapq

import numpy as np

from archipel.model import Floats, Ints
from archipel.vpp.piece import Pieces
from archipel.vpp.pool import pool

BLOCKS = 4
"""Parts of the horizon whose means describe a shape."""
FLOOR = 1e-3
"""Relative size below which a bound is as good as 0."""
ALIKE = 0.02
"""Groups whose shapes differ by less (2 %) are not split any more."""


def groups(pieces: Pieces, most: int, least: int) -> Ints:
    """Group 0..G-1 of every piece, shape (N,).

    Pieces that leak or lose differently in a way that `pool` cannot join are apart from the outset. The group with the
    largest weight times spread of shapes is halved, where its shapes spread most, until there are `most` or all are
    alike; no half is smaller than `least`.
    """
    if not len(pieces):
        return np.zeros(0, dtype=np.int64)
    shape, size = shapes(pieces)
    apart = np.where((pieces.charge_efficiency < 1.0) | (pieces.discharge_efficiency < 1.0), pieces.keep, 0.0)
    _, kind = np.unique(apart, return_inverse=True)
    return halved(shape, size, kind, most, least)


def shapes(pieces: Pieces) -> tuple[Floats, Floats]:
    """(logarithms of the bounds relative to the size, (N, features); size, (N,))."""
    span = np.where(np.isfinite(pieces.e_kwh_max), pieces.e_kwh_max, 0.0) - np.where(
        np.isfinite(pieces.e_kwh_min), pieces.e_kwh_min, 0.0
    )
    power = (pieces.p_kw_max - pieces.p_kw_min).mean(axis=1)
    size = np.where(span.max(axis=1) > 1e-9, span.max(axis=1), power)
    size = np.maximum(size, 1e-9)
    edges = np.unique(np.linspace(0, span.shape[1], min(BLOCKS, span.shape[1]) + 1).astype(int)[:-1])
    length = np.diff(np.append(edges, span.shape[1]))
    rows = [
        np.add.reduceat(np.where(np.isfinite(value), value, 0.0), edges, axis=1) / length
        for value in (pieces.p_kw_max, -pieces.p_kw_min, pieces.e_kwh_max, -pieces.e_kwh_min)
    ]
    shape = np.concatenate(rows, axis=1) / size[:, None]
    return np.log(np.maximum(shape, FLOOR)), size


def halved(shape: Floats, weight: Floats, kind: Ints, most: int, least: int) -> Ints:
    """Groups by repeated halving, see `groups`; `kind` is kept apart from the outset."""
    heap: list[tuple[float, int, Ints, int]] = []
    done: list[Ints] = []
    count = 0

    def offer(rows: Ints) -> None:
        nonlocal count
        count += 1
        spread = np.ptp(shape[rows], axis=0)
        widest = int(spread.argmax())
        if len(rows) < 2 * least or spread[widest] < ALIKE:
            done.append(rows)
        else:
            heapq.heappush(heap, (-float(weight[rows].sum() * spread[widest]), count, rows, widest))

    for k in np.unique(kind):
        offer(np.flatnonzero(kind == k))
    while heap and len(heap) + len(done) < most:
        _, _, rows, feature = heapq.heappop(heap)
        value = shape[rows, feature]
        order = np.argsort(value, kind="stable")
        middle = np.searchsorted(value[order], 0.5 * (value.min() + value.max()))
        middle = int(np.clip(middle, max(least, 1), len(rows) - max(least, 1)))
        offer(np.sort(rows[order[:middle]]))
        offer(np.sort(rows[order[middle:]]))
    done += [rows for _, _, rows, _ in heap]
    out = np.empty(len(weight), dtype=np.int64)
    for number, rows in enumerate(sorted(done, key=lambda r: int(r[0]))):
        out[rows] = number
    return out


def shares(pieces: Pieces, group: Ints, dt_h: float) -> Floats:
    """Weight of every piece in its group, the best of three: by energy, by energy and power, by what fits inside."""
    shape, size = shapes(pieces)
    count = int(group.max(initial=-1)) + 1
    mean = np.stack([np.bincount(group, shape[:, f], count) for f in range(shape.shape[1])], axis=1)
    off = shape - (mean / np.bincount(group, minlength=count)[:, None])[group]
    tries = (size, size * np.exp(off.mean(axis=1)), size * np.exp(off.min(axis=1)))
    best, score = tries[0].copy(), np.full(count, -1.0)
    for share in tries:
        stores = pool(pieces, group, share, dt_h).stores
        power = (stores.p_kw_max - stores.p_kw_min).mean(axis=1)
        energy = np.minimum(stores.e_kwh_max, 1e9) - np.maximum(stores.e_kwh_min, -1e9)
        worth = power * energy.mean(axis=1)
        better = worth > score
        best[better[group]] = share[better[group]]
        score = np.maximum(score, worth)
    return best
