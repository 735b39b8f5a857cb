"""Strict JSON from strangers: bounded nesting, no doubled names, no numbers that are none."""

from __future__ import annotations

import json
from typing import Any

from archipel.transport.envelope import Refusal

MAX_NESTING = 16
"""Lists and objects inside each other."""


def read_json(data: bytes) -> Any | Refusal:
    """The value, or why it is refused. Never raises."""
    try:
        value = json.loads(data, object_pairs_hook=_once, parse_constant=_none)
    except RecursionError:
        return Refusal.TOO_DEEP
    except ValueError:
        return Refusal.MALFORMED
    return value if _nesting_within(value, MAX_NESTING) else Refusal.TOO_DEEP


def write_json(value: Any) -> bytes:
    """One way to write a value: names sorted, no spaces. Raises `ValueError` for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _none(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _nesting_within(value: Any, most: int) -> bool:
    layer = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        layer = [
            inner
            for each in layer
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return True
    return False
