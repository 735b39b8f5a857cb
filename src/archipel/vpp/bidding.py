"""What a pool bids on the day-ahead market, what of it is accepted, and how it is met afterwards.

A bid has two parts, added up:

    curves    for every interval what is drawn at which price, in steps, never more at a higher price (negative: sold).
              The market sells where it is below zero (supply, rising with the price) and buys where above (demand).
    groups    exclusive groups of profile blocks: of every group one block is accepted, the one that is worth most at
              the prices that came. Stores need them: which hour will be dearest is not known, only that one of some
              will be, and a curve per hour cannot say "in one of these hours".

After the market has cleared, what was accepted is known and is met as closely as devices allow. What is missing is
bought at the day-ahead price plus a spread, what is left is sold at the price less the spread: nobody earns by
deviating.

Source of the kinds of orders: "EUPHEMIA Public Description", PCR market coupling algorithm, 2016, section 5 (hourly
stepwise orders, profile blocks, exclusive groups). The problem behind: `archipel.vpp.bidding_program`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Literal, final

import numpy as np
import scipy.sparse as sp

from archipel.model import Floats
from archipel.vpp.bidding_blocks import groups_of
from archipel.vpp.bidding_program import SHUN_EUR_PER_KWH, Decision, Risk, cvar, decide, steps_at
from archipel.vpp.portfolio_plan import Plan, Pool, best_plan, columns_of, solve_one
from archipel.vpp.price_scenarios import PriceScenarios
from archipel.vpp.reserve_bids import ReserveProduct, keep_reserve

Form = Literal["plan", "curves", "blocks"]
"""One quantity per interval at any price; curves; curves with exclusive groups of blocks."""
FORMS: tuple[Form, ...] = ("plan", "curves", "blocks")
IMBALANCE_EUR_PER_KWH = 0.03
"""Spread between the day-ahead price and what a deviation is bought or sold at."""
SHORT_EUR_PER_KW_H = 1.0
"""What meeting a bid reckons a kW of missing reserve to cost: more than a deviation of energy."""


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """How to bid."""

    form: Form = "blocks"
    risk: Risk = field(default_factory=Risk)
    steps: int = 5
    """Most steps of a curve."""
    most_blocks: int = 24
    """Most blocks of an exclusive group."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Bid:
    """A day-ahead bid of T intervals, load convention: positive is bought."""

    start: datetime
    dt_h: float
    edge_eur_per_kwh: tuple[Floats, ...]
    """For every interval the prices between the steps of its curve, rising, shape (K - 1,)."""
    step_kw: tuple[Floats, ...]
    """For every interval what is bought in every step, shape (K,), not rising."""
    groups: tuple[Floats, ...] = ()
    """Exclusive groups: what every block buys in every interval, shape (blocks, T)."""
    reserve_kw: tuple[Floats, ...] = ()
    """For every reserve product what is promised in its blocks, shape (B,)."""

    def __post_init__(self) -> None:
        for t, (edge, step) in enumerate(zip(self.edge_eur_per_kwh, self.step_kw, strict=True)):
            if len(step) != len(edge) + 1 or np.any(np.diff(edge) <= 0) or np.any(np.diff(step) > 1e-6):
                raise ValueError(
                    f"bid of interval {t}: found steps {step} at prices {edge}; expected prices that rise and one more "
                    "quantity, none above the one before it."
                )

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return len(self.step_kw)

    def accepted_kw(self, price_eur_per_kwh: Floats) -> Floats:
        """What is bought at these prices (T,), by a market that our quantities do not move; shape (T,).

        Of equal blocks the first is taken. Blocks are bid at any price, so every group has one accepted.
        """
        check_prices(price_eur_per_kwh, self.intervals, self.start, self.dt_h)
        found = np.array([
            step[np.searchsorted(edge, p, side="left")]
            for edge, step, p in zip(self.edge_eur_per_kwh, self.step_kw, price_eur_per_kwh, strict=True)
        ])  # fmt: skip
        for blocks in self.groups:
            found = found + blocks[np.argmin(blocks @ price_eur_per_kwh)]
        return np.asarray(found)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A bid and what it is expected to bring."""

    bid: Bid
    earned_eur: Floats
    """In every scenario beyond leaving everything idle, shape (W,)."""
    probability: Floats

    @property
    def expected_eur(self) -> float:
        """Mean of what is earned."""
        return float(self.probability @ self.earned_eur)

    def cvar_eur(self, tail: float) -> float:
        """Mean of what is earned in the worst scenarios, together as likely as `tail`."""
        return cvar(self.earned_eur, self.probability, tail)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A day after it was delivered."""

    plan: Plan
    over_kw: Floats
    under_kw: Floats
    """Drawn above and below what was accepted, shape (T,)."""
    short_kw: Floats
    """Reserve that was promised and not kept, every block of every product, flat."""
    earned_eur: float
    """Beyond leaving everything idle: energy, imbalance, reserve, less what members are paid for wear and comfort."""


