"""The suite is worth something: markets with one broken promise each do not pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from market_cases import MARKETS

from archipel.market.base import MARKET, Bid, BidsRefused, Clearing, Metered, Terms
from archipel.market.day_ahead import DayAhead
from archipel.market.market_day import MarketDay
from archipel.model import Payment
from archipel.testing.device import PromiseBroken
from archipel.testing.market import check_market

DAY = MarketDay(date(2016, 2, 10))


@dataclass
class Broken:
    """The day-ahead auction, with something done to what it takes, clears and pays."""

    inner: DayAhead
    take: Callable[[Sequence[Bid]], Sequence[Bid]] = lambda bids: bids
    change: Callable[[Clearing], Clearing] = lambda clearing: clearing
    pay: Callable[[tuple[Payment, ...]], tuple[Payment, ...]] = lambda paid: paid

    @property
    def terms(self) -> Terms:
        return self.inner.terms

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        return self.change(self.inner.clear(self.take(bids)))

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        return self.pay(self.inner.settle(clearing, metered))


def first_come(clearing: Clearing) -> Clearing:
    """Of two that share a price and are cut, the first gets more."""
    accepted, groups = clearing.accepted_kw.copy(), {}
    for i, b in enumerate(clearing.bids):
        if len(b.steps) == 1 and b.divisible and 0 < abs(accepted[i]) < abs(b.steps[0][0]):
            groups.setdefault((b.start, b.steps[0][1], accepted[i] > 0), []).append(i)
    for first, second in (rows[:2] for rows in groups.values() if len(rows) > 1):
        room, has = clearing.bids[first].steps[0][0] - accepted[first], accepted[second]
        more = round(float(room if abs(room) < abs(has) else has) / 2, 3)
        accepted[first], accepted[second] = accepted[first] + more, accepted[second] - more
    return replace(clearing, accepted_kw=accepted)


def all_in_full(clearing: Clearing) -> Clearing:
    """Whoever is accepted in part gets everything."""
    full = [
        b.steps[0][0] if len(b.steps) == 1 and kw else kw
        for b, kw in zip(clearing.bids, clearing.accepted_kw, strict=True)
    ]
    return replace(clearing, accepted_kw=np.array(full))


def dear(clearing: Clearing) -> Clearing:
    """Everyone is settled at a price that some would never pay."""
    return replace(clearing, price=clearing.price + 0.2)


def generous(clearing: Clearing) -> Clearing:
    """Buyers get a little more than was sold."""
    more = clearing.accepted_kw * np.where(clearing.accepted_kw > 0, 0.9, 1.0)
    return replace(clearing, accepted_kw=np.round(more, 6))


def drifting() -> Callable[[Clearing], Clearing]:
    """Every clearing is a little different from the one before."""
    count = iter(range(10**6))
    return lambda c: replace(c, prices={k: v + next(count) * 1e-9 for k, v in c.prices.items()})


def keeps_rounding(paid: tuple[Payment, ...]) -> tuple[Payment, ...]:
    return tuple(p for p in paid if p.what != "rounding")


def in_floats(paid: tuple[Payment, ...]) -> tuple[Payment, ...]:
    return tuple(replace(p, amount_eur=Decimal(float(p.amount_eur) * 1.1)) for p in paid)


def takes_a_cut(paid: tuple[Payment, ...]) -> tuple[Payment, ...]:
    return tuple(replace(p, amount_eur=p.amount_eur + Decimal("0.01")) if p.payee == MARKET else p for p in paid)


def pays_one_owner_less(paid: tuple[Payment, ...]) -> tuple[Payment, ...]:
    return tuple(p for p in paid if {"owner 3", "owner 7"}.isdisjoint({p.payer, p.payee}))


def same_ids(paid: tuple[Payment, ...]) -> tuple[Payment, ...]:
    return tuple(replace(p, id="payment") for p in paid)


def without_missing(bids: Sequence[Bid]) -> Sequence[Bid]:
    """Bids with missing prices are dropped in silence."""
    return [b for b in bids if all(np.isfinite(price) for _, price in b.steps)]


def without_twins(bids: Sequence[Bid]) -> Sequence[Bid]:
    return list({b.key: b for b in bids}.values())


def first_problem_only(bids: Sequence[Bid]) -> Sequence[Bid]:
    try:
        DayAhead(DAY).clear(bids)
    except BidsRefused as error:
        raise BidsRefused("bids", error.problems[:1]) from error
    return bids


BROKEN = {
    "favours who came first": {"change": first_come},
    "sells more than was bid for": {"change": all_in_full},
    "prices beyond limits": {"change": dear},
    "sells more than it buys": {"change": generous},
    "clears differently each time": {"change": drifting()},
    "keeps what rounding leaves": {"pay": keeps_rounding},
    "calculates money in floats": {"pay": in_floats},
    "takes a cut": {"pay": takes_a_cut},
    "forgets an owner": {"pay": pays_one_owner_less},
    "gives all payments one id": {"pay": same_ids},
    "drops bids with missing prices": {"take": without_missing},
    "drops doubled bids": {"take": without_twins},
    "tells only the first problem": {"take": first_problem_only},
}


def test_the_market_that_is_broken_below_passes_when_it_is_not() -> None:
    check_market(lambda day: Broken(DayAhead(day)), days=(DAY,))


@pytest.mark.parametrize("what", BROKEN)
def test_the_suite_catches_a_market_that(what: str) -> None:
    with pytest.raises(PromiseBroken):
        check_market(lambda day: Broken(DayAhead(day), **BROKEN[what]), days=(DAY,))  # type: ignore[arg-type]


def test_a_tie_rule_of_ones_own_is_held_against_the_clearing() -> None:
    with pytest.raises(PromiseBroken, match="ties follow the documented rule: nobody may"):
        check_market(MARKETS["FCR"], days=(DAY,), ties=lambda terms, clearing: "nobody may")
