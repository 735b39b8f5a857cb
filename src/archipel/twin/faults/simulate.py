"""Eight real controllers through one seeded story of faults, on one clock: a heap of events, nothing else.

Same seed, same story: nothing here reads a clock, and every random number comes from generators made from the seed.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from archipel.controller.facts import Intentions
from archipel.twin.faults.books import Violation
from archipel.twin.faults.host import Host, Letter
from archipel.twin.faults.physics import Physics
from archipel.twin.faults.post import Post
from archipel.twin.faults.swarm import Faults, Spell, draw
from archipel.twin.faults.village import NAMES, STEP_S, village
from archipel.twin.faults.watch import Watch

BACK_S = 150.0
"""After healing: two plans' time, health for ten seconds, and a plan that fails."""
SHORTEST_MINUTES = 6.0
"""In less, cooperation could not come back after healing."""
WAKE_S = 0.05
"""Mail that comes together is taken together."""
OPERATOR_S = 40.0
"""How often somebody looks at ladders that have latched."""


@final
@dataclass(frozen=True, slots=True)
class Story:
    """What happened."""

    seed: int
    minutes: float
    faults: Faults
    counts: dict[str, int]
    splits: int
    """Agreements that only one of two running ends acted on."""
    violations: tuple[Violation, ...]
    trace: str
    """Hash of every event in its order."""
    lines: tuple[str, ...]
    """The story for people; empty unless it was asked for."""

    @property
    def replay(self) -> str:
        """The command that shows this story again."""
        return f"python -m archipel.twin.faults {self.seed} --minutes {self.minutes:g}"


def simulate(seed: int, minutes: float = 10.0, faults: Faults | None = None, *, tell: bool = False) -> Story:
    """One story. `faults` are drawn from the seed unless given; `tell` keeps the lines of the story.

    Raises:
        ValueError: for a story shorter than `SHORTEST_MINUTES`.
    """
    if minutes < SHORTEST_MINUTES:
        raise ValueError(f"found a story of {minutes:g} minutes; expected at least {SHORTEST_MINUTES:g}")
    return Simulation(seed, 60.0 * minutes, faults, tell=tell).run()


