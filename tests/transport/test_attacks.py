"""What an attacker on the wire can do: change, cut, repeat, invent. Nothing of it is accepted, nothing raises."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from rigs import START

from archipel.transport import MAX_BYTES, Envelope, Form, Gate, Refusal, Right
from archipel.transport.identity import Authority, Identity
from archipel.transport.trust import CertifiedTrust

Sign = Callable[[bytes], bytes]
TOPICS = ("measured/tie-1", "measured/tie-2")


class Area:
    """Cells a and b of one area, and a mallory certified by another authority of the same name."""

    def __init__(self, folder: Path) -> None:
        ours = Authority.create(folder / "ours", "demo", START)
        theirs = Authority.create(folder / "theirs", "demo", START)
        for authority, name, place in ((ours, "a", "a"), (ours, "b", "b"), (ours, "c", "c"), (theirs, "a", "m")):
            authority.issue(name, folder / place, START)
        self.a, self.c, self.mallory = (
            CertifiedTrust(Identity.load(folder / place, START)) for place in ("a", "c", "m")
        )
        trust = CertifiedTrust(Identity.load(folder / "b", START))
        rights = [Right(topic, "a") for topic in TOPICS] + [Right("to/agreement", "a")]
        self.gate = Gate(trust, rights)
        for counter, cell in ((1, self.a), (1, self.c)):
            hello = envelope(cell, counter, kind="certificate", topic="trust/certificate", payload=cell.introduction())
            assert self.gate.accept(hello.address, hello.to_bytes(), START) == hello

    def accepts(self, data: bytes, address: str) -> bool:
        return self.gate.accept(address, data, START) is not None


def envelope(
    trust: CertifiedTrust, counter: int, *, kind: str = "sample", topic: str = TOPICS[0], payload: bytes = b"12.5"
) -> Envelope:
    return Envelope("demo", trust.name, "", topic, 100, counter, START, kind, "", payload).signed(trust.sign)


@pytest.fixture
def area(tmp_path: Path) -> Area:
    return Area(tmp_path)


def mutants(area: Area, rng: np.random.Generator) -> Iterator[tuple[str, str, bytes]]:
    """(what was done, address, bytes) for ever; none of it may be accepted."""
    counter = 10
    kinds = (flipped, cut, longer, spliced, versioned, redirected, renumbered, forged, stranger, deep, oversized, noise)
    while True:
        counter += 1
        whole = envelope(area.a, counter, payload=rng.bytes(int(rng.integers(0, 60))))
        make = kinds[counter % len(kinds)]
        for address, data in make(whole, area, rng):
            yield make.__name__, address, data


Made = Iterator[tuple[str, bytes]]


def flipped(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    del area
    data = bytearray(whole.to_bytes())
    for bit in rng.choice(8 * len(data), int(rng.integers(1, 4)), replace=False):
        data[bit // 8] ^= 1 << (bit % 8)
    yield whole.address, bytes(data)


def cut(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    del area
    data = whole.to_bytes()
    yield whole.address, data[: int(rng.integers(0, len(data)))]


def longer(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    del area
    yield whole.address, whole.to_bytes() + rng.bytes(int(rng.integers(1, 200)))


def spliced(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """Head of one message, tail of another."""
    other = envelope(area.a, 5, topic=TOPICS[1], payload=rng.bytes(len(whole.payload))).to_bytes()
    # at least eight bytes of the other's signature, or the tails could be the same by chance
    at = int(rng.integers(30, len(other) - 8))
    yield whole.address, whole.to_bytes()[:at] + other[at:]


def versioned(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    del area
    data = bytearray(whole.to_bytes())
    data[2] = int(rng.choice([0, *range(2, 256)]))
    yield whole.address, bytes(data)


def redirected(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """A genuine message under an address that is not its own, and one for somebody else."""
    yield whole.address.replace(TOPICS[0], TOPICS[1]), whole.to_bytes()
    yield whole.address.replace("/a/", "/c/"), whole.to_bytes()
    other = replace(whole, receiver="c", topic="", kind="agreement").signed(area.a.sign)
    yield other.address, other.to_bytes()
    del rng


def renumbered(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """Numbers, time, area or sender changed, signature kept."""
    del area
    changes: list[dict[str, object]] = [
        {"counter": whole.counter + int(rng.integers(1, 10**6))},
        {"epoch": whole.epoch + 1},
        {"sent_at": whole.sent_at + timedelta(microseconds=1)},
        {"area": "dem"},
        {"sender": "c"},
        {"kind": "other"},
        {"form": Form.JSON},
    ]
    changed = replace(whole, **changes[int(rng.integers(len(changes)))])  # type: ignore[arg-type]
    yield changed.address, changed.to_bytes()


def forged(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """Signed by another certified cell, by a stranger, or by nobody."""
    signs: list[Sign] = [area.c.sign, area.mallory.sign, lambda body: bytes(64), lambda body: rng.bytes(64)]
    changed = whole.signed(signs[int(rng.integers(len(signs)))])
    yield changed.address, changed.to_bytes()


def stranger(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """Mallory's own certificate for the name of a, then a message signed with it."""
    del rng
    hello = envelope(
        area.mallory,
        whole.counter,
        kind="certificate",
        topic="trust/certificate",
        payload=area.mallory.introduction(),
    )
    yield hello.address, hello.to_bytes()
    yield whole.address, envelope(area.mallory, whole.counter).to_bytes()


