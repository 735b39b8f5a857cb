"""Many stores as few: every store keeps its own share of one common level, so whatever the sum does, each can do.

Store k of a group holds x_k = beta_k x at all times, with sum(beta) = 1. For a change u of the group it draws

    losses, equal keep:   v_k = beta_k eta_G / eta_k u  (u > 0),     beta_k nu_k / nu_G u  (u < 0)
    no losses:            v_k = beta_k (u + (keep_G - keep_k) / dt x_before)

With eta_G the harmonic mean of the charging efficiencies, nu_G the mean of the discharging ones and keep_G the mean of
keep, each weighted by beta, the v_k sum to u exactly. The bounds of the group are the tightest of its members' in units
of the group, so everything inside is deliverable whatever the grouping; a good grouping only loses less.

Source: homothets as inner approximations of a sum of sets: L. Zhao, W. Zhang, H. Hao, K. Kalsi, "A geometric approach
to aggregate flexibility modeling of thermostatically controlled loads", IEEE Trans. Power Syst. 32 (2017),
doi:10.1109/TPWRS.2017.2674699. Shares of the level in place of shares of the power are our own step: they make
efficiencies and leaks of a group exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.vpp.piece import Pieces

LEVEL_FREE = 1e12
"""In place of an infinite energy [kWh] where it would meet a zero."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """G stores that stand for N pieces, and what every piece does when they move."""

    stores: Pieces
    """One row per group; `column` is the number of pieces behind it."""
    up: Floats
    down: Floats
    """kW of the piece per kW of its group's change, upwards and downwards, shape (N,)."""
    leak: Floats
    """kW of the piece per kWh of its group's level before, shape (N,)."""


def pool(pieces: Pieces, group: Ints, share: Floats, dt_h: float) -> Pooled:
    """Groups of pieces as stores.

    Args:
        pieces: N pieces; those of one group must either all be without losses or have one `keep`.
        group: group of each, 0..G-1, shape (N,), every group with at least one.
        share: weight of each in its group, above zero, of any scale.
        dt_h: length of an interval.
    """
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(int(group.max(initial=-1)) + 1))
    beta = (share / np.bincount(group, share)[group])[order]
    own, of = pieces.take(order), group[order]

    def mean(value: Floats) -> Floats:
        """Between the least and the largest of the group, also in the last digit."""
        between = np.minimum.reduceat(value, first), np.maximum.reduceat(value, first)
        return np.asarray(np.clip(np.add.reduceat(beta * value, first), *between))

    eta, nu = 1.0 / mean(1.0 / own.charge_efficiency), mean(own.discharge_efficiency)
    keep, cost = mean(own.keep), mean(own.cost_eur_per_kwh)
    up, down = beta * eta[of] / own.charge_efficiency, beta * own.discharge_efficiency / nu[of]
    drift = np.where(np.abs(keep[of] - own.keep) > 1e-12, keep[of] - own.keep, 0.0) / dt_h
    e_min = np.maximum.reduceat(own.e_kwh_min / beta[:, None], first)
    e_max = np.minimum.reduceat(own.e_kwh_max / beta[:, None], first)
    h, low = own.p_kw_max / up[:, None], own.p_kw_min / down[:, None]
    if drift.any():
        e_min, e_max = _room_for_leaks(e_min, e_max, h, low, drift, first)
        before_min, before_max = (
            np.concatenate([np.zeros((len(e), 1)), np.clip(e[:, :-1], -LEVEL_FREE, LEVEL_FREE)], axis=1)[of]
            for e in (e_min, e_max)
        )
        ends = np.stack([drift[:, None] * before_min, drift[:, None] * before_max])
        h, low = h - ends.max(axis=0), low - ends.min(axis=0)
    h, low = np.minimum.reduceat(h, first), np.maximum.reduceat(low, first)
    stores = Pieces(
        np.bincount(group), np.minimum(low, 0.0), np.maximum(h, 0.0), e_min, e_max, keep, eta, nu, cost
    )  # fmt: skip
    back = np.argsort(order, kind="stable")
    return Pooled(stores, up[back], down[back], (beta * drift)[back])


def _room_for_leaks(
    e_min: Floats, e_max: Floats, h: Floats, low: Floats, drift: Floats, first: Ints
) -> tuple[Floats, Floats]:
    """Levels so near to 0 that in the next interval every piece has the power to keep its share at u = 0."""
    per = drift[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = h[:, 1:] / per, low[:, 1:] / per
    top = np.where(per > 0, a, np.where(per < 0, b, np.inf))
    bottom = np.where(per > 0, b, np.where(per < 0, a, -np.inf))
    e_min, e_max = e_min.copy(), e_max.copy()
    e_max[:, :-1] = np.minimum(e_max[:, :-1], np.maximum(np.minimum.reduceat(top, first), 0.0))
    e_min[:, :-1] = np.maximum(e_min[:, :-1], np.minimum(np.maximum.reduceat(bottom, first), 0.0))
    return e_min, e_max
