"""Robust agreement: alternating consensus on the boundaries, for lossy links and cells that tell no sensitivities.

Both ends of a tie hold a copy x of its (P, Q, v) and a price. Each cell minimises its own cost plus a quadratic term
on its copies, and tells every neighbour its copy and its price; that is all:

    x = argmin f(x) + rho/2 |x - z|^2,   price = rho (z - x)         own problem: `optimisation.proximal`
    z <- (1 - a) z + a (x' - price'/rho)                             on hearing x', price' of the other end

This is averaged Douglas-Rachford splitting on the edges, with two ends the alternating direction method of multipliers
(J. Eckstein, D. P. Bertsekas, Math. Program. 55, 1992, doi:10.1007/BF01581204; written by edges as in G. Zhang,
R. Heusdens, "Distributed optimization using the primal-dual method of multipliers", IEEE Trans. Signal Inf. Process.
Netw. 4(1), 2018, doi:10.1109/TSIPN.2017.2672403). A tree has two sides, cells at even and at odd depth: they speak in
turn, a = 0.8 at even ones (over-relaxation 1.6) and 1 at odd ones.

There is no integrator that a lost message could wind up: z changes only on hearing, so a message that is lost leaves
copy, multiplier and rho where they were, as does a neighbour that is silent. A step that leaves some coordinates
of an averaged map as they were keeps its fixed points (P. Bianchi, W. Hachem, F. Iutzeler, IEEE Trans. Autom. Control
61(10), 2016, doi:10.1109/TAC.2015.2512043).

    open     up  ends of P and Q, a guess           down  ends of v, price, whose turn it is
    rounds   swap x, price with every neighbour, `Options.every` times, each at its own pace
    settle   up  P, Q really drawn, x, price        down  voltage, x, price, rho        then again rounds, or the end
    certify  up  cost, bound, residuals             down  the end

Settling makes one number of the two copies: a cell draws what its controls make with what its children really draw.
So whenever it ends, controls are inside their bounds and both ends of every tie hold the same. The gap is certified:
cost of just these controls less the dual function at prices both ends share, each cell minimising its own part.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from archipel.coordination.message import Body
from archipel.coordination.outcome import Solved, Start, Upstream
from archipel.coordination.tree import Ask, Gather, Swap, Tell
from archipel.model import Floats
from archipel.optimisation.block import Block, at_rest
from archipel.optimisation.proximal import Found, Proximal, Ranges, reach

ROOM = 1e-3
"""Room beyond the ends that neighbours tell [kW, kvar]; voltages get a thousandth of it [pu]."""
LEAST = np.array([1.0, 1.0, 1e-3])
"""Width of a boundary's range at the least [kW, kvar, pu], for its first rho."""
FIRST_RHO = np.array([1.0, 1.0, 0.1])
"""Of P, Q and v, in units of price over width. Found by trial on the trees of `archipel.testing`."""
HEED = np.array([0.8, 1.0])
"""How far z moves on hearing at even and odd depth."""
TUNE, SURE = 3.0, 5
"""Most that rho changes at a settling, either way; after so many settlings its powers fall with the square of their
number, so that rho comes to rest, as proofs of convergence ask for."""
SPAN = 30.0
"""Most that it ever is above or below its first value."""


@final
@dataclass(frozen=True, slots=True)
class Options:
    """How long and how well to look; the root's decide."""

    gap: float = 1e-3
    """Certified gap to stop at, as a share of the gross energy cost."""
    primal_kw: float = 0.5
    dual_eur_per_kwh: float = 5e-3
    """Residuals to stop at; all three must be small."""
    rounds: int = 300
    """Exchanges after which it ends in any case."""
    every: int = 10
    """Exchanges between two settlings."""

    def program(
        self, block: Block, wish: Floats, upstream: Upstream | None, start: Start, dt_h: Floats
    ) -> Generator[Any, Any, Solved]:
        """See `outcome.Method`; `wish` does not matter, only boundaries do."""
        del wish
        return solve(block, upstream, self, start=start, dt_h=dt_h)


