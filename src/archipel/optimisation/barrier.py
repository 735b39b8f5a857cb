"""Complementary pairs of the interior point method: the ends of boxes and the sides of hinges, in flat arrays.

A pair is a slack s >= 0 and a dual z >= 0 with s z = mu on the central path. All pairs of a cell stand in one array,
because small arrays cost as much as large ones:

    s = [ u - lo | hi - u |    over    | under ]        B free controls and levels, H hinges
    z = [   zl   |   zh   | price - pi |  pi   ]

A hinge `price * max(0, gap)` is split as gap = over - under with a dual 0 < pi < price. Right-hand sides are linear in
what is asked of the products s z, so a part that empties them and one that centres them can be kept apart and added up.
"""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.model import Floats

FAR_OFF = 1e6
"""A product so many times larger or smaller than `mu` is mended (as duals are in A. Waechter, L. T. Biegler, Math.
Program. 106, 2006, equation 16, doi:10.1007/s10107-004-0559-y)."""
FIXED_RANGE = 2e-3
"""A control whose bounds are closer than this [kW] is a constant: two watts are nobody's bill."""


def inside(wish: Floats, lo: Floats, hi: Floats, share: float) -> Floats:
    """`wish` moved off the bounds by `share` of the range; what has no room is a constant, as near to nothing as may
    be."""
    room = min(share, 0.5) * (hi - lo)
    return np.where(hi - lo > FIXED_RANGE, np.clip(wish, lo + room, hi - room), np.clip(0.0, lo, hi))


def _split(gap: Floats, price: Floats, mu: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Slacks over and under and their duals, of hinges on the central path: see `Barrier.open`."""
    half = 0.5 * (price * np.abs(gap) + 2.0 * mu)
    big = (half + np.sqrt(np.maximum(half * half - price * mu * np.abs(gap), 0.0))) / price
    small = mu * big / np.maximum(price * big - mu, 1e-300)
    over, under = np.where(gap >= 0, big, small), np.where(gap >= 0, small, big)
    # each dual by the one of two equal expressions that does not cancel, and off the ends of its range
    small_pi = mu / under < 0.5 * price
    pi = np.where(small_pi, mu / under, price - mu / over)
    rest = np.where(small_pi, price - mu / under, mu / over)
    least = 1e-12 * price
    return over, under, np.maximum(rest, least), np.maximum(pi, least)


@final
class Barrier:
    """The pairs of one cell. `lo`, `hi` (B,) bound what is free; `price` (H,) is that of the hinges."""

    def __init__(self, lo: Floats, hi: Floats, price: Floats) -> None:
        self.lo, self.hi, self.price = lo, hi, price
        b, h = len(lo), len(price)
        self._low, self._high = slice(0, b), slice(b, 2 * b)
        self._over, self._under = slice(2 * b, 2 * b + h), slice(2 * b + h, 2 * b + 2 * h)

    def open(self, u: Floats, gap: Floats, mu: float) -> None:
        """Start on the central path of `mu`: boxes at `u` (B,) inside their bounds, hinges at `gap` (H,).

        over (price - pi) = under pi = mu and over - under = gap hold exactly: eliminating pi gives
        price x^2 - (price |gap| + 2 mu) x + mu |gap| = 0 for the larger slack x.
        """
        boxes = u - self.lo, self.hi - u
        over, under, rest, pi = _split(gap, self.price, mu)
        self.s = np.concatenate([*boxes, over, under])
        self.z = np.concatenate([mu / boxes[0], mu / boxes[1], rest, pi])

    def mend(self, gap: Floats, mu: float) -> None:
        """Put pairs that have lost all touch with `mu` back on the central path, hinges at their true gap (H,)."""
        products, boxes = self.s * self.z, slice(0, self._over.start)
        lost = (products > FAR_OFF * mu) | (products < mu / FAR_OFF)
        if not lost.any():
            return
        self.z[boxes] = np.where(lost[boxes], mu / self.s[boxes], self.z[boxes])
        hinges = lost[self._over] | lost[self._under]
        mended = _split(gap[hinges], self.price[hinges], mu)
        for array, part, values in zip(
            (self.s, self.s, self.z, self.z), (self._over, self._under) * 2, mended, strict=True
        ):
            array[part][hinges] = values

    @property
    def pi(self) -> Floats:
        """Duals of the hinges (H,)."""
        return np.asarray(self.z[self._under])

    def box_price(self) -> Floats:
        """What the bounds add to the gradient of the free controls (B,)."""
        return np.asarray(self.z[self._high] - self.z[self._low])

    def gap(self, gap: Floats) -> float:
        """Most that boxes and hinges hide at the true gaps of the hinges (H,) [EUR]."""
        boxes = slice(0, self._over.start)
        hidden = self.z[self._over] @ np.maximum(gap, 0.0) + self.pi @ np.maximum(-gap, 0.0)
        return float(self.s[boxes] @ self.z[boxes] + hidden)

    def weigh(self) -> tuple[Floats, Floats]:
        """Part of the Newton diagonal of the boxes (B,); change of a gap per change of its dual (H,)."""
        ratio = self.z / self.s
        self._c_over, self._c_under = 1.0 / ratio[self._over], 1.0 / ratio[self._under]
        return np.asarray(ratio[self._low] + ratio[self._high]), self._c_over + self._c_under

    def asked(self, mu: float) -> Floats:
        """Wanted change of all products, to come to `mu`."""
        return np.asarray(mu - self.s * self.z)

    def push(self, asked: Floats) -> Floats:
        """Right-hand side of the free controls (B,)."""
        return np.asarray(asked[self._low] / self.s[self._low] - asked[self._high] / self.s[self._high])

    def delta(self, asked: Floats, gap: Floats | None) -> Floats:
        """d gap = compliance * d pi + delta, shape (H,). With `gap`, what the split has drifted is worked off too."""
        delta = asked[self._over] / self.z[self._over] - asked[self._under] / self.z[self._under]
        if gap is not None:
            delta = delta - (gap - self.s[self._over] + self.s[self._under])
        return np.asarray(delta)

    def step(self, du: Floats, dpi: Floats, asked: Floats) -> None:
        """Fix the steps of all pairs that belong to steps of the controls (B,) and of the hinges' duals (H,)."""
        over, under = self._over, self._under
        self.ds, self.dz = np.empty_like(self.s), np.empty_like(self.s)
        self.ds[self._low], self.ds[self._high] = du, -du
        self.dz[over], self.dz[under] = -dpi, dpi
        boxes = slice(0, over.start)
        self.dz[boxes] = (asked[boxes] - self.z[boxes] * self.ds[boxes]) / self.s[boxes]
        self.ds[over] = asked[over] / self.z[over] + self._c_over * dpi
        self.ds[under] = asked[under] / self.z[under] - self._c_under * dpi

    def most(self, share: float) -> tuple[float, float]:
        """Largest steps of slacks and of duals, at most 1, that go at most this `share` of the way to the bounds."""
        ratios = (float((-d / x).max(initial=0.0)) for d, x in ((self.ds, self.s), (self.dz, self.z)))
        primal, dual = (share / max(ratio, share) for ratio in ratios)
        return primal, dual

    def off_centre(self, mu: float) -> float:
        """Largest share by which a product differs from `mu`."""
        return float(np.abs(self.s * self.z / mu - 1.0).max(initial=0.0))

    def apply(self, primal: float, dual: float) -> None:
        """Take the step."""
        self.s = self.s + primal * self.ds
        self.z = self.z + dual * self.dz
