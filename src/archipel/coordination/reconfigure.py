"""Which ties should be open: decided by the cells, one exchange after the other, for a day to come.

    every open tie     the cells of its loop judge which branch had best be open instead     two trips around the loop
    all cells          find the exchange that saves most                                     one trip along their tree
    AC power flow      at that position, and at the moment between its two operations
    all cells          count the losses and raise objections                                 one trip along their tree
      accepted: begin again from there; objected: never this exchange from here, but the next best
    nothing saves      two exchanges at once: every tie tries its best branches in thought, the others answer

**What a cell tells whom.** Around a loop: sums over its own branches and the number of its best one (`loop`). Along the
tree of cells: the saving of the best exchange it heard of, the energy lost in its own branches, and by how much its own
voltages and loadings would be further beyond its own limits than they are today. Nobody tells loads, voltages, limits
or what a branch is made of. *Not* distributed is the AC power flow: `study` solves the whole network, and of the answer
every cell reads its own rows only, as it would read its meters.

**Radial, every node fed, no live loop.** A transfer closes one branch and opens another. Before and after every
transfer the position is sound (`archipel.grid.switching`). Between its two operations no position can be: a radial
network of n points has n - 1 closed branches, so one single operation makes a loop or cuts something off. With
`first="make"` the two ends are joined for the seconds between the two operations: nobody goes dark, and the AC power
flow has found no limit broken further than today in that moment, whatever time of the day it comes. With
`first="break"` there is never a loop, and what hangs behind the branch is dark for those seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal, final

import numpy as np

from archipel.coordination.loop import Loop, Stretch, Tally, best_opening, converse, pool, round_current
from archipel.coordination.message import Body
from archipel.grid.day_flow import DayFlow
from archipel.grid.switching import Supply, Switchable
from archipel.model import Archipelago, Bools, Diverged, Floats, Ints

First = Literal["make", "break"]
Study = Callable[[Bools], DayFlow]
"""AC power flow of the day at a position, also one with a loop in it. Raises Diverged where there is no answer."""

SAME = 1e-6
"""Rise of a voltage [pu] or loading beyond its limit that is rounding and no change."""
LEAST_SHARE = 1e-6
"""Share of today's losses below which an exchange saves nothing."""
THOUGHTS = 8
"""Branches that every tie tries in thought when two exchanges at once are sought."""
TRIALS = 8
"""Double exchanges whose power flow is solved before the search ends."""


@final
@dataclass(frozen=True, slots=True)
class Transfer:
    """Close one branch, open another; both by their row."""

    close: int
    open: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A position on the way, and the day there."""

    transfer: Transfer | None
    """What led here; None for today's position."""
    position: Bools
    day: DayFlow


@final
@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What the cells decided."""

    steps: tuple[Step, ...]
    """Today's position, then the position after every transfer, in the order in which to make them."""
    tally: Tally
    """What was said."""
    studies: int
    """Positions whose day was solved."""
    objections: int
    """Exchanges not accepted after their power flow."""

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """The transfers in their order; none when nothing is gained."""
        return tuple(step.transfer for step in self.steps if step.transfer is not None)


def reconfigure(
    network: Switchable,
    archipelago: Archipelago,
    study: Study,
    dt_h: float,
    *,
    first: First = "make",
    least_kwh: float = 0.0,
) -> Decision:
    """Decide, and put the transfers in order.

    Args:
        network: what may be switched; the search begins at its position today.
        archipelago: the cells; their tree and the cell of every node are used, ties are not.
        study: the day's AC power flow.
        dt_h: length of its intervals.
        first: which operation of a transfer comes first, see above.
        least_kwh: what an exchange must save on the day to be worth its two operations.

    Returns:
        Transfers after each of which the network is radial, every node is fed, the day's losses are not above those of
        today's position, and no cell is further beyond one of its limits than it is today.

    Raises:
        Diverged: the day has no power flow at today's position.
    """
    search = _Search(network, archipelago, study, dt_h, first, least_kwh)
    path = search.improved()
    return Decision(tuple(search.in_order(path) or path), search.tally, search.studies, search.objections)


