"""Setpoints that end by themselves: a value, until when, and what holds after."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Lease:
    """One order to one device."""

    value: float
    until_s: float
    """On the receiver's monotonic clock [s]."""
    fallback: float
    """Named safe value that holds when the lease has lapsed."""


@final
@dataclass(slots=True)
class Leases:
    """The leases of one cell's devices."""

    longest_s: float = 900.0
    """No lease runs longer than this from now; who wants more renews."""
    _of: dict[str, Lease] = field(default_factory=dict)

    def grant(self, device: str, lease: Lease, now_s: float) -> None:
        """Replace the device's lease.

        Raises:
            ValueError: for a value or fallback that is no finite number, a lease that has lapsed or runs too long.
        """
        if not (math.isfinite(lease.value) and math.isfinite(lease.fallback)):
            raise ValueError(
                f"device {device}: lease of {lease.value} with fallback {lease.fallback}; expected numbers"
            )
        length_s = lease.until_s - now_s
        if not 0.0 < length_s <= self.longest_s:
            raise ValueError(
                f"device {device}: the lease would run for {length_s:g} s; expected more than 0 and at most "
                f"{self.longest_s:g} s, renewed before it ends"
            )
        self._of[device] = lease

    def value(self, device: str, now_s: float) -> float | None:
        """What the device is to do now; its fallback when the lease has lapsed, None when it never had one."""
        lease = self._of.get(device)
        if lease is None:
            return None
        return lease.value if now_s < lease.until_s else lease.fallback

    def alive(self, device: str, now_s: float) -> bool:
        """Whether the device has a lease that has not lapsed."""
        lease = self._of.get(device)
        return lease is not None and now_s < lease.until_s

    def due(self, now_s: float, share: float = 0.5) -> list[str]:
        """Devices whose lease ends within `share` of the longest lease: renew these."""
        return sorted(d for d, lease in self._of.items() if lease.until_s - now_s < share * self.longest_s)

    def end(self, device: str, now_s: float) -> None:
        """Let the device's lease lapse now."""
        if (lease := self._of.get(device)) is not None:
            self._of[device] = Lease(lease.value, now_s, lease.fallback)
