"""Exact agreement: a distributed primal-dual interior point on the tree of cells.

One round trip along the tree per iteration, one to open and one to close; two where cells have to keep step:

    open      up  P, Q and where the voltage matters                   down  price, voltage, first mu
    iterate   up  P, Q, price of voltage, response C, K, Y,            down  price, voltage, mu, longest step,
                  constants, sums of gap, cost, products, step lengths       or the end
    (keep step  up  longest step                                       down  step all can take)
    close     up  cost at true voltages                                down  cost and certified gap

No step length is agreed on: every cell follows its parent's price and voltage as far as its own slacks and duals allow
(see `optimisation.interior`) and tells its children what follows for them. What cells then hold apart (a voltage and
its price) is a residual like any other, and the next Newton step works it off. Price and power at a boundary are the
same on both sides at every iteration. That is fast, and not proven to get there: seldom, cells lead each other round in
circles. When the gap is for long no better, all take the same step from then on, as a central method would. Every cell
remembers the best point; where the gap jumps, and at the end, all go back to it.

Powers of ties across the tree are handed down beside the voltage, and with them how stiff the rest of the tree holds
them.

What a cell reveals: how its boundary power answers to price and voltage, never what is behind it. The gap is
certified: see `CellSolver.gap`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from archipel.coordination.message import Body, pack, unpack
from archipel.coordination.outcome import Solved, Start, Upstream
from archipel.coordination.tree import Ask, Gather, Tell
from archipel.model import Floats
from archipel.optimisation.block import Block
from archipel.optimisation.interior import Answer, CellSolver, Constants, Response

Requests = Generator[Gather | Ask | Tell, Any, "Solved"]


@final
@dataclass(frozen=True, slots=True)
class Options:
    """How long and how well to look."""

    gap: float = 5e-5
    """Certified gap to stop at, as a share of the gross energy cost."""
    iterations: int = 100
    mu: float = 1.0
    """First product of slack and dual [EUR]. Far from any good start it must be large."""

    def program(
        self, block: Block, wish: Floats, upstream: Upstream | None, start: Start, dt_h: Floats
    ) -> Generator[Any, Any, Solved]:
        """See `outcome.Method`; begins at `wish`, just inside the bounds."""
        del start, dt_h
        return solve(CellSolver(block, wish, 0.001), upstream, self)


DEFAULT = Options()
OFF_GRID_MU = 1e3
"""First `mu` at the least where nothing is bought: prices then go from nothing to the value of lost load."""


@dataclass(slots=True, eq=False)
class _Sums:
    """What the root must know of all cells together."""

    gap: float
    """Most that the cost may be above its least [EUR]."""
    cost: float
    products: float
    """Slacks times duals [EUR]."""
    pairs: float
    cells: float
    primal: float
    dual: float
    """Lengths of the last step, added up."""
    shortest: float

    def array(self) -> Floats:
        """For a message."""
        return np.array([getattr(self, name) for name in _Sums.__slots__])

    @staticmethod
    def of(own: Floats, heard: list[Body]) -> _Sums:
        """Own part (8,) and what children told."""
        parts = np.stack([own, *(body["sums"] for body in heard)])
        together = np.append(parts[:, :-1].sum(axis=0), parts[:, -1].min()).tolist()
        return _Sums(**dict(zip(_Sums.__slots__, together, strict=True)))


CLOSE, FAR, VERY_FAR = 0.01, 0.1, 0.3
"""Share of the mean product to aim at next: when all steps were long, most were, or few."""
LAG, PATIENT, NEAR = 1e5, 8, 300.0
"""Where the residuals hide this much more than the products, `mu` waits for them; after so many iterations without a
better gap it keeps nearer to them. (100 cells over 96 intervals need that, smaller days are quicker without.)"""
STUCK, SHORTER = 0.9, 0.5
"""When the gap is below 1, above this share of the best of the last three, and hardly made of products, steps have this
length at most: full ones may go round in circles."""
LOST, BACK = 20, 0.1
"""After so many iterations without a better gap, cells open again where they are, at a `mu` whose products hide this
share of the gap, and from then on all take the same step."""
JUMP, END = 100.0, 1e-3
"""A gap that is so many times the best, or no number, once the best is below the second, sends all cells back to where
it was best."""


@dataclass(slots=True, eq=False)
class _Root:
    """The root also decides: the first point, the centring, the end."""

    upstream: Upstream
    options: Options
    gaps: list[float] = field(default_factory=list)
    best: float = np.inf
    no_better: int = 0
    together: bool = False
    better: bool = False
    """Whether the present point is the best yet."""
    above: float = 0.0

    def judges(self, gap: float, above: float) -> tuple[bool, bool]:
        """Whether this is the end, and whether all cells go back to the best point; `above` is the gap [EUR] less the
        cost it was counted from."""
        self.gaps.append(gap)
        before = self.best
        self.no_better = 0 if gap < 0.7 * before else self.no_better + 1
        self.better = gap < before or len(self.gaps) == 1  # the first point is one to go back to, whatever it is
        if self.better:
            self.best, self.above = float(np.nan_to_num(gap, nan=np.inf)), above
        lost = self.best < END and self.no_better >= LOST
        jumped = before < END and (gap > JUMP * before or bool(np.isnan(gap)))
        end = gap < self.options.gap or len(self.gaps) >= self.options.iterations or lost or (jumped and self.together)
        if jumped:
            self.together, self.no_better = True, 0
        return end, jumped or (end and not self.better)

    def aims(self, sums: _Sums, gross: float) -> tuple[float, float, bool]:
        """The next `mu`, how long a step may be, and whether to open again."""
        mean = min(sums.primal, sums.dual) / sums.cells
        share = CLOSE if sums.shortest > 0.8 else FAR if sums.shortest > 0.1 and mean > 0.9 else VERY_FAR
        if sums.gap > (NEAR if self.no_better >= PATIENT else LAG) * sums.products:
            share = 1.0
        now = sums.products / sums.pairs
        if self.no_better >= LOST and not self.together:
            self.together, self.no_better = True, 0
            return max(BACK * sums.gap / sums.pairs, now), 1.0, True
        least = 0.03 * self.options.gap * gross / sums.pairs
        before = self.gaps[-4:-1]
        worse = len(before) == 3 and STUCK * min(before) < self.gaps[-1] < 1.0
        stuck = worse and sums.gap > 1e3 * sums.products and not self.together
        return max(share * now, least), SHORTER if stuck else 1.0, False


def solve(solver: CellSolver, upstream: Upstream | None, options: Options) -> Requests:
    """A cell's program. `upstream` is given to the root only; `options` matter there only."""
    heard = yield Gather()
    root = None if upstream is None else _Root(upstream, options)
    t_count = solver.block.intervals
    pq = np.stack([body["pq"] for body in heard]) if heard else np.zeros((0, 2, t_count))
    solver.know_children(pq, [body["active"].astype(np.int64) for body in heard])
    yield from _open(solver, root)
    iterations, round_trips, lengths, above = 0, 2, (0.0, 0.0), None
    while above is None:
        iterations += 1
        trips, lengths, above = yield from _iterate(solver, root, lengths)
        round_trips += trips
    told = yield from _close(solver, root, above)
    hinge_price, volt_price = solver.inner_prices()
    return Solved(
        u=solver.u,
        price=solver.price,
        boundary=solver.boundary(),
        iterations=iterations,
        gap=float(told["gap"]),
        cost=float(told["cost"]),
        gross=float(told["gross"]),
        converged=bool(told["converged"]),
        levels=solver.levels_now,
        child_pq=solver.child_pq,
        v_pu=solver.v[:t_count],
        round_trips=round_trips,
        gaps=() if root is None else tuple(root.gaps),
        hinge_price=hinge_price,
        volt_price=volt_price,
        tie_kw=solver.v[t_count:].reshape(-1, t_count),
    )


