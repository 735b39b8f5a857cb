"""What all planning strategies share: when to plan, what is known then, what was imported so far today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import final

import numpy as np

from archipel.cell.mode import DEAD_V_PU
from archipel.cell.parts import Parts
from archipel.controller.agreeing import RootFacts
from archipel.controller.controller import Readings
from archipel.controller.outlook import ForecastKind, outlook_of
from archipel.devices.base import State
from archipel.model import Connection, FirmLimits, Floats, Horizon
from archipel.model.weather import Weather
from archipel.twin import Seen

__all__ = ["Desk", "ForecastKind"]


@final
class Desk:
    """Clock and memory of a planning strategy."""

    def __init__(self, parts: Parts, forecast: ForecastKind, replan_steps: int) -> None:
        self.parts, self.replan_steps = parts, replan_steps
        self._outlook = outlook_of(parts.scenario, forecast, replan_steps)
        self._first: datetime | None = None
        self._peaks: dict[str, float] = {}
        self.plans = 0
        self.at_once = False
        """Whether a plan is due at the next quarter hour, whatever the rhythm."""
        self.limited: tuple[Connection, datetime] | None = None
        """A limit at the upstream connection for a time, beside the scenario's, and until when."""

    def due(self, now: datetime, last: Seen | None) -> bool:
        """Take notice of what was metered; true when a plan is due."""
        if self._first is None:
            self._first = now
        if last is not None:
            day = (now - timedelta(minutes=15)).date().isoformat()
            self._peaks[day] = max(self._peaks.get(day, 0.0), last.upstream_p_kw)
        due = self.at_once or ((now - self._first) // timedelta(minutes=15)) % self.replan_steps == 0
        self.at_once = False
        self.plans += due
        return due

    def horizon(self, now: datetime) -> Horizon:
        """Intervals from now on."""
        return self._outlook.horizon(now)

    def weather(self, horizon: Horizon) -> Weather:
        """What is forecast for the horizon."""
        return self._outlook.weather(horizon)

    def price(self, horizon: Horizon) -> Floats:
        """Day-ahead price of every interval (T,)."""
        return self._outlook.price(horizon)

    def root(self, horizon: Horizon) -> RootFacts:
        """What the root is told."""
        told = self._outlook.root(horizon, self._peaks)
        if self.limited is None:
            return told
        limit, until = self.limited
        usual = self.parts.scenario.connection.over(len(horizon))
        now = np.array([horizon.at(t) < until for t in range(len(horizon))])
        firm = FirmLimits(
            np.where(now, np.minimum(limit.import_kw_max, usual.import_kw), usual.import_kw),
            np.where(now, np.minimum(limit.export_kw_max, usual.export_kw), usual.export_kw),
        )
        return replace(told, firm=firm)

    def readings(self, cell: int, weather: Weather, states: Mapping[str, State], last: Seen | None) -> Readings:
        """What one cell knows."""
        source = self.parts.scenario.grid.source.v_pu
        v = source if last is None else float(last.v_pu[self.parts.sites[cell].network.slack_node])
        v = source if v < DEAD_V_PU else v  # it was dark until now, and plans for when it is not
        return Readings(self.parts.states(cell, states), weather, v)
