"""Exact while everybody answers in time, robust when not, and back: the root chooses for each plan, all follow.

    the root    last plan     -- ended, at most LATE ticks per wait ------->  exact
                by exact      -- late, or not ended when it had to be ----->  robust
                by robust     -- ended, at most CALM ticks per wait ------->  exact
                              -- else ------------------------------------->  robust

It is told in one round trip without a body upwards. Without loss there are no ticks, every plan is exact, and schedules
are those of the exact way bit for bit. Both ways end with records that both ends accept before they hold, so no change
of way touches an agreement that holds.

Loss alone is no reason to change: with a fifth of all messages lost the exact way needs 1.6 ticks per wait of the root
of 112 cells, and twice its round trips; with two fifths 3.4. It is when plans come too late that fewer digits in time
are worth more.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np

from archipel.coordination import exact, robust
from archipel.coordination.message import Body
from archipel.coordination.outcome import Before, Method, Solved, Start, Upstream
from archipel.coordination.tree import Ask, Gather, Tell
from archipel.model import Floats
from archipel.optimisation.block import Block

LATE, CALM = 3.0, 0.5
"""Ticks per wait of the root above which the exact way is left, and below which it is taken up again. They lie far
apart, so that one way is kept for a while."""


@final
@dataclass(frozen=True, slots=True)
class Options:
    """Two ways, and between them the root's choice."""

    exact: Method = exact.DEFAULT
    robust: Method = robust.DEFAULT

    def program(
        self, block: Block, wish: Floats, upstream: Upstream | None, start: Start, dt_h: Floats
    ) -> Generator[Any, Any, Solved]:
        """See `outcome.Method`; only the root looks at `start.before`."""
        yield Gather()
        told: Body
        if upstream is None:
            told = yield Ask({})
        else:
            told = {"robust": np.array(float(choose(start.before) == "robust"))}
        yield Tell([told] * block.children)
        way = self.robust if float(told["robust"]) else self.exact
        solved = yield from way.program(block, wish, upstream, start, dt_h)
        return replace(solved, round_trips=solved.round_trips + 1)


DEFAULT = Options()


def choose(before: Before | None) -> Literal["exact", "robust"]:
    """The way for the next plan, from how the last one went; exact when there was none."""
    if before is None:
        return "exact"
    most = LATE if before.way == "exact" else CALM
    return "exact" if before.ended and before.ticks <= most * before.waits else "robust"
