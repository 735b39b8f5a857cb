"""How members share what they earned together: by weights, by what each adds, by the mean over every order of joining.

A game says what every coalition would have earned. Ours are of one kind, which is what pooling does to money:

    v(S) = sum over c in S of own[c]  -  sum_t price[t] max(0, sum over c in S of short[c, t])

own is what a member earns by itself when it keeps its promise; short is what it misses (below zero: what it gives
beyond), so that one member can cover another. The first sum needs no sampling. Every rule below gives parts that add
up to v of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import final

import numpy as np

from archipel.model import Bools, Floats, Ints

EXACT_MEMBERS = 10
"""Up to here all 2^n coalitions are asked."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Game:
    """C members over G games at once (the days of a settlement); pooled promises over T intervals."""

    own: Floats
    """What a member earns by itself, shape (C, G)."""
    short: Floats
    """What it misses of its promise, below zero what it gives beyond, shape (C, T)."""
    price: Floats
    """What the pool loses per unit missing, at least 0, shape (T,)."""
    group: Ints
    """The game every interval belongs to, 0..G-1 and not falling, shape (T,)."""

    @property
    def members(self) -> int:
        """Number of members C."""
        return len(self.own)

    def worth(self, member: Bools) -> Floats:
        """v(S) of coalitions (K, C) in every game, shape (K, G)."""
        missing = np.maximum(member.astype(np.float64) @ self.short, 0.0) * self.price
        return np.asarray(member.astype(np.float64) @ self.own - self._by_game(missing))

    def joining(self, order: Ints) -> Floats:
        """What every member adds to the pooled part when all join in this order, shape (C, G)."""
        lost = self._by_game(np.maximum(np.cumsum(self.short[order], axis=0), 0.0) * self.price)
        added = np.empty_like(lost)
        added[order] = -np.diff(lost, axis=0, prepend=0.0)
        return added

    def width(self) -> Floats:
        """How far apart what a member adds to the pooled part can be, over all orders, shape (C, G).

        The hinge max(0, x) moves by at most the change of x, and one way only.
        """
        return self._by_game(np.abs(self.short) * self.price)

    def _by_game(self, value: Floats) -> Floats:
        """Sums over the intervals of every game, shape (..., G)."""
        out = np.zeros((*value.shape[:-1], self.own.shape[1]))
        if value.shape[-1]:
            first = np.flatnonzero(np.diff(self.group, prepend=-1))
            out[..., self.group[first]] = np.add.reduceat(value, first, axis=-1)
        return out


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Parts of every member, and how wrong they can be."""

    part: Floats
    """Shape (C, G); adds up to what all earned."""
    error: Floats
    """With probability `confidence` all parts of a game are at most this far from the true ones, shape (C, G); 0 where
    they are exact."""
    confidence: float
    samples: int
    """Orders of joining that were drawn; 0 for none."""


def pro_rata(total: Floats, weight: Floats) -> Floats:
    """Parts in proportion to weights of shape (C, G), not negative; equal parts where nobody weighs anything."""
    weight = np.where(weight.sum(axis=0) > 0.0, weight, 1.0)
    return np.asarray(total * weight / weight.sum(axis=0))


def marginal(game: Game, weight: Floats) -> Shares:
    """What the rest would have earned less; what these parts do not add up to is shared by weights (C, G)."""
    everyone = np.ones((1, game.members), dtype=bool)
    total = game.worth(everyone)[0]
    pooled = game.short.sum(axis=0)
    without = game._by_game(np.maximum(pooled - game.short, 0.0) * game.price)
    added = game.own - game._by_game(np.maximum(pooled, 0.0) * game.price) + without
    return Shares(added + pro_rata(total - added.sum(axis=0), weight), np.zeros_like(added), 1.0, 0)


def shapley(
    game: Game, rng: np.random.Generator | None = None, *, samples: int = 400, confidence: float = 0.95
) -> Shares:
    """Mean of what a member adds over every order of joining.

    Exact where at most `EXACT_MEMBERS` members miss or exceed a promise: the others add the same in any order.
    Otherwise orders are drawn in pairs, each with its reverse, and the error is the smaller of two bounds that hold for
    all members of a game at once with probability `confidence`:

        Hoeffding              width sqrt(ln(4 C / d) / (2 m))
        empirical Bernstein    sqrt(2 s^2 ln(8 C / d) / m) + 7 width ln(8 C / d) / (3 (m - 1))

    with m pairs, d = 1 - confidence, s^2 the variance of the pairs' means, width the range of what a member can add.

    Args:
        game: What coalitions earn.
        rng: Draws the orders; needed where parts are not exact.
        samples: Orders drawn, at least 4; rounded up to pairs.
        confidence: In (0, 1).

    Raises:
        ValueError: there is no generator where one is needed, or a number is out of range.

    Source:
        L. S. Shapley, "A value for n-person games", 1953; J. Castro, D. Gomez, J. Tejada, "Polynomial calculation of
        the Shapley value based on sampling", Computers & Operations Research 36, 2009; pairs: R. Mitchell et al.,
        "Sampling permutations for Shapley value estimation", JMLR 23, 2022; W. Hoeffding, 1963; A. Maurer, M. Pontil,
        "Empirical Bernstein bounds and sample variance penalization", COLT 2009, theorem 4.
    """
    if not 0.0 < confidence < 1.0 or samples < 4:
        raise ValueError(f"found {samples} samples, confidence {confidence}; expected 4 or more, and between 0 and 1")
    width = game.width()
    moving = np.flatnonzero((width > 0.0).any(axis=1))
    if not len(moving):
        return Shares(game.own.copy(), np.zeros_like(game.own), 1.0, 0)
    pooled = Game(np.zeros((len(moving), game.own.shape[1])), game.short[moving], game.price, game.group)
    part = game.own.copy()
    error = np.zeros_like(part)
    if len(moving) <= EXACT_MEMBERS:
        part[moving] += shapley_exact(pooled.worth, len(moving))
        return Shares(part, error, 1.0, 0)
    if rng is None:
        raise ValueError(f"{len(moving)} members need drawn orders; expected a generator of random numbers")
    pairs = -(-samples // 2)
    mean, squares = np.zeros_like(pooled.own), np.zeros_like(pooled.own)
    for k in range(1, pairs + 1):
        order = rng.permutation(len(moving))
        pair = 0.5 * (pooled.joining(order) + pooled.joining(order[::-1]))
        apart = pair - mean
        mean += apart / k
        squares += apart * (pair - mean)
    part[moving] += mean
    error[moving] = _bound(width[moving], squares / (pairs - 1), pairs, (1.0 - confidence) / len(moving))
    return Shares(part, error, confidence, 2 * pairs)


def _bound(width: Floats, variance: Floats, m: int, d: float) -> Floats:
    """The smaller of both bounds at level d, each given half of it; both are two-sided."""
    hoeffding = width * np.sqrt(np.log(4.0 / d) / (2.0 * m))
    log = np.log(8.0 / d)
    bernstein = np.sqrt(2.0 * np.maximum(variance, 0.0) * log / m) + 7.0 * width * log / (3.0 * (m - 1))
    return np.asarray(np.minimum(hoeffding, bernstein))


def shapley_exact(worth: Callable[[Bools], Floats], members: int) -> Floats:
    """Shapley value of any game from all 2^n coalitions.

    Args:
        worth: v of coalitions (K, members), shape (K, G); nothing for nobody.
        members: At most 20.

    Returns:
        Shape (members, G).
    """
    if members > 20:
        raise ValueError(f"found {members} members; expected at most 20 (2^n coalitions are asked)")
    mask = np.arange(1 << members)
    member = ((mask[:, None] >> np.arange(members)) & 1).astype(bool)
    value, size = worth(member), member.sum(axis=1)
    weight = np.array([factorial(s) * factorial(members - s - 1) / factorial(members) for s in range(members)])
    out = np.empty((members, value.shape[1]))
    for c in range(members):
        without = mask[~member[:, c]]
        out[c] = weight[size[without]] @ (value[without | (1 << c)] - value[without])
    return out
