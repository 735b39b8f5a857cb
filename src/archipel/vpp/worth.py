"""What stores are worth at many prices at once, exactly, without a solver: a dynamic programme on slopes.

Backwards over the intervals, the worth W of a level is concave and made of straight pieces. One interval turns it into

    V(y) = max over d of  g(d) + W(y + d),      g(d) = -(price u(d) + cost |u(d)|) dt,      y = keep x

and for two concave functions of straight pieces that is nothing but their pieces sorted by slope; then it is cut to the
bounds of the level. Where charging and discharging at once would pay (negative prices and losses) g is replaced by its
concave hull, as in a linear programme: there the worth is an upper bound.

Source: sup-convolution of concave functions, R. T. Rockafellar, "Convex Analysis", 1970, section 16.
"""

from __future__ import annotations

import numpy as np

from archipel.model import Flexibility, Floats, Ints
from archipel.vpp.piece import Pieces

CHUNK = 20_000
"""Stores times prices worked on at once."""


def gains(flexibility: Flexibility, prices_eur_per_kwh: Floats) -> Floats:
    """Gain of the best use at every price vector (N, T), shape (N,), as `optimum(...).gain_eur`; ramps do not count."""
    return store_gains(_stores(flexibility), prices_eur_per_kwh, flexibility.dt_h)


def best_uses(flexibility: Flexibility, prices_eur_per_kwh: Floats) -> Floats:
    """Change of every store at every price vector (N, T), shape (N, S, T): always inside what was published.

    The best use, as `optimum` finds it one by one; but ramps do not count, and where burning energy would pay
    (negative prices and losses) it is only a good one, because no store charges and discharges at once.
    """
    f, count = flexibility, len(prices_eur_per_kwh)
    stores = _stores(f)
    out = np.empty((f.stores, count, f.intervals))
    for row in range(f.stores):
        for at in range(0, count, CHUNK):
            price = prices_eur_per_kwh[at : at + CHUNK]
            own = stores.take(np.full(len(price), row))
            steps: list[tuple[Floats, Floats, Floats]] = []
            _worth(own, price, f.dt_h, steps)
            out[row, at : at + CHUNK] = _moves(own, price, f.dt_h, steps[::-1])
    return np.ascontiguousarray(out.transpose(1, 0, 2))


def _stores(f: Flexibility) -> Pieces:
    """The published stores with a level of 0 when nothing is asked."""
    begun = f.e_kwh_start[:, None] * np.cumprod(np.repeat(f.keep[:, None], f.intervals, axis=1), axis=1)
    return Pieces(
        np.ones(f.stores, dtype=np.int64),
        f.p_kw_min,
        f.p_kw_max,
        f.e_kwh_min - begun,
        f.e_kwh_max - begun,
        f.keep,
        f.charge_efficiency,
        f.discharge_efficiency,
        f.cost_eur_per_kwh.mean(axis=1),
    )


