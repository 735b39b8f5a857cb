"""To quarter hours with energy kept: every interval gives to each quarter hour what overlaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from archipel.model import Floats, Ints

QUARTER = 900_000_000
"""Microseconds."""
ROWS_AT_ONCE = 400_000


def quarter_means(value: Floats, begin: Ints, end: Ints, first: int, rows: int) -> tuple[Floats, Floats]:
    """Means over `rows` quarter hours from number `first` (since 1970), and the share of each that is known.

    `value` (n, k) holds from `begin` to `end` [us]; NaN is not known. With overlap o_iq of interval i and quarter
    hour q, in quarter hours:

        mean_q = sum_i o_iq v_i,    known_q = sum_i o_iq over known v_i

    so mean_q is what is known of the energy of q, over the whole of q, and sum_q mean_q = sum_i v_i length_i as long
    as no interval leaves the window.
    """
    k = value.shape[1]
    mean, known = np.zeros((rows, k)), np.zeros((rows, k))
    for low in range(0, len(begin), ROWS_AT_ONCE):
        part = slice(low, low + ROWS_AT_ONCE)
        inside = (end[part] > first * QUARTER) & (begin[part] < (first + rows) * QUARTER) & (end[part] > begin[part])
        if not inside.any():
            continue
        a, b, v = begin[part][inside], end[part][inside], value[part][inside]
        weight, q0 = _overlaps(a, b, first, rows)
        here = np.isfinite(v)
        window = slice(q0 - first, q0 - first + weight.shape[0])
        if here.all():
            known[window] += np.asarray(weight.sum(axis=1))
            mean[window] += weight @ v
        else:
            known[window] += weight @ here.astype(np.float64)
            mean[window] += weight @ np.where(here, v, 0.0)
    return mean, known


def _overlaps(begin: Ints, end: Ints, first: int, rows: int) -> tuple[csr_matrix, int]:
    """Overlap of quarter hours (rows, from the one returned) with intervals (columns), in quarter hours."""
    low = np.maximum(begin // QUARTER, first)
    high = np.minimum(-(-end // QUARTER), first + rows)
    count = high - low
    interval = np.repeat(np.arange(len(begin)), count)
    quarter = np.arange(len(interval)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    overlap = np.minimum(end[interval], (quarter + 1) * QUARTER) - np.maximum(begin[interval], quarter * QUARTER)
    q0 = int(low.min())
    shape = (int(high.max()) - q0, len(begin))
    return csr_matrix((overlap / QUARTER, (quarter - q0, interval)), shape=shape), q0


def energy(value: Floats, begin: Ints, end: Ints) -> Floats:
    """Sum of value times length, in quarter hours, of every column; NaN counts as nothing."""
    length = (end - begin) / QUARTER
    return np.asarray(np.nansum(value * length[:, None], axis=0))


def in_single(value: Floats) -> NDArray[np.float32]:
    """Single precision with the sum of every column kept.

    Rounding to single precision moves every value by up to 3e-8 of it. What the sum of a column loses is put back
    into one value of it, chosen so that it moves by about 1e-4 of itself at most, then into a smaller one what that
    still left. A column that is constant can only be kept to about 3e-8 over its length.
    """
    single = value.astype(np.float32)
    size = np.abs(single)
    for k in range(value.shape[1]):
        for _ in range(3):
            lost = float(value[:, k].sum() - single[:, k].sum(dtype=np.float64))
            if lost == 0.0:
                break
            fits = np.abs(size[:, k] - abs(lost) * 1e4)
            at = int(np.argmin(np.where(size[:, k] > 0, fits, np.inf)))
            single[at, k] = np.float32(float(single[at, k]) + lost)
    return single
