"""Drivers: one device behind a protocol, read and ordered in load convention (positive power is drawn).

Needs the extra `field`. A driver never writes unless it was made with `writable=True`.
"""

from archipel.drivers.base import DeviceState, Driver, Order, Quality, Reading, Sides, Status, Write, Written
from archipel.drivers.errors import (
    DecodeError,
    DeviceRefused,
    DriverError,
    EncodeError,
    NotControllable,
    ReadBackDiffers,
    Unreachable,
)
from archipel.drivers.mapped.driver import MappedDevice
from archipel.drivers.modbus import Endpoint, parse
from archipel.drivers.sunspec.driver import SunSpecDevice

__all__ = [
    "DecodeError",
    "DeviceRefused",
    "DeviceState",
    "Driver",
    "DriverError",
    "EncodeError",
    "Endpoint",
    "MappedDevice",
    "NotControllable",
    "Order",
    "Quality",
    "ReadBackDiffers",
    "Reading",
    "Sides",
    "Status",
    "SunSpecDevice",
    "Unreachable",
    "Write",
    "Written",
    "parse",
]
