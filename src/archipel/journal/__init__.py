"""The append-only record of a cell: what was agreed, ordered and measured, and why."""

from archipel.journal.chain import LedgerReader, Outgoing
from archipel.journal.entry import Entry, Kind
from archipel.journal.errors import (
    DamagedJournal,
    JournalBusy,
    JournalError,
    JournalTooNew,
    JournalUnavailable,
    KeyTaken,
    NotRecordable,
)
from archipel.journal.journal import Journal
from archipel.journal.mending import Salvaged, restore, salvage
from archipel.journal.reading import Reading

__all__ = [
    "DamagedJournal",
    "Entry",
    "Journal",
    "JournalBusy",
    "JournalError",
    "JournalTooNew",
    "JournalUnavailable",
    "KeyTaken",
    "Kind",
    "LedgerReader",
    "NotRecordable",
    "Outgoing",
    "Reading",
    "Salvaged",
    "restore",
    "salvage",
]
