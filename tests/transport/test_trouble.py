"""Certificates that are wrong, end or are revoked; clocks that differ; links that should not be."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rigs import RIGHTS, START

from archipel.transport import Alarm, Envelope, MemoryFabric, Messenger, Parcel, Refusal, Station, Trouble
from archipel.transport.identity import Authority, Identity
from archipel.transport.trust import CertifiedTrust


class Town:
    """Cells on one fabric, each pumped twice a second of simulated time."""

    def __init__(self, folder: Path, links: tuple[tuple[str, str], ...]) -> None:
        self.folder, self.fabric, self.now = folder, MemoryFabric(links), START
        self.authority = Authority.create(folder / "authority", "demo", START)
        self.others = Authority.create(folder / "others", "demo", START)
        self.links = links
        self.cells: dict[str, Messenger] = {}
        self.ahead: dict[str, timedelta] = {}
        self.heard: dict[str, list[tuple[str, bytes]]] = {}
        self.told: dict[str, list[Alarm]] = {}

    def add(self, name: str, *, days: float = 30, foreign: bool = False, lonely: bool = False) -> Messenger:
        (self.others if foreign else self.authority).issue(name, self.folder / name, START, days)
        trust = CertifiedTrust(Identity.load(self.folder / name, START))
        neighbours = [] if lonely else [b if a == name else a for a, b in self.links if name in {a, b}]
        station = Station(trust, epoch=1, rights=RIGHTS, neighbours=neighbours)
        told, heard = self.told.setdefault(name, []), self.heard.setdefault(name, [])
        cell = self.cells[name] = self.fabric.messenger(station, told.append)
        cell.subscribe("measured/**", lambda received: heard.append((received.sender, received.payload)))
        return cell

    def time(self, name: str) -> datetime:
        return self.now + self.ahead.get(name, timedelta(0))

    def run(self, seconds: float) -> None:
        for _ in range(int(2 * seconds)):
            self.now += timedelta(seconds=0.5)
            for name, cell in self.cells.items():
                cell.publish("measured/x", "sample", name.encode(), self.time(name))
                cell.pump(self.time(name))

    def heard_in(self, seconds: float, name: str) -> set[str]:
        self.heard[name].clear()
        self.run(seconds)
        return {sender for sender, _ in self.heard[name]}


def test_a_revocation_given_to_one_cell_is_in_force_everywhere_within_a_minute(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"), ("b", "c"), ("c", "d")))
    for name in "abcd":
        town.add(name)
    town.run(5)
    assert town.heard_in(2, "a") == {"b", "c", "d"}
    assert town.cells["b"].may_agree("c", town.now)
    listed = town.authority.revoke("c", town.now).to_bytes()
    assert town.cells["a"].spread(listed, town.now) is None
    town.run(1)
    for name in "abd":
        # c still carries what others say, and is believed by nobody
        assert town.heard_in(3, name) == set("abd") - {name}
        assert town.cells[name].station.trust.revocations() == listed
        assert town.cells[name].stats().refused[Refusal.REVOKED] >= 5
    assert not town.cells["b"].may_agree("c", town.now)
    assert [alarm.trouble for alarm in town.cells["c"].alarms()] == [Trouble.CERTIFICATE_REVOKED]
    assert town.cells["b"].spread(town.others.revocations().to_bytes(), town.now) is Refusal.FORGED


def test_a_cell_that_was_away_learns_of_a_revocation_when_it_is_back(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"), ("a", "c")))
    for name in "abc":
        town.add(name)
    town.run(5)
    town.fabric.cut("a", "b")
    assert town.cells["a"].spread(town.authority.revoke("c", town.now).to_bytes(), town.now) is None
    town.run(5)
    town.fabric.heal("a", "b")
    town.run(2)
    assert town.heard_in(3, "b") == {"a"}


def test_a_cell_of_another_authority_is_not_heard_and_raises_an_alarm(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"), ("b", "m")))
    town.add("a")
    town.add("b")
    town.add("m", foreign=True)
    town.run(10)
    assert {sender for sender, _ in town.heard["a"] + town.heard["b"]} == {"a", "b"}
    assert town.heard["m"] == []
    assert town.cells["b"].stats().refused[Refusal.WRONG_CERTIFICATE] >= 1
    (alarm,) = town.told["b"]
    assert (alarm.trouble, alarm.who) == (Trouble.CERTIFICATE_WRONG, "m")
    assert "m shows a certificate that is refused: wrong certificate" in alarm.text
    assert not town.cells["b"].may_agree("m", town.now)
    assert town.cells["b"].may_agree("a", town.now)


def test_a_certificate_that_ends_soon_is_an_alarm_and_one_that_ended_is_refused(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"),))
    town.add("a", days=8)
    town.add("b")
    town.run(5)
    assert town.told["b"] == []
    town.now += timedelta(days=2)
    town.run(5)
    for name in "ab":
        (alarm,) = town.told[name]
        assert (alarm.trouble, alarm.who) == (Trouble.CERTIFICATE_EXPIRES, "a")
        assert "is valid until 2026-03-09 12:00 UTC. Renew it: archipel certs rotate" in alarm.text
    town.now = START + timedelta(days=8) - timedelta(seconds=10)
    town.run(5)
    assert town.heard_in(3, "b") == {"a"}
    town.now += timedelta(seconds=10)
    assert town.heard_in(5, "b") == set()
    assert town.cells["b"].stats().refused[Refusal.EXPIRED] >= 5
    assert Trouble.CERTIFICATE_EXPIRED in {alarm.trouble for alarm in town.cells["b"].alarms()}
    assert not town.cells["b"].may_agree("a", town.now)


def test_a_rotation_while_running_is_taken_in_by_the_others_without_a_gap(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"),))
    town.add("a", days=8)
    town.add("b")
    town.run(5)
    town.now += timedelta(days=2)
    town.run(1)
    town.authority.rotate(tmp_path / "a", town.now)
    trust = town.cells["a"].station.trust
    assert isinstance(trust, CertifiedTrust)
    trust.renew(Identity.load(tmp_path / "a", town.now))
    town.cells["a"].station.introduce(town.now)
    refused = sum(town.cells["b"].stats().refused.values())
    assert town.heard_in(5, "b") == {"a"}
    assert sum(town.cells["b"].stats().refused.values()) == refused
    assert not town.cells["a"].alarms()
    assert not town.cells["b"].alarms()


@pytest.mark.parametrize(("ahead_s", "may"), [(0.0, True), (1.8, True), (2.2, False), (-2.2, False), (3600.0, False)])
def test_no_agreements_with_a_clock_more_than_two_seconds_off(tmp_path: Path, ahead_s: float, may: bool) -> None:
    town = Town(tmp_path, (("a", "b"),))
    town.add("a")
    town.add("b")
    town.run(2)
    town.ahead["b"] = timedelta(seconds=ahead_s)
    town.run(40)
    assert town.cells["a"].may_agree("b", town.time("a")) is may
    assert town.cells["b"].may_agree("a", town.time("b")) is may
    assert town.heard_in(2, "a") == {"b"}, "its measurements still count"


def test_a_link_to_a_cell_that_is_no_neighbour_is_an_alarm(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"),))
    town.add("a", lonely=True)
    town.add("b")
    town.run(5)
    assert [(alarm.trouble, alarm.who) for alarm in town.told["a"]] == [(Trouble.LINK_UNEXPECTED, "b")]


def test_a_cell_that_does_not_look_loses_the_oldest_and_counts_them(tmp_path: Path) -> None:
    town = Town(tmp_path, (("a", "b"),))
    a, b = town.add("a"), town.add("b")
    town.run(2)
    trust = a.station.trust
    sample = Envelope("demo", "a", "", "measured/x", 1, 10_000, town.now, "sample", "", b"1").signed(trust.sign)
    for _ in range(10_000):
        town.fabric.deliver("b", Parcel(sample.address, sample.to_bytes()))
    assert b.stats().dropped == 10_000 - 8192
    b.pump(town.now)
    assert b.stats().refused[Refusal.REPLAYED] == 8191
