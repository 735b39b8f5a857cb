"""Stores of a cell, condensed: each store's chain over the intervals becomes one small matrix on its inflow."""

from __future__ import annotations

from functools import cache
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.block import Block

_FREE = 1e-9
"""Stiffness of a store without bounds: small, but keeps its equations solvable."""


@final
class Stores:
    """The bounds of a block's stores as hinges, lower bounds first, and the chains behind them."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self._low = np.flatnonzero(np.isfinite(block.store_lo))
        self._high = np.flatnonzero(np.isfinite(block.store_hi))
        self.lows, self.highs = slice(0, len(self._low)), slice(len(self._low), len(self._low) + len(self._high))
        self.count = self.highs.stop
        """Number of hinges."""
        price = block.store_price.ravel()
        self.price = np.concatenate([price[self._low], price[self._high]])
        self._lo, self._hi = block.store_lo.ravel()[self._low], block.store_hi.ravel()[self._high]

    def _by_store(self, which: Ints, values: Floats, without: float = 0.0) -> Floats:
        """Values of the bounds that exist, as (K, T)."""
        out = np.full(self.block.keep.size, without)
        out[which] = values
        return out.reshape(self.block.keep.shape)

    def gaps(self, e: Floats) -> Floats:
        """How far stores (K, T) are beyond their bounds."""
        flat = e.ravel()
        return np.concatenate([self._lo - flat[self._low], flat[self._high] - self._hi])

    def felt(self, pi: Floats) -> Floats:
        """What the duals of the bounds put on the stores' levels, (K, T)."""
        return self._by_store(self._high, pi[self.highs]) - self._by_store(self._low, pi[self.lows])

    def factor(self, compliance: Floats, m: Floats) -> None:
        """Condense, for compliances of the bounds and of the controls with a store (controls with store, T)."""
        block = self.block
        self._c_low = self._by_store(self._low, compliance[self.lows], np.inf)
        self._c_high = self._by_store(self._high, compliance[self.highs], np.inf)
        self._soft = 1.0 / np.maximum(1.0 / self._c_low + 1.0 / self._c_high, _FREE)
        self.gain_m = block.gain * m
        give = np.add.reduceat(block.gain * self.gain_m, block.store_first, axis=0)
        self.inverse = chain_inverse(give, self._soft, block.keep)
        """Worth of an inflow by inflow, (T, T, K)."""

    def flow(self, delta: Floats) -> Floats:
        """What the bounds ask for, as an inflow (K, T)."""
        low = self._by_store(self._low, delta[self.lows]) / self._c_low
        held = self._soft * (low - self._by_store(self._high, delta[self.highs]) / self._c_high)
        flow = held.copy()
        flow[:, 1:] -= self.block.keep[:, 1:] * held[:, :-1]
        return np.asarray(flow)

    def worth(self, inflow: Floats) -> Floats:
        """What a stored unit is worth when this flows in, (K, T)."""
        return np.asarray((self.inverse.transpose(2, 0, 1) @ inflow[:, :, None])[:, :, 0])

    def duals(self, du: Floats, tau: Floats, delta: Floats) -> Floats:
        """Steps of the duals of the bounds when controls step by `du` (N, T) and worth by `tau` (K, T): exact where a
        compliance is nearly zero."""
        block = self.block
        de = block.carry(block.inflow(du))
        nu = tau.copy()
        nu[:, :-1] -= block.keep[:, 1:] * tau[:, 1:]
        low = -(de + self._by_store(self._low, delta[self.lows])) / self._c_low
        high = (de - self._by_store(self._high, delta[self.highs])) / self._c_high
        by_high = self._c_high < self._c_low
        low, high = np.where(by_high, low, high - nu), np.where(by_high, nu + low, high)
        return np.concatenate([low.ravel()[self._low], high.ravel()[self._high]])


def chain_inverse(give: Floats, soft: Floats, keep: Floats) -> Floats:
    """Inverse of one symmetric tridiagonal matrix per store, (T, T, K), from arrays (K, T).

    The matrix has give[t] + soft[t] + keep[t]^2 soft[t-1] on its diagonal and -keep[t] soft[t-1] beside it. Factored as
    L D L' with d = rest + soft, where rest[t] = give[t] + keep[t]^2 soft[t-1] rest[t-1] / d[t-1]: nothing is
    subtracted, so no digit is lost however stiff a bound is. The inverse then follows from its last row upwards.
    """
    rest, soft, keep = give.T.copy(), soft.T.copy(), keep.T
    t_count, count = rest.shape
    d, passed = rest + soft, keep[1:] ** 2 * soft[:-1]
    for t in range(1, t_count):
        rest[t] += passed[t - 1] * (rest[t - 1] / d[t - 1])
        np.add(rest[t], soft[t], out=d[t])
    back = keep[1:] * soft[:-1] / d[:-1]
    out = np.zeros((t_count, t_count, count))
    out[-1, -1] = 1.0 / d[-1]
    for t in range(t_count - 2, -1, -1):
        np.multiply(back[t], out[t + 1, t + 1 :], out=out[t, t + 1 :])
        out[t, t] = 1.0 / d[t] + back[t] * out[t, t + 1]
    later, earlier = _below_diagonal(t_count)
    out[later, earlier] = out[earlier, later]
    return out


@cache
def _below_diagonal(size: int) -> tuple[Ints, Ints]:
    return np.tril_indices(size, -1)
