"""What the outside world offers over the coming quarter hours; shared by devices and forecasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archipel.model.grid import Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """What the outside world offers: quarter-hourly profile rows, either true or forecast."""

    first_row: int
    """Row number (in `Scenario.profiles`) of the first row of `value`."""
    value: Floats
    """Profile values, shape (rows, profile columns)."""
    perfect: bool
    """Whether what is not yet visible (for instance vehicles that have not arrived) may be used as if known."""
