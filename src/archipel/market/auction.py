"""Clearing of stepwise curves at one price per group (a product, an interval): merit order, in whole ticks.

    price                     buys from the highest price down, sells from the lowest up; they meet
      |--------.              at a price, or on a range [low, high] of prices. At the price itself:
      |   buy  '-----.  .---- 1. as much as possible is traded;
      |           .--+--'     2. steps at exactly the price share what is left to their side pro rata to their
      |   sell ---'  |           size, in whole ticks; ticks left over go by largest remainder, then by id.
      '--------------------- kW

The set of prices at which supply meets demand, and that trading there is the welfare optimum: P. Samuelson,
"Spatial Price Equilibrium and Linear Programming", American Economic Review 42 (1952); the rules for a range of prices
and for ties are choices (the coupled European auction too takes the middle of the range and the largest volume: NEMO
Committee, "EUPHEMIA Public Description", section on price and volume indeterminacy).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from archipel.market.bids import Columns
from archipel.model import Bools, Floats, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Where supply and demand of every group meet."""

    accepted: Ints
    """Per step, in ticks, with its sign, shape (steps,)."""
    low: Floats
    high: Floats
    """Ends of the range of prices per group, shape (groups,); NaN where nothing is traded."""

    @property
    def middle(self) -> Floats:
        """Middle of the range, shape (groups,)."""
        return np.asarray(self.low + (self.high - self.low) / 2)


def meet(columns: Columns, group: Ints, groups: int) -> Meeting:
    """Clear buying against selling.

    Indivisible bids: one that would be accepted in part is rejected (of several in a group the largest, then by id)
    and the group is cleared again, until there is none. So some may be rejected though the price would suit them; none
    is accepted at a price that does not.

    Args:
        columns: the bids' steps.
        group: Group of every step, shape (steps,).
        groups: Number of groups.
    """
    return _without_parts(group, columns, lambda on: _meet(columns, group, groups, on))


def cover(columns: Columns, group: Ints, wanted: Ints) -> Meeting:
    """Cover a fixed want of every group by the cheapest steps, all of which sell, or all of which buy.

    Selling steps cover from the lowest price up; the group's price (`low` = `high`) is the highest accepted. Buying
    steps cover from the highest price down (they pay to take); the price is the lowest accepted.

    Args:
        columns: the bids' steps; all steps of a group have the same sign.
        group: Group of every step, shape (steps,).
        wanted: Ticks wanted per group, at least 0, shape (groups,).
    """
    return _without_parts(group, columns, lambda on: _cover(columns, group, wanted, on))


def _without_parts(group: Ints, columns: Columns, clear: Callable[[Bools], Meeting]) -> Meeting:
    on = np.ones(len(group), dtype=bool)
    while True:
        found = clear(on)
        part = columns.whole[columns.bid] & (found.accepted != 0) & (found.accepted != columns.ticks)
        if not part.any():
            return found
        worst: dict[int, tuple[int, str, int]] = {}
        for i in np.flatnonzero(part).tolist():
            entry = (-abs(int(columns.ticks[i])), columns.name_of(i), i)
            worst[int(group[i])] = min(worst.get(int(group[i]), entry), entry)
        on[[i for *_, i in worst.values()]] = False


