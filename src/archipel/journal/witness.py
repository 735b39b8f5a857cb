"""A few bytes beside a journal file that say how far it was acknowledged.

SQLite quietly drops the damaged end of its write-ahead log, because it cannot tell a commit that was never
finished from one that was acknowledged and lost later. The witness can: it is written after every commit,
in place, one of two slots in turn, so that a torn write leaves the other slot.

It is not synced to disk with each commit. After a power cut it may be *behind* the file it watches, never
ahead of what that file was told to keep; being behind only means that less can be found missing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archipel.journal.errors import JournalUnavailable

SLOT = 128
"""Bytes; both slots lie in one sector."""


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was acknowledged."""

    count: int
    """Entries of a ledger, or commits of a file of measurements."""
    digest: str
    """What the file says of itself at that point, in hexadecimal."""


def witness_path(file: Path) -> Path:
    """Where the witness of `file` lies."""
    return file.with_suffix(".witness")


@contextmanager
def _meaning(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalUnavailable(file, f"its witness cannot be read or written ({error.strerror})") from error


def read_witness(file: Path) -> Mark | None:
    """The newest readable mark; None when there is none. Raises `JournalUnavailable`."""
    path = witness_path(file)
    with _meaning(path):
        if not path.exists():
            return None
        data = path.read_bytes()
    marks = [mark for at in (0, SLOT) if (mark := _slot(data[at : at + SLOT])) is not None]
    return max(marks, key=lambda mark: mark.count, default=None)


def _slot(data: bytes) -> Mark | None:
    words = data.decode("ascii", errors="replace").split()
    if len(words) != 3 or words[2] != _sum(words[0], words[1]) or not words[0].isdecimal():
        return None
    return Mark(int(words[0]), words[1])


def _sum(count: str, digest: str) -> str:
    return hashlib.sha256(f"{count} {digest}".encode()).hexdigest()[:32]


@final
class Witness:
    """Writes the marks of one file. All methods raise `JournalUnavailable`."""

    def __init__(self, file: Path, start: Mark) -> None:
        """`start` is written down when `file` is yet to be made, before it is: no crash leaves it without a witness."""
        self._path = witness_path(file)
        with _meaning(self._path):
            new = is_new(file)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
            self._turn = 0
        if new:
            self.reset(start)
            with _meaning(self._path):
                sync(file.parent)

    def write(self, mark: Mark) -> None:
        """Say that `mark` is acknowledged."""
        text = f"{mark.count} {mark.digest} {_sum(str(mark.count), mark.digest)}"
        with _meaning(self._path):
            os.pwrite(self._fd, text.encode("ascii").ljust(SLOT - 1) + b"\n", SLOT * self._turn)
        self._turn = 1 - self._turn

    def reset(self, mark: Mark) -> None:
        """Say that `mark` and nothing later is acknowledged, and see that it reaches the disk."""
        self.write(mark)
        self.write(mark)
        with _meaning(self._path):
            os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def is_new(file: Path) -> bool:
    """Whether nothing was ever written to `file`."""
    return not file.exists() or file.stat().st_size == 0


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
