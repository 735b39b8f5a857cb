"""The suite every market passes: its promises, checked with random bids on ordinary days and days when clocks change.

from archipel.testing import check_market
check_market(lambda day: DayAhead(day, "hour"))

Promises: the order of bids means nothing; clearing twice gives the same; no bid is accepted beyond its limit; steps at
the same price share by the documented rule; what was accepted is settled at its price, and nothing is left in the
clearing house, exactly; what cannot be used is refused, all of it at once, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import final

import numpy as np

from archipel.market.base import MARKET, ROUNDING, TICK_KW, Bid, BidsRefused, Clearing, Market, ReadingsRefused, Terms
from archipel.market.exact import MONEY
from archipel.market.market_day import MarketDay, hours
from archipel.model import Ints, Payment
from archipel.testing.device import PromiseBroken
from archipel.testing.market_bids import random_bids, random_readings, wrong_bids, wrong_readings

DAYS = (MarketDay(date(2016, 2, 10)), MarketDay(date(2016, 3, 27)), MarketDay(date(2016, 10, 30)))
"""An ordinary day, one of 23 hours and one of 25."""

Draw = Callable[[np.random.Generator, Terms], Sequence[Bid]]
Ties = Callable[[Terms, Clearing], str]


def pro_rata_ties(terms: Terms, clearing: Clearing) -> str:
    """The shipped rule: at one price, steps of one side, product, cell and interval get equal shares.

    Shares may differ by one tick. Prices at which an indivisible bid stands are left out. Returns what is wrong, or
    nothing.
    """
    groups: dict[tuple[object, ...], list[tuple[float, float]]] = {}
    apart: set[tuple[object, ...]] = set()
    for bid, kw in zip(clearing.bids, clearing.accepted_kw.tolist(), strict=True):
        for (size, price), taken in zip(bid.steps, _steps_taken(bid, kw), strict=True):
            key: tuple[object, ...] = (bid.product, bid.start, bid.cell, price, size > 0)
            groups.setdefault(key, []).append((size, taken))
            if not bid.divisible:
                apart.add(key)
    for key, found in groups.items():
        size, taken = np.array(found).T
        if key in apart or not taken.any():
            continue
        fair = size * taken.sum() / size.sum()
        # steps are cut to whole milliwatts before they share, and a bid's own steps are only known together
        if (np.abs(taken - fair) > terms.tick_kw + 10 * TICK_KW).any():
            return f"equal prices share pro rata, found {taken.tolist()} of {size.tolist()} kW at {key[3]} {key[1]}"
    return ""


def check_market(
    make: Callable[[MarketDay], Market],
    *,
    draw: Draw = random_bids,
    seeds: Sequence[int] = (0, 1, 2, 3),
    days: Sequence[MarketDay] = DAYS,
    ties: Ties = pro_rata_ties,
) -> None:
    """Raise PromiseBroken if a market breaks a promise that every market makes.

    Args:
        make: the market of a day.
        draw: bids that its terms allow, drawn by a generator.
        seeds: of bids and readings; a failure names its own.
        days: days to hold it on.
        ties: the documented rule for equal prices: given terms and a clearing, what is wrong, or an empty text.
    """
    for day in days:
        market = make(day)
        for seed in seeds:
            rng = np.random.default_rng([seed, day.date.toordinal()])
            bids = tuple(draw(rng, market.terms))
            check = _Check(market, bids, f"{market.terms.market} on {day.date} (seed {seed})", rng)
            check.clearing(ties)
            check.settlement()
            check.refusals()


@final
class _Check:
    def __init__(self, market: Market, bids: tuple[Bid, ...], name: str, rng: np.random.Generator) -> None:
        self.market, self.terms, self.bids, self.name, self.rng = market, market.terms, bids, name, rng
        self.cleared = market.clear(bids)

    def need(self, kept: object, promise: str) -> None:
        """Raise unless all of `kept` holds."""
        if not np.all(np.asarray(kept)):
            raise PromiseBroken(f"{self.name}: broken promise: {promise}")

    def clearing(self, ties: Ties) -> None:
        """What is accepted, and at what price."""
        found = self.cleared
        self.need(found.bids == self.bids, "the clearing holds the bids in the order they were given")
        self.need(found.accepted_kw.shape == found.price.shape == (len(self.bids),), "one answer and price per bid")
        self.need(np.isfinite(found.accepted_kw), "what is accepted is finite")
        self.need(np.isfinite(found.price[found.accepted_kw != 0]), "what is accepted has a price")
        for prices in found.prices.values():
            self.need(prices.shape == (self.terms.intervals,), "there is a price for every interval")
        self.limits()
        self.same(self.market.clear(self.bids), np.arange(len(self.bids)), "clearing twice gives the same")
        order = self.rng.permutation(len(self.bids))
        again = self.market.clear([self.bids[i] for i in order])
        self.same(again, order, "the order of bids means nothing")
        wrong = ties(self.terms, found)
        self.need(not wrong, f"ties follow the documented rule: {wrong}")
        nothing = self.market.clear(())
        self.need(len(nothing.accepted_kw) == 0, "no bids, nothing accepted")
        self.need(not self.market.settle(nothing), "no bids, no payments")

    def same(self, other: Clearing, order: Ints, promise: str) -> None:
        """Bit for bit."""
        first = self.cleared
        equal = np.array_equal(first.accepted_kw[order], other.accepted_kw)
        equal &= np.array_equal(first.price[order], other.price, equal_nan=True)
        equal &= first.prices.keys() == other.prices.keys()
        self.need(equal, promise)
        tables = (np.array_equal(first.prices[k], other.prices[k], equal_nan=True) for k in first.prices)
        self.need(all(tables), promise)

    def limits(self) -> None:
        """No bid gets more than its steps offer at its price, none pays more or gets less than it said."""
        found, tick = self.cleared, self.terms.tick_kw
        for bid, kw, price in zip(self.bids, found.accepted_kw.tolist(), found.price.tolist(), strict=True):
            if not kw:
                continue
            promise = f"no bid is accepted against its limit: {bid.id} has {kw} kW at {price}, bid {bid.steps}"
            if self.terms.pays == "bid":
                taken = _steps_taken(bid, kw)
                own = sum(part * limit for part, (_, limit) in zip(taken, bid.steps, strict=True))
                self.need(kw * price <= own + 1e-9 * abs(own), promise)
                willing = [size for size, _ in bid.steps if size * kw > 0]
            else:
                willing = [size for size, limit in bid.steps if size * kw > 0 and (limit - price) * kw >= 0]
            self.need(abs(kw) <= abs(sum(willing)) + 1e-12 * abs(kw), promise)
            units = kw / tick
            self.need(abs(units - round(units)) <= 1e-3, f"whole ticks are accepted: {bid.id}")
            self.need(
                bid.divisible or abs(kw - bid.steps[0][0]) <= tick, f"all or nothing of an indivisible bid: {bid.id}"
            )

    def settlement(self) -> None:
        """Payments are exact, close to nothing in the clearing house, and do not change when made again."""
        readings = random_readings(self.rng, self.terms, self.cleared)
        for metered in ((), readings):
            paid = self.market.settle(self.cleared, metered)
            self.payments(paid)
            again = self.market.settle(self.cleared, [metered[i] for i in self.rng.permutation(len(metered))])
            self.need(sorted(paid, key=_id) == sorted(again, key=_id), "settling twice gives the same payments")
            order = self.rng.permutation(len(self.bids))
            other = self.market.settle(self.market.clear([self.bids[i] for i in order]), metered)
            self.need(sorted(paid, key=_id) == sorted(other, key=_id), "the order of bids changes no payment")
        if self.terms.pays != "meter":
            self.bills(self.market.settle(self.cleared))

    def payments(self, paid: Sequence[Payment]) -> None:
        """Of any settlement."""
        self.need(len({p.id for p in paid}) == len(paid), "every payment has its own id")
        self.need(all(isinstance(p.amount_eur, Decimal) and p.amount_eur.is_finite() for p in paid), "money is exact")
        self.need(all(p.amount_eur == p.amount_eur.quantize(MONEY) for p in paid), "money is whole micro-euros")
        self.need(all(p.payer != p.payee for p in paid), "nobody pays themselves")
        known = set(self.terms.edges[:-1])
        self.need(all(p.time in known for p in paid), "payments are for intervals of the day")
        left = sum(((p.payee == MARKET) - (p.payer == MARKET)) * p.amount_eur for p in paid)
        self.need(left == 0, f"the budget is balanced: the clearing house is left with {left} EUR")
        most = max((abs(step[1]) for bid in self.bids for step in bid.steps), default=0.0)
        rounding = sum(abs(p.amount_eur) for p in paid if ROUNDING in {p.payer, p.payee})
        bound = len(paid) * MONEY * Decimal(1 + most)
        self.need(rounding <= bound, f"rounding is no more than rounding: {rounding} EUR in {len(paid)} payments")

    def bills(self, paid: Sequence[Payment]) -> None:
        """Without readings, owners pay what they bought and get what they sold, at its price."""
        length = dict(zip(self.terms.edges, hours(self.terms.edges).tolist(), strict=False))
        due: dict[str, float] = {}
        slack: dict[str, float] = {}
        found = self.cleared
        for bid, kw, price in zip(self.bids, found.accepted_kw.tolist(), found.price.tolist(), strict=True):
            energy = kw * length[bid.start]
            due[bid.owner] = due.get(bid.owner, 0.0) + (energy * price if kw else 0.0)
            slack[bid.owner] = slack.get(bid.owner, 1e-9) + 1e-6 * (1 + abs(price if kw else 0.0)) + 1e-8 * abs(energy)
        for owner, expected in due.items():
            net = sum(((p.payer == owner) - (p.payee == owner)) * p.amount_eur for p in paid)
            near = abs(float(net) - expected) <= slack[owner] + 1e-9 * abs(expected)
            self.need(near, f"what is accepted is settled at its price: {owner} pays {net}, due are {expected} EUR")

    def refusals(self) -> None:
        """What cannot be used is refused by name, all of it at once."""
        if not self.bids:
            return
        wrong = wrong_bids(self.rng, self.terms, self.bids)
        for what, bid in wrong:
            self.refused(BidsRefused, what, [bid.id], partial(self.market.clear, (*self.bids, bid)))
        self.refused(
            BidsRefused,
            "many wrong bids at once",
            [bid.id for _, bid in wrong],
            partial(self.market.clear, (*self.bids, *(bid for _, bid in wrong))),
        )
        for what, readings in wrong_readings(self.terms, self.bids[0]):
            names = [readings[0].owner]
            self.refused(ReadingsRefused, what, names, partial(self.market.settle, self.cleared, readings))

    def refused(self, kind: type[Exception], what: str, names: Sequence[str], call: Callable[[], object]) -> None:
        """The call raises `kind`, and its text has every name."""
        try:
            call()
        except kind as error:
            missing = [name for name in names if name not in str(error)]
            self.need(not missing, f"a refusal names what is wrong ({what}): {missing} not named")
        else:
            raise PromiseBroken(f"{self.name}: broken promise: {what} is refused")


def _id(payment: Payment) -> str:
    return payment.id


def _steps_taken(bid: Bid, kw: float) -> list[float]:
    """Share of what a bid was given that each step has: the best price first, alike where the price is."""
    taken, left = [0.0] * len(bid.steps), abs(kw)
    for price in dict.fromkeys(price for size, price in bid.steps if size * kw > 0):
        mine = [i for i, (size, at) in enumerate(bid.steps) if at == price and size * kw > 0]
        size = sum(abs(bid.steps[i][0]) for i in mine)
        now = min(left, size)
        for i in mine:
            taken[i] = bid.steps[i][0] * now / size
        left -= now
    return taken