def _open(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, None]:
    if root is None:
        told = yield Ask({"pq": solver.boundary(), "active": solver.active.astype(np.float64)})
        price, v, mu = told["price"], told["v"], float(told["mu"])
    else:
        price, v, mu = root.upstream.price, root.upstream.v_pu, root.options.mu
        mu = max(mu, OFF_GRID_MU) if root.upstream.worth_eur else mu
    solver.open(price, v, mu)
    prices, inputs = solver.child_prices(), solver.child_inputs()
    yield Tell([{"price": p, "v": w, "mu": np.array(mu)} for p, w in zip(prices, inputs, strict=True)])


def _iterate(
    solver: CellSolver, root: _Root | None, lengths: tuple[float, float]
) -> Generator[Any, Any, tuple[int, tuple[float, float], float | None]]:
    """Returns the round trips it took, the lengths of this cell's step, and at the end how far the cost may be above
    its least, less that cost."""
    heard = yield Gather()
    answer = solver.answer([_heard(body, solver.block.intervals) for body in heard])
    s, z = solver.pairs.s, solver.pairs.z
    # what is told at the end is the cost at true voltages, so the gap is counted from the cost at those held now
    own = [solver.gap(), solver.cost(), float(s @ z), float(len(s)), 1.0, *lengths, min(lengths)]
    sums = _Sums.of(np.array(own), heard)
    if root is None:
        told = yield Ask({**_said(answer), "sums": sums.array()})
    else:
        told = _decide(root, solver, sums)
    if "back" in told:
        solver.go_back()
    if "end" in told:
        solver.v[solver.active] = told["end"]
        ends = zip(solver.child_inputs(), solver.child_active, strict=True)
        yield Tell([{**told, "end": v[at]} for v, at in ends])
        return 1, lengths, 0.0 if root is None else root.above
    if "back" in told:
        yield Tell([told] * solver.block.children)
        return 1, lengths, None
    if "mark" in told:
        solver.mark()
    price, v, mu, most = told["price"], told["v"], float(told["mu"]), float(told["most"])
    if "again" in told:
        solver.open_again(price, v, mu)
        rests: list[Floats] = []
    elif "together" in told:
        news = zip(*solver.aim(price, v, mu), strict=True)
        yield Tell([{**told, "price": p, "v": w} for p, w in news])
        lengths = yield from _keep_step(solver, root)
        return 2, lengths, None
    else:
        told = dict(told)
        rest = told.pop("rest", np.zeros(0))
        rests = solver.child_rest(rest)
        lengths = solver.follow(price, v, mu, most, rest)
    news = zip(solver.child_prices(), solver.child_held(), strict=True)
    bodies = [{**told, "price": p, "v": w} for p, w in news]
    for body, stiffness in zip(bodies, rests, strict=False):
        if len(stiffness):
            body["rest"] = stiffness
    yield Tell(bodies)
    return 1, lengths, None


