"""Reconfiguration of a scenario: the day to decide for, and the referee who may see everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import final

import numpy as np

from archipel.coordination.reconfigure import Study
from archipel.grid.day_flow import DayFlow, day_flow
from archipel.grid.switching import Switchable
from archipel.grid.topology import components
from archipel.model import Bools, Diverged, Floats, GridError, Ints, Scenario
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run

DAYS_KEPT = 6
"""Days of power flow held in memory; each is (branches, 96) numbers."""


def day_of(scenario: Scenario, start: datetime) -> tuple[Floats, Floats]:
    """What every node draws in the 96 quarter hours from `start` when devices follow their local rules, as forecast.

    P [kW] and Q [kvar], shape (nodes, 96), from one day of the twin with today's switches. When switches move, voltages
    change, and inverters on volt-var curves would give a little more or less: that is not in it.
    """
    result = run(scenario, Uncoordinated(scenario), start=start, days=1)
    p_kw, q_kvar = (np.zeros((len(scenario.grid.nodes), result.p_kw.shape[1])) for _ in range(2))
    np.add.at(p_kw, scenario.device_node, result.p_kw)
    np.add.at(q_kvar, scenario.device_node, result.q_kvar)
    return p_kw, q_kvar


def study_of(network: Switchable, p_kw: Floats, q_kvar: Floats, dt_h: float) -> Study:
    """The AC power flow of one day at any position; the last few are remembered."""

    @lru_cache(maxsize=DAYS_KEPT)
    def solved(position: bytes) -> DayFlow:
        return day_flow(network.grid_at(np.frombuffer(position, dtype=np.bool_)), p_kw, q_kvar, dt_h)

    return lambda position: solved(position.tobytes())


@final
@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The best of all sound positions."""

    position: Bools
    day: DayFlow
    tried: int
    """Sound positions there are."""


def best_of_all(network: Switchable, study: Study) -> Best:
    """The central referee: solves the day at every sound position and takes the one that loses least.

    Limits are not looked at, so nobody can do better. Takes as many power flows as `positions` yields.
    """
    best: Best | None = None
    for tried, position in enumerate(positions(network), start=1):
        try:
            day = study(position)
        except Diverged:
            continue
        if best is None or day.lost_kwh < best.day.lost_kwh:
            best = Best(position, day, tried)
    if best is None:
        raise GridError("no position of the switches has a power flow")
    return Best(best.position, best.day, tried)


def positions(network: Switchable) -> Iterator[Bools]:
    """Every sound position that the switches can take, each once.

    Close all that may be closed; while there is a ring, one of its branches must be open: the first, or the second and
    not the first, and so on.
    """
    begin = network.start.copy()
    begin[network.operable] = True
    stack = [(begin, network.operable.copy())]
    while stack:
        position, may_open = stack.pop()
        ring = _a_ring(network, position)
        if len(ring) == 0:
            yield position
            continue
        may_open = may_open.copy()
        for branch in ring[may_open[ring]]:
            after = position.copy()
            after[branch] = may_open[branch] = False
            stack.append((after, may_open.copy()))


def count_positions(network: Switchable) -> float:
    """How many sound positions there are, without visiting them.

    The number of spanning trees is any cofactor of the Laplacian (Kirchhoff 1847). Branches that stay closed make their
    ends one point, those that stay open do not count.
    """
    fixed = network.start & ~network.operable
    point = components(len(network.live), *network.ends[:, fixed])
    ends = point[network.ends[:, network.operable]]
    ends = ends[:, ends[0] != ends[1]]
    used, ends = np.unique(ends, return_inverse=True)
    ends = ends.reshape(2, -1)
    laplacian = np.zeros((len(used), len(used)))
    for a, b, sign in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -1.0), (1, 0, -1.0)):
        np.add.at(laplacian, (ends[a], ends[b]), sign)
    return float(np.round(np.linalg.det(laplacian[1:, 1:]))) if len(used) > 1 else 1.0


def _a_ring(network: Switchable, position: Bools) -> Ints:
    """Branches of one closed ring; empty when there is none."""
    closed = network.ring(position)
    if len(closed) == 0:
        return closed
    beside: dict[int, list[tuple[int, int]]] = {}
    for branch, a, b in zip(closed.tolist(), *network.ends[:, closed].tolist(), strict=True):
        beside.setdefault(a, []).append((branch, b))
        beside.setdefault(b, []).append((branch, a))
    # every point that is left has two ways on, so who never turns back comes somewhere twice
    here, came, walked = next(iter(beside)), -1, list[int]()
    seen: dict[int, int] = {}
    while here not in seen:
        seen[here] = len(walked)
        came, here = next(way for way in beside[here] if way[0] != came)
        walked.append(came)
    return np.array(walked[seen[here] :], dtype=np.int64)


def opened_in_turn(network: Switchable, study: Study) -> tuple[Bools, DayFlow]:
    """What somebody who sees everything would do without trying all: close all in thought, open the weakest in turn.

    With all rings closed the network finds its own flow pattern; the branch of a ring that carries least over the day
    (mean square of its current) is opened, then flows are found anew, until it is radial. Limits are not looked at.

    Source: D. Shirmohammadi, H. W. Hong, "Reconfiguration of electric distribution networks for resistive line losses
    reduction", IEEE Trans. Power Delivery 4 (1989), doi:10.1109/61.25637; here with AC flows and over a day.
    """
    position = network.start | network.operable
    while True:
        day = study(position)
        ring = network.ring(position)
        if len(ring) == 0:
            return position, day
        # what joins two rings to each other is among `ring`, and opening it would cut something off
        free = [b for b in ring[network.operable[ring]].tolist() if not network.cut_off(_without(position, b)).any()]
        squares = (np.abs(day.current[free].astype(np.complex128)) ** 2).sum(axis=1)
        position = _without(position, free[int(squares.argmin())])


def _without(position: Bools, branch: int) -> Bools:
    after = position.copy()
    after[branch] = False
    return after
