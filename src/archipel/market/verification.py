"""What was asked of members, what they delivered, how available and how accurate they were.

Everything is measured from the baseline, in the direction that was asked: with asked change a and metered change m,

    wanted = |a| dt,    delivered = sign(a) m dt,    missing = wanted - delivered (below zero: more than asked)

A request is due once the contract's notice has passed and outside the times in which its owner stays out; what is not
due is neither owed nor counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final

import numpy as np

from archipel.market.days import QUARTER
from archipel.model import Bools, Contract, Delivery, Floats

QUARTER_H = 0.25
ANSWERED = 0.9
"""Share of what was asked from which on a member counts as having answered."""
METER_KWH = 0.001
"""What a meter cannot tell in a quarter hour: requests below it are none, and what misses less misses nothing."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """C contracts, S quarter hours."""

    planned_kw: Floats
    """What the member would draw if it did all that was asked; its baseline where nothing was due, shape
    (C, S)."""
    due: Bools
    """Where an answer was due, shape (C, S)."""
    wanted_kwh: Floats
    """Change of energy asked, not negative, 0 where nothing was due, shape (C, S)."""
    delivered_kwh: Floats
    """Change of energy in the direction asked; below zero where the member went the other way, shape (C, S)."""
    availability: Floats
    """Share of the due quarter hours in which at least `ANSWERED` of what was asked came, shape (C,); 1 where nothing
    was due."""
    accuracy: Floats
    """1 - sum |metered - planned| / sum |planned - baseline| over the due quarter hours, at least 0, shape (C,); 1
    where nothing was due."""

    @property
    def missing_kwh(self) -> Floats:
        """What was asked and did not come, not negative, shape (C, S)."""
        missing = self.wanted_kwh - self.delivered_kwh
        return np.where(missing >= METER_KWH, missing, 0.0)

    @property
    def counted_kwh(self) -> Floats:
        """What was delivered, at most what was asked and at least nothing, shape (C, S)."""
        return np.asarray(np.clip(self.delivered_kwh, 0.0, self.wanted_kwh))


def verified(delivery: Delivery, contracts: Sequence[Contract]) -> Verified:
    """Measure what every member delivered.

    Args:
        delivery: What was asked and metered. A request is `asked_kw` where it is a number (everything asked is in it);
            elsewhere the baseline less `cut_kw` plus `afrr_energy_kw`.
        contracts: In the order of `delivery.contract`.
    """
    called = (delivery.cut_kw > 0.0) | (delivery.afrr_energy_kw != 0.0)
    other = delivery.baseline_kw - delivery.cut_kw + delivery.afrr_energy_kw
    told = np.isfinite(delivery.asked_kw)
    asked = told | called
    due = asked & ~_early(asked, contracts) & ~_away(delivery, contracts)
    planned = np.where(due, np.where(told, delivery.asked_kw, other), delivery.baseline_kw)
    change = planned - delivery.baseline_kw
    delivered = np.sign(change) * (delivery.metered_kw - delivery.baseline_kw) * QUARTER_H
    wanted = np.abs(change) * QUARTER_H
    counts = due & (wanted >= METER_KWH)
    answered = counts & (delivered >= ANSWERED * wanted - METER_KWH)
    off = np.where(due, np.abs(delivery.metered_kw - planned), 0.0).sum(axis=1)
    size = np.abs(change).sum(axis=1)
    return Verified(
        planned_kw=np.asarray(planned),
        due=due,
        wanted_kwh=wanted,
        delivered_kwh=delivered,
        availability=_ratio(answered.sum(axis=1), counts.sum(axis=1)),
        accuracy=np.maximum(1.0 - _ratio(off, size, nothing=0.0), 0.0),
    )


def _early(asked: Bools, contracts: Sequence[Contract]) -> Bools:
    """Quarter hours that lie wholly within the notice of a request that begins with them."""
    out = np.zeros_like(asked)
    for row, contract in enumerate(contracts):
        whole = int(contract.notice_s // 900.0)
        if whole:
            begins = np.flatnonzero(np.diff(asked[row].astype(np.int8), prepend=0) > 0)
            for begin in begins:
                out[row, begin : begin + whole] = True
    return out & asked


def _away(delivery: Delivery, contracts: Sequence[Contract]) -> Bools:
    out = np.zeros(delivery.baseline_kw.shape, dtype=bool)
    for row, contract in enumerate(contracts):
        for begin, end in contract.away:
            out[row, _quarter(delivery.start, begin, up=False) : _quarter(delivery.start, end, up=True)] = True
    return out


def _quarter(start: datetime, time: datetime, *, up: bool) -> int:
    """The first quarter hour that touches a time span (or the first after it), not before the first of all."""
    whole, rest = divmod(time - start, QUARTER)
    return max(0, whole + (1 if up and rest else 0))


def _ratio(above: Floats, below: Floats, nothing: float = 1.0) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(below), nothing), where=np.asarray(below) > 0.0))
