"""How a converter gets from where it is to where it shall be: a first-order response, its speed limited."""

from __future__ import annotations

import math


def moved(now: float, target: float, dt_s: float, *, settle_s: float, up_per_s: float, down_per_s: float) -> float:
    """Where a value stands `dt_s` later.

    It closes the gap to `target` by `1 - exp(-dt / tau)` with `tau = settle_s / ln 10`, so 90 % of a step is done
    after `settle_s` (the open-loop response time of IEEE 1547-2018), and goes no faster than `up_per_s` away from zero
    or `down_per_s` towards it. Through zero it moves at the slower of the two.

    Args:
        now: Where it stands.
        target: Where it is going, same unit.
        dt_s: Time that passes [s].
        settle_s: Time to 90 % of a step [s]; 0: at once.
        up_per_s: Most it can grow in magnitude per second; infinite: no limit.
        down_per_s: The same for shrinking.
    """
    share = 1.0 if settle_s <= 0.0 else -math.expm1(-dt_s * math.log(10.0) / settle_s)
    step = (target - now) * share
    away = up_per_s if abs(target) > abs(now) else down_per_s
    most = dt_s * (min(up_per_s, down_per_s) if target * now < 0.0 else away)
    return now + min(max(step, -most), most)