DEFAULT = Options()


def solve(
    block: Block,
    upstream: Upstream | None,
    options: Options = DEFAULT,
    *,
    start: Start | None = None,
    dt_h: Floats | None = None,
) -> Generator[Any, Any, Solved]:
    """A cell's program. `upstream` is given to the root only; `options` matter there only.

    Args:
        block: the cell's own problem; ties across the tree stay at rest, as they do in silence.
        upstream: price and voltage at the root's boundary.
        options: when to stop.
        start: where to begin at the own boundary.
        dt_h: lengths of the intervals [h], for prices per kWh; by default one hour each.
    """
    block = at_rest(block)
    cell = _Cell(block, upstream, np.ones(block.intervals) if dt_h is None else dt_h)
    cell.every = options.every
    yield from _open(cell, start)
    done = trips = 0
    stop = False
    while not stop:
        yield from _rounds(cell)
        done, trips = done + cell.every, trips + cell.every + 2
        yield from _settle(cell, most=TUNE ** min(1.0, (SURE * cell.every / done) ** 2))
        told = yield from _certify(cell, options, done)
        stop = bool(told["stop"])
    return Solved(
        u=cell.u,
        price=cell.tie_price[0, :2] if upstream is None else upstream.price,
        boundary=cell.said,
        iterations=done,
        gap=float(told["gap"]),
        cost=float(told["cost"]),
        gross=float(told["gross"]),
        converged=bool(told["converged"]),
        levels=cell.levels,
        child_pq=cell.child_pq,
        v_pu=cell.v_pu,
        round_trips=trips + 1,
        way="robust",
        rho=cell.rho[0, :, 0].copy() if upstream is None else None,
        primal_kw=float(told["worst"][0]),
        primal_v_pu=float(told["worst"][1]),
        dual_eur_per_kwh=float(told["worst"][2]),
    )


