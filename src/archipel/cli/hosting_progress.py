"""Progress of `archipel hosting` on standard error, with how long the rest will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import final

DAYS_FIRST, DAYS_NEXT = 13, 9
"""Days of a search from nothing, and of one that begins where a weaker strategy ended."""
WEIGHT = {"uncoordinated": 1.0, "alone": 5.0, "distributed": 12.0, "central": 12.0}
"""Time of a day of a strategy that was not run yet, against those that were."""
WORTH_SAYING_S = 120.0
HOW_TO_NARROW = "narrower: --strategy NAME, --seeds 1, --steps 50, --cell ID; faster: --jobs 2"


@final
class Told:
    """A line that changes where somebody watches, else one per search that is done; before that, what to expect."""

    def __init__(
        self, strategies: Sequence[str], seeds: int, live: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._strategies, self._seeds, self._live, self._clock = tuple(strategies), seeds, live, clock
        self._searches = len(self._strategies) * seeds
        self._begun = self._last = clock()
        self._days = dict.fromkeys(self._strategies, 0)
        self._spent_s = dict.fromkeys(self._strategies, 0.0)
        self._finished, self._warned = 0, False

    def __call__(self, seed: int, strategy: str, k: int, fine: bool, finished: int) -> None:
        """Show one evaluation."""
        now = self._clock()
        self._days[strategy] += 1
        self._spent_s[strategy] += now - self._last
        self._last = now
        count, spent = sum(self._days.values()), now - self._begun
        left = self.left_s(finished)
        if left > WORTH_SAYING_S and not self._warned and finished < self._searches:
            self._warned = True
            clear = "\r" if self._live else ""
            print(f"{clear}about {_long(left)} for all {self._searches} searches; {HOW_TO_NARROW}", file=sys.stderr)
        words = f"seed {seed} {strategy}: {k} places {'fine' if fine else 'too many'}"
        if self._live:
            filled = 20 * finished // self._searches
            bar = "#" * filled + "." * (20 - filled)
            head = f"[{bar}] {finished}/{self._searches} {_long(spent)}, about {_long(left)} left, {count} days"
            sys.stderr.write(f"\r{head}; {words:<44}")
            sys.stderr.flush()
        elif finished > self._finished:
            rest = f", about {_long(left)} left" if finished < self._searches else ""
            print(f"{finished} of {self._searches} searches, {count} days, {_long(spent)}{rest}", file=sys.stderr)
        self._finished = finished

    def left_s(self, finished: int) -> float:
        """Seconds until all searches are done, from the days run so far; of strategies to come by `WEIGHT`."""
        if finished >= self._searches:
            return 0.0
        known = {name: self._spent_s[name] / n for name, n in self._days.items() if n}
        unit = max((each / WEIGHT[name] for name, each in known.items()), default=0.0)
        left = 0.0
        for i, name in enumerate(self._strategies):
            if any(self._days[later] for later in self._strategies[i + 1 :]) and finished >= self._seeds * (i + 1):
                continue
            days = self._seeds * (DAYS_NEXT if i else DAYS_FIRST) - self._days[name]
            left += max(days, 1) * known.get(name, unit * WEIGHT[name])
        return left

    def end(self) -> None:
        """Leave the line."""
        if self._live and any(self._days.values()):
            sys.stderr.write("\n")


def _long(seconds: float) -> str:
    """As people say it: 40 s, 3 min, 2.5 h."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
