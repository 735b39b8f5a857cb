"""What the engine hands over for every minute; light, so that the server need not load what the engine is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Believed
from archipel.web.nouns import Agreements, Card, Phase, Scene, Score

COOPERATING, ALONE = "distributed", "uncoordinated"


@final
@dataclass(frozen=True, slots=True)
class Phased:
    """A command has gone on."""

    id: str
    phase: Phase
    text: str


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """Everything one minute of grid time brought."""

    number: int
    """Minutes since the beginning."""
    time: datetime
    frames: dict[str, NDArray[np.float32]]
    """By strategy."""
    scenes: tuple[Scene, ...] = ()
    cards: dict[str, tuple[Card, ...]] = field(default_factory=dict)
    """By strategy: new ones, and old ones that have changed."""
    phases: tuple[Phased, ...] = ()
    agreements: dict[str, Agreements] = field(default_factory=dict)
    """By strategy, where there are new ones."""
    believed: Believed | None = None
    """What cells believe from now on, where they have planned."""
    node_price_eur_per_kwh: NDArray[np.float32] | None = None
    """At every node, where there are new ones."""
    score: Score | None = None
