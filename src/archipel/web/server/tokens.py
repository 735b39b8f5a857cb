"""Who may sign in: a file of hashed tokens, and one-time tokens of a link."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import final, get_args

import msgspec
from msgspec import Struct

from archipel.model import ArchipelError
from archipel.web.nouns import Role

ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LINK_S = 300.0
"""How long the token of a link can be used."""


class TokensUnusable(ArchipelError):
    """A tokens file cannot be used; the text says why and how to mend it."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a tokens file."""

    name: str
    role: Role
    sha256: str
    """Of the token. It has 256 random bits: there is nothing a slow hash would protect."""
    made: datetime


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@final
class Tokens:
    """A tokens file: one JSON record a line, readable by its owner alone. Read again whenever it changes.

    Taking a line out signs out whoever used it.
    """

    def __init__(self, path: Path) -> None:
        """Read the file. Raises `TokensUnusable`."""
        self.path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._entries: tuple[Entry, ...] = ()
        self._read()

    def find(self, token: str) -> Entry | None:
        """Whose token it is; takes the same time whichever it is. Raises `TokensUnusable`."""
        found, wanted = None, _digest(token)
        for entry in self._read():
            if hmac.compare_digest(entry.sha256, wanted):
                found = entry
        return found

    def holds(self, entry: Entry) -> bool:
        """Whether the entry is still there. Raises `TokensUnusable`."""
        return entry in self._read()

    def _read(self) -> tuple[Entry, ...]:
        with self._lock:
            try:
                stat = self.path.stat()
            except OSError as error:
                raise TokensUnusable(f"{self.path}: {error.strerror}. Make it: {_HOW}") from error
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp != self._stamp:
                if stat.st_mode & 0o077:
                    raise TokensUnusable(
                        f"{self.path}: found mode {stat.st_mode & 0o777:o}; expected 600: others must not read it. "
                        f"Mend it with chmod 600 {self.path}"
                    )
                self._entries, self._stamp = _entries(self.path), stamp
            return self._entries


_HOW = "archipel serve --new-token NAME --role operate --tokens FILE"


def _entries(path: Path) -> tuple[Entry, ...]:
    entries: dict[str, Entry] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except msgspec.MsgspecError as error:
            raise TokensUnusable(f"{path}: line {number}: {error}. Take it out, or make a token: {_HOW}") from error
        if not NAME.fullmatch(entry.name) or not re.fullmatch("[0-9a-f]{64}", entry.sha256) or entry.name in entries:
            raise TokensUnusable(f"{path}: line {number}: found {entry.name!r} twice or unreadable. Take it out")
        entries[entry.name] = entry
    return tuple(entries.values())


def new_token(path: Path, name: str, role: Role) -> str:
    """Make a token, add its hash to the file (made with mode 600) and return it: it can be read nowhere else.

    Raises:
        TokensUnusable: the name is taken or cannot be one, or the file cannot be used.
    """
    if not NAME.fullmatch(name):
        raise TokensUnusable(f"--new-token: found {name!r}; expected 1 to 64 letters, digits, '.', '_' or '-'")
    if path.exists() and any(entry.name == name for entry in Tokens(path)._read()):
        raise TokensUnusable(f"{path}: {name} has a token already. Take its line out first")
    token = secrets.token_urlsafe(32)
    entry = Entry(name=name, role=role, sha256=_digest(token), made=datetime.now(UTC).replace(microsecond=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, msgspec.json.encode(entry) + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    return token


@final
class OneTimeTokens:
    """Tokens that sign in once, within five minutes: for a link that is opened on the same machine."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, Role, float]] = {}

    def new(self, name: str, role: Role) -> str:
        """A token that signs in as `name`."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._open[_digest(token)] = (name, role, self._clock() + LINK_S)
        return token

    def redeem(self, token: str) -> tuple[str, Role] | None:
        """Whom the token signs in; None where it is unknown, used or too old. It cannot be used again."""
        with self._lock:
            name, role, until = self._open.pop(_digest(token), ("", ROLES[0], 0.0))
        return (name, role) if name and self._clock() <= until else None


def sign_in_link(url: str, tokens: OneTimeTokens, name: str, role: Role) -> str:
    """The address that opens the page and signs in once. The token stands behind the #: it is in no log."""
    return f"{url.rstrip('/')}/#token={tokens.new(name, role)}"
