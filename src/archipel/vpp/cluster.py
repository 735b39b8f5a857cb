"""Which devices go together: groups of like shape, none smaller than what privacy asks for.

The shape of a device is its bounds over a few parts of the day relative to its size. A group has one shape R, and a
member is worth as much of R as fits inside its own bounds: beta = min over the bounds of (own / R). Groups begin as
halves of halves; then every device goes to the group of which most fits into it, and groups take the mean shape of
their members, a few times over (Lloyd's iteration with another measure).

Source: S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982),
doi:10.1109/TIT.1982.1056489; what fits inside: the homothets of `pool`.
"""

from __future__ import annotations

import numpy as np

from archipel.model import Floats, Ints
from archipel.vpp.divide import divided
from archipel.vpp.piece import Pieces
from archipel.vpp.pool import pool

BLOCKS = 4
TRIES = 9
ROUNDS = 12
FLOOR = 1e-4
"""Relative bound below which it counts as this."""
CHUNK = 4096


def groups(pieces: Pieces, most: int, least: int) -> Ints:
    """Group 0..G-1 of every piece, shape (N,), at most `most`, of `least` or more each.

    Pieces that leak or lose differently in a way that `pool` cannot join are apart from the outset.
    """
    if not len(pieces):
        return np.zeros(0, dtype=np.int64)
    bounds = _bounds(pieces)
    power, energy = _spans(bounds)
    size = np.sqrt(power * energy)
    shape = np.log(np.maximum(bounds.reshape(len(bounds), -1) / size[:, None], FLOOR))
    apart = np.where((pieces.charge_efficiency < 1.0) | (pieces.discharge_efficiency < 1.0), pieces.keep, 0.0)
    _, kind = np.unique(apart, return_inverse=True)

    def worth(rows: Ints) -> float:
        own = shape[rows]
        middle = own.mean(axis=0)
        return float(size[rows] @ np.exp((own - middle).min(axis=1))) * _worth(middle)

    sorts = [np.log(power / energy), *shape.reshape(len(shape), 4, -1).mean(axis=2).T, pieces.keep]
    group = divided(kind, sorts, worth, most, least, TRIES)
    return _settled(group, shape, size, kind, least)


def _settled(group: Ints, shape: Floats, size: Floats, kind: Ints, least: int) -> Ints:
    """The groups after everybody has gone where most of the group's shape fits inside, for a few rounds."""
    best, score = group, -1.0
    for _ in range(ROUNDS):
        middle = _means(group, shape)
        fits = _fits(shape, middle, kind, kind[np.unique(group, return_index=True)[1]])
        total = float(size @ np.take_along_axis(fits, group[:, None], axis=1)[:, 0])
        if total > score:
            best, score = group, total
        wish = fits.argmax(axis=1)
        few = np.bincount(wish, minlength=len(middle)) < np.minimum(least, np.bincount(group))
        if few.any():
            wish = np.where(few[group] | few[wish], group, wish)
        if np.array_equal(wish, group):
            break
        if np.any(np.bincount(wish, minlength=len(middle)) < np.minimum(least, np.bincount(group))):
            break
        group = wish
    return best


def _means(group: Ints, shape: Floats) -> Floats:
    count = np.bincount(group)
    return np.stack([np.bincount(group, column) / count for column in shape.T], axis=1)


def _fits(shape: Floats, middle: Floats, kind: Ints, kind_of: Ints) -> Floats:
    """Worth of what fits into every piece of every group's shape per unit of size, (N, G)."""
    worth = np.array([_worth(one) for one in middle])
    out = np.empty((len(shape), len(middle)))
    for at in range(0, len(shape), CHUNK):
        own = slice(at, at + CHUNK)
        least = np.full((len(shape[own]), len(middle)), np.inf)
        for j in range(shape.shape[1]):
            np.minimum(least, shape[own, j, None] - middle[None, :, j], out=least)
        out[own] = np.where(kind[own, None] == kind_of[None], np.exp(least) * worth, 0.0)
    return out


def _worth(log_shape: Floats) -> float:
    """Root of mean power times mean energy: of one degree in the size of a shape."""
    power, energy = np.exp(log_shape).reshape(2, -1).sum(axis=1)
    return float(np.sqrt(power * energy))


def _bounds(pieces: Pieces) -> Floats:
    """Means over blocks of (up, down, room above, room below), (N, 4, blocks), non-negative; free energy as none."""
    t_count = pieces.p_kw_max.shape[1]
    edges = np.unique(np.linspace(0, t_count, min(BLOCKS, t_count) + 1).astype(int)[:-1])
    length = np.diff(np.append(edges, t_count))
    sides = (pieces.p_kw_max, -pieces.p_kw_min, pieces.e_kwh_max, -pieces.e_kwh_min)
    return np.stack(
        [np.add.reduceat(np.where(np.isfinite(side), side, 0.0), edges, axis=1) / length for side in sides], axis=1
    )


def _spans(bounds: Floats) -> tuple[Floats, Floats]:
    """Mean room of power and of energy, (N,) each, above zero."""
    power, energy = bounds.reshape(len(bounds), 2, 2, -1).sum(axis=2).mean(axis=2).T
    power = np.maximum(power, 1e-9)
    return power, np.where(energy > 1e-9, energy, power)


def shares(pieces: Pieces, group: Ints, dt_h: float) -> Floats:
    """Weight of every piece in its group: what fits of the mean shape, or by energy, or by power, what keeps most."""
    bounds = _bounds(pieces)
    power, energy = _spans(bounds)
    size = np.sqrt(power * energy)
    shape = np.log(np.maximum(bounds.reshape(len(bounds), -1) / size[:, None], FLOOR))
    inner = size * np.exp((shape - _means(group, shape)[group]).min(axis=1))
    count = int(group.max(initial=-1)) + 1
    best, score = energy.copy(), np.full(count, -1.0)
    for share in (inner, energy, size, power):
        kept_power, kept_energy = _spans(_bounds(pool(pieces, group, share, dt_h).stores))
        worth = kept_power * kept_energy
        better = worth > score
        best[better[group]] = share[better[group]]
        score = np.maximum(score, worth)
    return best
