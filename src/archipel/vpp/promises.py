"""What has been promised, by device and interval, so that nothing is promised twice or without energy behind it.

    sum of promises up[i, t]   <= give_kw[i, t],     sum of up[i, t] * hold_h   <= give_kwh[i, t]
    sum of promises down[i, t] <= take_kw[i, t],     sum of down[i, t] * hold_h <= take_kwh[i, t]

Up gives power to the grid (draws less). Power and energy both count at the terminal, so losses are the caller's. The
book is a value: `promise` returns a new one, or refuses and says where and why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from archipel.model.errors import ArchipelError
from archipel.model.grid import Floats
from archipel.model.portfolio import Product

ROUNDING_KW = 1e-9


class PromiseRefused(ArchipelError):
    """A promise that nothing stands behind, or that was made already."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """One product, of some devices, for consecutive intervals."""

    id: str
    """The same id again changes nothing when all else is the same, and is refused when it is not."""
    portfolio: str
    product: Product
    first: int
    """First interval."""
    up_kw: Floats
    down_kw: Floats
    """Shape (devices, intervals of the promise), at least 0."""
    hold_h: float
    """Time for which full activation must be held."""

    def same(self, other: Promise) -> bool:
        """Whether both say the same."""
        words = (self.portfolio, self.product, self.first, self.hold_h)
        return (
            words == (other.portfolio, other.product, other.first, other.hold_h)
            and np.array_equal(self.up_kw, other.up_kw)
            and np.array_equal(self.down_kw, other.down_kw)
        )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Promises:
    """The book: what N devices have to promise in T intervals, and what they have promised."""

    device: tuple[str, ...]
    give_kw: Floats
    take_kw: Floats
    """Power that can be promised up and down, shape (N, T), at least 0; what a plan uses is taken off already."""
    give_kwh: Floats
    take_kwh: Floats
    """Energy behind it, shape (N, T); infinite where power needs none (curtailed sun)."""
    made: tuple[Promise, ...] = ()

    def __post_init__(self) -> None:
        for name in ("give_kw", "take_kw", "give_kwh", "take_kwh"):
            value = getattr(self, name)
            if value.shape != (len(self.device), self.give_kw.shape[-1]) or not np.all(value >= 0.0):
                raise ValueError(
                    f"{name}: found shape {value.shape}, least {np.min(value, initial=np.inf)}; expected one row for "
                    f"each of {len(self.device)} devices, one column per interval, and nothing below 0"
                )

    def left(self) -> tuple[Floats, Floats, Floats, Floats]:
        """(give_kw, take_kw, give_kwh, take_kwh) that nobody has been promised, shape (N, T) each."""
        up, down, up_kwh, down_kwh = (np.zeros_like(self.give_kw) for _ in range(4))
        for one in self.made:
            rows = slice(one.first, one.first + one.up_kw.shape[1])
            up[:, rows] += one.up_kw
            down[:, rows] += one.down_kw
            up_kwh[:, rows] += one.up_kw * one.hold_h
            down_kwh[:, rows] += one.down_kw * one.hold_h
        return self.give_kw - up, self.take_kw - down, self.give_kwh - up_kwh, self.take_kwh - down_kwh

    def promise(self, one: Promise) -> Promises:
        """The book with one promise more.

        Raises:
            PromiseRefused: when power or energy is not there or promised already (to whomever), when the id is taken
                by another promise, or when shapes or intervals do not fit. The book stays as it was.
        """
        before = next((x for x in self.made if x.id == one.id), None)
        if before is not None:
            if before.same(one):
                return self
            raise PromiseRefused(
                f"promise {one.id}: found another promise under this id ({before.product} of {before.portfolio}); "
                "expected a new id. Release the old one first, or give this one its own id."
            )
        self._fits(one)
        after = replace(self, made=(*self.made, one))
        names = ("power to give", "power to take", "energy to give", "energy to take")
        for name, unit, was, now in zip(names, ("kW", "kW", "kWh", "kWh"), self.left(), after.left(), strict=True):
            if np.any(now < -ROUNDING_KW):
                i, t = np.unravel_index(np.argmin(now), now.shape)
                raise PromiseRefused(
                    f"promise {one.id}: {name} of {self.device[i]} in interval {t}: found {max(was[i, t], 0.0):.3f} "
                    f"{unit} not promised yet; expected {was[i, t] - now[i, t]:.3f} {unit}. "
                    "Promise less, or of other devices."
                )
        return after

    def release(self, promise_id: str) -> Promises:
        """The book without a promise; the same book when there is none of this id."""
        return replace(self, made=tuple(x for x in self.made if x.id != promise_id))

    def promised_kw(self, product: Product) -> tuple[Floats, Floats]:
        """(up, down) of a product over all devices, shape (T,) each."""
        up, down = np.zeros(self.give_kw.shape[1]), np.zeros(self.give_kw.shape[1])
        for one in (x for x in self.made if x.product == product):
            rows = slice(one.first, one.first + one.up_kw.shape[1])
            up[rows] += one.up_kw.sum(axis=0)
            down[rows] += one.down_kw.sum(axis=0)
        return up, down

    def _fits(self, one: Promise) -> None:
        intervals = self.give_kw.shape[1]
        shape = (len(self.device), one.up_kw.shape[-1])
        inside = one.first in range(intervals) and one.first + shape[1] <= intervals
        powers = one.up_kw.shape == shape == one.down_kw.shape and one.up_kw.ndim == 2
        if not (inside and powers and one.hold_h > 0.0 and np.all(one.up_kw >= 0.0) and np.all(one.down_kw >= 0.0)):
            raise PromiseRefused(
                f"promise {one.id}: found powers of shape {one.up_kw.shape} and {one.down_kw.shape} from interval "
                f"{one.first}, held for {one.hold_h} h; expected {len(self.device)} devices, intervals inside "
                f"0..{intervals}, powers of at least 0 and a time above 0."
            )
