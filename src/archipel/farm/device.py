"""What every served device is: registers on one side, physics on the other, a fault between them.

    wire  --read/write-->  registers  <--shown when read--  state  <--advance(dt_s, truth)--  physics

The load convention holds at the physics' side (positive is drawn), whatever the registers say.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from archipel.farm.faults import HEALTHY, Fault, Refusal


@final
@dataclass(frozen=True, slots=True)
class Truth:
    """What the world is like at one device; the caller's physics says so."""

    v_pu: float = 1.0
    """Voltage at its node; below 0.1 the node is dead."""

    f_hz: float = 50.0

    available_kw: float | None = None
    """What it can do now, non-negative: for PV what the sun gives, for a charger what the car takes, for a heat pump
    or a load what it draws by its own rule. None: its rating. A battery has no use for it."""

    p_kw: float = 0.0
    """Meters and switches: flow through it, positive into the cell or from the first to the second node."""

    q_kvar: float = 0.0
    """The same for reactive power."""

    soc: float | None = None
    """State of charge, if the caller keeps it; None: a battery counts for itself. Heat pumps and chargers show it."""

    e_kwh_wanted: float | None = None
    """Chargers: energy this session still wants; None: not known."""

    ends_in_s: float | None = None
    """Chargers: seconds until the car leaves; None: not known."""


@final
@dataclass(frozen=True, slots=True)
class Demand:
    """What a device draws at its terminal; negative when it gives."""

    p_kw: float
    q_kvar: float


class Device(ABC):
    """A device behind one Modbus address. Not safe against use from several threads."""

    def __init__(self, id: str, *, unit: int = 1) -> None:  # noqa: A002 - it is the device's id
        if not 1 <= unit <= 247:
            raise ValueError(f"device {id}: Modbus unit {unit}; expected 1 to 247")
        self.id = id
        self.unit = unit
        self._fault: Fault = HEALTHY

    @property
    def fault(self) -> Fault:
        """What is wrong with it now; may be set at any time."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._show(0, len(self.registers))  # a reading that gets stuck now stays where it is now
        self._fault = fault

    @abstractmethod
    def advance(self, dt_s: float, truth: Truth) -> None:
        """Let `dt_s` simulated seconds pass in this world: timers run down, power moves, energy is counted."""

    @abstractmethod
    def demand(self) -> Demand:
        """What it draws now."""

    @property
    def closed(self) -> bool:
        """Whether current may flow through it; only an open switch says no."""
        return True

    @property
    def ordered_kw(self) -> float:
        """The order it holds, in load convention; of what is held to a limit that limit. NaN: its own rule."""
        return math.nan

    @property
    @abstractmethod
    def base_address(self) -> int:
        """Zero-based address of its first register."""

    @property
    @abstractmethod
    def registers(self) -> list[int]:
        """Its register image, each 0 to 65535."""

    @abstractmethod
    def names(self, address: int, count: int) -> tuple[str, ...]:
        """Names of the points that these registers belong to."""

    @abstractmethod
    def _show(self, at: int, count: int) -> None:
        """Bring the measured ones among `count` registers from position `at` up to date."""

    @abstractmethod
    def _order(self, address: int, values: Sequence[int]) -> Refusal | None:
        """Take a write to registers that exist. Nothing has changed when it is refused."""

    def read(self, address: int, count: int) -> list[int] | Refusal:
        """`count` registers from `address`, as a client sees them."""
        if self.fault.refuses_reads is not None:
            return self.fault.refuses_reads
        at = address - self.base_address
        if at < 0 or at + count > len(self.registers):
            return Refusal.ILLEGAL_ADDRESS
        self._show(at, count)
        return self.registers[at : at + count]

    def write(self, address: int, values: Sequence[int]) -> Refusal | None:
        """Write registers as a client does; None when it was done."""
        if self.fault.refuses_writes is not None:
            return self.fault.refuses_writes
        at = address - self.base_address
        if at < 0 or not values or at + len(values) > len(self.registers):
            return Refusal.ILLEGAL_ADDRESS
        return self._order(address, values)
