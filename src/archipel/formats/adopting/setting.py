"""What the functions that place devices know, and what they hand back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final
from zlib import crc32

import numpy as np

from archipel.formats.adopting.customers import Customers
from archipel.formats.adopting.local_clock import LocalClock
from archipel.formats.adopting.options import AdoptOptions
from archipel.model import Bools, Floats, Ints

Row = dict[str, Any]
"""A row of a table of devices by its columns; columns that are left out keep their defaults."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Customers, clock and seed of one adoption."""

    customers: Customers
    node: tuple[str, ...]
    """Id of every customer's node."""
    e_kwh: Floats
    """What one home (or business, farm) of every row uses in a year without devices."""
    clock: LocalClock
    f_hz: float
    options: AdoptOptions
    taken: dict[str, Ints] = field(default_factory=dict)
    """Customers that have a kind of device, by kind, as far as kinds were placed."""

    def rng(self, part: str) -> np.random.Generator:
        """A generator of a part's own: changing one part leaves the others as they were."""
        return np.random.default_rng([self.options.seed, crc32(part.encode())])

    def around(self, part: str, median: Floats | float, spread: float) -> Floats:
        """A draw for every customer from a log-normal distribution, the same whoever is chosen, shape (customers,)."""
        drawn = np.clip(self.rng(part).standard_normal(len(self.customers)), -2.5, 2.5)
        return np.asarray(median * np.exp(spread * drawn))

    def by_kind(self, of: Mapping[str, float]) -> Floats:
        """A value for every customer by its kind, shape (customers,)."""
        return np.array([of[kind] for kind in self.customers.kind])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Devices of one kind as rows of tables, and what they do when nobody controls them."""

    rows: list[Row]
    uncontrolled: Callable[[Ints], Floats]
    """Power of every device in rows of the series [kW, load convention], shape (devices, rows asked for)."""
    total_kw: Floats
    """Sum of it over all devices, shape (rows of the series,)."""
    size: str
    """Sizes and energy in words, for the account."""
    sessions: list[Row] = field(default_factory=list)
    series: Mapping[str, Floats] = field(default_factory=dict)
    """Series the rows name."""
    notes: tuple[str, ...] = ()


def chosen(setting: Setting, order: str, may: Bools, has: Bools, share: float) -> Ints:
    """The customers that have a kind of device at a share, ascending; whoever `has` one comes first.

    The order is drawn once for all shares: customers at a share are among those of every larger share.
    """
    drawn = setting.rng(order).random(len(may)) - np.where(has, 2.0, 0.0)
    candidates = np.flatnonzero(may | has)
    ranked = candidates[np.argsort(drawn[candidates], kind="stable")]
    return np.sort(ranked[: round(share * len(candidates))]).astype(np.int64)
