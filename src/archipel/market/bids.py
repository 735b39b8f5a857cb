"""Bids as columns, and what is wrong with them: every problem of every bid at once, in sentences that name the bid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.market.base import ACCOUNTS, MOST_KW, TICK_KW, Bid, BidsRefused, Terms
from archipel.model import Bools, Floats, Ints

NANO = 1e9
"""Ticks are whole numbers of these parts of a kW, so that a decimal comes back as it was written."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """All steps of all bids, without those of no quantity."""

    bids: tuple[Bid, ...]
    interval: Ints
    cell: Ints
    product: Ints
    """Per bid: rows in the terms, shape (bids,)."""
    whole: Bools
    """Per bid: indivisible, shape (bids,)."""
    bid: Ints
    """Per step the row of its bid, shape (steps,)."""
    ticks: Ints
    """Per step its quantity in ticks: positive buys, negative sells."""
    price: Floats

    def per_bid(self, step_ticks: Ints) -> Ints:
        """Sum over the steps of every bid, shape (bids,)."""
        total = np.zeros(len(self.bids), dtype=np.int64)
        np.add.at(total, self.bid, step_ticks)
        return total

    def name_of(self, step: int) -> str:
        """Id of the bid a step belongs to."""
        return self.bids[int(self.bid[step])].id


def to_kw(ticks: Ints, tick_kw: float) -> Floats:
    """Power of a whole number of ticks [kW]."""
    return np.asarray(ticks * round(tick_kw * NANO) / NANO, dtype=np.float64)


def to_ticks(kw: Floats, tick_kw: float) -> Ints:
    """Whole ticks in a power, cut towards zero: never more than was bid."""
    size = np.rint(np.abs(kw) * NANO / round(tick_kw * NANO)).astype(np.int64)
    size -= to_kw(size, tick_kw) > np.abs(kw)
    return np.asarray(np.where(kw < 0, -size, size), dtype=np.int64)


def read(bids: Sequence[Bid], terms: Terms) -> Columns:
    """Bids as columns.

    Raises:
        BidsRefused: some cannot be used; one sentence for each problem.
    """
    bids = tuple(bids)
    rows = {start: i for i, start in enumerate(terms.edges[:-1])}
    cells = {cell: i for i, cell in enumerate(terms.cells)}
    products = {product: i for i, product in enumerate(terms.products)}
    n = len(bids)
    interval = np.fromiter((rows.get(b.start, -1) for b in bids), np.int64, n)
    cell = np.fromiter((cells.get(b.cell, -1) for b in bids), np.int64, n)
    product = np.fromiter((products.get(b.product, -1) for b in bids), np.int64, n)
    whole = np.fromiter((not b.divisible for b in bids), bool, n)
    bid = np.repeat(np.arange(n), np.fromiter((len(b.steps) for b in bids), np.int64, n))
    kw = np.fromiter((step[0] for b in bids for step in b.steps), np.float64, len(bid))
    price = np.fromiter((step[1] for b in bids for step in b.steps), np.float64, len(bid))
    sentences = [
        f"bid {bids[i].id}: {tell(bids[i])}"
        for wrong, tell in (
            *_wrong_names(bids, interval, cell, product, terms),
            *_wrong_numbers(n, bid, kw, price, terms),
            *_wrong_curves(n, bid, kw, price),
            *_wrong_sides(n, bid, kw, product, whole, terms),
        )
        for i in np.flatnonzero(wrong).tolist()
    ]
    if sentences:
        raise BidsRefused(f"bids for {terms.market}", tuple(sorted(sentences)))
    ticks = to_ticks(kw, terms.tick_kw)
    some = ticks != 0
    return Columns(bids, interval, cell, product, whole, bid[some], ticks[some], price[some] + 0.0)  # no -0.0


Check = tuple[Bools, Callable[[Bid], str]]
"""Which bids are wrong, and what to say of one."""


def _wrong_names(bids: tuple[Bid, ...], interval: Ints, cell: Ints, product: Ints, terms: Terms) -> Iterator[Check]:
    """Whose they are, for what, where and when."""
    keys = [b.key for b in bids]
    if len(set(keys)) == len(keys):
        doubled = np.zeros(len(bids), dtype=bool)
    else:
        count, last = Counter(keys), {key: i for i, key in enumerate(keys)}
        doubled = np.array([count[key] > 1 and last[key] == i for i, key in enumerate(keys)], dtype=bool)
    yield (
        doubled,
        lambda b: (
            f"found {keys.count(b.key)} of the same owner, product, interval, cell and name; expected one. "
            "Join their steps in one bid, or give each a name."
        ),
    )
    owner = np.fromiter((not b.owner or b.owner in ACCOUNTS for b in bids), bool, len(bids))
    yield (
        owner,
        lambda b: (
            f"found the owner {b.owner!r}; expected the id of an owner or portfolio, other than the accounts "
            f"{', '.join(ACCOUNTS)}. Give it another name."
        ),
    )
    yield (
        product < 0,
        lambda b: (
            f"found the product {b.product!r}; expected one of {', '.join(terms.products)}. Bid it on its own market."
        ),
    )
    yield (
        cell < 0,
        lambda b: (
            f"found the cell {b.cell!r}; expected "
            + (f"one of {', '.join(terms.cells)}." if any(terms.cells) else "none.")
        ),
    )
    yield (
        interval < 0,
        lambda b: (
            f"found the start {b.start}; expected the start of one of the {terms.intervals} intervals from "
            f"{terms.edges[0]:%Y-%m-%d %H:%M} to {terms.edges[-1]:%Y-%m-%d %H:%M} UTC. Give it in UTC."
        ),
    )


def _wrong_numbers(n: int, bid: Ints, kw: Floats, price: Floats, terms: Terms) -> Iterator[Check]:
    """Quantities and prices, one by one."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(kw)
        units = np.rint(size / terms.tick_kw)
        odd = (terms.tick_kw > TICK_KW) & (np.abs(size - units * terms.tick_kw) > TICK_KW)
        beyond = (price < terms.price_min) | (price > terms.price_max)
    usable = np.isfinite(kw) & (size <= MOST_KW)
    yield _any(n, bid, np.ones(len(bid), dtype=bool)) == 0, lambda _: "found no step; expected at least one."
    yield (
        _any(n, bid, ~np.isfinite(kw)),
        lambda b: f"found the quantities {_list(b, 0)} kW; expected finite numbers. Leave out what cannot be said.",
    )
    yield (
        _any(n, bid, np.isfinite(kw) & ~usable),
        lambda b: f"found the quantities {_list(b, 0)} kW; expected at most {MOST_KW:g} kW. Check the unit.",
    )
    yield (
        _any(n, bid, usable & odd),
        lambda b: f"found the quantities {_list(b, 0)} kW; expected multiples of the product's {terms.tick_kw:g} kW.",
    )
    yield (
        _any(n, bid, ~np.isfinite(price)),
        lambda b: (
            f"found the prices {_list(b, 1)}; expected finite numbers. A bid at any price bids at "
            f"{terms.price_max:g} to buy, at {terms.price_min:g} to sell."
        ),
    )
    yield (
        _any(n, bid, np.isfinite(price) & beyond),
        lambda b: (
            f"found the prices {_list(b, 1)}; expected {terms.price_min:g} to {terms.price_max:g} EUR per kWh. "
            "Check the unit."
        ),
    )


