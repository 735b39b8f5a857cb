"""telemetry.bin: the physics of this moment, in memory that the world shares with whoever looks on.

    header   "ARCT", version, numbers of nodes, branches, devices and ties
    slot 0   seq, grid time, wall time, checksum, float32 numbers      the world writes one slot while
    slot 1   the same                                                  the other one is read

The writer never waits. A slot counts once its `seq` is written, which comes last; a reader takes the newer slot and
keeps it only when `seq` has not moved meanwhile and the checksum fits, so it never shows half of two moments.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.local.errors import RehearsalError

MAGIC, VERSION = b"ARCT", 1
_HEADER, _SLOT = struct.Struct("<4sHHIIII"), struct.Struct("<QddI4x")
_SEQ = struct.Struct("<Q")
_TRIES = 8
Numbers = NDArray[np.floating[Any]]


@final
@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is of everything."""

    nodes: int
    branches: int
    devices: int
    ties: int

    @property
    def count(self) -> int:
        """Numbers in one moment."""
        return len(AREA) + self.nodes + self.branches + 5 * self.devices + 4 * self.ties

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot."""
        return -(-(_SLOT.size + 4 * self.count) // 64) * 64


AREA = ("upstream_p_kw", "upstream_q_kvar", "losses_kw", "unserved_kw", "f_hz")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The physics of one part. Load convention; a number that is not known is NaN."""

    area: Numbers
    """As `AREA` names them."""
    v_pu: Numbers
    loading: Numbers
    p_kw: Numbers
    q_kvar: Numbers
    soc: Numbers
    available_kw: Numbers
    p_kw_set: Numbers
    """The order every device holds; NaN: its own rule."""
    tie_p_kw: Numbers
    tie_q_kvar: Numbers
    """Ends of all ties one after the other, the upper first, positive into the end's cell: shape (2 ties,)."""

    def joined(self) -> Numbers:
        """All numbers in this order."""
        return np.concatenate([np.asarray(getattr(self, part.name), np.float32) for part in fields(self)])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A moment as it was read."""

    seq: int
    """Grows by one with every part."""
    time: datetime
    """Grid time at its end."""
    measured: datetime
    """Wall time at which it was written."""
    moment: Moment


@final
class TelemetryWriter:
    """The world's side. A file of an earlier world is replaced."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self._sizes, self._seq = sizes, 0
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with fresh.open("w+b") as file:
            size = 64 + 2 * sizes.slot_bytes
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        head = (sizes.nodes, sizes.branches, sizes.devices, sizes.ties)
        self._map[: _HEADER.size] = _HEADER.pack(MAGIC, VERSION, 0, *head)
        fresh.replace(path)

    def write(self, time: datetime, measured: datetime, moment: Moment) -> None:
        """Publish a moment. Raises `ValueError` when it has not the sizes the file was made for."""
        values = np.ascontiguousarray(moment.joined(), "<f4")
        if len(values) != self._sizes.count:
            raise ValueError(f"telemetry: found {len(values)} numbers, expected {self._sizes.count}")
        data = values.tobytes()
        self._seq += 1
        at = 64 + (self._seq % 2) * self._sizes.slot_bytes
        self._map[at : at + _SEQ.size] = _SEQ.pack(0)  # whoever reads this slot now sees that it changes
        body = at + _SLOT.size
        self._map[body : body + len(data)] = data
        head = _SLOT.pack(self._seq, time.timestamp(), measured.timestamp(), _sum(self._seq, data))
        self._map[at + _SEQ.size : body] = head[_SEQ.size :]
        self._map[at : at + _SEQ.size] = head[: _SEQ.size]

    def close(self) -> None:
        """Let go of the file; what it shows last stays."""
        self._map.close()


@final
class TelemetryReader:
    """Looks on, from any process. Not safe against use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        self._file: tuple[int, int] | None = None
        self._sizes = Sizes(0, 0, 0, 0)

    def latest(self, after: int = -1) -> Seen | None:
        """The newest moment; None before the first one, where there is no file, and when it is number `after`.

        Raises:
            RehearsalError: the file is none of ours.
        """
        if not self._opened() or self._map is None:
            return None
        for _ in range(_TRIES):
            seq, slot = max((self._seq(slot), slot) for slot in (0, 1))
            if seq in (0, after):
                return None
            at = 64 + slot * self._sizes.slot_bytes
            data = self._map[at : at + _SLOT.size + 4 * self._sizes.count]
            found, time, measured, check = _SLOT.unpack_from(data)
            body = data[_SLOT.size :]
            if found == seq == self._seq(slot) and check == _sum(seq, body):
                moment = _moment(np.frombuffer(body, "<f4"), self._sizes)
                return Seen(seq, datetime.fromtimestamp(time, UTC), datetime.fromtimestamp(measured, UTC), moment)
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _seq(self, slot: int) -> int:
        assert self._map is not None, "opened before it is read"
        return int(_SEQ.unpack_from(self._map, 64 + slot * self._sizes.slot_bytes)[0])

    def _opened(self) -> bool:
        """Whether there is a file; a new world's is opened anew."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return self._map is not None
        if self._file == (stat.st_ino, stat.st_dev) and self._map is not None:
            return True
        self.close()
        with self.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version, _, *sizes = _HEADER.unpack_from(self._map)
        self._sizes = Sizes(*sizes)
        if magic != MAGIC or version != VERSION or len(self._map) != 64 + 2 * self._sizes.slot_bytes:
            self.close()
            raise RehearsalError(f"{self.path}: found no telemetry of version {VERSION}. Start anew: archipel up")
        self._file = (stat.st_ino, stat.st_dev)
        return True


def _sum(seq: int, data: bytes) -> int:
    return zlib.crc32(data, seq & 0xFFFFFFFF)


def _moment(values: Numbers, sizes: Sizes) -> Moment:
    d, t = sizes.devices, 2 * sizes.ties
    ends = np.cumsum([len(AREA), sizes.nodes, sizes.branches, d, d, d, d, d, t])
    return Moment(*np.split(values, ends))
