"""Bids and readings for the suite of markets: random ones that its terms allow, and each kind it must refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from archipel.market.base import MARKET, TICK_KW, Bid, Clearing, Metered, Terms
from archipel.model import Floats

LEVELS = 5
"""Different prices of random steps: few, so that many bids stand at the same price."""


def random_bids(rng: np.random.Generator, terms: Terms) -> list[Bid]:
    """About 60 bids in a few intervals of the day, many of them at equal prices, some of them all or nothing."""
    low, high = max(terms.price_min, -0.1), min(terms.price_max, 0.5)
    prices = np.round(np.linspace(low, high, LEVELS), 4)
    starts = rng.choice(terms.intervals, min(4, terms.intervals), replace=False)
    bids = []
    for i in range(60):
        product = str(rng.choice(list(terms.products)))
        whole = terms.whole_bids and rng.random() < 0.1
        steps = _steps(rng, terms, prices, terms.products[product], 1 if whole else int(rng.integers(1, 4)))
        bids.append(
            Bid(
                owner=f"owner {i % 25}",
                product=product,
                start=terms.edges[int(rng.choice(starts))],
                steps=steps,
                cell=str(rng.choice(list(terms.cells))),
                name=f"{i}",
                divisible=not whole,
            )
        )
    return bids


def _steps(
    rng: np.random.Generator, terms: Terms, prices: Floats, side: str, count: int
) -> tuple[tuple[float, float], ...]:
    """A monotone curve, of one side, or of both when it has more than two steps."""
    unit = terms.tick_kw if terms.tick_kw > TICK_KW else float(rng.choice([0.1, 0.25, 1.0, 1 / 3]))
    size = unit * rng.integers(1, 30, count)
    both = side == "both" and count > 2 and rng.random() < 0.5
    # a bid that buys and sells at the very same price trades with itself: it may, but nobody could say how much
    price = np.sort(rng.choice(prices, count, replace=not both))
    buys = side == "buy" or (side == "both" and rng.random() < 0.5)
    if both:
        sells = ((-float(s), float(p)) for s, p in zip(size[1:], price[1:], strict=True))
        return (float(size[0]), float(price[0])), *sells
    sign, order = (1.0, price[::-1]) if buys else (-1.0, price)
    return tuple((sign * float(s), float(p)) for s, p in zip(size, order, strict=True))


def random_readings(rng: np.random.Generator, terms: Terms, clearing: Clearing) -> list[Metered]:
    """Readings near what was accepted, of most owners."""
    total: dict[tuple[str, str, str, int], float] = {}
    rows = {start: i for i, start in enumerate(terms.edges)}
    for bid, kw in zip(clearing.bids, clearing.accepted_kw.tolist(), strict=True):
        key = (bid.owner, bid.product, bid.cell, rows[bid.start])
        total[key] = total.get(key, 0.0) + kw
    return [
        Metered(owner, terms.edges[i], kw * float(rng.uniform(0.5, 1.2)), product, cell)
        for (owner, product, cell, i), kw in sorted(total.items())
        if rng.random() < 0.8
    ]


def wrong_bids(rng: np.random.Generator, terms: Terms, bids: Sequence[Bid]) -> list[tuple[str, Bid]]:
    """One bid of every kind that is refused, each with what is wrong with it."""
    good = bids[int(rng.integers(len(bids)))]
    size = abs(good.steps[0][0])
    sign = -1.0 if terms.products[good.product] == "sell" else 1.0
    middle, step = (terms.price_min + terms.price_max) / 2, (terms.price_max - terms.price_min) / 10
    bent = ((sign * size, middle), (sign * size, middle + sign * step))

    def other(name: str, **changes: Any) -> Bid:
        usual: dict[str, Any] = {"name": f"wrong {name}", "steps": ((sign * size, middle),), "divisible": True}
        return replace(good, **(usual | changes))

    wrong = [
        ("a missing price", other("price", steps=((sign * size, float("nan")),))),
        ("a price beyond the limits", other("limit", steps=((sign * size, terms.price_max + 1.0),))),
        ("a quantity that is not finite", other("quantity", steps=((sign * float("inf"), middle),))),
        ("a missing quantity", other("nothing", steps=((float("nan"), middle),))),
        ("a curve that is not monotone", other("curve", steps=bent)),
        ("a bid without steps", other("steps", steps=())),
        ("a bid before the day", other("early", start=terms.edges[0] - timedelta(hours=1))),
        ("a bid after the day", other("late", start=terms.edges[-1])),
        ("a bid between two intervals", other("between", start=good.start + timedelta(minutes=1))),
        ("a bid at a naive time", other("naive", start=good.start.replace(tzinfo=None))),
        ("a bid that is there twice", good),
        ("an unknown product", other("product", product="weather")),
        ("an unknown cell", other("cell", cell="nowhere")),
        ("an owner named like the clearing house", other("owner", owner=MARKET)),
        ("a bid without an owner", other("nobody", owner="")),
        ("an indivisible bid of two steps", other("whole", steps=((sign * size, middle),) * 2, divisible=False)),
    ]
    if terms.products[good.product] != "both":
        wrong.append(("the wrong side", other("side", steps=((-sign * size, middle),))))
    else:
        both = ((size, middle), (-size, middle - step))
        wrong.append(("a bid that trades with itself", other("itself", steps=both)))
    if terms.tick_kw > TICK_KW:
        part = ((sign * 1.5 * terms.tick_kw, middle),)
        wrong.append(("part of a product", other("part", steps=part)))
    return wrong


def wrong_readings(terms: Terms, bid: Bid) -> list[tuple[str, list[Metered]]]:
    """Readings of every kind that is refused."""
    good = Metered(bid.owner, bid.start, bid.steps[0][0], bid.product, bid.cell)
    return [
        ("a missing reading", [replace(good, kw=float("nan"))]),
        ("a doubled reading", [good, good]),
        ("a reading of another day", [replace(good, start=terms.edges[-1])]),
        ("a reading of an unknown product", [replace(good, product="weather")]),
        ("a reading in an unknown cell", [replace(good, cell="nowhere")]),
    ]
