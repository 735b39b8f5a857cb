"""Acting on an agreement only when the other end has accepted the very same record.

With a deadline and lossy messages no protocol makes an agreement common knowledge (J. Gray, "Notes on data base
operating systems", 1978: the two generals). What can be promised is kept here, for one end of one tie:

    accept(record)         "from its start I act on this record or on none": older records are void from then on
    hear(acceptance)       the other end accepted the same record, and before its start
    holding(now)           the record in force, or the default when nothing is

    end A   accept R2 ---- A accepted R2 ---->  end B acts on R2 from its start only when it holds A's acceptance, and
            accept R2 <--- B accepted R2 -----        A, having accepted, no longer acts on R1 then: never two values

One end may still act while the other is at the default: a *split*. Acceptances are repeated until the other end says
that it has heard, or until the start, so with a share `loss` of messages lost and n repeats a split has probability
2 loss^n (1 - loss^n). It must be safe (checked before accepting) and the meters end it: see `contradicted`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, final


@final
@dataclass(frozen=True, slots=True)
class Record:
    """What two ends agree on for a tie: the power metered at its named end, step by step."""

    tie: str
    plan: int
    """Number of the plan it came from; grows."""
    start: datetime
    """First moment it holds, UTC."""
    p_kw: tuple[float, ...]
    """Positive into the lower cell, one per step from `start`."""
    step_s: int = 900
    digest: str = field(init=False, repr=False)
    """SHA-256 of its content: equal digests, equal records."""

    def __post_init__(self) -> None:
        numbers = [float(value).hex() for value in self.p_kw]
        said = [self.tie, self.plan, self.start.isoformat(), self.step_s, numbers]
        object.__setattr__(self, "digest", hashlib.sha256(json.dumps(said).encode()).hexdigest())

    @property
    def until(self) -> datetime:
        """When it lapses."""
        return self.start + timedelta(seconds=len(self.p_kw) * self.step_s)

    def at(self, now: datetime) -> float | None:
        """Power agreed for the step that holds `now` [kW]; None before the start and after the end."""
        since_s = (now - self.start).total_seconds()
        if not 0.0 <= since_s < len(self.p_kw) * self.step_s:
            return None
        return self.p_kw[int(since_s // self.step_s)]


@final
@dataclass(frozen=True, slots=True)
class Acceptance:
    """One end's word for a record. The message that carries it is signed by its sender."""

    tie: str
    plan: int
    digest: str
    heard: bool = False
    """Whether its sender holds the receiver's word for the same record, which then need not be repeated."""


@final
@dataclass(frozen=True, slots=True)
class Holding:
    """What an end does on its tie now."""

    p_kw: float
    record: Record | None
    """None at the default."""
    why: str


LAST_WORDS = 2
"""How often an acceptance is still said after the other end has said that it heard it: it may not know that we did."""
Event = Literal["accepted", "confirmed", "refused", "contradicted"]


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """For the journal. An `accepted` entry must be on disk before the acceptance is sent."""

    event: Event
    record: Record
    why: str = ""


