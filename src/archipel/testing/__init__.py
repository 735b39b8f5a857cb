"""The conformance suites: whoever adds a kind of device, a driver, a way of agreeing or a transport runs them on it."""

from archipel.testing.coordination import check_coordination
from archipel.testing.device import PromiseBroken, check_device
from archipel.testing.driver import check_driver
from archipel.testing.transport import check_transport

__all__ = ["PromiseBroken", "check_coordination", "check_device", "check_driver", "check_transport"]
