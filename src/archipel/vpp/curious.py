"""What a curious portfolio could learn about one device from what its member publishes.

The attacker here is stronger than any real one: on all other days he knows the device's secret, and learns from those
days how it goes with what is published. What is left is measured as a share of the error he would make knowing nothing:

    left = rms error of his estimate / rms error of the mean of the other days          1: nothing learnt, 0: all

For n like, independent devices in a sum the best linear estimate leaves sqrt(1 - 1/n): 0.89 of five, 0.99 of fifty.

Source: leave-one-out residuals of least squares, e.g. T. Hastie, R. Tibshirani, J. Friedman, "The Elements of
Statistical Learning", 2009, section 7.10.1.
"""

from __future__ import annotations

import numpy as np

from archipel.model import Flexibility, Floats


def told(flexibility: Flexibility) -> Floats:
    """What one publication says in all, shape (7,): energy drawn, room up and down of power and energy, losses, stores.

    Sums over stores: which device is in which store is not told, and stores have no names from day to day.
    """
    f = flexibility
    above, below = (np.where(np.isfinite(x), x, 0.0) for x in (f.e_kwh_max, f.e_kwh_min))
    span = np.maximum((above - below).max(axis=1, initial=0.0), 1e-9)
    lossy = 1.0 - f.charge_efficiency * f.discharge_efficiency
    return np.array(
        [
            f.base_kw.sum() * f.dt_h,
            f.p_kw_max.sum() * f.dt_h,
            f.p_kw_min.sum() * f.dt_h,
            above.sum(axis=0).mean(),
            below.sum(axis=0).mean(),
            float(lossy @ span) / float(span.sum()) if f.stores else 0.0,
            float(f.stores),
        ]
    )


def left(secret: Floats, told_by_day: Floats) -> Floats:
    """Share of the error that is left about every device, shape (n,); NaN where the secret never changes.

    The attacker takes the best of: all numbers together, each by itself, nothing.

    Args:
        secret: what is to be hidden, shape (days, n): state of charge, energy of a session.
        told_by_day: what was published, shape (days, features).

    Raises:
        ValueError: with fewer days than there is to learn from.
    """
    days = len(secret)
    moves = np.ptp(told_by_day, axis=0) > 1e-9
    seen = told_by_day[:, moves]
    if days < seen.shape[1] + 3:
        raise ValueError(f"found {days} days for {seen.shape[1]} numbers a day; take at least {seen.shape[1] + 3}")
    scaled = (seen - seen.mean(axis=0)) / seen.std(axis=0) if seen.size else seen
    one = np.ones((days, 1))
    ways = [np.hstack([one, scaled]), one, *(np.hstack([one, column[:, None]]) for column in scaled.T)]
    with np.errstate(invalid="ignore", divide="ignore"):
        least: Floats = np.min([_errors(way, secret) for way in ways], axis=0) / _errors(one, secret)
    return least


def _errors(features: Floats, secret: Floats) -> Floats:
    """Root mean square of leave-one-out residuals, shape (n,)."""
    q, r = np.linalg.qr(features)
    some = np.abs(np.diag(r)) > 1e-9 * np.abs(r).max()
    q = q[:, some]
    rest = (secret - q @ (q.T @ secret)) / np.maximum(1.0 - (q**2).sum(axis=1), 1e-9)[:, None]
    return np.asarray(np.sqrt((rest**2).mean(axis=0)))
