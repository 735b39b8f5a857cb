"""Affine rows that each belong to one interval, in a rectangle (T, S, F) so that products run over all intervals at
once, and the limits among them condensed on as few lines as they need.

The eight facets of a transformer's limit and both ends of a voltage band bend only two or one directions of what
controls do. With hinges `y = A s` on channels `s`, compliances `D` and `D dpi = dy - delta`, let `D^-1/2 A = Q R`. The
lines `R s` stand in place of the hinges with a unit matrix in place of `D`, and ask for `Q' D^-1/2 delta`; the rest of
`delta` moves no control. The duals of single hinges follow from `Q`, with no difference of large numbers however stiff
a limit is.
"""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.model import Floats, Ints

RANK = 1e-10
"""Directions smaller than this share of an interval's largest are none."""


@final
class Rows:
    """Rows with coefficients (A, F) on F things, each in its interval `t` (A,)."""

    def __init__(self, coefficients: Floats, t: Ints, t_count: int) -> None:
        self.t = t
        self.slot = _slots(t, t_count)
        self.slots = int(self.slot.max(initial=-1)) + 1
        self.at = t * self.slots + self.slot
        """Place of every row in a flattened rectangle (T x S)."""
        self.padded = np.zeros((t_count, self.slots, coefficients.shape[1]))
        self.padded[t, self.slot] = coefficients

    def set(self, rows: slice, coefficients: Floats) -> None:
        """Other coefficients for some rows."""
        self.padded[self.t[rows], self.slot[rows]] = coefficients

    def values(self, x: Floats) -> Floats:
        """Of things x (F, T), per row (A,)."""
        return np.asarray((self.padded @ x.T[:, :, None])[self.t, self.slot, 0])

    def felt(self, price: Floats) -> Floats:
        """What prices on the rows (A,) put on the things, (F, T)."""
        spread = np.zeros(self.padded.shape[:2])
        spread[self.t, self.slot] = price
        return np.asarray((spread[:, None, :] @ self.padded)[:, 0, :].T)


@final
class Limits:
    """Hinges with coefficients (R, F), each in its interval `t` (R,)."""

    def __init__(self, coefficients: Floats, t: Ints, t_count: int) -> None:
        self._t, self._slot = t, _slots(t, t_count)
        most = int(self._slot.max(initial=-1)) + 1
        padded = np.zeros((t_count, most, coefficients.shape[1]))
        padded[t, self._slot] = coefficients
        left, size, right = np.linalg.svd(padded, full_matrices=False)
        there = size > RANK * size.max(axis=1, initial=0.0, keepdims=True)
        count = int(there.sum(axis=1).max(initial=0))
        there = self._there = there[:, :count]
        self._basis = left[:, :, :count] * there[:, None, :]
        self._channels = (size[:, :count] * there)[:, :, None] * right[:, :count]
        self.line_t, self._line = np.nonzero(there)
        """Interval of every line."""

    def weigh(self, compliance: Floats) -> Floats:
        """Coefficients of the lines (L, F) when the hinges have these compliances (R,)."""
        self._weight = np.zeros(self._basis.shape[:2])
        self._weight[self._t, self._slot] = 1.0 / np.sqrt(compliance)
        q, r = np.linalg.qr(self._weight[:, :, None] * self._basis)
        self._q = q * self._there[:, None, :]
        return np.asarray((r @ self._channels)[self.line_t, self._line])

    def asked(self, delta: Floats) -> Floats:
        """What `delta` of the hinges (R,) asks of the lines (L,)."""
        return self._along(self._spread(delta))[self.line_t, self._line]

    def duals(self, q: Floats, delta: Floats) -> Floats:
        """Step of the hinges' duals (R,) when lines answer with `q` (L,) to what is asked of them."""
        spread, rest = np.zeros((len(self._q), self._q.shape[2])), self._spread(delta)
        spread[self.line_t, self._line] = q
        for _ in range(2):
            # what no line sees; twice, because what the first time leaves on the lines is small only beside `delta`
            rest = rest - (self._q @ self._along(rest)[:, :, None])[:, :, 0]
        return np.asarray((self._weight * ((self._q @ spread[:, :, None])[:, :, 0] - rest))[self._t, self._slot])

    def _spread(self, delta: Floats) -> Floats:
        out = np.zeros_like(self._weight)
        out[self._t, self._slot] = delta
        return out * self._weight

    def _along(self, weighed: Floats) -> Floats:
        return np.asarray((weighed[:, None, :] @ self._q)[:, 0])


def _slots(t: Ints, t_count: int) -> Ints:
    """Every row's place among those of its interval."""
    order = np.argsort(t, kind="stable")
    first = np.searchsorted(t[order], np.arange(t_count))
    slot = np.empty(len(t), dtype=np.int64)
    slot[order] = np.arange(len(t)) - first[t[order]]
    return slot
