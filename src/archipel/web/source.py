"""What the server shows comes from a `Source`: a finished run, a running system or the demonstration.

A source is asked from several threads and answers quickly; it never sees a request, a role or a socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from archipel.model import ArchipelError
from archipel.web.nouns import (
    Agreements,
    Area,
    Belief,
    Card,
    Command,
    CommandState,
    Happening,
    RunInfo,
    Score,
    Selection,
    Series,
    Span,
    Why,
)


class NotShown(ArchipelError):
    """What was asked for is not there: no such element, strategy, time or table."""


class CommandRefused(ArchipelError):
    """A command cannot be carried out; nothing has changed."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """All values at one moment, in the order of `Area.sections`."""

    seq: int
    """Grows with every frame of a live source."""
    time: datetime
    """Grid time."""
    measured: datetime
    """Wall time at which it was measured; of a recording the same as `time`."""
    values: NDArray[np.float32]


class Source(Protocol):
    """What is shown. `strategy` is one of `Area.strategies`, or empty for the first; `time` None means now."""

    def area(self) -> Area:
        """Everything that does not change."""
        ...

    def span(self) -> Span:
        """The time that can be shown."""
        ...

    def latest(self) -> Frame | None:
        """The newest frame of a live source; None where nothing was measured yet, or nothing is live."""
        ...

    def frame(self, strategy: str, time: datetime) -> Frame:
        """The frame in force at a time. Raises `NotShown` outside the span."""
        ...

    def series(
        self, strategy: str, table: str, element: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Series:
        """Columns of one element; at most 5,000 points, means where there would be more. Raises `NotShown`."""
        ...

    def agreements(self, strategy: str, time: datetime | None) -> Agreements:
        """Who agreed what."""
        ...

    def belief(self, strategy: str, cell: str, time: datetime | None) -> Belief:
        """What a cell believed then, beside what was true. Raises `NotShown`."""
        ...

    def why(self, strategy: str, subject: str, element: str, time: datetime | None) -> Why:
        """Why a setpoint (of a device), a price (of a tie or node) or a refusal (of a command) is what it is."""
        ...

    def cards(self, strategy: str, time: datetime | None) -> list[Card]:
        """Cards open at a time or begun in the 24 h before, newest first."""
        ...

    def score(self) -> Score | None:
        """The strategies side by side; None where there is nothing to compare yet."""
        ...

    def runs(self) -> list[RunInfo]:
        """Finished runs that can be shown, newest first."""
        ...

    def happened(self, after: int) -> list[Happening]:
        """What happened since the happening with that id, oldest first; at most the last 1,000."""
        ...

    def select(self, command: Command, who: str) -> Selection:
        """Predict what a switching would do; changes nothing. Raises `CommandRefused` where it is no switching."""
        ...

    def carry_out(self, command: Command, who: str) -> CommandState:
        """Take a command; later phases come as happenings. The same id again returns what became of it.

        Raises:
            CommandRefused: a limit, a tag or a rule stands against it, and says so.
        """
        ...

    def commands(self) -> list[CommandState]:
        """The newest commands, newest first, at most 200."""
        ...

    def close(self) -> None:
        """End what it started."""
        ...
