"""Series for the loads of a network: which get a standard profile, and what a load then draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.adopting.individual_loads import EVENTS_50HZ, EVENTS_60HZ, groups, individual
from archipel.formats.adopting.setting import Setting
from archipel.formats.adopting.standard_loads import standard_profile
from archipel.formats.fleets import load_series
from archipel.model import Floats, Profiles

SINGLES = {"home": 96, "business": 12, "farm": 8}
"""Different customers of a class; with more than that in a network some draw alike."""
STREETS = (2, 4, 8, 16, 32)
"""Sizes of groups of homes behind one load."""
STREETS_EACH = 3
MOST_ALIKE = 40
"""Loads with one and the same series; where more have it, it is that of a class (SimBench: at most 25)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class LoadPlan:
    """The loads of the new scenario."""

    profile: tuple[str, ...]
    """Profile of every load, empty for a constant."""
    series: Mapping[str, Floats]
    """New series, relative to the nominal power."""
    peak: Mapping[str, float]
    """Load factor (mean over peak) by kind of customer, or by the series they had."""
    renewed: int
    """How many loads got a standard profile."""
    varied: int
    """How many loads got a series of their own out of one that many had."""


def plan_loads(
    given: tuple[str, ...],
    kinds: list[tuple[str, int]],
    renew: list[bool],
    old: Profiles,
    setting: Setting,
) -> LoadPlan:
    """Series for the loads to renew; a load's nominal power is the peak of many customers like it.

    A single customer draws one of `SINGLES` individual profiles, a load of several homes the mean of a few of them.
    Their mean is the standard profile, or the series that the loads of a class have in the network.
    """
    events = EVENTS_60HZ if setting.f_hz > 55.0 else EVENTS_50HZ
    profile, series, factor = list(given), {}, {}
    classes = sorted({(kind, given[i]) for i, (kind, _) in enumerate(kinds) if renew[i]})
    for kind, base in classes:
        rows = [i for i, (what, _) in enumerate(kinds) if (what, given[i]) == (kind, base) and renew[i]]
        shape = _given(base, old) if base else standard_profile(kind, setting.clock)
        rng = setting.rng(f"loads of {kind} {base}".strip())
        single = individual(shape / shape.mean(), events[kind], SINGLES[kind], rng)
        single /= single.mean(axis=1).max() / (shape.max() if base else 1.0)
        factor[base or kind] = float(single.mean())
        size = [kinds[i][1] for i in rows]
        streets = groups(single, np.repeat(STREETS, STREETS_EACH), rng)
        order, turn = rng.permutation(SINGLES[kind]), rng.integers(0, STREETS_EACH, len(rows))
        one = 0
        for k, i in enumerate(rows):
            if size[k] == 1:
                which = int(order[one % len(order)])
                name, value, one = f"{base or kind}-{which + 1:02d}", single[:, which], one + 1
            else:
                nearest = int(np.argmin(np.abs(np.log(np.array(STREETS) / size[k]))))
                column = nearest * STREETS_EACH + int(turn[k])
                name, value = f"{base or kind}s-{STREETS[nearest]}-{turn[k] + 1}", streets[:, column]
            profile[i] = name
            series[name] = value
    standard = sum(new and not name for new, name in zip(renew, given, strict=True))
    return LoadPlan(tuple(profile), series, factor, standard, sum(renew) - standard)


def _given(profile: str, old: Profiles) -> Floats:
    """The series of a profile of the network, active power."""
    pair = load_series(profile, old.name)
    if pair is None:
        raise ValueError(f"no series for the load profile {profile!r}")
    return np.maximum(old.value[:, old.name.index(pair[0])].astype(np.float64), 0.0)


def shared_by_many(given: tuple[str, ...]) -> set[str]:
    """Series that so many loads name that they tell of a class, not of a customer."""
    return {name for name, count in Counter(given).items() if name and count > MOST_ALIKE}


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
