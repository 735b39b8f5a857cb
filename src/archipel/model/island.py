"""What an area without a main grid lives by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Stage:
    """Part of every load that is shed together."""

    priority: int
    """1 is served longest; the highest number is shed first."""
    share: float
    """Of every load."""
    below_kwh: float
    """It is shed while less than this is stored in all batteries together."""


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
    reserve_for_h: float = 0.0
    """With a main grid: batteries keep at all times what critical load takes for so long should it be lost; 0: none."""
    reserve_probability: float = 0.999
    """How sure that is to be."""
    stages: tuple[Stage, ...] = ()
    """How the rest is shed, by rising priority; empty: all of it below `reserve_kwh`."""
    restore_margin_kwh: float = 0.0
    """A stage comes back when so much more is stored than what it is shed below."""
    restore_after_h: float = 0.0
    """And not before it was off for so long."""

    @property
    def shedding(self) -> tuple[Stage, ...]:
        """The stages, by rising priority, all off below the reserve; one where none are given."""
        given = self.stages or (Stage(1, 1.0 - self.critical_share, self.reserve_kwh),)
        return tuple(replace(one, below_kwh=max(one.below_kwh, self.reserve_kwh)) for one in given)

    def part(self, share: float) -> IslandRules:
        """The rules of an island that has this share of all storage: every energy by as much."""
        return replace(
            self,
            reserve_kwh=share * self.reserve_kwh,
            fuel_below_kwh=share * self.fuel_below_kwh,
            restore_margin_kwh=share * self.restore_margin_kwh,
            stages=tuple(replace(one, below_kwh=share * one.below_kwh) for one in self.stages),
        )
