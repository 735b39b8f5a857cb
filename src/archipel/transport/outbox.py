"""What must arrive: kept until it is acknowledged or too late, and taken in once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, final

from archipel.transport.envelope import Form

REMEMBERED = 4096
"""Keys per sender that the memory of `MemoryHandled` holds."""


@final
@dataclass(frozen=True, slots=True)
class Pending:
    """Something that must arrive at one cell."""

    receiver: str
    key: str
    """Names it: two with the same receiver and key are the same."""
    kind: str
    payload: bytes
    form: Form
    expires_at: datetime
    """When it is of no use any more."""


class Outbox(Protocol):
    """Where it lies until it is acknowledged. In the field it is the cell's journal and survives a restart."""

    def add(self, item: Pending) -> None:
        """Keep it; the same receiver and key again change nothing."""
        ...

    def pending(self) -> Sequence[Pending]:
        """All that is not acknowledged, oldest first."""
        ...

    def acknowledge(self, receiver: str, key: str) -> bool:
        """It arrived, or it is of no use any more. False when nothing of that name was pending."""
        ...


class Handled(Protocol):
    """Which keys were taken in. In the field it is the cell's journal."""

    def handled(self, sender: str, key: str) -> bool:
        """Whether it was taken in for good: then a repeat is acknowledged again and not delivered."""
        ...

    def mark(self, sender: str, key: str) -> None:
        """It is taken in for good."""
        ...


@final
class MemoryOutbox:
    """An outbox that is lost with the process: for tests and the twin."""

    def __init__(self) -> None:
        """Empty."""
        self._items: dict[tuple[str, str], Pending] = {}

    def add(self, item: Pending) -> None:
        """Keep it; the same receiver and key again change nothing."""
        self._items.setdefault((item.receiver, item.key), item)

    def pending(self) -> Sequence[Pending]:
        """All that is not acknowledged, oldest first."""
        return tuple(self._items.values())

    def acknowledge(self, receiver: str, key: str) -> bool:
        """Forget it. False when nothing of that name was pending."""
        return self._items.pop((receiver, key), None) is not None


@final
class MemoryHandled:
    """The newest keys of every sender, lost with the process: for tests and the twin."""

    def __init__(self) -> None:
        """Nothing was taken in."""
        self._keys: dict[str, OrderedDict[str, None]] = {}

    def handled(self, sender: str, key: str) -> bool:
        """Whether it was taken in."""
        return key in self._keys.get(sender, {})

    def mark(self, sender: str, key: str) -> None:
        """Taken in."""
        keys = self._keys.setdefault(sender, OrderedDict())
        keys[key] = None
        if len(keys) > REMEMBERED:
            keys.popitem(last=False)
