"""The two-stage problem behind a bid: what is bid now holds in every scenario, what is done then may differ.

    first stage    x[t,k]   change of the pool's power in step k of interval t, not rising with the price
                   R[b]     reserve promised in every block
    second stage   columns of the pool, over[t], under[t] in every scenario w:
                   net(w)[t] - over + under = x[t, step of the price of w in t],    share(w) >= promise R

    L(w) = dt price(w) (x + over - under) + dt weight (over + under) + paid to members - worth R
    minimise  (1 - risk) E[L] + risk CVaR(L),    CVaR = min_z  z + E[max(L - z, 0)] / tail

Prices that fall into the same step of an interval get the same quantity (nobody knows more when bidding), and a lower
price never a smaller draw: this is what makes it a curve the market takes.

Sources: stepwise curves from a stochastic program: S.-E. Fleten, T. K. Kristoffersen, "Stochastic programming for
optimizing bidding strategies of a Nordic hydropower producer", European J. Operational Research 181(2), 2007,
doi:10.1016/j.ejor.2006.08.023; CVaR: R. T. Rockafellar, S. Uryasev, "Optimization of conditional value-at-risk", J. of
Risk 2(3), 2000, doi:10.21314/JOR.2000.038.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from archipel.model import Floats, Ints
from archipel.vpp.portfolio_plan import NOTHING_OR_ENOUGH, Plan, Pool, columns_of, plan_from, solved
from archipel.vpp.price_scenarios import PriceScenarios
from archipel.vpp.reserve_bids import Kept, ReserveProduct, keep_reserve, least_kw, too_small

SHUN_EUR_PER_KWH = 0.2
"""What a plan reckons a deviation to cost, at least: above any spread of prices, so that nobody plans to deviate."""


@final
@dataclass(frozen=True, slots=True)
class Risk:
    """How much the worst scenarios count."""

    weight: float = 0.0
    """0: only the mean counts; 1: only the worst scenarios."""
    tail: float = 0.1
    """Which part of all scenarios is meant by the worst, in (0, 1]."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.weight <= 1.0 and 0.0 < self.tail <= 1.0):
            raise ValueError(
                f"risk: found weight {self.weight:g} and tail {self.tail:g}; expected a weight in 0..1 and a tail "
                "above 0, at most 1."
            )

    def merit(self, earned_eur: Floats, probability: Floats) -> float:
        """What earnings in every scenario (W,) are worth under this risk: the mean, and the mean of the worst."""
        mean = float(probability @ earned_eur)
        return (1.0 - self.weight) * mean + self.weight * cvar(earned_eur, probability, self.tail)


def cvar(earned_eur: Floats, probability: Floats, tail: float) -> float:
    """Mean of what is earned in the worst scenarios, together as likely as `tail`."""
    order = np.argsort(earned_eur)
    chance = np.minimum(np.cumsum(probability[order]), tail)
    return float(np.diff(chance, prepend=0.0) @ earned_eur[order]) / tail


@final
@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Where the steps of every interval's curve lie."""

    edge: tuple[Floats, ...]
    """For every interval the prices between its steps, rising; a price at an edge belongs to the step below it."""

    @property
    def first(self) -> Ints:
        """Number of every interval's first step, shape (T + 1,)."""
        return np.cumsum([0, *(len(edge) + 1 for edge in self.edge)])

    def of(self, price: Floats) -> Ints:
        """Number of the step of every price, shape (..., T)."""
        within = [np.searchsorted(edge, price[..., t], side="left") for t, edge in enumerate(self.edge)]
        return np.asarray(np.stack(within, axis=-1) + self.first[:-1])


