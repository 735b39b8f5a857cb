"""Exact agreement: a distributed primal-dual interior point on the tree of cells.

Two or three round trips along the tree per iteration, one to open and one to close:

    open      up  P, Q and where the voltage matters         down  price, voltage, first mu
    predict   up  response C, K, Y, affine constants, gap    down  steps of price and voltage, or the end
    correct   up  step sizes, corrector and centring parts   down  steps, new price and voltage, sigma mu
    step      up  step sizes                                 down  step lengths, new price and voltage
    close     up  cost at true voltages                      down  cost and certified gap

`step` is left out while the gap is large and falls: every cell then takes as long a step as its own slacks and duals
allow, and tells its children their new price and voltage with the corrected steps. What cells then hold apart (a
voltage and its price, a limit and its slack) is a residual like any other, and the next Newton step works it off.
Price and power at a boundary are the same on both sides at every iteration. Near the optimum all cells take the same
step: there, cells that go their own way were seen to lose a gap of 1e-7 again.

What a cell reveals: how its boundary power answers to price and voltage, never what is behind it. The gap is
certified: see `CellSolver.gap`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from archipel.coordination.message import Body, pack, unpack
from archipel.coordination.tree import Ask, Gather, Tell
from archipel.model import Floats
from archipel.optimisation.barrier import StepSizes
from archipel.optimisation.interior import CellSolver, Constants, Response

SLOW = 0.7
"""Where the last step left more than this share of the gap, all cells take the same step."""

Requests = Generator[Gather | Ask | Tell, Any, "Solved"]


@final
@dataclass(frozen=True, slots=True)
class Options:
    """How long and how well to look."""

    gap: float = 5e-5
    """Certified gap to stop at, as a share of the gross energy cost."""
    iterations: int = 60
    mu: float = 1.0
    """First product of slack and dual [EUR]. Far from any good start it must be large."""
    apart: float = np.inf
    """Gap above which, while it falls, every cell takes its own step, which saves a round trip; infinite: never."""


DEFAULT = Options()


@final
@dataclass(frozen=True, slots=True, eq=False)
class Upstream:
    """What the root knows of its own boundary: price (2, T) [EUR per kW or kvar and interval] and voltage (T,) [pu]."""

    price: Floats
    v_pu: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What every cell knows at the end."""

    u: Floats
    """Own controls (N, T)."""
    price: Floats
    """Price of P and Q at the boundary, (2, T) [EUR per kW or kvar and interval]."""
    boundary: Floats
    """(P, Q) at the boundary, (2, T)."""
    iterations: int
    rounds: int
    """Round trips along the tree."""
    gap: float
    """Certified gap as a share of gross energy cost."""
    cost: float
    """Objective of the whole tree [EUR]."""
    gross: float
    """Gross energy cost of the whole tree [EUR]."""
    converged: bool
    gaps: tuple[float, ...] = ()
    """Certified gap after every iteration, as the root saw it; empty elsewhere."""


@dataclass(slots=True, eq=False)
class _Root:
    """The root also decides: the first point, the centring, the end."""

    upstream: Upstream
    options: Options
    gaps: list[float] = field(default_factory=list)
    no_better: int = 0

    def ends(self, gap: float) -> bool:
        """When the certified gap is small, or good and no longer better."""
        best = min(self.gaps, default=np.inf)
        self.no_better = self.no_better + 1 if best < 1e-3 and gap > 0.7 * best else 0
        self.gaps.append(gap)
        return gap < self.options.gap or len(self.gaps) >= self.options.iterations or self.no_better >= 3

    def together(self) -> bool:
        """Near the end, and where cells that each went their own way got nowhere."""
        slow = len(self.gaps) > 1 and self.gaps[-1] > SLOW * self.gaps[-2]
        return slow or self.gaps[-1] < self.options.apart


