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
from archipel.optimisation.columns import Columns

State = Mapping[str, Floats]
"""What moves in a fleet: arrays whose first axis is the device."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """What the outside world offers: quarter-hourly profile rows, either true or forecast."""

    first_row: int
    """Row number (in `Scenario.profiles`) of the first row of `value`."""
    value: Floats
    """Profile values, shape (rows, profile columns)."""
    perfect: bool
    """Whether what is not yet visible (for instance vehicles that have not arrived) may be used as if known."""


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
    """Possibly empty (K = 0)."""
    column_of: Ints
    """For every row (device of the cell) the column it belongs to, -1 for none, shape (rows,)."""


class DeviceFleet(Protocol):
    """All devices of one kind."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> tuple[str, ...]: ...

    @property
    def node(self) -> Ints: ...

    def initial(self, first_row: int) -> State:
        """State before the interval with that profile row."""
        ...

    def local_rule(self, state: State, weather: Weather, sensed: Sensed, dt_h: float) -> tuple[Floats, Floats]:
        """What the device does today, without any setpoint: (p_kw, q_kvar), shape (n,) each.

        `weather.value` has the one row of the step.
        """
        ...

    def volt_var(self, sensed_v_pu: Floats, p_kw: Floats, q_set_kvar: Floats) -> Floats:
        """Reactive power at this voltage [kvar], shape (n,).

        `q_set_kvar` is the setpoint where the device has a lease and NaN where it follows its own curve. Devices
        without reactive power return what they draw anyway.
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
        """This fleet's columns for the devices `rows` (all of one cell)."""
        ...

    def setpoints(
        self, rows: Ints, state: State, plan: Plan, u: Floats, t: int, now: datetime
    ) -> tuple[Floats, Floats]:
        """Split interval `t` of the chosen controls `u` (K, J, T) over the devices: (p_kw, q_kvar), shape (rows,)."""
        ...
