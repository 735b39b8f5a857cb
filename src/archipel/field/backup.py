"""A copy of a journal that a running cell goes on writing."""

from __future__ import annotations

from pathlib import Path

from archipel.journal import LedgerReader
from archipel.journal.chain import LADDER as LEDGER_LADDER
from archipel.journal.errors import JournalUnavailable
from archipel.journal.journal import LEDGER, MEASUREMENTS
from archipel.journal.measurements import LADDER as MEASUREMENTS_LADDER
from archipel.journal.store import Store
from archipel.journal.witness import Mark, Witness, read_witness


def backup_running(folder: Path, target: Path) -> int:
    """Copy ledger and measurements to the empty folder `target` and check the ledger; returns its number of entries.

    What is written while it copies is in the copy or not; what was acknowledged before is. Unlike `Journal.backup` it
    needs no lock.

    Raises:
        JournalUnavailable: it could not be copied, or `target` holds a journal already.
        DamagedJournal: the journal or the copy is damaged.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalUnavailable(target / LEDGER, f"its folder cannot be made ({error.strerror})") from error
    for name, ladder in ((LEDGER, LEDGER_LADDER), (MEASUREMENTS, MEASUREMENTS_LADDER)):
        if (target / name).exists():
            raise JournalUnavailable(target / name, "there is a journal in this folder already; name an empty one")
        # the mark first: what is copied afterwards holds at least this much
        mark = read_witness(folder / name) or Mark(0, "")
        store = Store(folder / name, ladder, read_only=True)
        try:
            store.backup(target / name)
        finally:
            store.close()
        witness = Witness(target / name, mark)
        witness.reset(mark)
        witness.close()
    reader = LedgerReader(target / LEDGER)
    try:
        return reader.verify()
    finally:
        reader.close()
