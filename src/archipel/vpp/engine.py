"""The plant that a portfolio is held against: a gas engine with dead time, first-order lag, ramp and outages.

    x(t)  = wanted(t - dead_s)                                                       dead time
    p'    = clip((x - p) / lag_s, -ramp, ramp),   ramp = ramp_per_min * rating / 60  first order, limited

The power is exact for an input held over a step as long as the ramp does not bind. Figures: those asked for by the
project (dead time 5 s, first order 10 s, 20 % of rating per minute, 99 % available). Load convention: an engine that
gives 100 kW draws -100 kW.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.grid import Bools, Floats


@final
@dataclass(frozen=True, slots=True)
class Engine:
    """A gas engine."""

    rating_kw: float
    dead_s: float = 5.0
    lag_s: float = 10.0
    ramp_per_min: float = 0.2
    """Part of the rating per minute."""
    availability: float = 0.99
    repair_h: float = 2.0
    """Mean length of an outage; exponential."""

    def __post_init__(self) -> None:
        if not (self.rating_kw > 0.0 and self.lag_s > 0.0 and self.ramp_per_min > 0.0 and self.dead_s >= 0.0):
            raise ValueError(f"engine: found {self}; expected rating, lag and ramp above 0, no dead time below")
        if not 0.0 < self.availability <= 1.0:
            raise ValueError(f"engine: found availability {self.availability}; expected above 0 and at most 1")

    def follow(self, wanted_kw: Floats, step_s: float) -> Floats:
        """What it draws at the end of every step, shape (..., T), beginning at rest where it is wanted first."""
        dead = round(self.dead_s / step_s)
        heard = np.concatenate([np.repeat(wanted_kw[..., :1], dead, axis=-1), wanted_kw], axis=-1)
        heard = heard[..., : wanted_kw.shape[-1]]
        most = self.ramp_per_min * self.rating_kw / 60.0 * step_s
        part = -np.expm1(-step_s / self.lag_s)
        p = np.empty(wanted_kw.shape)
        now = np.array(wanted_kw[..., 0], dtype=np.float64)
        for k in range(wanted_kw.shape[-1]):
            now = now + np.clip(part * (heard[..., k] - now), -most, most)
            p[..., k] = now
        return p

    def runs(self, steps: int, step_s: float, rng: np.random.Generator) -> Bools:
        """Whether it runs, shape (steps,): outages begin at random so that the mean share of time is as stated."""
        up = np.ones(steps, dtype=bool)
        if self.availability >= 1.0:
            return up
        repair_s = 3600.0 * self.repair_h
        between_s = repair_s * self.availability / (1.0 - self.availability)
        down = rng.random() >= self.availability
        at = 0.0
        while at < steps * step_s:
            length = rng.exponential(repair_s if down else between_s)
            if down:
                up[int(at / step_s) : int(np.ceil((at + length) / step_s))] = False
            at, down = at + length, not down
        return up