def _meet(columns: Columns, group: Ints, groups: int, on: Bools) -> Meeting:
    accepted = np.zeros(len(group), dtype=np.int64)
    low, high = np.full((2, groups), np.nan)
    rows = np.flatnonzero(on)
    if not len(rows):
        return Meeting(accepted, low, high)
    level = _Levels.of(group[rows], columns.ticks[rows], columns.price[rows], groups)
    at_low, at_high = level.ends(groups)
    some = at_low >= 0
    low[some], high[some] = level.price[at_low[some]], level.price[at_high[some]]
    price = low + (high - low) / 2
    for sign in (1, -1):
        mine = np.flatnonzero(on & (columns.ticks * sign > 0))
        beyond = sign * (columns.price[mine] - price[group[mine]])
        accepted[mine[beyond > 0]] = columns.ticks[mine[beyond > 0]]
    edge = on & (columns.price == price[group])
    bought, sold, may_buy, may_sell = np.zeros((4, groups), dtype=np.int64)
    for taken, may, sign in ((bought, may_buy, 1), (sold, may_sell, -1)):
        np.add.at(taken, group, np.maximum(sign * accepted, 0))
        np.add.at(may, group, np.where(edge, np.maximum(sign * columns.ticks, 0), 0))
    volume = np.minimum(bought + may_buy, sold + may_sell)
    for left, sign in ((volume - bought, 1), (volume - sold, -1)):
        _share(columns, group, np.flatnonzero(edge & (columns.ticks * sign > 0)), left, accepted)
    none = volume == 0
    low[none], high[none] = np.nan, np.nan
    return Meeting(accepted, low, high)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Levels:
    """Every price at which some step of a group stands, in rising order, group after group."""

    group: Ints
    price: Floats
    above: Ints
    """Demand minus supply just above the price."""
    below: Ints
    """Just below it."""

    @staticmethod
    def of(group: Ints, ticks: Ints, price: Floats, groups: int) -> _Levels:
        order = np.lexsort((price, group))
        g, p, t = group[order], price[order], ticks[order]
        new = np.append(True, (g[1:] != g[:-1]) | (p[1:] != p[:-1]))
        first = np.flatnonzero(new)
        # net demand falls by what every step has, whether it buys no longer or sells from here on
        drop = np.add.reduceat(np.abs(t), first)
        level_group = g[first]
        demand = np.zeros(groups, dtype=np.int64)
        np.add.at(demand, g, np.maximum(t, 0))
        running = np.cumsum(drop)
        start = np.searchsorted(level_group, level_group)  # first level of the same group
        since = running - (running - drop)[start]
        above = demand[level_group] - since
        return _Levels(level_group, p[first], above, above + drop)

    def ends(self, groups: int) -> tuple[Ints, Ints]:
        """First level with no demand left just above it, and last with none of supply left below; -1 for no level."""
        low, high = np.full((2, groups), -1, dtype=np.int64)
        first = np.flatnonzero(self.above <= 0)[::-1]
        low[self.group[first]] = first  # the last written is the lowest
        last = np.flatnonzero(self.below >= 0)
        high[self.group[last]] = last
        return low, high


def _cover(columns: Columns, group: Ints, wanted: Ints, on: Bools) -> Meeting:
    accepted = np.zeros(len(group), dtype=np.int64)
    price = np.full(len(wanted), np.nan)
    rows = np.flatnonzero(on)
    size, eager = np.abs(columns.ticks), np.where(columns.ticks < 0, columns.price, -columns.price)
    order = rows[np.lexsort((eager[rows], group[rows]))]
    if not len(order):
        return Meeting(accepted, price, price)
    g = group[order]
    new = np.append(True, (g[1:] != g[:-1]) | (eager[order][1:] != eager[order][:-1]))
    first = np.flatnonzero(new)
    level = np.cumsum(new) - 1
    total = np.add.reduceat(size[order], first)
    level_group = g[first]
    running = np.cumsum(total) - total
    before = running - running[np.searchsorted(level_group, level_group)]
    left = np.clip(wanted[level_group] - before, 0, total)
    full = left[level] == total[level]
    accepted[order[full]] = columns.ticks[order[full]]
    part = (left > 0) & (left < total)
    of_group = np.zeros(len(wanted), dtype=np.int64)
    of_group[level_group[part]] = left[part]
    _share(columns, group, order[part[level]], of_group, accepted)
    last = np.flatnonzero(left > 0)
    price[level_group[last]] = columns.price[order[first[last]]]  # levels rise: the last written is the marginal one
    return Meeting(accepted, price, price)


def _share(columns: Columns, group: Ints, rows: Ints, left: Ints, accepted: Ints) -> None:
    """Give every group's `left` ticks to its steps in `rows`, pro rata, largest remainder first, then by id."""
    rows = rows[np.argsort(group[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(group[rows])) + 1
    for mine in np.split(rows, cuts) if len(rows) else []:
        ticks = columns.ticks[mine]
        share = pro_rata(np.abs(ticks), int(left[group[mine[0]]]), partial(_name, columns, mine))
        accepted[mine] = np.sign(ticks) * share


def _name(columns: Columns, rows: Ints, i: int) -> str:
    return columns.name_of(int(rows[i]))


def pro_rata(sizes: Ints, total: int, name_of: Callable[[int], str]) -> Ints:
    """Whole numbers that share `total` in proportion to `sizes`, none above its size.

    What whole parts leave goes one each by largest remainder (T. Hare), equal remainders in the order of their names.
    Whole numbers of any size are used: products of ticks pass 64 bits.
    """
    whole = [int(size) for size in sizes]
    everything = sum(whole)
    if total >= everything:
        return np.asarray(sizes, dtype=np.int64)
    parts = [divmod(size * total, everything) for size in whole]
    given = [quotient for quotient, _ in parts]
    over = total - sum(given)
    if over:
        for i in sorted(range(len(whole)), key=lambda i: (-parts[i][1], name_of(i)))[:over]:
            given[i] += 1
    return np.array(given, dtype=np.int64)
