"""The transport inside one process: deterministic, for the twin and for tests.

It behaves like the one in the field: cells hear each other over links and over others in between, and a cell that is
gone or cut off is known at once. Faults are the caller's: `route` decides what becomes of every parcel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import final

from archipel.transport.base import Alarm
from archipel.transport.messenger import Messenger
from archipel.transport.station import Parcel, Station
from archipel.transport.watch import GRACE_S

MOST_QUEUED = 8192
"""Arrivals a cell that does not look may pile up; then the oldest are lost."""

Route = Callable[[str, str, Parcel], Sequence[Parcel]]
"""What arrives now of a parcel between two cells: nothing, itself, copies, or something else. Whoever holds one back
delivers it later with `MemoryFabric.deliver`."""


@final
class MemoryFabric:
    """All cells of one process and the links between them."""

    def __init__(self, links: Iterable[tuple[str, str]] | None = None, route: Route | None = None) -> None:
        """Without `links` everybody is linked with everybody."""
        self._links = None if links is None else {frozenset(pair) for pair in links}
        self._cut: set[frozenset[str]] = set()
        self._route = route
        self._cells: dict[str, MemoryCarrier] = {}
        self._reach: dict[str, frozenset[str]] = {}

    def messenger(
        self, station: Station, on_alarm: Callable[[Alarm], None] | None = None, grace_s: float = GRACE_S
    ) -> Messenger:
        """Attach a cell. Raises `ValueError` when one of that name is attached."""
        name = station.trust.name
        if name in self._cells:
            raise ValueError(f"{name} is attached already; close it first")
        carrier = MemoryCarrier(self, name)
        self._cells[name] = carrier
        self._reach.clear()
        return Messenger(station, carrier, on_alarm, grace_s)

    def cut(self, a: str, b: str) -> None:
        """The link between `a` and `b` fails."""
        self._cut.add(frozenset((a, b)))
        self._reach.clear()

    def heal(self, a: str, b: str) -> None:
        """It is back."""
        self._cut.discard(frozenset((a, b)))
        self._reach.clear()

    def leave(self, name: str) -> None:
        """The cell is gone, with all that was queued for it."""
        self._cells.pop(name, None)
        self._reach.clear()

    def attached(self, name: str) -> frozenset[str]:
        """Cells at the other ends of its links."""
        if name not in self._cells:
            return frozenset()
        return frozenset(other for other in self._cells if other != name and self._linked(name, other))

    def reach(self, name: str) -> frozenset[str]:
        """Cells it can talk with, over others too."""
        if name not in self._reach:
            found, edge = {name}, [name]
            while edge:
                new = self.attached(edge.pop()) - found
                found |= new
                edge += sorted(new)
            self._reach[name] = frozenset(found - {name}) if name in self._cells else frozenset()
        return self._reach[name]

    def put(self, name: str, parcel: Parcel) -> None:
        """Carry a parcel from `name` to all who asked for its address and can be reached."""
        reach = self.reach(name)
        for other, carrier in tuple(self._cells.items()):
            if other in reach and carrier.wants(parcel.address):
                for arriving in [parcel] if self._route is None else self._route(name, other, parcel):
                    self.deliver(other, arriving)

    def deliver(self, name: str, parcel: Parcel) -> None:
        """Put a parcel into a cell's queue; a cell that is gone gets nothing."""
        carrier = self._cells.get(name)
        if carrier is not None:
            carrier.enqueue(parcel)

    def _linked(self, a: str, b: str) -> bool:
        pair = frozenset((a, b))
        return pair not in self._cut and (self._links is None or pair in self._links)


@final
class MemoryCarrier:
    """One cell's end of a fabric."""

    def __init__(self, fabric: MemoryFabric, name: str) -> None:
        """Made by `MemoryFabric.messenger`."""
        self._fabric, self._name = fabric, name
        self._addresses: list[list[str]] = []
        self._queue: deque[Parcel] = deque()
        self.dropped = 0

    def put(self, parcel: Parcel) -> None:
        """Carry it."""
        self._fabric.put(self._name, parcel)

    def subscribe(self, address: str) -> None:
        """Bring what is put under `address`."""
        self._addresses.append(address.split("/"))

    def wants(self, address: str) -> bool:
        """Whether it asked for it."""
        parts = address.split("/")
        return any(covers(asked, parts) for asked in self._addresses)

    def enqueue(self, parcel: Parcel) -> None:
        """Keep it until the cell looks."""
        self._queue.append(parcel)
        if len(self._queue) > MOST_QUEUED:
            self._queue.popleft()
            self.dropped += 1

    def appear(self) -> None:
        """It has been one since it was attached."""

    def arrivals(self) -> Iterable[Parcel]:
        """What came since the last time."""
        arrived, self._queue = tuple(self._queue), deque()
        return arrived

    def members(self) -> frozenset[str]:
        """Other cells that can be reached."""
        return self._fabric.reach(self._name)

    def attached(self) -> frozenset[str]:
        """Cells at the other ends of our links."""
        return self._fabric.attached(self._name)

    def close(self) -> None:
        """Leave."""
        self._fabric.leave(self._name)


def covers(asked: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether an address is one that was asked for: `*` is any one part, `**` at the end all that follow."""
    for i, part in enumerate(asked):
        if part == "**":
            return True
        if i >= len(parts) or part not in {"*", parts[i]}:
            return False
    return len(asked) == len(parts)
