"""Frames as bytes: what the WebSocket sends and `GET /api/v1/frame` answers to `Accept: application/octet-stream`.

    0   4 bytes   "ARCF"
    4   uint16    version, 1
    6   uint16    bit 0: live (else a recording), bit 1: the last one, its source is gone
    8   uint32    seq
    12  uint32    count of numbers that follow the header
    16  float64   grid time, seconds since 1970
    24  float64   wall time at which it was measured, seconds since 1970
    32  float32   count numbers, the sections asked for in the order of `Area.sections`; NaN: not known

Little endian. Age of a value in the browser: its wall time against the server's (told in every answer's `Date` header
and by `Frame.measured`); of a single cell also the column `cells.age_s`.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from archipel.web.nouns import Section
from archipel.web.source import Frame

MAGIC, VERSION = b"ARCF", 1
HEADER = struct.Struct("<4sHHIIdd")
LIVE, LAST = 1, 2


def to_bytes(frame: Frame, pick: NDArray[np.int64] | None = None, flags: int = 0) -> bytes:
    """A frame on the wire; `pick` chooses numbers, see `rows_of`."""
    values = frame.values if pick is None else frame.values[pick]
    head = HEADER.pack(
        MAGIC, VERSION, flags, frame.seq, len(values), frame.time.timestamp(), frame.measured.timestamp()
    )
    return head + np.ascontiguousarray(values, "<f4").tobytes()


def from_bytes(data: bytes) -> tuple[Frame, int]:
    """The frame and its flags. Raises `ValueError` for what is none."""
    magic, version, flags, seq, count, time, measured = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION or len(data) != HEADER.size + 4 * count:
        raise ValueError(f"frame: found {data[:6]!r} and {len(data)} bytes; expected version {VERSION}")
    values = np.frombuffer(data, "<f4", count, HEADER.size)
    return Frame(seq, datetime.fromtimestamp(time, UTC), datetime.fromtimestamp(measured, UTC), values), flags


def rows_of(sections: Sequence[Section], tables: Collection[str]) -> NDArray[np.int64] | None:
    """Where the numbers of some tables are in a whole frame; None for all of them."""
    if not tables:
        return None
    ranges, first = [np.zeros(0, dtype=np.int64)], 0
    for section in sections:
        if section.table in tables:
            ranges.append(np.arange(first, first + section.count))
        first += section.count
    return np.concatenate(ranges)
