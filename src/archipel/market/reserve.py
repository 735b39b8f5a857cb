"""Reserve: power kept ready (FCR, aFRR capacity, blocks of four hours), balancing energy (aFRR, per quarter hour).

Who bids sells readiness: quantities of capacity are negative, prices EUR per kW and hour. In balancing energy the sign
is that of the load convention: `afrr_up` gives energy and is a selling bid, `afrr_down` draws energy and is a buying
one. The other side is the TSO; it wants a fixed power, whatever it costs, up to the market's price limit.

Rules: FCR, "Terms and conditions of the FCR cooperation" (symmetric product of 4 h and at least 1 MW, marginal
pricing); aFRR, Commission Regulation (EU) 2017/2195, article 30 (marginal price of balancing energy), and German
tendering rules for capacity (pay as bid). Left out: limits of exchange between countries, core shares, and the 4-second
control cycle: the merit order here is one per quarter hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, final

import numpy as np

from archipel.market.auction import cover
from archipel.market.base import TSO, Bid, Clearing, Metered, Pays, Side, Terms
from archipel.market.bids import Columns, read, to_kw, to_ticks
from archipel.market.exact import ENERGY, check_inputs, exact, one_way, series
from archipel.market.market_day import MarketDay, hours
from archipel.model import Floats, Ints, Payment

Pricing = Literal["as_cleared", "as_bid"]
"""All get the price of the dearest accepted step; or each step its own."""
PAYS: dict[Pricing, Pays] = {"as_cleared": "price", "as_bid": "bid"}
PRICE_MAX = 15.0
"""Limit of prices of balancing energy [EUR/kWh] (ACER decision 03/2022: 15,000 EUR/MWh); ours for capacity too."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class CapacityMarket:
    """Readiness in blocks of four hours. Make one by `fcr` or `afrr_capacity`."""

    day: MarketDay
    wanted_kw: Mapping[str, Floats]
    """What the TSO wants of every product, shape (6,) each, at least 0; rounded up to whole products."""
    product_kw: float
    """Size of the product: bids and what is accepted are multiples of it."""
    pricing: Pricing
    what: str
    """Purpose of the payments."""
    penalty_times: float = 0.0
    """Capacity that was accepted and not there is not paid, and costs this many times its price on top."""
    price_max: float = PRICE_MAX

    def __post_init__(self) -> None:
        """Refuse wants with gaps."""
        check_wanted(self.what, self.wanted_kw, self.terms.edges)

    @property
    def terms(self) -> Terms:
        """Capacity is sold, in multiples of the product."""
        sides: dict[str, Side] = dict.fromkeys(self.wanted_kw, "sell")
        edges = self.day.edges("block")
        return Terms(self.what, edges, sides, 0.0, self.price_max, self.product_kw, pays=PAYS[self.pricing])

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Accept the cheapest bids of every product and block; ties pro rata in whole products.

        Raises:
            BidsRefused: some cannot be used.
        """
        return covered(read(bids, self.terms), self.terms, self.wanted_kw, self.pricing)

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """The TSO pays for what was accepted and there; who has no reading was there.

        Raises:
            ReadingsRefused: some readings cannot be used.
        """
        terms = self.terms
        check_inputs(clearing, metered, terms)
        share, length = delivered(clearing, metered), lengths(terms)
        paid = []
        for i, bid in enumerate(clearing.bids):
            asked = exact(-clearing.accepted_kw[i] * length[bid.start], ENERGY)
            there = exact(-clearing.accepted_kw[i] * length[bid.start] * share[i], ENERGY)
            price = float(clearing.price[i])
            if there:
                paid.append(one_way(terms, self.what, bid, bid.owner, TSO, there, price, unit="kW h"))
            if asked > there and self.penalty_times:
                missing = asked - there
                cost = price * self.penalty_times
                paid.append(one_way(terms, "penalty", bid, TSO, bid.owner, missing, cost, unit="kW h"))
        return tuple(sorted(paid, key=lambda payment: payment.id))


def fcr(
    day: MarketDay,
    wanted_kw: Floats,
    *,
    product_kw: float = 1000.0,
    penalty_times: float = 0.0,
    price_max: float = PRICE_MAX,
) -> CapacityMarket:
    """Frequency containment reserve: as much up as down, paid as cleared.

    Args:
        day: market day; six blocks, of 3 or 5 h where clocks change.
        wanted_kw: per block, shape (6,).
        product_kw: smallest bid and step, 1 MW in Central Europe.
        penalty_times: see `CapacityMarket`.
        price_max: limit of prices [EUR/kW/h].
    """
    return CapacityMarket(day, {"fcr": wanted_kw}, product_kw, "as_cleared", "fcr", penalty_times, price_max)


def afrr_capacity(
    day: MarketDay,
    up_kw: Floats,
    down_kw: Floats,
    *,
    pricing: Pricing = "as_bid",
    product_kw: float = 1000.0,
    penalty_times: float = 0.0,
    price_max: float = PRICE_MAX,
) -> CapacityMarket:
    """Capacity for automatic frequency restoration, up and down by themselves (`afrr_up`, `afrr_down`).

    Args:
        day: market day; six blocks, of 3 or 5 h where clocks change.
        up_kw: wanted per block, shape (6,): giving more or drawing less.
        down_kw: wanted per block, shape (6,): drawing more or giving less.
        pricing: as bid (Germany, Austria) or as cleared.
        product_kw: smallest bid and step.
        penalty_times: see `CapacityMarket`.
        price_max: limit of prices [EUR/kW/h].
    """
    wanted = {"afrr_up": up_kw, "afrr_down": down_kw}
    return CapacityMarket(day, wanted, product_kw, pricing, "afrr_capacity", penalty_times, price_max)


@final
@dataclass(frozen=True, slots=True, eq=False)
class AfrrEnergy:
    """Balancing energy of automatic frequency restoration: one merit order per quarter hour and direction.

    Bids for `afrr_up` sell (negative), from the cheapest up; bids for `afrr_down` buy (positive: they draw), from who
    pays most down. Prices may be negative: then who draws is paid.
    """

    day: MarketDay
    up_kw: Floats
    """Mean power called upwards in every quarter hour, at least 0, shape (Q,)."""
    down_kw: Floats
    """The same downwards."""
    pricing: Pricing = "as_cleared"
    price_max: float = PRICE_MAX

    def __post_init__(self) -> None:
        """Refuse calls with gaps."""
        check_wanted("afrr_energy", self._wanted, self.terms.edges)

    @property
    def _wanted(self) -> dict[str, Floats]:
        return {"afrr_up": self.up_kw, "afrr_down": self.down_kw}

    @property
    def terms(self) -> Terms:
        """Energy up is sold, energy down is bought."""
        sides: dict[str, Side] = {"afrr_up": "sell", "afrr_down": "buy"}
        edges = self.day.edges("quarter_hour")
        return Terms("afrr_energy", edges, sides, -self.price_max, self.price_max, pays=PAYS[self.pricing])

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Call the merit order; ties pro rata.

        Raises:
            BidsRefused: some cannot be used.
        """
        return covered(read(bids, self.terms), self.terms, self._wanted, self.pricing)

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """Energy that was called and delivered is paid; who has no reading delivered what was called.

        Raises:
            ReadingsRefused: some readings cannot be used.
        """
        terms = self.terms
        check_inputs(clearing, metered, terms)
        share, length = delivered(clearing, metered), lengths(terms)
        paid = []
        for i, bid in enumerate(clearing.bids):
            kw = float(clearing.accepted_kw[i])
            quantity = exact(abs(kw) * length[bid.start] * share[i], ENERGY)
            if quantity:
                payer, payee = (bid.owner, TSO) if kw > 0 else (TSO, bid.owner)
                paid.append(one_way(terms, "afrr_energy", bid, payee, payer, quantity, float(clearing.price[i])))
        return tuple(sorted(paid, key=lambda payment: payment.id))


