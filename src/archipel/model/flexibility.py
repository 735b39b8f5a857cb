"""What a member publishes: what it will draw, and stores from which it can give and take. No device is in it.

    p[t] = base_kw[t] + sum_s u[s, t],       p_kw_min[s, t] <= u[s, t] <= p_kw_max[s, t]
    e[s, t] = keep[s] e[s, t-1] + dt (charge_efficiency[s] max(u, 0) - max(-u, 0) / discharge_efficiency[s])
    e_kwh_min[s, t] <= e[s, t] <= e_kwh_max[s, t],      e[s, -1] = e_kwh_start[s]
    |p[t] - p[t-1]| <= ramp_kw_per_h dt

`u` is a change of the baseline (load convention: positive draws more), `e` what these changes put aside. Everything
inside is deliverable: alone, together with every other member at once, and through the network's limits. What only has
power to give and no energy (curtailed sun) is a store with infinite energy bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import final

from archipel.model.grid import Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Flexibility:
    """One member over T intervals of `dt_h` hours from `start`, with S stores (S may be 0)."""

    member: str
    """Id of the contract (or of the portfolio that is a member)."""
    start: datetime
    dt_h: float
    base_kw: Floats
    """What is drawn when nothing is asked, shape (T,)."""
    p_kw_min: Floats
    p_kw_max: Floats
    """Bounds of the change of every store, shape (S, T); p_kw_min <= 0 <= p_kw_max."""
    e_kwh_min: Floats
    e_kwh_max: Floats
    """Bounds of the energy put aside at the end of every interval, shape (S, T); infinite where free."""
    e_kwh_start: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    keep: Floats
    """Shape (S,) each; efficiencies and keep in (0, 1]."""
    cost_eur_per_kwh: Floats
    """Paid to the member per kWh of change, up or down, shape (S, T), at least 0: wear, comfort, lost feed-in."""
    ramp_kw_per_h: float = float("inf")
    confidence: float = 1.0
    """Probability with which all of it is deliverable, in the member's own judgement."""

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return len(self.base_kw)

    @property
    def stores(self) -> int:
        """Number of stores S."""
        return len(self.e_kwh_start)