def _keep_step(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, tuple[float, float]]:
    """Agree on the lengths of steps that all cells can take, and take them."""
    heard = yield Gather()
    most = np.array([solver.longest(), *(body["most"] for body in heard)]).min(axis=0)
    if root is None:
        told = yield Ask({"most": most})
        most = told["most"]
    yield Tell([{"most": most}] * solver.block.children)
    lengths = float(most[0]), float(most[1])
    solver.keep_step(*lengths)
    return lengths


def _decide(root: _Root, solver: CellSolver, sums: _Sums) -> Body:
    gross = _gross(root, solver)
    v = root.upstream.v_pu[solver.active]
    end, back = root.judges(sums.gap / gross, sums.gap - sums.cost)
    went: Body = {"back": np.array(1.0)} if back else {}
    if end or back:
        return {**went, "end": v} if end else went
    mu, most, again = root.aims(sums, gross)
    # said by their names, so that names tell what is asked
    marks = {"together": root.together, "again": again, "mark": root.better}
    marked = {name: np.array(1.0) for name, holds in marks.items() if holds}
    return {"price": root.upstream.price, "v": v, "mu": np.array(mu), "most": np.array(most), **marked}


def _said(answer: Answer) -> Body:
    return {
        "pq": answer.pq,
        "omega": answer.omega,
        "c": pack(answer.response.c),
        "k": answer.response.k,
        "y": pack(answer.response.y),
        "k0": answer.empty.k,
        "m0": answer.empty.m,
        "k1": answer.centre.k,
        "m1": answer.centre.m,
    }


def _heard(body: Body, t_count: int) -> Answer:
    k = body["k"]
    response = Response(unpack(body["c"], 2 * t_count), k, unpack(body["y"], k.shape[1]))
    return Answer(
        body["pq"], body["omega"], response, Constants(body["k0"], body["m0"]), Constants(body["k1"], body["m1"])
    )


def _close(solver: CellSolver, root: _Root | None, above: float) -> Generator[Any, Any, Body]:
    """Cost at true voltages and what it may be above the least; `above` is the gap less the cost it was counted
    from."""
    heard = yield Gather()
    cost = solver.true_cost() + float(sum(float(body["cost"]) for body in heard))
    told: Body
    if root is None:
        told = yield Ask({"cost": np.array(cost)})
    else:
        gross = _gross(root, solver)
        gap = (above + cost) / gross
        cost += float((root.upstream.price * solver.boundary()).sum())
        converged = np.array(float(gap < root.options.gap))
        told = {"gap": np.array(gap), "cost": np.array(cost), "gross": np.array(gross), "converged": converged}
    yield Tell([told] * solver.block.children)
    return told


def _gross(root: _Root, solver: CellSolver) -> float:
    bought = float(np.abs(root.upstream.price * solver.boundary())[0].sum())
    return max(bought, root.upstream.worth_eur, 1e-9)
