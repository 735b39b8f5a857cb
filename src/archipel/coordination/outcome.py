"""What every way of agreeing starts from and ends with, see `coordination.tree` for what happens between."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, final

from archipel.model import Floats
from archipel.optimisation.block import Block


@final
@dataclass(frozen=True, slots=True, eq=False)
class Upstream:
    """What the root knows of its own boundary: price (2, T) [EUR per kW or kvar and interval] and voltage (T,) [pu]."""

    price: Floats
    v_pu: Floats
    worth_eur: float = 0.0
    """The gross energy cost at the least, for areas that buy nothing."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What every cell knows at the end."""

    u: Floats
    """Own controls (N, T)."""
    price: Floats
    """Price of P and Q at the boundary, (2, T) [EUR per kW or kvar and interval]."""
    boundary: Floats
    """(P, Q) at the boundary, (2, T)."""
    iterations: int
    gap: float
    """Certified gap as a share of gross energy cost."""
    cost: float
    """Objective of the whole tree [EUR]."""
    gross: float
    """Gross energy cost of the whole tree [EUR]."""
    converged: bool
    levels: Floats
    """Own levels (L,)."""
    child_pq: Floats
    """What the children draw, (children, 2, T): the numbers they hold themselves."""
    v_pu: Floats
    """Voltage at the boundary (T,)."""
    round_trips: int
    """Sweeps up and down the tree and exchanges with all neighbours."""
    way: str = "exact"
    """The way it was found by."""
    rho: Floats | None = None
    """How stiffly copies of P, Q and v at the own boundary were held at last (3,), for the next robust agreement."""
    primal_kw: float = 0.0
    """Most that the two ends of a tie still differed by before it was settled [kW, kvar]; none where both ends share
    every number."""
    primal_v_pu: float = 0.0
    """The same of voltages."""
    dual_eur_per_kwh: float = 0.0
    """Most that the price of a boundary still moved in the last round; where it is 0 the gap counts it."""
    gaps: tuple[float, ...] = ()
    """Certified gap after every iteration, as the root saw it; empty elsewhere, and where a way does not keep them."""
    hinge_price: Floats | None = None
    """Prices of the own hinges (R,) [EUR per unit and interval]; None where a way finds none."""
    volt_price: Floats | None = None
    """The same of the voltages handed to the children (children, T)."""
    tie_kw: Floats | None = None
    """Powers of ties decided above (ties, T); None where a way leaves them at rest."""


@final
@dataclass(frozen=True, slots=True)
class Before:
    """How the last plan went for this cell, for ways of agreeing that choose."""

    way: str
    """The way it was agreed by, `exact` or `robust`."""
    ended: bool = True
    """Whether it came to an agreement."""
    waits: int = 0
    """How often this cell had to wait for others."""
    ticks: int = 0
    """Ticks that passed meanwhile."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What is known of the own boundary before, such as the last agreement."""

    x: Floats
    """(3, T): P, Q, v."""
    price: Floats
    """(2, T) of P and Q [EUR per kW or kvar and interval]."""
    rho: Floats | None = None
    """How stiffly copies of P, Q and v were held at the end of the last robust agreement (3,)."""
    before: Before | None = None
    """How the last plan went; None before the first."""


class Method(Protocol):
    """A way of agreeing, with its settings."""

    def program(
        self, block: Block, wish: Floats, upstream: Upstream | None, start: Start, dt_h: Floats
    ) -> Generator[Any, Any, Solved]:
        """One cell's side of an agreement, run by `coordination.tree.Conversation`.

        Args:
            block: the cell's own problem.
            wish: controls (N, T) to begin near.
            upstream: price and voltage at the root's boundary; None for all other cells.
            start: a guess of the own boundary; prices may be NaN.
            dt_h: lengths of the intervals [h].
        """
        ...
