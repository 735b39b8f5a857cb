"""Payments between cells when power crosses every boundary at the price agreed there.

A cell pays for what flows in over its own boundary at that boundary's price, and is paid for what it passes on to the
cells below it at theirs. The head pays the upstream price. Every tie is paid once and received once, so the payments
add up to the upstream energy cost, whatever the prices are. What a cell without devices is left with is what its
network earns: fees, and the rent of limits that bind and of losses, which marginal prices pay twice (F. C. Schweppe,
M. C. Caramanis, R. D. Tabors, R. E. Bohn, Spot Pricing of Electricity, Kluwer, 1988, chapter 8).
"""

from __future__ import annotations

import numpy as np

from archipel.model import Archipelago, Floats


def payments(
    archipelago: Archipelago,
    *,
    into_lower_kw: Floats,
    price_eur_per_kwh: Floats,
    upstream_kw: Floats,
    upstream_price_eur_per_kwh: Floats,
    dt_h: float,
) -> Floats:
    """What every cell pays, net of what it receives [EUR], shape (cells,); negative: it earns.

    Args:
        archipelago: Cells and ties.
        into_lower_kw: Power into the lower cell at the metered end of every tie, shape (ties, S).
        price_eur_per_kwh: Price at every tie, shape (ties, S); NaN (none agreed) counts as the upstream price.
        upstream_kw: Power drawn from the upstream grid, shape (S,).
        upstream_price_eur_per_kwh: Shape (S,).
        dt_h: Length of the intervals [h].
    """
    row = {cell.id: i for i, cell in enumerate(archipelago.cell)}
    paid = np.zeros(len(archipelago.cell))
    paid[0] = upstream_price_eur_per_kwh @ upstream_kw * dt_h
    if archipelago.tie:
        price = np.where(np.isfinite(price_eur_per_kwh), price_eur_per_kwh, upstream_price_eur_per_kwh)
        over = (price * np.nan_to_num(into_lower_kw)).sum(axis=1) * dt_h
        np.add.at(paid, [row[tie.lower] for tie in archipelago.tie], over)
        np.subtract.at(paid, [row[tie.upper] for tie in archipelago.tie], over)
    return paid
