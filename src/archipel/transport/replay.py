"""Each message once: a window of counters per sender, and lives that never go backwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

WINDOW = 1024
"""How far behind the newest counter a late message may be."""


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one sender."""

    epoch: int
    newest: int
    """Largest counter of this epoch."""
    bits: int
    """Bit i is set when counter `newest - i` was seen."""


@final
class ReplayWindow:
    """Knows which messages were seen. Grows with the number of certified senders, not with messages."""

    def __init__(self, seen: Mapping[str, Seen] | None = None) -> None:
        """`seen`: what an earlier life of this cell knew (`state`), so that its past cannot be played to it again."""
        self._seen = dict(seen or {})

    def knows(self, sender: str) -> bool:
        """Whether anything was ever accepted from it."""
        return sender in self._seen

    def fresh(self, sender: str, epoch: int, counter: int) -> bool:
        """Whether this message was not seen and is not older than the window."""
        seen = self._seen.get(sender)
        if seen is None or epoch > seen.epoch:
            return True
        if epoch < seen.epoch:
            return False
        behind = seen.newest - counter
        return behind < 0 or (behind < WINDOW and not seen.bits >> behind & 1)

    def note(self, sender: str, epoch: int, counter: int) -> None:
        """Remember a message that was `fresh` and accepted."""
        seen = self._seen.get(sender)
        if seen is None or epoch > seen.epoch:
            self._seen[sender] = Seen(epoch, counter, 1)
        elif counter > seen.newest:
            moved = counter - seen.newest
            bits = (seen.bits << moved if moved < WINDOW else 0) & ((1 << WINDOW) - 1) | 1
            self._seen[sender] = Seen(epoch, counter, bits)
        else:
            self._seen[sender] = Seen(epoch, seen.newest, seen.bits | 1 << (seen.newest - counter))

    def state(self) -> Mapping[str, Seen]:
        """All of it, to keep over a restart."""
        return dict(self._seen)


def next_epoch(last: int, now_s: float) -> int:
    """The epoch of a life that begins now: above the last one, and above all when the last was lost with its disk."""
    return max(last + 1, int(now_s))
