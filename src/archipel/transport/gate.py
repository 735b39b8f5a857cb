"""Who gets in: every message from outside passes here or is refused with a counted reason.

Nothing here knows a socket or a clock; time is passed in. The cheap checks come first, so that noise costs little, and
nothing a sender wrote is believed or remembered before its signature was verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, final

from archipel.transport.envelope import SIGNATURE_BYTES, Envelope, Form, Refusal, decode
from archipel.transport.payload import read_json
from archipel.transport.replay import ReplayWindow

CERTIFICATE, REVOCATIONS, PING, PONG, ACK = "certificate", "revocations", "ping", "pong", "ack"
OURS = frozenset({CERTIFICATE, REVOCATIONS, PING, PONG, ACK})
"""Kinds of message that the transport itself speaks; every certified cell may send them."""
OUR_TOPICS = {CERTIFICATE: "trust/certificate", REVOCATIONS: "trust/revocations"}
FIRST_MAX_AGE = timedelta(seconds=60)
"""A sender never heard before must not begin with something older: it could be a recording."""


class Trust(Protocol):
    """Signs for this cell and knows who else may be believed."""

    @property
    def area(self) -> str:
        """The area of this cell."""
        ...

    @property
    def name(self) -> str:
        """This cell."""
        ...

    def sign(self, body: bytes) -> bytes:
        """64 bytes that only this cell can make."""
        ...

    def introduction(self) -> bytes:
        """What others need in order to check our signatures; empty when they need nothing."""
        ...

    def meet(self, sender: str, introduction: bytes, now: datetime) -> Refusal | None:
        """Take in another cell's introduction, or say what is wrong with it."""
        ...

    def check(self, sender: str, signature: bytes, body: bytes, now: datetime) -> Refusal | None:
        """Whether `sender` is a member in good standing and signed `body`; None when all is well."""
        ...

    def standing(self, peer: str, now: datetime) -> Refusal | None:
        """None when `peer` is a member whose certificate is valid now and not revoked."""
        ...

    def revocations(self) -> bytes:
        """The newest list of revoked certificates; empty when there is none."""
        ...

    def adopt(self, revocations: bytes) -> Refusal | None:
        """Take in a list if it is newer than ours; None when ours is now as new."""
        ...

    def valid_until(self) -> dict[str, datetime]:
        """When the certificates known end, this cell's own included."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Right:
    """Lets senders use a topic. What no right allows is refused."""

    topic: str
    """A topic, or `a/**` for all below `a`, or `to/KIND` for what is sent to this cell alone."""
    sender: str = "*"
    """One cell, or `*` for every cell the area's authority certified."""

    def allows(self, sender: str, topic: str) -> bool:
        """Whether `sender` may use `topic`."""
        return self.sender in {"*", sender} and matches(self.topic, topic)


def matches(pattern: str, topic: str) -> bool:
    """Whether `topic` is `pattern`, or below it when it ends in `/**`."""
    if pattern.endswith("/**"):
        return topic.startswith(pattern[:-2])
    return pattern == topic


def place(envelope: Envelope) -> str:
    """The topic for rights and subscriptions: its own, or `to/KIND` for what is sent to one cell."""
    return envelope.topic or f"to/{envelope.kind}"


@final
class Gate:
    """Accepts or refuses messages for one cell."""

    def __init__(self, trust: Trust, rights: Iterable[Right], window: ReplayWindow | None = None) -> None:
        """Only what `rights` allow gets in; `window` comes from an earlier life of this cell."""
        self.trust = trust
        self.rights = tuple(rights)
        self.window = window or ReplayWindow()
        self.refused: Counter[Refusal] = Counter()

    def accept(
        self, address: str, data: bytes, now: datetime, told: Callable[[Envelope, Refusal], None] | None = None
    ) -> Envelope | None:
        """The message in `data`, found under `address`; None when it was refused (`refused` counts why).

        `told` hears of refusals whose envelope could be read, though never believed: it is what its bytes say.
        """
        envelope = decode(data)
        if isinstance(envelope, Refusal):
            self.refused[envelope] += 1
            return None
        # an envelope has one way to be written, so these bytes are what was signed
        refusal = self._judge(address, envelope, data[:-SIGNATURE_BYTES], now)
        if refusal is None:
            self.window.note(envelope.sender, envelope.epoch, envelope.counter)
            return envelope
        self.refused[refusal] += 1
        if told is not None:
            told(envelope, refusal)
        return None

    def _judge(self, address: str, envelope: Envelope, body: bytes, now: datetime) -> Refusal | None:
        if envelope.area != self.trust.area:
            return Refusal.WRONG_AREA
        if envelope.sender == self.trust.name or envelope.receiver not in {"", self.trust.name}:
            return Refusal.NOT_FOR_US
        if envelope.address != address:
            return Refusal.MISFILED
        if not self._has_right(envelope):
            return Refusal.NO_RIGHT
        if not self.window.fresh(envelope.sender, envelope.epoch, envelope.counter):
            return Refusal.REPLAYED
        if not self.window.knows(envelope.sender) and abs(now - envelope.sent_at) > FIRST_MAX_AGE:
            return Refusal.STALE
        refusal = None
        if envelope.kind == CERTIFICATE:
            refusal = self.trust.meet(envelope.sender, envelope.payload, now)
        refusal = refusal or self.trust.check(envelope.sender, envelope.signature, body, now)
        if refusal is None and envelope.form is Form.JSON:
            found = read_json(envelope.payload)
            refusal = found if isinstance(found, Refusal) else None
        return refusal

    def _has_right(self, envelope: Envelope) -> bool:
        if envelope.kind in OURS:
            return envelope.topic == OUR_TOPICS.get(envelope.kind, "")
        if envelope.topic.startswith("trust/"):
            return False
        topic = place(envelope)
        return any(right.allows(envelope.sender, topic) for right in self.rights)
