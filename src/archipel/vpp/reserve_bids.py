"""Reserve capacity that a pool may promise beside its energy, and what stands behind it.

Up reserve is power the pool can draw less (give more), down reserve what it can draw more, both beyond its plan:

    down[s,t] direction:  u[s,t] + sum_k r_down[k,s,t] <= p_kw_max        up direction:  -u + sum_k r_up <= -p_kw_min
    energy at the beginning and the end of every interval:
        e - sum_k hold_h[k] r_up[k,s,t] / discharge_efficiency >= e_kwh_min
        e + sum_k hold_h[k] r_down[k,s,t] charge_efficiency <= e_kwh_max
    promised, one number for a block of intervals:  sum_s r[k,s,t] >= R[k,b]   (both directions where symmetric)

All products add up in one headroom and one energy: nothing is promised twice. Activation is assumed to cancel out over
a day; what it moves is settled as energy when it happens.

Sources: energy behind FCR of limited stores: Regulation (EU) 2017/1485 (SO GL), article 156(9) to (11), 15 to 30
minutes; blocks of 4 h and symmetric FCR: FCR Cooperation, under Regulation (EU) 2017/2195, article 33.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np
import scipy.sparse as sp

from archipel.model import Bools, Floats
from archipel.vpp.portfolio_plan import Columns, Pool

Direction = Literal["up", "down", "symmetric"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class ReserveProduct:
    """One kind of reserve capacity, paid per kW and hour it is kept ready."""

    name: str
    direction: Direction
    price_eur_per_kw_h: Floats
    """Capacity price of every block, shape (B,): what is expected, or known."""
    block_intervals: int
    """Intervals of a block; the last block may be shorter."""
    hold_h: float
    """For how long full activation must be backed by energy."""
    least_kw: float = 0.0
    """Smallest quantity the market takes."""
    members: tuple[str, ...] = ()
    """Whose contracts allow it; none: all."""

    def blocks(self, intervals: int) -> int:
        """Number of blocks of a day."""
        return -(-intervals // self.block_intervals)


def fcr(price_eur_per_kw_h: Floats, dt_h: float, *, least_kw: float = 1000.0) -> ReserveProduct:
    """Frequency containment: symmetric, blocks of 4 h, 15 minutes of full activation, at least 1 MW."""
    return ReserveProduct("fcr", "symmetric", price_eur_per_kw_h, round(4.0 / dt_h), 0.25, least_kw)


def afrr(direction: Direction, price_eur_per_kw_h: Floats, dt_h: float, *, least_kw: float = 1000.0) -> ReserveProduct:
    """Frequency restoration capacity in one direction: blocks of 4 h, an hour of full activation, at least 1 MW."""
    return ReserveProduct(f"afrr_{direction}", direction, price_eur_per_kw_h, round(4.0 / dt_h), 1.0, least_kw)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Reserve as part of the problem: the columns of one copy, and rows that tie it to what is promised."""

    columns: Columns
    """With one column per product, direction, store and interval more."""
    share: sp.csr_array
    """Kept in every direction and interval, from the columns, shape (directions T, columns)."""
    promise: sp.csr_array
    """Promised there, from the quantities of all blocks, shape (directions T, blocks)."""
    worth_eur: Floats
    """What one kW of every block earns, shape (blocks,)."""


def keep_reserve(pool: Pool, columns: Columns, products: Sequence[ReserveProduct]) -> Kept:
    """One copy of the problem with room for reserve.

    Raises:
        ValueError: A product with the wrong number of prices.
    """
    s, t = pool.stores, pool.intervals
    if not products:
        return Kept(columns, sp.csr_array((0, len(columns.low))), sp.csr_array((0, 0)), np.zeros(0))
    ways = [(k, up) for k, one in enumerate(products) for up in (True, False)
            if one.direction == "symmetric" or (one.direction == "up") == up]  # fmt: skip
    size = s * t
    hold = np.array([products[k].hold_h for k, _ in ways])
    room = [_power_rows(size, [way == up for _, way in ways], up) for up in (True, False)]
    energy = [_energy_rows(pool, columns, np.where([way == up for _, way in ways], hold, 0.0), up)
              for up in (True, False)]  # fmt: skip
    wide = len(ways) * size
    most = sp.vstack([
        sp.hstack([columns.most, sp.csr_array((columns.most.shape[0], wide))]), *room, *(rows for rows, _ in energy),
    ]).tocsr()  # fmt: skip
    limits = [columns.high[size : 2 * size], columns.high[:size]]
    most_kept = np.concatenate([_most(pool, products[k]) for k, _ in ways])
    kept = replace(
        columns, most=most, at_most=np.concatenate([columns.at_most, *limits, *(right for _, right in energy)]),
        equal=sp.hstack([columns.equal, sp.csr_array((size, wide))]).tocsr(),
        low=np.append(columns.low, np.zeros(wide)), high=np.append(columns.high, most_kept),
        cost_eur=np.append(columns.cost_eur, np.zeros(wide)),
        net=sp.hstack([columns.net, sp.csr_array((t, wide))]).tocsr(),
    )  # fmt: skip
    sum_of_stores = sp.kron(np.ones((1, s)), sp.eye_array(t))
    share = sp.hstack([sp.csr_array((len(ways) * t, 3 * size)), sp.kron(sp.eye_array(len(ways)), sum_of_stores)])
    promise, worth = _promises(pool, products, [k for k, _ in ways])
    return Kept(kept, share.tocsr(), promise, worth)


