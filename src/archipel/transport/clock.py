"""How far a peer's clock is from ours: a question and an answer, as in NTP (RFC 5905, section 8).

offset = ((t1 - t0) + (t2 - t3)) / 2 with t0, t3 by our clock and t1, t2 by the peer's; it is wrong by half of the time
the messages travelled, at most.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

MOST_S = 2.0
"""Above this, or unknown, no new agreements."""
GOOD_FOR_S = 30.0
"""How long a measured offset counts."""
_ASKED_AT_ONCE = 4

_PING = struct.Struct(">Q")
_PONG = struct.Struct(">Qqq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@final
@dataclass(frozen=True, slots=True)
class Offset:
    """A peer's clock less ours."""

    offset_s: float
    margin_s: float
    """The true offset is no further than this from `offset_s`: half of what the messages travelled."""
    measured_at: datetime


@final
class ClockWatch:
    """Offsets of all peers. Time comes in as an argument."""

    def __init__(self) -> None:
        """Knows nobody's clock."""
        self._number = 0
        self._asked: dict[str, dict[int, datetime]] = {}
        self._known: dict[str, Offset] = {}

    def ask(self, peer: str, now: datetime) -> bytes:
        """Payload of a question to `peer`."""
        self._number += 1
        asked = self._asked.setdefault(peer, {})
        asked[self._number] = now
        while len(asked) > _ASKED_AT_ONCE:
            del asked[min(asked)]
        return _PING.pack(self._number)

    def answer(self, question: bytes, received_at: datetime, now: datetime) -> bytes | None:
        """Payload of the answer; None when the question is none."""
        if len(question) != _PING.size:
            return None
        return _PONG.pack(*_PING.unpack(question), _micros(received_at), _micros(now))

    def learn(self, peer: str, answer: bytes, received_at: datetime) -> bool:
        """Take in an answer to a question we asked; False when it is none."""
        if len(answer) != _PONG.size:
            return False
        number, came, went = _PONG.unpack(answer)
        asked_at = self._asked.get(peer, {}).pop(number, None)
        if asked_at is None or went < came:
            return False
        t0, t3 = _micros(asked_at), _micros(received_at)
        travelled_s = ((t3 - t0) - (went - came)) / 1e6
        if travelled_s < 0:
            # one of the clocks was set in between
            return False
        self._known[peer] = Offset(((came - t0) + (went - t3)) / 2e6, travelled_s / 2, received_at)
        return True

    def offset(self, peer: str, now: datetime) -> Offset | None:
        """What is known now; None when nothing is, or too long ago, or when our own clock was set back since."""
        known = self._known.get(peer)
        if known is None or not timedelta(0) <= now - known.measured_at <= timedelta(seconds=GOOD_FOR_S):
            return None
        return known

    def near(self, peer: str, now: datetime) -> bool:
        """Whether its clock is surely within `MOST_S` of ours."""
        known = self.offset(peer, now)
        return known is not None and abs(known.offset_s) + known.margin_s <= MOST_S


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
