"""The signed wrapper every message travels in, and its strict layout.

Layout, big endian: "AR", version, form, epoch, counter, sent_at, six lengths, length of the payload; then area, sender,
receiver, topic, kind and key as UTF-8, the payload, and 64 bytes of signature over everything before it. There is one
way to write an envelope and nothing may follow it: whoever changes a byte changes what was signed.

(Not to be mixed up with an operating envelope, which is a range of powers.)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import final

VERSION = 1
MAX_BYTES = 1 << 20
"""No envelope is longer, signature included."""
SIGNATURE_BYTES = 64

_MAGIC = b"AR"
_HEAD = struct.Struct(">2sBBQQq6BI")
_NAME = re.compile(r"\w[\w.:+=,()-]{0,63}")
"""What a cell, an area or a kind may be called: it is also a common name in a certificate and a part of a topic."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 255


class Refusal(StrEnum):
    """Why a message was not accepted; every one is counted under its reason."""

    OVERSIZED = "oversized"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    WRONG_VERSION = "wrong version"
    TOO_DEEP = "too deeply nested"
    WRONG_AREA = "wrong area"
    NOT_FOR_US = "not for us"
    MISFILED = "found under another topic than it names"
    UNKNOWN_SENDER = "unknown sender"
    WRONG_CERTIFICATE = "wrong certificate"
    EXPIRED = "expired certificate"
    REVOKED = "revoked certificate"
    FORGED = "forged"
    REPLAYED = "replayed"
    STALE = "too old for a first message"
    NO_RIGHT = "no right to this topic"
    OVERFLOW = "queue full"


class Form(IntEnum):
    """What a payload is made of."""

    BYTES = 0
    """Opaque here; whoever reads it checks it."""
    JSON = 1
    """Strict JSON of bounded nesting, checked before anyone sees it."""


@lru_cache(maxsize=4096)
def is_name(text: str) -> bool:
    """Whether `text` can name a cell, an area or a kind.

    1 to 64 letters, digits and `_ . : + = , ( ) -`, at most 64 bytes; a letter, digit or `_` first.
    """
    return _NAME.fullmatch(text) is not None and len(text.encode()) <= 64


@lru_cache(maxsize=4096)
def is_topic(text: str) -> bool:
    """Whether `text` can be a topic: names joined by `/`, at most 255 bytes."""
    return len(text.encode()) <= _LONGEST and all(is_name(part) for part in text.split("/"))


@final
@dataclass(frozen=True, slots=True)
class Envelope:
    """One message and who vouches for it. Raises `ValueError` for fields that cannot be sent."""

    area: str
    sender: str
    receiver: str
    """The one cell it is for; empty when it is published on a topic."""
    topic: str
    """What it is published on; empty when it is for one receiver."""
    epoch: int
    """Life of the sender: grows at every restart."""
    counter: int
    """Number of the message in that life, from 1."""
    sent_at: datetime
    """By the sender's clock, UTC, microseconds."""
    kind: str
    key: str
    """Names what is sent, the same in every repeat; empty when no acknowledgement is wanted."""
    payload: bytes
    form: Form = Form.BYTES
    signature: bytes = b""
    """Ed25519 over everything else; empty before it is signed."""

    def __post_init__(self) -> None:
        for what, name in (("area", self.area), ("sender", self.sender), ("kind", self.kind)):
            if not is_name(name):
                raise ValueError(f"{what} of a message: found {name!r}, expected 1 to 64 letters, digits or _.:+=,()-")
        if bool(self.receiver) == bool(self.topic):
            raise ValueError("a message has either a receiver or a topic")
        if self.receiver and not is_name(self.receiver):
            raise ValueError(f"receiver of a message: found {self.receiver!r}, expected the name of a cell")
        if self.topic and not is_topic(self.topic):
            raise ValueError(f"topic of a message: found {self.topic!r}, expected names joined by /")
        if self.key and not (self.receiver and is_topic(self.key)):
            raise ValueError(f"key of a message: found {self.key!r}, expected names joined by /, and a receiver")
        if not (0 <= self.epoch < 1 << 63 and 1 <= self.counter < 1 << 63):
            raise ValueError(f"epoch {self.epoch} and counter {self.counter} of a message: expected 0.. and 1..")
        if self.sent_at.utcoffset() != timedelta(0):
            raise ValueError(f"sent_at of a message: found {self.sent_at}, expected UTC")
        if self.size > MAX_BYTES:
            raise ValueError(f"message of {self.size} bytes, expected at most {MAX_BYTES}; split it")

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return _HEAD.size + sum(len(text.encode()) for text in self._texts()) + len(self.payload) + SIGNATURE_BYTES

    @property
    def address(self) -> str:
        """The key it travels under in the area's key space."""
        return address(self.area, self.sender, self.receiver, self.topic, self.kind)

    def signed(self, sign: Callable[[bytes], bytes]) -> Envelope:
        """The same with its signature."""
        return replace(self, signature=sign(self.body()))

    def body(self) -> bytes:
        """What is signed."""
        texts = [text.encode() for text in self._texts()]
        head = _HEAD.pack(
            _MAGIC,
            VERSION,
            self.form,
            self.epoch,
            self.counter,
            (self.sent_at - _EPOCH) // timedelta(microseconds=1),
            *map(len, texts),
            len(self.payload),
        )
        return b"".join((head, *texts, self.payload))

    def to_bytes(self) -> bytes:
        """As it travels. Raises `ValueError` when it is not signed."""
        if len(self.signature) != SIGNATURE_BYTES:
            raise ValueError(f"message from {self.sender} is not signed")
        return self.body() + self.signature

    def _texts(self) -> tuple[str, ...]:
        return self.area, self.sender, self.receiver, self.topic, self.kind, self.key


def address(area: str, sender: str, receiver: str, topic: str, kind: str) -> str:
    """The key of a message: its topic below its sender, or its sender and kind below its receiver."""
    if receiver:
        return f"archipel/{area}/to/{receiver}/{sender}/{kind}"
    return f"archipel/{area}/pub/{sender}/{topic}"


def decode(data: bytes) -> Envelope | Refusal:
    """Read an envelope, or say why these bytes are none. Never raises; says nothing about who wrote it."""
    if len(data) > MAX_BYTES:
        return Refusal.OVERSIZED
    if data[:2] != _MAGIC[: len(data)]:
        return Refusal.MALFORMED
    if len(data) > 2 and data[2] != VERSION:
        return Refusal.WRONG_VERSION
    if len(data) < _HEAD.size:
        return Refusal.TRUNCATED
    _, _, form, epoch, counter, micros, *lengths = _HEAD.unpack_from(data)
    whole = _HEAD.size + sum(lengths) + SIGNATURE_BYTES
    if whole > MAX_BYTES:
        return Refusal.OVERSIZED
    if len(data) != whole:
        return Refusal.TRUNCATED if len(data) < whole else Refusal.MALFORMED
    parts, at = [], _HEAD.size
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    try:
        area, sender, receiver, topic, kind, key = (part.decode() for part in parts[:6])
        sent_at = _EPOCH + timedelta(microseconds=micros)
        return Envelope(
            area, sender, receiver, topic, epoch, counter, sent_at, kind, key, parts[6], Form(form), data[at:]
        )
    except (ValueError, OverflowError):
        return Refusal.MALFORMED
