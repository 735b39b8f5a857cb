"""The ledger: agreements, leases, changes of mode, operator's acts and messages that must arrive."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, final

from archipel.journal.chain import LADDER, Head, LedgerReader, Outgoing, open_store
from archipel.journal.entry import (
    OWN_KINDS,
    START,
    Kind,
    canonical,
    chained,
    check_word,
    name_of,
    read_entry,
    record_of,
    time_text,
)
from archipel.journal.errors import DamagedJournal, JournalUnavailable, KeyTaken, NotRecordable
from archipel.journal.witness import Mark, Witness, is_new, read_witness

MOST_STAGED = 100_000
"""Entries that may wait for a commit; above this the disk has been away for too long."""
MOST_PENDING = 10_000
"""Messages that may wait to be acknowledged."""


@final
@dataclass(frozen=True, slots=True)
class _Staged:
    time: str
    kind: str
    key: str
    body: str


@final
class Ledger(LedgerReader):
    """A ledger file to write, by one process. `Journal` holds one.

    Args:
        path: The file; made when it is not there.
        page_bytes: Size of a page of a new file.
        factory: Class of the connection; tests plant faults with it.
        ladder: Schema scripts.

    Raises:
        DamagedJournal, JournalTooNew, JournalUnavailable: as their names say.
    """

    def __init__(
        self,
        path: Path,
        *,
        page_bytes: int = 4096,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
        ladder: Sequence[str] = LADDER,
    ) -> None:
        self.path = path
        self._staged: dict[tuple[str, str], _Staged] = {}
        self._head = Head()
        self._suspect = False
        self._look_first(ladder)
        self._witness = Witness(path, Mark(0, START.hex()))
        try:
            self._store = open_store(path, ladder, page_bytes=page_bytes, factory=factory)
            self._load()
        except BaseException:
            self.close()
            raise

    def _look_first(self, ladder: Sequence[str]) -> None:
        """Look for damage before anything may be written: SQLite would cut a damaged log when it opens it."""
        version = 0
        if not is_new(self.path):
            self._store = open_store(self.path, ladder, read_only=True)
            try:
                version = self._store.version
                if version == len(ladder):
                    self._load()
            finally:
                self._store.close()
        mark = read_witness(self.path)
        if version == 0 and mark is not None and mark.count > 0:
            raise DamagedJournal(self.path, "the file is missing or empty", 0, mark.count)

    def pending(self) -> tuple[Outgoing, ...]:
        """Messages in the outbox that are committed and not acknowledged, oldest first."""
        return tuple(o for o in super().pending() if (Kind.ACKNOWLEDGED, o.key) not in self._staged)

    def append(self, kind: str, key: str, body: Mapping[str, Any], *, time: datetime) -> bool:
        """Take an entry for the next commit; False when the ledger has it already (the first one's time stands).

        Raises:
            KeyTaken: the key stands for another body.
            NotRecordable: kind, key, body or time cannot be written.
            JournalUnavailable: too many entries wait for a disk that does not take them.
        """
        if kind in OWN_KINDS:
            raise NotRecordable(f"{kind} {key!r}: found a kind that only the journal itself writes")
        return self.stage(kind, key, body, time=time)

    def put(self, key: str, message: bytes, *, time: datetime) -> bool:
        """Take a message that must arrive; after the commit it is `pending` until acknowledged. As `append`."""
        if len(self._head.pending) >= MOST_PENDING:
            raise JournalUnavailable(self.path, f"{MOST_PENDING} messages wait to be acknowledged already")
        return self.stage(Kind.OUTBOX, key, {"message": base64.b64encode(message).decode()}, time=time)

    def acknowledge(self, key: str, *, time: datetime, why: str = "acknowledged") -> bool:
        """The message arrived (or is withdrawn: say `why`); False when none with this key was waiting."""
        if (Kind.OUTBOX, key) not in self._staged and key not in self._head.pending:
            return False
        if (Kind.ACKNOWLEDGED, key) in self._staged:
            return False
        return self.stage(Kind.ACKNOWLEDGED, key, {"why": why}, time=time)

    def stage(self, kind: str, key: str, body: Mapping[str, Any], *, time: datetime) -> bool:
        """`append` without a look at who may write the kind."""
        what = f"{check_word(kind, 'kind of an entry')} {key!r}"
        entry = _Staged(time_text(time, what), kind, key, canonical(dict(body), what))
        canonical(key, what)
        staged = self._staged.get((kind, key))
        stands = staged.body if staged else self._body_of(kind, key)
        if stands is not None:
            if stands != entry.body:
                raise KeyTaken(kind, key, stands, entry.body)
            return False
        if len(self._staged) >= MOST_STAGED:
            raise JournalUnavailable(self.path, f"{MOST_STAGED} entries wait for the disk already")
        self._staged[kind, key] = entry
        return True

    def _body_of(self, kind: str, key: str) -> str | None:
        try:
            entry = self.find(kind, key)
        except JournalUnavailable:
            return None  # the file does not answer now; the next commit looks again
        return None if entry is None else canonical(entry.body, key)

    def commit(self) -> int:
        """Write what was taken, all or nothing; when it returns, it is on the disk. Returns `seq`.

        Raises:
            JournalUnavailable: nothing was acknowledged; the entries wait for the next commit.
            DamagedJournal: the file cannot be written without making things worse.
        """
        if self._suspect:
            self._recover()
        if not self._staged:
            return self._head.seq
        head = self._head.copy()
        self._suspect = True  # until proven otherwise: an error may come after the rows reached the disk
        with self._store.transaction() as connection:
            self._write(connection, head)
        self._acknowledge(head)
        self._suspect = False
        self._staged.clear()
        return self._head.seq

    def _write(self, connection: sqlite3.Connection, head: Head) -> None:
        rows = []
        for staged in self._staged.values():
            before = head.latest.get(staged.kind, 0)
            record = record_of(head.seq + 1, staged.time, staged.kind, staged.key, before, staged.body)
            entry = read_entry(record, chained(head.hash, record), head.hash)
            head.take(entry)
            rows.append((entry.seq, name_of(entry.kind, entry.key), record.decode(), entry.hash))
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", rows)
        was, now = ({e.seq for e in h.pending.values()} for h in (self._head, head))
        connection.executemany("DELETE FROM pending WHERE seq = ?", [(seq,) for seq in sorted(was - now)])
        connection.executemany("INSERT INTO pending VALUES (?)", [(seq,) for seq in sorted(now - was)])
        text = head.text()
        digest = hashlib.sha256(text.encode()).digest()
        connection.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (text, digest))

    def _acknowledge(self, head: Head) -> None:
        self._witness.write(Mark(head.seq, head.hash.hex()))
        self._head = head

    def _recover(self) -> None:
        """After a failed commit: open again, see what reached the disk after all, keep the rest waiting."""
        self._store.open()
        self._load()
        if self._head.seq:
            self._acknowledge(self._head)
        for kind, key in list(self._staged):
            found = self.find(kind, key)
            if found is None:
                continue
            staged = self._staged.pop((kind, key))
            if canonical(found.body, key) != staged.body:
                # it was taken while the file did not answer, so `append` could not refuse it
                raise KeyTaken(kind, key, canonical(found.body, key), staged.body)
        self._suspect = False

    def backup(self, target: Path) -> None:
        """Copy the file to `target` with its witness. Raises `JournalUnavailable`."""
        self._store.backup(target)

    def close(self) -> None:
        """Let go of the file. What was taken and not committed is forgotten."""
        self._witness.close()
        super().close()
