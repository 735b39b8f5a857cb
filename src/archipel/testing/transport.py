"""The suite every transport passes: three cells in a line, a - b - c, where a and c hear each other over b.

from archipel.testing import check_transport
check_transport(my_rig)

The rig opens and kills cells and lets time pass, real or simulated; the suite asks and complains.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from archipel.testing.device import PromiseBroken
from archipel.transport import Received, Refusal, Transport, Trouble

NEIGHBOURS = {"a": ("b",), "b": ("a", "c"), "c": ("b",)}
"""The links the rig must make."""
TOPICS = ("measured/**", "to/agreement", "to/later")
"""What the rig must give every cell the right to, and nothing else."""
PATIENCE = 400
"""Steps after which something that has not happened counts as not happening."""


class Rig(Protocol):
    """What the suite needs of a transport: cells that come and go, and time.

    It is quick when cells repeat after 0.25 s (`repeat_s`) and complain after 0.5 s (`grace_s`).
    """

    def open(self, name: str) -> Transport:
        """Open the cell `name` of `NEIGHBOURS`, with a larger epoch every time."""
        ...

    def kill(self, name: str) -> None:
        """The cell is gone, without a word."""
        ...

    def now(self) -> datetime:
        """UTC."""
        ...

    def wait(self) -> None:
        """Let about 50 ms pass."""
        ...


def check_transport(rig: Rig) -> None:
    """Raise `PromiseBroken`, naming the promise, unless the rig's transport keeps them all. Closes what it opened."""
    line = Line(rig)
    try:
        for promise in (
            line.cells_find_each_other,
            line.control_data_reaches_who_asked_for_it,
            line.only_the_newest_counts,
            line.what_must_arrive_is_repeated_and_delivered_once,
            line.what_nobody_acknowledges_lapses,
            line.nobody_uses_a_topic_without_a_right,
            line.agreements_need_a_known_clock,
            line.one_that_is_gone_is_known_and_stops_nobody,
            line.one_that_comes_back_is_heard_again,
        ):
            promise()
    finally:
        line.close()


