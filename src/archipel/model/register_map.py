"""The Archipel register map, version 1: how chargers, heat pumps, sheddable loads and switches look over Modbus.

A vendor map for kinds of device for which SunSpec has no model. This table *is* the definition: drivers and simulated
devices each read it and share nothing else. The page docs/reference/register-map.md says the same for people.

Holding registers from `BASE_ADDRESS` (zero-based protocol address), one device per Modbus unit id. Numbers of more than
one register: high word first, bytes big-endian, two's complement. Text: ASCII, padded with zero bytes. The load
convention holds here, too: positive power is drawn.

The device's side of the contract:

- The command (`COMMAND`) is written whole, in one write-multiple-registers request (function 16). `FALLBACK` may be
  written alone, whole. All other writes are refused with exception 2 (illegal data address).
- `sequence` must be newer than the last accepted one: `1 <= (new - old) mod 65536 <= 32767`, else exception 3.
- A set value outside the rating is not refused but held to it: `result` says `HELD_TO_RATING` and `active` the number.
- The device follows `setpoint` and `q_setpoint` for `valid_for` seconds on its own clock, then `fallback` and
  `q_fallback`, without being told. `valid_for` 0 returns it to the fallback at once.
- After a restart it is at its fallback, `remaining` is 0, and `sequence` is what it was.
- `sample` counts up by one with each new measurement: a reader that sees it stand still knows the values are old.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, final

BASE_ADDRESS: Final = 1000
"""Zero-based address of the first register."""

MAGIC: Final = 0x4152504C
"""What stands in `magic`: the letters ARPL."""

VERSION: Final = 1
"""The version of the map that this table defines; a reader refuses any other."""

NO_LIMIT: Final = 0x7FFFFFFF
"""As `setpoint` or `fallback`: no order, the device follows its own rule; a switch stays as it is."""

VALID_FOR_S_MAX: Final = 3600
"""Longest lease a device accepts; a longer one is refused with exception 3."""

Type = Literal["uint16", "uint32", "int32", "uint64", "string"]

LENGTH: Final[dict[Type, int]] = {"uint16": 1, "uint32": 2, "int32": 2, "uint64": 4}
"""Registers of each type of number."""

UNKNOWN: Final[dict[Type, int]] = {
    "uint16": 0xFFFF,
    "uint32": 0xFFFF_FFFF,
    "int32": 0x8000_0000,
    "uint64": 0xFFFF_FFFF_FFFF_FFFF,
}
"""The bits that mean 'not measured' or 'not known', per type; text that is not known is empty."""


class Kind(IntEnum):
    """What `kind` says the device is. The meaning of `setpoint` follows from it."""

    CHARGER = 1
    """`setpoint`: the most it may draw [W]."""
    HEAT_PUMP = 2
    """`setpoint`: what it shall draw [W]; below `p_least` it is off."""
    SHEDDABLE_LOAD = 3
    """`setpoint`: the most it may draw [W]."""
    SWITCH = 4
    """`setpoint`: 1 closed, 0 open. One that measures both sides closes between two live ones only inside its own
    synchronism window, for as long as the order lasts."""
    GRID_FORMER = 5
    """`setpoint`: the frequency it shall hold [0.01 mHz], 0 to follow the grid; `q_setpoint`: the voltage [0.1 V]."""


class State(IntEnum):
    """What `state` says the device is doing."""

    OFF = 0
    READY = 1
    """Could draw but does not: no car, warm enough."""
    RUNNING = 2
    FAULT = 3
    OPEN = 4
    """Switches only."""
    CLOSED = 5
    """Switches only."""


class Result(IntEnum):
    """What `result` says became of the last command that the device accepted or refused."""

    NONE = 0
    """None since it started."""
    ACCEPTED = 1
    HELD_TO_RATING = 2
    """It follows the nearest value it can; see `active`."""
    OUT_OF_RANGE = 3
    """Refused: not a value of this kind of device, or a lease that is too long."""
    LOCAL = 4
    """Refused: a person has taken control at the device."""
    INTERLOCKED = 5
    """Refused: a safety tag or an interlock stands."""
    OLD_SEQUENCE = 6
    """Refused: its sequence is not newer than the last accepted one."""


@final
@dataclass(frozen=True, slots=True)
class Register:
    """One value of the map."""

    name: str
    offset: int
    """Registers from `BASE_ADDRESS`."""
    length: int
    """How many registers it takes."""
    type: Type
    unit: str
    """Unit of one step of the number; empty for counts, codes and text."""
    writable: bool
    meaning: str

    @property
    def end(self) -> int:
        """Offset of the first register behind it."""
        return self.offset + self.length


def _number(offset: int, name: str, kind: Type, unit: str, meaning: str, *, writable: bool = False) -> Register:
    return Register(name, offset, LENGTH[kind], kind, unit, writable, meaning)


def _text(offset: int, name: str, length: int, meaning: str) -> Register:
    return Register(name, offset, length, "string", "", False, meaning)


IDENTITY: Final = (
    _number(0, "magic", "uint32", "", "the letters ARPL, 0x4152504C"),
    _number(2, "version", "uint16", "", "version of this map, 1"),
    _number(3, "kind", "uint16", "", "1 charger, 2 heat pump, 3 sheddable load, 4 switch, 5 grid former"),
    _text(4, "maker", 8, "who made it"),
    _text(12, "model", 8, "type name"),
    _text(20, "serial", 8, "serial number"),
    _number(28, "p_most", "uint32", "W", "rating: most it can draw; for a switch what may flow through it"),
    _number(30, "p_least", "uint32", "W", "least it can draw when it runs; it is either off or above"),
    _number(32, "q_most", "uint32", "var", "reactive power it can set, either sign; 0: none"),
    _number(34, "v_nominal", "uint32", "0.1 V", "nominal voltage, line to line"),
)
"""What the device is; does not change while it runs."""

MEASURED: Final = (
    _number(36, "sample", "uint16", "", "counts up by one with every new measurement, from 65535 to 0"),
    _number(37, "state", "uint16", "", "0 off, 1 ready, 2 running, 3 fault, 4 open, 5 closed"),
    _number(38, "p", "int32", "W", "active power drawn; through a switch positive from its first to its second node"),
    _number(40, "q", "int32", "var", "reactive power drawn, inductive positive"),
    _number(42, "v", "uint32", "0.1 V", "voltage, line to line"),
    _number(44, "e_drawn", "uint64", "Wh", "energy drawn since it was made"),
    _number(48, "soc", "uint16", "0.01 %", "fill level of a heat pump's store or of a car's battery, 0 to 10000"),
    _number(49, "e_wanted", "uint32", "Wh", "charger: energy this session still wants"),
    _number(51, "ends_in", "uint32", "s", "charger: seconds until the car leaves, as its driver said"),
)
"""What it measures; one request reads it whole, so all values are of one `sample`."""

COMMAND: Final = (
    _number(53, "sequence", "uint16", "", "number of this command, newer than the last accepted one", writable=True),
    _number(54, "valid_for", "uint16", "s", "lease: 1 to 3600, 0 ends the one in force", writable=True),
    _number(55, "setpoint", "int32", "W", "see kind; 0x7FFFFFFF: no order, its own rule", writable=True),
    _number(57, "q_setpoint", "int32", "var", "reactive power to draw; not known: no order", writable=True),
)
"""The order; reads give the last accepted one."""

ANSWER: Final = (
    _number(59, "result", "uint16", "", "0 none, 1 accepted, 2 held to rating, 3 to 6 refused"),
    _number(60, "remaining", "uint16", "s", "seconds until the lease lapses, rounded up; 0: at its fallback"),
    _number(61, "active", "int32", "W", "the set value it follows now: of the order or of the fallback"),
    _number(63, "q_active", "int32", "var", "the reactive power it follows now; not known: none"),
)
"""What became of the order."""

FALLBACK: Final = (
    _number(65, "fallback", "int32", "W", "what it follows without a lease, in the unit of setpoint", writable=True),
    _number(67, "q_fallback", "int32", "var", "reactive power without a lease; not known: none", writable=True),
)
"""What the device returns to by itself; kept over a restart."""

SIDES: Final = (
    _number(69, "v_first", "uint32", "0.1 V", "switch: voltage of its first node, line to line"),
    _number(71, "f_first", "uint32", "0.01 mHz", "switch: frequency of its first node"),
    _number(73, "v_second", "uint32", "0.1 V", "switch: voltage of its second node, line to line"),
    _number(75, "f_second", "uint32", "0.01 mHz", "switch: frequency of its second node"),
    _number(77, "angle", "int32", "0.001 degree", "switch: voltage angle of its second node less that of its first"),
)
"""What a switch measures on both sides, of the same `sample`. Not known, or no such registers, where it does not."""

REGISTERS: Final = IDENTITY + MEASURED + COMMAND + ANSWER + FALLBACK + SIDES
"""The whole map, in order of address, without gaps."""

SIZE: Final = REGISTERS[-1].end
"""Registers of the whole map: small enough for one read."""
