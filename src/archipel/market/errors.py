"""What can go wrong with money.

ArchipelError
  - BooksRefused      a payment cannot be booked: it contradicts what is booked, or itself
  - BooksDamaged      books are not as they were written
  - SettlementRefused what is to be settled contradicts itself or lacks something; carries every finding
"""

from __future__ import annotations

from archipel.model import ArchipelError


class BooksRefused(ArchipelError):
    """A payment cannot be booked; nothing was booked."""


class BooksDamaged(ArchipelError):
    """Books are not as they were written."""

    def __init__(self, entry: int, why: str) -> None:
        self.entry, self.why = entry, why
        super().__init__(
            f"books: entry {entry} {why}. Entries before it are sound. Restore the books from a copy, "
            "or settle again into new ones."
        )


class SettlementRefused(ArchipelError):
    """What is to be settled contradicts itself or lacks something. Carries every finding, not only the first."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        self.findings = findings
        count = f"{len(findings)} problem{'s' if len(findings) != 1 else ''}"
        super().__init__("\n".join([f"settlement: {count} found:", *(f"  {finding}" for finding in findings)]))
