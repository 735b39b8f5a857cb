"""Loads of single customers out of the standard profile, which is the mean of many.

A customer draws a base and single events (a kettle, a wash, an oven, a cooling plant), each with a power and a duration
of its own. With s(t) the standard profile, b the share of the base, P an event's power and d its length in steps,

    p(t) = b s(t + shift) + sum of events that last at t,    events begin as a Poisson process of rate
    lambda(t) = (1 - b) s(t + shift) / E[P d]

so that the mean of many customers is the standard profile again, smeared by the length of an event and by habit
(`shift`, up to half an hour), and customers of one class do not peak together: the sum of n has a standard deviation
that grows with sqrt(n), which gives the coincidence factor of S. Rusck (ASEA Journal 10, 1956)

    g(n) = g_inf + (1 - g_inf) / sqrt(n)

The sizes of events were set by the 100 daily profiles of the European LV test feeder (IEEE PES) for 50 Hz, and for
60 Hz by the diversity factors of W. H. Kersting, "Distribution System Modeling and Analysis", table 2.2 (3.2 for 70
customers). Model: shot noise, as in C. J. McQueen et al., IEEE Trans. Power Systems 19 (2004), for homes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Floats, Ints

MOST_STEPS = 4
"""The longest event, in quarter hours."""


@final
@dataclass(frozen=True, slots=True)
class Events:
    """How a customer draws: `base` share of the standard profile, and events relative to the mean power."""

    base: float
    power: float
    """Median power of an event, relative to the customer's mean power."""
    spread: float = 0.5
    """Standard deviation of the logarithm of the power."""


EVENTS_50HZ = {"home": Events(0.35, 2.5), "business": Events(0.75, 0.8), "farm": Events(0.6, 1.5)}
EVENTS_60HZ = {"home": Events(0.45, 1.5), "business": Events(0.75, 0.8), "farm": Events(0.6, 1.5)}


def individual(standard: Floats, events: Events, count: int, rng: np.random.Generator) -> Floats:
    """`count` customers with the standard profile's energy each, shape (rows, count)."""
    rows = len(standard)
    value = np.empty((rows, count))
    mean_power = events.power * np.exp(events.spread**2 / 2.0)
    mean_steps = (1 + MOST_STEPS) / 2.0
    for k in range(count):
        own = np.roll(standard, int(rng.integers(-2, 3)))
        begin = np.repeat(np.arange(rows), rng.poisson((1.0 - events.base) * own / (mean_power * mean_steps)))
        power = events.power * np.exp(events.spread * rng.standard_normal(len(begin)))
        end = np.minimum(begin + rng.integers(1, MOST_STEPS + 1, len(begin)), rows)
        change = np.bincount(begin, power, rows + 1) - np.bincount(end, power, rows + 1)
        load = events.base * own + np.cumsum(change)[:-1]
        value[:, k] = np.maximum(load, 0.0) * (standard.sum() / load.sum())
    return value


def groups(single: Floats, members: Ints, rng: np.random.Generator) -> Floats:
    """Mean of a draw of single customers for every group size, shape (rows, groups): what a street draws."""
    chosen = [rng.choice(single.shape[1], min(int(n), single.shape[1]), replace=False) for n in members]
    return np.stack([single[:, which].mean(axis=1) for which in chosen], axis=1)