@final
class Simulation:
    """The one clock."""

    def __init__(self, seed: int, length_s: float, faults: Faults | None, *, tell: bool) -> None:
        self.seed, self.length_s, self._tell = seed, length_s, tell
        self.faults = draw(seed, length_s) if faults is None else faults
        self.village = village(seed, int(length_s // STEP_S))
        self.physics = Physics(self.village, random.Random(f"physics {seed}"))
        rng = random.Random(f"clocks {seed}")
        self.hosts = {
            name: Host(
                self.village, name, self.physics.yard.get(name), (rng.uniform(-0.4, 0.4), rng.uniform(-5e-5, 5e-5))
            )
            for name in NAMES
        }
        self.watch = Watch(self.village, self.hosts, self.physics)
        self.books = self.watch.books
        self.counts: Counter[str] = Counter()
        self.every_tick = False
        """Whether controllers think every second even when nothing can have changed; gives the same story."""
        self.lines: list[str] = []
        self.now_s = 0.0
        self.post = Post(self.faults, random.Random(f"post {seed}"), self.counts)
        self._disk = random.Random(f"disk {seed}")
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._trace = hashlib.blake2b(digest_size=16)
        self._dying: dict[str, tuple[str, float]] = {}
        """Cells that die when they next reach a point in their work, and how long they stay down."""
        self._outside_lost = False

    # ---------------------------------------------------------------- the clock

    def at(self, when_s: float, do: Callable[..., None], *what: Any) -> None:
        """Let something happen."""
        self._number += 1
        heapq.heappush(self._heap, (when_s, self._number, do, what))

    def run(self) -> Story:
        """Until the end."""
        rng = random.Random(f"phases {self.seed}")
        for name in NAMES:
            self.at(rng.uniform(0.0, 1.0), self._start, name, 0)
        self.at(0.0, self._physics)
        self.at(OPERATOR_S, self._operator)
        self._schedule()
        heap, update, end_s = self._heap, self._trace.update, self.length_s
        while heap and heap[0][0] <= end_s:
            self.now_s, number, do, what = heapq.heappop(heap)
            update(f"{self.now_s:.6f} {number} {do.__name__} {what[0] if what else ''}\n".encode())
            do(*what)
        self.watch.ended(end_s, max(self.faults.heal_s + BACK_S, end_s - 120.0))
        self.counts.update(
            {
                "solves": self.physics.solves,
                "agreed": len(self.watch.agreed),
                "mismatches": self.books.mismatches,
                "contradicted": sum(host.controller.splits for host in self.hosts.values()),
                "events": self._number,
            }
        )
        return Story(
            self.seed, end_s / 60.0, self.faults, dict(sorted(self.counts.items())), len(self.watch.splits),
            tuple(self.books.broken), self._trace.hexdigest(), tuple(self.lines),
        )  # fmt: skip

    def _schedule(self) -> None:
        f = self.faults
        for s in f.crashes:
            self.at(s.start_s, self._crash_soon, s.cell, s)
        for s in f.hangs:
            self.at(s.start_s, self._hang, s.cell, s)
        for kind, spells in (
            ("clock", f.clocks),
            ("reading", f.readings),
            ("device", f.devices),
            ("outside", f.outside),
            ("tag", f.tags),
        ):
            for s in spells:
                self.at(s.start_s, self._spell, s.cell, kind, s, True)
                self.at(s.end_s, self._spell, s.cell, kind, s, False)
        for cut in f.cuts:
            self._say(cut.start_s, "", f"cut until {cut.end_s:.0f} s: {sorted(cut.senders)} to {sorted(cut.receivers)}")
        for when in f.replays:
            self.at(when, self._replay)
        for when in f.forgeries:
            self.at(when, self._forge)
        self.at(f.heal_s, self._heal)

    def _say(self, now_s: float, cell: str, text: str) -> None:
        if self._tell:
            self.lines.append(f"{now_s:8.2f} s  {cell:6s} {text}")

    # ---------------------------------------------------------------- physics

    def _physics(self) -> None:
        now_s = self.now_s
        solved = self.physics.step(now_s)
        self.hosts["hill"].grid_kw = 0.0 if self._outside_lost else 12.0
        self.watch.looked(now_s, solved=solved)
        self.at(now_s + 1.0, self._physics)

    # ---------------------------------------------------------------- a process

    def _start(self, name: str, life: int) -> None:
        host = self.hosts[name]
        if host.running or host.life != life:
            return
        host.start(self.now_s)
        if life:
            self.books.started(host, self.now_s)
        self._say(self.now_s, name, f"starts, {len(host.disk.kept)} notes on its disk")
        self._tick(name, host.life)

    def _tick(self, name: str, life: int) -> None:
        host = self.hosts[name]
        if host.life != life:
            return
        now_s = self.now_s
        self.at(now_s + 1.0, self._tick, name, life)
        if host.hung:
            return
        for side in host.ties:
            other = self.hosts[side.neighbour]
            if other.running and not other.hung and self.post.linked(name, side.neighbour, now_s):
                host.meet(other, now_s)
        host.look(now_s)
        if self.every_tick or not host.quiet(now_s, self.physics.tie_kw):
            self._think(host)

    def _wake(self, name: str, life: int) -> None:
        host = self.hosts[name]
        if host.life == life and host.planned_s == self.now_s:
            host.planned_s = float("inf")
            if host.inbox and not host.hung:
                self._think(host)

    def _think(self, host: Host) -> None:
        if host.pending is not None:
            return  # it waits for its disk
        self.counts["steps"] += 1
        wants = host.step(self.now_s, self.physics.tie_kw)
        self.books.stepped(host, wants, self.now_s)
        if not wants.notes:
            self._carry_out(host, wants)
            return
        if self._tell:
            for note in wants.notes:
                why = note.body.get("why") or note.body.get("event")
                self._say(self.now_s, host.name, f"{note.kind} {note.key} {note.body.get('after', '')} {why}")
        host.disk.stage(wants.notes)
        host.pending = wants
        if self._dies(host, "staged"):
            return
        slow = self._disk.random() < self.faults.slow_disk and self.now_s < self.faults.heal_s
        self.at(self.now_s + (self._disk.uniform(0.3, 3.0) if slow else 0.003), self._commit, host.name, host.life)

    def _commit(self, name: str, life: int) -> None:
        host = self.hosts[name]
        if host.life != life or host.pending is None:
            return
        if host.hung:
            self.at(self.now_s + 0.5, self._commit, name, life)
            return
        wants, host.pending = host.pending, None
        self.books.committed(host, host.disk.commit())
        if not self._dies(host, "committed"):
            self._carry_out(host, wants)

    def _carry_out(self, host: Host, wants: Intentions) -> None:
        written = host.write(wants, self.now_s)
        if written:
            self.watch.wrote(host, wants, written, self.now_s)
        half = len(wants.mail) // 2
        for i, mail in enumerate(wants.mail):
            if i == half and self._dies(host, "half sent"):
                return
            self.books.sent(host, mail.said, self.now_s)
            letter = host.letter(mail)
            for when_s in self.post.arrivals(letter, self.now_s):
                self.at(when_s, self._deliver, letter.receiver, letter)
        if host.inbox:
            self._plan_wake(host)

    def _plan_wake(self, host: Host) -> None:
        if host.planned_s == float("inf") and host.pending is None:
            host.planned_s = self.now_s + WAKE_S
            self.at(host.planned_s, self._wake, host.name, host.life)

    def _deliver(self, name: str, letter: Letter) -> None:
        host = self.hosts[name]
        if not host.running:
            return
        if not host.receive(letter):
            self.counts["refused"] += 1
        elif not host.hung:
            self._plan_wake(host)

    def _replay(self) -> None:
        for letter in self.post.replayed():
            self.at(self.now_s, self._deliver, letter.receiver, letter)

    def _forge(self) -> None:
        for letter in self.post.forged():
            self.at(self.now_s + 0.01, self._deliver, letter.receiver, letter)

    # ---------------------------------------------------------------- faults

    def _dies(self, host: Host, point: str) -> bool:
        if (due := self._dying.get(host.name)) is None or due[0] != point:
            return False
        del self._dying[host.name]
        self._crash(host, due[1])
        return True

    def _crash_soon(self, name: str, spell: Spell) -> None:
        host, down_s = self.hosts[name], spell.end_s - spell.start_s
        if not host.running or name in self._dying:
            return
        if spell.what == "at once":
            self._crash(host, down_s)
        else:
            self._dying[name] = (spell.what, down_s)

    def _crash(self, host: Host, down_s: float) -> None:
        self.counts["crashes"] += 1
        self._say(self.now_s, host.name, f"killed, down for {down_s:.1f} s")
        host.crash()
        self.at(self.now_s + down_s, self._start, host.name, host.life)

    def _hang(self, name: str, spell: Spell) -> None:
        host = self.hosts[name]
        if host.running and not host.hung:
            self._say(self.now_s, name, f"hangs until {spell.end_s:.1f} s")
            host.hung = True
            self.at(spell.end_s, self._resume, name, host.life)

    def _resume(self, name: str, life: int) -> None:
        host = self.hosts[name]
        if host.life == life:
            host.hung = False
            self._plan_wake(host)

    def _spell(self, name: str, kind: str, spell: Spell, begins: bool) -> None:
        host = self.hosts[name]
        self._say(self.now_s, name, f"{kind} {spell.what or ''} {spell.size or ''} {'begins' if begins else 'ends'}")
        host.quiet_s = float("-inf")
        what, _, how = spell.what.partition(" ")
        if kind == "clock":
            host.stepped_s = spell.size if begins else 0.0
        elif kind == "outside":
            self._outside_lost = begins
        elif kind == "tag":
            self._tag(host, begins)
        else:
            key = f"{what}/{name}" if kind == "device" else what
            faulty = host.instruments.faulty if host.yard is None or kind == "reading" else host.yard.faulty
            if host.yard is not None:
                host.instruments.soc(host.yard.soc_at(self.now_s), self.now_s)  # the last one before it, or after it
            if begins:
                faulty[key] = how
            else:
                faulty.pop(key, None)
            if host.yard is not None:
                host.yard.due_s = self.now_s

    def _tag(self, host: Host, begins: bool) -> None:
        if not host.running or host.pending is not None:  # the operator waits until the cell answers
            self.at(self.now_s + 1.0, self._later_tag, host.name, begins)
            return
        host.tag(begins)
        host.disk.commit()
        if begins and host.yard is not None:
            self.watch.tagged[f"switch/{host.name}"] = host.yard.operations
        else:
            self.watch.tagged.pop(f"switch/{host.name}", None)

    def _later_tag(self, name: str, begins: bool) -> None:
        self._tag(self.hosts[name], begins)

    def _heal(self) -> None:
        """Nothing new goes wrong."""
        self._dying.clear()

    def _operator(self) -> None:
        """Looks at latched ladders now and then."""
        for host in self.hosts.values():
            if host.running and not host.hung and host.controller.ladder.latched:
                self._say(self.now_s, host.name, "an operator looks")
                host.controller.ladder.release(host.mono_s(self.now_s))
        self.at(self.now_s + OPERATOR_S, self._operator)
