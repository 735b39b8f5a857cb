"""What an area may live through without its main grid, told by the days that were.

Historical simulation: what was observed from the same time of day on, on each of the last days, stands for what may
come, whole paths, so that a calm keeps its length and a cold night its load. A quantile of n paths is the value of rank
ceil(p (n + 1)), which holds at least with probability p where the past is like the future; where that rank is beyond n
the past is too short for such a promise and the worst that can be put together from it counts instead.

    time of day   0 h            12 h            24 h
    yesterday     ....x===path===>
    the day before....x===path===>                  and as many more, each also up to an hour earlier and later
    worst         highest load and least renewables of every quarter hour, all at once

A calm as long as the coming one may never have been seen, and paths of one day are more alike than paths of several; so
renewables are believed less the surer a promise shall be (`trust`). Only what is handed in is read, and it ends now.

Sources: historical simulation: D. Hendricks, "Evaluation of value-at-risk models using historical data", FRBNY Economic
Policy Review 2(1), 1996; past days as an ensemble: L. Delle Monache et al., "Probabilistic weather prediction with an
analog ensemble", Monthly Weather Review 141, 2013, doi:10.1175/MWR-D-12-00281.1; the rank: J. Lei et al.,
"Distribution-free predictive inference for regression", JASA 113, 2018, doi:10.1080/01621459.2017.1307116.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Floats
from archipel.model.horizon import STEP_MINUTES

DAY = 96
DAYS = 60
"""Days looked back to."""
NEAR = 4
"""Quarter hours by which a path may begin earlier or later in its day."""
FEW_DAYS = 28
"""With fewer days seen, the worst has no renewables at all."""
WORST_TRUST = 0.5
HOUR = STEP_MINUTES / 60.0


@final
@dataclass(frozen=True, slots=True)
class Bank:
    """All stores of an area taken together."""

    e_kwh: float
    p_kw_charge: float
    p_kw_discharge: float
    efficiency_charge: float
    efficiency_discharge: float

    def taken_kwh(self, net_kw: Floats) -> Floats:
        """What a quarter hour of this demand less renewables takes from the stores; infinite beyond the rating."""
        gives = net_kw * (HOUR / self.efficiency_discharge)
        takes = np.maximum(net_kw, -self.p_kw_charge) * (HOUR * self.efficiency_charge)
        return np.asarray(np.where(net_kw > self.p_kw_discharge, np.inf, np.where(net_kw > 0.0, gives, takes)))


def trust(probability: float) -> float:
    """Share of the renewables of a past path that is counted on, for a promise of this probability.

    1 at nine in ten and 0.55 at 99 in 100, by the number of nines. How it was chosen, and what it keeps, is in
    docs/measured/islands.md.
    """
    nines = -math.log10(max(1.0 - probability, 1e-9))
    return float(np.clip(1.0 - 0.45 * (nines - 1.0), WORST_TRUST, 1.0))


def rank(probability: float, members: int) -> int:
    """Number of the member, in rising order from 1, that is exceeded with at most 1 - probability."""
    return math.ceil(probability * (members + 1) - 1e-9)


def required_kwh(net_kw: Floats, steps: int, bank: Bank) -> Floats:
    """Energy that must be stored at every start so that the next `steps` quarter hours are held.

    Backwards: what must be there before a quarter hour is what must be there after it and what it takes, never
    less than nothing. That is the largest sum of the coming takings over all lengths up to `steps`.

    Args:
        net_kw: demand less renewables (..., S).
        steps: quarter hours, at most S.
        bank: the stores.

    Returns:
        Energy [kWh] for every start whose time lies within the series, (..., S - steps + 1); may exceed the stores.
    """
    taken = bank.taken_kwh(net_kw)
    need = np.zeros((*net_kw.shape[:-1], net_kw.shape[-1] + 1))
    for _ in range(steps):
        need = np.maximum(need[..., 1:] + taken[..., : need.shape[-1] - 1], 0.0)
    return np.asarray(need)


def worst_day(load_kw: Floats, renewable_kw: Floats) -> tuple[Floats, Floats]:
    """(load, renewables) of the worst day that whole past days can be put together to, (96,) each."""
    load, renewable = load_kw.reshape(-1, DAY)[-DAYS:], renewable_kw.reshape(-1, DAY)[-DAYS:]
    counted = WORST_TRUST if len(load) >= FEW_DAYS else 0.0
    return load.max(axis=0), counted * renewable.min(axis=0)


def reserve_kwh(load_kw: Floats, renewable_kw: Floats, steps: int, probability: float, bank: Bank) -> Floats:
    """Energy that must be stored at every quarter hour of the coming day, so that load is held from then on.

    Args:
        load_kw: what shall be held, of past whole days (96 D,), the last of which ends now.
        renewable_kw: the same, non-negative.
        steps: quarter hours for which it is to be held.
        probability: of it, below one.
        bank: the stores.

    Returns:
        Energy [kWh], shape (96,). Infinite where nothing was seen yet.
    """
    load_kw, renewable_kw = load_kw[-DAY * (DAYS + _days(steps)) :], renewable_kw[-DAY * (DAYS + _days(steps)) :]
    days = len(load_kw) // DAY
    if days == 0:
        return np.full(DAY, np.inf)
    load, renewable = worst_day(load_kw, renewable_kw)
    turns = 1 + _days(steps)
    worst = required_kwh(np.tile(load - renewable, turns), steps, bank)[:DAY]
    if steps > len(load_kw):
        return worst
    need = required_kwh(load_kw - trust(probability) * renewable_kw, steps, bank)
    start = DAY * np.arange(days)[:, None] + np.arange(-NEAR, NEAR + 1)
    at = start.ravel()[:, None] + np.arange(DAY)  # (paths, 96)
    known = (at >= 0) & (at < len(need))
    seen = np.sort(np.where(known, need[np.clip(at, 0, len(need) - 1)], np.inf), axis=0)
    members = known.sum(axis=0)
    ranks = np.array([rank(probability, int(n)) for n in members])
    by_past = seen[np.minimum(ranks, len(seen)) - 1, np.arange(DAY)]
    return np.asarray(np.where(ranks <= members, by_past, worst))


def _days(steps: int) -> int:
    return -(-steps // DAY)
