"""The world outside, step by step: profile rows with their noise, interpolated for steps below a quarter hour."""

from __future__ import annotations

from functools import lru_cache
from typing import final

import numpy as np

from archipel.devices import Weather
from archipel.model import Floats, Profiles
from archipel.model.horizon import STEP_MINUTES


@final
class Outside:
    """True profile values. A row is a quarter-hour mean and stands for the middle of its quarter hour."""

    def __init__(self, profiles: Profiles, dt_minutes: int, noise: float, seed: int) -> None:
        self._profiles, self._noise, self._seed = profiles, noise, seed
        self.parts = STEP_MINUTES // dt_minutes
        self._row = lru_cache(maxsize=4)(self._make_row)

    def weather(self, row: int, part: int) -> Weather:
        """Step `part` of the quarter hour `row`: on the straight line between the middles of two quarter hours."""
        middle = (part + 0.5) / self.parts - 0.5
        value = self._row(row)
        if middle != 0.0:
            # Before the first and after the last row of the table nothing is known: there the line is flat.
            other = row + (1 if middle > 0 else -1)
            beside = self._row(other if 0 <= other < len(self._profiles.value) else row)
            value = (1.0 - abs(middle)) * value + abs(middle) * beside
        return Weather(row, value[None, :], perfect=True)

    def _make_row(self, row: int) -> Floats:
        value = self._profiles.window(row, 1)[0].astype(np.float64)
        if self._noise > 0:
            # Drawn by row, so that every strategy and every interrupted or repeated run meets the same day.
            generator = np.random.default_rng([self._seed, row + (1 << 20)])
            value = value * np.maximum(1.0 + self._noise * generator.standard_normal(len(value)), 0.0)
        return np.asarray(value)
