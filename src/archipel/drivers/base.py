"""What every driver understands: orders in, readings out, in load convention (positive power is drawn)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, final

from archipel.drivers.errors import EncodeError


class Quality(Enum):
    """How far a reading can be trusted."""

    GOOD = "good"
    MISSING = "missing"
    """The device did not give its power."""
    STALE = "stale"
    """The device's own counter stands still: the values are old."""
    IMPLAUSIBLE = "implausible"
    """A value is far outside what the device can do, for instance by a factor of 1000."""


class DeviceState(Enum):
    """What a device says it is doing."""

    OFF = "off"
    READY = "ready"
    """It could run and does not."""
    RUNNING = "running"
    THROTTLED = "throttled"
    """It runs below what it could, by an order or to protect itself."""
    FAULT = "fault"
    OPEN = "open"
    CLOSED = "closed"


@final
@dataclass(frozen=True, slots=True)
class Sides:
    """What a switch measures at its two nodes. None is 'not measured'; a dead side has no frequency."""

    first_v_pu: float | None
    first_f_hz: float | None
    second_v_pu: float | None
    second_f_hz: float | None
    angle_deg: float | None
    """Of the second less the first."""


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """What a device measured. None is 'not measured', never zero."""

    measured_at_s: float
    """When it was read, on the clock given to the driver (monotonic)."""
    quality: Quality
    p_kw: float | None = None
    """Power drawn; negative when it gives."""
    q_kvar: float | None = None
    """Reactive power drawn, inductive positive."""
    v_v: float | None = None
    """Voltage, line to line; of single-phase devices sqrt(3) times line to neutral."""
    v_pu: float | None = None
    """Voltage over the nominal one, when that is known."""
    soc: float | None = None
    """State of charge, 0 to 1."""
    e_kwh_drawn: float | None = None
    """Energy drawn since the counter began."""
    e_kwh_given: float | None = None
    """Energy given since the counter began."""
    e_kwh_wanted: float | None = None
    """Chargers: energy this session still wants."""
    ends_in_s: float | None = None
    """Chargers: seconds until the car leaves."""
    state: DeviceState | None = None
    """None for meters, which have none, and where it is not told."""
    sides: Sides | None = None
    """Switches that measure both sides."""

    def age_s(self, now_s: float) -> float:
        """Seconds since it was read; `now_s` is of the same clock."""
        return now_s - self.measured_at_s


@final
@dataclass(frozen=True, slots=True)
class Order:
    """What a device shall do. Empty: its own rule. Raises `EncodeError` when it contradicts itself."""

    p_kw: float | None = None
    """Power to draw; negative to give."""
    p_limit_kw: float | None = None
    """The power it must not pass, away from zero: a panel held to giving 30 kW is -30, a charger held to 7 kW is 7."""
    q_kvar: float | None = None
    """Reactive power to draw."""
    closed: bool | None = None
    """Switches: closed or open."""
    f_hz: float | None = None
    """Grid-forming units: the frequency to hold; 0 to follow the grid."""
    v_pu: float | None = None
    """Grid-forming units: the voltage to hold, with `f_hz`."""

    def __post_init__(self) -> None:
        for name in ("p_kw", "p_limit_kw", "q_kvar", "f_hz", "v_pu"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise EncodeError(f"order: {name}: found {value}; expected a finite number. Leave it out for no order.")
        powers = (self.p_kw, self.p_limit_kw, self.q_kvar)
        if self.closed is not None and any(power is not None for power in powers):
            raise EncodeError("order: found a power and a switch position; expected one of them. Send two orders.")

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing."""
        return self == Order()


@final
@dataclass(frozen=True, slots=True)
class Write:
    """One write request, as it went or would have gone to the device."""

    what: str
    """The control function it sets, for people."""
    address: int
    """Zero-based address of the first register."""
    registers: tuple[int, ...]


class Status(Enum):
    """What became of an order."""

    WRITTEN = "written"
    """All of it is in force: written now and read back, or before and not yet due again."""
    PARTLY = "partly"
    """Some of it waits for its turn, because a device is written to once a second: call again after `wait_s`."""
    SHADOW = "shadow"
    """Nothing was written: the endpoint is not writable. `writes` says what would have been."""


@final
@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of an order. Refusals and differences in read-back are exceptions instead."""

    status: Status
    writes: tuple[Write, ...]
    """What was written now; in shadow, what would have been."""
    wait_s: float = 0.0
    """Seconds until more may be written, when some of the order waits."""


class Driver(Protocol):
    """One device behind a protocol. All methods end within the time-out, by an answer or a `DriverError`."""

    @property
    def orders(self) -> frozenset[str]:
        """Which arguments of `write_setpoint` the device takes; known after `connect`."""

    @property
    def writable(self) -> bool:
        """Whether orders go to the device; fixed when the driver is made. Otherwise it is in shadow."""

    async def connect(self) -> None:
        """Open the connection and learn what the device is."""

    async def close(self) -> None:
        """Close the connection; the device goes on until its lease lapses."""

    async def read(self) -> Reading:
        """Measure."""

    async def write_setpoint(
        self,
        *,
        p_kw: float | None = None,
        p_limit_kw: float | None = None,
        q_kvar: float | None = None,
        closed: bool | None = None,
        lease_s: float,
    ) -> Written:
        """Order for the next `lease_s` seconds; after them the device returns to its fallback by itself.

        Call it every second or so with the order that holds: it writes what changed and renews what is due.
        """

    async def release(self) -> Written:
        """Return the device to its fallback now. Not held back by the pace of writes."""
