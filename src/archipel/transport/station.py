"""The part of a transport that decides: what to send, what to believe, what to repeat, what to complain about.

It opens no socket and reads no clock. A carrier brings bytes and takes bytes away; `Messenger` joins the two.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from archipel.transport.base import Enqueue, Received, Stats
from archipel.transport.clock import ClockWatch
from archipel.transport.envelope import Envelope, Form, Refusal
from archipel.transport.gate import (
    ACK,
    CERTIFICATE,
    OUR_TOPICS,
    OURS,
    PING,
    PONG,
    REVOCATIONS,
    Gate,
    Right,
    Trust,
    matches,
    place,
)
from archipel.transport.outbox import Handled, MemoryHandled, MemoryOutbox, Outbox, Pending
from archipel.transport.presence import Presence
from archipel.transport.replay import ReplayWindow

REPEAT_S = 1.0
"""What is not acknowledged is sent again after this."""
INTRODUCE_S = 10.0
"""How often a certificate and the revocation list are published again; at once when a cell appears."""
PING_S = 5.0
MOST_OPEN = 4096
"""Messages delivered and not yet acknowledged; more are refused, and their senders repeat them."""
MOST_TOPICS = 65_536
"""Topics whose newest number is remembered."""


@final
@dataclass(frozen=True, slots=True)
class Parcel:
    """Bytes to be carried."""

    address: str
    data: bytes


@final
class Station:
    """One cell's end of all conversations."""

    def __init__(
        self,
        trust: Trust,
        *,
        epoch: int,
        rights: Iterable[Right],
        neighbours: Iterable[str] = (),
        partners: Iterable[str] = (),
        outbox: Outbox | None = None,
        handled: Handled | None = None,
        window: ReplayWindow | None = None,
        repeat_s: float = REPEAT_S,
    ) -> None:
        """`epoch` must be larger than in every earlier life of this cell (`files.begin_epoch`).

        `neighbours` are the cells a link is expected to. Clocks are asked of them and of `partners`, the cells that
        agreements are made with over others.
        """
        self.gate = Gate(trust, rights, window)
        self.trust, self.clocks, self.presence = trust, ClockWatch(), Presence()
        self.neighbours = frozenset(neighbours)
        self.partners = self.neighbours | frozenset(partners)
        self.wrong: dict[str, Refusal] = {}
        """Cells whose newest certificate was refused, and why."""
        self._epoch, self._counter = epoch, 0
        self._outbox: Outbox = outbox if outbox is not None else MemoryOutbox()
        self._handled: Handled = handled if handled is not None else MemoryHandled()
        self._repeat = timedelta(seconds=repeat_s)
        self._sent_at: dict[tuple[str, str], datetime] = {}
        self._open: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._newest: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._subscribers: list[tuple[str, Enqueue]] = []
        self._parcels: list[Parcel] = []
        self._members: frozenset[str] = frozenset()
        self._again_at: datetime | None = None
        self._due: dict[str, datetime] = {}
        self._counts: Counter[str] = Counter()

    def publish(self, topic: str, kind: str, payload: bytes, now: datetime, form: Form) -> None:
        """Control data for whoever subscribes."""
        _not_ours(topic, kind)
        self._post(now, topic=topic, kind=kind, payload=payload, form=form)

    def send(self, item: Pending, now: datetime) -> None:
        """Put it in the outbox and send it for the first time."""
        _not_ours("", item.kind)
        if not item.key:
            raise ValueError(f"message of kind {item.kind} to {item.receiver}: it needs a key to be acknowledged by")
        # a message that cannot be put together must not lie in the outbox for ever
        self._envelope(now, 1, item.receiver, "", item.kind, item.key, item.payload, item.form)
        self._outbox.add(item)
        if (item.receiver, item.key) not in self._sent_at:
            self._send_again(item, now)

    def subscribe(self, topic: str, enqueue: Enqueue) -> None:
        """Call `enqueue` for what matches `topic`."""
        self._subscribers.append((topic, enqueue))

    def acknowledge(self, received: Received, now: datetime) -> None:
        """It is stored for good here: say so, also when it is repeated."""
        sender, key = received.sender, received.envelope.key
        if not key:
            return
        self._handled.mark(sender, key)
        self._open.pop((sender, key), None)
        self._post(now, receiver=sender, kind=ACK, payload=key.encode())

    def take(self, arrivals: Iterable[Parcel], now: datetime) -> None:
        """Judge what arrived and deliver what is accepted: control data only in its newest form."""
        control: dict[tuple[str, str], Envelope] = {}
        accepted: list[Envelope] = []
        for parcel in arrivals:
            envelope = self.gate.accept(parcel.address, parcel.data, now, self._note_wrong)
            if envelope is None:
                continue
            self._counts["accepted"] += 1
            self.presence.heard(envelope.sender, now)
            if envelope.kind in OURS:
                self._ours(envelope, now)
            elif envelope.topic:
                self._keep_newest(control, envelope)
            else:
                accepted.append(envelope)
        for envelope in (*accepted, *control.values()):
            self._deliver(envelope, now)

    def tick(self, members: frozenset[str], now: datetime) -> None:
        """Repeat what is due, introduce ourselves, ask for clocks."""
        appeared = members - self._members
        self._members = members
        again = self._again_at is not None and now >= self._again_at
        if self._is_due("introduction", INTRODUCE_S, now) or appeared or again:
            self.introduce(now)
            # once more a little later: who has just appeared may not listen yet
            self._again_at = now + timedelta(seconds=1) if appeared else None
        for peer in sorted(self.partners & members):
            unknown = self.clocks.offset(peer, now) is None
            if self._is_due(f"ping {peer}", PING_S / 5 if unknown else PING_S, now):
                self._post(now, receiver=peer, kind=PING, payload=self.clocks.ask(peer, now))
        for item in self._outbox.pending():
            name = (item.receiver, item.key)
            if item.expires_at <= now:
                self._outbox.acknowledge(*name)
                self._sent_at.pop(name, None)
                self._counts["lapsed"] += 1
            elif name not in self._sent_at or not timedelta(0) <= now - self._sent_at[name] < self._repeat:
                self._counts["repeated"] += name in self._sent_at
                self._send_again(item, now)

    def introduce(self, now: datetime) -> None:
        """Publish our certificate and the newest revocation list."""
        for kind, payload in ((CERTIFICATE, self.trust.introduction()), (REVOCATIONS, self.trust.revocations())):
            if payload:
                self._post(now, topic=OUR_TOPICS[kind], kind=kind, payload=payload)

    def post(self) -> list[Parcel]:
        """What is to be carried now; asked for, it is forgotten here."""
        parcels, self._parcels = self._parcels, []
        self._counts["sent"] += len(parcels)
        self._counts["sent_bytes"] += sum(len(parcel.data) for parcel in parcels)
        return parcels

    def may_agree(self, peer: str, now: datetime) -> bool:
        """Alive, in good standing, and its clock known to be near ours."""
        good = peer in self._members and self.trust.standing(peer, now) is None
        return good and self.clocks.near(peer, now)

    def stats(self) -> Stats:
        """Counts since the start."""
        count = self._counts
        return Stats(
            sent=count["sent"],
            sent_bytes=count["sent_bytes"],
            accepted=count["accepted"],
            superseded=count["superseded"],
            duplicates=count["duplicates"],
            repeated=count["repeated"],
            acknowledged=count["acknowledged"],
            lapsed=count["lapsed"],
            refused=dict(self.gate.refused),
        )

    def _ours(self, envelope: Envelope, now: datetime) -> None:
        if envelope.kind == CERTIFICATE:
            self.wrong.pop(envelope.sender, None)
        elif envelope.kind == REVOCATIONS:
            refusal = self.trust.adopt(envelope.payload)
            if refusal is not None:
                self.gate.refused[refusal] += 1
        elif envelope.kind == PING:
            answer = self.clocks.answer(envelope.payload, now, now)
            if answer is not None:
                self._post(now, receiver=envelope.sender, kind=PONG, payload=answer)
        elif envelope.kind == PONG:
            self.clocks.learn(envelope.sender, envelope.payload, now)
        elif envelope.kind == ACK:
            name = (envelope.sender, envelope.payload.decode(errors="replace"))
            self._sent_at.pop(name, None)
            self._counts["acknowledged"] += self._outbox.acknowledge(*name)

    def _keep_newest(self, control: dict[tuple[str, str], Envelope], envelope: Envelope) -> None:
        stream, number = (envelope.sender, envelope.topic), (envelope.epoch, envelope.counter)
        if number <= self._newest.get(stream, (-1, -1)):
            self._counts["superseded"] += 1
            return
        self._counts["superseded"] += stream in control
        self._newest[stream] = number
        self._newest.move_to_end(stream)
        if len(self._newest) > MOST_TOPICS:
            self._newest.popitem(last=False)
        # taken out and put in again: deliveries keep the order of what is newest
        control.pop(stream, None)
        control[stream] = envelope

    def _deliver(self, envelope: Envelope, now: datetime) -> None:
        name, received = (envelope.sender, envelope.key), Received(envelope, now)
        if envelope.key:
            if self._handled.handled(*name):
                self._counts["duplicates"] += 1
                self._post(now, receiver=envelope.sender, kind=ACK, payload=envelope.key.encode())
                return
            if name in self._open:
                self._counts["duplicates"] += 1
                return
            if len(self._open) >= MOST_OPEN:
                self.gate.refused[Refusal.OVERFLOW] += 1
                return
        wanted = [enqueue for topic, enqueue in self._subscribers if matches(topic, place(envelope))]
        if envelope.key and wanted:
            self._open[name] = None
        for enqueue in wanted:
            enqueue(received)

    def _note_wrong(self, envelope: Envelope, refusal: Refusal) -> None:
        bad = refusal in {Refusal.WRONG_CERTIFICATE, Refusal.EXPIRED, Refusal.REVOKED}
        if envelope.kind == CERTIFICATE and bad and len(self.wrong) < MOST_OPEN:
            self.wrong[envelope.sender] = refusal

    def _send_again(self, item: Pending, now: datetime) -> None:
        self._sent_at[item.receiver, item.key] = now
        self._post(now, receiver=item.receiver, kind=item.kind, key=item.key, payload=item.payload, form=item.form)

    def _post(
        self,
        now: datetime,
        *,
        kind: str,
        payload: bytes,
        receiver: str = "",
        topic: str = "",
        key: str = "",
        form: Form = Form.BYTES,
    ) -> None:
        envelope = self._envelope(now, self._counter + 1, receiver, topic, kind, key, payload, form)
        self._counter += 1
        self._parcels.append(Parcel(envelope.address, envelope.signed(self.trust.sign).to_bytes()))

    def _envelope(
        self, now: datetime, counter: int, receiver: str, topic: str, kind: str, key: str, payload: bytes, form: Form
    ) -> Envelope:
        trust = self.trust
        return Envelope(trust.area, trust.name, receiver, topic, self._epoch, counter, now, kind, key, payload, form)

    def _is_due(self, what: str, every_s: float, now: datetime) -> bool:
        last = self._due.get(what)
        if last is not None and timedelta(0) <= now - last < timedelta(seconds=every_s):
            return False
        self._due[what] = now
        return True


def _not_ours(topic: str, kind: str) -> None:
    if kind in OURS or topic.startswith("trust/"):
        raise ValueError(f"{topic or kind}: the transport speaks of this itself. Choose another name.")
