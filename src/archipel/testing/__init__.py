"""The conformance suites: run them on a new kind of device, driver, market, transport or way of agreeing."""

from archipel.testing.coordination import check_coordination
from archipel.testing.day import DeviceDay, device_day
from archipel.testing.device import PromiseBroken, check_device
from archipel.testing.driver import check_driver
from archipel.testing.market import check_market
from archipel.testing.transport import check_transport

__all__ = [
    "DeviceDay",
    "PromiseBroken",
    "check_coordination",
    "check_device",
    "check_driver",
    "check_market",
    "check_transport",
    "device_day",
]