class Line:
    """The three cells and what each of them heard."""

    def __init__(self, rig: Rig) -> None:
        """Opens them."""
        self.rig = rig
        self.cells: dict[str, Transport] = {}
        self.heard: dict[str, list[Received]] = {}
        for name in NEIGHBOURS:
            self.open(name)

    def open(self, name: str) -> None:
        """Open one and note what it hears."""
        self.cells[name] = self.rig.open(name)
        self.heard[name] = []
        for topic in ("measured/**", "to/agreement", "to/later", "secret"):
            self.cells[name].subscribe(topic, self.heard[name].append)

    def close(self) -> None:
        """Close all, twice."""
        for cell in (*self.cells.values(), *self.cells.values()):
            cell.close()

    def until(self, promise: str, happens: Callable[[], bool]) -> None:
        """Pump until it happens."""
        for _ in range(PATIENCE):
            self.pump()
            if happens():
                return
            self.rig.wait()
        state = {name: (sorted(cell.members()), cell.stats()) for name, cell in self.cells.items()}
        raise PromiseBroken(f"broken promise: {promise}; it had not happened after {PATIENCE} steps: {state}")

    def pump(self) -> None:
        """Every cell looks once."""
        for cell in self.cells.values():
            cell.pump(self.rig.now())

    def rest(self, steps: int) -> None:
        """Let time pass."""
        for _ in range(steps):
            self.rig.wait()
            self.pump()

    def cells_find_each_other(self) -> None:
        """All are members for all, links are as expected, each knows its own name."""
        names = set(NEIGHBOURS)
        self.until(
            "cells of an area find each other, over others too",
            lambda: all(cell.members() == names - {name} for name, cell in self.cells.items()),
        )
        self.until(
            "links are as expected",
            lambda: all(cell.links().actual == set(NEIGHBOURS[name]) for name, cell in self.cells.items()),
        )
        for name, cell in self.cells.items():
            _hold("a cell knows its name", cell.name == name)
            _hold("no link is missing", not cell.links().missing and cell.links().expected == set(NEIGHBOURS[name]))
            _hold("nothing is wrong yet", not cell.alarms())

    def control_data_reaches_who_asked_for_it(self) -> None:
        """From a over b to c, signed by a."""

        def happens() -> bool:
            self.cells["a"].publish("measured/tie-1", "sample", b"12.5", self.rig.now())
            self.cells["a"].publish("elsewhere", "sample", b"0", self.rig.now())
            return bool(self.heard["c"])

        self.until("control data reaches a cell that is no neighbour", happens)
        for received in self.heard["b"] + self.heard["c"]:
            what = (received.sender, received.envelope.topic, received.envelope.kind, received.payload)
            _hold("control data arrives as it was sent", what == ("a", "measured/tie-1", "sample", b"12.5"))
        _hold("a cell does not hear itself", not self.heard["a"])

    def only_the_newest_counts(self) -> None:
        """A burst, then one after the other: what is delivered grows, and whatever was lost, a newer one arrives."""
        self.heard["c"].clear()
        count, burst = itertools.count(), 50
        numbers: list[int] = []

        def say() -> None:
            self.cells["a"].publish("measured/burst", "sample", b"%d" % next(count), self.rig.now())

        def happens() -> bool:
            numbers[:] = [int(each.payload) for each in self.heard["c"] if each.envelope.topic == "measured/burst"]
            say()
            return max(numbers, default=0) >= burst - 1

        for _ in range(burst):
            say()
        self.until("newer control data arrives", happens)
        _hold("control data never goes backwards", numbers == sorted(set(numbers)))

    def what_must_arrive_is_repeated_and_delivered_once(self) -> None:
        """Acknowledged late: repeated until then, silent afterwards."""
        a, c = self.cells["a"], self.cells["c"]
        expires_at = self.rig.now() + timedelta(seconds=60)
        for _ in range(2):
            a.send("c", "tie-1/12:00", "agreement", b"5 kW", self.rig.now(), expires_at=expires_at)
        before = a.stats()
        self.heard["c"].clear()
        self.until("what was sent arrives", lambda: bool(self._agreements("c")))
        self.until("what is not acknowledged is repeated", lambda: a.stats().repeated >= before.repeated + 2)
        self.until("a repeat is seen to be one", lambda: c.stats().duplicates >= 1)
        (received,) = self._agreements("c")
        what = (received.sender, received.envelope.key, received.envelope.kind, received.payload)
        _hold("what was sent arrives as it was sent", what == ("a", "tie-1/12:00", "agreement", b"5 kW"))
        c.acknowledge(received, self.rig.now())
        self.until("an acknowledgement arrives", lambda: a.stats().acknowledged == before.acknowledged + 1)
        repeated = a.stats().repeated
        self.rest(12)
        _hold("what is acknowledged is not repeated", a.stats().repeated == repeated)
        a.send("c", "tie-1/12:00", "agreement", b"5 kW", self.rig.now(), expires_at=expires_at)
        self.until("the same key again is acknowledged again", lambda: a.stats().acknowledged > before.acknowledged + 1)
        _hold("what was sent twice is delivered once", len(self._agreements("c")) == 1)

    def what_nobody_acknowledges_lapses(self) -> None:
        """To a cell that does not exist."""
        a = self.cells["a"]
        a.send("nobody", "k", "later", b"", self.rig.now(), expires_at=self.rig.now() + timedelta(seconds=0.3))
        before = a.stats().lapsed
        self.until("what is of no use any more lapses", lambda: a.stats().lapsed == before + 1)

    def nobody_uses_a_topic_without_a_right(self) -> None:
        """Deny by default; and nobody plays the transport."""
        b = self.cells["b"]
        before = b.stats().refused.get(Refusal.NO_RIGHT, 0)

        def happens() -> bool:
            self.cells["a"].publish("secret", "sample", b"", self.rig.now())
            return b.stats().refused.get(Refusal.NO_RIGHT, 0) > before

        self.until("a topic that no right allows is refused and counted", happens)
        _hold("what was refused is not delivered", not [r for r in self.heard["b"] if r.envelope.topic == "secret"])
        for kind, topic in (("certificate", "measured/x"), ("sample", "trust/certificate")):
            try:
                b.publish(topic, kind, b"", self.rig.now())
            except ValueError:
                continue
            raise PromiseBroken("broken promise: the transport's own kinds and topics are closed to others")

    def agreements_need_a_known_clock(self) -> None:
        """Known among neighbours after a while, unknown for anybody else."""
        a = self.cells["a"]
        self.until("a neighbour's clock becomes known", lambda: a.may_agree("b", self.rig.now()))
        _hold("no agreements with a cell that was never heard", not a.may_agree("nobody", self.rig.now()))
        later = self.rig.now() + timedelta(minutes=5)
        _hold("no agreements when the clock was not asked for minutes", not a.may_agree("b", later))

    def one_that_is_gone_is_known_and_stops_nobody(self) -> None:
        """C dies: both know, b complains, a and b go on."""
        self.rig.kill("c")
        del self.cells["c"]
        a, b = self.cells["a"], self.cells["b"]
        self.until("a cell that is gone is known to all", lambda: not a.alive("c") and not b.alive("c"))
        _hold("no agreements with a cell that is gone", not b.may_agree("c", self.rig.now()))
        self.until("its link is missing", lambda: b.links().missing == {"c"})
        self.until("a missing link raises an alarm", lambda: [x.trouble for x in b.alarms()] == [Trouble.LINK_MISSING])
        _hold("the alarm names the cell", [alarm.who for alarm in b.alarms()] == ["c"])
        _hold("who is not its neighbour has no alarm", not a.alarms())
        self.heard["b"].clear()
        a.publish("measured/tie-1", "sample", b"13", self.rig.now())
        self.until("the others go on talking", lambda: bool(self.heard["b"]))

    def one_that_comes_back_is_heard_again(self) -> None:
        """C is back in a new life and gets what waited for it."""
        a, b = self.cells["a"], self.cells["b"]
        a.send("c", "while-away", "later", b"x", self.rig.now(), expires_at=self.rig.now() + timedelta(minutes=5))
        self.rest(3)
        self.open("c")
        self.until("what waited for a cell arrives when it is back", lambda: bool(self.heard["c"]))
        self.heard["b"].clear()

        def happens() -> bool:
            self.cells["c"].publish("measured/tie-1", "sample", b"14", self.rig.now())
            return bool(self.heard["b"])

        self.until("a cell that is back is heard", happens)
        self.until("its link is no trouble any more", lambda: not b.alarms() and b.may_agree("c", self.rig.now()))

    def _agreements(self, name: str) -> list[Received]:
        return [received for received in self.heard[name] if received.envelope.kind == "agreement"]


def _hold(promise: str, kept: bool) -> None:
    if not kept:
        raise PromiseBroken(f"broken promise: {promise}")
