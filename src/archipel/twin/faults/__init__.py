"""Seeded faults in the twin: real controllers, simulated trouble, invariants checked at every event."""

from archipel.twin.faults.simulate import Story, simulate
from archipel.twin.faults.swarm import Cut, Faults, Spell, draw
from archipel.twin.faults.watch import Violation

__all__ = ["Cut", "Faults", "Spell", "Story", "Violation", "draw", "simulate"]
