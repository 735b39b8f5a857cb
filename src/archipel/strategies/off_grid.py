"""What every cell does by itself in an area without a main grid, quarter hour by quarter hour, whatever was planned.

Grid-forming batteries share by state of charge, so the own batteries tell a cell how much is stored everywhere, and
what they give or take how much is missing everywhere. Load is shed stage by stage as less is stored and comes back in
reverse order without flapping: a stage is off until what is stored is a margin above its threshold, it was off for a
time of rest, and all more important ones are back. Critical load is no stage. Vehicles and heat pumps wait with the
stage that is shed first.
Below a further threshold dispatchable generators run unless renewables already charge more than these would.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast, final

import numpy as np

from archipel.devices import BatteryFleet, DispatchableFleet, SheddableFleet, State
from archipel.model import Floats, Scenario
from archipel.model.kinds import CAN_WAIT, SPILT
from archipel.twin import Seen

YEAR = timedelta(days=366)
"""How long stocks of fuel are to last."""
PACE = (0.6, 1.16)
GOVERNED = ("sheddable", "dispatchable", *SPILT, *CAN_WAIT)
"""Who is left to rules where forecasts may be wrong: plans on naive ones shed, burn and curtail for what does not come
(12.0 % of load not served in the darkest 60 days of `island-year`, 9.5 % by the rules)."""


@final
class OffGridRule:
    """The rule for all cells of a scenario, each judging by its own batteries."""

    def __init__(self, scenario: Scenario) -> None:
        self._start = scenario.start
        self._rules, self._number = scenario.island, len(scenario.device_node)
        fleets = {fleet.kind: fleet for fleet in scenario.fleets}
        ends = np.cumsum([0, *(len(fleet.id) for fleet in scenario.fleets)])
        self._part = {f.kind: slice(int(ends[i]), int(ends[i + 1])) for i, f in enumerate(scenario.fleets)}
        self._forming = cast("BatteryFleet | None", fleets.get("battery"))
        self._stock = cast("DispatchableFleet | None", fleets.get("dispatchable"))
        shed = cast("SheddableFleet | None", fleets.get("sheddable"))
        stages = self._rules.shedding
        numbers = [stage.priority for stage in stages]
        rank = np.zeros(0, dtype=np.int64) if shed is None else shed.rank
        self._stage_of = np.minimum(np.searchsorted(numbers, rank), len(numbers) - 1)
        self._below = np.array([stage.below_kwh for stage in stages])
        self._off = np.zeros((len(scenario.archipelago.cell), len(stages)), dtype=np.bool_)
        self._off_since_h = np.zeros(self._off.shape)
        self._cell = scenario.device_cell
        self._cells = len(scenario.archipelago.cell)
        self.governs = np.isin(scenario.device_kind, GOVERNED)
        """Devices whose active power no plan orders where forecasts may be wrong, shape (devices,)."""

    def decide(self, now: datetime, states: Mapping[str, State], last: Seen | None) -> Floats:
        """Setpoints [kW] that come before anything planned, NaN where a device is left alone, shape (devices,)."""
        out = np.full(self._number, np.nan)
        if self._forming is None:
            return out
        at = self._part["battery"]
        cell = self._cell[at]
        held = self._by_cell(cell, states["battery"]["e_kwh"])
        size = self._by_cell(cell, self._forming.e_kwh)
        rated = self._by_cell(cell, self._forming.p_kw_discharge)
        drawn = np.zeros(self._cells) if last is None else self._by_cell(cell, last.p_kw[at])
        none = size <= 0
        for value in (held, rated, drawn, size):  # cells without batteries hear from the others how it stands
            value[none] = value.sum()
        soc = np.divide(held, size, out=np.zeros_like(held), where=size > 0)
        every = float(self._forming.e_kwh.sum())
        self._shed(now, soc * every)
        for kind, part in self._part.items():
            if kind in ("sheddable", *CAN_WAIT):
                stage = self._stage_of if kind == "sheddable" else -1
                out[part] = np.where(self._off[self._cell[part], stage], 0.0, np.nan)
        if self._stock is not None:
            part = self._part["dispatchable"]
            burns, most = -last.p_kw[part].sum() if last is not None else 0.0, self._stock.p_kw_max.sum()
            stored = soc[self._cell[part]] * every
            share = np.divide(drawn, rated, out=np.zeros_like(drawn), where=rated > 0)[self._cell[part]]
            # all together they charge as much of their rating; less what burning gives, renewables leave so much over
            over = share * self._forming.p_kw_discharge.sum() - burns
            below = self._rules.fuel_below_kwh * self._pace(now, states["dispatchable"]["left_kwh"])
            on = ((stored < below) & (over < most)) | (stored < self._rules.reserve_kwh)
            out[part] = np.where(on, -self._stock.p_kw_max, 0.0)
        return out

    def _shed(self, now: datetime, stored_kwh: Floats) -> None:
        """Which stages are off, by cell, given what every cell believes to be stored everywhere."""
        hour, stored = (now - self._start) / timedelta(hours=1), stored_kwh[:, None]
        low = stored < self._below
        rested = hour - self._off_since_h >= self._rules.restore_after_h
        back = (stored >= self._below + self._rules.restore_margin_kwh) & rested
        off = np.maximum.accumulate(low | (self._off & ~back), axis=1)  # less important ones never before the others
        self._off_since_h = np.where(off & ~self._off, hour, self._off_since_h)
        self._off = off

    def _pace(self, now: datetime, left_kwh: Floats) -> Floats:
        """Factor on the threshold of every stock: above one where more is left of it than of the year."""
        stock = cast("DispatchableFleet", self._stock)
        left = np.divide(left_kwh, stock.e_kwh, out=np.zeros_like(left_kwh), where=stock.e_kwh > 0)
        return np.clip(left / max(1.0 - (now - self._start) / YEAR, 0.02), *PACE)

    def _by_cell(self, cell: np.ndarray, value: Floats) -> Floats:
        return np.asarray(np.bincount(cell, value, self._cells), dtype=np.float64)
