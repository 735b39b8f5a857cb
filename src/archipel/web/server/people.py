"""Who asks: sessions, bearer tokens, and what a person without either may do."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from starlette.requests import HTTPConnection

from archipel.web.nouns import Me, Role
from archipel.web.server.refusals import NOBODY, TOO_MANY, Refusal
from archipel.web.server.settings import Settings
from archipel.web.server.tokens import ROLES, Entry, TokensUnusable

SESSION_S = 12 * 3600.0
SESSIONS = 1_000
"""More than that and the oldest is signed out."""
TRIES, TRIES_S = 10, 60.0
"""Failed sign-ins of one address in so many seconds."""
ADDRESSES = 10_000
"""Whose failures are remembered; more and the oldest are forgotten."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers that only a proxy sends: then the peer's address says nothing."""
logger = logging.getLogger("archipel.web")


@final
@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    name: str
    role: Role
    address: str
    signed_in: bool
    by_bearer: bool = False

    def may(self, role: Role) -> bool:
        """Whether the role suffices."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def me(self) -> Me:
        """As the API says it."""
        return Me(name=self.name, role=self.role, signed_in=self.signed_in)


@final
@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    role: Role
    until: float
    entry: Entry | None
    """The line of the tokens file it began with; None: a one-time token."""


def address_of(connection: HTTPConnection) -> str:
    """Of the peer."""
    return connection.client.host if connection.client is not None else ""


def cookie_of(connection: HTTPConnection) -> str:
    """Name of the session's cookie: it holds the port, as two servers on one machine would sign each other out."""
    _, _, port = connection.headers.get("host", "").rpartition(":")
    return f"archipel_{port}" if port.isascii() and port.isdigit() else "archipel"


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@final
class People:
    """Signs in, signs out and recognises."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock: Callable[[], float] = settings.clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def who(self, connection: HTTPConnection) -> Person:
        """Who asks. Raises `Refusal` (401, 429) where nobody can be recognised."""
        address = address_of(connection)
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise Refusal(NOBODY, f"Authorization: found {scheme[:20]!r}; expected 'Bearer' and a token")
            return self._bearer(token.strip(), address)
        session = self._session(connection.cookies.get(cookie_of(connection), ""))
        if session is not None:
            return Person(session.name, session.role, address, signed_in=True)
        if self._sees_without(connection, address):
            return Person("anyone", "view", address, signed_in=False)
        raise Refusal(NOBODY, "nobody is signed in. Sign in with a token: POST /api/v1/session")

    def sign_in(self, token: str, address: str) -> tuple[Person, str]:
        """The person and the id of a new session. Raises `Refusal` (401, 429)."""
        self._may_try(address)
        link = self._settings.one_time.redeem(token)
        entry = self._entry(token) if link is None else None
        if entry is not None:
            link = (entry.name, entry.role)
        if link is None:
            self._failed(address)
            raise Refusal(NOBODY, "the token is unknown, was used, or is too old. Ask who runs this server for one")
        name, role = link
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(key)] = _Session(name, role, self._clock() + SESSION_S, entry)
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return Person(name, role, address, signed_in=True), key

    def sign_out(self, connection: HTTPConnection) -> Person | None:
        """End the session of the cookie; whose it was."""
        with self._lock:
            session = self._sessions.pop(_digest(connection.cookies.get(cookie_of(connection), "")), None)
        return Person(session.name, session.role, address_of(connection), signed_in=True) if session else None

    def _session(self, key: str) -> _Session | None:
        if not key:
            return None
        with self._lock:
            session = self._sessions.get(_digest(key))
        if session is None:
            return None
        gone = session.entry is not None and not self._holds(session.entry)
        if gone or self._clock() > session.until:
            with self._lock:
                self._sessions.pop(_digest(key), None)
            return None
        return session

    def _entry(self, token: str) -> Entry | None:
        """Whose token it is. A file that cannot be used lets nobody in; why is for who runs the server."""
        try:
            return self._settings.tokens.find(token) if self._settings.tokens is not None else None
        except TokensUnusable as error:
            logger.error("%s", error)
            return None

    def _holds(self, entry: Entry) -> bool:
        """Whether a session's token is still one."""
        try:
            return self._settings.tokens is not None and self._settings.tokens.holds(entry)
        except TokensUnusable as error:
            logger.error("%s", error)
            return False

    def _bearer(self, token: str, address: str) -> Person:
        """A right token passes whatever was tried before from there: who must act is never locked out by others."""
        entry = self._entry(token)
        if entry is not None:
            return Person(entry.name, entry.role, address, signed_in=True, by_bearer=True)
        self._may_try(address)
        self._failed(address)
        raise Refusal(NOBODY, "the token is unknown. Ask who runs this server for one")

    def _sees_without(self, connection: HTTPConnection, address: str) -> bool:
        """A browser or program on this machine, asking this machine, with no proxy between."""
        return (
            self._settings.open_view
            and is_loopback(address)
            and is_loopback(host_of(connection.headers.get("host", "")))
            and not any(name in connection.headers for name in FORWARDED)
        )

    def _may_try(self, address: str) -> None:
        with self._lock:
            failures = self._failures.get(address, deque())
            while failures and failures[0] < self._clock() - TRIES_S:
                failures.popleft()
            if len(failures) >= TRIES:
                wait = max(1, round(failures[0] + TRIES_S - self._clock()))
                text = f"{TRIES} sign-ins failed from {address}; try again in {wait} s"
                raise Refusal(TOO_MANY, text, {"Retry-After": str(wait)})

    def _failed(self, address: str) -> None:
        with self._lock:
            self._failures.setdefault(address, deque(maxlen=TRIES)).append(self._clock())
            self._failures.move_to_end(address)
            while len(self._failures) > ADDRESSES:
                self._failures.popitem(last=False)


def host_of(header: str) -> str:
    """The host in a Host header, without its port."""
    host = header.rsplit(":", 1)[0] if not header.endswith("]") and ":" in header else header
    return host.lower()


def _digest(key: str) -> str:
    """Sessions are kept by a hash: what looks one up takes no time that tells of its id."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
