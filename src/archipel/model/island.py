"""What an area without a main grid lives by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class IslandRules:
    """The table [island] of a scenario."""

    off_grid: bool = False
    """Whether there is no main grid at all; then the batteries form the grid."""
    critical_share: float = 0.4
    """Part of every load that is served to the last; the rest is shed when it must be."""
    reserve_kwh: float = 0.0
    """Energy in all batteries together that is kept for critical load: below it nothing else is served."""
    fuel_below_kwh: float = 0.0
    """Dispatchable generators run while less than this is stored."""
    horizon_h: int = 24
    """How far plans look ahead."""
    droop: float = 0.02
    """Fall of frequency from no load to rated load of the grid-forming inverters, as a share of nominal."""