def steps_at(price: Floats, count: int) -> Steps:
    """At most `count` steps per interval, between quantiles of the scenarios' prices (W, T).

    Edges lie half way between two prices that occur, so that a scenario lies inside its step.
    """
    edges = []
    for column in price.T:
        seen = np.unique(column)
        gaps = np.round(np.linspace(0, len(seen), min(count, len(seen)) + 1)[1:-1]).astype(np.int64)
        edges.append(0.5 * (seen[gaps - 1] + seen[gaps]))
    return Steps(tuple(edges))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The answer of the two-stage problem."""

    steps: Steps
    x_kw: Floats
    """Change of the pool's power in every step, flat, see `Steps.first`."""
    reserve_kw: Floats
    """Promised in every block of every product, flat."""
    plans: tuple[Plan, ...]
    """What would be done in every scenario."""
    earned_eur: Floats
    """In every scenario, beyond leaving everything idle, shape (W,)."""


def decide(
    pool: Pool, scenarios: PriceScenarios, steps: Steps, risk: Risk, products: Sequence[ReserveProduct] = ()
) -> Decision:
    """Solve the two-stage problem.

    Where less than a market takes would be promised, it is solved again with quantities that are nothing or enough.

    Raises:
        SolverFailed: It has no answer.
        ValueError: A reserve product with the wrong number of prices.
    """
    price, chance = scenarios.price_eur_per_kwh, scenarios.probability
    count, t = price.shape
    copies = _copies(pool, scenarios, products)
    n, bids = len(copies[0].columns.low), int(steps.first[-1])
    blocks, width = len(copies[0].worth_eur), n + 2 * t
    ahead, tail = bids + blocks, 1 + count if risk.weight > 0.0 else 0
    at = steps.of(price)
    loss = sp.hstack([
        _ahead_cost(pool, price, at, bids, copies[0].worth_eur),
        sp.block_diag([own[None, :] for own in _own_cost(pool, copies, price)]),
    ])  # fmt: skip
    cost = np.concatenate([(1.0 - risk.weight) * (loss.T @ chance), risk.weight * _tail_cost(chance, risk, tail)])
    rows, right = _rows(copies, ahead, bids, steps, width, tail)
    if tail:
        rows = sp.vstack([rows, sp.hstack([loss, -np.ones((count, 1)), -sp.eye_array(count)])]).tocsr()
        right = np.append(right, np.zeros(count))
    equal, equal_to = _equalities(copies, at, ahead, t, tail)
    low, high = (_limits(copies, steps, blocks, tail, low=side) for side in (True, False))
    x = solved(cost, rows, right, equal, equal_to, low, high)
    promised = slice(bids, ahead)
    if too_small(x[promised], products, t).any():
        low[promised], high[promised] = least_kw(products, t), (pool.p_kw_max - pool.p_kw_min).max(axis=1).sum()
        kinds = np.zeros(len(x), dtype=np.int64)
        kinds[promised] = NOTHING_OR_ENOUGH
        x = solved(cost, rows, right, equal, equal_to, low, high, kinds)
    plans = tuple(
        plan_from(pool, one.columns, x[ahead + w * width : ahead + w * width + n]) for w, one in enumerate(copies)
    )
    return Decision(steps, x[:bids], x[promised], plans, np.asarray(-(loss @ x[: loss.shape[1]])))


def _copies(pool: Pool, scenarios: PriceScenarios, products: Sequence[ReserveProduct]) -> list[Kept]:
    """The pool's problem in every scenario: one and the same unless availability differs."""
    parts = scenarios.availability
    burns = (scenarios.price_eur_per_kwh.min(axis=0) < 0.0) | bool(products)
    if parts is None:
        return [keep_reserve(pool, columns_of(pool, one_way=burns), products)] * len(scenarios.probability)
    return [keep_reserve(pool, columns_of(pool, part, burns), products) for part in parts]


def _own_cost(pool: Pool, copies: list[Kept], price: Floats) -> list[Floats]:
    """Cost of the second stage's columns: wear, then over and under."""
    dt, shun = pool.dt_h, SHUN_EUR_PER_KWH
    return [
        np.concatenate([c.columns.cost_eur, dt * (p + shun), dt * (shun - p)])
        for c, p in zip(copies, price, strict=True)
    ]


