"""How well a plant or a portfolio does what it was asked: errors, what was delivered, how soon it answered.

The same measures for both, so that nobody can tell from the measure which one it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.grid import Bools, Floats

ENOUGH = 0.95
"""Part of what was asked or promised that counts as delivered."""
TOLERANCE = 0.01
"""Part of the promise that may be missing on average over an interval without being counted."""
BAND = 0.05
"""A minute counts as available when the mean error in it is below this part of the rating."""


@final
@dataclass(frozen=True, slots=True)
class Errors:
    """Distance between what was wanted and what was metered [kW]."""

    rmse_kw: float
    mean_abs_kw: float
    p99_kw: float
    """Exceeded in 1 % of the samples."""


def errors(wanted_kw: Floats, metered_kw: Floats, counts: Bools | None = None) -> Errors:
    """Errors over all samples, or over those that count (for instance while an engine runs)."""
    off = np.abs(wanted_kw - metered_kw)
    off = off.ravel() if counts is None else off[counts]
    if not off.size:
        raise ValueError("tracking: found no sample that counts; expected at least one")
    return Errors(float(np.sqrt(np.mean(off**2))), float(off.mean()), float(np.quantile(off, 0.99)))


def delivered(asked_kw: Floats, given_kw: Floats, per: int, promised_kw: Floats | float = 0.0) -> Floats:
    """Part of what was asked that was given, per interval of `per` samples, shape (..., T / per).

        missing = max(mean_t(|asked_t| - min(given_t towards asked_t, |asked_t|)) - TOLERANCE promised, 0)
        part    = 1 - missing / mean_t |asked_t|

    What is given too much in one moment does not make up for what is missing in another. The tolerance keeps intervals
    honest in which next to nothing is asked: a delay of seconds is then much of little.

    Args:
        asked_kw: change asked of the schedule, shape (..., T), T a multiple of `per`.
        given_kw: change of the schedule that was metered.
        per: samples per interval.
        promised_kw: per interval, broadcast with (..., T / per); 0 for no tolerance.
    """
    if asked_kw.shape[-1] % per:
        raise ValueError(f"delivered: found {asked_kw.shape[-1]} samples; expected a multiple of {per}")
    size = np.abs(asked_kw)
    given = np.clip(given_kw * np.sign(asked_kw), 0.0, size)
    shape = (*asked_kw.shape[:-1], -1, per)
    asked, got = size.reshape(shape).mean(axis=-1), given.reshape(shape).mean(axis=-1)
    missing = np.maximum(asked - got - TOLERANCE * np.asarray(promised_kw), 0.0)
    return np.asarray(1.0 - np.divide(missing, asked, out=np.zeros_like(got), where=asked > 0.0))


def available(wanted_kw: Floats, metered_kw: Floats, rating_kw: float, per: int, band: float = BAND) -> Bools:
    """Whether the mean error of each `per` samples (a minute) stays in the band, shape (..., T / per)."""
    off = np.abs(wanted_kw - metered_kw)
    mean = off.reshape(*off.shape[:-1], -1, per).mean(axis=-1)
    return np.asarray(mean <= band * rating_kw)


def reached_s(time_s: Floats, p_kw: Floats, begins_s: float, before_kw: float, wanted_kw: float, part: float) -> float:
    """Seconds after `begins_s` when `part` of a step from `before_kw` to `wanted_kw` was there, to stay.

    Infinite when it never was, or when the last sample is below it.
    """
    if before_kw == wanted_kw:
        raise ValueError("reached_s: found a step of nothing; expected before_kw and wanted_kw to differ")
    done = (p_kw - before_kw) / (wanted_kw - before_kw) >= part - 1e-9
    missing = np.flatnonzero(~done & (time_s >= begins_s))
    if not len(missing):
        return 0.0
    after = missing[-1] + 1
    return float(time_s[after] - begins_s) if after < len(time_s) else float("inf")


def reaction_s(time_s: Floats, p_kw: Floats, begins_s: float, before_kw: float, wanted_kw: float) -> float:
    """Seconds after `begins_s` when the answer is first seen: 2 % of the step, in its direction. Infinite if never."""
    step = wanted_kw - before_kw
    seen = np.flatnonzero(((p_kw - before_kw) / step >= 0.02) & (time_s >= begins_s))
    return float(time_s[seen[0]] - begins_s) if len(seen) else float("inf")
