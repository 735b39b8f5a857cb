"""How a served device may misbehave. A fault is set while the device runs: `device.fault = Fault(deaf=True)`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, final

Reading = Literal["true", "stuck", "x1000", "wrong sign", "missing"]
"""What the device makes of its power readings.

- stuck: they stay where they were; everything else moves on.
- x1000: a thousand times too large, up to the end of the register.
- wrong sign: minus what they are.
- missing: the code for 'not implemented' or 'not measured'.
"""


class Refusal(IntEnum):
    """Modbus exception codes a device may answer with (Modbus Application Protocol V1.1b3, section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    BUSY = 6
    NO_SUCH_UNIT = 11


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a device just now. The default is a healthy one."""

    delay_s: float = 0.0
    """It acts and answers this much later, in seconds of the wall clock: the wire knows no simulated time."""

    deaf: bool = False
    """It takes the request, does nothing and does not answer."""

    mute: bool = False
    """It does what it is told and does not answer."""

    garbles: bool = False
    """It does what it is told and answers with bytes that are no Modbus frame."""

    refuses_reads: Refusal | None = None
    refuses_writes: Refusal | None = None

    ignores_setpoints: bool = False
    """It accepts a setpoint, shows it when read back, and goes on as if it had none."""

    overshoot: float = 1.0
    """It goes to this multiple of the active power it was set to; 1 is healthy."""

    reading: Reading = "true"

    frozen: bool = False
    """The whole measurement stands still, its sample counter and energy, too."""

    def __post_init__(self) -> None:
        if not self.delay_s >= 0.0:
            raise ValueError(f"fault: delay_s is {self.delay_s}; expected zero or more seconds")


HEALTHY: Final = Fault()


def distorted(value: float | None, reading: Reading, before: float | None) -> float | None:
    """What a device with this fault reads for a power that is truly `value` and read `before`; None: no reading."""
    match reading:
        case "true":
            return value
        case "stuck":
            return before
        case "missing":
            return None
        case "x1000":
            return None if value is None else 1000.0 * value
        case "wrong sign":
            return None if value is None else -value
