"""Reading a ledger file: entries numbered without a gap, chained by hash (see `entry`), and their head.

The head is a row that repeats what the chain must end in, the newest entry of every kind and the messages not
acknowledged yet; it is protected by its own checksum. Every read checks what it returns against these, so damage
shows as an error and never as a wrong row.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, final

from archipel.journal.entry import START, Entry, Kind, canonical, name_of, read_entry
from archipel.journal.errors import DamagedJournal, JournalTooNew
from archipel.journal.store import Store
from archipel.journal.witness import Mark, read_witness

LADDER = (
    """
    CREATE TABLE entry (seq INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, record TEXT NOT NULL, hash BLOB NOT NULL)
      STRICT;
    CREATE TABLE pending (seq INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), record TEXT NOT NULL, sum BLOB NOT NULL) STRICT
    """,
)
"""Schema version n + 1 comes of version n by script n. Scripts that a release carried never change."""
TAIL = 1000
"""Entries at the end that are checked whenever a ledger is opened."""
_PAGE = 500


@final
@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that must arrive and has not been acknowledged."""

    key: str
    message: bytes
    time: datetime
    """When it was put into the outbox."""


@final
@dataclass(slots=True)
class Head:
    """What the chain ends in."""

    seq: int = 0
    hash: bytes = START
    latest: dict[str, int] = field(default_factory=dict)
    pending: dict[str, Entry] = field(default_factory=dict)

    def text(self) -> str:
        """Canonical JSON, as it is kept in the file."""
        digest = bytes(32)
        for entry in self.pending.values():
            digest = bytes(a ^ b for a, b in zip(digest, entry.hash, strict=True))
        return canonical(
            {
                "hash": self.hash.hex(),
                "latest": self.latest,
                "pending": {"count": len(self.pending), "digest": digest.hex()},
                "seq": self.seq,
            },
            "head",
        )

    def take(self, entry: Entry) -> None:
        """`entry` is the newest now."""
        self.seq, self.hash = entry.seq, entry.hash
        self.latest[entry.kind] = entry.seq
        if entry.kind == Kind.OUTBOX:
            self.pending[entry.key] = entry
        elif entry.kind == Kind.ACKNOWLEDGED:
            self.pending.pop(entry.key, None)

    def copy(self) -> Head:
        """Another one to go on from."""
        return Head(self.seq, self.hash, dict(self.latest), dict(self.pending))