def check_prices(price_eur_per_kwh: Floats, intervals: int, start: datetime, dt_h: float) -> None:
    """Refuse prices that do not fit the day or are missing, by their intervals; prices below zero are prices.

    Raises:
        ValueError: With the intervals that are missing.
    """
    if price_eur_per_kwh.shape != (intervals,):
        raise ValueError(
            f"prices of {start:%Y-%m-%d}: found {price_eur_per_kwh.shape[-1]}; expected {intervals}, one for every "
            f"interval of {dt_h:g} h. A market day has 23 or 25 hours when clocks change."
        )
    missing = np.flatnonzero(~np.isfinite(price_eur_per_kwh))
    if len(missing):
        raise ValueError(
            f"prices of {start:%Y-%m-%d}: found none for intervals {', '.join(map(str, missing.tolist()))} (counted "
            "from 0); expected a finite price for every interval. Ask for the series to be filled, or leave it out."
        )


def make_offer(
    pool: Pool, scenarios: PriceScenarios, settings: Settings | None = None, products: Sequence[ReserveProduct] = ()
) -> Offer:
    """The bid that is best over the scenarios.

    Args:
        pool: Members side by side.
        scenarios: Prices, and where given availability of every store, in each scenario.
        settings: Form and risk.
        products: Reserve to promise together with energy. Blocks leave reserve no room it could count on: with products
            `blocks` bids curves.

    Raises:
        SolverFailed: The pool's problem has no answer.
        ValueError: Scenarios of another length than the pool, or a reserve product with the wrong number of prices.
    """
    settings = settings or Settings()
    price = scenarios.price_eur_per_kwh
    check_prices(price[0], pool.intervals, pool.start, pool.dt_h)
    if settings.form == "blocks" and not products:
        return _block_offer(pool, scenarios, settings)
    steps = steps_at(price, 1 if settings.form == "plan" else settings.steps)
    found = decide(pool, scenarios, steps, settings.risk, products)
    return Offer(_curves(pool, found, products), found.earned_eur, scenarios.probability)


def _curves(pool: Pool, found: Decision, products: Sequence[ReserveProduct]) -> Bid:
    first, base = found.steps.first, pool.total_base_kw
    step = tuple(base[t] + np.minimum.accumulate(found.x_kw[first[t] : first[t + 1]]) for t in range(pool.intervals))
    ends = np.cumsum([0, *(one.blocks(pool.intervals) for one in products)])
    reserve = tuple(found.reserve_kw[a:b] for a, b in pairwise(ends))
    return Bid(pool.start, pool.dt_h, found.steps.edge, step, (), reserve)


def _block_offer(pool: Pool, scenarios: PriceScenarios, settings: Settings) -> Offer:
    """Curves for what has no energy to mind, exclusive groups for stores, around a plan under the asked risk."""
    part = np.ones(pool.stores) if scenarios.availability is None else scenarios.probability @ scenarios.availability
    likely = pool.shrunk(part)
    free = np.asarray(~(np.isfinite(pool.e_kwh_min) | np.isfinite(pool.e_kwh_max)).any(axis=1))
    stores = likely.only(~free)
    edge, step = _free_curves(likely.only(free))
    groups, earned = tuple[Floats, ...](), _free_earned(likely.only(free), scenarios.price_eur_per_kwh)
    if stores.stores:
        known = PriceScenarios(scenarios.price_eur_per_kwh, scenarios.probability)
        plans = [
            _one_quantity(stores, known, settings.risk),
            *(best_plan(stores, guess) for guess in scenarios.guess_eur_per_kwh),
        ]
        groups, more = groups_of(
            stores, known, plans, settings.most_blocks, lambda earned: settings.risk.merit(earned, known.probability)
        )
        earned = earned + more
    bid = Bid(pool.start, pool.dt_h, edge, step, groups)
    if scenarios.availability is not None:
        days = zip(scenarios.price_eur_per_kwh, scenarios.availability, strict=True)
        earned = np.array([meet(pool, bid, price, availability=part).earned_eur for price, part in days])
    return Offer(bid, earned, scenarios.probability)


