"""For how many hours an area without a main grid holds its critical load: "31 h at 90 %".

Every path of the past (see `forecasting.analogs`) is lived through from the energy stored now, by the area's rules:
load beyond the critical one is served stage by stage while enough is stored, generators with a stock of fuel run while
less than a threshold is. The hours promised at probability p are those that this share of the paths reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.forecasting.analogs import DAY, DAYS, HOUR, NEAR, Bank, rank, trust, worst_day
from archipel.model import Floats

MOST_H = 96.0
"""Longer than this nothing is promised: paths would have to begin too long ago."""


@final
@dataclass(frozen=True, slots=True)
class Living:
    """What an island lives by from now on."""

    bank: Bank
    stored_kwh: float
    fuel_kw: float = 0.0
    fuel_kwh: float = 0.0
    """Rating and stock of dispatchable generators together."""
    fuel_below_kwh: float = np.inf
    """They run while less than this is stored."""
    stages: tuple[tuple[float, float], ...] = ()
    """(share, below_kwh): of the load beyond the critical one this share is served while at least so much is stored."""


def held_h(living: Living, critical_kw: Floats, rest_kw: Floats, renewable_kw: Floats) -> Floats:
    """How long critical load is held on every path [h].

    Quarter hours like those of the twin off grid, in sums: no losses of the network, no limits of branches.

    Args:
        living: stores, stock, stages.
        critical_kw: paths of the critical load, (M, S).
        rest_kw: of all other load, (M, S).
        renewable_kw: of what renewables offer, (M, S).

    Returns:
        Hours until critical load is first cut, (M,); S quarter hours where it never is.
    """
    bank = living.bank
    members, steps = critical_kw.shape
    e, fuel = np.full(members, min(living.stored_kwh, bank.e_kwh)), np.full(members, living.fuel_kwh)
    held = np.full(members, float(steps))
    alive = np.ones(members, dtype=bool)
    for s in range(steps):
        burnable = np.minimum(living.fuel_kw, fuel / HOUR)
        least = critical_kw[:, s] - renewable_kw[:, s]
        lost = alive & (e < bank.taken_kwh(least - burnable))
        held[lost] = s
        alive &= ~lost
        if not alive.any():
            break
        on = sum((np.where(e >= below, part, 0.0) for part, below in living.stages), np.zeros(members))
        net = least + on * rest_kw[:, s]
        # a generator never charges what renewables charge already, and helps where stores alone would not do
        burnt = np.where(e < living.fuel_below_kwh, np.clip(net + bank.p_kw_charge, 0.0, burnable), 0.0)
        missing = np.maximum(bank.taken_kwh(net - burnt) - e, 0.0) * (bank.efficiency_discharge / HOUR)
        burnt = np.minimum(burnt + np.where(np.isfinite(missing), missing, np.inf), burnable)
        taken = np.where(alive, bank.taken_kwh(net - burnt), 0.0)
        e = np.clip(e - taken, 0.0, bank.e_kwh)
        fuel = np.maximum(fuel - np.where(alive, burnt, 0.0) * HOUR, 0.0)
    return np.asarray(held * HOUR)


def survival_h(
    living: Living,
    critical_kw: Floats,
    rest_kw: Floats,
    renewable_kw: Floats,
    probability: float,
    most_h: float = MOST_H,
) -> float:
    """Hours for which critical load is held at this probability, at most `most_h`.

    Args:
        living: stores, stock, stages.
        critical_kw: critical load of the past (N,), all quarter hours before now.
        rest_kw: the other load, likewise.
        renewable_kw: what renewables offered, likewise.
        probability: of the promise, below one.
        most_h: how far to look.

    Returns:
        Hours, a whole number of quarter hours. None seen, none promised: 0.
    """
    steps = round(most_h / HOUR)
    known = [values[-(DAY * DAYS + steps + NEAR) :] for values in (critical_kw, rest_kw, renewable_kw)]
    now = len(known[0])
    if now < DAY:
        return 0.0
    days = (now // DAY) * DAY
    load, renewable = worst_day(known[0][-days:], known[2][-days:])
    rest = known[1][-days:].reshape(-1, DAY)[-DAYS:].max(axis=0)
    turns = -(-steps // DAY)
    worst = held_h(living, *(np.tile(x, turns)[None, :steps] for x in (load, rest, renewable)))
    start = (now - DAY * np.arange(1, DAYS + 1)[:, None] + np.arange(-NEAR, NEAR + 1)).ravel()
    start = start[(start >= 0) & (start + steps <= now)]
    place = rank(probability, len(start))
    if place > len(start):
        return float(worst[0])
    path = start[:, None] + np.arange(steps)
    critical, rest_of, offered = (values[path] for values in known)
    hours = held_h(living, critical, rest_of, trust(probability) * offered)
    return float(np.sort(hours)[::-1][place - 1])
