"""One cell's controller as a value that is stepped: `step(now, snapshot, inbox)` in, intentions out.

    hour - lead        hour - lead/3 ...             hour                                hour + 4 h
        |  plan: talk with all healthy neighbours     |  every tie holds a record:         |
        |  -> records, checked, noted, accepted       |     follow the plan                |  lapsed:
        |  -> acceptances repeated until the hour     |  else own plan inside limits       |     own plan

The very same object runs in the twin, in the fault simulator and in the field. It has no clock, socket, file or
randomness. Nothing here is needed for safety: setpoints are leases, and devices return to their default without us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast, final

from archipel.controller.clock import SteadyClock
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
from archipel.controller.main_grid import MainGrid, facts_at
from archipel.controller.notes import entry_of, mode_note, note_of, talk_notes
from archipel.controller.settings import Settings
from archipel.controller.turns import EPOCH, attempt_at, start_of, step_at, until_next_s
from archipel.coordination.handshake import Acceptance, Entry, Holding, Record, TieEnd
from archipel.coordination.message import Kind, Message
from archipel.coordination.tree import Conversation, Program, Silent

__all__ = ["Controller", "Settings"]

NO_PART_REPEATS = 3
"""It is said this many times less often than other words, and believed for three times that long."""
NO_PART = -1
"""Plan number of a message that says: I take no part in plans now. Neighbours then plan without its sender."""


@final
@dataclass(slots=True)
class Controller:
    """One cell."""

    cell: str
    ties: tuple[TieSide, ...]
    planner: Planner
    settings: Settings = field(default_factory=Settings)
    main_grid: MainGrid | None = None
    """In cells that have a switch to the main grid."""
    ladder: Ladder = field(init=False)
    clock: SteadyClock = field(default_factory=SteadyClock)
    level: Level = Level.RULES
    """What it acts by now."""
    acts_on: Mapping[str, Record] = field(default_factory=dict)
    """Records in force at the last step, by tie."""
    acted_at: datetime = EPOCH
    """UTC of the last step, as this cell believes it to be."""
    splits: int = 0
    """Agreements that only this end had confirmed, as far as meters have shown."""
    _ends: dict[str, TieEnd] = field(init=False)
    _side: dict[str, TieSide] = field(init=False)
    """By neighbour."""
    _well_since: dict[str, float] = field(default_factory=dict)
    _absent: dict[str, float] = field(default_factory=dict)
    """When a neighbour last said that it takes no part."""
    _excused_s: float = float("-inf")
    """When this cell last said so."""
    _latched: bool = False
    """Whether the ladder was latched at the last step."""
    _talk: Conversation | None = None
    _ticked_s: float = 0.0
    _plans: dict[int, Plan] = field(default_factory=dict)
    """By number: the one in force and the one to come."""
    _orders: Orders = field(default_factory=dict)
    _decided: tuple[Any, ...] | None = None
    """What the orders were made for."""
    _judged: tuple[Level, str, Level] = (Level.RULES, "", Level.RULES)
    """What to act by, why not by more, and what health would allow."""
    _judged_by: tuple[Any, ...] | None = None
    """What that was found from."""
    _healthy_now: frozenset[str] = frozenset()
    _against: dict[str, float] = field(default_factory=dict)
    """Since when a tie's meter contradicts."""
    _doubts: bool = False
    """Whether a meter differed at the last step, for however short."""
    _stepped_s: float = 0.0
    """Monotonic time of the last step."""
    _early: dict[str, Message] = field(default_factory=dict)
    """The last word of every neighbour about a plan that has not begun here; before we answer it says no more."""
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
        notes: list[Note] = []
        mail: list[Mail] = []
        at_switch = None
        if self.main_grid is not None:
            known = facts_at(snapshot.at_switch, now.mono_s)
            at_switch = self.main_grid.step(known, snapshot.stored_soc, notes)
            snapshot = replace(snapshot, trouble=self.main_grid.apart or snapshot.trouble)
        healthy = self._healthy(now.mono_s, snapshot)
        utc = self._utc(now, snapshot, healthy, notes)
        self.acted_at, self._stepped_s = utc, now.mono_s
        if inbox:
            self._hear(inbox, now.mono_s, utc, mail, notes)
        held = {side.neighbour: self._held(side, utc) for side in self.ties}
        self._compare(now.mono_s, utc, snapshot, held, notes)
        self._act(now.mono_s, utc, snapshot, healthy, held, notes)
        able = not (self.clock.stepped or snapshot.trouble or self.ladder.latched or self.ladder.level is Level.RULES)
        self._plan(now.mono_s, utc, snapshot, self._partners(now.mono_s, healthy, mail, able=able), mail, notes)
        for side in self.ties:
            if words := self._ends[side.id].outbox(utc):
                mail += [Mail(self.cell, side.neighbour, word) for word in words]
        orders = self._orders if self.main_grid is None else self.main_grid.with_shed(self._orders)
        return Intentions(orders, now.mono_s + self.settings.lease_s, mail, notes, at_switch)

    def holdings(self, now: datetime) -> dict[str, Holding]:
        """What holds on every tie, by its id."""
        return {side.id: self._held(side, now) for side in self.ties}

    def renewed(self) -> Controller:
        """The same cell with nothing agreed: for a change of mode."""
        main_grid = None if self.main_grid is None else self.main_grid.renewed()
        return Controller(self.cell, self.ties, self.planner, self.settings, main_grid)

    def last_plan(self, tie: str) -> int:
        """Number of the newest plan accepted on a tie; -1 before the first."""
        return self._ends[tie].last_plan

    def quiet_until(self) -> float:
        """Monotonic time before which steps like the last one would do nothing: with no mail, the same readings but
        for what devices measure, and clocks that run evenly. The time of that step when this cannot be told."""
        now_s, utc, ladder = self._stepped_s, self.acted_at, self.ladder
        level, _, well = self._judged
        waiting = (
            self.clock.stepped or not self.clock.vouched or self._doubts or self._absent or ladder.latched
            or self.main_grid is not None or ladder.level is not well or level is Level.RULES
            or len(self._well_since) != len(self._healthy_now)
            or (self._talk is not None and self._talk.outcome is None)
            or any(end.speaks(utc) for end in self._ends.values())
        )  # fmt: skip
        return now_s if waiting else now_s + until_next_s(utc, self.settings)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """How much of everything that waits is held, and the most there may be."""
        return {
            "early mail": (len(self._early), len(self.ties)),
            "plans": (len(self._plans), 4),
            "words": (len(self._words), len(self.ties)),
        }

    def restore(self, notes: list[Note], now: Instant) -> None:
        """Take up again what the journal holds (oldest first): agreements, where it stood, whether it was latched."""
        self.clock = SteadyClock(vouched=not self.ties)
        entries = [entry_of(note.body) for note in notes if note.kind == "agreement"]
        for end in self._ends.values():
            end.restore(entries, now.utc)
        modes = [note.body for note in notes if note.kind == "mode"]
        if modes:
            self.ladder.latched = self._latched = bool(modes[-1].get("latched", False))
        stood = [body["after"] for body in modes if body["what"] == "ladder"]
        if stood and stood[-1] != Level.RULES.name:
            self.ladder.level = Level.ALONE  # agreements in force are followed at once; more must be earned anew

    # ---------------------------------------------------------------- clocks and health

    def _utc(self, now: Instant, snapshot: Snapshot, healthy: frozenset[str], notes: list[Note]) -> datetime:
        clock = self.clock
        utc = clock.read(now, neighbours=bool(snapshot.neighbours), well=bool(healthy))
        if clock.said:
            notes.append(Note("clock", f"{now.mono_s:.3f}", {"off_s": round(clock.off_s, 3), "why": clock.said}))
            if clock.stepped:
                self._well_since.clear()  # neighbours show anew whether they have the same time
        return utc

    def _held(self, side: TieSide, utc: datetime) -> Holding:
        if self.clock.vouched:
            return self._ends[side.id].holding(utc)
        return Holding(side.default_kw, None, "since the restart no neighbour has shown that the clock is right")

    def _healthy(self, mono_s: float, snapshot: Snapshot) -> frozenset[str]:
        """Neighbours that have been well for long enough."""
        for name in self._side:
            if name not in snapshot.neighbours:
                self._well_since.pop(name, None)
            else:
                self._well_since.setdefault(name, mono_s)
        enough = mono_s - self.settings.healthy_s
        well = [name for name, since in self._well_since.items() if since <= enough]
        if len(well) != len(self._healthy_now) or not self._healthy_now.issuperset(well):
            self._healthy_now = frozenset(well)
        return self._healthy_now

    def _partners(
        self, mono_s: float, healthy: frozenset[str], mail: list[Mail], *, able: bool
    ) -> frozenset[str] | None:
        """Neighbours to plan with; None when this cell cannot plan. It says so then: others would wait for it."""
        again_s = NO_PART_REPEATS * self.settings.repeat_s
        if not able:
            if mono_s - self._excused_s >= again_s:
                self._excused_s = mono_s
                mail += [
                    Mail(self.cell, s.neighbour, Message(NO_PART, 0, s.upward, self.cell, s.neighbour, {}))
                    for s in self.ties
                ]
            return None
        if self._absent:
            self._absent = {name: at for name, at in self._absent.items() if mono_s - at < 3 * again_s}
            return healthy - self._absent.keys()
        return healthy

    # ---------------------------------------------------------------- messages

    def _hear(self, inbox: list[Mail], mono_s: float, utc: datetime, mail: list[Mail], notes: list[Note]) -> None:
        for letter in inbox:
            side = self._side.get(letter.sender)
            if side is None or letter.receiver != self.cell:
                continue
            if isinstance(letter.said, Acceptance):
                if letter.said.tie == side.id:
                    self._words[side.id] = letter.said
                    self._weigh(side, utc, notes)
            elif letter.said.sender == letter.sender:
                if letter.said.plan == NO_PART:
                    self._absent[letter.sender] = mono_s
                elif self._talk is not None and letter.said.plan == self._talk.plan:
                    heard = partial(self._talk.receive, [letter.said])
                    self._go_on(self._talk, heard, f"on hearing {letter.sender}", mail, notes)
                elif letter.said.kind is Kind.SAY and (self._talk is None or letter.said.plan > self._talk.plan):
                    self._early[letter.sender] = letter.said  # our clock is a little behind its

    def _weigh(self, side: TieSide, utc: datetime, notes: list[Note]) -> None:
        """Hold the other end's word against the own record."""
        if (word := self._words.get(side.id)) is not None:
            entry = self._ends[side.id].hear(word, utc)
            if entry is not None:
                notes.append(note_of(entry))

    def _go_on(
        self, talk: Conversation, act: Callable[[], list[Message]], why: str, mail: list[Mail], notes: list[Note]
    ) -> None:
        """Let the plan begin, hear or wait. An error in it ends the plan, never the cell: devices and agreements in
        force need this step to go on, and a neighbour with other software must not be able to stop it."""
        waits, children, was_open = talk.waits, talk.children, talk.outcome is None
        try:
            self._say(act(), mail)
        except Exception as error:
            talk.close(Silent(""))
            why = f"plan {talk.plan} failed {why}: {error!r}"
            notes.append(Note("plan", f"{talk.plan}/failed", {"plan": talk.plan, "why": why}))
            return
        if talk.waits > waits:
            self._ticked_s = self._stepped_s
        notes += talk_notes(talk, children, start_of(talk.plan, self.settings), was_open=was_open)

    def _say(self, messages: list[Message], mail: list[Mail]) -> None:
        mail += [Mail(self.cell, message.receiver, message) for message in messages]

    # ---------------------------------------------------------------- planning

    def _plan(
        self,
        mono_s: float,
        utc: datetime,
        snapshot: Snapshot,
        partners: frozenset[str] | None,
        mail: list[Mail],
        notes: list[Note],
    ) -> None:
        if partners is not None and (due := self._due(utc, partners)) is not None:
            number, start = due
            children = tuple(s.neighbour for s in self.ties if not s.upward and s.neighbour in partners)
            parent = next((s.neighbour for s in self.ties if s.upward), "")
            held = {s.neighbour: self._ends[s.id].expected_kw(start) for s in self.ties}
            devices, told = snapshot.devices, self._orders

            def program(left: tuple[str, ...]) -> Program:
                return self.planner.program(start, utc, devices, told, left, held)

            body = {"plan": number, "start": start.isoformat(), "with": list(children), "held_kw": held}
            notes.append(Note("begun", f"{number}", body))
            patience = max(3, round(self.settings.silent_s / self.settings.repeat_s))
            self._talk = Conversation(number, self.cell, parent, children, program(children), patience, program)
            self._go_on(self._talk, self._talk.open, "at its beginning", mail, notes)
            early, self._early = self._early, {}
            heard = [said for said in early.values() if said.plan == number]
            senders = ", ".join(said.sender for said in heard)
            self._go_on(self._talk, partial(self._talk.receive, heard), f"on hearing {senders}", mail, notes)
        talk = self._talk
        if talk is None or isinstance(talk.outcome, Silent) or talk.plan in self._plans:
            return
        if talk.outcome is None and mono_s - self._ticked_s >= self.settings.repeat_s:
            self._ticked_s = mono_s
            self._go_on(talk, talk.tick, "while it waited", mail, notes)
        start = start_of(talk.plan, self.settings)
        if talk.outcome is None and utc >= start:
            why = f"not ready by its start, when it still waited for {', '.join(talk.waits_for)}"
            notes.append(Note("late", f"{talk.plan}", {"plan": talk.plan, "start": start.isoformat(), "why": why}))
            talk.close(Silent(""))
        if talk.outcome is not None and not isinstance(talk.outcome, Silent):
            self._accept(talk, start, utc, notes)

    def _due(self, utc: datetime, partners: frozenset[str]) -> tuple[int, datetime] | None:
        """Number and start of the plan to begin now."""
        number = attempt_at(utc, self.settings)
        if number is None or (self._talk is not None and self._talk.plan >= number):
            return None
        if not all(side.neighbour in partners for side in self.ties if side.upward):
            return None
        if any(end.last_plan >= number for end in self._ends.values()):
            return None  # accepted in an earlier life
        start = start_of(number, self.settings)
        agreed = self.ties and all(self._ends[s.id].confirmed_for(start) for s in self.ties if s.neighbour in partners)
        if agreed and all(said.plan != number for said in self._early.values()):
            return None
        return number, start

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
                    notes.append(note_of(Entry("refused", record, why)))
                else:
                    notes.append(note_of(self._ends[side.id].accept(record, utc)))
                    self._weigh(side, utc, notes)

    # ---------------------------------------------------------------- meters

    def _compare(
        self, mono_s: float, utc: datetime, snapshot: Snapshot, held: dict[str, Holding], notes: list[Note]
    ) -> None:
        """Leave an agreement that a meter contradicts, or that passes what an operator allows."""
        self._doubts = False
        for side in self.ties:
            record, p_kw = held[side.neighbour].record, held[side.neighbour].p_kw
            if side.upward and record is not None and snapshot.cap is not None and (why := snapshot.cap.breach(p_kw)):
                if (entry := self._ends[side.id].contradicted(utc, why)) is not None:
                    notes.append(note_of(entry))
                    held[side.neighbour] = self._ends[side.id].holding(utc)
                continue
            metered = snapshot.tie_kw.get(side.id)
            if metered is not None and not abs(metered) <= side.most_kw:
                metered = None  # NaN, or no power this tie can carry
            if record is None or metered is None or abs(metered - p_kw) <= side.tolerance_kw:
                self._against.pop(side.id, None)
                continue
            self._doubts = True
            if (utc - record.start).total_seconds() % record.step_s < self.settings.grace_s:
                self._against.pop(side.id, None)
                continue
            since = self._against.setdefault(side.id, mono_s)
            if mono_s - since >= self.settings.contradiction_s:
                end = self._ends[side.id]
                why = f"metered {metered:.1f} kW, agreed {p_kw:.1f} kW, tolerance {side.tolerance_kw:.1f} kW"
                if (entry := end.contradicted(utc, why)) is not None:
                    self.splits += 1
                    notes.append(note_of(entry))
                    held[side.neighbour] = end.holding(utc)

    # ---------------------------------------------------------------- acting

    def _act(
        self,
        mono_s: float,
        utc: datetime,
        snapshot: Snapshot,
        healthy: frozenset[str],
        held: Mapping[str, Holding],
        notes: list[Note],
    ) -> None:
        """Choose the level, then the orders; they are made anew when the step of time or what holds changes."""
        facts = (held, healthy, snapshot.trouble, snapshot.neighbours)
        if facts != self._judged_by:
            self._judged_by = facts
            self._judged = (*self._possible(held, healthy, snapshot), self._well(snapshot))
            self.acts_on = {h.record.tie: h.record for h in held.values() if h.record is not None}
        level, why, well = self._judged
        if (change := self.ladder.observe(mono_s, well, why)) is not None:
            notes.append(self._mode(change.at_s, "ladder", change.before, change.after, change.why))
        if self.ladder.latched is not self._latched:
            self._latched = self.ladder.latched
            why_latched = "it swings; an operator must look" if self._latched else "an operator has looked"
            notes.append(self._mode(mono_s, "latch", self.ladder.level, self.ladder.level, why_latched))
        level = Level.RULES if self.ladder.level is Level.RULES else level
        if level is not self.level:
            notes.append(self._mode(mono_s, "acts", self.level, level, why))
            self.level = level
        made_for = (step_at(utc, self.settings), level, self.acts_on, snapshot.cap)
        if made_for != self._decided:
            self._decided = made_for
            records = {name: h.record for name, h in held.items() if h.record is not None}
            self._orders = self._choose(level, utc, snapshot, records)

    def _choose(self, level: Level, utc: datetime, snapshot: Snapshot, records: Mapping[str, Record]) -> Orders:
        if level is Level.RULES:
            return {}
        numbers = {record.plan for record in records.values()}
        if level <= Level.FOLLOWING:
            plan = self._plans.get(numbers.pop()) if len(numbers) == 1 else None
            if not self.ties:  # a whole archipelago of one cell
                number = max((n for n in self._plans if start_of(n, self.settings) <= utc), default=None)
                plan = None if number is None else self._plans[number]
            if plan is not None:
                return plan.orders(utc, snapshot.devices)
        pins = {name: value for name, r in records.items() if (value := r.at(utc)) is not None}
        return self.planner.alone(utc, snapshot.devices, pins)

    def _well(self, snapshot: Snapshot) -> Level:
        """What health would allow now, whatever is agreed; the ladder waits until it has lasted."""
        if snapshot.trouble:
            return Level.RULES
        if self._side.keys() <= snapshot.neighbours:
            return Level.COOPERATING
        return Level.ALONE if self._side.keys().isdisjoint(snapshot.neighbours) else Level.FALLBACK

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
        return mode_note(at_s, what, before, after, why, latched=self.ladder.latched)
