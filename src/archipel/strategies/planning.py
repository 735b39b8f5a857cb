"""What all planning strategies share: when to plan, what is known then, what was imported so far today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, final

import numpy as np

from archipel.controller.agreeing import RootFacts
from archipel.controller.controller import Readings
from archipel.devices import weather_driven
from archipel.devices.base import State
from archipel.forecasting.naive import naive
from archipel.forecasting.perfect import perfect
from archipel.model import Floats, Horizon
from archipel.model.weather import Weather
from archipel.strategies.sites import Parts
from archipel.twin import Seen

ForecastKind = Literal["perfect", "naive"]


@final
class Desk:
    """Clock and memory of a planning strategy."""

    def __init__(self, parts: Parts, forecast: ForecastKind, replan_steps: int) -> None:
        self.parts, self.forecast, self.replan_steps = parts, forecast, replan_steps
        scenario = parts.scenario
        self._sun = weather_driven(scenario.fleets, scenario.profiles.value.shape[1])
        self._first: datetime | None = None
        self._peaks: dict[str, float] = {}
        self.plans = 0

    def due(self, now: datetime, last: Seen | None) -> bool:
        """Take notice of what was metered; true when a plan is due."""
        if self._first is None:
            self._first = now
        if last is not None:
            day = (now - timedelta(minutes=15)).date().isoformat()
            self._peaks[day] = max(self._peaks.get(day, 0.0), last.upstream_p_kw)
        due = ((now - self._first) // timedelta(minutes=15)) % self.replan_steps == 0
        self.plans += due
        return due

    def horizon(self, now: datetime) -> Horizon:
        """Intervals from now on."""
        scenario = self.parts.scenario
        return Horizon.multi_rate(now, max(scenario.near_steps, self.replan_steps), scenario.far_steps)

    def weather(self, first_row: int, horizon: Horizon) -> Weather:
        """What is forecast for the horizon."""
        rows = int(horizon.steps.sum())
        profiles = self.parts.scenario.profiles
        if self.forecast == "perfect":
            return perfect(profiles, first_row, rows)
        return naive(profiles, first_row, rows, weather_driven=self._sun)

    def price(self, first_row: int, horizon: Horizon) -> Floats:
        """Day-ahead price of every interval (T,); published, so known."""
        index = np.arange(first_row, first_row + int(horizon.steps.sum())) % len(self.parts.scenario.price)
        return horizon.mean(self.parts.scenario.price[index])

    def root(self, first_row: int, horizon: Horizon) -> RootFacts:
        """What the root is told."""
        days = [horizon.start.date() + timedelta(days=d) for d in range(2)]
        last = horizon.at(len(horizon) - 1).date()
        peaks = np.array([max(self._peaks.get(d.isoformat(), 0.0), 0.0) for d in days if d <= last])
        return RootFacts(self.price(first_row, horizon), self.parts.scenario.grid.source.v_pu, peaks)

    def readings(self, cell: int, weather: Weather, states: Mapping[str, State], last: Seen | None) -> Readings:
        """What one cell knows."""
        source = self.parts.scenario.grid.source.v_pu
        v = source if last is None else float(last.v_pu[self.parts.sites[cell].network.slack_node])
        return Readings(self.parts.states(cell, states), weather, v)
