"""How one cell takes part in a plan: operating point, linear problem, agreement, AC check, again if need be.

settle at the wish  ->  linearise  ->  agree  ->  settle at the result  ->  vote
      ^                                                                      |
      +---------------------- not within limits yet -------------------------+
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, final

import numpy as np

from archipel.cell.check import Excess, excess, forget, v2_error, what_gave
from archipel.cell.curvature import SHARE
from archipel.cell.linear import Memory, Point, linear_problem
from archipel.cell.prices import Priced, child_parts, duals_of, upstream_parts, worth_of_losses
from archipel.cell.site import Duty, Site, flow
from archipel.controller.bending import stiffness
from archipel.coordination.exact import Options, Upstream, solve
from archipel.coordination.settle import Settled, settle, vote
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats
from archipel.optimisation.block import Block
from archipel.optimisation.interior import CellSolver

ACCEPT = np.array([3e-4, 3e-3, 3e-3, 0.03, 0.25, 0.05])
"""Largest excess of voltage [pu], loading and connection [share] in an accepted plan, first for what is carried out
before the next plan (counted as a violation above 5e-4, 5e-3 and 5e-3), then for what will be planned again."""


@final
@dataclass(frozen=True, slots=True)
class Passes:
    """How often a plan is linearised, and how true it must be."""

    most: int = 5
    precise: bool = False
    """True: go on until the linear problem is true to AC power flow within `TRUE_V2_PU2` and `TRUE_COST`, and limit
    currents closely in every interval. False: until the limits are kept, as `ACCEPT` has it."""

    def accept(self, worst: Floats) -> bool:
        """The root's judgement of the worst that all cells found: excess of limits as in `ACCEPT`, then the errors of
        the linear problems as in `TRUE_V2_PU2` and `TRUE_COST`."""
        true = np.array([TRUE_V2_PU2, TRUE_COST]) if self.precise else np.full(2, np.inf)
        return bool((worst < np.concatenate([ACCEPT, true])).all())


TRUE_V2_PU2, TRUE_COST = 1e-5, 1e-4
"""Largest error of a precise plan's linear problem: of squared voltages, and of the upstream bill as a share of the
gross energy cost."""


def firmness(turn: int) -> float:
    """Factor on the curvature of losses (`cell.curvature`) in pass `turn` (from 1) of a plan.

    Two passes with the share that converges fastest, one with the whole bound, then twice as much with every pass:
    limits that come and go could make passes alternate for ever.
    """
    return 1.0 if turn <= 2 else 2.0 ** (turn - 3) / SHARE


def both(found: tuple[Excess, Excess]) -> Floats:
    """Excess soon and later as figures in the order of `ACCEPT`."""
    return np.concatenate([found[0].array(), found[1].array()])


@final
@dataclass(frozen=True, slots=True, eq=False)
class RootFacts:
    """What only the root is told about upstream."""

    price_eur_per_kwh: Floats
    """Day-ahead price of every interval (T,)."""
    v_pu: float
    peaks_kw: Floats
    """Highest import so far of every UTC day in the horizon."""


class Scheduled(Protocol):
    """Anything that chose controls for a duty."""

    @property
    def duty(self) -> Duty:
        """What there was to decide."""
        ...

    @property
    def u(self) -> Floats:
        """The controls chosen (N, T)."""
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Agreed:
    """What a cell holds after a plan."""

    duty: Duty
    u: Floats
    """Own controls (N, T)."""
    price: Floats
    """Price of P and Q at the boundary [EUR/kWh, EUR/kvarh], (2, T)."""
    boundary: Floats
    """AC power at the boundary (2, T), the very numbers the parent holds too."""
    child_boundary: Floats
    """The same of every child (children, 2, T), as this cell holds it."""
    v_pu: Floats
    block: Block
    """The last linear problem."""
    gave: tuple[str, ...]
    rounds: int
    passes: int
    gap: float
    cost: float
    """Objective of the whole tree [EUR]."""
    gross: float
    excess: Floats
    accepted: bool
    v2_error: float = float("nan")
    """Largest error of the linear problem's squared voltages at any watched node of the tree [pu^2]."""
    priced: Priced | None = None
    """What its prices are made of."""


@final
@dataclass(slots=True, eq=False)
class Habits:
    """What a cell keeps from plan to plan."""

    memory: Memory = field(default_factory=Memory)
    state: CellFlow | None = None
    last: Agreed | None = None


