"""The degradation ladder: step down at once, step up slowly, never swing.

    0 cooperating   agreed with every neighbour
    1 following     some neighbour is stale: the last agreement is followed until it lapses, nothing new with it
    2 fallback      a neighbour is lost or contradicted by a meter: its tie at the default exchange
    3 alone         no neighbour: own plan inside the default limits, local curves
    4 rules         no plan: every device on its local rule; also while the cell is apart from the main grid

Devices have a step of their own below these: a setpoint that is not renewed lapses in the device.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import final


class Level(IntEnum):
    """How much is left; larger is less."""

    COOPERATING = 0
    FOLLOWING = 1
    FALLBACK = 2
    ALONE = 3
    RULES = 4


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One step on the ladder, for the journal."""

    at_s: float
    before: Level
    after: Level
    why: str


@final
@dataclass(slots=True)
class Ladder:
    """Where a cell stands. Times are seconds of its monotonic clock."""

    level: Level = Level.RULES
    healthy_s: float = 30.0
    """How long a better level must have been possible before it is taken."""
    most_falls: int = 3
    window_s: float = 600.0
    """More than so many steps down within so long is swinging: the ladder latches where it is worst."""
    latched: bool = False
    """Only steps down, until an operator calls `release`."""
    _seen: deque[tuple[float, Level]] = field(default_factory=deque)
    _falls: deque[float] = field(default_factory=deque)

    def observe(self, now_s: float, possible: Level, why: str) -> Step | None:
        """What would be possible now, and why not more. Returns the step taken, if any.

        Raises:
            ValueError: when time runs backwards.
        """
        if self._seen and now_s < self._seen[-1][0]:
            raise ValueError(f"ladder: {now_s:g} s follows {self._seen[-1][0]:g} s; expected a monotonic clock")
        if possible > self.level:
            self._remember(now_s, possible)
            return self._take(now_s, possible, why)
        self._remember(now_s, possible)
        if self.latched or possible == self.level or now_s - self._seen[0][0] < self.healthy_s:
            return None
        best = max(level for _, level in self._seen)
        if best >= self.level:
            return None
        return self._take(now_s, best, why)

    def release(self, now_s: float) -> None:
        """An operator has looked: swinging is forgotten."""
        self.latched = False
        self._falls.clear()
        self._seen.clear()
        self._seen.append((now_s, self.level))

    def _remember(self, now_s: float, possible: Level) -> None:
        """Keep what was possible over the last `healthy_s`, and the one observation that reaches back beyond."""
        self._seen.append((now_s, possible))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - self.healthy_s:
            self._seen.popleft()

    def _take(self, now_s: float, level: Level, why: str) -> Step:
        step = Step(now_s, self.level, level, why)
        while self._falls and self._falls[0] < now_s - self.window_s:
            self._falls.popleft()
        if level > self.level:
            self._falls.append(now_s)
        self.level = level
        self.latched = self.latched or len(self._falls) > self.most_falls
        return step
