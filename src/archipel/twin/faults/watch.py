"""The invariants, checked at every event. Names are those of the reliability notes.

I1   No order outside a device's rating, no record outside a tie's contract; and truly no branch above its limit and no
     voltage outside 0.9 to 1.1 pu for longer than 60 s. Only a device that does not obey excuses that, and only on the
     branches its power passes, until 60 s after it obeys again. Lost messages, crashes, hung cells, wrong clocks and
     wrong instruments excuse nothing.
I3   An agreement is booked once: no journal holds the same event of the same record twice.
I3b  What a cell has told others is on its disk, and after a crash the cell still holds to it.
I4   No device acts on an order after its end (1.5 s for the tick of the device's timer), none is written after its end.
I5   The two ends of a tie never act on two different records, or on different steps of one, for longer than their
     clocks may differ; and a plan that no restart disturbed gives both ends the same record.
I7   State of charge inside the cell's band (0.05 for what a lease may last), unless the battery does not obey.
I9   Inboxes, early mail, plans and waiting messages stay bounded.
I10  A cell acts on a record only when its disk holds both acceptances, leaves it only for a reason on its disk, and
     every change of its level is noted.
M    An end leaves an agreement that its meter contradicts for 15 s (grace, contradiction, tick and disk); a meter that
     lies, and a cell that does not run, excuse.
P    No plan fails by an error.
T    A tagged switch is never operated.
L    After faults have healed every cell cooperates again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np

from archipel.controller.facts import Intentions
from archipel.twin.faults.books import Books
from archipel.twin.faults.host import MOST_LETTERS, Host
from archipel.twin.faults.physics import Physics
from archipel.twin.faults.village import (
    NAMES,
    PARENT,
    SOC_MAX,
    SOC_MIN,
    STEP_S,
    TOLERANCE_KW,
    Village,
)

CLEAR_S = 60.0
LATE_S = 1.5
SKEW_S = 6.0
"""Two clocks off by 2 s, a tick of 1 s, and a slow disk of 3 s."""
CONTRADICTED_S = 15.0
MARGIN_SOC = 0.05


@final
@dataclass(slots=True)
class Watch:
    """Looks at everything, is seen by nobody."""

    village: Village
    hosts: dict[str, Host]
    physics: Physics
    books: Books = field(default_factory=Books)
    splits: set[tuple[str, int]] = field(default_factory=set)
    """Ties and plans that only one of two running ends acted on."""
    agreed: set[tuple[str, int]] = field(default_factory=set)
    disturbed_s: dict[str, float] = field(default_factory=dict)
    """When the device last did not obey, by device."""
    tagged: dict[str, int] = field(default_factory=dict)
    """Operations of a switch when it was tagged."""
    _until_s: dict[str, float] = field(default_factory=dict)
    """End of the order in a device, by device, in true time."""
    _apart_s: dict[str, float] = field(default_factory=dict)
    _alone_s: dict[str, float] = field(default_factory=dict)
    _against_s: dict[tuple[str, str], float] = field(default_factory=dict)
    _over_s: dict[str, float] = field(default_factory=dict)

    def say(self, name: str, at_s: float, cell: str, found: str, expected: str) -> None:
        """Note a violation."""
        self.books.say(name, at_s, cell, found, expected)

    def wrote(self, host: Host, wants: Intentions, written: list[tuple[str, float]], now_s: float) -> None:
        """Orders went to devices."""
        left_s = wants.until_s - host.mono_s(now_s)
        for device, (p_kw, _) in wants.orders.items():
            low, high = _rating(host, device)
            if not low - 1e-6 <= p_kw <= high + 1e-6:
                self.say("I1", now_s, host.name, f"order of {p_kw} kW to {device}", f"{low:.1f} to {high:.1f} kW")
        for device, _ in written:
            if left_s <= 0.0:
                self.say("I4", now_s, host.name, f"order to {device} written {-left_s:.1f} s after its end", "none")
            self._until_s[device] = now_s + left_s

    # ---------------------------------------------------------------- the whole, every second

    def looked(self, now_s: float, *, solved: bool) -> None:
        """Once a second, after the physics."""
        for name in PARENT:
            self._tie(name, now_s)
            self._meters(f"tie/{name}", self.hosts[name], now_s)
            self._meters(f"tie/{name}", self.hosts[PARENT[name]], now_s)
            self._devices(name, now_s)
        if solved or self._over_s:
            self._limits(now_s)
        if int(now_s) % 10 == 0:
            for host in self.hosts.values():
                self._bounded(host, now_s)

    def _tie(self, name: str, now_s: float) -> None:
        """I5, and splits."""
        tie, lower, upper = f"tie/{name}", self.hosts[name], self.hosts[PARENT[name]]
        if not (lower.running and upper.running) or lower.hung or upper.hung:
            self._apart_s.pop(tie, None)
            self._alone_s.pop(tie, None)
            return
        a, b = self.books.acts.get(lower.name, {}).get(tie), self.books.acts.get(upper.name, {}).get(tie)
        if a is b or a == b:
            if a is not None:
                self.agreed.add((tie, a.plan))
                off_s = abs(self.books.off_s.get(lower.name, 0.0) - self.books.off_s.get(upper.name, 0.0))
                if off_s > SKEW_S:
                    self.say("I5", now_s, tie, f"ends {off_s:.0f} s apart in plan {a.plan}", "the same step of time")
            self._apart_s.pop(tie, None)
            self._alone_s.pop(tie, None)
            return
        if a is not None and b is not None:
            self._alone_s.pop(tie, None)
            since = self._apart_s.setdefault(tie, now_s)
            if now_s - since > SKEW_S:
                self.say("I5", now_s, tie, f"plan {a.plan} below and plan {b.plan} above", "one record, or a default")
                self._apart_s[tie] = math.inf
            return
        self._apart_s.pop(tie, None)
        since = self._alone_s.setdefault(tie, now_s)
        if now_s - since > SKEW_S and (only := a or b) is not None:
            self.splits.add((tie, only.plan))

    def _meters(self, tie: str, host: Host, now_s: float) -> None:
        """M: an end does not go on with what its meter contradicts."""
        key = (tie, host.name)
        record = self.books.acts.get(host.name, {}).get(tie)
        at = None if record is None else record.at(host.controller.acted_at)
        if at is None or tie in host.instruments.faulty or not host.running or host.hung:
            self._against_s.pop(key, None)
            return
        if abs(self.physics.tie_kw[tie] - at) <= TOLERANCE_KW:
            self._against_s.pop(key, None)
            return
        since = self._against_s.setdefault(key, now_s)
        if now_s - since > CONTRADICTED_S:
            found = f"{tie} at {self.physics.tie_kw[tie]:.1f} kW for {now_s - since:.0f} s, agreed {at:.1f} kW"
            self.say("M", now_s, host.name, found, f"left within {CONTRADICTED_S:.0f} s")
            self._against_s[key] = math.inf

    def _devices(self, name: str, now_s: float) -> None:
        """I4, I7 and T."""
        yard = self.physics.yard[name]
        here, now_kw = yard.here, yard.now_kw
        battery, pv, charger, switch = here.devices
        for device in (battery, pv, charger):
            if device in yard.faulty:
                self.disturbed_s[device] = now_s
            elif now_s > self._until_s.get(device, -math.inf) + LATE_S:
                p_kw = now_kw[device]
                if (
                    p_kw < -min(here.export_kw, here.pv_kw[int(now_s // STEP_S)]) - 1e-6
                    if device == pv
                    else p_kw != 0.0
                ):
                    self.say("I4", now_s, name, f"{device} at {p_kw:.2f} kW after its order's end", "its fallback")
        if (
            not SOC_MIN - MARGIN_SOC <= (soc := yard.soc_at(now_s)) <= SOC_MAX + MARGIN_SOC
            and battery not in self.disturbed_s
        ):
            found = f"state of charge {soc:.3f}, told {now_kw[battery]:.2f} kW"
            self.say("I7", now_s, name, found, f"{SOC_MIN} to {SOC_MAX}, {MARGIN_SOC} either way")
        if switch in self.tagged and yard.operations != self.tagged[switch]:
            self.say("T", now_s, name, f"{switch} operated under its tag", "never")
            self.tagged[switch] = yard.operations

    def _limits(self, now_s: float) -> None:
        """I1, what is true."""
        flow = self.physics.flow
        if flow is None:
            return
        branch, loading = self.village.grid.branch_id, flow.loading
        over = {branch[i]: f"loading {loading[i]:.2f}" for i in np.flatnonzero(loading > 1.0).tolist()}
        low, high = float(flow.v_pu.min()), float(flow.v_pu.max())
        if low < 0.9 or high > 1.1:
            over["voltage"] = f"voltages {low:.3f} to {high:.3f} pu"
        for what, found in over.items():
            since = self._over_s.setdefault(what, now_s)
            if now_s - since > CLEAR_S and not self._excused(what, now_s):
                self.say("I1", now_s, what, f"{found} for {now_s - since:.0f} s", f"at most {CLEAR_S:.0f} s")
                self._over_s[what] = math.inf
        for what in [w for w in self._over_s if w not in over]:
            del self._over_s[what]

    def _excused(self, what: str, now_s: float) -> bool:
        """Whether a device behind the branch does not obey, or did not until a minute ago."""
        behind = self.village.behind.get(what, NAMES)
        return any(now_s - at < CLEAR_S for d, at in self.disturbed_s.items() if d.split("/")[1] in behind)

    def _bounded(self, host: Host, now_s: float) -> None:
        if not host.running:
            return
        for what, (size, most) in (host.controller.sizes() | {"inbox": (len(host.inbox), MOST_LETTERS)}).items():
            if size > most:
                self.say("I9", now_s, host.name, f"{size} in {what}", f"at most {most}")

    def ended(self, now_s: float, since_s: float) -> None:
        """L: everybody has cooperated since."""
        for name in self.hosts:
            last = self.books.cooperated_s.get(name, -math.inf)
            if last < since_s:
                self.say("L", now_s, name, f"last cooperated at {last:.0f} s", f"after {since_s:.0f} s")


def _rating(host: Host, device: str) -> tuple[float, float]:
    here = host.here
    kind = device.split("/", maxsplit=1)[0]
    return {
        "battery": (-here.battery_kw, here.battery_kw),
        "pv": (-max(here.pv_kw), 0.0),
        "charger": (0.0, here.charger_kw),
        "switch": (0.0, 1.0),
    }[kind]
