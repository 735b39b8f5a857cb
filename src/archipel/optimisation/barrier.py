"""Complementary pairs of the interior point method: boxes and hinges, as arrays of any shape.

A pair is a slack s >= 0 and a dual z >= 0 with s z = mu on the central path. Each class knows its start point, its part
of the Newton matrix, its right-hand side, its step, and how far a step may go. Right-hand sides are linear in what is
asked of the products s z, so an affine, a correcting and a centring part can be kept apart and added up later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from archipel.model import Bools, Floats

Kind = Literal["affine", "corrector", "centre"]
FIXED_RANGE = 2e-3
"""A control whose bounds are closer than this [kW] is a constant: two watts are nobody's bill."""


@final
@dataclass(frozen=True, slots=True)
class StepSizes:
    """What the cells must know of each other to choose a common step; joined over the tree by `join`."""

    primal: float
    dual: float
    """Largest step that keeps all slacks or duals positive, at most 1."""
    sz: float
    s_dz: float
    z_ds: float
    ds_dz: float
    """Sums of products of slacks, duals and their steps."""
    count: int
    """Number of pairs."""

    def join(self, other: StepSizes) -> StepSizes:
        """Of two sets of pairs together."""
        return StepSizes(
            min(self.primal, other.primal),
            min(self.dual, other.dual),
            self.sz + other.sz,
            self.s_dz + other.s_dz,
            self.z_ds + other.z_ds,
            self.ds_dz + other.ds_dz,
            self.count + other.count,
        )

    def after(self, primal: float, dual: float) -> float:
        """Sum of all products after a step of these lengths."""
        return self.sz + dual * self.s_dz + primal * self.z_ds + primal * dual * self.ds_dz


NO_STEP = StepSizes(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0)


def pair_sizes(s: Floats, z: Floats, ds: Floats, dz: Floats) -> StepSizes:
    """Step sizes of pairs in flat arrays."""
    if not s.size:
        return NO_STEP
    primal = np.max(-ds / s, initial=1.0)
    dual = np.max(-dz / z, initial=1.0)
    products = (float(s @ z), float(s @ dz), float(z @ ds), float(ds @ dz))
    return StepSizes(float(1.0 / primal), float(1.0 / dual), *products, s.size)


@final
class Box:
    """lo <= u <= hi for arrays of controls; controls without room are constants."""

    def __init__(self, lo: Floats, hi: Floats) -> None:
        self.lo, self.hi = lo, hi
        self.free: Bools = hi - lo > FIXED_RANGE

    def inside(self, wish: Floats, share: float) -> Floats:
        """`wish` moved off the bounds by `share` of the range; a constant as near to nothing as it may be."""
        room = min(share, 0.5) * (self.hi - self.lo)
        return np.where(self.free, np.clip(wish, self.lo + room, self.hi - room), np.clip(0.0, self.lo, self.hi))

    def open(self, u: Floats, mu: float) -> None:
        """Duals on the central path of `mu`."""
        self.u = u
        self.zl = np.where(self.free, mu / self.slack_low(), 0.0)
        self.zh = np.where(self.free, mu / self.slack_high(), 0.0)

    def slack_low(self) -> Floats:
        """Room above the lower bound, 1 where fixed."""
        return np.where(self.free, self.u - self.lo, 1.0)

    def slack_high(self) -> Floats:
        """Room below the upper bound, 1 where fixed."""
        return np.where(self.free, self.hi - self.u, 1.0)

    def stiffness(self) -> Floats:
        """Part of the Newton diagonal."""
        self._sl, self._sh = self.slack_low(), self.slack_high()
        return np.asarray(self.zl / self._sl + self.zh / self._sh)

    def asked(self, kind: Kind) -> tuple[Floats, Floats]:
        """Wanted change of both products."""
        if kind == "centre":
            one = self.free.astype(np.float64)
            return one, one
        low, high = -self.zl * self._sl, -self.zh * self._sh
        if kind == "corrector":
            return low - self.du * self.dzl, high + self.du * self.dzh
        return low, high

    def push(self, asked: tuple[Floats, Floats]) -> Floats:
        """Right-hand side of the controls."""
        return np.asarray(asked[0] / self._sl - asked[1] / self._sh)

    def step(self, du: Floats, asked: tuple[Floats, Floats]) -> None:
        """Fix the steps of the duals that belong to a step of the controls."""
        self.du = du
        self.dzl = np.where(self.free, (asked[0] - self.zl * du) / self._sl, 0.0)
        self.dzh = np.where(self.free, (asked[1] + self.zh * du) / self._sh, 0.0)

    def sizes(self) -> StepSizes:
        """How far the step may go."""
        f = self.free
        du = self.du[f]
        low = pair_sizes(self._sl[f], self.zl[f], du, self.dzl[f])
        return low.join(pair_sizes(self._sh[f], self.zh[f], -du, self.dzh[f]))

    def apply(self, primal: float, dual: float) -> None:
        """Take the step."""
        self.u = self.u + primal * self.du
        self.zl = self.zl + dual * self.dzl
        self.zh = self.zh + dual * self.dzh


