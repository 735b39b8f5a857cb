"""Invariants of what cells note, tell and act by: I3, I3b, I5, I10 and the contract of I1 (see `watch`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from archipel.controller.facts import Intentions, Note
from archipel.controller.ladder import Level
from archipel.controller.notes import entry_of
from archipel.coordination.handshake import Acceptance, Record
from archipel.twin.faults.host import Host
from archipel.twin.faults.village import START


@final
@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    name: str
    at_s: float
    cell: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name} at {self.at_s:.2f} s, {self.cell}: found {self.found}; expected {self.expected}"


@final
@dataclass(slots=True)
class Books:
    """What every cell has promised, noted and done about agreements."""

    broken: list[Violation] = field(default_factory=list)
    mismatches: int = 0
    """Ends that found the other with another record of the same plan."""
    restart_s: float = -math.inf
    """The last restart anywhere."""
    acts: dict[str, dict[str, Record]] = field(default_factory=dict)
    """Records every cell acts on, by tie."""
    off_s: dict[str, float] = field(default_factory=dict)
    """By how much what a cell takes for UTC is off."""
    cooperated_s: dict[str, float] = field(default_factory=dict)
    """When a cell was last at the top of the ladder."""
    _level: dict[str, Level] = field(default_factory=dict)
    _noted: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Events (key, start) on every disk or about to be, by cell."""
    _durable: dict[str, set[tuple[str, int, str]]] = field(default_factory=dict)
    """Accepted records (tie, plan, digest) on every disk."""

    def say(self, name: str, at_s: float, cell: str, found: str, expected: str) -> None:
        """Note a violation; a story needs no more than twenty."""
        if len(self.broken) < 20:
            self.broken.append(Violation(name, at_s, cell, found, expected))

    # ---------------------------------------------------------------- one cell's step

    def stepped(self, host: Host, wants: Intentions, now_s: float) -> None:
        """Right after a controller has thought, before anything it wants is done."""
        name, controller = host.name, host.controller
        before, acts = self.acts.get(name, {}), dict(controller.acts_on)
        if acts != before:
            self._traced(host, before, acts, wants.notes, now_s)
            self.acts[name] = acts
        for record in acts.values():
            if controller.acted_at >= record.until:
                self.say("I4", now_s, name, f"acts on {record.tie}/{record.plan} after its end", "the default")
        self.off_s[name] = (controller.acted_at - START).total_seconds() - now_s
        if controller.level is not self._level.get(name, Level.RULES):
            self._level[name] = controller.level
            if not any(note.kind == "mode" and note.key.startswith("acts/") for note in wants.notes):
                self.say("I10", now_s, name, f"level {controller.level.name} without a note", "a note of every change")
        if controller.level is Level.COOPERATING:
            self.cooperated_s[name] = now_s
        for note in wants.notes:
            self._booked(host, note, now_s)

    def _booked(self, host: Host, note: Note, now_s: float) -> None:
        if note.kind == "plan":
            self.say("P", now_s, host.name, str(note.body["why"]), "plans that end, or run out of time")
        if note.kind != "agreement":
            return
        noted = self._noted.setdefault(host.name, set())
        key = (note.key, str(note.body["start"]))
        if key in noted:
            self.say("I3", now_s, host.name, f"{note.key} noted twice", "every event of a record once")
        noted.add(key)
        contract = host.contract_kw[str(note.body["tie"])]
        worst = max((abs(p) for p in note.body["p_kw"]), key=lambda p: math.inf if math.isnan(p) else p)
        if note.body["event"] == "accepted" and not worst <= contract + 1e-6:
            self.say("I1", now_s, host.name, f"{note.key}: {worst} kW", f"at most {contract:.1f} kW, the contract")
        if note.body["event"] == "confirmed":
            self._both(host, note, now_s)
        if "another record" in str(note.body["why"]):
            self.mismatches += 1
            if now_s - self.restart_s > 90.0:
                self.say("I5", now_s, host.name, f"{note.key}: two records of one plan", "the same at both ends")

    def _both(self, host: Host, note: Note, now_s: float) -> None:
        """I10: who confirms has the other's word, and the other has it on its disk."""
        tie, plan, digest = _accepted(note)
        other = next(side.neighbour for side in host.ties if side.id == tie)
        if (tie, plan, digest) not in self._durable.get(other, set()):
            self.say("I10", now_s, host.name, f"{note.key}, which {other} never accepted", "both have accepted it")

    def _traced(
        self, host: Host, before: dict[str, Record], acts: dict[str, Record], notes: list[Note], now_s: float
    ) -> None:
        """I10 for what a cell acts by."""
        kept = [note for note in host.disk.kept if note.kind == "agreement"] + [
            n for n in notes if n.kind == "agreement"
        ]
        for tie in {**before, **acts}:
            old, new = before.get(tie), acts.get(tie)
            if new is not None and new != old:
                events = {n.body["event"] for n in kept if n.body["tie"] == tie and n.body["plan"] == new.plan}
                if not {"accepted", "confirmed"} <= events:
                    expected = "accepted and confirmed"
                    self.say("I10", now_s, host.name, f"acts on {tie}/{new.plan}, noted {sorted(events)}", expected)
            if old is not None and new is None and not self._may_leave(host, old, kept, now_s):
                self.say("I10", now_s, host.name, f"left {tie}/{old.plan} without a reason", "a note, or its end")

    def _may_leave(self, host: Host, old: Record, kept: list[Note], now_s: float) -> bool:
        if host.utc(now_s) >= old.until or abs(host.stepped_s) > 0.0:
            return True
        for n in kept:
            same_tie = n.body["tie"] == old.tie
            if same_tie and n.body["plan"] == old.plan and n.body["event"] in {"refused", "contradicted"}:
                return True
            if same_tie and n.body["plan"] > old.plan and n.body["event"] == "accepted":
                return True
        return now_s - self.restart_s < 30.0

    # ---------------------------------------------------------------- what leaves the cell

    def committed(self, host: Host, notes: list[Note]) -> None:
        """Notes that are on the disk now."""
        durable = self._durable.setdefault(host.name, set())
        for note in notes:
            if note.kind == "agreement" and note.body["event"] == "accepted":
                durable.add(_accepted(note))

    def sent(self, host: Host, said: object, now_s: float) -> None:
        """A word leaves the cell."""
        if isinstance(said, Acceptance):
            key = (said.tie, said.plan, said.digest)
            if key not in self._durable.get(host.name, set()):
                self.say("I3b", now_s, host.name, f"acceptance of {said.tie}/{said.plan} sent", "on the disk before")

    def started(self, host: Host, now_s: float) -> None:
        """A cell is back."""
        self.restart_s = now_s
        self.acts[host.name] = {}
        self._level[host.name] = Level.RULES
        kept = [n for n in host.disk.kept if n.kind == "agreement"]
        self._noted[host.name] = {(n.key, str(n.body["start"])) for n in kept}
        durable = {_accepted(n) for n in kept if n.body["event"] == "accepted"}
        lost = self._durable.get(host.name, set()) - durable
        if lost:
            self.say("I3b", now_s, host.name, f"{len(lost)} acknowledged acceptances lost", "none lost in a crash")
        newest = {tie: max(p for t, p, _ in durable if t == tie) for tie, _, _ in durable}
        for tie, plan in newest.items():
            if host.controller.last_plan(tie) < plan:
                self.say("I3b", now_s, host.name, f"{tie}: forgot that plan {plan} was accepted", "remembered")


def _accepted(note: Note) -> tuple[str, int, str]:
    """Tie, plan and digest of a noted record."""
    record = entry_of(note.body).record
    return record.tie, record.plan, record.digest
