"""Series for the loads of a network: which get a standard profile, and what a load then draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.adopting.individual_loads import EVENTS_50HZ, EVENTS_60HZ, groups, individual
from archipel.formats.adopting.local_clock import LocalClock
from archipel.formats.adopting.setting import Setting
from archipel.formats.adopting.standard_loads import standard_profile
from archipel.formats.fleets import load_series
from archipel.model import Floats, Profiles

SINGLES = {"home": 96, "business": 12, "farm": 8}
"""Different customers of a class; with more than that in a network some draw alike."""
STREETS = (2, 4, 8, 16, 32)
"""Sizes of groups of homes behind one load."""
STREETS_EACH = 3


@final
@dataclass(frozen=True, slots=True, eq=False)
class LoadPlan:
    """The loads of the new scenario."""

    profile: tuple[str, ...]
    """Profile of every load, empty for a constant."""
    series: Mapping[str, Floats]
    """New series, relative to the nominal power."""
    peak: Mapping[str, float]
    """Load factor of the standard profile by kind of customer: mean over peak."""
    renewed: int
    """How many loads got a standard profile."""


def plan_loads(
    given: tuple[str, ...],
    kinds: list[tuple[str, int]],
    renew: list[bool],
    clock: LocalClock,
    f_hz: float,
    setting_seed: Setting,
) -> LoadPlan:
    """Series for the loads to renew; a load's nominal power is the peak of many customers like it.

    A single customer draws one of `SINGLES` individual profiles, a load of several homes the mean of a few of them.
    """
    events = EVENTS_60HZ if f_hz > 55.0 else EVENTS_50HZ
    profile, series, factor = list(given), {}, {}
    for kind, count in SINGLES.items():
        rows = [i for i, (what, _) in enumerate(kinds) if what == kind and renew[i]]
        standard = standard_profile(kind, clock)
        factor[kind] = float(standard.mean() / standard.max())
        if not rows:
            continue
        rng = setting_seed.rng(f"loads of {kind}")
        single = individual(standard, events[kind], count, rng)
        single /= single.mean(axis=1).max()
        factor[kind] = float(single.mean())
        size = [kinds[i][1] for i in rows]
        streets = groups(single, np.repeat(STREETS, STREETS_EACH), rng)
        order, turn = rng.permutation(count), rng.integers(0, STREETS_EACH, len(rows))
        one = 0
        for k, i in enumerate(rows):
            if size[k] == 1:
                which = int(order[one % count])
                name, value, one = f"{kind}-{which + 1:02d}", single[:, which], one + 1
            else:
                nearest = int(np.argmin(np.abs(np.log(np.array(STREETS) / size[k]))))
                column = nearest * STREETS_EACH + int(turn[k])
                name, value = f"{kind}s-{STREETS[nearest]}-{turn[k] + 1}", streets[:, column]
            profile[i] = name
            series[name] = value
    return LoadPlan(tuple(profile), series, factor, sum(renew))


def load_values(profile: tuple[str, ...], plan: LoadPlan, old: Profiles | None, rows: int) -> dict[str, Floats]:
    """Values of every profile the loads name, relative to nominal power, shape (rows,) each."""
    found: dict[str, Floats] = {}
    for name in set(profile):
        if not name:
            found[name] = np.ones(rows)
        elif name in plan.series:
            found[name] = plan.series[name]
        elif old is not None:
            pair = load_series(name, old.name)
            if pair is not None:
                found[name] = old.value[:, old.name.index(pair[0])].astype(np.float64)
    return found
