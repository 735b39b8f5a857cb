"""The transport every host uses: a station that decides and a carrier that carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, final

from archipel.transport.base import Alarm, Enqueue, Links, Received, Stats
from archipel.transport.envelope import Form, Refusal
from archipel.transport.gate import OUR_TOPICS
from archipel.transport.outbox import Pending
from archipel.transport.station import Parcel, Station
from archipel.transport.watch import GRACE_S, Watch


class Carrier(Protocol):
    """Takes bytes to other cells, knows nothing about them. Its callbacks only enqueue."""

    @property
    def dropped(self) -> int:
        """Arrivals lost because the queue was full."""
        ...

    def put(self, parcel: Parcel) -> None:
        """Carry it if there is room, drop it if not; never wait."""
        ...

    def subscribe(self, address: str) -> None:
        """Bring what is put under `address` (`*` for one part of it, `**` for all that follow)."""
        ...

    def appear(self) -> None:
        """Become a member for the others; called once, when the first subscriptions are made."""
        ...

    def arrivals(self) -> Iterable[Parcel]:
        """What came since the last time, in the order it came."""
        ...

    def members(self) -> frozenset[str]:
        """Other cells of the area that are alive."""
        ...

    def attached(self) -> frozenset[str]:
        """Cells at the other ends of our links."""
        ...

    def close(self) -> None:
        """Leave; never hangs."""
        ...


@final
class Messenger:
    """Implements `Transport` over any carrier. Use it in a `with` statement."""

    def __init__(
        self,
        station: Station,
        carrier: Carrier,
        on_alarm: Callable[[Alarm], None] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        """The station's neighbours are the links expected; `on_alarm` is told once when a trouble begins.

        A link may be missing for `grace_s` before it is one.
        """
        self.station = station
        self._carrier = carrier
        self._watch = Watch(station, on_alarm, grace_s)
        self._subscribed: set[str] = set()
        self._closed = False
        trust = station.trust
        self._listen(f"archipel/{trust.area}/to/{trust.name}/**")
        for topic in OUR_TOPICS.values():
            self._listen(f"archipel/{trust.area}/pub/*/{topic}")
        carrier.appear()

    @property
    def name(self) -> str:
        """The own cell."""
        return self.station.trust.name

    def publish(self, topic: str, kind: str, payload: bytes, now: datetime, form: Form = Form.BYTES) -> None:
        """Control data for whoever subscribes."""
        self.station.publish(topic, kind, payload, now, form)
        self._carry()

    def send(
        self,
        receiver: str,
        key: str,
        kind: str,
        payload: bytes,
        now: datetime,
        *,
        expires_at: datetime,
        form: Form = Form.BYTES,
    ) -> None:
        """Something that must arrive."""
        self.station.send(Pending(receiver, key, kind, payload, form, expires_at), now)
        self._carry()

    def subscribe(self, topic: str, enqueue: Enqueue) -> None:
        """Have `enqueue` called for what matches `topic`."""
        self.station.subscribe(topic, enqueue)
        if not topic.startswith("to/"):
            self._listen(f"archipel/{self.station.trust.area}/pub/*/{topic}")

    def acknowledge(self, received: Received, now: datetime) -> None:
        """What was sent to us is stored for good."""
        self.station.acknowledge(received, now)
        self._carry()

    def pump(self, now: datetime) -> None:
        """Take in what arrived, call the subscribers, repeat what is due, look for trouble."""
        self.station.take(self._carrier.arrivals(), now)
        self.station.presence.see(self._carrier.attached(), now)
        self.station.tick(self.members(), now)
        self._watch.look(self.links(), now)
        self._carry()

    def spread(self, revocations: bytes, now: datetime) -> Refusal | None:
        """Take in a revocation list (from a file) and publish it at once; says why when it is refused."""
        refusal = self.station.trust.adopt(revocations)
        if refusal is None:
            self.station.introduce(now)
            self._carry()
        return refusal

    def members(self) -> frozenset[str]:
        """Cells of the area that are alive now, this one left out."""
        return self.station.presence.present(self._carrier.members(), self._carrier.attached())

    def alive(self, peer: str) -> bool:
        """Whether `peer` is among the members."""
        return peer in self.members()

    def may_agree(self, peer: str, now: datetime) -> bool:
        """Whether new agreements with `peer` are allowed."""
        return self.alive(peer) and self.station.may_agree(peer, now)

    def links(self) -> Links:
        """Expected and actual links."""
        return Links(self.station.neighbours, self._carrier.attached())

    def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong now."""
        return self._watch.active()

    def stats(self) -> Stats:
        """Counts since it was opened."""
        return replace(self.station.stats(), dropped=self._carrier.dropped)

    def close(self) -> None:
        """Leave. Closing twice changes nothing."""
        if not self._closed:
            self._closed = True
            self._carrier.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _carry(self) -> None:
        for parcel in self.station.post():
            self._carrier.put(parcel)

    def _listen(self, address: str) -> None:
        # a second subscription to the same address would bring everything twice
        if address not in self._subscribed:
            self._subscribed.add(address)
            self._carrier.subscribe(address)
