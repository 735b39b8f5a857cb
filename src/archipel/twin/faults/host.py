"""One cell's process: a real controller between its clock, its disk, its instruments, its devices and its mail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from archipel.controller.facts import Instant, Intentions, Mail, Note, Snapshot
from archipel.controller.leases import Lease
from archipel.controller.stepping import Controller, Settings
from archipel.transport.replay import ReplayWindow
from archipel.twin.faults.disk import Disk
from archipel.twin.faults.physics import Yard
from archipel.twin.faults.readings import Instruments
from archipel.twin.faults.sharing import Facts, SharePlanner
from archipel.twin.faults.village import START, Place, Village

SETTINGS = Settings(
    every_s=60, step_s=30, lead_s=24.0, attempts=3, repeat_s=1.0, lease_s=20.0, contradiction_s=4.0, grace_s=5.0,
    healthy_s=10.0,
)  # fmt: skip
LINK_S = 2.0
"""A neighbour not heard for so long is gone; one whose clock differs by more is not agreed with."""
MOST_LETTERS = 1000
"""What waits in the inbox of a process that does not run."""


@final
@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way."""

    sender: str
    receiver: str
    epoch: int
    counter: int
    mail: Mail
    genuine: bool = True
    """Whether its signature is right."""


@final
class Host:
    """A process that may be killed, stopped, and started again on what its disk holds."""

    def __init__(self, village: Village, name: str, yard: Yard | None, clock: tuple[float, float]) -> None:
        """`clock`: how far its UTC clock is off [s], and by what share its clocks run fast."""
        self.name, self.yard = name, yard
        self.here: Place = village.place[name]
        self.ties = village.ties(name)
        place = village.place
        children = self.here.children
        self.planner = SharePlanner(
            self.here,
            {child: place[child].subtree_import_kw for child in children},
            {child: place[child].head_kw / 2 for child in children},
        )
        lower = {side.id: place[side.id.removeprefix("tie/")] for side in self.ties}
        self.instruments = Instruments(self.here, tuple(lower))
        self.contract_kw = {tie: p.contract_kw for tie, p in lower.items()}
        self.disk = Disk()
        self.window = ReplayWindow()
        self.epoch, self.counter, self.life = 0, 0, 0
        self.running, self.hung = False, False
        self.clock_off_s, self._fast = clock[0], 1.0 + clock[1]
        self.stepped_s = 0.0
        """How far a fault has stepped the UTC clock."""
        self.tags: set[str] = set()
        self.inbox: list[Mail] = []
        self.pending: Intentions | None = None
        """Waits for the disk."""
        self.planned_s = math.inf
        """When a step for newly arrived mail is due."""
        self.heard_s: dict[str, float] = {}
        self.clock_of: dict[str, float] = {}
        """By how much a neighbour's clock differs, as last measured."""
        self.grid_kw = 0.0
        self.quiet_s = -math.inf
        """Until when (on its monotonic clock) steps would do nothing, if nothing but time changes."""
        self.controller: Controller
        self._told: Mapping[str, tuple[float, float]] = {}
        self._renew_s = -math.inf
        self._neighbours: frozenset[str] = frozenset()
        self._knew: tuple[frozenset[str], Mapping[str, float], float] = (frozenset(), {}, 0.0)
        """Neighbours, flows and clock at the last step."""

    def start(self, now_s: float) -> None:
        """A new life, with what the disk holds."""
        self.controller = Controller(self.name, self.ties, self.planner, SETTINGS)
        self.controller.restore(self.disk.kept, self.instant(now_s))
        for note in self.disk.kept:
            if note.kind == "tag":
                (self.tags.add if note.body["on"] else self.tags.discard)(note.key)
        self.epoch += 1
        self.counter, self.running, self.pending, self.planned_s = 0, True, None, math.inf
        self._told, self._renew_s, self.quiet_s = {}, -math.inf, -math.inf

    def crash(self) -> None:
        """kill -9."""
        self.running, self.hung = False, False
        self.life += 1
        self.disk.crash()
        self.pending, self.planned_s = None, math.inf
        self.inbox.clear()
        self.tags.clear()
        self.heard_s.clear()
        self.clock_of.clear()
        self._neighbours = frozenset()

    def mono_s(self, now_s: float) -> float:
        """The machine's clock that never steps."""
        return 1000.0 + now_s * self._fast

    def utc(self, now_s: float) -> datetime:
        """The machine's UTC clock."""
        return START + timedelta(seconds=now_s * self._fast + self.clock_off_s + self.stepped_s)

    def instant(self, now_s: float) -> Instant:
        """Now, on both."""
        return Instant(self.utc(now_s), self.mono_s(now_s))

    def receive(self, letter: Letter) -> bool:
        """Take in what is signed rightly and was not seen before; False when it is refused."""
        if not letter.genuine or not self.window.fresh(letter.sender, letter.epoch, letter.counter):
            return False
        self.window.note(letter.sender, letter.epoch, letter.counter)
        if len(self.inbox) < MOST_LETTERS:
            self.inbox.append(letter.mail)
        return True

    def step(self, now_s: float, tie_kw: Mapping[str, float]) -> Intentions:
        """Let the controller think."""
        soc, trouble = (0.5, "") if self.yard is None else self.instruments.soc(self.yard.soc_at(now_s), now_s)
        snapshot = Snapshot(Facts(soc, self.grid_kw), trouble, self._neighbours, self.instruments.ties(tie_kw, now_s))
        inbox, self.inbox = self.inbox, []
        wants = self.controller.step(self.instant(now_s), snapshot, inbox)
        self.quiet_s = self.controller.quiet_until()
        self._knew = (self._neighbours, tie_kw, self.stepped_s)
        return wants

    def quiet(self, now_s: float, tie_kw: Mapping[str, float]) -> bool:
        """Whether a step now would do nothing."""
        return (
            self.mono_s(now_s) < self.quiet_s
            and (self.yard is None or now_s < self._renew_s)
            and not self.inbox
            and not self.instruments.faulty
            and self._knew[0] == self._neighbours
            and self._knew[1] is tie_kw
            and self._knew[2] == self.stepped_s
        )

    def meet(self, other: Host, now_s: float) -> None:
        """A link is up: compare clocks."""
        self.heard_s[other.name] = now_s
        self.clock_of[other.name] = self.clock_off_s + self.stepped_s - other.clock_off_s - other.stepped_s

    def look(self, now_s: float) -> None:
        """Find the neighbours that are there and whose clock agrees with ours."""
        heard = self.heard_s
        alive = [
            name for name, off_s in self.clock_of.items() if abs(off_s) <= LINK_S and now_s - heard[name] <= LINK_S
        ]
        if len(alive) != len(self._neighbours) or not self._neighbours.issuperset(alive):
            self._neighbours = frozenset(alive)

    def write(self, wants: Intentions, now_s: float) -> list[tuple[str, float]]:
        """Send orders to the devices as leases, at most as often as needed; returns what was written."""
        left_s = wants.until_s - self.mono_s(now_s)
        if self.yard is None or left_s <= 0.0 or (wants.orders is self._told and now_s < self._renew_s):
            return []
        self._told, self._renew_s = wants.orders, now_s + left_s / 2
        written = []
        for device, (p_kw, _) in wants.orders.items():
            if device.startswith("switch/"):
                if device not in self.tags:
                    self.yard.operate(p_kw > 0.0)
                continue
            if not math.isfinite(p_kw):
                continue
            fallback = -self.here.export_kw if device.startswith("pv/") else 0.0
            self.yard.leases.grant(device, Lease(p_kw, now_s + left_s, fallback), now_s)
            written.append((device, p_kw))
        self.yard.due_s = now_s
        if written:
            self.yard.ends_s = now_s + left_s
        return written

    def letter(self, mail: Mail) -> Letter:
        """Seal a message."""
        self.counter += 1
        return Letter(self.name, mail.receiver, self.epoch, self.counter, mail)

    def tag(self, on: bool) -> None:
        """An operator sets or removes the tag of the cell's switch; it is on the disk before the operator is told."""
        switch = f"switch/{self.name}"
        self.disk.stage([Note("tag", switch, {"on": on})])
        (self.tags.add if on else self.tags.discard)(switch)
