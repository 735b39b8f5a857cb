"""What passes between us and the child process: one line of JSON, then the raw numbers it speaks of.

A frame is a line `{"body": ..., "arrays": [[dtype, shape], ...]}` and the bytes of those arrays, in order. In the body
an array is `{"#": k}`. Nothing in a frame can be run, and the reader says how long it may be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

DTYPES = {"<f8", "<c16", "<i8", "|b1"}
"""Kinds of numbers that may pass."""
LONGEST_LINE = 64 * 1024 * 1024
"""Longest line of JSON [bytes]."""


class FrameTooLongError(Exception):
    """A frame is longer than its reader allows."""


def write_frame(stream: IO[bytes], body: Mapping[str, Any]) -> None:
    """Write one frame and flush it. Values are JSON's, and arrays of floats, complex numbers, integers or flags."""
    arrays: list[NDArray[Any]] = []
    packed = _pack(body, arrays)
    head = {"body": packed, "arrays": [[array.dtype.str, list(array.shape)] for array in arrays]}
    stream.write(json.dumps(head, allow_nan=True).encode() + b"\n")
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def read_frame(stream: IO[bytes], limit: int) -> dict[str, Any] | None:
    """One frame of at most `limit` bytes; None at the end of the stream. Raises FrameTooLongError or ValueError."""
    line = stream.readline(min(limit, LONGEST_LINE) + 1)
    if not line.endswith(b"\n"):
        if len(line) > min(limit, LONGEST_LINE):
            raise FrameTooLongError
        return None
    head = json.loads(line)
    arrays: list[NDArray[Any]] = []
    left = limit - len(line)
    for kind, shape in head["arrays"]:
        if kind not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise ValueError(f"a frame carries an array of kind {kind!r} and shape {shape!r}")
        size = np.dtype(kind).itemsize * math.prod(shape)
        left -= size
        if left < 0:
            raise FrameTooLongError
        data = stream.read(size)
        if len(data) < size:
            return None
        arrays.append(np.frombuffer(data, dtype=kind).reshape(shape).copy())
    body = _unpack(head["body"], arrays)
    if not isinstance(body, dict):
        raise ValueError("a frame carries no table")
    return body


def _pack(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        kind = {"f": "<f8", "c": "<c16", "i": "<i8", "u": "<i8", "b": "|b1"}[value.dtype.kind]
        arrays.append(np.ascontiguousarray(value, dtype=kind))
        return {"#": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {str(key): _pack(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"#"}:
            return arrays[value["#"]]
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    return value
