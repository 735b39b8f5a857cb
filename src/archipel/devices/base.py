"""What every kind of device must be able to do; `archipel.testing.check_device` tests these promises.

A fleet holds all devices of one kind as columns. Everything that moves lives in a `State`, a mapping of
arrays with one row per device, which is never changed in place. Rows select the devices of one cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, final

from archipel.model import Bools, Floats, Horizon, Ints, Tariff
from archipel.model.weather import Weather
from archipel.optimisation.columns import Columns

__all__ = ["Delivered", "DeviceFleet", "Plan", "Sensed", "State", "Weather"]

State = Mapping[str, Floats]
"""What moves in a fleet: arrays whose first axis is the device."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sensed:
    """What the devices of a fleet can measure at their own terminals, shape (n,) each."""

    v_pu: Floats
    """Voltage at each device's node."""
    net_kw: Floats
    """Net power drawn at each device's connection point (its node) by everything but controllable storage [kW]."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    """What a fleet did in one step, shape (n,) each."""

    state: State
    p_kw: Floats
    q_kvar: Floats
    soc: Floats
    """As in `StrategyResult.soc`; NaN where there is none."""
    available_kw: Floats
    unserved_kwh: Floats
    ev_unserved_kwh: Floats
    comfort_missed_k_h: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A fleet's part of one cell's schedule problem: what is fixed and what can be chosen."""

    base_p_kw: Floats
    base_q_kvar: Floats
    """Power that is drawn whatever is decided, shape (rows, T)."""
    columns: Columns
    """Possibly empty (K = 0). Every control has room: `lo` is below `hi`, at least by `MIN_ROOM_KW`."""
    column_of: Ints
    """For every row (device of the cell) the column of its active power, -1 for none, shape (rows,)."""
    peak_kw: Floats | None = None
    """Largest demand in a quarter hour of every interval (rows, T), where limits are on demand and not on its mean."""
    whole: Bools | None = None
    """Columns whose devices run whole or not at all, shape (K,): `setpoints` rounds what is chosen for them, and only
    the ends of their box come true as planned. None where there are none."""


class DeviceFleet(Protocol):
    """All devices of one kind."""

    @property
    def kind(self) -> str:
        """Kind of device, see `archipel.model.Fleet`."""
        ...

    @property
    def id(self) -> tuple[str, ...]:
        """Ids of the devices."""
        ...

    @property
    def node(self) -> Ints:
        """Node row of each device, shape (n,)."""
        ...

    @property
    def follows_net(self) -> bool:
        """Whether the local rule balances the net power of its node; the twin asks such fleets last."""
        ...

    @property
    def follows_voltage(self) -> bool:
        """Whether `q_at_voltage` and `trips` may change what it draws; the twin asks only such fleets."""
        ...

    def initial(self, first_row: int) -> State:
        """State before the interval with that profile row."""
        ...

    def held_kwh(self, state: State) -> Floats:
        """Electricity held for later [kWh], shape (n,): what a run that ends with less of it still has to draw.

        Vehicles hold what the session in progress has got, heat pumps what their warmth took.
        """
        ...

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """What the device does today, without any setpoint: (p_kw, q_kvar), shape (n,) each.

        `weather.value` has the one row of the step.
        """
        ...

    def q_at_voltage(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """Reactive power at this voltage [kvar], shape (n,).

        `q_set_kvar` is the setpoint where the device has a lease and NaN where it follows its own curve. Only
        asked where `follows_voltage`; other fleets return the setpoint, and 0 where there is none.
        """
        ...

    def trips(self, v_pu: Floats) -> Bools:
        """Which devices disconnect at this voltage, shape (n,)."""
        ...

    def advance(
        self, state: State, weather: Weather, p_kw: Floats, q_kvar: Floats, tripped: Bools, dt_h: float
    ) -> Delivered:
        """One step of physics: the wish is cut to what the device can do, then time passes.

        `weather.value` has the one row of the step. The wish is a setpoint or the local rule.
        """
        ...

    def plan(self, rows: Ints, state: State, weather: Weather, horizon: Horizon, tariff: Tariff) -> Plan:
        """This fleet's columns for the devices `rows` (all of one cell, or of the whole area for a central plan)."""
        ...

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """Split interval `t` of the chosen controls `u` (K, J, T) over the devices: (p_kw, q_kvar), shape (rows,).

        `state` is the fleet's state now, of all its devices; `plan` was made for the same `rows`, maybe earlier.
        NaN means no lease: the device follows its local rule.
        """
        ...