def _most(pool: Pool, product: ReserveProduct) -> Floats:
    """Nothing from stores whose contract does not allow the product."""
    asked = np.array([not product.members or name in product.members for name in pool.member], dtype=bool)
    return np.repeat(np.where(asked[pool.of], np.inf, 0.0), pool.intervals)


def _power_rows(size: int, ways: list[bool], up: bool) -> sp.csr_array:
    """-u + r_up <= -p_kw_min (up), or u + r_down <= p_kw_max."""
    one = sp.eye_array(size, format="csr")
    sign = -1.0 if up else 1.0
    parts = [sign * one, -sign * one, 0.0 * one, *(one * float(mine) for mine in ways)]
    return sp.hstack(parts).tocsr()


def _energy_rows(pool: Pool, columns: Columns, hold_h: Floats, up: bool) -> tuple[sp.csr_array, Floats]:
    """What is kept in one direction is backed at the end and at the beginning of every interval."""
    s, t = pool.stores, pool.intervals
    size = s * t
    bound = (columns.low if up else columns.high)[2 * size : 3 * size]
    factor = np.repeat(1.0 / pool.discharge_efficiency if up else pool.charge_efficiency, t)
    sign = -1.0 if up else 1.0
    used = sp.hstack([sp.diags_array(factor * hold) for hold in hold_h])
    before = sp.kron(sp.eye_array(s), sp.eye_array(t, k=-1))
    begun = np.zeros((s, t))
    begun[:, 0] = pool.e_kwh_start
    rows, right = [], []
    finite = np.isfinite(bound)
    for at, known in ((sp.eye_array(size), np.zeros(size)), (before, begun.ravel())):
        rows.append(sp.hstack([sp.csr_array((size, 2 * size)), sign * at, used]).tocsr()[finite])
        right.append((sign * bound - sign * known)[finite])
    return sp.vstack(rows).tocsr(), np.concatenate(right)


def _promises(pool: Pool, products: Sequence[ReserveProduct], ways: list[int]) -> tuple[sp.csr_array, Floats]:
    """Which block counts in which direction and interval, and what a kW of each earns."""
    t = pool.intervals
    first = np.cumsum([0, *(one.blocks(t) for one in products)])
    block_of = [first[k] + np.arange(t) // one.block_intervals for k, one in enumerate(products)]
    for one in products:
        if len(one.price_eur_per_kw_h) != one.blocks(t) or not np.isfinite(one.price_eur_per_kw_h).all():
            raise ValueError(
                f"{one.name}: found {len(one.price_eur_per_kw_h)} prices of blocks; expected {one.blocks(t)} finite "
                "numbers, one for every block of the day."
            )
    column = np.concatenate([block_of[k] for k in ways]) if ways else np.zeros(0, dtype=np.int64)
    promise = sp.csr_array((np.ones(len(column)), (np.arange(len(column)), column)), shape=(len(column), first[-1]))
    worth = np.zeros(first[-1])
    for k, one in enumerate(products):
        hours = np.bincount(block_of[k] - first[k]) * pool.dt_h
        worth[first[k] : first[k + 1]] = one.price_eur_per_kw_h * hours
    return promise, worth


def least_kw(products: Sequence[ReserveProduct], intervals: int) -> Floats:
    """Smallest quantity the market takes in every block, shape (blocks,)."""
    return np.concatenate([*(np.full(one.blocks(intervals), one.least_kw) for one in products), np.zeros(0)])


def too_small(reserve_kw: Floats, products: Sequence[ReserveProduct], intervals: int) -> Bools:
    """Which quantities are something and below what their market takes, shape (blocks,)."""
    return np.asarray((reserve_kw > 1e-6) & (reserve_kw < least_kw(products, intervals) - 1e-6))
