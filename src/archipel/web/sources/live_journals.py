"""Journals of the cells of a running system, read as they grow and never written.

What cannot be read is said (`troubles`) and counts as nothing known; the other cells' journals go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, final

from archipel.controller.notes import entry_of
from archipel.coordination.handshake import Entry, Holding, TieEnd
from archipel.field.cell_file import CellFile
from archipel.journal import JournalError, LedgerReader
from archipel.journal.journal import LEDGER
from archipel.local.clock import SimulatedClock
from archipel.model import Tie

KINDS = frozenset(
    {"agreement", "mode", "late", "anew", "plan", "begun", "clock", "operator", "belief", "life", "unable"}
)
EVERY_S = 1.0
"""Between two looks at the same journal."""


@final
@dataclass(frozen=True, slots=True)
class Note:
    """One entry, with the time of the grid."""

    cell: str
    kind: str
    key: str
    utc: datetime
    """Grid time."""
    body: Mapping[str, Any]


@final
@dataclass(slots=True)
class _Ledger:
    path: Path
    seq: int = 0
    size: tuple[int, ...] = ()
    looked_s: float = -1e9
    notes: list[Note] = field(default_factory=list)
    trouble: str = ""


@final
class Journals:
    """All of one rehearsal. Safe from several threads."""

    def __init__(self, files: Mapping[str, CellFile], clock: SimulatedClock) -> None:
        self._clock, self._lock = clock, Lock()
        self._ledgers = {name: _Ledger(file.journal / LEDGER) for name, file in files.items()}

    def notes(self, cell: str, until: datetime | None = None) -> list[Note]:
        """Notes of a cell up to a time, oldest first."""
        with self._lock:
            ledger = self._ledgers[cell]
            self._look(cell, ledger)
            return [note for note in ledger.notes if until is None or note.utc <= until]

    def troubles(self) -> dict[str, str]:
        """What is the matter with journals that cannot be read, by cell."""
        with self._lock:
            return {name: ledger.trouble for name, ledger in self._ledgers.items() if ledger.trouble}

    def newest(self, cell: str, kind: str, until: datetime | None = None, **body: Any) -> Note | None:
        """The newest note of a kind whose body holds these values."""
        return next(
            (n for n in reversed(self.notes(cell, until)) if n.kind == kind and body.items() <= n.body.items()), None
        )

    def holding(self, cell: str, tie: Tie, at: datetime) -> Holding:
        """What a cell held to be agreed on a tie at a time: its journal read as the cell reads it after a start."""
        end = TieEnd(tie.id, tie.default_p_kw)
        end.restore(list(self._records(cell, tie.id, at)), at)
        return end.holding(at)

    def _records(self, cell: str, tie: str, at: datetime) -> Iterator[Entry]:
        """Entries about a tie since the cell was last armed or disarmed: what was agreed before does not hold."""
        notes, mode = self.notes(cell, at), ""
        own: list[Note] = []
        for note in notes:
            said = str(note.body.get("mode", mode))
            if note.kind != "operator" and said != mode:
                own, mode = [], said
            if note.kind == "agreement" and note.body["tie"] == tie:
                own.append(note)
        return (entry_of(note.body) for note in own)

    def level(self, cell: str, at: datetime) -> tuple[str, str]:
        """(level of the ladder a cell acted on at a time in lower case, why)."""
        note = self.newest(cell, "mode", at, what="acts")
        return ("rules", "nothing is known yet") if note is None else (note.body["after"].lower(), note.body["why"])

    def _look(self, cell: str, ledger: _Ledger) -> None:
        now_s = time.monotonic()
        if now_s - ledger.looked_s < EVERY_S:
            return
        ledger.looked_s = now_s
        size = _sizes(ledger.path)
        if size == ledger.size or not size:
            return
        try:
            reader = LedgerReader(ledger.path)
            try:
                for entry in reader.entries(after=ledger.seq):
                    ledger.seq = entry.seq
                    if entry.kind in KINDS:
                        told = entry.body.get("utc")
                        utc = self._clock.utc(entry.time) if told is None else datetime.fromisoformat(told)
                        ledger.notes.append(Note(cell, entry.kind, entry.key, utc, entry.body))
            finally:
                reader.close()
        except (JournalError, OSError) as error:
            ledger.trouble = str(error)
            return
        ledger.size, ledger.trouble = size, ""


def _sizes(path: Path) -> tuple[int, ...]:
    """Sizes and times of a ledger and its log; empty where there is none. Nothing new: the same."""
    out: list[int] = []
    for one in (path, path.with_name(path.name + "-wal")):
        try:
            stat = one.stat()
        except OSError:
            continue
        out += [stat.st_size, stat.st_mtime_ns]
    return tuple(out)


def value_at(record_p_kw: Sequence[float], start: datetime, step_s: int, at: datetime) -> float | None:
    """One value of an agreement's record; None outside of it."""
    k = int((at - start).total_seconds() // step_s)
    return record_p_kw[k] if 0 <= k < len(record_p_kw) else None
