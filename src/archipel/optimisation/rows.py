"""Affine rows that each belong to one interval, in a rectangle (T, S, F) so that products run over all intervals at
once, and the limits among them condensed on as few lines as they need.

The eight facets of a transformer's limit and both ends of a voltage band bend only two or one directions of what
controls do. With hinges `y = A s` on channels `s`, compliances `D` and `D dpi = dy - delta`, let `D^-1/2 A = Q R`. The
lines `R s` stand in place of the hinges with a unit matrix in place of `D`, and ask for `Q' D^-1/2 delta`; the rest of
`delta` moves no control. The duals of single hinges follow from `Q`, with no difference of large numbers however stiff
a limit is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import final

import numpy as np

from archipel.model import Floats, Ints

_AT_ONCE = 2**17
"""Numbers that fit beside the processor: more at once take longer."""
RANK = 1e-10
"""Directions smaller than this share of an interval's largest are none."""


@final
class Rows:
    """Rows with coefficients (A, F) on F things, each in its interval `t` (A,)."""

    def __init__(self, coefficients: Floats, t: Ints, t_count: int) -> None:
        self.t = t
        self.slot = _slots(t, t_count)
        self.slots = int(self.slot.max(initial=-1)) + 1
        self.padded = np.zeros((t_count, self.slots, coefficients.shape[1]))
        self.padded[t, self.slot] = coefficients

    @cached_property
    def pairs(self) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints, Ints]]:
        """All pairs of rows of one interval, and where they stand in (T, S, S)."""
        row_at = np.full(self.padded.shape[:2], -1)
        row_at[self.t, self.slot] = np.arange(len(self.t))
        beside = row_at[self.t]
        row, slot = np.nonzero(beside >= 0)
        return (row, beside[row, slot]), (self.t[row], self.slot[row], slot)

    def set(self, rows: slice, coefficients: Floats) -> None:
        """Other coefficients for some rows."""
        self.padded[self.t[rows], self.slot[rows]] = coefficients

    def square(self, left: Floats, seen: Callable[[slice], Floats]) -> Floats:
        """What every row answers to every other, (A, A): of `left` (T, S, K) times `seen`, what K things in a few
        intervals t make of a price on slot and interval, (t, K, S, T)."""
        t_count, slots, things = left.shape
        out = np.empty((slots, t_count, slots * t_count))
        few = max(_AT_ONCE // max(things * slots * t_count, 1), 1)
        for begin in range(0, t_count, few):
            some = slice(begin, begin + few)
            found = seen(some)
            out[:, some] = (left[some] @ found.reshape(len(found), things, slots * t_count)).transpose(1, 0, 2)
        flat, at = out.reshape(slots * t_count, slots * t_count), self.slot * t_count + self.t
        # rows that fill the rectangle slot by slot are there already
        return flat if np.array_equal(at, np.arange(len(flat))) else flat.take(at, 0).take(at, 1)

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
        self._line, self.line_t = np.nonzero(there.T)
        """Interval of every line, first lines of all intervals first."""
        self.channels = (size[:, :count] * there)[:, :, None] * right[:, :count]
        self.channels = self.channels[self.line_t, self._line]
        """What the lines are made of, of the same interval and fixed, (L, F)."""

    def weigh(self, compliance: Floats) -> Floats:
        """Coefficients of the lines (L, F) when the hinges have these compliances (R,)."""
        if not len(self._t):
            return np.asarray(self.channels)
        self._weight = np.zeros(self._basis.shape[:2])
        self._weight[self._t, self._slot] = 1.0 / np.sqrt(compliance)
        q, self._r = np.linalg.qr(self._weight[:, :, None] * self._basis)
        self._q = q * self._there[:, None, :]
        return self.on_lines(self.channels)

    def on_lines(self, by_channel: Floats) -> Floats:
        """Of the lines, (L, B), what is known of the channels, (L, B)."""
        return self._mixed(self._r, by_channel) if len(self._t) else by_channel

    def on_channels(self, q: Floats) -> Floats:
        """What prices on the lines (L,) are on the channels, (L,)."""
        return self._mixed(self._r.transpose(0, 2, 1), q[:, None])[:, 0] if len(self._t) else q

    def _mixed(self, by: Floats, values: Floats) -> Floats:
        spread = np.zeros((*self._there.shape, values.shape[1]))
        spread[self.line_t, self._line] = values
        return np.asarray((by @ spread)[self.line_t, self._line])

    def asked(self, delta: Floats) -> Floats:
        """What `delta` of the hinges (R,) asks of the lines (L,)."""
        if not len(self._t):
            return delta
        return self._along(self._spread(delta))[self.line_t, self._line]

    def duals(self, q: Floats, delta: Floats) -> Floats:
        """Step of the hinges' duals (R,) when lines answer with `q` (L,) to what is asked of them."""
        if not len(self._t):
            return delta
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