def _free_earned(pool: Pool, price: Floats) -> Floats:
    """What stores without energy earn in every scenario, shape (W,): each does what pays, or nothing."""
    p = price[:, None, :]
    more, less = -(p + pool.cost_eur_per_kwh) * pool.p_kw_max, -(p - pool.cost_eur_per_kwh) * pool.p_kw_min
    return np.asarray(pool.dt_h * np.maximum(np.maximum(more, less), 0.0).sum(axis=(1, 2)))


def _one_quantity(pool: Pool, scenarios: PriceScenarios, risk: Risk) -> Plan:
    """The plan that is best as it stands whatever the prices; without regard to risk that of the mean price."""
    if risk.weight == 0.0:
        return best_plan(pool, scenarios.mean_price)
    return decide(pool, scenarios, steps_at(scenarios.price_eur_per_kwh, 1), risk).plans[0]


def _free_curves(pool: Pool) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Baseline and stores without energy: each draws more below minus its cost, and less above its cost."""
    edges, steps = [], []
    for t, base in enumerate(pool.total_base_kw):
        cost = pool.cost_eur_per_kwh[:, t]
        moves = np.concatenate([-cost[pool.p_kw_max[:, t] > 0], cost[pool.p_kw_min[:, t] < 0]])
        edge = np.unique(moves)
        inside = np.concatenate([edge[:1] - 1.0, 0.5 * (edge[1:] + edge[:-1]), edge[-1:] + 1.0]) if len(edge) else [0.0]
        edges.append(edge)
        steps.append(np.array([
            base + pool.p_kw_max[:, t] @ (p < -cost) + pool.p_kw_min[:, t] @ (p > cost) for p in inside
        ]))  # fmt: skip
    return tuple(edges), tuple(steps)


def meet(
    pool: Pool,
    bid: Bid,
    price_eur_per_kwh: Floats,
    *,
    availability: Floats | None = None,
    imbalance_eur_per_kwh: float = IMBALANCE_EUR_PER_KWH,
    products: Sequence[ReserveProduct] = (),
) -> Outcome:
    """Deliver what was accepted at these prices as closely as devices allow, and settle the day.

    Reserve comes before energy. What of it is not kept is not paid and costs its price once more.

    Args:
        pool: Members side by side.
        bid: What was bid.
        price_eur_per_kwh: Prices that came, shape (T,).
        availability: Part of every store that is there, shape (S,); all where not given.
        imbalance_eur_per_kwh: Spread of the imbalance price around the day-ahead price, at least 0.
        products: Reserve that was promised, with the prices that came.

    Raises:
        ValueError: Prices that do not fit the day or are missing.
        SolverFailed: The pool's problem has no answer.
    """
    change = bid.accepted_kw(price_eur_per_kwh) - pool.total_base_kw
    kept = keep_reserve(pool, columns_of(pool, availability), products)
    promised = np.concatenate([*bid.reserve_kw, np.zeros(0)]) if products else np.zeros(0)
    dt, t, rows = pool.dt_h, pool.intervals, kept.share.shape[0]
    one, each = sp.eye_array(t), sp.eye_array(rows)
    extra = sp.block_array([
        [kept.columns.net, sp.hstack([-one, one]), None],
        [kept.share, None, sp.hstack([each, -each])],
    ]) if rows else sp.hstack([kept.columns.net, -one, one])  # fmt: skip
    weights = [np.full(2 * t, dt * SHUN_EUR_PER_KWH), np.full(rows, dt * SHORT_EUR_PER_KW_H), np.zeros(rows)]
    cost = np.concatenate([kept.columns.cost_eur, *weights])
    plan, more = solve_one(pool, kept.columns, cost, extra.tocsr(), np.append(change, kept.promise @ promised))
    over, under, short = more[:t], more[t : 2 * t], more[2 * t : 2 * t + rows]
    energy = dt * (price_eur_per_kwh @ plan.net_kw + imbalance_eur_per_kwh * (over + under).sum())
    failed = kept.promise.multiply(short[:, None]).max(axis=0).toarray().ravel() if rows else np.zeros(0)
    paid = float(kept.worth_eur @ promised) - 2.0 * float(np.abs(kept.worth_eur) @ failed)
    return Outcome(plan, over, under, failed, paid - energy - plan.cost_eur)
