"""Exact agreement: a distributed primal-dual interior point on the tree of cells.

Three round trips along the tree per iteration, and one to open:

    open      up  P, Q and where the voltage matters         down  price, voltage, first mu
    predict   up  response C, K, Y and affine constants      down  steps of price and voltage
    correct   up  step sizes, corrector and centring parts   down  corrected steps, sigma mu
    step      up  step sizes, cost, residual                 down  step lengths, or the end

What a cell reveals: how its boundary power answers to price and voltage, never what is behind it. The result is
that of a central interior point method (see `optimisation.interior`), and the gap is certified: since every control is
boxed, objective minus optimum is at most the sum of slack-dual products plus |dual residual| x range.
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
from archipel.optimisation.barrier import StepSizes
from archipel.optimisation.block import Block
from archipel.optimisation.interior import CellSolver, Constants, Response

Requests = Generator[Gather | Ask | Tell, Any, "Solved"]


@final
@dataclass(frozen=True, slots=True)
class Options:
    """How long and how well to look."""

    gap: float = 5e-5
    """Certified gap to stop at, as a share of the gross energy cost."""
    iterations: int = 60
    mu: float = 1.0
    """First product of slack and dual [EUR]."""

    def program(
        self, block: Block, wish: Floats, upstream: Upstream | None, start: Start, dt_h: Floats
    ) -> Generator[Any, Any, Solved]:
        """See `outcome.Method`; begins at `wish`, just inside the bounds."""
        del start, dt_h
        return solve(CellSolver(block, wish, 0.001), upstream, self)


DEFAULT = Options()


@dataclass(slots=True, eq=False)
class _Root:
    """The root also decides: the first point, the centring, the step lengths, the end."""

    upstream: Upstream
    options: Options
    best_gap: float = field(default=np.inf)
    no_better: int = 0
    iteration: int = 0


def solve(solver: CellSolver, upstream: Upstream | None, options: Options) -> Requests:
    """A cell's program. `upstream` is given to the root only; `options` matter there only."""
    root = None if upstream is None else _Root(upstream, options)
    heard = yield Gather()
    solver.know_children(_pq(heard, solver), [body["active"].astype(np.int64) for body in heard])
    yield from _open(solver, root)
    iterations = 0
    while True:
        iterations += 1
        omega = yield from _predict(solver, root)
        yield from _correct(solver, root, omega)
        told = yield from _step(solver, root)
        if float(told["stop"]):
            break
        solver.apply(float(told["primal"]), float(told["dual"]))
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
        v_pu=solver.v,
        round_trips=3 * iterations + 1,
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


def _predict(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, list[Floats]]:
    """Affine step; returns the children's prices of voltage, which the corrector needs again."""
    heard = yield Gather()
    size = 2 * solver.block.intervals
    solver.hear_children(_pq(heard, solver))
    omega = [body["omega"] for body in heard]
    response = solver.factor([Response(unpack(b["c"], size), b["k"], unpack(b["y"], b["k"].shape[1])) for b in heard])
    right = solver.right_hand("affine")
    constants = solver.constants(right, [Constants(b["k0"], b["m0"]) for b in heard], omega)
    if root is None:
        said = {"pq": solver.boundary(), "omega": solver.own_omega(), "k0": constants.k, "m0": constants.m}
        told = yield Ask({**said, "c": pack(response.c), "k": response.k, "y": pack(response.y)})
        d_price, d_v = told["d_price"], told["d_v"]
    else:
        d_price, d_v = _held(solver)
    yield Tell(_steps(*solver.expand(right, d_price, d_v)))
    return omega


def _correct(solver: CellSolver, root: _Root | None, omega: list[Floats]) -> Generator[Any, Any, None]:
    heard = yield Gather()
    sizes = _join(solver.sizes(), heard)
    first, centre = solver.right_hand("corrector"), solver.right_hand("centre")
    a = solver.constants(first, [Constants(body["ka"], body["ma"]) for body in heard], omega)
    b = solver.constants(centre, [Constants(body["kb"], body["mb"]) for body in heard], None)
    if root is None:
        told = yield Ask({**_said(sizes), "ka": a.k, "ma": a.m, "kb": b.k, "mb": b.m})
        sigma_mu, d_price, d_v = float(told["sigma_mu"]), told["d_price"], told["d_v"]
    else:
        after = max(sizes.after(sizes.primal, sizes.dual), 0.0)
        sigma_mu = (after / sizes.sz) ** 3 * sizes.sz / sizes.count
        d_price, d_v = _held(solver)
    bodies = _steps(*solver.expand(first.plus(centre, sigma_mu), d_price, d_v))
    yield Tell([{**body, "sigma_mu": np.array(sigma_mu)} for body in bodies])


def _step(solver: CellSolver, root: _Root | None) -> Generator[Any, Any, Body]:
    """Agree on the step lengths, or on the end."""
    heard = yield Gather()
    sizes = _join(solver.sizes(), heard)
    residual = solver.gap_of_residuals() + _sum(heard, "residual")
    cost = solver.cost() + _sum(heard, "cost")
    told: Body
    if root is None:
        told = yield Ask({**_said(sizes), "residual": np.array(residual), "cost": np.array(cost)})
    else:
        told = _decide(root, solver.boundary(), sizes, residual, cost)
    yield Tell([told] * solver.block.children)
    return told


def _decide(root: _Root, boundary: Floats, sizes: StepSizes, residual: float, cost: float) -> Body:
    """The end when the certified gap is small, or good and no longer better; else the step lengths."""
    bought = root.upstream.price * boundary
    gross = max(float(np.abs(bought[0]).sum()), 1e-9)
    gap = (sizes.sz + residual) / gross
    root.iteration += 1
    root.no_better = root.no_better + 1 if root.best_gap < 1e-3 and gap > 0.7 * root.best_gap else 0
    root.best_gap = min(root.best_gap, gap)
    stop = gap < root.options.gap or root.iteration >= root.options.iterations or root.no_better >= 3
    return {
        "stop": np.array(float(stop)),
        "converged": np.array(float(gap < root.options.gap)),
        "primal": np.array(min(1.0, 0.995 * sizes.primal)),
        "dual": np.array(min(1.0, 0.995 * sizes.dual)),
        "gap": np.array(gap),
        "cost": np.array(cost + float(bought.sum())),
        "gross": np.array(gross),
    }


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
