"""What a cell may know of the hours to come: horizon, weather, prices. The same for twin and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, final

import numpy as np

from archipel.controller.agreeing import RootFacts
from archipel.devices import LoadFleet, SheddableFleet, weather_driven
from archipel.forecasting.naive import naive
from archipel.forecasting.perfect import perfect
from archipel.model import Bools, Floats, Horizon, IslandRules, Profiles, Scenario
from archipel.model.weather import Weather

SPILT_EUR_PER_KWH = 1e-3
"""Off grid: what energy is worth that nobody needs."""
OFF_GRID_WORTH_EUR_PER_KWH = 0.1
"""Off grid: what gaps of plans are a share of, per kWh that all loads together may draw."""

ForecastKind = Literal["perfect", "naive"]


def outlook_of(scenario: Scenario, forecast: ForecastKind, replan_steps: int) -> Outlook:
    """What cells of this scenario may know when they plan every `replan_steps` quarter hours."""
    return Outlook(
        profiles=scenario.profiles,
        sun=weather_driven(scenario.fleets, scenario.profiles.value.shape[1]),
        day_ahead=scenario.price,
        forecast=forecast,
        near_steps=max(scenario.near_steps, replan_steps),
        far_steps=scenario.far_steps,
        v_pu=scenario.grid.source.v_pu,
        island=scenario.island,
        load_kw=float(sum(f.p_kw.sum() for f in scenario.fleets if isinstance(f, LoadFleet | SheddableFleet))),
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Where forecasts and prices come from."""

    profiles: Profiles
    sun: Bools
    """Profile columns that follow the weather and not the calendar."""
    day_ahead: Floats
    """Price [EUR/kWh] for every row of `profiles`; published, so known."""
    forecast: ForecastKind
    near_steps: int
    far_steps: int
    v_pu: float
    """Voltage upstream."""
    island: IslandRules = field(default_factory=IslandRules)
    load_kw: float = 0.0
    """Load of the area at profile value one."""

    def horizon(self, start: datetime) -> Horizon:
        """Intervals from `start` on."""
        if self.island.off_grid:
            return Horizon.stretched(start, self.island.horizon_h)
        return Horizon.multi_rate(start, self.near_steps, self.far_steps)

    def weather(self, horizon: Horizon) -> Weather:
        """What is forecast for the horizon."""
        return self._weather(self.profiles.row(horizon.start), int(horizon.steps.sum()))

    def weather_at(self, now: datetime) -> Weather:
        """What is forecast for the quarter hour that holds `now`, one row."""
        return self._weather(int((now - self.profiles.start) // timedelta(minutes=15)), 1)

    def price(self, horizon: Horizon) -> Floats:
        """Day-ahead price of every interval (T,)."""
        first = self.profiles.row(horizon.start)
        index = np.arange(first, first + int(horizon.steps.sum())) % len(self.day_ahead)
        return horizon.mean(self.day_ahead[index])

    def root(self, horizon: Horizon, peaks_kw: Mapping[str, float]) -> RootFacts:
        """What the root is told; `peaks_kw` is the highest import so far by ISO day."""
        days = [horizon.start.date() + timedelta(days=d) for d in range(2)]
        last = horizon.at(len(horizon) - 1).date()
        peaks = np.array([max(peaks_kw.get(d.isoformat(), 0.0), 0.0) for d in days if d <= last])
        if self.island.off_grid:
            # nothing is bought; what is too much is next to nothing, so that no plan spills what storage could take
            worth = OFF_GRID_WORTH_EUR_PER_KWH * float(horizon.dt_h.sum()) * self.load_kw
            return RootFacts(np.full(len(horizon), SPILT_EUR_PER_KWH), self.v_pu, peaks, worth)
        return RootFacts(self.price(horizon), self.v_pu, peaks)

    def _weather(self, first_row: int, rows: int) -> Weather:
        if self.forecast == "perfect":
            return perfect(self.profiles, first_row, rows)
        return naive(self.profiles, first_row, rows, weather_driven=self.sun)
