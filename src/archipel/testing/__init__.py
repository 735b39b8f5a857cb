"""The conformance suites: whoever adds a kind of device runs them on it."""

from archipel.testing.device import PromiseBroken, check_device

__all__ = ["PromiseBroken", "check_device"]
