"""Symmetric systems with rows on very different scales, factored once and solved for many right-hand sides."""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.linalg import lapack

from archipel.model import Floats

GROWTH = 1e4
"""A saddle is not factored by halves where that loses more than so many times the digits of rounding."""


@final
class Symmetric:
    """A factored symmetric matrix: positive definite, or a saddle [[A, B], [B', -C]] with A (first, first) and C that
    are positive semidefinite."""

    def __init__(self, matrix: Floats, *, first: int) -> None:
        self._first, self._pivots, definite = first, None, False
        self._shear: Floats | float = 0.0
        if first == len(matrix):
            # a unit diagonal first: lines and voltages live on very different scales
            self._scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
            scaled = matrix * self._scale
            scaled *= self._scale[:, None]
            self._factor, trouble = lapack.dpotrf(scaled.T, lower=1, overwrite_a=1)
            definite = trouble == 0
        if not definite and len(matrix):
            self._scale, self._matrix = _even(matrix)
            if first == len(matrix) or not self._halves():
                self._shear = 0.0
                self._factor, self._pivots, _ = lapack.dgetrf(self._matrix.T)

    def _halves(self) -> bool:
        """Factor as N diag(I, -I) N' with lower triangular N, which takes half the time.

        A alone may be nearly singular. Where B is square, M = [[I, S], [0, I]] with a diagonal S makes
        A + S B' + B S - S C S of it, and B - S C of B: with B near a multiple of one and S half of what B is beside C,
        this is as far from singular as B is.
        """
        n, matrix = self._first, self._matrix
        a, b, c = matrix[:n, :n], matrix[:n, n:], -matrix[n:, n:]
        if len(c) == n:
            s = self._shear = 0.5 * np.minimum(np.diag(b) / np.maximum(np.diag(c), 1e-300), 1.0)
            a, b = a + b * s + (b * s).T - s[:, None] * c * s, b - s[:, None] * c
        factor, trouble = lapack.dpotrf(a.T, lower=1)
        if trouble:
            return False
        beside, _ = lapack.dtrtrs(factor, b, lower=1)
        rest = beside.T @ beside
        if np.diag(rest).max(initial=0.0) > GROWTH:
            return False
        last, trouble = lapack.dpotrf((rest + c).T, lower=1)
        if trouble:
            return False
        self._factor = np.zeros(matrix.shape, order="F")
        self._factor[:n, :n], self._factor[n:, :n], self._factor[n:, n:] = factor, beside.T, last
        return True

    def between(self, right: Floats) -> Floats:
        """right' (matrix)^-1 right, (B, B), of right-hand sides (A, B)."""
        if not right.size:
            return np.zeros((right.shape[1], right.shape[1]))
        wanted, n = np.asfortranarray(self._scale[:, None] * right), self._first
        if self._pivots is not None:
            found = wanted.T @ lapack.dgetrs(self._factor, self._pivots, wanted)[0]
            return np.asarray(0.5 * (found + found.T))
        if isinstance(self._shear, np.ndarray):
            wanted[:n] += self._shear[:, None] * wanted[n:]
        half, _ = lapack.dtrtrs(self._factor, wanted, lower=1, overwrite_b=1)
        return np.asarray(half[:n].T @ half[:n] - half[n:].T @ half[n:])

    def solve(self, right: Floats) -> Floats:
        """Of one right-hand side (A,)."""
        if not right.size:
            return right
        wanted = self._scale * right
        answer = self._once(wanted)
        if self._pivots is not None or self._first < len(right):
            # a saddle loses digits where limits are stiff, and gets them back from what is left over
            answer += self._once(wanted - self._matrix @ answer)
        return np.asarray(self._scale * answer)

    def _once(self, wanted: Floats) -> Floats:
        n = self._first
        if self._pivots is not None:
            return np.asarray(lapack.dgetrs(self._factor, self._pivots, wanted)[0])
        if n == len(wanted):
            return np.asarray(lapack.dpotrs(self._factor, wanted, lower=1)[0])
        half = wanted.copy()
        half[:n] += self._shear * wanted[n:] if isinstance(self._shear, np.ndarray) else 0.0
        half = lapack.dtrtrs(self._factor, half, lower=1)[0]
        half[n:] *= -1.0
        answer = lapack.dtrtrs(self._factor, half, lower=1, trans=1)[0]
        answer[n:] += self._shear * answer[:n] if isinstance(self._shear, np.ndarray) else 0.0
        return np.asarray(answer)


def _even(matrix: Floats) -> tuple[Floats, Floats]:
    """Scales that bring the largest entry of every row near 1, and the scaled matrix (D. Ruiz, "A scaling algorithm to
    equilibrate both rows and columns norms in matrices", Rutherford Appleton Laboratory, RAL-TR-2001-034)."""
    scale = np.ones(len(matrix))
    size = np.abs(matrix)
    for _ in range(2):
        scale /= np.sqrt(np.maximum((size * scale).max(axis=1) * scale, 1e-300))
    return scale, matrix * scale[:, None] * scale