class LedgerReader:
    """A ledger to look at. A cell may be writing it meanwhile; entries up to now are seen, and nothing is changed.

    Raises:
        DamagedJournal, JournalTooNew, JournalUnavailable: as their names say.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head = Head()
        self._saved: object = None
        self._store = open_store(path, LADDER, read_only=True)
        try:
            self._store.expect_current()
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def seq(self) -> int:
        """Number of entries acknowledged."""
        return self._head.seq

    @property
    def hash(self) -> bytes:
        """Hash of the last entry acknowledged, 32 bytes; who keeps it elsewhere can prove the ledger later."""
        return self._head.hash

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries `after + 1` and later, oldest first, all that are acknowledged when it is called.

        Raises:
            DamagedJournal: in the place of the first entry that is not as it was acknowledged.
        """
        end, hash_of_end = self._head.seq, self._head.hash
        yield from self._walk(after, end)
        if after < end and self._hash_at(end) != hash_of_end:
            raise self._damaged(f"entry {end} is not the one that was acknowledged")

    def newest(self, kind: str) -> Iterator[Entry]:
        """Acknowledged entries of one kind, newest first.

        Raises:
            DamagedJournal: in the place of the first that is not as it was acknowledged.
        """
        seq = self._head.latest.get(kind, 0)
        while seq:
            entry = self._at(seq)
            if entry.kind != kind or entry.before >= seq:
                raise self._damaged(f"entry {seq} is not the {kind} it was")
            yield entry
            seq = entry.before

    def find(self, kind: str, key: str) -> Entry | None:
        """The acknowledged entry with this key, or None. Raises `DamagedJournal`."""
        rows = self._store.rows(
            "SELECT seq FROM entry WHERE name = ? AND seq <= ?", (name_of(kind, key), self._head.seq)
        )
        if not rows:
            return None
        entry = self._at(rows[0][0])
        if (entry.kind, entry.key) != (kind, key):
            raise self._damaged(f"entry {entry.seq} was looked up as {kind} {key!r} and is {entry.kind} {entry.key!r}")
        return entry

    def pending(self) -> tuple[Outgoing, ...]:
        """Messages in the outbox that are committed and not acknowledged, oldest first."""
        return tuple(
            Outgoing(key, base64.b64decode(entry.body["message"]), entry.time)
            for key, entry in self._head.pending.items()
        )

    def verify(self) -> int:
        """Check every page, entry, link and repetition of the file; returns the number of entries.

        Raises:
            DamagedJournal: it names the first entry that is not as it was acknowledged.
        """
        try:
            self._store.check_pages()
            seen = Head()
            for entry in self.entries():
                if entry.before != seen.latest.get(entry.kind, 0):
                    raise self._damaged(f"entry {entry.seq} does not follow the {entry.kind} before it")
                seen.take(entry)
            if seen.text() != self._head.text():
                raise self._damaged("its head does not fit its entries")
        except DamagedJournal as error:
            raise self._damaged(error.why) from error
        return self._head.seq

    def _walk(self, after: int, end: int) -> Iterator[Entry]:
        """Entries `after + 1` to `end`, each checked against the one before it."""
        previous = START if after == 0 else self._hash_at(after)
        while after < end:
            rows: list[tuple[Any, ...]] = []
            failure: DamagedJournal | None = None
            try:
                with self._store.meaning():
                    sql = "SELECT seq, name, record, hash FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
                    for row in self._store.connection.execute(sql, (after, end, _PAGE)):
                        rows.append(row)  # noqa: PERF402  what came before a damaged page is kept
            except DamagedJournal as error:
                failure = error
            for row in rows:
                entry = self._entry(row, after + 1, previous)
                yield entry
                after, previous = entry.seq, entry.hash
            if failure is not None or not rows:
                raise self._damaged(failure.why if failure else f"entry {after + 1} is missing", after)

    def _entry(self, row: tuple[Any, ...], seq: int, previous: bytes) -> Entry:
        try:
            entry = read_entry(row[2], row[3], previous)
            if row[0] != seq or entry.seq != seq or row[1] != name_of(entry.kind, entry.key):
                raise ValueError("it stands in the wrong place")
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"entry {seq} is not as it was written: {error}", seq - 1) from error
        return entry

    def _hash_at(self, seq: int) -> bytes:
        rows = self._store.rows("SELECT hash FROM entry WHERE seq = ?", (seq,))
        if not rows or not isinstance(rows[0][0], bytes):
            raise self._damaged(f"entry {seq} is missing")
        return bytes(rows[0][0])

    def _at(self, seq: int) -> Entry:
        rows = self._store.rows("SELECT seq, name, record, hash FROM entry WHERE seq = ?", (seq,))
        if not rows:
            raise self._damaged(f"entry {seq} is missing")
        return self._entry(rows[0], seq, START if seq == 1 else self._hash_at(seq - 1))

    def _damaged(self, why: str, sound: int | None = None) -> DamagedJournal:
        return damaged(self.path, why, sound)

    def _load(self) -> None:
        """Read and check the head, the end of the chain and the outbox, as of one instant."""
        mark = read_witness(self.path)  # before the file: a cell may be writing, and it writes the file first
        try:
            with self._store.snapshot():
                head = self._read_head()
                for _ in self._walk(max(0, head.seq - TAIL), head.seq):
                    pass
                self._check_end(head, mark)
                self._read_pending(head)
        except DamagedJournal as error:
            raise self._damaged(error.why) from error
        self._head = head

    def _read_head(self) -> Head:
        rows = self._store.rows("SELECT record, sum FROM head")
        if not rows:
            return Head()
        text, own_sum = rows[0]
        if len(rows) != 1 or not isinstance(text, bytes) or hashlib.sha256(text).digest() != own_sum:
            raise DamagedJournal(self.path, "its head is not as it was written")
        saved = json.loads(text)
        self._saved = saved["pending"]
        return Head(saved["seq"], bytes.fromhex(saved["hash"]), saved["latest"])

    def _check_end(self, head: Head, mark: Mark | None) -> None:
        (last,) = self._store.rows("SELECT max(seq) FROM entry")[0]
        if (last or 0) != head.seq or (head.seq and self._hash_at(head.seq) != head.hash):
            raise DamagedJournal(self.path, f"it ends with entry {last or 0}; expected {head.seq} with the head's hash")
        if mark is None:
            raise DamagedJournal(self.path, "its witness is missing or unreadable, so nothing vouches for its end")
        if mark.count > head.seq:
            raise DamagedJournal(self.path, f"it ends with entry {head.seq}")
        if mark.count and self._hash_at(mark.count).hex() != mark.digest:
            raise DamagedJournal(self.path, f"entry {mark.count} is not the one its witness saw")

    def _read_pending(self, head: Head) -> None:
        want = json.loads(head.text())["pending"] if head.seq == 0 else self._saved
        for (seq,) in self._store.rows("SELECT seq FROM pending ORDER BY seq"):
            entry = self._at(seq)
            head.pending[entry.key] = entry
        if json.loads(head.text())["pending"] != want:
            raise DamagedJournal(self.path, "its list of messages to be acknowledged is not as it was written")

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()


def open_store(path: Path, ladder: Sequence[str], **how: Any) -> Store:
    """Open a ledger's file; when it is damaged, say how much of it is sound."""
    try:
        return Store(path, ladder, **how)
    except DamagedJournal as error:
        raise damaged(path, error.why) from error


def damaged(path: Path, why: str, sound: int | None = None) -> DamagedJournal:
    """The error for a ledger's file, with how many entries from the start are sound and how many there were."""
    mark = read_witness(path)
    if sound is None:
        sound = sum(1 for _ in sound_entries(path))
    return DamagedJournal(path, why, sound, mark.count if mark else None)


def sound_entries(path: Path) -> Iterator[Entry]:
    """The entries from the first up to where damage begins; none when the file cannot even be opened."""
    seq, previous = 0, START
    try:
        store = Store(path, LADDER, read_only=True, checked=False)
    except (DamagedJournal, JournalTooNew):
        return
    try:
        with store.meaning():
            for record, own_hash in store.connection.execute("SELECT record, hash FROM entry ORDER BY seq"):
                entry = read_entry(record, own_hash, previous)
                if entry.seq != seq + 1:
                    return
                seq, previous = entry.seq, entry.hash
                yield entry
    except (DamagedJournal, ValueError, KeyError, TypeError):
        return  # damage begins here
    finally:
        store.close()
