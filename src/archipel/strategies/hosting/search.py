"""Where along an order of new devices the first limit breaks, by few trials.

    fine  fine        fine fine|broken  broken
    0 .... hint ........... k  | k + step ........ most
                  gallop upwards, then halve

With more devices a limit that is broken need not stay broken (a battery may be charged at another hour), so the first
break is looked for from below: from what a weaker strategy could take, in growing steps, never from above.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import final

FIRST_STEP = 32
"""The first step upwards is this part of all devices in the order, at least the step of the answer."""


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search."""

    fine: int
    """Most devices with which no limit is broken; -1 when one is broken without any."""
    broken: int | None
    """Fewest tried with which one is, at most a step above; None when none is broken with all of the order."""


Search = Generator[int, bool, Found]
"""Yields how many devices to try, is told whether all was fine."""


def search(most: int, step: int = 1, hint: int = 0) -> Search:
    """Search in 0..most to within `step`, beginning at `hint`, where a weaker strategy was fine."""
    if not (yield 0):
        return Found(-1, 0)
    fine, broken = 0, None
    if hint > 0:
        if (yield hint):
            fine = hint
        else:
            broken = hint
    stride = max(step, most // FIRST_STEP)
    if broken is not None:
        # a weaker strategy was fine here and this one is not: look for its first break from below
        hint, stride = 0, max(step, broken // 4)
    while fine < (limit := most if broken is None else broken - 1):
        k = min(fine + stride, limit)
        if not (yield k):
            broken = k
            break
        fine, stride = k, stride if hint == 0 and broken is not None else 2 * stride
    while broken is not None and broken - fine > step:
        middle = (fine + broken) // 2
        if (yield middle):
            fine = middle
        else:
            broken = middle
    return Found(fine, broken)