@final
class HingeSet:
    """Costs `price * max(0, gap)` of arrays of gaps, split as gap = over - under, with duals 0 < pi < price.

    Entries where `has` is false do not exist; they keep harmless numbers.
    """

    def __init__(self, price: Floats, has: Bools) -> None:
        self.price, self.has = price, has

    def open(self, gap: Floats, mu: float) -> None:
        """Start on the central path: over (price - pi) = under pi = mu and over - under = gap, exactly.

        Eliminating pi gives price x^2 - (price |gap| + 2 mu) x + mu |gap| = 0 for the larger slack x.
        """
        size = np.where(self.has, np.abs(gap), 0.0)
        half = 0.5 * (self.price * size + 2.0 * mu)
        big = (half + np.sqrt(np.maximum(half * half - self.price * mu * size, 0.0))) / self.price
        small = mu * big / np.maximum(self.price * big - mu, 1e-300)
        beyond = gap >= 0
        self.over, self.under = np.where(beyond, big, small), np.where(beyond, small, big)
        self.pi = np.where(beyond, mu / self.under, self.price - mu / self.over)
        near = np.where(beyond, self.price - mu / self.over, mu / self.under)
        # of the two equal expressions take the one without cancellation
        self.pi = np.where(near < 0.5 * self.price, mu / self.under, self.price - mu / self.over)
        self.pi = np.clip(self.pi, 1e-12 * self.price, (1.0 - 1e-12) * self.price)

    def compliance(self) -> Floats:
        """Change of the gap per change of the dual; the inverse of the part of the Newton matrix."""
        self._z_over = self.price - self.pi
        self._c_over, self._c_under = self.over / self._z_over, self.under / self.pi
        return np.asarray(self._c_over + self._c_under)

    def asked(self, kind: Kind) -> tuple[Floats, Floats]:
        """Wanted change of both products."""
        if kind == "centre":
            one = np.ones_like(self.price)
            return one, one
        over, under = -self.over * self._z_over, -self.under * self.pi
        if kind == "corrector":
            return over + self.dover * self.dpi, under - self.dunder * self.dpi
        return over, under

    def delta(self, asked: tuple[Floats, Floats], gap: Floats | None) -> Floats:
        """d gap = compliance * d pi + delta. With `gap`, what the split has drifted is worked off too."""
        delta = asked[0] / self._z_over - asked[1] / self.pi
        if gap is not None:
            delta = delta - (gap - self.over + self.under)
        return np.where(self.has, delta, 0.0)

    def step(self, dpi: Floats, asked: tuple[Floats, Floats]) -> None:
        """Fix the steps of the slacks that belong to a step of the dual."""
        self.dpi = np.where(self.has, dpi, 0.0)
        self.dover = asked[0] / self._z_over + self._c_over * self.dpi
        self.dunder = asked[1] / self.pi - self._c_under * self.dpi

    def sizes(self) -> StepSizes:
        """How far the step may go."""
        h = self.has
        dpi = self.dpi[h]
        over = pair_sizes(self.over[h], self._z_over[h], self.dover[h], -dpi)
        return over.join(pair_sizes(self.under[h], self.pi[h], self.dunder[h], dpi))

    def apply(self, primal: float, dual: float) -> None:
        """Take the step."""
        h = self.has
        self.over = np.where(h, self.over + primal * self.dover, self.over)
        self.under = np.where(h, self.under + primal * self.dunder, self.under)
        self.pi = np.where(h, self.pi + dual * self.dpi, self.pi)
