"""The error tree and the record of one problem in somebody's input.

ArchipelError
  - ScenarioInvalid   a scenario file or its data cannot be used; carries every problem found
  - ImportRefused     a source file cannot be read as a network
  - DataRefused       a file of measurements cannot be used as it is; carries every problem found
  - GridError         the electrical problem has no usable answer
      - Diverged      the power flow did not converge
  - SolverFailed      an optimiser stopped without a usable answer
  - RunNotFound       a results folder is missing or incomplete
  - ExtraMissing      an optional package is needed and not installed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


class ArchipelError(Exception):
    """Base of all our errors; the command line prints its text without a traceback."""


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input, said so that a person can mend it."""

    file: str
    """File name, relative to the scenario's folder."""

    table: str
    """TOML table or CSV file section the problem is in; empty for the file as a whole."""

    id: str
    """Which row or key; empty for the table as a whole."""

    found: str
    """What was found."""

    expected: str
    """What was expected."""

    mend: str
    """What to do about it."""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.table, self.id) if part)
        return f"{where}: found {self.found}; expected {self.expected}. {self.mend}"


class ScenarioInvalid(ArchipelError):
    """A scenario cannot be used. Carries every problem that was found, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join([f"{count} found:", *(f"  {problem}" for problem in problems)]))


class ImportRefused(ArchipelError):
    """A source file cannot be read as a network."""


class DataRefused(ArchipelError):
    """A file of measurements cannot be used as it is. Carries every problem that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join([f"{count} found, nothing was written:", *(f"  {problem}" for problem in problems)]))


class GridError(ArchipelError):
    """The electrical problem has no usable answer."""


class Diverged(GridError):
    """The power flow did not converge."""

    def __init__(self, where: str, rounds: int, mismatch_pu: float) -> None:
        self.where, self.rounds, self.mismatch_pu = where, rounds, mismatch_pu
        super().__init__(
            f"power flow of {where} did not converge in {rounds} rounds; last voltage change {mismatch_pu:.2g} pu. "
            "Look for a load far above the rating of its feeder."
        )

    def __reduce__(self) -> tuple[type[Diverged], tuple[str, int, float]]:
        """It may come from another process."""
        return type(self), (self.where, self.rounds, self.mismatch_pu)


class SolverFailed(ArchipelError):
    """An optimiser stopped without a usable answer."""


class RunNotFound(ArchipelError):
    """A results folder is missing or incomplete."""


class ExtraMissing(ArchipelError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}. Install it with: pip install 'archipel[{extra}]'")
