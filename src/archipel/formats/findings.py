"""Collecting every problem of a scenario instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import final

from archipel.model import Problem

MOST = 20
"""Problems of one kind in one column that are listed one by one; the rest is counted."""


@final
@dataclass(slots=True)
class Findings:
    """The problems found so far."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, file: str, table: str, row: str, found: str, expected: str, mend: str) -> None:
        """Note one problem; `row` is the id in it, the others are its fields."""
        self.problems.append(Problem(file, table, row, found, expected, mend))

    def add_each(self, file: str, table: str, ids: Iterable[tuple[str, str]], expected: str, mend: str) -> None:
        """Note the same problem for many rows, given as (id, found)."""
        rows = list(ids)
        for row, found in rows[:MOST]:
            self.add(file, table, row, found, expected, mend)
        if len(rows) > MOST:
            self.add(file, table, "", f"{len(rows) - MOST:,} more like the one before", expected, mend)

    def since(self, mark: int) -> bool:
        """Whether anything was found after `mark` problems."""
        return len(self.problems) > mark

    def __len__(self) -> int:
        return len(self.problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a mistyped word, as a sentence."""
    choices = sorted(known)
    near = get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    shown = ", ".join(choices[:8]) + (", ..." if len(choices) > 8 else "")
    return f"Use one of: {shown}." if choices else "There is none to name."