@final
@dataclass(slots=True, eq=False)
class _Cell:
    """All a cell knows. Arrays over ties have the tie upwards first, where there is one."""

    block: Block
    upstream: Upstream | None
    dt_h: Floats
    every: int = 0
    """Exchanges between two settlings."""
    heed: float = 1.0
    """How far z moves on hearing."""
    first: bool = True
    """Whether it speaks before it listens: at even depth."""
    stepped: bool = False
    own: Proximal = field(init=False)
    fixed: Proximal = field(init=False)
    """The same with all children held."""
    x: Floats = field(init=False)
    """Own copies (ties, 3, T), as of the last step; alike `price`, `z`, `rho`."""
    price: Floats = field(init=False)
    z: Floats = field(init=False)
    rho: Floats = field(init=False)
    rho_first: Floats = field(init=False)
    theirs: Floats = field(init=False)
    """The other ends' copies, newest heard."""
    tie_price: Floats = field(init=False)
    """Prices that both ends share since the last settling, of power into the lower cell (ties, 3, T)."""
    met: Floats = field(init=False)
    moved: Floats = field(init=False)
    """Sums of squares since the last settling (ties, 3): by how much copies differed, and moved."""
    dual: Floats = field(init=False)
    """How far prices moved at the last step (ties, 2, T) [EUR/kWh]."""
    u: Floats = field(init=False)
    levels: Floats = field(init=False)
    hinges: Floats = field(init=False)
    child_pq: Floats = field(init=False)
    said: Floats = field(init=False)
    v_pu: Floats = field(init=False)
    """Realised at the last settling."""

    @property
    def up(self) -> int:
        """Number of ties upwards."""
        return int(self.upstream is None)

    @property
    def ties(self) -> int:
        """Number of ties."""
        return self.up + self.block.children

    def hear(self, tie: int, body: Body) -> None:
        """Take in the other end's copy and price."""
        self.theirs[tie], rho = body["x"], self.rho[tie]
        self.z[tie] = (1.0 - self.heed) * self.z[tie] + self.heed * (body["x"] - body["price"] / rho)
        self.met[tie] += ((self.theirs[tie] - self.x[tie]) ** 2).sum(axis=1)

    def step(self) -> None:
        """Minimise; where the solver fails the old point stays, as if nothing had been heard."""
        found = self.own.minimise(-self.rho * self.z, self.rho)
        if found is None:
            return
        if self.stepped:
            self.moved += ((found.x - self.x) ** 2).sum(axis=2)
            self.dual = self.rho[:, :2] * np.abs(found.x - self.x)[:, :2] / self.dt_h
        self.x, self.price, self.u, self.stepped = found.x, self.rho * (self.z - found.x), found.u, True

    def bodies(self) -> list[Body]:
        """What to say: to every neighbour the own copy and price of the common tie, nothing else."""
        return [{"x": x, "price": price} for x, price in zip(self.x, self.price, strict=True)]

    def tune(self, tie: int, rho: Floats) -> None:
        """Change rho (3, 1) of a tie; copies and multipliers stay."""
        self.z[tie] = self.theirs[tie] + (self.z[tie] - self.theirs[tie]) * self.rho[tie] / rho
        self.rho[tie] = rho

    def realise(self) -> None:
        """Own controls for what the children really draw, and what the cell then draws itself."""
        if self.block.children:
            rho = self.rho.copy()
            rho[self.up :, :2] = 0.0
            found: Found | None = self.fixed.minimise(-rho * self.z, rho, self.child_pq)
            self.u = self.u if found is None else found.u
        t = self.block.intervals
        y = self.block.outputs.value(self.u, self.block.levels.lo, self.child_pq, np.zeros(t))
        self.said = y[: 2 * t].reshape(2, t)

    def volts(self) -> Floats:
        """Voltages handed to the children (children, T); levels as the controls need them."""
        block = self.block
        hinge = slice(2 * block.intervals, 2 * block.intervals + len(block.hinges.bound))
        level = block.levels.lo
        y = block.outputs.value(self.u, level, self.child_pq, self.v_pu)
        beyond = np.maximum(y[hinge] - block.hinges.bound, 0.0)[:, None] * (block.outputs.on_level[hinge] < 0)
        self.levels = level + beyond.max(axis=0, initial=0.0)
        y = block.outputs.value(self.u, self.levels, self.child_pq, self.v_pu)
        self.hinges = y[hinge]
        return np.asarray(y[hinge.stop :].reshape(block.children, block.intervals))

    def cost(self) -> float:
        """Own cost of what is realised [EUR]."""
        return self.block.own_cost(self.u, self.levels, self.hinges)

    def pull(self) -> float:
        """What moving away from the anchor costs, which is in the problem and in no bill [EUR]."""
        return float((0.5 * self.block.stiff * (self.u - self.block.anchor) ** 2).sum())

    def worst(self) -> Floats:
        """Largest difference of copies [kW, pu] and movement of prices [EUR/kWh]."""
        off = np.abs(self.theirs - self.x)
        return np.array([off[:, :2].max(initial=0.0), off[:, 2].max(initial=0.0), self.dual.max(initial=0.0)])

    def bound(self) -> float:
        """The cell's part of the dual function at the prices both ends share [EUR]."""
        linear = -self.tie_price
        linear[: self.up] *= -1.0
        found = self.own.minimise(linear, np.zeros_like(self.rho))
        return -np.inf if found is None else found.bound


