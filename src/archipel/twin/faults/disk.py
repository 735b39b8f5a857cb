"""A disk for notes with the one property that matters: what is staged dies with the process, what is committed stays.

The field's journal is `archipel.journal`; it costs milliseconds per commit, more than a simulated second may cost here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from archipel.controller.facts import Note


@final
@dataclass(slots=True)
class Disk:
    """One cell's journal."""

    kept: list[Note] = field(default_factory=list)
    """Survives a crash."""
    _staged: list[Note] = field(default_factory=list)

    def stage(self, notes: list[Note]) -> None:
        """Write without waiting for the disk."""
        self._staged += notes

    def commit(self) -> list[Note]:
        """fsync: what was staged is kept from now on; returns it."""
        done, self._staged = self._staged, []
        self.kept += done
        return done

    def crash(self) -> None:
        """The process is gone, and what it had not committed."""
        self._staged.clear()
