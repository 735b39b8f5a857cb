"""What was written on the wire, seen from the device's side: the evidence for 'nothing was written'."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True, slots=True)
class WireWrite:
    """One write request as it arrived, also one that was refused, unreadable, or met a deaf device."""

    t_s: float
    """Simulated time at the last step before it arrived."""

    device: str
    address: int | None
    """Zero-based protocol address of its first register; None if the request could not be read."""

    values: tuple[int, ...]
    """Register values, 0 to 65535."""

    names: tuple[str, ...]
    """Points or registers it touches, in order; empty if there are none at the address."""

    outcome: str
    """done, or why not: deaf, refused ILLEGAL_VALUE, ..."""


@final
@dataclass(slots=True)
class WriteLog:
    """All writes, newest last. The counts are exact; of the entries only the newest `entries_most` are kept."""

    entries_most: int = 100_000
    count: Counter[str] = field(default_factory=Counter)
    """Writes per device, of every outcome."""
    entries: deque[WireWrite] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = deque(maxlen=self.entries_most)

    def add(self, write: WireWrite) -> None:
        """Record one."""
        self.count[write.device] += 1
        self.entries.append(write)

    @property
    def total(self) -> int:
        """Writes to any device."""
        return self.count.total()

    def of(self, device: str) -> tuple[WireWrite, ...]:
        """The kept writes to one device, oldest first."""
        return tuple(entry for entry in self.entries if entry.device == device)