def solve(solver: CellSolver, upstream: Upstream | None, options: Options) -> Requests:
    """A cell's program. `upstream` is given to the root only; `options` matter there only."""
    root = None if upstream is None else _Root(upstream, options)
    heard = yield Gather()
    solver.know_children(_pq(heard, solver), [body["active"].astype(np.int64) for body in heard])
    yield from _open(solver, root)
    iterations, rounds = 0, 2  # one to open, one to close
    while True:
        iterations, rounds = iterations + 1, rounds + 1
        omega, above, together = yield from _predict(solver, root)
        if omega is None:
            break
        yield from _correct(solver, root, omega, together)
        if together:
            yield from _step(solver, root)
        rounds += 1 + together
    told = yield from _close(solver, root, above)
    return Solved(
        u=solver.u,
        price=solver.price,
        boundary=solver.boundary(),
        iterations=iterations,
        rounds=rounds,
        gap=float(told["gap"]),
        cost=float(told["cost"]),
        gross=float(told["gross"]),
        converged=bool(told["converged"]),
        gaps=() if root is None else tuple(root.gaps),
    )


def _pq(heard: list[Body], solver: CellSolver) -> Floats:
    t_count = solver.block.intervals
    return np.stack([body["pq"] for body in heard]) if heard else np.zeros((0, 2, t_count))


def _open(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, None]:
    if root is None:
        told = yield Ask({"pq": solver.boundary(), "active": solver.active.astype(np.float64)})
        price, v, mu = told["price"], told["v"], float(told["mu"])
    else:
        price, v, mu = root.upstream.price, root.upstream.v_pu, root.options.mu
    solver.open(price, v, mu)
    prices, volts = solver.child_prices(), solver.child_voltages()
    yield Tell([{"price": p, "v": w, "mu": np.array(mu)} for p, w in zip(prices, volts, strict=True)])


def _predict(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, tuple[list[Floats] | None, float, bool]]:
    """Affine step; returns the children's prices of voltage, which the corrector needs again, or None at the end; how
    far the cost here and below may be above its least, less that cost; and whether all step together."""
    heard = yield Gather()
    size = 2 * solver.block.intervals
    solver.hear_children(_pq(heard, solver))
    omega = [body["omega"] for body in heard]
    response = solver.factor([Response(unpack(b["c"], size), b["k"], unpack(b["y"], b["k"].shape[1])) for b in heard])
    right = solver.right_hand("affine")
    constants = solver.constants(right, [Constants(b["k0"], b["m0"]) for b in heard], omega)
    # what is told at the end is the cost at true voltages, so the gap is counted from the cost at those held now
    cost = solver.cost() + _sum(heard, "cost")
    gap = solver.gap(omega) + _sum(heard, "gap")
    if root is None:
        said = {"pq": solver.boundary(), "omega": solver.own_omega(), "k0": constants.k, "m0": constants.m}
        told = yield Ask(
            {
                **said,
                "c": pack(response.c),
                "k": response.k,
                "y": pack(response.y),
                "gap": np.array(gap),
                "cost": np.array(cost),
            }
        )
        if "end" in told:
            solver.v[solver.active] = told["end"]
            yield Tell(_true_voltages(solver))
            return None, gap - cost, False
        d_price, d_v, together = told["d_price"], told["d_v"], bool(told["together"])
    else:
        if root.ends(gap / _gross(root, solver)):
            yield Tell(_true_voltages(solver))
            return None, gap - cost, False
        d_price, d_v = _held(solver)
        together = root.together()
    bodies = _steps(*solver.expand(right, d_price, d_v))
    yield Tell([{**body, "together": np.array(float(together))} for body in bodies])
    return omega, gap - cost, together


