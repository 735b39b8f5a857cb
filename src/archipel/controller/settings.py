"""Times of a controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """Times of a controller [s]; the defaults are those of the field."""

    every_s: int = 3600
    """Between the starts of two plans."""
    step_s: int = 900
    """Length of one value of an agreement."""
    lead_s: float = 120.0
    """How long before its start a plan begins."""
    attempts: int = 3
    """Times a plan is tried within its lead."""
    repeat_s: float = 2.0
    """Between two sendings of what may have been lost."""
    lease_s: float = 60.0
    """How long an order holds that is not renewed."""
    contradiction_s: float = 5.0
    """How long a meter must contradict an agreement before this end leaves it."""
    grace_s: float = 10.0
    """How long meters are not compared after the start of a step, while devices move."""
    healthy_s: float = 30.0
    """How long neighbours and readings must have been well before more is attempted with them."""

    @property
    def silent_s(self) -> float:
        """How long a neighbour may give no sign of life in a plan before the plan goes on without it: half an attempt,
        so that the other half is left for the others."""
        return 0.5 * self.lead_s / self.attempts
