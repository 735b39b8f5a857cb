"""Customers as they can be seen in the loads of a network.

A load whose profile has a name of the field (H0, G1, L2, residential, commercial, ...) is what that name says. Any
other is judged by voltage and size: at low voltage up to `HOME_KW` it is a home, above it a business. A load at medium
voltage stands for the service transformers behind it, and so for as many homes as use its energy in a year; from
`ONE_KW` on
it is a single large business.

A home uses 3,500 kWh a year in 50 Hz networks (BDEW's usual home), 10,800 kWh in 60 Hz networks (U.S. Energy
Information Administration, residential customers 2022). Where many homes stand behind one load, a customer row stands
for several of them, which have the same devices: no load has more than `MOST_ROWS` rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Bools, Floats, Ints

KINDS_OF_CUSTOMER = ("home", "business", "farm")
LV_KV_MAX = 1.0
HOME_KW = {50: 12.0, 60: 20.0}
"""Loads at low voltage above this are no homes."""
HOME_KWH = {50: 3500.0, 60: 10_800.0}
"""What a home uses in a year."""
MOST_ROWS = 12
ONE_KW = 1000.0
"""Loads at medium voltage from this on are one customer."""
SMALL_KW = 1e-6

WORDS = {
    "home": ("h0", "h25", "home", "resid", "house", "dwelling"),
    "business": ("g0", "g1", "g2", "g3", "g4", "g5", "g6", "g25", "commerc", "business", "industr", "office", "bl-"),
    "farm": ("l0", "l1", "l2", "l25", "farm", "agric"),
}
NETWORKS = ("lv_", "mv_")
"""SimBench names the load of a whole network behind a node after that network."""
DEVICES = ("air_", "soil_", "apls", "hls", "ev", "wb-")
"""Profiles of loads that are devices themselves."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Customers:
    """One row per customer, in the order of the loads."""

    id: tuple[str, ...]
    load: Ints
    """Row of the load the customer is (a part of)."""
    kind: tuple[str, ...]
    share: Floats
    """Part of the load that is this row's."""
    homes: Floats
    """Homes (or businesses, farms) this row stands for: 1 wherever customers have loads of their own."""

    def __len__(self) -> int:
        return len(self.id)

    def of(self, *kinds: str) -> Bools:
        """Which are of these kinds."""
        return np.array([kind in kinds for kind in self.kind], dtype=np.bool_)

    def count(self) -> Counter[str]:
        """How many there are of each kind."""
        return Counter({kind: round(self.homes[self.of(kind)].sum()) for kind in KINDS_OF_CUSTOMER})


def kinds_of_loads(
    profile: tuple[str, ...], p_kw: Floats, e_kwh: Floats, vn_kv: Floats, f_hz: float
) -> list[tuple[str, int]]:
    """Kind and number of customers of every load; ("", 0) for one that is no customer."""
    net = 60 if f_hz > 55.0 else 50
    found = []
    for name, kw, kwh, kv in zip(profile, p_kw, e_kwh, vn_kv, strict=True):
        kind = _named(name)
        if kind == "device" or kw <= SMALL_KW:
            found.append(("", 0))
        elif kv <= LV_KV_MAX:
            found.append((kind or ("home" if kw <= HOME_KW[net] else "business"), 1))
        elif kind in {"business", "farm"} or kw >= ONE_KW:
            found.append((kind or "business", 1))
        else:
            found.append(("home", max(round(kwh / HOME_KWH[net]), 1)))
    return found


def _named(profile: str) -> str:
    name = profile.lower()
    if name.startswith(NETWORKS):
        return ""
    if name.startswith(DEVICES):
        return "device"
    return next((kind for kind, words in WORDS.items() if name.startswith(words)), "")


def customers_of(ids: tuple[str, ...], kinds: list[tuple[str, int]]) -> Customers:
    """The customers of the loads; those behind one load share it alike."""
    names: list[str] = []
    load: list[int] = []
    kind: list[str] = []
    share: list[float] = []
    homes: list[float] = []
    for i, (what, count) in enumerate(kinds):
        rows = min(count, MOST_ROWS)
        names += [ids[i]] if rows == 1 else [f"{ids[i]}/{k}" for k in range(rows)]
        load += [i] * rows
        kind += [what] * rows
        here = [count // rows + (k < count % rows) for k in range(rows)]
        share += [number / count for number in here]
        homes += here
    return Customers(
        tuple(names), np.array(load, dtype=np.int64), tuple(kind), np.array(share), np.array(homes, dtype=np.float64)
    )
