"""What cells say to each other: a header and named arrays of numbers, nothing else."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Body = Mapping[str, NDArray[np.float64]]
"""Named arrays; a single number is an array of shape ()."""


class Kind(StrEnum):
    """What a message is for; all but the first two are a header without a body."""

    SAY = "say"
    """An ask or a tell: waited for, and said again until it is heard."""
    SWAP = "swap"
    """Of its sender only the newest counts and nobody waits for it; `number` counts such messages on their own."""
    WAIT = "wait"
    """I wait for your ask or tell `number`."""
    BUSY = "busy"
    """I have not said it yet: I am alive, and wait for others."""
    AGAIN = "again"
    """I began anew, with this `attempt`: somebody has fallen silent."""
    OVER = "over"
    """I do not go on with you."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message of a conversation along the tree of cells."""

    plan: int
    """Which conversation."""
    number: int
    """How many asks (upwards) or tells (downwards) came before it in this conversation."""
    up: bool
    """True from child to parent."""
    sender: str
    receiver: str
    body: Body
    kind: Kind = Kind.SAY
    attempt: int = 0
    """How often the conversation has begun anew, without cells that fell silent."""
    count: int = 0
    """How often it was said again after a time-out; of a `WAIT` how many its sender has said to the receiver."""

    @property
    def size(self) -> int:
        """Bytes of the numbers it carries; the header adds some hundred."""
        return sum(8 * np.asarray(value).size for value in self.body.values())

    def to_bytes(self) -> bytes:
        """Length of the header (4 bytes, little endian), header (JSON), then the arrays as little-endian doubles."""
        arrays = {name: np.asarray(value, dtype="<f8") for name, value in self.body.items()}
        header: dict[str, Any] = {
            "plan": self.plan,
            "number": self.number,
            "up": self.up,
            "sender": self.sender,
            "receiver": self.receiver,
            "shapes": {name: list(value.shape) for name, value in arrays.items()},
        }
        # what is as usual is not written: without loss a message has the same bytes as before there were kinds
        header |= {name: value for name, usual in _USUAL.items() if (value := getattr(self, name)) != usual}
        text = json.dumps(header, separators=(",", ":")).encode()
        return struct.pack("<I", len(text)) + text + b"".join(value.tobytes() for value in arrays.values())

    @staticmethod
    def from_bytes(data: bytes) -> Message:
        """Read what `to_bytes` wrote. Raises `ValueError` when the bytes do not add up."""
        try:
            (length,) = struct.unpack_from("<I", data)
            header = json.loads(data[4 : 4 + length])
            body, at = {}, 4 + length
            for name, shape in header["shapes"].items():
                if not all(isinstance(n, int) and n >= 0 for n in shape):
                    raise ValueError(f"shape {shape} of {name}")
                count = math.prod(shape)
                body[name] = np.frombuffer(data, dtype="<f8", count=count, offset=at).reshape(shape).astype(np.float64)
                at += 8 * count
            fields = {name: kind(header[name]) for name, kind in _HEADER.items()}
            fields |= {name: type(usual)(header.get(name, usual)) for name, usual in _USUAL.items()}
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"no message: found {len(data)} bytes that do not add up ({error!r})") from error
        if at != len(data):
            raise ValueError(f"message from {fields['sender']}: {len(data) - at} bytes more than its header says")
        return Message(body=body, **fields)


_HEADER: dict[str, type] = {"plan": int, "number": int, "up": bool, "sender": str, "receiver": str}
_USUAL: dict[str, Kind | int] = {"kind": Kind.SAY, "attempt": 0, "count": 0}


@lru_cache(maxsize=64)
def _upper(size: int) -> tuple[NDArray[np.int64], ...]:
    return np.triu_indices(size)


def pack(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper triangle of a symmetric matrix as one row of numbers."""
    return np.asarray(matrix[_upper(len(matrix))])


def unpack(row: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The symmetric matrix of `pack`."""
    out = np.zeros((size, size))
    out[_upper(size)] = row
    out.T[_upper(size)] = row
    return out
