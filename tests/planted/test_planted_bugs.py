"""Ten and more known bugs, each put into the code under test: the fault stories must find every one of them.

The table says at which seed each was found when it was planted; a search that needs many more seeds than that has
become blind.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import datetime

import pytest

from archipel.controller.clock import SteadyClock
from archipel.controller.facts import Instant, Note
from archipel.controller.leases import Leases
from archipel.controller.stepping import Controller
from archipel.coordination.handshake import Acceptance, Entry, Holding, Record, TieEnd
from archipel.coordination.message import Message
from archipel.coordination.tree import Conversation
from archipel.transport.replay import ReplayWindow
from archipel.twin.faults import readings as instruments
from archipel.twin.faults import simulate
from archipel.twin.faults.__main__ import main
from archipel.twin.faults.disk import Disk
from archipel.twin.faults.host import Host
from archipel.twin.faults.simulate import Simulation

MOST_SEEDS = 500
Plant = Callable[[pytest.MonkeyPatch], None]


def a_device_ignores_the_end_of_its_lease(patch: pytest.MonkeyPatch) -> None:
    def value(self: Leases, device: str, now_s: float) -> float | None:
        del now_s
        return self._of[device].value if device in self._of else None

    patch.setattr(Leases, "value", value)


def a_record_is_followed_after_its_end(patch: pytest.MonkeyPatch) -> None:
    def at(self: Record, now: datetime) -> float | None:
        since_s = (now - self.start).total_seconds()
        return None if since_s < 0 else self.p_kw[min(int(since_s // self.step_s), len(self.p_kw) - 1)]

    patch.setattr(Record, "at", at)


def an_acceptance_counts_for_whatever_record_comes_next(patch: pytest.MonkeyPatch) -> None:
    def hear(self: TieEnd, heard: Acceptance, now: datetime) -> Entry | None:
        record = self._next
        if record is None or heard.tie != self.tie or record.digest in self._confirmed or now >= record.start:
            return None
        self._confirmed.add(record.digest)
        return Entry("confirmed", record)

    patch.setattr(TieEnd, "hear", hear)


def an_acceptance_heard_twice_is_booked_twice(patch: pytest.MonkeyPatch) -> None:
    right = TieEnd.hear

    def hear(self: TieEnd, heard: Acceptance, now: datetime) -> Entry | None:
        if self._next is not None and heard.digest == self._next.digest:
            self._confirmed.discard(heard.digest)
        return right(self, heard, now)

    patch.setattr(TieEnd, "hear", hear)


def an_end_acts_before_the_other_has_accepted(patch: pytest.MonkeyPatch) -> None:
    right = TieEnd.holding

    def holding(self: TieEnd, now: datetime) -> Holding:
        self._settle(now)
        if self._current is not None:
            self._confirmed.add(self._current.digest)
        return right(self, now)

    patch.setattr(TieEnd, "holding", holding)


def mail_is_sent_before_its_notes_are_on_the_disk(patch: pytest.MonkeyPatch) -> None:
    right = Simulation._think

    def think(self: Simulation, host: Host) -> None:
        right(self, host)
        if host.pending is not None:
            wants, host.pending = host.pending, None
            self._carry_out(host, wants)
            host.pending = wants

    patch.setattr(Simulation, "_think", think)


def the_disk_says_that_it_has_written_and_has_not(patch: pytest.MonkeyPatch) -> None:
    def crash(self: Disk) -> None:
        self._staged.clear()
        del self.kept[-3:]

    patch.setattr(Disk, "crash", crash)


def a_restarted_cell_forgets_what_it_has_promised(patch: pytest.MonkeyPatch) -> None:
    right = TieEnd.restore

    def restore(self: TieEnd, entries: list[Entry], now: datetime) -> None:
        right(self, [entry for entry in entries if entry.event == "confirmed"], now)

    patch.setattr(TieEnd, "restore", restore)


def meters_are_not_compared_with_agreements(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Controller, "_compare", lambda *_: None)


def a_reading_that_is_no_number_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instruments, "plausible", lambda value, low, high: math.isnan(value) or low <= value <= high)


def a_reading_a_thousand_times_too_large_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instruments, "plausible", lambda value, low, high: low <= value / 1000.0 <= high)


def a_step_of_the_clock_is_followed(patch: pytest.MonkeyPatch) -> None:
    def read(self: SteadyClock, now: Instant, *, neighbours: bool, well: bool) -> datetime:
        del neighbours, well
        self.vouched = True
        return now.utc

    patch.setattr(SteadyClock, "read", read)


def a_restarted_cell_trusts_its_clock(patch: pytest.MonkeyPatch) -> None:
    right = Controller.restore

    def restore(self: Controller, notes: list[Note], now: Instant) -> None:
        right(self, notes, now)
        self.clock = SteadyClock(vouched=True)

    patch.setattr(Controller, "restore", restore)


def signatures_and_counters_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    right = Host.receive
    patch.setattr(ReplayWindow, "fresh", lambda *_: True)
    patch.setattr(Host, "receive", lambda self, letter: right(self, dataclasses.replace(letter, genuine=True)))


def tags_do_not_survive_a_restart(patch: pytest.MonkeyPatch) -> None:
    right = Host.start

    def start(self: Host, now_s: float) -> None:
        right(self, now_s)
        self.tags.clear()

    patch.setattr(Host, "start", start)


def the_number_of_a_message_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    right = Conversation.receive

    def receive(self: Conversation, inbox: list[Message]) -> list[Message]:
        wanted = [dataclasses.replace(m, number=self.tells if m.up else self.asks - 1) for m in inbox]
        return right(self, wanted)

    patch.setattr(Conversation, "receive", receive)


FOUND: dict[Plant, tuple[int, str]] = {
    a_device_ignores_the_end_of_its_lease: (0, "I4"),
    a_record_is_followed_after_its_end: (1, "I4"),
    an_acceptance_counts_for_whatever_record_comes_next: (0, "I10"),
    an_acceptance_heard_twice_is_booked_twice: (0, "I3"),
    an_end_acts_before_the_other_has_accepted: (5, "I10"),
    mail_is_sent_before_its_notes_are_on_the_disk: (0, "I3b"),
    the_disk_says_that_it_has_written_and_has_not: (0, "I3b"),
    a_restarted_cell_forgets_what_it_has_promised: (0, "I3b"),
    meters_are_not_compared_with_agreements: (1, "M"),
    a_reading_that_is_no_number_is_believed: (14, "I1"),
    a_reading_a_thousand_times_too_large_is_believed: (104, "I7"),
    a_step_of_the_clock_is_followed: (1, "I5"),
    a_restarted_cell_trusts_its_clock: (400, "I5"),
    signatures_and_counters_are_not_checked: (35, "I5"),
    tags_do_not_survive_a_restart: (166, "T"),
    the_number_of_a_message_is_not_checked: (0, "P"),
}
"""The first seed that found it when it was planted, and by which invariant."""


@pytest.mark.parametrize("plant", FOUND, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    first, name = FOUND[plant]
    plant(monkeypatch)
    for seed in (first, *range(MOST_SEEDS)):  # what a seed brings changes with the code; that one finds it must not
        if name in {violation.name for violation in simulate(seed).violations}:
            return
    pytest.fail(f"none of {MOST_SEEDS} seeds found it")


def test_a_seed_that_fails_is_one_line_with_the_command_that_shows_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_device_ignores_the_end_of_its_lease(monkeypatch)
    assert main(["--seeds", "0-0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    command, _, why = lines[0].partition("   # ")
    assert command == "python -m archipel.twin.faults 0 --minutes 10"
    assert why.startswith("I4 at ")
    assert main(["0"]) == 1
    assert why in capsys.readouterr().out
