"""Inflexible load: draws what its profile says, whatever anybody wishes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

import numpy as np

from archipel.devices.base import Delivered, Plan, Sensed, State
from archipel.devices.shared import no_columns, profile_means, profile_now, setpoint_or_zero
from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather


@final
@dataclass(frozen=True, eq=False)
class LoadFleet:
    """Loads with a profile for active and one for reactive power; constant power, independent of voltage."""

    id: tuple[str, ...]
    node: Ints
    p_kw: Floats
    q_kvar: Floats
    """Power at profile value one."""
    p_profile: Ints
    q_profile: Ints
    """Profile columns; -1 for constant."""

    kind: ClassVar[str] = "load"
    follows_net: ClassVar[bool] = False
    follows_voltage: ClassVar[bool] = False

    def demand(self, weather: Weather) -> tuple[Floats, Floats]:
        """(p_kw, q_kvar) in the one row of a step, shape (n,)."""
        return (
            self.p_kw * profile_now(weather, self.p_profile),
            self.q_kvar * profile_now(weather, self.q_profile),
        )

    def initial(self, first_row: int) -> State:
        """Nothing moves in a load."""
        del first_row
        return {}

    def held_kwh(self, state: State) -> Floats:
        """Nothing."""
        del state
        return np.zeros(len(self.id))

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """The profile."""
        del state, sensed, dt_h
        return self.demand(weather)

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """No curve."""
        del sensed_v_pu, p_kw
        return setpoint_or_zero(q_set_kvar)

    def trips(self, v_pu: Floats) -> Bools:
        """Never."""
        return np.zeros(len(v_pu), dtype=bool)

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """Draws the profile, whatever the wish."""
        del p_kw, q_kvar, tripped, dt_h
        p, q = self.demand(weather)
        zero = np.zeros(len(self.id))
        return Delivered(state, p, q, np.full(len(self.id), np.nan), zero, zero, zero, zero)

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """All of it is base; its end-use fee is the same under every schedule and left out."""
        del state, tariff
        return Plan(
            base_p_kw=self.p_kw[rows, None] * profile_means(weather, horizon, self.p_profile[rows]),
            base_q_kvar=self.q_kvar[rows, None] * profile_means(weather, horizon, self.q_profile[rows]),
            columns=no_columns(len(horizon)),
            column_of=np.full(len(rows), -1, dtype=np.int64),
        )

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """No lease for anything."""
        del state, plan, u, t, now
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