def _correct(solver: CellSolver, root: _Root | None, omega: list[Floats], together: bool) -> Generator[Any, Any, None]:
    """Corrected step, and, unless all step `together`, as much of it as this cell can take."""
    heard = yield Gather()
    sizes = _join(solver.sizes(), heard)
    first, centre = solver.right_hand("corrector"), solver.right_hand("centre")
    a = solver.constants(first, [Constants(body["ka"], body["ma"]) for body in heard], omega)
    b = solver.constants(centre, [Constants(body["kb"], body["mb"]) for body in heard], None)
    price, v = solver.price, solver.v[solver.active]
    if root is None:
        told = yield Ask({**_said(sizes), "ka": a.k, "ma": a.m, "kb": b.k, "mb": b.m})
        sigma_mu, d_price, d_v = float(told["sigma_mu"]), told["d_price"], told["d_v"]
        price, v = told.get("price", price), told.get("v", v)
    else:
        # with the shortest of all steps, also where every cell takes its own: that asks for more centring
        after = max(sizes.after(sizes.primal, sizes.dual), 0.0)
        sigma_mu = (after / sizes.sz) ** 3 * sizes.sz / sizes.count
        d_price, d_v = _held(solver)
    bodies = _steps(*solver.expand(first.plus(centre, sigma_mu), d_price, d_v))
    bodies = [{**body, "sigma_mu": np.array(sigma_mu)} for body in bodies]
    if not together:
        own = solver.sizes()
        solver.apply(_most(own.primal), _most(own.dual), price, v)
        bodies = [{**body, **new} for body, new in zip(bodies, _news(solver), strict=True)]
    yield Tell(bodies)


def _step(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, None]:
    """Agree on the step lengths that all cells can take."""
    heard = yield Gather()
    sizes = _join(solver.sizes(), heard)
    price, v = solver.price, solver.v[solver.active]
    primal, dual = _most(sizes.primal), _most(sizes.dual)
    if root is None:
        told = yield Ask(_said(sizes))
        primal, dual, price, v = float(told["primal"]), float(told["dual"]), told["price"], told["v"]
    solver.apply(primal, dual, price, v)
    yield Tell([{"primal": np.array(primal), "dual": np.array(dual), **new} for new in _news(solver)])


def _most(size: float) -> float:
    """A step that stays off the bounds."""
    return min(1.0, 0.995 * size)


def _news(solver: CellSolver) -> list[Body]:
    """Price and voltage that each child is to hold after this step."""
    new = zip(solver.child_prices(), solver.child_held(), strict=True)
    return [{"price": price, "v": v} for price, v in new]


def _true_voltages(solver: CellSolver) -> list[Body]:
    return [{"end": v[at]} for v, at in zip(solver.child_voltages(), solver.child_active, strict=True)]


def _close(solver: CellSolver, root: _Root | None, above: float) -> Generator[Any, Any, Body]:
    """Cost at true voltages and what it may be above the least; `above` is the gap less the cost it was counted
    from."""
    heard = yield Gather()
    cost = solver.true_cost() + _sum(heard, "cost")
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
    return max(float(np.abs(root.upstream.price * solver.boundary())[0].sum()), 1e-9)


def _held(solver: CellSolver) -> tuple[Floats, Floats]:
    """Upstream price and voltage do not answer to us."""
    return np.zeros((2, solver.block.intervals)), np.zeros(len(solver.active))


def _steps(prices: Floats, volts: list[Floats]) -> list[Body]:
    return [{"d_price": p, "d_v": v} for p, v in zip(prices, volts, strict=True)]


def _said(sizes: StepSizes) -> dict[str, Floats]:
    return {"sizes": np.array([getattr(sizes, name) for name in StepSizes.__slots__], dtype=np.float64)}


def _join(own: StepSizes, heard: list[Body]) -> StepSizes:
    for body in heard:
        primal, dual, sz, s_dz, z_ds, ds_dz, count = body["sizes"].tolist()
        own = own.join(StepSizes(primal, dual, sz, s_dz, z_ds, ds_dz, int(count)))
    return own


def _sum(heard: list[Body], name: str) -> float:
    return float(sum(float(body[name]) for body in heard))