def _open(cell: _Cell, start: Start | None) -> Generator[Any, Any, None]:
    """Between which ends everything lies, the first guess, and whose turn it is."""
    block, t = cell.block, cell.block.intervals
    heard: list[Body] = yield Gather()
    none = np.zeros((0, 2, t))
    pq_lo = np.stack([body["low"] for body in heard]) - ROOM if heard else none
    pq_hi = np.stack([body["high"] for body in heard]) + ROOM if heard else none
    some = np.ones(t)
    low, high = (y[: 2 * t].reshape(2, t) for y in reach(block, Ranges(pq_lo, pq_hi, some, some)))
    if cell.upstream is None:
        known = start or Start(np.concatenate([0.5 * (low + high), np.full((1, t), np.nan)]), np.full((2, t), np.nan))
        rho = np.full(3, np.nan) if known.rho is None else known.rho
        told = yield Ask({"low": low, "high": high, "x": known.x, "price": known.price, "rho": rho})
        v_lo, v_hi, scale = told["v_low"], told["v_high"], float(told["scale"])
        x, price = told["x"], told["price"]
        depth, cell.every = int(told["depth"]), int(told["every"])
    else:
        price, v_lo, depth = cell.upstream.price, cell.upstream.v_pu, 0
        v_hi, scale, x = v_lo, max(float(np.abs(price[0]).mean()), 1e-4), np.zeros((3, t))
    cell.heed, cell.first = float(HEED[depth % 2]), depth % 2 == 0
    ranges = Ranges(pq_lo, pq_hi, v_lo, v_hi)
    cell.own = Proximal(block, _given(cell), ranges)
    cell.fixed = Proximal(block, _given(cell), ranges, tuple(range(block.children)))
    bottom, top = (y[len(y) - block.children * t :].reshape(-1, t) for y in reach(block, ranges))
    bottom, top = bottom - 1e-3 * ROOM, top + 1e-3 * ROOM
    bodies, xs, prices, widths = [], [], [], []
    if cell.upstream is None:
        xs, prices = [x], [np.concatenate([-price, np.zeros((1, t))])]
        widths = [_width(low, high, v_lo, v_hi)]
    for k, body in enumerate(heard):
        middle = np.concatenate([body["x"][:2], 0.5 * (bottom + top)[k, None]])
        guess = np.where(np.isfinite(body["x"]), body["x"], middle)
        dear = np.where(np.isfinite(body["price"]), body["price"], price)
        xs.append(guess)
        prices.append(np.concatenate([dear, np.zeros((1, t))]))
        widths.append(_width(body["low"], body["high"], bottom[k], top[k]))
        bodies.append(
            {
                "x": guess, "price": dear, "rho": body["rho"], "v_low": bottom[k], "v_high": top[k],
                "scale": np.array(scale), "depth": np.array(depth + 1.0), "every": np.array(float(cell.every)),
            }
        )  # fmt: skip
    yield Tell(bodies)
    width = np.array(widths).reshape(-1, 3)
    cell.x, cell.price = np.array(xs).reshape(-1, 3, t), np.array(prices).reshape(-1, 3, t)
    cell.rho = np.repeat((scale * FIRST_RHO * width[:, :1] / width**2)[:, :, None], t, axis=2)
    cell.rho_first = cell.rho.copy()
    # what was tuned for the last agreement fits this one better than a guess
    for tie, body in enumerate([*([told] if cell.upstream is None else []), *heard]):
        rho, first = body["rho"], cell.rho_first[tie, :, 0]
        cell.rho[tie] = np.where(np.isfinite(rho), np.clip(rho, first / SPAN, first * SPAN), first)[:, None]
    cell.z, cell.theirs = cell.x + cell.price / cell.rho, cell.x.copy()
    cell.met, cell.moved, cell.dual = np.zeros_like(width), np.zeros_like(width), np.zeros((len(width), 2, t))
    cell.u, cell.stepped, cell.tie_price = np.clip(0.0, block.lo, block.hi), False, cell.price
    cell.child_pq, cell.v_pu = cell.x[cell.up :, :2].copy(), x[2] if cell.upstream is None else cell.upstream.v_pu


def _given(cell: _Cell) -> tuple[Floats, Floats] | None:
    return None if cell.upstream is None else (cell.upstream.price, cell.upstream.v_pu)


def _width(low: Floats, high: Floats, v_lo: Floats, v_hi: Floats) -> Floats:
    """Mean width of the ranges of P, Q and v."""
    return np.asarray(np.maximum(np.append((high - low).mean(axis=1), (v_hi - v_lo).mean()), LEAST))


