"""The digital twin: one strategy over true devices and true AC physics, on one clock."""

from archipel.twin.base import Decision, Priced, Seen, Strategy, Truth
from archipel.twin.run import run

__all__ = ["Decision", "Priced", "Seen", "Strategy", "Truth", "run"]
