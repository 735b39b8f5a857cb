"""The day-ahead market, hourly or in quarter hours: an auction at one price, and a price-taker's view of it.

`DayAhead` clears stepwise bids against each other, every interval by itself. `PriceTaker` fills bids against prices
that are given: a published or a forecast day, which what one bids does not move.

Prices of steps may be negative. The default limits are those of the coupled European auctions (ACER decision 01/2023 on
the harmonised maximum and minimum clearing price: -500 to 4,000 EUR/MWh); a bid at any price stands at the limit, and
is cut pro rata there like any other when the other side is too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.market.auction import meet
from archipel.market.base import EXCHANGE, ROUNDING, Bid, Clearing, Metered, Terms
from archipel.market.bids import Columns, read, to_kw
from archipel.market.exact import check_inputs, imbalances, remainders, series, trades
from archipel.market.market_day import MarketDay, Resolution
from archipel.model import Floats, Payment

PRICE_MIN, PRICE_MAX = -0.5, 4.0
"""Harmonised limits of day-ahead prices [EUR/kWh]."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class DayAhead:
    """An auction of energy: one price per interval, the middle of the range where demand meets supply.

    What is accepted is bought or sold for good, whatever is metered later. Deviations are settled here only if an
    imbalance price is given; otherwise they are the business of who keeps the balance group.
    """

    day: MarketDay
    resolution: Resolution = "hour"
    name: str = "day_ahead"
    price_min: float = PRICE_MIN
    price_max: float = PRICE_MAX
    imbalance_price_eur_per_kwh: Floats | None = None
    """Shape (T,); may be negative."""

    def __post_init__(self) -> None:
        """Refuse a series with gaps."""
        if self.imbalance_price_eur_per_kwh is not None:
            series(f"{self.name}: imbalance price", self.imbalance_price_eur_per_kwh, self.terms.edges)

    @property
    def terms(self) -> Terms:
        """Energy, bought and sold, by milliwatts."""
        edges = self.day.edges(self.resolution)
        return Terms(self.name, edges, {"energy": "both"}, self.price_min, self.price_max)

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Clear every interval at one price; ties pro rata (`archipel.market.auction`).

        Raises:
            BidsRefused: some cannot be used.
        """
        terms = self.terms
        columns = read(bids, terms)
        met = meet(columns, columns.interval[columns.bid], terms.intervals)
        return uniform(terms, columns, columns.per_bid(met.accepted), met.middle)

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """Trades at the clearing price, what rounding leaves, and imbalance where it has a price.

        Raises:
            ReadingsRefused: some readings cannot be used.
        """
        check_inputs(clearing, metered, self.terms)
        paid = trades(clearing, self.terms)
        paid += remainders(self.terms, paid, ROUNDING, "rounding")
        return (*paid, *imbalances(clearing, self.terms, metered, self.imbalance_price_eur_per_kwh))


@final
@dataclass(frozen=True, slots=True, eq=False)
class PriceTaker:
    """A market so large that a bid does not move its prices: what suits the price is filled, all of it.

    A buying step is filled where the price is at or below its own, a selling one where it is at or above. The other
    side of every trade is the account `exchange`, which takes up what rounding leaves.
    """

    day: MarketDay
    price_eur_per_kwh: Floats
    """Shape (T,); may be negative."""
    resolution: Resolution = "hour"
    name: str = "day_ahead"
    price_min: float = PRICE_MIN
    price_max: float = PRICE_MAX
    imbalance_price_eur_per_kwh: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse a series with gaps."""
        series(f"{self.name}: price", self.price_eur_per_kwh, self.terms.edges)
        if self.imbalance_price_eur_per_kwh is not None:
            series(f"{self.name}: imbalance price", self.imbalance_price_eur_per_kwh, self.terms.edges)

    @property
    def terms(self) -> Terms:
        """Energy, bought and sold, by milliwatts."""
        edges = self.day.edges(self.resolution)
        return Terms(self.name, edges, {"energy": "both"}, self.price_min, self.price_max)

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Fill what suits the given prices.

        Raises:
            BidsRefused: some cannot be used.
        """
        terms = self.terms
        columns = read(bids, terms)
        price = series(self.name, self.price_eur_per_kwh, terms.edges)
        offered = price[columns.interval[columns.bid]]
        return uniform(terms, columns, filled(columns, offered, offered), price)

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """Trades at the given price, their other side with the exchange, and imbalance where it has a price.

        Raises:
            ReadingsRefused: some readings cannot be used.
        """
        check_inputs(clearing, metered, self.terms)
        paid = trades(clearing, self.terms)
        paid += remainders(self.terms, paid, EXCHANGE, "energy")
        return (*paid, *imbalances(clearing, self.terms, metered, self.imbalance_price_eur_per_kwh))


def filled(columns: Columns, buy_price: Floats, sell_price: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Ticks of every bid that suit given prices of its steps: to buy at, and to sell at, shape (bids,)."""
    suits = np.where(columns.ticks > 0, columns.price >= buy_price, columns.price <= sell_price)
    return columns.per_bid(np.where(suits, columns.ticks, 0))


def uniform(
    terms: Terms, columns: Columns, ticks: np.ndarray[tuple[int, ...], np.dtype[np.int64]], price: Floats
) -> Clearing:
    """The clearing of a market of one product and no network, at one price per interval."""
    accepted = to_kw(ticks, terms.tick_kw)
    product = next(iter(terms.products))
    return Clearing(terms.market, columns.bids, accepted, price[columns.interval], {(product, ""): price})
