"""Signals made by a formula, for tests and benchmarks: restoration signal, frequency, ramped schedule.

No series of a real signal may be shipped; these have the statistics that matter to a plant (how far, how fast, how
often the other way). Randomness comes from the generator passed in, one seed is one day.

Restoration signal, -1..1, every 4 s, positive draws more:

    s = clip(o + j, -1, 1),   o: Ornstein-Uhlenbeck, mean 0, standard deviation 0.35, time constant 15 min
                              j: jumps, Poisson, 6 a day, of -1..-0.5 or 0.5..1, gone with a time constant of 10 min

Mean reverting within the hour and fast, as the test signal `RegD` of PJM (Manual 12, section 4.5) and what the European
platform sends: every 4 s, any step, full activation within 5 min.

Frequency, every second:

    f = 50 + o + d + e,   o: Ornstein-Uhlenbeck, standard deviation 20 mHz, time constant 5 min
                          d: at every full hour a step of size N(0, 20 mHz) + 15 mHz sin(2 pi h / 12), built up over the
                             3 min before and gone with a time constant of 6 min
                          e: events, Poisson, 0.5 a day, of 100..200 mHz either way, built up in 8 s, gone in 5 min

Source: L. Rydin Gorjao et al., "Data-driven model of the power-grid frequency dynamics", IEEE Access 8, 2020,
doi:10.1109/ACCESS.2020.2967834: a stochastic process around steps at market intervals. The figures are ours, of the
size the authors show for Continental Europe.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from archipel.model.grid import Floats

RAMP_S = 600.0
"""Schedules change over ten minutes around the quarter hour (ENTSO-E: 5 min before and after)."""


def wandering(steps: int, step_s: float, sd: float, tau_s: float, rng: np.random.Generator) -> Floats:
    """Ornstein-Uhlenbeck process, sampled exactly, begun in its stationary state, shape (steps,)."""
    keep = np.exp(-step_s / tau_s)
    push = rng.standard_normal(steps) * sd * np.sqrt(1.0 - keep**2)
    push[0] = rng.standard_normal() * sd
    return np.asarray(lfilter([1.0], [1.0, -keep], push))


def jumps(steps: int, step_s: float, per_day: float, low: float, high: float, rng: np.random.Generator) -> Floats:
    """Impulses at random times, of size low..high either way, shape (steps,)."""
    out = np.zeros(steps)
    for _ in range(rng.poisson(per_day * steps * step_s / 86_400.0)):
        out[rng.integers(steps)] += rng.uniform(low, high) * rng.choice((-1.0, 1.0))
    return out


def restoration_signal(steps: int, rng: np.random.Generator, step_s: float = 4.0) -> Floats:
    """Share of the reserve called, -1..1, shape (steps,)."""
    slow = wandering(steps, step_s, 0.35, 900.0, rng)
    gone = np.exp(-step_s / 600.0)
    fast = lfilter([1.0], [1.0, -gone], jumps(steps, step_s, 6.0, 0.5, 1.0, rng))
    return np.asarray(np.clip(slow + fast, -1.0, 1.0))


def frequency_hz(seconds: int, rng: np.random.Generator, first_hour: int = 0) -> Floats:
    """Frequency at every second, shape (seconds,)."""
    f = 50.0 + wandering(seconds, 1.0, 0.020, 300.0, rng)
    at = np.arange(seconds, dtype=np.float64)
    for hour in range(seconds // 3600 + 2):
        size = rng.normal(0.0, 0.020) + 0.015 * np.sin(2.0 * np.pi * (first_hour + hour) / 12.0)
        since = at - 3600.0 * hour
        built = np.clip(1.0 + since / 180.0, 0.0, 1.0)
        f += size * np.where(since < 0.0, built, np.exp(-np.maximum(since, 0.0) / 360.0))
    events = jumps(seconds, 1.0, 0.5, 0.100, 0.200, rng)
    for start in np.flatnonzero(events):
        since = at - start
        shape = np.where(since < 8.0, since / 8.0, np.exp(-np.maximum(since - 8.0, 0.0) / 300.0))
        f += np.where(since >= 0.0, events[start] * shape, 0.0)
    return np.asarray(f)


def ramped(schedule_kw: Floats, time_s: Floats, interval_s: float = 900.0, ramp_s: float = RAMP_S) -> Floats:
    """A stepwise schedule with a straight ramp around every boundary, at any times, shape (..., len(time_s)).

    Args:
        schedule_kw: one value per interval, shape (..., Q); before the first and after the last it stays level.
        time_s: from the start of the first interval.
        interval_s: of the schedule.
        ramp_s: length of a ramp, at most an interval; half of it lies before the boundary.
    """
    last = schedule_kw.shape[-1] - 1
    boundary = np.clip(np.round(time_s / interval_s).astype(np.int64), 1, max(last, 1))
    part = np.clip((time_s - interval_s * boundary) / ramp_s + 0.5, 0.0, 1.0)
    before, after = schedule_kw[..., boundary - 1], schedule_kw[..., np.minimum(boundary, last)]
    return np.asarray(before + part * (after - before))
