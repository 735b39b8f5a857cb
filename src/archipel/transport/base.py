"""What every transport promises, and the records it speaks in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, final

from archipel.transport.envelope import Envelope, Form, Refusal


@final
@dataclass(frozen=True, slots=True)
class Received:
    """A message that was accepted: its signature, place, number and rights are in order."""

    envelope: Envelope
    at: datetime
    """When it was taken in, by our clock."""

    @property
    def sender(self) -> str:
        """Who signed it."""
        return self.envelope.sender

    @property
    def payload(self) -> bytes:
        """What it says."""
        return self.envelope.payload


Enqueue = Callable[[Received], None]
"""Takes a message and puts it somewhere; it must not do more, for it is called while others wait."""


class Trouble(StrEnum):
    """What an alarm is about."""

    LINK_MISSING = "link missing"
    LINK_UNEXPECTED = "link unexpected"
    CERTIFICATE_WRONG = "certificate wrong"
    CERTIFICATE_EXPIRES = "certificate expires within a week"
    CERTIFICATE_EXPIRED = "certificate expired"
    CERTIFICATE_REVOKED = "certificate revoked"


@final
@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should look at. Raised once when it begins; it is active until it is gone."""

    trouble: Trouble
    who: str
    """The cell it is about; may be this one."""
    text: str
    """What was found, what was expected and how to mend it."""
    since: datetime


@final
@dataclass(frozen=True, slots=True)
class Links:
    """Neighbours we should be attached to, and those we are."""

    expected: frozenset[str]
    actual: frozenset[str]
    """By the name in the certificate of the other end of the link."""

    @property
    def missing(self) -> frozenset[str]:
        """Expected and not there."""
        return self.expected - self.actual


@final
@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the transport was opened."""

    sent: int
    sent_bytes: int
    accepted: int
    superseded: int
    """Control data that came after, or lay behind, newer data of the same topic."""
    duplicates: int
    """Repeats of what was already delivered."""
    repeated: int
    """Own messages sent again because nobody had acknowledged them."""
    acknowledged: int
    lapsed: int
    """Own messages that were of no use any more before anyone acknowledged them."""
    refused: Mapping[Refusal, int]
    dropped: int = 0
    """Arrivals that were pushed out of a full queue before anyone looked at them."""


class Transport(Protocol):
    """How a cell talks with others. One thread calls it; nothing in it waits for a peer.

    Control data (`publish`) may be lost; only the newest of a topic counts. Agreements (`send`) are kept in the outbox
    and repeated until they are acknowledged or expire; each is delivered once as long as `acknowledge` was called.
    Time is passed in and is the cell's own UTC clock.
    """

    @property
    def name(self) -> str:
        """The own cell."""
        ...

    def publish(self, topic: str, kind: str, payload: bytes, now: datetime, form: Form = Form.BYTES) -> None:
        """Control data for whoever subscribes. Raises `ValueError` for what can never be sent."""
        ...

    def send(
        self,
        receiver: str,
        key: str,
        kind: str,
        payload: bytes,
        now: datetime,
        *,
        expires_at: datetime,
        form: Form = Form.BYTES,
    ) -> None:
        """Something that must arrive; sending the same key again changes nothing."""
        ...

    def subscribe(self, topic: str, enqueue: Enqueue) -> None:
        """Have `enqueue` called for control data on `topic`; `a/**` takes all topics below `a`.

        What others `send` to this cell arrives on `to/KIND`.
        """
        ...

    def acknowledge(self, received: Received, now: datetime) -> None:
        """What was sent to us is stored for good. Until this is called the sender repeats it (we deliver it once)."""
        ...

    def pump(self, now: datetime) -> None:
        """Take in what arrived, call the subscribers, repeat what is due. Call it when woken and every second."""
        ...

    def members(self) -> frozenset[str]:
        """Cells of the area that are alive now, this one left out."""
        ...

    def alive(self, peer: str) -> bool:
        """Whether `peer` is among the members."""
        ...

    def may_agree(self, peer: str, now: datetime) -> bool:
        """Whether new agreements with `peer` are allowed: alive, certified, its clock known and within 2 s of ours."""
        ...

    def links(self) -> Links:
        """Expected and actual links."""
        ...

    def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong now."""
        ...

    def stats(self) -> Stats:
        """Counts since it was opened."""
        ...

    def close(self) -> None:
        """Leave; never hangs. Closing twice changes nothing."""
        ...
