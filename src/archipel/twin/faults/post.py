"""The post between cells: it loses, doubles, delays and cuts, and somebody listens, plays again and forges."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import replace
from typing import final

from archipel.controller.facts import Mail
from archipel.coordination.handshake import Acceptance
from archipel.twin.faults.host import Letter
from archipel.twin.faults.swarm import Faults
from archipel.twin.faults.village import NAMES

REMEMBERED = 40
"""Letters an eavesdropper keeps to play again."""
FRESH = 8
"""Of these the newest are altered: they are about what is being agreed."""


@final
class Post:
    """Decides when a letter arrives, how often, or never."""

    def __init__(self, faults: Faults, rng: random.Random, counts: Counter[str]) -> None:
        self._faults, self._rng, self._counts = faults, rng, counts
        self._thief = random.Random(rng.getrandbits(64))
        self._kept: deque[Letter] = deque(maxlen=REMEMBERED)

    def linked(self, one: str, other: str, now_s: float) -> bool:
        """Whether a link between two cells would live: messages pass both ways."""
        return self._open(one, other, now_s) and self._open(other, one, now_s)

    def arrivals(self, letter: Letter, now_s: float) -> list[float]:
        """When copies of a letter sent now arrive."""
        rng, f = self._rng, self._faults
        self._counts["letters"] += 1
        self._kept.append(letter)
        if now_s >= f.heal_s:
            return [now_s + 0.005 + rng.expovariate(50.0)]
        if rng.random() < f.loss or not self._open(letter.sender, letter.receiver, now_s):
            self._counts["lost"] += 1
            return []
        copies = 2 if rng.random() < f.doubled else 1
        return [now_s + 0.005 + rng.expovariate(1.0 / f.delay_s) for _ in range(copies)]

    def replayed(self) -> list[Letter]:
        """A letter that was overheard, once more."""
        return [self._thief.choice(self._kept)] if self._kept else []

    def forged(self) -> list[Letter]:
        """A letter overheard just now, altered by somebody without the key."""
        if not self._kept:
            return []
        rng = self._thief
        letter = rng.choice(list(self._kept)[-FRESH:])
        said = letter.mail.said
        if isinstance(said, Acceptance):
            said = rng.choice((said, replace(said, plan=said.plan + 1), replace(said, digest="0" * 64)))
        else:
            said = replace(said, body={key: value + 1.0 for key, value in said.body.items()})
        mail = Mail(letter.sender, letter.receiver, said)
        return [Letter(letter.sender, letter.receiver, letter.epoch, letter.counter + 100_000, mail, genuine=False)]

    def _open(self, sender: str, receiver: str, now_s: float) -> bool:
        for cut in self._faults.cuts:
            if cut.start_s <= now_s < cut.end_s:
                apart = sender in cut.senders and receiver in cut.receivers
                if len(cut.senders) == len(NAMES):  # both ways
                    apart = (sender in cut.receivers) != (receiver in cut.receivers)
                if apart:
                    return False
        return True
