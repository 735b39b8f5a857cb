"""What every market is: it takes bids, clears them, and settles what was cleared; all pure functions.

    bids --clear--> accepted quantities and prices --settle (with meters)--> payments

Load convention: buying is positive, selling negative, in energy and in capacity. A step's price is EUR per kWh of
energy, or EUR per kW and hour of capacity; so money is always power times hours times price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol, final

import numpy as np

from archipel.model import ArchipelError, Floats, Payment

MARKET = "market"
"""Account of the clearing house: nothing may be left in it."""
ROUNDING = "rounding"
"""Account that takes what rounding leaves in the clearing house, once per interval."""
EXCHANGE = "exchange"
"""Account of those outside: the other side of a price-taker's trade, and the upstream grid."""
NETWORK = "network"
"""Account of who runs the network: it earns the rent of limits and losses."""
TSO = "tso"
"""Account of who buys reserve and settles imbalance."""
SUPPLIER = "supplier"
"""Account of who sells at retail."""
ACCOUNTS = (MARKET, ROUNDING, EXCHANGE, NETWORK, TSO, SUPPLIER)
"""Names that no bidder may bear."""

Side = Literal["both", "buy", "sell"]
Pays = Literal["price", "bid", "meter"]
"""Accepted bids are settled at the market's price, or at their own; or meters are billed, whatever was accepted."""
TICK_KW = 1e-6
"""Power is cleared in whole milliwatts: sums of whole numbers do not depend on their order."""
MOST_KW = 1e9
"""Largest quantity of a step: a terawatt. More is a mistake of units."""


@final
@dataclass(frozen=True, slots=True)
class Bid:
    """A stepwise curve of one owner or portfolio, for one product and one interval.

    Buying steps `(kw > 0, price)` pay at most their price, and it must not rise from one to the next; selling steps
    `(kw < 0, price)` get at least their price, and it must not fall. No selling step lies below a buying one.
    """

    owner: str
    """Id of the owner or portfolio; the account that pays and is paid."""
    product: str
    """`energy`, `fcr`, `afrr_up`, `afrr_down`, as the market's terms say."""
    start: datetime
    """Start of the interval, UTC."""
    steps: tuple[tuple[float, float], ...]
    """(quantity_kw, price) of every step; quantities are those of the step alone, not summed."""
    cell: str = ""
    """Where it is delivered, for a market with a network."""
    name: str = ""
    """Tells several bids of one owner for the same product, cell and interval apart."""
    divisible: bool = True
    """False: all of it or nothing (one step only)."""

    @property
    def key(self) -> tuple[str, str, datetime, str, str]:
        """What must not be there twice."""
        return self.owner, self.product, self.start, self.cell, self.name

    @property
    def id(self) -> str:
        """The key in words; different keys have different ids, whatever signs their parts contain."""
        parts = (self.owner, self.product, _stamp(self.start), self.cell, self.name)
        return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts).rstrip("/")


def _stamp(at: datetime) -> str:
    """Naive times are shown as they are; no interval begins at one."""
    known = isinstance(at, datetime) and at.tzinfo is not None
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if known else str(at)


@final
@dataclass(frozen=True, slots=True)
class Metered:
    """What one owner did in one interval."""

    owner: str
    start: datetime
    kw: float
    """Mean power, load convention. For capacity: what was there to be called, negative like the bid."""
    product: str = "energy"
    cell: str = ""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Clearing:
    """What a market decided."""

    market: str
    bids: tuple[Bid, ...]
    accepted_kw: Floats
    """Per bid: bought (positive) or sold (negative), shape (bids,)."""
    price: Floats
    """Per bid: what its accepted power is settled at, shape (bids,); NaN where nothing is accepted and no price is."""
    prices: Mapping[tuple[str, str], Floats]
    """By product and cell: the price of every interval, shape (T,); NaN where nothing was traded."""
    missing_kw: Mapping[str, Floats] = field(default_factory=dict)
    """By product: what was wanted and not offered, at least 0, shape (T,)."""
    flow_kw: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """Power into the lower cell over every closed tie, as sent, shape (ties, T); of markets with a network."""
    upstream_kw: Floats = field(default_factory=lambda: np.zeros(0))
    """Drawn from outside, shape (T,); of markets with a network."""

    def accepted_of(self, owner: str, product: str = "energy") -> dict[datetime, float]:
        """Power that one owner has bought (positive) or sold (negative) in every interval it bid for [kW]."""
        total: dict[datetime, float] = {}
        for bid, kw in zip(self.bids, self.accepted_kw.tolist(), strict=True):
            if (bid.owner, bid.product) == (owner, product):
                total[bid.start] = total.get(bid.start, 0.0) + kw
        return total


@final
@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What bids a market takes."""

    market: str
    edges: tuple[datetime, ...]
    """Boundaries of its T intervals, UTC, T + 1 of them."""
    products: Mapping[str, Side]
    """What may be bid for, and whether by buying, by selling or both."""
    price_min: float
    price_max: float
    """Prices a step may have; a bid at any price bids at the limit."""
    tick_kw: float = TICK_KW
    """What is accepted is a whole number of these. Above a milliwatt it is the product's size: steps must be too."""
    cells: tuple[str, ...] = ("",)
    whole_bids: bool = True
    """Whether indivisible bids are taken."""
    pays: Pays = "price"

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return len(self.edges) - 1


class Market(Protocol):
    """A set of rules: bids in, payments out. `archipel.testing.check_market` checks what every market promises."""

    @property
    def terms(self) -> Terms:
        """What bids it takes."""
        ...

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Accept bids; the order in which they stand means nothing.

        Raises:
            BidsRefused: some cannot be used; the error names all of them.
        """
        ...

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """Who pays whom; the same clearing and meters give the same payments with the same ids.

        Raises:
            ReadingsRefused: some readings cannot be used; the error names all of them.
        """
        ...


class MarketRefused(ArchipelError):
    """A market cannot use what it was given. Carries every problem that was found.

    MarketRefused
      - BidsRefused
      - ReadingsRefused
    """

    def __init__(self, what: str, problems: tuple[str, ...]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join([f"{what}: {count} found:", *(f"  {problem}" for problem in problems)]))


class BidsRefused(MarketRefused):
    """Bids that a market cannot use. None of the bids was cleared."""


class ReadingsRefused(MarketRefused):
    """Readings of meters that a market cannot use. Nothing was settled."""
