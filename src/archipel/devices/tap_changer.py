"""On-load tap changers: they keep the voltage behind a transformer in a band, one tap after the other.

      v
    set + band  - - - - - - - - - - -   above for delay_s: one tap that lowers
    set         ---------------------
    set - band  - - - - - - - - - - -   below for delay_s: one tap that raises

The voltage regulated is that of the transformer's low-voltage node. Every tap waits `delay_s` anew; a voltage back in
the band resets the clock. A band narrower than half a tap would hunt and is refused where scenarios are read.

Source: the voltage regulator with dead band and linear delay of IEC 60214-2:2019, annex on automatic voltage control;
the turns are 1 + (tap - neutral) tap_step_percent / 100 on the side that carries the changer, as in the network's
tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import setpoint_or_zero
from archipel.devices.switching import inert, only_base, waited
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather


@final
@dataclass(frozen=True, eq=False)
class TapChangerFleet:
    """Tap changers, each on a transformer of the network."""

    id: tuple[str, ...]
    node: Ints
    """The low-voltage node of the transformer, whose voltage is kept."""
    transformer: tuple[str, ...]
    """Id of the transformer."""
    branch: Ints
    """Its row among the network's branches (lines, then transformers)."""
    tap_start: Floats
    """Position before the first step: the network's."""
    tap_min: Floats
    tap_max: Floats
    tap_neutral: Floats
    step_pu: Floats
    """What one tap changes the turns by, as a share of those at neutral."""
    raises: Floats
    """+1 where a higher position raises the voltage kept (changer on the low-voltage side), -1 where it lowers it."""
    v_pu_set: Floats
    band_pu: Floats
    """Half the width of the dead band."""
    delay_s: Floats

    kind: ClassVar[str] = "tap_changer"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    @property
    def p_kw_range(self) -> tuple[Floats, Floats]:
        """(Lowest, highest) power, load convention: none."""
        return np.zeros(len(self.id)), np.zeros(len(self.id))

    def turns(self, position: Floats) -> Floats:
        """Turns over those at neutral, shape (n,)."""
        return 1.0 + (position - self.tap_neutral) * self.step_pu

    def initial(self, first_row: int) -> State:
        """`position`: the tap; `outside_s`: how long the voltage has been out of the band."""
        del first_row
        return {"position": self.tap_start.copy(), "outside_s": np.zeros(len(self.id))}

    def switched(self, state: State, v_pu: Floats, dt_h: float) -> State:
        """At most one tap each, after `dt_h` more at voltage `v_pu`; where nothing supplies it, it stands still."""
        error = np.where(v_pu > 0.0, v_pu - self.v_pu_set, 0.0)
        way = np.where(np.abs(error) > self.band_pu, -np.sign(error) * self.raises, 0.0)
        return waited(state, way, self.tap_min, self.tap_max, self.delay_s, dt_h)

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """It draws nothing; what it does to the network is `switched`."""
        del state, weather, sensed, dt_h
        return np.zeros(len(self.id)), np.zeros(len(self.id))

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """None."""
        del sensed_v_pu, p_kw
        return setpoint_or_zero(q_set_kvar)

    def trips(self, v_pu: Floats) -> Bools:
        """Never."""
        return np.zeros(len(v_pu), dtype=bool)

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Nothing is drawn, and the position stays: it moves by voltage only, see `switched`."""
        del weather, p_kw, q_kvar, tripped, dt_h
        return inert(state, np.zeros(len(self.id)))

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """Nothing to choose: plans take the ratio as it stands now (`cell.taps`)."""
        del state, weather, tariff
        return only_base(np.zeros(len(rows)), horizon)

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """No lease."""
        del state, plan, u, t, now
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
