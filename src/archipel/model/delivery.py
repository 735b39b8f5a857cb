"""What a portfolio sold, what was asked of its members, and what they delivered: all that settlement needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import final

from archipel.model.grid import Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One portfolio over S quarter hours, C contracts. Powers are means of the quarter hour, load convention."""

    portfolio: str
    contract: tuple[str, ...]
    """Ids of the members' contracts, length C."""
    start: datetime
    """First quarter hour, UTC."""
    price_eur_per_kwh: Floats
    """Day-ahead price, shape (S,)."""
    imbalance_price_eur_per_kwh: Floats
    """What a kWh drawn beyond the position costs, and one not drawn earns, shape (S,)."""
    bought_kw: Floats
    """Position on the day-ahead market, shape (S,); negative: sold."""
    baseline_kw: Floats
    """What the members' devices would draw if nothing were asked, shape (C, S)."""
    asked_kw: Floats
    """What was asked of them, NaN where nothing was, shape (C, S)."""
    metered_kw: Floats
    """What they drew, shape (C, S)."""
    fcr_kw: Floats
    """Power kept both ways for frequency containment, shape (C, S), at least 0."""
    fcr_price_eur_per_kw_h: Floats
    """Shape (S,)."""
    afrr_up_kw: Floats
    afrr_down_kw: Floats
    """Power kept for frequency restoration: up gives power to the grid (draws less), shape (C, S), at least 0."""
    afrr_up_price_eur_per_kw_h: Floats
    afrr_down_price_eur_per_kw_h: Floats
    """Price of power kept, shape (S,)."""
    afrr_energy_kw: Floats
    """Mean power called by the restoration signal, load convention (negative: up), shape (C, S)."""
    afrr_energy_price_eur_per_kwh: Floats
    """Paid per kWh called, shape (S,)."""
    cut_kw: Floats
    """Reduction asked by events (not drawing), shape (C, S), at least 0."""
    event_price_eur_per_kwh: Floats
    """Paid per kWh not drawn in an event, shape (S,)."""
