"""What was found while measurements were read: told, doubted, or in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

from archipel.model import DataRefused, Problem

Level = Literal["told", "doubt", "stop"]
MOST = 8
"""Findings of one code that are listed one by one; the rest is counted."""


@final
@dataclass(frozen=True, slots=True)
class Note:
    """One finding in a data file."""

    level: Level
    """`told` goes on, `doubt` goes on only when its code is accepted, `stop` must be settled."""
    code: str
    """Short word for the kind of finding; what `--accept` takes."""
    problem: Problem
    count: int = 1
    """Values, rows or columns it stands for."""


@final
@dataclass(slots=True)
class Notes:
    """All findings of one reading."""

    file: str
    accepted: tuple[str, ...] = ()
    found: list[Note] = field(default_factory=list)

    def tell(self, code: str, place: str, found: str, done: str, count: int = 1) -> None:
        """Something worth knowing that needs no decision; `done` says what was done about it."""
        self.found.append(Note("told", code, Problem(self.file, place, "", found, "", done), count))

    def stop(self, code: str, place: str, found: str, expected: str, mend: str, count: int = 1) -> None:
        """Something that must be settled first; `mend` names the option that does."""
        self.found.append(Note("stop", code, Problem(self.file, place, "", found, expected, mend), count))

    def doubt(self, code: str, place: str, found: str, expected: str, mend: str, count: int = 1) -> None:
        """Something that is probably wrong; goes on when a person accepts it."""
        if code in self.accepted:
            self.tell(code, place, found, f"Accepted by --accept {code}.", count)
            return
        mend = f"{mend} If it is right: --accept {code}."
        self.found.append(Note("doubt", code, Problem(self.file, place, "", found, expected, mend), count))

    @property
    def in_the_way(self) -> list[Note]:
        """Findings that must be settled before anything is written."""
        return [note for note in self.found if note.level != "told"]

    def raise_if_stopped(self) -> None:
        """Raise DataRefused with everything that is in the way."""
        if self.in_the_way:
            raise DataRefused(tuple(note.problem for note in shortened(self.in_the_way)))


def shortened(notes: list[Note]) -> list[Note]:
    """The first few of every code, and a line that counts the others."""
    shown: list[Note] = []
    seen: dict[str, int] = {}
    for note in notes:
        seen[note.code] = seen.get(note.code, 0) + 1
        if seen[note.code] <= MOST:
            shown.append(note)
    for code, count in seen.items():
        if count > MOST:
            last = next(n for n in reversed(shown) if n.code == code)
            more = Problem(last.problem.file, "", "", f"{count - MOST:,} more findings {code!r}", last.problem.expected,
                           last.problem.mend)  # fmt: skip
            shown.append(Note(last.level, code, more, count - MOST))
    return shown


def said(note: Note) -> str:
    """A finding as a line."""
    if note.level != "told":
        return f"{note.level}: {note.problem}"
    place = f"{note.problem.table}: " if note.problem.table else ""
    return f"{note.code}: {place}{note.problem.found}. {note.problem.mend}"