def _ahead_cost(pool: Pool, price: Floats, at: Ints, bids: int, worth: Floats) -> sp.csr_array:
    """Cost of the first stage's columns in every scenario."""
    count, t = price.shape
    rows = np.repeat(np.arange(count), t)
    energy = sp.csr_array((pool.dt_h * price.ravel(), (rows, at.ravel())), shape=(count, bids))
    return sp.hstack([energy, sp.csr_array(np.tile(-worth, (count, 1)))]).tocsr()


def _tail_cost(chance: Floats, risk: Risk, tail: int) -> Floats:
    return np.concatenate([[1.0], chance / risk.tail]) if tail else np.zeros(0)


def _rows(
    copies: list[Kept], ahead: int, bids: int, steps: Steps, width: int, tail: int
) -> tuple[sp.csr_array, Floats]:
    """Limits of every copy, promised reserve, and curves that do not rise with the price."""
    t = len(steps.edge)
    wide = [sp.hstack([c.columns.most, sp.csr_array((c.columns.most.shape[0], 2 * t))]) for c in copies]
    inside = sp.block_diag(wide)
    share = sp.block_diag([sp.hstack([-c.share, sp.csr_array((c.share.shape[0], 2 * t))]) for c in copies])
    promise = sp.hstack([sp.csr_array((share.shape[0], bids)), sp.vstack([c.promise for c in copies])])
    lower = np.setdiff1d(np.arange(bids), steps.first[1:] - 1)
    many = len(lower)
    falls = sp.csr_array(
        (np.repeat([1.0, -1.0], many), (np.tile(np.arange(many), 2), np.concatenate([lower + 1, lower]))),
        shape=(many, ahead + width * len(copies)),
    )
    rows = sp.vstack([
        sp.hstack([sp.csr_array((inside.shape[0], ahead)), inside]), sp.hstack([promise, share]), falls,
    ])  # fmt: skip
    right = np.concatenate([*(c.columns.at_most for c in copies), np.zeros(share.shape[0] + many)])
    return sp.hstack([rows, sp.csr_array((rows.shape[0], tail))]).tocsr(), right


def _equalities(copies: list[Kept], at: Ints, ahead: int, t: int, tail: int) -> tuple[sp.csr_array, Floats]:
    """Dynamics of every copy, and that it meets what was bid at its prices."""
    one = sp.eye_array(t)
    dynamics = sp.block_diag([
        sp.hstack([c.columns.equal, sp.csr_array((c.columns.equal.shape[0], 2 * t))]) for c in copies
    ])  # fmt: skip
    meets = sp.block_diag([sp.hstack([c.columns.net, -one, one]) for c in copies])
    many = at.size
    bid = sp.csr_array((-np.ones(many), (np.arange(many), at.ravel())), shape=(many, ahead))
    rows = sp.vstack([sp.hstack([sp.csr_array((dynamics.shape[0], ahead)), dynamics]), sp.hstack([bid, meets])])
    right = np.concatenate([*(c.columns.equal_to for c in copies), np.zeros(many)])
    return sp.hstack([rows, sp.csr_array((rows.shape[0], tail))]).tocsr(), right


def _reach(copies: list[Kept]) -> tuple[Floats, Floats]:
    """Least and most change of the pool's power over all scenarios, shape (T,) each."""
    low, high = [], []
    for c in copies:
        most = np.where(np.isfinite(c.columns.high), c.columns.high, 0.0)
        low.append(c.columns.net.minimum(0.0) @ most)
        high.append(c.columns.net.maximum(0.0) @ most)
    return np.min(low, axis=0), np.max(high, axis=0)


def _limits(copies: list[Kept], steps: Steps, blocks: int, tail: int, *, low: bool) -> Floats:
    """Bounds of all columns, first stage first, the tail of risk last."""
    t = len(steps.edge)
    reach = np.repeat(_reach(copies)[0 if low else 1], np.diff(steps.first))
    end = 0.0 if low else np.inf
    own = [np.append(one.columns.low if low else one.columns.high, np.full(2 * t, end)) for one in copies]
    value_at_risk = np.full(min(tail, 1), -np.inf if low else np.inf)
    return np.concatenate([reach, np.full(blocks, end), *own, value_at_risk, np.full(max(tail - 1, 0), end)])
