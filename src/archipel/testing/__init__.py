"""The conformance suites: whoever adds a kind of device or a way of agreeing runs them on it."""

from archipel.testing.coordination import check_coordination
from archipel.testing.device import PromiseBroken, check_device

__all__ = ["PromiseBroken", "check_coordination", "check_device"]
