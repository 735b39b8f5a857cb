"""UTC that never steps, made of a clock that may be stepped and one that never is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import final

from archipel.controller.facts import Instant

CLOCK_STEP_S = 2.0
"""A UTC clock that moves against the monotonic one by more than this has been stepped."""


@final
@dataclass(slots=True)
class SteadyClock:
    """What one cell takes for UTC. Agreements in force run on through a step of the clock; new ones wait until it is
    back, or until neighbours have shown the same time as it for long enough."""

    vouched: bool = True
    """False after a restart until a neighbour is there, which it is only when its clock shows the same time: a clock
    that was stepped while nobody looked would have an end act on another step of its agreement."""
    stepped: bool = False
    """Whether the machine's clock is off by more than `CLOCK_STEP_S`."""
    said: str = field(default="", init=False)
    """Why that changed; empty when it did not at the last `read`."""
    off_s: float = field(default=0.0, init=False)
    """By how much it is off."""
    _base: tuple[datetime, float] | None = field(default=None, init=False)
    """UTC and monotonic time when both were last believed."""

    def read(self, now: Instant, *, neighbours: bool, well: bool) -> datetime:
        """UTC now. `neighbours`: one is there, its clock agrees. `well`: one has been for long enough, and since the
        last step."""
        self.said = ""
        if self._base is None or not self.vouched:
            self.vouched = self.vouched or neighbours
            return self._believe(now)
        base, mono_s = self._base
        expected = base + timedelta(seconds=now.mono_s - mono_s)
        self.off_s = (now.utc - expected).total_seconds()
        if abs(self.off_s) <= CLOCK_STEP_S:
            if self.stepped:
                self.stepped, self.said = False, "the clock is right again"
            return self._believe(now)  # slewing is followed
        if not self.stepped:
            self.stepped, self.said = True, "the clock was stepped; no new agreements until it is right"
        elif well:
            self.stepped, self.said = False, "the step is followed: neighbours have the same time"
            return self._believe(now)
        return expected

    def _believe(self, now: Instant) -> datetime:
        self._base = (now.utc, now.mono_s)
        return now.utc