def store_gains(stores: Pieces, prices_eur_per_kwh: Floats, dt_h: float) -> Floats:
    """The same for any stores that start at level 0, shape (N,): the sum over all of them."""
    count = len(prices_eur_per_kwh)
    total = np.zeros(count)
    per = max(1, CHUNK // max(count, 1))
    for at in range(0, len(stores), per):
        some = stores.take(np.arange(at, min(at + per, len(stores))))
        pairs = np.repeat(np.arange(len(some)), count)
        worth = _worth(some.take(pairs), np.tile(prices_eur_per_kwh, (len(some), 1)), dt_h)
        total += worth.reshape(len(some), count).sum(axis=0)
    return total


def _moves(s: Pieces, price: Floats, dt_h: float, steps: list[tuple[Floats, Floats, Floats]]) -> Floats:
    """The change of each store that its worth asks for, (B, T).

    Up to where a kWh stored is worth no more than it costs, down to where it is worth as much as it earns. `steps` are
    the worths after every interval.
    """
    cost, eta, nu = s.cost_eur_per_kwh, s.charge_efficiency, s.discharge_efficiency
    level, out = np.zeros(len(price)), np.empty(price.shape)
    for t, (left, slope, length) in enumerate(steps):
        pays, earns = (price[:, t] + cost) / eta, (price[:, t] - cost) * nu
        pays = np.maximum(pays, np.minimum(earns, 0.5 * (pays + earns)))
        earns = np.minimum(earns, pays)
        up_to = left + np.where(slope > pays[:, None], length, 0.0).sum(axis=1)
        down_to = left + np.where(slope >= earns[:, None], length, 0.0).sum(axis=1)
        begun = s.keep * level
        after = np.clip(begun, up_to, down_to)
        most = begun + s.p_kw_max[:, t] * dt_h * eta
        after = np.clip(after, begun + s.p_kw_min[:, t] * dt_h / nu, most)
        gained = (after - begun) / dt_h
        out[:, t] = np.where(gained > 0, gained / eta, gained * nu)
        level = after
    return out


def _worth(s: Pieces, price: Floats, dt_h: float, steps: list[tuple[Floats, Floats, Floats]] | None = None) -> Floats:
    """Worth of level 0 at the start of each of B stores, under its own price (B, T).

    `steps` is filled with (left end, slopes, lengths) of the worth after every interval, the last first.
    """
    b_count, t_count = price.shape
    up = s.p_kw_max * dt_h * s.charge_efficiency[:, None]
    down = -s.p_kw_min * dt_h / s.discharge_efficiency[:, None]
    reach = np.cumsum(up + down, axis=1)
    low, high = np.maximum(s.e_kwh_min, -reach - 1.0), np.minimum(s.e_kwh_max, reach + 1.0)
    cost = s.cost_eur_per_kwh[:, None]
    pays, earns = (price + cost) / s.charge_efficiency[:, None], (price - cost) * s.discharge_efficiency[:, None]
    left, worth = low[:, -1].copy(), np.zeros(b_count)
    slope, length = np.zeros((b_count, 1)), (high[:, -1] - left)[:, None]
    for t in range(t_count - 1, -1, -1):
        if t < t_count - 1:
            left, worth, length = _cut(left, worth, slope, length, low[:, t], high[:, t])
        if steps is not None:
            steps.append((left, slope, length))
        # From y upwards it discharges ever less, then charges ever more: y = level after - d.
        worth = worth - pays[:, t] * up[:, t]
        left = left - up[:, t]
        slope, length = _insert(slope, length, pays[:, t], up[:, t])
        slope, length = _insert(slope, length, earns[:, t], down[:, t])
        keep = s.keep
        left, slope, length = left / keep, slope * keep[:, None], length / keep[:, None]
    into = np.clip(-left[:, None] - (np.cumsum(length, axis=1) - length), 0.0, length)
    return np.asarray(worth + (slope * into).sum(axis=1))


def _insert(slope: Floats, length: Floats, new: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Pieces sorted by falling slope with one more."""
    place: Ints = (slope > new[:, None]).sum(axis=1)
    at = np.arange(slope.shape[1] + 1)
    before, here = at < place[:, None], at == place[:, None]

    def put(old: Floats, value: Floats) -> Floats:
        wide = np.empty((old.shape[0], old.shape[1] + 1))
        wide[:, 1:] = old
        wide[:, :1] = 0.0
        np.copyto(wide[:, :-1], old, where=before[:, :-1])
        np.copyto(wide, value[:, None], where=here)
        return wide

    return put(slope, new), put(length, size)


def _cut(
    left: Floats, worth: Floats, slope: Floats, length: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """The function on [low, high] only."""
    ends = left[:, None] + np.cumsum(length, axis=1)
    begins = ends - length
    cut_left = np.clip(low[:, None] - begins, 0.0, length)
    rest = np.clip(np.minimum(ends, high[:, None]) - np.maximum(begins, low[:, None]), 0.0, None)
    return np.maximum(left, low), worth + (slope * cut_left).sum(axis=1), rest
