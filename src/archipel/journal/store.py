"""One SQLite file with one writing connection: opening, schema, transactions and the meaning of its errors.

Write-ahead log with `synchronous=FULL`: a commit returns after the log was synced to disk. The same
connection writes and checkpoints, because SQLite before 3.51.3 may corrupt a file whose log is reset by two
connections at once (sqlite.org/wal.html#walresetbug). That there is only one is the business of `Lock`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from archipel.journal.errors import DamagedJournal, JournalBusy, JournalTooNew, JournalUnavailable
from archipel.journal.witness import sync

CHECKED_BYTES = 32 << 20
"""Files up to this size are checked as a whole when they are opened; larger ones by `verify` and by every read."""
LOG_BYTES = 4 << 20
"""The write-ahead log is cut back to this size after a checkpoint."""
WAIT_S = 5.0
"""A reader may hold the file for an instant while it opens."""

_TRY_AGAIN = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_PROTOCOL,
    }
)


@final
class Store:
    """An open file.

    Args:
        path: The file; made when it is not there, unless `read_only`.
        ladder: SQL scripts; script n brings a file from schema version n to n + 1.
        read_only: Open without the right to change anything: damage is looked at, never written over.
        checked: Look whether pages contradict each other, unless the file is large.
        page_bytes: Size of a page of a new file.
        factory: Class of the connection; tests plant faults with it.

    Raises:
        JournalTooNew: the file's schema version is above `len(ladder)`.
        DamagedJournal: it is not a file of ours, or its pages contradict each other.
        JournalUnavailable: it cannot be opened or made.
    """

    def __init__(
        self,
        path: Path,
        ladder: Sequence[str],
        *,
        read_only: bool = False,
        checked: bool = True,
        page_bytes: int = 4096,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self.path, self.read_only, self._checked = path, read_only, checked
        self._ladder, self._page_bytes, self._factory = tuple(ladder), page_bytes, factory
        self._connection: sqlite3.Connection | None = None
        self.open()

    def open(self) -> None:
        """Open (again). Raises as the class does."""
        self.close()
        mode = "ro" if self.read_only else "rwc"
        with self.meaning():
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=WAIT_S,
                isolation_level=None,
                check_same_thread=False,
                factory=self._factory,
            )
        try:
            with self.meaning():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        connection = self.connection
        # bytes, because damaged text need not be text
        connection.text_factory = bytes
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON"):
            connection.execute(f"PRAGMA {pragma}")
        if not self.read_only:
            connection.execute(f"PRAGMA page_size={self._page_bytes}")
            (found,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            if found != b"wal":
                raise JournalUnavailable(
                    self.path, f"its file system gives no write-ahead log (found {found!r}); use a local disk"
                )
            for pragma in ("synchronous=FULL", "secure_delete=ON", f"journal_size_limit={LOG_BYTES}"):
                connection.execute(f"PRAGMA {pragma}")
        self._climb()
        if self._checked and self.path.stat().st_size <= CHECKED_BYTES:
            self.check_pages()

    def _climb(self) -> None:
        """Bring the schema to this version, one transaction per step, a copy of the older file beside it."""
        version, last = self.version, len(self._ladder)
        if version > last:
            raise JournalTooNew(self.path, version, last)
        (tables,) = self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (version == 0) != (tables == 0):
            raise DamagedJournal(self.path, f"found schema version {version} with {tables} tables and indexes")
        if self.read_only:
            return
        if 0 < version < last:
            self.backup(self.path.with_suffix(f".before-v{last}.db"))
        for number in range(version, last):
            script = f"BEGIN IMMEDIATE; {self._ladder[number]}; PRAGMA user_version={number + 1}; COMMIT;"
            self.connection.executescript(script)

    @property
    def connection(self) -> sqlite3.Connection:
        """The one connection. Raises `JournalUnavailable` when it is closed."""
        if self._connection is None:
            raise JournalUnavailable(self.path, "it is closed")
        return self._connection

    @property
    def version(self) -> int:
        """Version of the schema."""
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises `DamagedJournal` or `JournalUnavailable`."""
        with self.meaning():
            return self.connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; when the block ends it is on the disk. Raises `DamagedJournal` or `JournalUnavailable`."""
        connection = self.connection
        with self.meaning():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads of the block see the file as of one instant."""
        with self.meaning():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("COMMIT")

    def expect_current(self) -> None:
        """Raises `JournalUnavailable` when the schema is older than this program's; a writer brings it up itself."""
        if 0 < self.version < len(self._ladder):
            why = f"its schema version {self.version} is older than {len(self._ladder)}; start its cell once"
            raise JournalUnavailable(self.path, why)

    @contextmanager
    def meaning(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            # the low byte is the kind of error, what is above it the finer one
            code = getattr(error, "sqlite_errorcode", None)
            if code is not None and code & 0xFF in _TRY_AGAIN:
                raise JournalUnavailable(self.path, f"the disk or its file refused ({error})") from error
            raise DamagedJournal(self.path, f"it cannot be read as a journal ({error})") from error
        except (UnicodeDecodeError, OverflowError, MemoryError) as error:
            raise DamagedJournal(self.path, f"it cannot be read as a journal ({error!r})") from error
        except OSError as error:
            raise JournalUnavailable(self.path, f"the disk or its file refused ({error.strerror})") from error

    def check_pages(self) -> None:
        """Raises `DamagedJournal` when pages and indexes of the file contradict each other."""
        ((found,),) = self.rows("PRAGMA integrity_check(1)")
        if found != b"ok":
            words = " ".join(found.decode(errors="replace").split())
            raise DamagedJournal(self.path, f"its pages contradict each other ({words})")

    def backup(self, target: Path) -> None:
        """Copy the file as it is now to `target`, complete or not at all; writing may go on meanwhile."""
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        with self.meaning():
            copy = sqlite3.connect(part, isolation_level=None)
            try:
                self.connection.backup(copy)
                # one file that stands alone: no log beside it
                copy.execute("PRAGMA journal_mode=DELETE")
            finally:
                copy.close()
            sync(part)
            part.replace(target)
            sync(target.parent)

    def cut_log(self) -> None:
        """Move everything out of the write-ahead log and empty it, so that what was deleted is in no file."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file. What was committed is safe with or without this."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with self.meaning():
                connection.close()


@final
class Lock:
    """One process writes a journal's folder. The system lets go of it when that process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        """Raises `JournalBusy` when another has it, `OSError` when the folder cannot be written."""
        path = folder / "journal.lock"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._fd, 32, 0).decode("ascii", errors="replace").strip()
            os.close(self._fd)
            raise JournalBusy(path, owner) from None
        os.pwrite(self._fd, str(os.getpid()).ljust(32).encode("ascii"), 0)

    def release(self) -> None:
        """Let another process write."""
        os.close(self._fd)
