"""A cell's own copies of the powers of ties that are decided above it.

The power a cell is told moves its boundary at once. Its limits see the copy, which goes as far as the cell's step does:
what is left between the two is a residual of the next Newton step. When a cell goes on by itself, the copy is elastic:

    price of the copy = price expected at the power told - stiffness of the rest of the tree * (copy - power told)

Held fast, a tie that alone decides whether a limit binds would have the cell answer with a price of all or nothing.
"""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.model import Floats, Ints


@final
class TieCopies:
    """Copies of all ties of one cell, (ties, T)."""

    def __init__(self, ties: int, intervals: int) -> None:
        self.kw = np.zeros((ties, intervals))
        self.gives = np.zeros_like(self.kw)
        """Compliance [kW per EUR/kW]; zero while the cell follows."""
        self.price = np.zeros_like(self.kw)
        """Expected at the power told."""

    def __bool__(self) -> bool:
        return bool(self.kw.size)

    def let_go(self, rest: Floats, at: Ints, price: Floats) -> None:
        """From now on they are elastic: stiffnesses `rest` of the ties' places `at`, prices (ties, T)."""
        self.gives.flat[at], self.price = 1.0 / rest, price

    def hold(self) -> None:
        """From now on they go to the power told."""
        self.gives[:] = 0.0

    def step(self, told_kw: Floats, price: Floats) -> Floats:
        """Step of the copies where prices (ties, T) are reached."""
        return np.asarray(told_kw - self.kw + self.gives * (self.price - price))
