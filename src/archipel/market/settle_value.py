"""What the members of a portfolio earned beyond lying idle, product by product and as a game of coalitions.

Idle, a member draws its baseline, bought at the day-ahead price p. With plan x (what was asked), metered m, called
reserve a (load convention), imbalance price i and reserve energy price r, a member's own earnings in a quarter hour are

    dt ( p (baseline - x + a) - i (m - x) - r a )                           energy, own deviation, energy called
    + dt ( fcr price fcr + up price up + down price down )                  power kept
    + dt event price cut                                                    reductions

and the pool loses for what it misses: per kW missing of a call its price of power kept per kW called, per kW missing of
a cut the event price. Only the sum over members counts there, so one can cover for another (see `shares.Game`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from archipel.market.shares import Game, pro_rata
from archipel.market.verification import QUARTER_H, Verified
from archipel.model import Delivery, Floats, Ints

N = TypeVar("N", np.float64, np.int64)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Earned:
    """What members earn by themselves when they keep their promises [EUR], shape (C, S) each, and what they miss."""

    energy: Floats
    reserve: Floats
    event: Floats
    missed_call_kw: Floats
    missed_cut_kw: Floats
    """Missing power of members that were asked, below zero what they gave beyond, shape (C, S)."""
    call_price: Floats
    cut_price: Floats
    """What the pool loses per kW missing in a quarter hour [EUR/kW], at least 0, shape (S,)."""


def earned(delivery: Delivery, found: Verified) -> Earned:
    """What every member earns by itself, quarter hour by quarter hour."""
    d, x = delivery, found.planned_kw
    called = np.where(found.due, d.afrr_energy_kw, 0.0)
    cut = np.where(found.due, d.cut_kw, 0.0)
    energy = _times(d.price_eur_per_kwh, d.baseline_kw - x + called)
    energy -= _times(d.imbalance_price_eur_per_kwh, d.metered_kw - x)
    energy -= _times(d.afrr_energy_price_eur_per_kwh, called)
    reserve = _times(d.fcr_price_eur_per_kw_h, d.fcr_kw)
    kept = _times(d.afrr_up_price_eur_per_kw_h, d.afrr_up_kw) + _times(d.afrr_down_price_eur_per_kw_h, d.afrr_down_kw)
    side = np.sign(called.sum(axis=0))
    missed_call = np.where(called != 0.0, side * (called - (d.metered_kw - x + called)), 0.0)
    missed_cut = np.where(cut > 0.0, cut - (d.baseline_kw - d.metered_kw), 0.0)
    size = np.abs(called.sum(axis=0))
    per_kw = np.divide(kept.sum(axis=0), size, out=np.zeros(len(size)), where=size > 0.0)
    return Earned(
        energy=energy,
        reserve=reserve + kept,
        event=_times(d.event_price_eur_per_kwh, cut),
        missed_call_kw=missed_call,
        missed_cut_kw=missed_cut,
        call_price=np.maximum(per_kw, 0.0),
        cut_price=np.maximum(np.nan_to_num(d.event_price_eur_per_kwh), 0.0) * QUARTER_H,
    )


def game(own: Earned, group: Ints) -> Game:
    """The same as a game in every group of quarter hours (see `shares`); `group` has shape (S,) and does not fall."""
    groups = int(group[-1]) + 1 if len(group) else 0
    price = np.concatenate([own.call_price, own.cut_price])
    short = np.concatenate([own.missed_call_kw, own.missed_cut_kw], axis=1)
    which = np.concatenate([group, group])
    used = np.flatnonzero((price > 0.0) & short.any(axis=0))
    used = used[np.argsort(which[used], kind="stable")]
    return Game(by_group(own.energy + own.reserve + own.event, group, groups), short[:, used], price[used], which[used])


def by_product(own: Earned, found: Verified, delivery: Delivery, group: Ints) -> Floats:
    """What all earned, product by product, in proportion to what each delivered of it [EUR], shape (C, G).

    Energy by kWh delivered, power kept by kW h kept times the share delivered of what was called, reductions by kWh
    not drawn. What the pool lost by missing is taken off first.
    """
    groups = int(group[-1]) + 1 if len(group) else 0

    def total(value: Floats) -> Floats:
        return by_group(value, group, groups)

    wanted, counted = total(found.wanted_kwh), total(found.counted_kwh)
    kept_kw = delivery.fcr_kw + delivery.afrr_up_kw + delivery.afrr_down_kw
    good = np.divide(counted, wanted, out=np.ones_like(wanted), where=wanted > 0.0)
    cut = np.where(
        own.missed_cut_kw != 0.0, delivery.cut_kw - own.missed_cut_kw, np.where(found.due, delivery.cut_kw, 0.0)
    )
    lost_calls = np.maximum(own.missed_call_kw.sum(axis=0), 0.0) * own.call_price
    lost_cuts = np.maximum(own.missed_cut_kw.sum(axis=0), 0.0) * own.cut_price
    pots = (
        (own.energy.sum(axis=0), counted),
        (own.reserve.sum(axis=0) - lost_calls, total(kept_kw) * good),
        (own.event.sum(axis=0) - lost_cuts, total(np.clip(cut, 0.0, delivery.cut_kw))),
    )
    drawn = total(np.abs(delivery.metered_kw))
    return np.asarray(sum(pro_rata(total(pot[None])[0], np.where(w.sum(axis=0) > 0.0, w, drawn)) for pot, w in pots))


def by_group(value: NDArray[N], group: Ints, groups: int) -> NDArray[N]:
    """Sums over the quarter hours of every group, shape (..., S) to (..., G); whole numbers stay whole."""
    if not groups:
        return np.zeros((*value.shape[:-1], 0), dtype=value.dtype)
    return np.asarray(np.add.reduceat(value, np.flatnonzero(np.diff(group, prepend=-1)), axis=-1))


def _times(price: Floats, power_kw: Floats) -> Floats:
    """Price times energy of a quarter hour; a price that is missing where there is nothing is no price."""
    return np.asarray(np.nan_to_num(price) * power_kw * QUARTER_H)
