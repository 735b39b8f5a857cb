"""What was measured: one row per source and instant, kept until it is exported and forgotten.

    key of a reading: kind, time, source        such as  load, 2016-06-09 12:00:01 UTC, home-17
    values: named numbers                       such as  {"p_kw": 1.25, "v_pu": 0.998}

Every reading has its own checksum. For every kind and hour a tally says how many readings there are and what their
checksums add up to, and one checksum covers all tallies; so a reading that went missing is noticed like one that
changed. Readings may be forgotten; nothing else in a journal depends on them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import final

from archipel.journal.entry import canonical, check_word, time_text
from archipel.journal.errors import DamagedJournal, JournalUnavailable, KeyTaken
from archipel.journal.reading import EPOCH, Reading, hour_words, read_values, record_of, sum_of, text_of, to_us
from archipel.journal.store import Store
from archipel.journal.witness import Mark, Witness, is_new, read_witness

LADDER = (
    """
    CREATE TABLE reading (
      kind TEXT NOT NULL, time_us INTEGER NOT NULL, source TEXT NOT NULL, record TEXT NOT NULL, sum BLOB NOT NULL,
      PRIMARY KEY (kind, time_us, source)) STRICT, WITHOUT ROWID;
    CREATE TABLE tally (
      kind TEXT NOT NULL, hour INTEGER NOT NULL, count INTEGER NOT NULL, sum BLOB NOT NULL,
      PRIMARY KEY (kind, hour)) STRICT, WITHOUT ROWID;
    CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), commits INTEGER NOT NULL, sum BLOB NOT NULL) STRICT
    """,
)
"""Schema version n + 1 comes of version n by script n. Scripts that a release carried never change."""
MOST_STAGED = 200_000
"""Readings that may wait for a commit; above this the oldest are dropped and counted."""
_HOUR_US = 3_600_000_000
_MODULUS = 1 << 128


@final
@dataclass(frozen=True, slots=True)
class _Tally:
    count: int = 0
    sum: int = 0

    def plus(self, digest: bytes, sign: int = 1) -> _Tally:
        return _Tally(self.count + sign, (self.sum + sign * int.from_bytes(digest)) % _MODULUS)


Hour = tuple[str, int]
"""Kind, and hours since 1970."""


@final
class Measurements:
    """One file of measurements, read and written by one process. Arguments and errors as `Ledger`."""

    def __init__(
        self,
        path: Path,
        *,
        page_bytes: int = 4096,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
        ladder: Sequence[str] = LADDER,
    ) -> None:
        self.path = path
        self.dropped = 0
        """Readings lost since it was opened because the disk did not take them."""
        self._staged: dict[tuple[str, int, str], tuple[str, bytes]] = {}
        self._tallies: dict[Hour, _Tally] = {}
        self._commits, self._total, self._suspect = 0, 0, False
        self._look_first(ladder)
        self._witness = Witness(path, Mark(0, _digest(0, 0).hex()))
        try:
            self._store = Store(path, ladder, page_bytes=page_bytes, factory=factory)
            self._load()
        except BaseException:
            self.close()
            raise

    def _look_first(self, ladder: Sequence[str]) -> None:
        version = 0
        if not is_new(self.path):
            self._store = Store(self.path, ladder, read_only=True)
            try:
                version = self._store.version
                if version == len(ladder):
                    self._load()
            finally:
                self._store.close()
        mark = read_witness(self.path)
        if version == 0 and mark is not None and mark.count > 0:
            raise DamagedJournal(self.path, f"the file is missing or empty; {mark.count} commits were acknowledged")

    def _load(self) -> None:
        mark = read_witness(self.path)
        with self._store.snapshot():
            head = self._store.rows("SELECT commits, sum FROM head")
            rows = self._store.rows("SELECT kind, hour, count, sum FROM tally")
        commits, digest = head[0] if head else (0, _digest(0, 0))
        try:
            tallies = {(text_of(kind), hour): _Tally(count, int.from_bytes(sums)) for kind, hour, count, sums in rows}
        except (TypeError, ValueError) as error:
            raise DamagedJournal(self.path, f"its tallies are not as they were written ({error})") from error
        total = sum(_weight(hour, tally) for hour, tally in tallies.items()) % _MODULUS
        if not isinstance(digest, bytes) or _digest(commits, total) != digest:
            raise DamagedJournal(self.path, "its tallies are not as they were written")
        if mark is None:
            raise DamagedJournal(self.path, "its witness is missing or unreadable, so nothing vouches for its end")
        if mark.count > commits:
            raise DamagedJournal(self.path, f"it ends with commit {commits}; {mark.count} were acknowledged")
        if mark.count == commits and mark.digest != digest.hex():
            raise DamagedJournal(self.path, f"commit {commits} is not the one its witness saw")
        self._tallies, self._commits, self._total = tallies, commits, total

    # ------------------------------------------------------------------ reading

    @property
    def count(self) -> int:
        """Number of readings kept."""
        return sum(tally.count for tally in self._tallies.values())

    def kinds(self) -> tuple[str, ...]:
        """Kinds of which something is kept, in order."""
        return tuple(sorted({kind for kind, _ in self._tallies}))

    def read(self, kind: str, start: datetime, end: datetime) -> Iterator[Reading]:
        """Committed readings of one kind with `start <= time < end`, by time and then by source.

        Whole hours are checked before anything of them is returned.

        Raises:
            DamagedJournal: in the place of the first hour that is not as it was written.
            JournalUnavailable: the file does not answer.
            NotRecordable: a time without a zone.
        """
        self._recover()
        first, last = to_us(start, "start"), to_us(end, "end")
        for hour in sorted(h for k, h in self._tallies if k == kind):
            if hour * _HOUR_US < last and (hour + 1) * _HOUR_US > first:
                for time_us, reading in self._hour((kind, hour)):
                    if first <= time_us < last:
                        yield reading

    def verify(self) -> int:
        """Check every page, tally and reading; returns the number of readings. Raises `DamagedJournal`."""
        self._recover()
        self._store.check_pages()
        for hour in self._tallies:
            self._hour(hour)
        ((count,),) = self._store.rows("SELECT count(*) FROM reading")
        if count != self.count:
            raise DamagedJournal(self.path, f"found {count} readings; expected {self.count}")
        return self.count

    def columns(self, kind: str, start: datetime, end: datetime) -> tuple[str, ...]:
        """Names of the values that readings of one kind carry in `start <= time < end`, in order."""
        sql = (
            "SELECT DISTINCT value.key FROM reading, json_each(reading.record) AS value "
            "WHERE kind = ? AND time_us >= ? AND time_us < ? ORDER BY 1"
        )
        return tuple(
            text_of(name) for (name,) in self._store.rows(sql, (kind, to_us(start, "start"), to_us(end, "end")))
        )

    def _hour(self, hour: Hour) -> list[tuple[int, Reading]]:
        kind, number = hour
        tally, found = _Tally(), []
        sql = "SELECT time_us, source, record, sum FROM reading WHERE kind = ? AND time_us >= ? AND time_us < ?"
        for time_us, source, record, own_sum in self._store.rows(
            sql + " ORDER BY time_us, source", (kind, number * _HOUR_US, (number + 1) * _HOUR_US)
        ):
            try:
                if own_sum != sum_of(kind, time_us, text_of(source), text_of(record)):
                    raise ValueError("its checksum does not fit")
            except (TypeError, ValueError) as error:
                raise DamagedJournal(
                    self.path, f"a {kind} reading of {hour_words(number)} is damaged: {error}"
                ) from error
            tally = tally.plus(own_sum)
            time = EPOCH + timedelta(microseconds=time_us)
            found.append((time_us, Reading(time, kind, text_of(source), read_values(text_of(record)))))
        if tally != self._tallies.get(hour, _Tally()):
            raise DamagedJournal(self.path, f"{kind} readings of {hour_words(number)} are missing: found {tally.count}")
        return found

    # ------------------------------------------------------------------ writing

    def measure(self, reading: Reading) -> bool:
        """Take a reading for the next commit; False when it is there already.

        When the disk has not taken anything for long, the oldest waiting readings make room (see `dropped`).

        Raises:
            KeyTaken: kind, time and source stand for other values.
            NotRecordable: something in it cannot be written.
        """
        what = f"{check_word(reading.kind, 'kind of a reading')} of {reading.source!r}"
        time_us = to_us(reading.time, what)
        record = record_of(reading, what)
        canonical(reading.source, what)
        key = (reading.kind, time_us, reading.source)
        staged = self._staged.get(key)
        stands = staged[0] if staged else self._record_of(key)
        if stands is not None:
            if stands != record:
                raise KeyTaken(reading.kind, f"{reading.source} {time_text(reading.time, what)}", stands, record)
            return False
        if len(self._staged) >= MOST_STAGED:
            del self._staged[next(iter(self._staged))]
            self.dropped += 1
        self._staged[key] = (record, sum_of(*key, record))
        return True

    def _record_of(self, key: tuple[str, int, str]) -> str | None:
        if (key[0], key[1] // _HOUR_US) not in self._tallies:
            return None
        try:
            rows = self._store.rows("SELECT record FROM reading WHERE kind = ? AND time_us = ? AND source = ?", key)
        except JournalUnavailable:
            return None  # the file does not answer now; the next commit looks again
        return text_of(rows[0][0]) if rows else None

    def commit(self) -> int:
        """Write what was taken, all or nothing; when it returns, it is on the disk. Returns the number of commits.

        Raises:
            JournalUnavailable: nothing was acknowledged; the readings wait for the next commit.
        """
        self._recover()
        if self._staged:
            changed: dict[Hour, _Tally] = {}
            for (kind, time_us, _), (_, digest) in self._staged.items():
                hour = (kind, time_us // _HOUR_US)
                changed[hour] = (changed.get(hour) or self._tallies.get(hour) or _Tally()).plus(digest)
            rows = [(*key, record, digest) for key, (record, digest) in self._staged.items()]
            with self._change(changed) as connection:
                connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?)", rows)
            self._staged.clear()
        return self._commits

    def forget_before(self, time: datetime, kinds: Collection[str]) -> int:
        """Remove committed readings of these kinds before `time`, overwriting what they were; returns how many.

        Raises:
            JournalUnavailable: nothing is forgotten.
            DamagedJournal: an hour that would be kept in part is damaged.
        """
        self._recover()
        end_us, gone = to_us(time, "forget before"), 0
        changed: dict[Hour, _Tally] = {}
        for hour in [h for h in self._tallies if h[0] in kinds and h[1] * _HOUR_US < end_us]:
            kept = _Tally()
            if (hour[1] + 1) * _HOUR_US > end_us:
                for time_us, reading in self._hour(hour):
                    if time_us >= end_us:
                        kept = kept.plus(sum_of(hour[0], time_us, reading.source, record_of(reading, hour[0])))
            gone += self._tallies[hour].count - kept.count
            changed[hour] = kept
        if gone:
            ranges = [(kind, number * _HOUR_US, min(end_us, (number + 1) * _HOUR_US)) for kind, number in changed]
            with self._change(changed) as connection:
                sql = "DELETE FROM reading WHERE kind = ? AND time_us >= ? AND time_us < ?"
                connection.executemany(sql, ranges)
            self._store.cut_log()
        return gone

    def _recover(self) -> None:
        """After a failed commit: open again, see what reached the disk after all, keep the rest waiting."""
        if not self._suspect:
            return
        self._store.open()
        self._load()
        self._witness.write(Mark(self._commits, _digest(self._commits, self._total).hex()))
        self._suspect = False
        for key in [key for key in self._staged if self._record_of(key) is not None]:
            del self._staged[key]

    @contextmanager
    def _change(self, changed: dict[Hour, _Tally]) -> Iterator[sqlite3.Connection]:
        """A transaction after which `changed` hours have these tallies."""
        total = self._total
        for hour, tally in changed.items():
            total += _weight(hour, tally) - _weight(hour, self._tallies.get(hour, _Tally()))
        commits, total = self._commits + 1, total % _MODULUS
        digest = _digest(commits, total)
        self._suspect = True  # until proven otherwise: an error may come after the rows reached the disk
        with self._store.transaction() as connection:
            yield connection
            connection.executemany("DELETE FROM tally WHERE kind = ? AND hour = ?", list(changed))
            rows = [(*hour, tally.count, tally.sum.to_bytes(16)) for hour, tally in changed.items() if tally.count]
            connection.executemany("INSERT INTO tally VALUES (?, ?, ?, ?)", rows)
            connection.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (commits, digest))
        self._witness.write(Mark(commits, digest.hex()))
        self._tallies.update(changed)
        for hour in [hour for hour in changed if not changed[hour].count]:
            del self._tallies[hour]
        self._commits, self._total, self._suspect = commits, total, False

    def backup(self, target: Path) -> None:
        """Copy the file to `target`. Raises `JournalUnavailable`."""
        self._store.backup(target)

    def close(self) -> None:
        """Let go of the file. What was taken and not committed is forgotten."""
        self._witness.close()
        self._store.close()


def _weight(hour: Hour, tally: _Tally) -> int:
    if not tally.count:
        return 0
    text = f"{hour[0]} {hour[1]} {tally.count} {tally.sum}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])


def _digest(commits: int, total: int) -> bytes:
    return hashlib.sha256(f"{commits} {total}".encode()).digest()[:16]
