"""How one cell takes part in a plan: operating point, linear problem, agreement, AC check, again if need be.

settle at the wish  ->  linearise  ->  agree  ->  settle at the result  ->  vote
      ^                                                                      |
      +---------------------- not within limits yet -------------------------+
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, final

import numpy as np

from archipel.cell.check import Excess, excess, forget, v2_error, what_gave
from archipel.cell.curvature import SHARE
from archipel.cell.linear import Memory, Point, linear_problem
from archipel.cell.prices import Duals, Priced, child_parts, upstream_parts, worth_of_losses
from archipel.cell.site import Duty, Site, flow
from archipel.cell.soft_ties import follow
from archipel.controller.absent import interval_before
from archipel.controller.bending import stiffness
from archipel.coordination.outcome import Before, Method, Solved, Start, Upstream
from archipel.coordination.settle import Settled, settle, vote
from archipel.coordination.tree import Pace
from archipel.grid.cell_network import CellFlow
from archipel.model import FirmLimits, Floats, Horizon
from archipel.optimisation.block import Block

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
    worth_eur: float = 0.0
    """What gaps are a share of where nothing is bought upstream: energy of the area at that price."""
    firm: FirmLimits | None = None
    """Firm limits where they are others than the scenario's, for instance for an hour."""


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
    children: tuple[str, ...]
    """Those that took part."""
    child_boundary: Floats
    """The same of each of them (children, 2, T), as this cell holds it."""
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
    way: str = "exact"
    """The way of agreeing that was chosen."""
    primal_kw: float = 0.0
    """Most that the two ends of a tie differed by, anywhere, before the AC settling made one number of both [kW]."""
    primal_v_pu: float = 0.0
    """The same of voltages."""
    dual_eur_per_kwh: float = 0.0
    """Most that a price still moved; where it is 0 the gap counts what is left."""
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
    before: Before | None = None
    """How the last plan went."""
    rho: Floats | None = None
    """How stiffly copies were held at the end of the last robust agreement (3,)."""
    open: bool = False
    """Whether a plan was begun and has not ended."""
    children_pq: dict[str, tuple[Horizon, Floats]] = field(default_factory=dict)
    """What was last agreed with every child (2, T), and for when; before the first agreement what it wished for."""

    def forecast(self, child: str, horizon: Horizon) -> Floats:
        """What a child draws that takes no part (2, T) [kW, kvar]: what was last agreed with it, nothing if nothing."""
        if (known := self.children_pq.get(child)) is None:
            return np.zeros((2, len(horizon)))
        before, pq = known
        return np.asarray(pq[:, interval_before(before, horizon)])

    def copy(self) -> Habits:
        """The same, to be changed by a plan that may come to nothing."""
        memory = Memory(set(self.memory.high), set(self.memory.low), set(self.memory.branch))
        return replace(self, memory=memory, children_pq=dict(self.children_pq))

    def begin(self) -> None:
        """A plan begins; one that was begun before it and is still open came to nothing."""
        if self.open:
            self.before = replace(self.before or Before("exact"), ended=False)
        self.open = True

    def keep(self, new: Habits, before: Before) -> None:
        """Take over what a plan has learnt; it has ended."""
        self.memory, self.state, self.children_pq = new.memory, new.state, new.children_pq
        self.rho, self.before, self.open = new.rho, before, False


