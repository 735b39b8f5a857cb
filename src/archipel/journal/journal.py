"""The journal of a cell: a folder with a ledger and a file of measurements, written by one process.

ledger.db   agreements, leases, changes of mode, operator's acts, messages that must arrive: kept for ever
meas.db     readings: kept until they are forgotten
days/       readings of whole days as Parquet
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from archipel.journal.chain import LedgerReader, Outgoing
from archipel.journal.days import export_day, forget_days
from archipel.journal.entry import Entry, Kind, time_text
from archipel.journal.errors import JournalUnavailable
from archipel.journal.ledger import Ledger
from archipel.journal.measurements import Measurements
from archipel.journal.reading import Reading
from archipel.journal.store import Lock
from archipel.journal.witness import Mark, Witness, read_witness

LEDGER, MEASUREMENTS, DAYS = "ledger.db", "meas.db", "days"


@final
class Journal:
    """An open journal. What is taken during a tick is written by one `commit`, and acknowledged when that returns.

    One thread at a time: a host that must not wait for the disk calls `commit` in a worker thread and uses the
    journal again when it has returned.

    Args:
        folder: Made when it is not there.
        factory: Class of the SQLite connections; tests plant faults with it.

    Raises:
        JournalBusy: another process writes it.
        DamagedJournal: it no longer says what was acknowledged; see `archipel.journal.mending`.
        JournalTooNew, JournalUnavailable: as their names say.
    """

    def __init__(self, folder: Path, *, factory: type[sqlite3.Connection] = sqlite3.Connection) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(folder)
        except OSError as error:
            raise JournalUnavailable(folder / LEDGER, f"its folder cannot be written ({error.strerror})") from error
        try:
            self.ledger = Ledger(folder / LEDGER, factory=factory)
            try:
                self.measurements = Measurements(folder / MEASUREMENTS, factory=factory)
            except BaseException:
                self.ledger.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def append(self, kind: str, key: str, body: Mapping[str, Any], *, time: datetime) -> bool:
        """Take an entry of the ledger, see `Ledger.append`."""
        return self.ledger.append(kind, key, body, time=time)

    def put(self, key: str, message: bytes, *, time: datetime) -> bool:
        """Take a message that must arrive, see `Ledger.put`."""
        return self.ledger.put(key, message, time=time)

    def pending(self) -> tuple[Outgoing, ...]:
        """Messages to send (again), see `Ledger.pending`."""
        return self.ledger.pending()

    def acknowledge(self, key: str, *, time: datetime, why: str = "acknowledged") -> bool:
        """A message arrived or is withdrawn, see `Ledger.acknowledge`."""
        return self.ledger.acknowledge(key, time=time, why=why)

    def measure(self, reading: Reading) -> bool:
        """Take a reading, see `Measurements.measure`."""
        return self.measurements.measure(reading)

    def commit(self) -> int:
        """Write what was taken; when it returns, all of it is on the disk. Returns the ledger's number of entries.

        Raises:
            JournalUnavailable: nothing is acknowledged. What was taken waits; call it again when the disk is back.
        """
        seq = self.ledger.commit()
        self.measurements.commit()
        return seq

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Acknowledged entries, oldest first, see `LedgerReader.entries`."""
        return self.ledger.entries(after)

    def newest(self, kind: str) -> Iterator[Entry]:
        """Acknowledged entries of a kind, newest first: `next(journal.newest(Kind.MODE), None)` is the mode left."""
        return self.ledger.newest(kind)

    def find(self, kind: str, key: str) -> Entry | None:
        """The acknowledged entry with this key, see `LedgerReader.find`."""
        return self.ledger.find(kind, key)

    def verify(self) -> tuple[int, int]:
        """Check every page, entry and reading; returns how many entries and readings there are.

        Raises:
            DamagedJournal: it names the first entry, or the hour, that is not as it was acknowledged.
        """
        return self.ledger.verify(), self.measurements.verify()

    def export_parquet(self, day: date) -> tuple[Path, ...]:
        """Write one UTC day of readings to `days/`, one file per kind, see `days.export_day`."""
        return export_day(self.measurements, day, self.folder / DAYS)

    def forget_before(self, before: datetime, kinds: Collection[str], *, time: datetime) -> int:
        """Remove readings of these kinds before `before`, here and in `days/`; returns how many rows that were.

        For personal data such as a home's load. The ledger keeps an entry that says what was forgotten, not what
        it was. Backups, copies made elsewhere and what a salvage put aside keep theirs.

        Raises:
            JournalUnavailable: not all is forgotten; call it again.
            DamagedJournal: an hour that would be kept in part is damaged.
        """
        self.measurements.commit()
        gone = self.measurements.forget_before(before, kinds)
        try:
            for copy in self.folder.glob(f"{Path(MEASUREMENTS).stem}.before-*"):
                copy.unlink()  # made before a migration
            gone += forget_days(self.folder / DAYS, before, kinds)
        except OSError as error:
            raise JournalUnavailable(self.folder / DAYS, f"it cannot be forgotten ({error})") from error
        if gone:
            body = {"before": time_text(before, "forget before"), "kinds": sorted(kinds), "rows": gone}
            self.ledger.stage(Kind.FORGOTTEN, f"{self.ledger.seq + 1}", body, time=time)
            self.ledger.commit()
        return gone

    def backup(self, target: Path) -> None:
        """Copy ledger and measurements as committed to the folder `target`, and check the copy.

        Raises:
            JournalUnavailable: the copy could not be written, or `target` holds a journal already.
        """
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnavailable(target / LEDGER, f"its folder cannot be made ({error.strerror})") from error
        for name, part in ((LEDGER, self.ledger), (MEASUREMENTS, self.measurements)):
            if (target / name).exists():
                raise JournalUnavailable(target / name, "there is a journal in this folder already; name an empty one")
            mark = read_witness(self.folder / name) or Mark(0, "")
            part.backup(target / name)
            witness = Witness(target / name, mark)
            witness.reset(mark)
            witness.close()
        reader = LedgerReader(target / LEDGER)
        reader.verify()
        reader.close()

    def close(self) -> None:
        """Let go of the files. What was taken and not committed is forgotten."""
        self.ledger.close()
        self.measurements.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
