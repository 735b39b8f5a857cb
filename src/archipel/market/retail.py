"""Retail: what a household or a firm pays for what its meter saw, quarter hour by quarter hour.

A tariff is a price per interval: flat, by time of use on the local clock, or following the day-ahead market. Prices are
complete (fees and taxes in them) except where a tariff says what it adds. What is drawn is paid at one tariff, what is
fed in at another; a quarter hour is one or the other, by its net energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Protocol, final

import numpy as np

from archipel.market.base import SUPPLIER, Bid, Clearing, Metered, Terms
from archipel.market.bids import read, to_kw
from archipel.market.day_ahead import filled
from archipel.market.exact import ENERGY, MONEY, check_inputs, exact, one_way, series
from archipel.market.market_day import EUROPE, MarketDay, Resolution, hours, zone_of
from archipel.model import Floats, Payment


class RetailPrice(Protocol):
    """What a kWh costs, or brings, in every interval."""

    def prices(self, edges: tuple[datetime, ...]) -> Floats:
        """Price of every interval between `edges` (UTC) [EUR/kWh], shape (len(edges) - 1,)."""
        ...


@final
@dataclass(frozen=True, slots=True)
class FlatPrice:
    """The same price always."""

    eur_per_kwh: float

    def prices(self, edges: tuple[datetime, ...]) -> Floats:
        """See `RetailPrice`."""
        return np.full(len(edges) - 1, self.eur_per_kwh)


@final
@dataclass(frozen=True, slots=True)
class Band:
    """A time of use on the local clock, [from, to); over midnight when `to` is not after `from`."""

    from_local: time
    to_local: time
    eur_per_kwh: float
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Monday is 0; the weekday is that of the instant, so a band over midnight needs both days."""

    def holds(self, local: datetime) -> bool:
        """Whether a local time lies in it."""
        clock = local.time()
        over = self.to_local <= self.from_local
        inside = (
            (clock >= self.from_local) | (clock < self.to_local) if over else self.from_local <= clock < self.to_local
        )
        return inside and local.weekday() in self.weekdays


@final
@dataclass(frozen=True, slots=True)
class TimeOfUse:
    """A price by the local clock: that of the first band that holds when the interval begins."""

    bands: tuple[Band, ...]
    otherwise_eur_per_kwh: float
    zone: str = EUROPE

    def prices(self, edges: tuple[datetime, ...]) -> Floats:
        """See `RetailPrice`."""
        zone = zone_of(self.zone)
        local = [edge.astimezone(zone) for edge in edges[:-1]]
        first = (next((b.eur_per_kwh for b in self.bands if b.holds(at)), self.otherwise_eur_per_kwh) for at in local)
        return np.fromiter(first, np.float64, len(local))


@final
@dataclass(frozen=True, slots=True, eq=False)
class DynamicPrice:
    """The day-ahead price, times a factor (value-added tax), plus a fee (network, levies, margin)."""

    day: MarketDay
    day_ahead_eur_per_kwh: Floats
    """One per interval of the day: 23, 24 or 25 hours, or 92, 96 or 100 quarter hours; may be negative."""
    fee_eur_per_kwh: float
    factor: float = 1.0
    resolution: Resolution = "hour"

    def __post_init__(self) -> None:
        """Refuse a series with gaps."""
        series("dynamic tariff", self.day_ahead_eur_per_kwh, self.day.edges(self.resolution))

    def prices(self, edges: tuple[datetime, ...]) -> Floats:
        """See `RetailPrice`.

        Raises:
            ValueError: the intervals are not in the day.
        """
        known = self.day.edges(self.resolution)
        if edges[0] < known[0] or edges[-1] > known[-1]:
            found = f"found intervals from {edges[0]:%Y-%m-%d %H:%M} to {edges[-1]:%Y-%m-%d %H:%M} UTC"
            raise ValueError(f"dynamic tariff of {self.day.date}: {found}; expected them in that day.")
        row = np.searchsorted([e.timestamp() for e in known], [e.timestamp() for e in edges[:-1]], side="right") - 1
        price = np.asarray(self.day_ahead_eur_per_kwh, dtype=np.float64)[row]
        return np.asarray(price * self.factor + self.fee_eur_per_kwh, dtype=np.float64)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Retail:
    """One day of supply at a tariff. A bid says what a customer would draw at most at what price, and is filled or not;
    what is billed is what was metered.
    """

    day: MarketDay
    draw: RetailPrice
    feed_in: RetailPrice
    base_eur_per_day: float = 0.0
    """Paid by everyone who has a reading on the day."""
    resolution: Resolution = "quarter_hour"
    name: str = "retail"
    price_min: float = -10.0
    price_max: float = 10.0

    @property
    def terms(self) -> Terms:
        """Energy, drawn and fed in."""
        edges = self.day.edges(self.resolution)
        return Terms(self.name, edges, {"energy": "both"}, self.price_min, self.price_max, pays="meter")

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Fill what suits the tariffs: a retail supplier delivers all that is drawn.

        Raises:
            BidsRefused: some cannot be used.
        """
        terms = self.terms
        columns = read(bids, terms)
        draw, feed_in = self.draw.prices(terms.edges), self.feed_in.prices(terms.edges)
        row = columns.interval[columns.bid]
        accepted = to_kw(filled(columns, draw[row], feed_in[row]), terms.tick_kw)
        price = np.where(accepted < 0, feed_in[columns.interval], draw[columns.interval])
        return Clearing(terms.market, columns.bids, accepted, price, {("energy", ""): draw, ("feed_in", ""): feed_in})

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """The bill of every reading: energy drawn or fed in, and the day's base fee of every customer.

        Whatever was bid and filled, the meter counts.

        Raises:
            ReadingsRefused: some readings cannot be used.
        """
        terms = self.terms
        check_inputs(clearing, metered, terms)
        draw, feed_in, length = self.draw.prices(terms.edges), self.feed_in.prices(terms.edges), hours(terms.edges)
        row = {at: i for i, at in enumerate(terms.edges)}
        paid = []
        for reading in metered:
            i = row[reading.start]
            at = Bid(reading.owner, reading.product, reading.start, ())
            quantity = exact(abs(reading.kw) * float(length[i]), ENERGY)
            if quantity and reading.kw > 0:
                paid.append(one_way(terms, "energy", at, SUPPLIER, reading.owner, quantity, float(draw[i])))
            elif quantity:
                paid.append(one_way(terms, "feed_in", at, reading.owner, SUPPLIER, quantity, float(feed_in[i])))
        fee, day = exact(self.base_eur_per_day, MONEY), terms.edges[0]
        for owner in {reading.owner for reading in metered} if fee else ():
            name = f"{terms.market}/base_fee/{Bid(owner, 'base_fee', day, ()).id}"
            paid.append(Payment(name, day, owner, SUPPLIER, fee, "base_fee"))
        return tuple(sorted(paid, key=lambda payment: payment.id))