def deep(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """From a certified cell itself: a payload to drown the reader."""
    depth = int(rng.integers(17, 5000))
    changed = replace(whole, form=Form.JSON, payload=b"[" * depth + b"]" * depth).signed(area.a.sign)
    yield changed.address, changed.to_bytes()


def oversized(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    """More than a mebibyte, in truth or by its header."""
    del area
    data = bytearray(whole.to_bytes())
    data[34:38] = struct.pack(">I", int(rng.integers(MAX_BYTES, 2**32)))
    yield whole.address, bytes(data)
    yield whole.address, OVERSIZED


OVERSIZED = b"AR\x01" + bytes(MAX_BYTES)


def noise(whole: Envelope, area: Area, rng: np.random.Generator) -> Made:
    del area
    yield whole.address, rng.bytes(int(rng.integers(0, 400)))
    yield whole.address, b"AR\x01" + rng.bytes(int(rng.integers(0, 400)))


def accepted_of(area: Area, count: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """How many of `count` mutants were offered and accepted, by what was done."""
    offered: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    made = mutants(area, np.random.default_rng(seed))
    for _ in range(count):
        what, address, data = next(made)
        offered[what] += 1
        accepted[what] += area.accepts(data, address)
    return offered, accepted


def test_none_of_five_thousand_mutated_messages_is_accepted(area: Area) -> None:
    offered, accepted = accepted_of(area, 5000, seed=1)
    assert accepted.total() == 0
    assert min(offered.values()) > 200
    assert len(offered) == 12
    assert area.gate.refused.total() == 5000
    wanted = set(Refusal) - {Refusal.EXPIRED, Refusal.REVOKED, Refusal.STALE, Refusal.OVERFLOW, Refusal.REPLAYED}
    assert wanted - set(area.gate.refused) <= {Refusal.UNKNOWN_SENDER}
    last = envelope(area.a, 10**6)
    assert area.accepts(last.to_bytes(), last.address), "and an honest message still gets in"


@pytest.mark.slow
def test_none_of_a_hundred_thousand_mutated_messages_is_accepted(area: Area) -> None:
    offered, accepted = accepted_of(area, 100_000, seed=2)
    assert accepted.total() == 0
    assert area.gate.refused.total() == offered.total() == 100_000


def test_a_message_is_accepted_once_whoever_repeats_it(area: Area) -> None:
    sent = [envelope(area.a, counter) for counter in range(2, 102)]
    rng = np.random.default_rng(3)
    for each in rng.permutation(np.arange(100)):
        assert area.accepts(sent[each].to_bytes(), sent[each].address)
    assert not any(area.accepts(each.to_bytes(), each.address) for each in sent)
    assert area.gate.refused == {Refusal.REPLAYED: 100}


def test_a_message_of_an_earlier_life_is_refused_after_a_restart(area: Area) -> None:
    earlier = envelope(area.a, 50)
    later = replace(envelope(area.a, 1), epoch=101).signed(area.a.sign)
    assert area.accepts(later.to_bytes(), later.address)
    assert not area.accepts(earlier.to_bytes(), earlier.address)
    assert area.gate.refused == {Refusal.REPLAYED: 1}


def test_a_recording_is_refused_as_the_first_message_ever_heard(area: Area) -> None:
    fresh = Gate(area.gate.trust, area.gate.rights)
    recording = envelope(area.a, 50)
    assert fresh.accept(recording.address, recording.to_bytes(), START + timedelta(minutes=2)) is None
    assert fresh.refused == {Refusal.STALE: 1}
    remembering = Gate(area.gate.trust, area.gate.rights, area.gate.window)
    assert remembering.accept(recording.address, recording.to_bytes(), START + timedelta(minutes=2)) == recording


def test_a_right_for_one_cell_or_topic_is_none_for_others(area: Area) -> None:
    for cell, topic in ((area.c, TOPICS[0]), (area.a, "measured/tie-3"), (area.a, "measured")):
        message = envelope(cell, 7, topic=topic)
        assert not area.accepts(message.to_bytes(), message.address)
    assert area.gate.refused == {Refusal.NO_RIGHT: 3}
    assert Right("a/**").allows("x", "a/b/c")
    assert not Right("a/**").allows("x", "ab/c")


def test_the_wish_for_a_certificate_does_not_open_other_topics(area: Area) -> None:
    hidden = envelope(area.a, 9, kind="certificate", topic=TOPICS[0], payload=area.a.introduction())
    assert not area.accepts(hidden.to_bytes(), hidden.address)
    posing = envelope(area.a, 10, kind="sample", topic="trust/certificate")
    assert not area.accepts(posing.to_bytes(), posing.address)
    assert area.gate.refused == {Refusal.NO_RIGHT: 2}