@final
@dataclass(slots=True)
class TieEnd:
    """One end of one tie."""

    tie: str
    default_kw: float
    """Exchange when nothing is agreed, named in the scenario."""
    repeat: timedelta = timedelta(seconds=2)
    """Time between two sendings of an acceptance."""
    _current: Record | None = None
    _next: Record | None = None
    _confirmed: set[str] = field(default_factory=set)
    _void: dict[str, str] = field(default_factory=dict)
    """Digests of records never to be acted on (again), and why."""
    last_plan: int = -1
    """Number of the newest plan accepted."""
    _sent: datetime | None = None
    _left: int | None = None
    """How often the acceptance is said again; None: until its record starts."""
    _said: Holding | None = None
    _said_for: tuple[Record | None, str | None, float | None] = (None, None, None)
    """What the last answer was made for."""

    def accept(self, record: Record, now: datetime) -> Entry:
        """Promise to act on `record` from its start, or on nothing.

        Raises:
            ValueError: for another tie, for a plan not newer than the last accepted, or when it has started already.
        """
        if record.tie != self.tie:
            raise ValueError(f"tie {self.tie}: the record is of tie {record.tie}; expected one of this tie")
        if record.plan <= self.last_plan:
            raise ValueError(
                f"tie {self.tie}: plan {record.plan} was offered after plan {self.last_plan} was accepted; an end "
                "accepts one record per plan, in their order"
            )
        if now >= record.start:
            raise ValueError(
                f"tie {self.tie}: the record of plan {record.plan} starts at {record.start:%H:%M:%S} and it is "
                f"{now:%H:%M:%S}; a record is accepted before it starts"
            )
        self._settle(now)
        self._next, self.last_plan, self._sent, self._left = record, record.plan, None, None
        return Entry("accepted", record)

    def hear(self, heard: Acceptance, now: datetime) -> Entry | None:
        """The other end's word. Counts once, before the start, and only for the record this end accepted itself."""
        record = self._next
        if record is None or heard.tie != self.tie or heard.plan != record.plan or now >= record.start:
            return None
        if heard.digest == record.digest and heard.heard is not (self._left is not None):
            self._left = LAST_WORDS if heard.heard else None  # an end that was started again has heard nothing
        if record.digest in self._confirmed:
            return None
        if heard.digest != record.digest:
            why = f"the other end accepted another record of plan {record.plan}"
            self._void[record.digest] = why
            return Entry("refused", record, why)
        if record.digest in self._void:
            return None
        self._confirmed.add(record.digest)
        return Entry("confirmed", record)

    def outbox(self, now: datetime) -> list[Acceptance]:
        """What to send now: the acceptance of the record to come, again and again until it is known to be heard."""
        record = self._next
        if record is None or not self.speaks(now) or (self._sent is not None and now - self._sent < self.repeat):
            return []
        self._sent = now
        if self._left is not None:
            self._left -= 1
        return [Acceptance(self.tie, record.plan, record.digest, record.digest in self._confirmed)]

    def speaks(self, now: datetime) -> bool:
        """Whether there is an acceptance to say (again)."""
        return self._next is not None and now < self._next.start and self._left != 0

    def holding(self, now: datetime) -> Holding:
        """What this end acts on now; the very same object as long as nothing changes."""
        if self._next is not None:
            self._settle(now)
        record, p_kw = self._current, None
        if record is None:
            state: str | None = "nothing is agreed"
        elif record.digest in self._void:
            state = self._void[record.digest]
        elif record.digest not in self._confirmed:
            state = f"the other end's acceptance of plan {record.plan} was not heard"
        else:
            p_kw, state = record.at(now), None
        if self._said is None or self._said_for != (record, state, p_kw):
            self._said_for, self._said = (record, state, p_kw), self._say(record, state, p_kw)
        return self._said

    def _say(self, record: Record | None, state: str | None, p_kw: float | None) -> Holding:
        if record is None or state is not None:
            return Holding(self.default_kw, None, state or "")
        if p_kw is None:
            return Holding(self.default_kw, None, f"plan {record.plan} lapsed at {record.until:%H:%M}")
        return Holding(p_kw, record, f"plan {record.plan}")

    def confirmed_for(self, start: datetime) -> bool:
        """Whether both ends have accepted the same record that starts then."""
        record = self._next
        return record is not None and record.start == start and record.digest in self._confirmed

    def expected_kw(self, at: datetime) -> float:
        """Exchange at a time to come if nothing new is agreed."""
        record = self._current
        p_kw = None if record is None or record.digest not in self._confirmed else record.at(at)
        return self.default_kw if p_kw is None or (record and record.digest in self._void) else p_kw

    def contradicted(self, now: datetime, why: str) -> Entry | None:
        """A meter shows that the other end does not act on the record in force: back to the default at once."""
        record = self.holding(now).record
        if record is None:
            return None
        self._void[record.digest] = why
        return Entry("contradicted", record, why)

    def restore(self, entries: list[Entry], now: datetime) -> None:
        """Take up again what the journal holds, in its order. Acceptances heard but not written are heard again."""
        for entry in entries:
            if entry.record.tie != self.tie:
                continue
            if entry.event == "accepted" and entry.record.plan > self.last_plan:
                self._settle(entry.record.start - timedelta(microseconds=1))
                self._next, self.last_plan = entry.record, entry.record.plan
            elif entry.event == "confirmed":
                self._confirmed.add(entry.record.digest)
            elif entry.event in {"refused", "contradicted"}:
                self._void[entry.record.digest] = entry.why
        self._settle(now)

    def _settle(self, now: datetime) -> None:
        """A record whose start has come takes the place of the one before, whether it was confirmed or not."""
        if self._next is not None and now >= self._next.start:
            self._current, self._next = self._next, None
            known = {self._current.digest}
            self._confirmed &= known
            self._void = {digest: why for digest, why in self._void.items() if digest in known}
