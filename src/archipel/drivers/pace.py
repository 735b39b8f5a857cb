"""How often a device may be written to: flash memory wears, and an unchanged value says nothing new."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import final

SECONDS_BETWEEN_WRITES = 1.0
"""At most one write request per device in this time."""

EARLIER_S = 1.0
"""A lease that shall end earlier than the one in force by more than this is written at once."""


@final
@dataclass(frozen=True, slots=True)
class _Held:
    content: Hashable
    at_s: float
    lease_s: float


@final
@dataclass(slots=True)
class Pace:
    """Decides which control functions of one device are due. Knows no clock: the time is an argument."""

    _held: dict[str, _Held] = field(default_factory=dict)
    _tried_s: dict[str, float] = field(default_factory=dict)

    @property
    def held(self) -> frozenset[str]:
        """The functions that were written and not released since."""
        return frozenset(self._held)

    def due(self, wanted: Mapping[str, Hashable], lease_s: float, now_s: float) -> tuple[str, ...]:
        """Functions to write, the one tried longest ago first, so that none starves, not even behind one that fails.

        Due is what has another content than the one in force, what is past half its lease, and what shall lapse
        earlier than it now would.
        """
        names = [name for name, content in wanted.items() if self._is_due(name, content, lease_s, now_s)]
        return tuple(sorted(names, key=lambda name: self._tried_s.get(name, -math.inf)))

    def _is_due(self, name: str, content: Hashable, lease_s: float, now_s: float) -> bool:
        held = self._held.get(name)
        if held is None or held.content != content:
            return True
        lapses_s = held.at_s + held.lease_s
        return now_s - held.at_s >= held.lease_s / 2 or now_s + lease_s < lapses_s - EARLIER_S

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next write is allowed; 0 when it is now."""
        return max(0.0, max(self._tried_s.values(), default=-math.inf) + SECONDS_BETWEEN_WRITES - now_s)

    def began(self, name: str, now_s: float) -> None:
        """A write is about to go out, whatever becomes of it; until `took`, what the device holds is not known."""
        self._tried_s[name] = now_s
        self._held.pop(name, None)

    def took(self, name: str, content: Hashable, lease_s: float, now_s: float) -> None:
        """The device confirmed a function."""
        self._held[name] = _Held(content, now_s, lease_s)