def covered(columns: Columns, terms: Terms, wanted_kw: Mapping[str, Floats], pricing: Pricing) -> Clearing:
    """Cover the wants of every product and interval by merit order."""
    intervals = terms.intervals
    group = (columns.product * intervals + columns.interval)[columns.bid]
    wanted = np.concatenate([up_to_ticks(wanted_kw[product], terms.tick_kw) for product in terms.products])
    met = cover(columns, group, wanted)
    accepted = np.zeros(len(wanted), dtype=np.int64)
    np.add.at(accepted, group, np.abs(met.accepted))
    table, missing = met.low.reshape(-1, intervals), to_kw(wanted - accepted, terms.tick_kw).reshape(-1, intervals)
    price = table[columns.product, columns.interval] if len(columns.bids) else np.zeros(0)
    if pricing == "as_bid":
        price = mean_price(columns, met.accepted)
    return Clearing(
        terms.market,
        columns.bids,
        to_kw(columns.per_bid(met.accepted), terms.tick_kw),
        price,
        {(product, ""): table[i] for i, product in enumerate(terms.products)},
        {product: missing[i] for i, product in enumerate(terms.products)},
    )


def up_to_ticks(kw: Floats, tick_kw: float) -> Ints:
    """Whole ticks that hold at least a power; what is less than a milliwatt is rounding."""
    return -to_ticks(-np.ceil(np.round(np.asarray(kw) / tick_kw, 9)) * tick_kw, tick_kw)


def mean_price(columns: Columns, accepted: Ints) -> Floats:
    """Price of every bid when each accepted step is paid its own: their mean, shape (bids,); NaN where none is."""
    weight = np.bincount(columns.bid, np.abs(accepted), len(columns.bids))
    value = np.bincount(columns.bid, np.abs(accepted) * columns.price, len(columns.bids))
    return np.asarray(np.divide(value, weight, out=np.full(len(weight), np.nan), where=weight > 0))


def delivered(clearing: Clearing, metered: Sequence[Metered]) -> list[float]:
    """Share of every bid that was delivered, 0..1: an owner's bids for one product and interval share alike."""
    read_kw = {(m.owner, m.product, m.start): m.kw for m in metered}
    asked: dict[tuple[str, str, datetime], float] = {}
    keys = [(bid.owner, bid.product, bid.start) for bid in clearing.bids]
    for key, kw in sorted(zip(keys, clearing.accepted_kw.tolist(), strict=True)):
        asked[key] = asked.get(key, 0.0) + kw
    share = {
        key: 1.0 if key not in read_kw or not kw else min(max(read_kw[key] / kw, 0.0), 1.0) for key, kw in asked.items()
    }
    return [share[key] for key in keys]


def lengths(terms: Terms) -> dict[datetime, float]:
    """Length of every interval by its start [h]."""
    return dict(zip(terms.edges, hours(terms.edges).tolist(), strict=False))


def check_wanted(what: str, wanted_kw: Mapping[str, Floats], edges: tuple[datetime, ...]) -> None:
    """Refuse wants that are missing or negative.

    Raises:
        ValueError: with a sentence that names the product.
    """
    for product, kw in wanted_kw.items():
        if (series(f"{what}: wanted {product}", kw, edges) < 0).any():
            raise ValueError(f"{what}: found a negative want of {product}; expected at least 0 kW in every interval.")
