"""One entry of the ledger, its canonical text and its place in the hash chain.

    hash of entry n = SHA-256(hash of entry n-1 || canonical JSON of entry n),    hash of entry 0 = 32 zero bytes

so that nobody can change, drop or insert an entry without changing every hash after it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, final

from archipel.journal.errors import NotRecordable

START = bytes(32)
"""What the first entry's hash is chained to."""
MOST_BYTES = 1 << 20
"""A record is at most 1 MiB, like a message."""
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Kind(StrEnum):
    """Kinds of entry that more than one part of the house writes or reads. Others may be any short lower-case word."""

    AGREEMENT = "agreement"
    SETPOINT = "setpoint"
    """A lease given to a device: value, valid-until, fallback."""
    MODE = "mode"
    """A step on the degradation ladder or a change of mode, with its reason."""
    OPERATOR = "operator"
    """What a person ordered."""
    OUTBOX = "outbox"
    ACKNOWLEDGED = "acknowledged"
    FORGOTTEN = "forgotten"
    SALVAGED = "salvaged"
    RESTORED = "restored"


OWN_KINDS = frozenset({Kind.OUTBOX, Kind.ACKNOWLEDGED, Kind.FORGOTTEN, Kind.SALVAGED, Kind.RESTORED})
"""Written by the journal's own methods only."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger, as it was acknowledged."""

    seq: int
    """1, 2, 3 ... without a gap."""
    time: datetime
    """When it happened by the cell's clock, UTC."""
    kind: str
    key: str
    """Unique among its kind."""
    body: Mapping[str, Any]
    before: int
    """`seq` of the previous entry of the same kind; 0 when it is the first."""
    hash: bytes
    """32 bytes, see above."""


def canonical(content: object, what: str) -> str:
    """The one JSON text of `content`: sorted keys, no blanks. `what` names it in errors.

    Raises:
        NotRecordable: something in it is not JSON, a number is not finite, or a key is not text.
    """
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        same = json.loads(text) == content
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise NotRecordable(
            f"{what}: {error}. A record holds text, finite numbers, true, false, null, lists and named values."
        ) from error
    if not same:
        raise NotRecordable(f"{what}: it would not be read back as it was written. Use lists, and text for names.")
    if size > MOST_BYTES:
        raise NotRecordable(f"{what}: found {size} bytes; expected at most {MOST_BYTES}")
    return text


def check_word(word: str, what: str) -> str:
    """`word`, when it is a short lower-case name; it may become a folder's name. Raises `NotRecordable`."""
    if not _WORD.fullmatch(word):
        raise NotRecordable(f"{what}: found {word!r}; expected a short name of a-z, 0-9 and _ (such as heat_pump)")
    return word


def time_text(time: datetime, what: str) -> str:
    """`time` in UTC with microseconds, such as 2016-06-09T12:00:00.000000Z. Raises `NotRecordable` when naive."""
    if time.tzinfo is None:
        raise NotRecordable(f"{what}: found the time {time} without a zone; expected one that knows it (such as UTC)")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def name_of(kind: str, key: str) -> bytes:
    """16 bytes that stand for the pair; what the ledger is unique in."""
    return hashlib.sha256(f"{kind}\0{key}".encode()).digest()[:16]


def record_of(seq: int, time: str, kind: str, key: str, before: int, body: str) -> bytes:
    """Canonical JSON of an entry; `body` is canonical JSON already."""
    quoted = json.dumps(key, ensure_ascii=False)
    return f'{{"before":{before},"body":{body},"key":{quoted},"kind":"{kind}","seq":{seq},"time":"{time}"}}'.encode()


def chained(previous: bytes, record: bytes) -> bytes:
    """Hash of the entry that stands after the one with hash `previous`."""
    return hashlib.sha256(previous + record).digest()


def read_entry(record: object, own_hash: object, previous: bytes) -> Entry:
    """The entry of one row. Raises `ValueError` when it is not what was written after `previous`."""
    if not isinstance(record, bytes) or own_hash != chained(previous, record):
        raise ValueError("its checksum does not fit")
    row = json.loads(record)
    return Entry(
        seq=row["seq"],
        time=datetime.fromisoformat(row["time"]),
        kind=row["kind"],
        key=row["key"],
        body=row["body"],
        before=row["before"],
        hash=chained(previous, record),
    )