def _wrong_curves(n: int, bid: Ints, kw: Floats, price: Floats) -> Iterator[Check]:
    """Buying must not become more eager, selling not cheaper, and nobody sells below what they buy for."""
    some = np.isfinite(kw) & np.isfinite(price) & (kw != 0)
    for sign, what, word in ((1.0, "buying", "rise"), (-1.0, "selling", "fall")):
        rows = np.flatnonzero(some & (kw * sign > 0))
        same = bid[rows][1:] == bid[rows][:-1]
        bent = same & (sign * np.diff(price[rows]) > 0)
        yield (
            _any(n, bid[rows][1:], bent),
            lambda b, what=what, word=word: (  # type: ignore[misc]
                f"found the prices {_list(b, 1)} at {_list(b, 0)} kW; expected prices of {what} steps that do not "
                f"{word} from one to the next. Sort the steps."
            ),
        )
    most, least = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(most, bid[some & (kw > 0)], price[some & (kw > 0)])
    np.minimum.at(least, bid[some & (kw < 0)], price[some & (kw < 0)])
    yield (
        least < most,
        lambda b: (
            f"found the prices {_list(b, 1)} at {_list(b, 0)} kW; expected no selling step below a buying one, "
            "or it would trade with itself."
        ),
    )


def _wrong_sides(n: int, bid: Ints, kw: Floats, product: Ints, whole: Bools, terms: Terms) -> Iterator[Check]:
    """Buying where only selling is meant, and what must be taken whole."""
    sides = list(terms.products.values())
    for side, sign, word in (("sell", 1.0, "selling, negative"), ("buy", -1.0, "buying, positive")):
        only = np.array([s == side for s in sides] + [False], dtype=bool)[product]
        yield (
            only & _any(n, bid, kw * sign > 0),
            lambda b, word=word: (  # type: ignore[misc]
                f"found the quantities {_list(b, 0)} kW; expected {word} ones: {b.product} is offered so."
            ),
        )
    steps = np.bincount(bid, minlength=n)[:n] if n else np.zeros(0, dtype=np.int64)
    yield (
        whole & ((steps != 1) | (not terms.whole_bids)),
        lambda b: (
            f"found {len(b.steps)} steps that are all or nothing; expected "
            + ("one step." if terms.whole_bids else "a divisible bid: this market takes no other.")
        ),
    )


def _any(n: int, bid: Ints, wrong: Bools) -> Bools:
    """Bids of which any step is wrong, shape (n,)."""
    found = np.zeros(n, dtype=bool)
    found[bid[wrong]] = True
    return found


def _list(b: Bid, part: int) -> str:
    return ", ".join(f"{step[part]:g}" for step in b.steps)