def _rounds(cell: _Cell) -> Generator[Any, Any, None]:
    """So many exchanges with all neighbours, each with the newest that is known of them."""
    if not cell.ties:
        cell.step()
        return
    news = cell.first
    for _ in range(cell.every):
        if cell.first and news:
            cell.step()
        # at odd depth what was said last stands since the last turn; before the first there is nothing to say
        heard = yield Swap(cell.bodies() if news else None)
        news = False
        for tie, body in enumerate(heard):
            if body is not None:
                cell.hear(tie, body)
                news = True
        if news and not cell.first:
            cell.step()


def _settle(cell: _Cell, *, most: float) -> Generator[Any, Any, None]:
    """One number for both ends of every tie, one price, and a rho that lets copies and prices settle alike."""
    heard: list[Body] = yield Gather()
    for k, body in enumerate(heard):
        cell.child_pq[k] = body["pq"]
    cell.realise()
    for k, body in enumerate(heard):
        cell.hear(cell.up + k, body)
    if cell.up:
        told = yield Ask({"pq": cell.said, "x": cell.x[0], "price": cell.price[0], "moved": cell.moved[0]})
        cell.hear(0, told)
        cell.tune(0, told["rho"][:, None])
        cell.v_pu, cell.tie_price[0] = told["v"], told["shared"]
    bodies: list[Body] = []
    for k, (body, v) in enumerate(zip(heard, cell.volts(), strict=True)):
        tie = cell.up + k
        shared, moved = 0.5 * (cell.price[tie] - body["price"]), 0.5 * (cell.moved[tie] + body["moved"])
        # where copies differ by more than they move, they are held together too loosely
        factor = np.clip(np.sqrt((cell.met[tie] + 1e-14) / (moved + 1e-14)), 1.0 / most, most)
        first = cell.rho_first[tie, :, 0]
        rho = np.clip(cell.rho[tie, :, 0] * factor, first / SPAN, first * SPAN)
        bodies.append({"v": v, "x": cell.x[tie], "price": cell.price[tie], "rho": rho, "shared": shared})
        cell.tie_price[tie] = shared
        cell.tune(tie, rho[:, None])
    yield Tell(bodies)
    cell.met, cell.moved = np.zeros_like(cell.met), np.zeros_like(cell.moved)


def _certify(cell: _Cell, options: Options, done: int) -> Generator[Any, Any, Body]:
    """How good what was settled is, in physical units, and whether to end."""
    bound, worst = cell.bound(), cell.worst()
    heard: list[Body] = yield Gather()
    sums = np.array([cell.cost(), cell.pull(), bound])
    for body in heard:
        sums, worst = sums + body["sums"], np.maximum(worst, body["worst"])
    told: Body
    if cell.upstream is None:
        told = yield Ask({"sums": sums, "worst": worst})
    else:
        told = _decide(cell, options, done, sums, worst)
    yield Tell([told] * len(heard))
    return told


def _decide(cell: _Cell, options: Options, done: int, sums: Floats, worst: Floats) -> Body:
    """The end when the certified gap and both residuals are small, or when there were rounds enough."""
    bought = cell.upstream.price * cell.said if cell.upstream is not None else cell.said
    worth = 0.0 if cell.upstream is None else cell.upstream.worth_eur
    gross = max(float(np.abs(bought[0]).sum()), worth, 1e-9)
    cost = float(sums[0] + bought.sum())
    gap = (cost + float(sums[1] - sums[2])) / gross
    good = gap < options.gap and worst[0] < options.primal_kw and worst[2] < options.dual_eur_per_kwh
    return {
        "stop": np.array(float(good or done + cell.every > options.rounds or not cell.ties)),
        "converged": np.array(float(good)),
        "gap": np.array(gap),
        "cost": np.array(cost),
        "gross": np.array(gross),
        "worst": worst,
    }
