"""Simulated time of a rehearsal: the same for the world and every cell, by the wall clock of the one host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from archipel.local.errors import RehearsalError
from archipel.local.layout import read_json, write_json


@final
@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Runs `factor` times faster than the wall, from `start` at `wall_start`."""

    start: datetime
    wall_start: datetime
    factor: float

    def second(self, wall: datetime) -> float:
        """Simulated seconds since the start; 0 before it."""
        return max((wall - self.wall_start).total_seconds() * self.factor, 0.0)

    def utc(self, wall: datetime) -> datetime:
        """Simulated UTC; also before the start."""
        return self.start + timedelta(seconds=(wall - self.wall_start).total_seconds() * self.factor)

    def write(self, path: Path) -> None:
        """Write it down for others."""
        write_json(
            path,
            {
                "start": self.start.astimezone(UTC).isoformat(),
                "wall_start": self.wall_start.astimezone(UTC).isoformat(),
                "factor": self.factor,
            },
        )

    @staticmethod
    def read(path: Path) -> SimulatedClock:
        """What `write` wrote. Raises RehearsalError."""
        found = read_json(path)
        try:
            start, wall = (datetime.fromisoformat(found[key]) for key in ("start", "wall_start"))
            return SimulatedClock(start, wall, float(found["factor"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RehearsalError(
                f"{path}: found no {error}; expected start, wall_start and factor. Start anew: archipel up"
            ) from error


def wall_now() -> datetime:
    """UTC of the host."""
    return datetime.now(UTC)