@final
@dataclass(slots=True, eq=False)
class _Search:
    network: Switchable
    archipelago: Archipelago
    study: Study
    dt_h: float
    first: First
    least_kwh: float
    tally: Tally = field(default_factory=Tally)
    studies: int = 0
    objections: int = 0
    today: Step = field(init=False)
    point_cell: Ints = field(init=False)
    """Cell of every electrical point: that of its first node."""
    branch_cell: Ints = field(init=False)
    """Cell that meters a branch: that of its from end."""
    parents: dict[str, str] = field(init=False)
    beyond_today: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.point_cell = np.zeros(len(self.network.live), dtype=np.int64)
        self.point_cell[self.network.point[::-1]] = self.archipelago.node_cell[::-1]
        self.branch_cell = self.point_cell[self.network.ends[0]]
        self.parents = {cell.id: cell.parent for cell in self.archipelago.cell}
        self.today = Step(None, self.network.start, self._solved(self.network.start))
        self.beyond_today = self._beyond(self.today.day)
        self.least_kwh = max(self.least_kwh, LEAST_SHARE * self.today.day.lost_kwh)

    def improved(self) -> list[Step]:
        """The way to a position from which neither one nor two exchanges gain anything more."""
        path = self._climbed([self.today])
        refused: set[tuple[Transfer, Transfer]] = set()
        while len(refused) < TRIALS:
            here = path[-1]
            saves, pair = self._best_pair(here, refused)
            if pair is None or saves < 2 * self.least_kwh:
                break
            middle = self._tried(here, pair[0], self.today.day.lost_kwh)
            end = middle and self._tried(middle, pair[1], here.day.lost_kwh - 2 * self.least_kwh)
            if middle is None or end is None:
                refused.add(pair)
                continue
            path = self._climbed([*path, middle, end])
            refused.clear()
        return path

    def in_order(self, path: list[Step]) -> list[Step] | None:
        """The same end in as few transfers as can be, those that save most first; None where a step would not do.

        The search may have moved one open point several times; only its first and last place count.
        """
        target = path[-1].position
        steps, refused = [self.today], set[Transfer]()
        while not (steps[-1].position == target).all():
            here = steps[-1]
            ties = np.flatnonzero(target & ~here.position).tolist()
            _, transfer = self._best(here, ties, here.position & ~target, refused)
            if transfer is None:
                return None
            step = self._tried(here, transfer, self.today.day.lost_kwh)
            if step is None:
                refused.add(transfer)
            else:
                steps.append(step)
                refused.clear()
        return steps

    def _climbed(self, steps: list[Step]) -> list[Step]:
        """Single exchanges, each the best there is, until none gains."""
        refused = set[Transfer]()
        while True:
            here = steps[-1]
            ties = self.network.ties(here.position).tolist()
            saves, transfer = self._best(here, ties, self.network.operable & here.position, refused)
            if transfer is None or saves < self.least_kwh:
                return steps
            step = self._tried(here, transfer, here.day.lost_kwh - self.least_kwh)
            if step is None:
                refused.add(transfer)
            else:
                steps = [*steps, step]
                refused.clear()

    def _best(
        self, here: Step, ties: list[int], may_open: Bools, refused: set[Transfer]
    ) -> tuple[float, Transfer | None]:
        """The exchange that saves most [kWh], by what the loops say, found along the tree of cells."""
        supply = self.network.supply(here.position)
        offers: dict[str, Body] = {}
        for tie in ties:
            allowed = may_open.copy()
            allowed[[transfer.open for transfer in refused if transfer.close == tie]] = False
            loop, home = self._loop(tie, supply, here.day, allowed)
            saves, branch = best_opening(loop, self.dt_h, self.tally)
            offer: Body = {"best": np.array([saves, tie, branch])}
            offers[home] = _better(offers.get(home, NO_OFFER), offer)
        best = self._asked(lambda cell: offers.get(cell, NO_OFFER), _better)["best"]
        return float(best[0]), Transfer(int(best[1]), int(best[2])) if best[2] >= 0 else None

    def _best_pair(
        self, here: Step, refused: set[tuple[Transfer, Transfer]]
    ) -> tuple[float, tuple[Transfer, Transfer] | None]:
        """The two exchanges that save most together [kWh], the first of them made in thought only."""
        found: tuple[float, tuple[Transfer, Transfer] | None] = (-np.inf, None)
        for tie in self.network.ties(here.position).tolist():
            tried = set[Transfer]()
            while len(tried) < THOUGHTS:
                saves, one = self._best(here, [tie], self.network.operable & here.position, tried)
                if one is None:
                    break
                tried.add(one)
                there = self._thought(here, one)
                may_open = self.network.operable & there.position
                may_open[tie] = False  # opened again it would be a single exchange
                others = [t for t in self.network.ties(there.position).tolist() if t != one.open]
                no = {pair[1] for pair in refused if pair[0] == one}
                more, other = self._best(there, others, may_open, no)
                if other is not None and saves + more > found[0]:
                    found = (saves + more, (one, other))
        return found

    def _thought(self, here: Step, transfer: Transfer) -> Step:
        """Where a transfer would lead if loads drew constant current, by what its loop says."""
        loop, _ = self._loop(transfer.close, self.network.supply(here.position), here.day, here.position)
        c = round_current(loop, transfer.open, self.tally)
        current = here.day.current.copy()
        for own in (loop.junction, *loop.ways[0], *loop.ways[1]):
            current[own.branch] = own.current + own.sign[:, None] * c
        current[transfer.open] = 0.0
        position = self.network.exchanged(here.position, transfer.close, transfer.open)
        return Step(transfer, position, replace(here.day, current=current))

    def _loop(self, tie: int, supply: Supply, day: DayFlow, may_open: Bools) -> tuple[Loop, str]:
        """The stretches of a tie's loop, and the cell of its junction.

        Both ends call towards the source, every point hands the call to the next above; the first that hears both is
        the junction.
        """
        ends = self.network.ends[:, tie].tolist()
        ways: tuple[list[int], list[int]] = ([], [])
        while ends[0] != ends[1]:
            side = int(supply.depth[ends[1]] > supply.depth[ends[0]])
            ways[side].append(ends[side])
            ends[side] = int(supply.above[ends[side]])
        cell = int(self.point_cell[ends[0]])
        inner: list[tuple[int, float]] = [(tie, 1.0)]
        outer: tuple[list[Stretch], list[Stretch]] = ([], [])
        for side, way in enumerate(ways):
            runs = _runs(way[::-1], self.point_cell)
            for i, run in enumerate(runs):
                branches = [(int(supply.by[p]), self._direction(p, supply, side)) for p in run]
                if i == 0 and self.point_cell[run[0]] == cell:
                    inner += branches
                else:
                    outer[side].append(_stretch(branches, self.network, day, may_open))
        loop = Loop(_stretch(inner, self.network, day, may_open), (tuple(outer[0]), tuple(outer[1])))
        return loop, self.archipelago.cell[cell].id

    def _direction(self, point: int, supply: Supply, side: int) -> float:
        """+1 where the branch that feeds a point is listed along the loop's way: out on side 0, back on side 1."""
        out = self.network.ends[1, supply.by[point]] == point
        return 1.0 if out == (side == 0) else -1.0

    def _tried(self, here: Step, transfer: Transfer, most_kwh: float) -> Step | None:
        """The day after a transfer; None when it loses more than `most_kwh` or some cell objects."""
        position = self.network.exchanged(here.position, transfer.close, transfer.open)
        during = here.position.copy()
        during[transfer.close] = True
        try:
            day = self._solved(position)
            good = self._agreed_kwh(day) <= most_kwh
            if good and self.first == "make":
                good = np.isfinite(self._agreed_kwh(self._solved(during)))
        except Diverged:
            good = False
        self.objections += not good
        return Step(transfer, position, day) if good else None

    def _solved(self, position: Bools) -> DayFlow:
        self.studies += 1
        return self.study(position)

    def _agreed_kwh(self, day: DayFlow) -> float:
        """Energy lost in all cells [kWh]; infinite when one is further beyond its limits than today."""
        lost = np.bincount(self.branch_cell, day.losses_kwh, len(self.parents))
        worse = (self._beyond(day) - self.beyond_today).max(axis=0)
        said: dict[str, Body] = {
            cell.id: {"kwh": np.array(lost[i]), "worse": np.array(worse[i])}
            for i, cell in enumerate(self.archipelago.cell)
        }
        told = self._asked(
            lambda cell: said[cell],
            lambda a, b: {"kwh": a["kwh"] + b["kwh"], "worse": np.maximum(a["worse"], b["worse"])},
        )
        return float(told["kwh"]) if told["worse"] <= SAME else np.inf

    def _beyond(self, day: DayFlow) -> Floats:
        """How far every cell is beyond its limits at its worst place: low and high voltage, loading; (3, cells)."""
        nodes, cell = self.network.grid.nodes, self.archipelago.node_cell
        fed = self.network.live[self.network.point]
        beyond = np.zeros((3, len(self.parents)))
        np.maximum.at(beyond[0], cell[fed], (nodes.v_pu_min - day.v_pu_min)[fed])
        np.maximum.at(beyond[1], cell[fed], (day.v_pu_max - nodes.v_pu_max)[fed])
        np.maximum.at(beyond[2], self.branch_cell, day.loading - 1.0)
        return beyond

    def _asked(self, own: Callable[[str], Body], fold: Callable[[Body, Body], Body]) -> Body:
        """What all cells know, folded together along their tree."""

        def program(cell: str, children: int, root: bool) -> Generator[Any, Any, Body]:
            return pool(own(cell), fold, children, root=root)

        return converse(self.parents, program, self.tally)


NO_OFFER: Body = {"best": np.array([-np.inf, -1.0, -1.0])}


def _better(a: Body, b: Body) -> Body:
    return max(a, b, key=lambda body: tuple(body["best"]))


def _runs(points: list[int], cell: Ints) -> list[list[int]]:
    """Neighbouring points of the same cell, taken together."""
    return [list(run) for _, run in groupby(points, key=lambda p: int(cell[p]))]


def _stretch(branches: list[tuple[int, float]], network: Switchable, day: DayFlow, may_open: Bools) -> Stretch:
    row = np.array([branch for branch, _ in branches], dtype=np.int64)
    sign = np.array([direction for _, direction in branches])
    return Stretch(row, sign, network.r_pu[row], day.current[row], may_open[row])
