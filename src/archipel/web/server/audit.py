"""The audit: what was asked, by whom, from where, and what became of it; one JSON record a line, never rewritten."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, final

import msgspec
from msgspec import Struct

from archipel.model import ArchipelError
from archipel.web.nouns import Role
from archipel.web.server.people import Person

Became = Literal[
    "requested", "accepted", "executed", "measured", "refused", "failed", "selected", "signed in", "signed out"
]


class AuditUnwritable(ArchipelError):
    """An entry could not be written; what it was for must not happen."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One line."""

    time: datetime
    """Wall time."""
    who: str
    role: Role
    address: str
    became: Became
    text: str = ""
    asked: msgspec.Raw
    """The command as it was read; null for sign-ins and for what could not be read."""


@final
class Audit:
    """The audit files of a server, one a month; every entry is on the disk before `write` returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def write(self, person: Person, became: Became, text: str = "", asked: Struct | None = None) -> None:
        """Add an entry. Raises `AuditUnwritable`."""
        now = datetime.now(UTC)
        raw = msgspec.Raw(msgspec.json.encode(asked)) if asked is not None else msgspec.Raw(b"null")
        entry = AuditEntry(
            time=now, who=person.name, role=person.role, address=person.address, became=became, text=text, asked=raw
        )
        line = msgspec.json.encode(entry) + b"\n"
        path = self.folder / f"audit-{now:%Y-%m}.jsonl"
        with self._lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    if os.write(file, line) != len(line):
                        raise AuditUnwritable(f"{path}: an entry was written in part only; is the disk full?")
                    os.fsync(file)
                finally:
                    os.close(file)
            except OSError as error:
                raise AuditUnwritable(f"{path}: {error.strerror}; without an audit nothing is commanded") from error
