"""What is asked: which devices, under which strategies, on which day, and what counts as a limit broken."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, final

from archipel.model import ArchipelError

Device = Literal["pv", "ev", "heat-pump"]
DEVICES: tuple[Device, ...] = ("pv", "ev", "heat-pump")
STRATEGIES = ("uncoordinated", "alone", "distributed", "central")
"""From the weakest to the strongest: each begins its search where the one before ended."""
DEVICE_NAME = {"pv": "PV", "ev": "EV chargers", "heat-pump": "heat pumps"}


@final
@dataclass(frozen=True, slots=True)
class Service:
    """What devices must still get, so that nobody hosts more by giving less.

    All is counted over all devices of the network, new and old, against the same strategy's day without new devices.
    """

    curtailed_share: float = 0.05
    """Renewable energy not taken, over what the new PV could have given (other devices: over the energy they want)."""
    missing_share: float = 0.01
    """Charging energy missing at departure and load shed, over the energy the new devices want."""
    comfort_k_h: float = 0.1
    """Kelvin-hours outside the comfort band, per heat pump and day."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value >= 0.0):
                raise ArchipelError(f"{name}: found {value}; expected a number, 0 or more")


@final
@dataclass(frozen=True, slots=True)
class Question:
    """All that the answer depends on, beside the scenario."""

    device: Device
    start: datetime
    days: int = 1
    strategies: tuple[str, ...] = STRATEGIES
    seeds: tuple[int, ...] = (1, 2, 3)
    service: Service = field(default_factory=Service)
    per_customer: int = 3
    """How often the order goes through all customers: most new devices at one of them."""
    cell: str = ""
    """Only customers of this cell get devices; empty for all."""
    steps: int = 200
    """The answer is told to 1 in so many of all devices in the order, at least to one device."""
    together: int = 10
    """So many customers of a network below a load above 1 kV come at once."""
    beyond_today: bool = False
    """Limits that are broken without new devices were widened to today's worst (`as_today`)."""

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ArchipelError(f"device: found {self.device!r}; expected one of {', '.join(DEVICES)}")
        if unknown := [name for name in self.strategies if name not in STRATEGIES] or not self.strategies:
            raise ArchipelError(f"strategies: found {unknown or 'none'}; expected some of {', '.join(STRATEGIES)}")
        if not self.seeds or min(self.seeds) < 0:
            raise ArchipelError(f"seeds: found {self.seeds or 'none'}; expected whole numbers, 0 or more")
        if min(self.days, self.per_customer, self.steps, self.together) < 1 or self.days > 31:
            raise ArchipelError(
                "days, devices per customer, steps, customers together: expected whole numbers, 1 or more; days to 31"
            )

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "start": self.start.isoformat()}
