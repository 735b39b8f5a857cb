"""Seeded faults in the twin: real controllers, simulated trouble, invariants checked at every event."""

from archipel.twin.faults.books import Violation
from archipel.twin.faults.simulate import Story, simulate
from archipel.twin.faults.swarm import Cut, Faults, Spell, draw

__all__ = ["Cut", "Faults", "Spell", "Story", "Violation", "draw", "simulate"]
