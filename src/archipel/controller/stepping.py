"""One cell's controller as a value that is stepped: `step(now, snapshot, inbox)` in, intentions out.

    hour - lead        hour - lead/3 ...             hour                                hour + 4 h
        |  plan: talk with all healthy neighbours     |  every tie holds a record:         |
        |  -> records, checked, noted, accepted       |     follow the plan                |  lapsed:
        |  -> acceptances repeated until the hour     |  else own plan inside limits       |     own plan

The very same object runs in the twin, in the fault simulator and in the field. It has no clock, socket, file or
randomness. Nothing here is needed for safety: setpoints are leases, and devices return to their default without us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast, final

from archipel.controller.facts import (
    Instant,
    Intentions,
    Mail,
    Note,
    Orders,
    Plan,
    Planner,
    Snapshot,
    TieSide,
)
from archipel.controller.ladder import Ladder, Level
from archipel.coordination.handshake import Acceptance, Entry, Holding, Record, TieEnd
from archipel.coordination.message import Message
from archipel.coordination.tree import Conversation, Silent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_ATTEMPTS = 8
CLOCK_STEP_S = 2.0
"""A UTC clock that moves against the monotonic one by more than this has been stepped."""


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """Times of a controller [s]; the defaults are those of the field."""

    every_s: int = 3600
    """Between the starts of two plans."""
    step_s: int = 900
    """Length of one value of an agreement."""
    lead_s: float = 120.0
    """How long before its start a plan begins."""
    attempts: int = 3
    """Times a plan is tried within its lead."""
    repeat_s: float = 2.0
    """Between two sendings of what may have been lost."""
    lease_s: float = 60.0
    """How long an order holds that is not renewed."""
    contradiction_s: float = 5.0
    """How long a meter must contradict an agreement before this end leaves it."""
    grace_s: float = 10.0
    """How long meters are not compared after the start of a step, while devices move."""
    healthy_s: float = 30.0
    """How long neighbours and readings must have been well before more is attempted with them."""


@final
@dataclass(slots=True)
class Controller:
    """One cell."""

    cell: str
    ties: tuple[TieSide, ...]
    planner: Planner
    settings: Settings = field(default_factory=Settings)
    ladder: Ladder = field(init=False)
    level: Level = Level.RULES
    """What it acts by now."""
    acts_on: Mapping[str, Record] = field(default_factory=dict)
    """Records in force at the last step, by tie."""
    splits: int = 0
    """Agreements that only this end had confirmed, as far as meters have shown."""
    _ends: dict[str, TieEnd] = field(init=False)
    _side: dict[str, TieSide] = field(init=False)
    """By neighbour."""
    _well_since: dict[str, float] = field(default_factory=dict)
    _talk: Conversation | None = None
    _ticked_s: float = 0.0
    _plans: dict[int, Plan] = field(default_factory=dict)
    """By number: the one in force and the one to come."""
    _orders: Orders = field(default_factory=dict)
    _decided: tuple[Any, ...] | None = None
    """What the orders were made for."""
    _against: dict[str, float] = field(default_factory=dict)
    """Since when a tie's meter contradicts."""
    _base: tuple[datetime, float] | None = None
    _early: list[Mail] = field(default_factory=list)
    """Mail of a plan that has not begun here."""
    _words: dict[str, Acceptance] = field(default_factory=dict)
    """The newest acceptance heard on every tie; it may come before this end has a record itself."""

    def __post_init__(self) -> None:
        repeat = timedelta(seconds=self.settings.repeat_s)
        self._ends = {side.id: TieEnd(side.id, side.default_kw, repeat) for side in self.ties}
        self._side = {side.neighbour: side for side in self.ties}
        self.ladder = Ladder(healthy_s=self.settings.healthy_s)

    # ---------------------------------------------------------------- the step

    def step(self, now: Instant, snapshot: Snapshot, inbox: list[Mail]) -> Intentions:
        """Take in what is known and heard; say what to do, to tell and to write down.

        Call it whenever a message comes and at least once a second. `notes` go to the disk before `mail` is sent.
        """
        utc, stepped = self._utc(now)
        notes: list[Note] = [self._stepped(now, stepped)] if stepped else []
        mail: list[Mail] = []
        healthy = self._healthy(now.mono_s, snapshot)
        self._hear(inbox, utc, mail, notes)
        self._compare(now.mono_s, utc, snapshot, notes)
        self._act(now.mono_s, utc, snapshot, healthy, notes)
        self._plan(now.mono_s, utc, snapshot, frozenset() if stepped else healthy, mail, notes)
        for side in self.ties:
            mail += [Mail(self.cell, side.neighbour, word) for word in self._ends[side.id].outbox(utc)]
        return Intentions(self._orders, now.mono_s + self.settings.lease_s, mail, notes)

    def holdings(self, now: datetime) -> dict[str, Holding]:
        """What holds on every tie, by its id."""
        return {side.id: self._ends[side.id].holding(now) for side in self.ties}

    def renewed(self) -> Controller:
        """The same cell with nothing agreed: for a change of mode."""
        return Controller(self.cell, self.ties, self.planner, self.settings)

    def last_plan(self, tie: str) -> int:
        """Number of the newest plan accepted on a tie; -1 before the first."""
        return self._ends[tie].last_plan

    def sizes(self) -> dict[str, tuple[int, int]]:
        """How much of everything that waits is held, and the most there may be."""
        return {
            "early mail": (len(self._early), 8 * len(self.ties)),
            "plans": (len(self._plans), 4),
            "words": (len(self._words), len(self.ties)),
        }

    def restore(self, notes: list[Note], now: Instant) -> None:
        """Take up again what the journal holds (oldest first): agreements, and that swinging was latched."""
        self._base = (now.utc, now.mono_s)
        entries = [entry_of(note.body) for note in notes if note.kind == "agreement"]
        for end in self._ends.values():
            end.restore(entries, now.utc)
        modes = [note for note in notes if note.kind == "mode"]
        if modes:
            self.ladder.latched = bool(modes[-1].body.get("latched", False))

    # ---------------------------------------------------------------- clocks and health

    def _utc(self, now: Instant) -> tuple[datetime, float]:
        """UTC that never steps, and by how much the given one is off. Agreements in force run on through a step of
        the clock; new ones wait until it is right again."""
        if self._base is None:
            self._base = (now.utc, now.mono_s)
        base, mono_s = self._base
        expected = base + timedelta(seconds=now.mono_s - mono_s)
        off_s = (now.utc - expected).total_seconds()
        if abs(off_s) <= CLOCK_STEP_S:
            self._base = (now.utc, now.mono_s)  # slewing is followed
            return now.utc, 0.0
        return expected, off_s

    def _stepped(self, now: Instant, off_s: float) -> Note:
        body = {"off_s": round(off_s, 3), "why": "the clock was stepped; no new agreements until it is right"}
        return Note("clock", f"{now.mono_s:.3f}", body)

    def _healthy(self, mono_s: float, snapshot: Snapshot) -> frozenset[str]:
        """Neighbours that have been well for long enough."""
        for name in self._side:
            if name not in snapshot.neighbours:
                self._well_since.pop(name, None)
            else:
                self._well_since.setdefault(name, mono_s)
        enough = mono_s - self.settings.healthy_s
        return frozenset(name for name, since in self._well_since.items() if since <= enough)

    # ---------------------------------------------------------------- messages

    def _hear(self, inbox: list[Mail], utc: datetime, mail: list[Mail], notes: list[Note]) -> None:
        for letter in inbox:
            side = self._side.get(letter.sender)
            if side is None or letter.receiver != self.cell:
                continue
            if isinstance(letter.said, Acceptance):
                if letter.said.tie == side.id:
                    self._words[side.id] = letter.said
                    self._weigh(side, utc, notes)
            elif letter.said.sender == letter.sender:
                if self._talk is not None and letter.said.plan == self._talk.plan:
                    self._say(self._talk.receive([letter.said]), mail)
                elif self._talk is None or letter.said.plan > self._talk.plan:
                    self._early.append(letter)  # our clock is a little behind its

    def _weigh(self, side: TieSide, utc: datetime, notes: list[Note]) -> None:
        """Hold the other end's word against the own record."""
        if (word := self._words.get(side.id)) is not None:
            entry = self._ends[side.id].hear(word, utc)
            if entry is not None:
                notes.append(_note(entry))

    def _say(self, messages: list[Message], mail: list[Mail]) -> None:
        mail += [Mail(self.cell, message.receiver, message) for message in messages]

    # ---------------------------------------------------------------- planning

    def _plan(
        self,
        mono_s: float,
        utc: datetime,
        snapshot: Snapshot,
        healthy: frozenset[str],
        mail: list[Mail],
        notes: list[Note],
    ) -> None:
        if (due := self._due(utc, snapshot, healthy)) is not None:
            number, start = due
            children = tuple(s.neighbour for s in self.ties if not s.upward and s.neighbour in healthy)
            parent = next((s.neighbour for s in self.ties if s.upward), "")
            held = {s.neighbour: self._ends[s.id].expected_kw(start) for s in self.ties if s.neighbour not in children}
            program = self.planner.program(start, utc, snapshot.devices, self._orders, children, held)
            self._talk = Conversation(number, self.cell, parent, children, program, patience=1_000_000)
            self._ticked_s = mono_s
            self._say(self._talk.open(), mail)
            early, self._early = self._early, []
            for letter in early:
                said = cast("Message", letter.said)
                if said.plan == number:
                    self._say(self._talk.receive([said]), mail)
        talk = self._talk
        if talk is None:
            return
        if talk.outcome is None and mono_s - self._ticked_s >= self.settings.repeat_s:
            self._ticked_s = mono_s
            self._say(talk.tick(), mail)
        start = self._start_of(talk.plan)
        if talk.outcome is None and utc >= start:
            talk.close(Silent(""))
        if talk.outcome is not None and talk.plan not in self._plans and not isinstance(talk.outcome, Silent):
            self._accept(talk, start, utc, notes)

    def _due(self, utc: datetime, snapshot: Snapshot, healthy: frozenset[str]) -> tuple[int, datetime] | None:
        """Number and start of the plan to begin now. All cells find the same one, each by its own clock."""
        every, lead = self.settings.every_s, self.settings.lead_s
        since = (utc - EPOCH).total_seconds() + lead
        turn = int(since // every)
        into_s = since - turn * every
        if into_s >= lead:
            return None
        attempt = int(into_s / (lead / self.settings.attempts))
        number = turn * MOST_ATTEMPTS + attempt
        if self._talk is not None and self._talk.plan >= number:
            return None
        if snapshot.trouble or self.ladder.latched or self.ladder.level is Level.RULES:
            return None
        if not all(side.neighbour in healthy for side in self.ties if side.upward):
            return None
        start = EPOCH + timedelta(seconds=turn * every)
        if self.ties and all(self._ends[s.id].confirmed_for(start) for s in self.ties if s.neighbour in healthy):
            asked = any(cast("Message", letter.said).plan == number for letter in self._early)
            if not asked:
                return None
        return number, start

    def _start_of(self, number: int) -> datetime:
        return EPOCH + timedelta(seconds=number // MOST_ATTEMPTS * self.settings.every_s)

    def _accept(self, talk: Conversation, start: datetime, utc: datetime, notes: list[Note]) -> None:
        """Turn a plan into one record per tie; promise those that are safe even if the other end never hears of it."""
        plan = cast("Plan", talk.outcome)
        self._plans[talk.plan] = plan
        for old in sorted(self._plans)[:-3]:
            del self._plans[old]
        if utc >= start:
            return
        for side in self.ties:
            if side.upward or side.neighbour in talk.children:
                record = Record(side.id, talk.plan, start, plan.exchange_kw(side.neighbour), self.settings.step_s)
                if why := plan.unsafe(side.neighbour):
                    notes.append(_note(Entry("refused", record, why)))
                else:
                    notes.append(_note(self._ends[side.id].accept(record, utc)))
                    self._weigh(side, utc, notes)

    # ---------------------------------------------------------------- meters

    def _compare(self, mono_s: float, utc: datetime, snapshot: Snapshot, notes: list[Note]) -> None:
        """Leave an agreement that a meter contradicts."""
        for side in self.ties:
            end = self._ends[side.id]
            held = end.holding(utc)
            metered = snapshot.tie_kw.get(side.id)
            if held.record is None or metered is None:
                self._against.pop(side.id, None)
                continue
            into_s = (utc - held.record.start).total_seconds() % held.record.step_s
            off = abs(metered - held.p_kw) > side.tolerance_kw
            if into_s < self.settings.grace_s or not off:
                self._against.pop(side.id, None)
                continue
            since = self._against.setdefault(side.id, mono_s)
            if mono_s - since >= self.settings.contradiction_s:
                why = f"metered {metered:.1f} kW, agreed {held.p_kw:.1f} kW, tolerance {side.tolerance_kw:.1f} kW"
                if (entry := end.contradicted(utc, why)) is not None:
                    self.splits += 1
                    notes.append(_note(entry))

    # ---------------------------------------------------------------- acting

    def _act(
        self, mono_s: float, utc: datetime, snapshot: Snapshot, healthy: frozenset[str], notes: list[Note]
    ) -> None:
        """Choose the level, then the orders; they are made anew when the step of time or what holds changes."""
        held = {side.neighbour: self._ends[side.id].holding(utc) for side in self.ties}
        level, why = self._possible(held, healthy, snapshot)
        if (change := self.ladder.observe(mono_s, self._well(healthy, snapshot), why)) is not None:
            notes.append(self._mode(change.at_s, "ladder", change.before, change.after, change.why))
        level = Level.RULES if self.ladder.level is Level.RULES else level
        if level is not self.level:
            notes.append(self._mode(mono_s, "acts", self.level, level, why))
            self.level = level
        records = {name: h.record for name, h in held.items() if h.record is not None}
        self.acts_on = {record.tie: record for record in records.values()}
        quarter = int((utc - EPOCH).total_seconds() // self.settings.step_s)
        made_for = (quarter, level, tuple(sorted((n, r.digest) for n, r in records.items())))
        if made_for == self._decided:
            return
        self._decided = made_for
        self._orders = self._choose(level, utc, snapshot, records)

    def _choose(self, level: Level, utc: datetime, snapshot: Snapshot, records: Mapping[str, Record]) -> Orders:
        if level is Level.RULES:
            return {}
        numbers = {record.plan for record in records.values()}
        if level <= Level.FOLLOWING:
            plan = self._plans.get(numbers.pop()) if len(numbers) == 1 else None
            if not self.ties:  # a whole archipelago of one cell
                number = max((n for n in self._plans if self._start_of(n) <= utc), default=None)
                plan = None if number is None else self._plans[number]
            if plan is not None:
                return plan.orders(utc, snapshot.devices)
        pins = {name: value for name, r in records.items() if (value := r.at(utc)) is not None}
        return self.planner.alone(utc, snapshot.devices, pins)

    def _well(self, healthy: frozenset[str], snapshot: Snapshot) -> Level:
        """What health would allow, whatever is agreed."""
        if snapshot.trouble:
            return Level.RULES
        if len(healthy) == len(self.ties):
            return Level.COOPERATING
        return Level.FALLBACK if healthy else Level.ALONE

    def _possible(self, held: Mapping[str, Holding], healthy: frozenset[str], snapshot: Snapshot) -> tuple[Level, str]:
        """What to act by, and why not by more."""
        if snapshot.trouble:
            return Level.RULES, snapshot.trouble
        missing = [f"{name}: {h.why}" for name, h in held.items() if h.record is None]
        unwell = [name for name in held if name not in healthy]
        if missing:
            return (Level.FALLBACK if healthy else Level.ALONE), "; ".join(missing)
        if unwell:
            return Level.FOLLOWING, f"no word from {', '.join(sorted(unwell))}"
        return Level.COOPERATING, "every tie is agreed"

    def _mode(self, at_s: float, what: str, before: Level, after: Level, why: str) -> Note:
        body = {"what": what, "before": before.name, "after": after.name, "why": why, "latched": self.ladder.latched}
        return Note("mode", f"{what}/{at_s:.3f}", body)


def _note(entry: Entry) -> Note:
    record = entry.record
    body = {
        "event": entry.event,
        "tie": record.tie,
        "plan": record.plan,
        "start": record.start.isoformat(),
        "step_s": record.step_s,
        "p_kw": list(record.p_kw),
        "why": entry.why,
    }
    return Note("agreement", f"{record.tie}/{record.plan}/{entry.event}", body)


def entry_of(body: Mapping[str, Any]) -> Entry:
    """The entry that an `agreement` note was made from."""
    start = datetime.fromisoformat(body["start"])
    record = Record(body["tie"], body["plan"], start, tuple(body["p_kw"]), body["step_s"])
    return Entry(body["event"], record, body["why"])
