"""Where renewable energy was used: in its cell, in its feeder, in the area, or nowhere here.

Per interval, by proportional sharing:

    cell     own renewable generation serves the cell's own use first (end use, charging, network losses)
    feeder   what cells have left forms the pool of their feeder; it goes to the feeder's cells that need power,
             and carries the same share of renewables to each of them
    area     what the feeders' pools have left forms the pool of the area, shared in the same way
    export   what no cell of the area needed leaves over the upstream connection

The pools hold what batteries give as well, therefore only a pool's renewable share of what is passed on counts.
Every kWh is counted once: cell + feeder + area + exported = renewable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Archipelago, Floats, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Renewable power by the place of its use [kW], shape (S,) each."""

    cell_kw: Floats
    feeder_kw: Floats
    area_kw: Floats
    exported_kw: Floats


def feeder_of(archipelago: Archipelago) -> Ints:
    """For every cell the row number of the feeder cell above it or itself; its own row where there is none."""
    parents = archipelago.parents()
    feeder = np.arange(len(archipelago.cell))
    for i, cell in enumerate(archipelago.cell):
        if cell.level != "feeder" and parents[i] >= 0:
            above = feeder[parents[i]]  # parents stand before their children
            if archipelago.cell[above].level == "feeder":
                feeder[i] = above
    return feeder


def share(generation_kw: Floats, given_kw: Floats, own_kw: Floats, feeder: Ints) -> Shared:
    """Share renewable power by the rule above.

    Args:
        generation_kw: Renewable power delivered in every cell, non-negative, shape (cells, S).
        given_kw: What batteries of every cell give, non-negative, shape (cells, S).
        own_kw: Own net import of every cell, shape (cells, S).
        feeder: Row number of every cell's feeder (`feeder_of`), shape (cells,).
    """
    use = np.maximum(generation_kw + given_kw + own_kw, 0.0)
    kept = np.minimum(generation_kw, use)
    left = generation_kw - kept
    # Battery power in a surplus cell travels with the renewables; the pool cannot hold less than its renewables.
    out = np.maximum(np.maximum(-own_kw, 0.0), left)
    need = np.maximum(own_kw, 0.0)
    in_feeder, left, out, need = _pool(_by_group(left, feeder), _by_group(out, feeder), _by_group(need, feeder))
    in_area, left, _, _ = _pool(left.sum(0, keepdims=True), out.sum(0, keepdims=True), need.sum(0, keepdims=True))
    return Shared(kept.sum(0), in_feeder.sum(0), in_area[0], left[0])


def _pool(green: Floats, out: Floats, need: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Pass on `min(out, need)` of each pool: (renewables passed on, and what is left of green, out, need)."""
    moved = np.minimum(out, need)
    used = green * np.divide(moved, out, out=np.zeros_like(out), where=out > 0.0)
    return used, green - used, out - moved, need - moved


def _by_group(power_kw: Floats, group: Ints) -> Floats:
    total = np.zeros_like(power_kw)
    np.add.at(total, group, power_kw)
    return total
