"""One reading: what a source said at one instant, and how it is written down."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

from archipel.journal.entry import canonical
from archipel.journal.errors import NotRecordable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNUSUAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """What one source said at one instant."""

    time: datetime
    kind: str
    source: str
    values: Mapping[str, float | None]
    """Named by quantity and unit; None where the source had no answer, NaN where it said so."""


def to_us(time: datetime, what: str) -> int:
    """Microseconds since 1970. Raises `NotRecordable` when `time` is naive."""
    if time.tzinfo is None:
        raise NotRecordable(f"{what}: found the time {time} without a zone; expected one that knows it (such as UTC)")
    return (time - EPOCH) // timedelta(microseconds=1)


def record_of(reading: Reading, what: str) -> str:
    """Canonical JSON of the values. JSON has no NaN and no infinity: a broken meter's are written as words."""
    values: dict[str, float | str | None] = {}
    for name, value in reading.values.items():
        if value is not None and not isinstance(value, (int, float)):
            raise NotRecordable(f"{what}: {name}: found {value!r}; expected a number or None")
        odd = value is not None and not math.isfinite(value)
        values[name] = str(float(value)) if odd and value is not None else value
    return canonical(values, what)


def sum_of(kind: str, time_us: int, source: str, record: str) -> bytes:
    """Checksum of a reading, 16 bytes."""
    return hashlib.sha256(json.dumps([kind, time_us, source, record]).encode()).digest()[:16]


def text_of(value: object) -> str:
    """Text of a column. Raises `ValueError` when it is damaged."""
    if not isinstance(value, bytes):
        raise ValueError("it is not text")
    return value.decode()


def hour_words(number: int) -> str:
    """An hour since 1970, said so that a person knows it."""
    return f"the hour from {EPOCH + timedelta(hours=number):%Y-%m-%d %H:%M} UTC"


def read_values(record: str) -> dict[str, float | None]:
    """What `record_of` wrote."""
    return {name: _UNUSUAL[value] if isinstance(value, str) else value for name, value in json.loads(record).items()}
