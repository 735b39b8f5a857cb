"""What state the own devices are in: a model that runs along, set right by what devices measure.

A device tells its state with few digits and now and then. The model has all digits but drifts when a device does
something else than it was told; so the model counts as long as it agrees with the reading within its resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast, final

import numpy as np

from archipel.cell.site import Site
from archipel.controller.facts import Orders
from archipel.controller.outlook import Outlook
from archipel.controller.predict import moved_on
from archipel.devices.base import State
from archipel.devices.battery import BatteryFleet
from archipel.devices.ev_charger import ROWS_PER_H, EvChargerFleet
from archipel.drivers.base import Quality, Reading
from archipel.model import Floats

SOC_RESOLUTION = 0.002
KWH_RESOLUTION = 0.02


@final
@dataclass(slots=True, eq=False)
class Estimator:
    """States of all devices of one cell."""

    site: Site
    outlook: Outlook
    states: dict[str, State] = field(default_factory=dict)
    _at: datetime | None = None

    def start(self, now: datetime) -> None:
        """Begin with what the scenario says of the start of the quarter hour that holds `now`."""
        row = int((now - self.outlook.profiles.start) // timedelta(minutes=15))
        self.states = {fleet.kind: fleet.initial(row) for fleet in self.site.fleets}
        self._at = self.outlook.profiles.start + timedelta(minutes=15 * row)
        for fleet in self.site.fleets:
            if isinstance(fleet, EvChargerFleet):
                self.states[fleet.kind] = {**self.states[fleet.kind], "clock_h": self._clock(fleet, now)}

    def advance(self, now: datetime, told: Orders, v_pu: float) -> None:
        """Let the model run until `now` on what devices were told, in parts that end with quarter hours."""
        if self._at is None:
            self.start(now)
            return
        while self._at < now:
            quarter = self.outlook.profiles.start + timedelta(
                minutes=15 * ((self._at - self.outlook.profiles.start) // timedelta(minutes=15) + 1)
            )
            until = min(now, quarter)
            dt_h = (until - self._at) / timedelta(hours=1)
            self.states = moved_on(self.site, self.states, self.outlook.weather_at(self._at), told, v_pu, dt_h)
            self._at = until

    def correct(self, now: datetime, readings: Mapping[str, Reading]) -> None:
        """Take what was just measured where it differs from the model by more than its resolution."""
        for fleet in self.site.fleets:
            known: Any = fleet
            if isinstance(known, BatteryFleet):
                self._batteries(known, readings)
            elif isinstance(known, EvChargerFleet):
                self._chargers(known, now, readings)

    def _batteries(self, fleet: BatteryFleet, readings: Mapping[str, Reading]) -> None:
        soc = _told(fleet.id, readings, "soc")
        e_kwh: Floats = self.states[fleet.kind]["e_kwh"]
        off = np.abs(soc * fleet.e_kwh - e_kwh) > SOC_RESOLUTION * fleet.e_kwh
        self.states[fleet.kind] = {"e_kwh": np.where(off, soc * fleet.e_kwh, e_kwh)}

    def _chargers(self, fleet: EvChargerFleet, now: datetime, readings: Mapping[str, Reading]) -> None:
        """The session follows from the clock, what it has got from what the charger says is still wanted."""
        wanted = _told(fleet.id, readings, "e_kwh_wanted")
        state = self.states[fleet.kind]
        session = fleet.sessions.own(state["session"].astype(np.int64))
        row = int(np.floor(self._clock(fleet, now)[0] * ROWS_PER_H + 1e-6)) if len(fleet.id) else 0
        plugged = (fleet.sessions.start[session] <= row) & (row < fleet.sessions.end[session])
        delivered: Floats = state["delivered_kwh"]
        measured = np.maximum(fleet.sessions.kwh[session] - wanted, 0.0)
        off = plugged & (np.abs(measured - delivered) > KWH_RESOLUTION)
        self.states[fleet.kind] = {**state, "delivered_kwh": np.where(off, measured, delivered)}

    def _clock(self, fleet: EvChargerFleet, now: datetime) -> Floats:
        hours = (now - self.outlook.profiles.start) / timedelta(hours=1)
        return np.full(len(fleet.id), hours)


def _told(ids: tuple[str, ...], readings: Mapping[str, Reading], what: str) -> Floats:
    """One measured quantity of every device; NaN, which compares as no difference, where it is not known."""
    out = np.full(len(ids), np.nan)
    for i, name in enumerate(ids):
        reading = readings.get(name)
        if reading is not None and reading.quality is Quality.GOOD:
            value = cast("float | None", getattr(reading, what))
            out[i] = np.nan if value is None else value
    return out
