"""The digital twin: one strategy over true devices and true AC physics, on one clock."""

from archipel.twin.base import Decision, Seen, Strategy, Truth
from archipel.twin.run import run

__all__ = ["Decision", "Seen", "Strategy", "Truth", "run"]
