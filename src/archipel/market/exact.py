"""From cleared power to payments in exact decimals.

Energy and price are rounded once, half to even, to `ENERGY` and `PRICE`, and their product to a micro-euro (`MONEY`);
so everybody can do the sum again by hand. What rounding leaves in the clearing house
goes to the account `rounding`, one payment per interval, never to a bidder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from archipel.market.base import MARKET, TSO, Bid, Clearing, Metered, ReadingsRefused, Terms
from archipel.market.market_day import hours
from archipel.model import Floats, Payment

ENERGY = Decimal("0.000001")
"""kWh, or kW h of capacity: as many digits as the books keep."""
PRICE = Decimal("0.00000001")
"""EUR per kWh: a thousandth of a cent per MWh."""
MONEY = Decimal("0.000001")
"""EUR."""


def exact(value: float, unit: Decimal) -> Decimal:
    """A number as it is written, rounded half to even to a multiple of `unit`."""
    return Decimal(repr(float(value))).quantize(unit, ROUND_HALF_EVEN)


def money(quantity: Decimal, price: float) -> Decimal:
    """Quantity times price, rounded half to even to `MONEY`."""
    return (quantity * exact(price, PRICE)).quantize(MONEY, ROUND_HALF_EVEN)


def one_way(
    terms: Terms, what: str, bid: Bid, payee: str, payer: str, quantity: Decimal, price: float, *, unit: str = "kWh"
) -> Payment:
    """One payment of `quantity` times `price`; its id says market, purpose and bid."""
    return Payment(
        f"{terms.market}/{what}/{bid.id}", bid.start, payer, payee, money(quantity, price), what, quantity, unit
    )


def trades(clearing: Clearing, terms: Terms) -> list[Payment]:
    """Every bid pays the clearing house for what it bought, and is paid for what it sold, at its price."""
    length = dict(zip(terms.edges, hours(terms.edges).tolist(), strict=False))
    paid = []
    for bid, kw, price in zip(clearing.bids, clearing.accepted_kw.tolist(), clearing.price.tolist(), strict=True):
        quantity = exact(abs(kw) * length[bid.start], ENERGY)
        if quantity:
            payer, payee = (bid.owner, MARKET) if kw > 0 else (MARKET, bid.owner)
            paid.append(one_way(terms, bid.product, bid, payee, payer, quantity, price))
    return sorted(paid, key=lambda payment: payment.id)


def remainders(terms: Terms, paid: Sequence[Payment], account: str, what: str) -> list[Payment]:
    """What is left in the clearing house in every interval, paid to `account`; after it nothing is left.

    The quantity is the energy that came from the account (negative: went to it), by which bidders bought more than they
    sold.
    """
    left: dict[datetime, tuple[Decimal, Decimal]] = {}
    for payment in paid:
        sign = (payment.payee == MARKET) - (payment.payer == MARKET)
        amount, quantity = left.get(payment.time, (Decimal(0), Decimal(0)))
        left[payment.time] = amount + sign * payment.amount_eur, quantity + sign * payment.quantity
    return [
        Payment(f"{terms.market}/{what}/{at:%Y-%m-%dT%H:%MZ}", at, MARKET, account, amount, what, quantity)
        for at, (amount, quantity) in sorted(left.items())
        if amount or quantity
    ]


def imbalances(clearing: Clearing, terms: Terms, metered: Sequence[Metered], price: Floats | None) -> list[Payment]:
    """What each owner drew beyond what it bought, paid to the TSO at one price for both directions.

    Of an owner without a reading nothing is known, and nothing is settled. One price for both directions: Commission
    Regulation (EU) 2017/2195 (electricity balancing), article 55.

    Args:
        clearing: what was bought and sold.
        terms: of the market.
        metered: mean power of owners per interval.
        price: EUR per kWh per interval, shape (T,); None where this market settles no imbalance.
    """
    if price is None:
        return []
    bought: dict[tuple[str, str, datetime], list[float]] = {}
    for bid, kw in zip(clearing.bids, clearing.accepted_kw.tolist(), strict=True):
        bought.setdefault((bid.owner, bid.cell, bid.start), []).append(kw)
    row, length = {at: i for i, at in enumerate(terms.edges)}, hours(terms.edges)
    paid = []
    for reading in metered:
        i = row[reading.start]
        # the sum is rounded once, whatever the order of the bids it is of
        beyond = reading.kw - float(np.sum(np.sort(bought.get((reading.owner, reading.cell, reading.start), [0.0]))))
        quantity = exact(beyond * float(length[i]), ENERGY)
        if quantity:
            at = Bid(reading.owner, reading.product, reading.start, (), reading.cell)
            paid.append(one_way(terms, "imbalance", at, TSO, reading.owner, quantity, float(price[i])))
    return sorted(paid, key=lambda payment: payment.id)


def check_inputs(clearing: Clearing, metered: Sequence[Metered], terms: Terms) -> None:
    """Refuse a clearing of another market or day, and readings that cannot be used.

    Raises:
        ValueError: the clearing is not of these terms.
        ReadingsRefused: with one sentence for each problem.
    """
    known, seen, problems = set(terms.edges[:-1]), set(), []
    if clearing.market != terms.market or not all(bid.start in known for bid in clearing.bids):
        why = f"found a clearing of {clearing.market} to settle; expected one of {terms.market} on the same day"
        raise ValueError(
            f"{terms.market} from {terms.edges[0]:%Y-%m-%d %H:%M} UTC: {why}. Settle it by its own market."
        )
    for reading in metered:
        who = f"reading of {reading.owner} ({reading.product}) at {reading.start}"
        key = (reading.owner, reading.product, reading.cell, reading.start)
        if key in seen:
            problems.append(f"{who}: found it twice; expected one reading per interval. Leave one out.")
        seen.add(key)
        if reading.start not in known:
            problems.append(f"{who}: found a time at which no interval begins; expected one in the market's day, UTC.")
        if reading.product not in terms.products:
            problems.append(f"{who}: found another product; expected one of {', '.join(terms.products)}.")
        if reading.cell not in terms.cells:
            problems.append(f"{who}: found the cell {reading.cell!r}; expected one of the market's cells.")
        if not np.isfinite(reading.kw):
            problems.append(f"{who}: found {reading.kw} kW; expected a finite number. Send a substitute value.")
    if problems:
        raise ReadingsRefused(f"readings for {terms.market}", tuple(sorted(problems)))


def series(name: str, values: Floats, terms_edges: tuple[datetime, ...]) -> Floats:
    """A given series of one finite value per interval, as floats; its own copy.

    Raises:
        ValueError: values are missing (too few, NaN) or too many; the sentence says which.
    """
    value = np.array(values, dtype=np.float64)
    count = len(terms_edges) - 1
    if value.shape != (count,):
        why = (
            f"{name}: found {value.size} values in the shape {value.shape}; expected one for each of {count} intervals"
        )
        raise ValueError(f"{why} from {terms_edges[0]:%Y-%m-%d %H:%M} UTC. Days on which clocks change differ.")
    missing = np.flatnonzero(~np.isfinite(value))
    if len(missing):
        named = ", ".join(f"{terms_edges[i]:%Y-%m-%d %H:%M}" for i in missing[:8].tolist())
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise ValueError(f"{name}: found no value at {named}{more} UTC; expected finite numbers. Fill the gap first.")
    return value
