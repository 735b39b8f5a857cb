"""What can go wrong between a driver and its device.

DriverError
  - Unreachable       no connection, or no answer within the time-out
  - DeviceRefused     the device answered that it does not do this
  - DecodeError       what was read does not add up
  - EncodeError       a value cannot be said to this device
  - ReadBackDiffers   the device holds something else than what was written
  - NotControllable   the device cannot be commanded safely, or not in this way
"""

from __future__ import annotations

from archipel.model.errors import ArchipelError


class DriverError(ArchipelError):
    """Base of all errors of drivers."""


class Unreachable(DriverError):
    """No connection, or no answer within the time-out."""


class DeviceRefused(DriverError):
    """The device answered that it does not do this."""

    def __init__(self, text: str, code: int = 0) -> None:
        self.code = code
        """Modbus exception code; 0 when the refusal came in another way."""
        super().__init__(text)


class DecodeError(DriverError):
    """What was read does not add up."""


class EncodeError(DriverError):
    """A value cannot be said to this device."""


class ReadBackDiffers(DriverError):
    """The device holds something else than what was written."""


class NotControllable(DriverError):
    """The device cannot be commanded safely, or not in this way."""