def agree(
    site: Site,
    what: Duty,
    wish: Floats,
    v_pu: Floats,
    habits: Habits,
    root: RootFacts | None,
    options: Options,
    passes: Passes,
) -> Generator[Any, Any, Agreed]:
    """A cell's program for one plan. `wish` is where to start (N, T), `v_pu` a guess of the boundary voltage (T,)."""
    dt_h = what.horizon.dt_h
    upstream = None
    if root is not None:
        v_pu = np.full(len(dt_h), root.v_pu)
        upstream = Upstream(np.stack([root.price_eur_per_kwh * dt_h, np.zeros(len(dt_h))]), v_pu)
    at, rounds, worth = wish, 0, None
    settled = yield from _settle(site, what, at, v_pu, habits, root, 3)
    forget(site, settled.state, habits.memory)
    excess(site, what.horizon, settled.state, habits.memory)
    done = 0
    while done < passes.most:
        done += 1
        point = Point(at, settled.child_pq, settled.v_pu, settled.state)
        peaks = None if root is None else root.peaks_kw
        linear = linear_problem(site, what, point, habits.memory, peaks, precise=passes.precise)
        stiff = yield from stiffness(site, what, settled, None if root is None else root.price_eur_per_kwh, worth)
        block = replace(linear.block, stiff=firmness(done) * stiff, anchor=at)
        # between what is surely inside and what is nearly the answer, if there is one to stay near
        start = what.gentle() if habits.last is None and done == 1 else 0.5 * (what.gentle() + at)
        # a precise plan starts in the middle of every range: dearer, and never in a corner
        solver = CellSolver(block) if passes.precise else CellSolver(block, start, 0.001)
        solved = yield from solve(solver, upstream, options)
        u, rounds = solved.u, rounds + solved.rounds
        settled = yield from _settle(site, what, u, settled.v_pu, habits, root, 2)
        errors = np.array(
            [
                v2_error(site, linear.reads, block, _outputs(solver, settled.v_pu), settled.state),
                np.abs(solved.price[0] * (solved.boundary[0] - settled.said[0])).sum() / solved.gross if root else 0.0,
            ]
        )
        duals = duals_of(solver)
        own = None if upstream is None else upstream_parts(upstream.price)
        accepted, worst, parts = yield from vote(
            np.concatenate([both(excess(site, what.horizon, settled.state, habits.memory)), errors]),
            root=root is not None,
            accept=passes.accept,
            parts=own,
            below=lambda parts: child_parts(block, parts, duals),  # noqa: B023  called within this turn only
        )
        rounds += 4
        if accepted:
            break
        at, worth = u, worth_of_losses(block, solved.price, duals)
    y = _outputs(solver, solver.v)
    first = 2 * block.intervals
    gave = what_gave(block, y[first : first + len(block.hinges.bound)], block.store(u))
    return Agreed(
        duty=what,
        u=u,
        price=solved.price / dt_h,
        boundary=settled.said,
        child_boundary=settled.child_pq,
        v_pu=settled.v_pu,
        block=block,
        gave=tuple(gave),
        rounds=rounds + 3,
        passes=done,
        gap=solved.gap,
        cost=solved.cost,
        gross=solved.gross,
        excess=worst[: len(ACCEPT)],
        accepted=accepted,
        v2_error=float(worst[len(ACCEPT)]),
        priced=Priced(linear, parts, duals),
    )


def _outputs(solver: CellSolver, v_pu: Floats) -> Floats:
    """All outputs of the linear problem at its answer and a boundary voltage."""
    return solver.block.outputs.value(solver.u, solver.levels_now, solver.child_pq, v_pu)


def _settle(
    site: Site, what: Duty, u: Floats, v_pu: Floats, habits: Habits, root: RootFacts | None, rounds: int
) -> Generator[Any, Any, Settled]:
    def evaluate(child_pq: Floats, v: Floats) -> CellFlow:
        habits.state = flow(site, what, u, child_pq, v, habits.state)
        return habits.state

    def child_voltages(state: CellFlow) -> Floats:
        return np.asarray(np.abs(state.v[site.child_node]))

    settled = yield from settle(evaluate, child_voltages, v_pu, root=root is not None, rounds=rounds)
    return settled


def carry_over(last: Scheduled | None, what: Duty) -> Floats:
    """The last schedule moved to a new horizon: the same share of every control's range at the same time."""
    guess = what.idle()
    if last is None:
        return guess
    old = {key: n for n, key in enumerate(last.duty.keys())}
    before = last.duty.horizon
    shift = (what.horizon.start - before.start).total_seconds() / 900.0
    middle = shift + what.horizon.first + 0.5 * what.horizon.steps
    t = np.clip(np.searchsorted(before.first, middle, side="right") - 1, 0, len(before) - 1)
    share = np.clip((last.u - last.duty.lo) / np.maximum(last.duty.hi - last.duty.lo, 1e-9), 0.0, 1.0)
    for n, key in enumerate(what.keys()):
        if (m := old.get(key)) is not None:
            guess[n] = what.lo[n] + share[m, t] * (what.hi[n] - what.lo[n])
    return guess