def agree(
    site: Site,
    what: Duty,
    wish: Floats,
    v_pu: Floats,
    habits: Habits,
    root: RootFacts | None,
    method: Method,
    passes: Passes,
) -> Generator[Any, Any, Agreed]:
    """A cell's program for one plan. `wish` is where to start (N, T), `v_pu` a guess of the boundary voltage (T,).

    A plan that comes to nothing leaves `habits` as they were.
    """
    pace: Pace = yield Pace()
    if pace.attempt == 0:
        habits.begin()
    kept, habits = habits, habits.copy()
    dt_h = what.horizon.dt_h
    upstream = None
    if root is not None:
        site = site if root.firm is None else replace(site, told=root.firm)
        v_pu = np.full(len(dt_h), root.v_pu)
        energy = np.stack([root.price_eur_per_kwh * dt_h, np.zeros(len(dt_h))])
        upstream = Upstream(energy, v_pu, root.worth_eur)
    at, rounds, worth, price = wish, 0, None, _prices(habits.last, what)
    settled = yield from _settle(site, what, at, v_pu, habits, root, 3)
    for child, pq in zip(site.children, settled.child_pq, strict=True):
        kept.children_pq.setdefault(child, (what.horizon, pq))
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
        near = what.gentle() if habits.last is None and done == 1 else 0.5 * (what.gentle() + at)
        if passes.precise:
            near = 0.5 * (block.lo + block.hi)  # in the middle of every range: dearer, and never in a corner
        start = Start(np.concatenate([settled.said, settled.v_pu[None]]), price * dt_h, habits.rho, kept.before)
        solved = yield from method.program(block, near, upstream, start, dt_h)
        habits.rho = habits.rho if solved.rho is None else solved.rho
        u = follow(what, site.ties, solved.u, solved.tie_kw)
        price, rounds = solved.price / dt_h, rounds + solved.round_trips
        settled = yield from _settle(site, what, u, settled.v_pu, habits, root, 2)
        errors = np.array(
            [
                v2_error(site, linear.reads, block, _outputs(block, solved, settled.v_pu), settled.state),
                np.abs(solved.price[0] * (solved.boundary[0] - settled.said[0])).sum() / solved.gross if root else 0.0,
            ]
        )
        duals = _duals(solved)
        below: Callable[[Floats], Floats] | None = None
        if duals is not None:
            below = partial(child_parts, block, duals=duals)
        own = None if upstream is None or duals is None else upstream_parts(upstream.price)
        accepted, worst, parts = yield from vote(
            np.concatenate([both(excess(site, what.horizon, settled.state, habits.memory)), errors]),
            root=root is not None,
            accept=passes.accept,
            parts=own,
            below=below,
        )
        rounds += 4
        if accepted:
            break
        at, worth = u, None if duals is None else worth_of_losses(block, solved.price, duals)
    habits.children_pq = {
        **habits.children_pq,
        **{child: (what.horizon, pq) for child, pq in zip(site.children, settled.child_pq, strict=True)},
    }
    pace = yield Pace()
    kept.keep(habits, Before(solved.way, True, pace.waits, pace.ticks))
    y = _outputs(block, solved, solved.v_pu)
    first = 2 * block.intervals
    gave = what_gave(block, y[first : first + len(block.hinges.bound)], block.store(u))
    return Agreed(
        duty=what,
        u=u,
        price=price,
        boundary=settled.said,
        children=site.children,
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
        priced=None if duals is None else Priced(linear, parts, duals),
        way=solved.way,
        primal_kw=solved.primal_kw,
        primal_v_pu=solved.primal_v_pu,
        dual_eur_per_kwh=solved.dual_eur_per_kwh,
    )


def _prices(last: Agreed | None, what: Duty) -> Floats:
    """Prices of the last agreement at the times of a new horizon (2, T); NaN where there was none."""
    if last is None:
        return np.full((2, len(what.horizon)), np.nan)
    return np.asarray(last.price[:, interval_before(last.duty.horizon, what.horizon)])


def _outputs(block: Block, solved: Solved, v_pu: Floats) -> Floats:
    """All outputs of the linear problem at its answer and a boundary voltage."""
    return block.outputs.value(solved.u, solved.levels, solved.child_pq, v_pu, solved.tie_kw)


def _duals(solved: Solved) -> Duals | None:
    """Prices inside the cell; None where the way of agreeing finds none."""
    if solved.hinge_price is None or solved.volt_price is None:
        return None
    return Duals(solved.hinge_price, solved.volt_price)


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
    t = interval_before(before, what.horizon)
    share = np.clip((last.u - last.duty.lo) / np.maximum(last.duty.hi - last.duty.lo, 1e-9), 0.0, 1.0)
    for n, key in enumerate(what.keys()):
        if (m := old.get(key)) is not None:
            guess[n] = what.lo[n] + share[m, t] * (what.hi[n] - what.lo[n])
    return guess
