"""Symmetric systems with rows on very different scales, factored once and solved for many right-hand sides."""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.linalg import lapack

from archipel.model import Floats


@final
class Symmetric:
    """A factored symmetric matrix. Without voltages to hand down it is positive definite, with them a saddle."""

    def __init__(self, matrix: Floats, *, definite: bool) -> None:
        self._pivots = None
        if definite:
            # a unit diagonal first: lines and voltages live on very different scales
            self._scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
            self._factor, trouble = lapack.dpotrf(matrix * self._scale[:, None] * self._scale, lower=1)
            definite = trouble == 0
        if not definite and len(matrix):
            self._scale, self._matrix = _even(matrix)
            self._factor, self._pivots, _ = lapack.dgetrf(self._matrix)

    def solve(self, right: Floats) -> Floats:
        """Of one right-hand side (A,) or several (A, B)."""
        if not right.size:
            return right
        scale = self._scale if right.ndim == 1 else self._scale[:, None]
        if self._pivots is None:
            answer, _ = lapack.dpotrs(self._factor, scale * right, lower=1)
            return np.asarray(scale * answer)
        wanted = scale * right
        answer, _ = lapack.dgetrs(self._factor, self._pivots, wanted)
        if right.ndim == 1:
            # a saddle loses digits where limits are stiff, and gets them back from what is left over
            answer += lapack.dgetrs(self._factor, self._pivots, wanted - self._matrix @ answer)[0]
        return np.asarray(scale * answer)


def _even(matrix: Floats) -> tuple[Floats, Floats]:
    """Scales that bring the largest entry of every row near 1, and the scaled matrix (D. Ruiz, "A scaling algorithm to
    equilibrate both rows and columns norms in matrices", Rutherford Appleton Laboratory, RAL-TR-2001-034)."""
    scale = np.ones(len(matrix))
    size = np.abs(matrix)
    for _ in range(2):
        scale /= np.sqrt(np.maximum((size * scale).max(axis=1) * scale, 1e-300))
    return scale, matrix * scale[:, None] * scale
