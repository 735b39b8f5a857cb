"""Primal-dual interior point for one block of a tree, by condensation on its boundary.

The Newton system of the whole tree is eliminated cell by cell, leaves first. What a cell tells its parent is how its
boundary power answers to price and voltage (`Response`):

    dPQ    = -C dlambda + K dv + k        C: (2T, 2T), K: (2T, V), Y: (V, V)
    domega =  K' dlambda + Y dv + m       omega: price of the boundary voltage, V of the T intervals matter

Powers of ties that are decided above stand in v beside the voltage, (1 + ties, T) flattened, of which V places matter.

This is exact: the first step of an iteration is that of a central interior point method on the joined problem (message
passing on the clique tree, S. Khoshfetrat Pakazad, A. Hansson, M. S. Andersen, "Distributed primal-dual interior-point
methods for solving tree-structured coupled convex problems using message-passing", Optim. Methods Softw. 32(3), 2017,
doi:10.1080/10556788.2016.1213839), but for its length: every cell goes as far as its own slacks and duals allow. Then,
without a message, it goes on towards the central path at the price and voltage it was told, its children answering as
they said they would. So no step length is agreed on, and an iteration is one round trip.

Every limit is a hinge, so a start point exists that satisfies every equation and sits exactly on the central path of
any `mu`; only the dual residual of the controls has to be worked off. The controls are feasible at every
iteration: stopping early is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.barrier import FIXED_RANGE, Barrier, inside
from archipel.optimisation.below import Below
from archipel.optimisation.block import Block
from archipel.optimisation.copies import TieCopies
from archipel.optimisation.inputs import ChildInputs
from archipel.optimisation.rows import Limits, Rows
from archipel.optimisation.stores import Stores
from archipel.optimisation.symmetric import Symmetric

_STIFF_LEVEL = 1e-9
"""Curvature of a level [EUR per unit squared]: nothing, but keeps it determined."""
SPAN_V_PU = 0.1
"""No voltage is further than this from where it is best [pu], for certifying the gap."""
TO_BOUND = 0.995
"""Share of the way to the nearest bound that a step may go."""
WORSE = 3.0
"""A further step after which the products are so many times larger is not taken."""
OFF_BOUNDS = 0.02
"""How far from the bounds to start anew, as a share of the range."""
OFF_CENTRE = 0.1
"""A cell whose products of slack and dual differ by less from `mu`, and whose last step was full, rests."""
MORE_LEAF, MORE_INNER = 1, 3
"""Further steps of a cell without and with children before it speaks again; measured in decision 0013."""
LEAST_REST = 1e-6
"""No tie takes the rest of the tree for softer than this share of all that bends it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """How a cell's boundary answers: see the head of this file."""

    c: Floats
    k: Floats
    y: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """The parts `k` (2T,) and `m` (V,) of a response."""

    k: Floats
    m: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a cell tells its parent in an iteration: where it is, and how it would answer."""

    pq: Floats
    """(P, Q) at its boundary, (2, T)."""
    omega: Floats
    """Price of the boundary voltage and of ties as it sees it, (V,)."""
    response: Response
    empty: Constants
    """Of a step to `mu` 0."""
    centre: Constants
    """What every unit of `mu` adds."""


@dataclass(slots=True, eq=False)
class Right:
    """A right-hand side: what is asked of all pairs, and what follows from it."""

    asked: Floats
    push: Floats
    """Of the controls (N, T)."""
    level_push: Floats
    """Of the levels (L,)."""
    delta: Floats
    """Of the hinges: stores' bounds, outputs."""
    inner: Floats
    """Solution of the cell's own elimination for this right-hand side."""
    injected: Floats
    """What own controls inject, and"""
    ports: Floats
    """what prices of children's voltages and voltages step by, when no channel does."""

    def plus(self, other: Right, factor: float) -> Right:
        """`self + factor * other`."""
        return Right(*(getattr(self, n) + factor * getattr(other, n) for n in Right.__slots__))


@final
class CellSolver:
    """One cell's side of the method. `coordination.exact` calls it in the order of the sections below."""

    def __init__(self, block: Block, wish: Floats | None = None, share: float = 0.1) -> None:
        """Place the controls at `wish` (N, T), `share` of the range off the bounds; or in the middle."""
        self.block = block
        levels = block.levels
        self._free = np.flatnonzero(block.hi - block.lo > FIXED_RANGE)
        self._level_free = np.flatnonzero(levels.hi - levels.lo > FIXED_RANGE)
        self._stores = Stores(block)
        self._held, self._outs = slice(0, self._stores.count), slice(self._stores.count, None)
        self.pairs = Barrier(
            self._flat(block.lo, levels.lo),
            self._flat(block.hi, levels.hi),
            np.concatenate([self._stores.price, block.hinges.price]),
        )
        self._range = self.pairs.hi - self.pairs.lo
        self.levels_now = 0.5 * (levels.lo + levels.hi)
        self._stiff_level = np.full(len(levels.lo), _STIFF_LEVEL)
        self.u = inside(0.5 * (block.lo + block.hi) if wish is None else wish, block.lo, block.hi, share)
        # what acts on rows, one under the other: controls, ties decided above, children's P and Q, levels, voltage
        above = block.outputs.on_tie.shape[1]
        sizes = np.cumsum([0, len(block.lo), above, block.children, block.children, len(levels.lo), 1])
        self._u, self._w, self._p, self._q, self._l, self._v = (slice(*ends) for ends in pairwise(sizes.tolist()))

    def _flat(self, controls: Floats, levels: Floats) -> Floats:
        """What is free of controls (N, T) and levels (L,), in one row."""
        return np.concatenate([controls.ravel()[self._free], levels[self._level_free]])

    def _spread(self, flat: Floats) -> tuple[Floats, Floats]:
        """The way back; zero where there is no freedom."""
        controls, levels = np.zeros(self.block.lo.size), np.zeros(len(self.levels_now))
        controls[self._free], levels[self._level_free] = flat[: len(self._free)], flat[len(self._free) :]
        return controls.reshape(self.block.lo.shape), levels

    # ---------------------------------------------------------------- opening

    def know_children(self, pq: Floats, active: list[Ints]) -> None:
        """Learn the children's powers (children, 2, T), while no tie carries power, and which of its inputs each asks
        for: places in its voltage (T,) and its ties (ties, T), flattened."""
        block, t_count = self.block, self.block.intervals
        out = block.outputs
        self.child_pq, self.child_active = pq.copy(), active
        first = self._first_hinge = 2 * t_count
        hinges = slice(first, first + len(block.hinges.bound))
        self._first_port = hinges.stop
        voltages = [ts[ts < t_count] for ts in active]
        ports = [hinges.stop + child * t_count + ts for child, ts in enumerate(voltages)]
        kept = np.concatenate([np.arange(hinges.stop), *ports]).astype(np.int64)
        effects = (out.on_control, out.on_tie, out.on_p, out.on_q, out.on_level, out.on_v[:, None])
        a = np.concatenate(effects, axis=1)[kept]
        self._t, self._offset = out.t[kept], out.offset[kept]
        self._rows = Rows(a, self._t, t_count)
        self._limits = Limits(a[hinges], self._t[hinges], t_count)
        # channels before the boundary: what goes on by itself needs only the first
        a = np.concatenate([self._limits.channels, a[:first], a[hinges.stop :]])
        t = np.concatenate([self._limits.line_t, self._t[:first], self._t[hinges.stop :]])
        lines = self._lines = len(self._limits.line_t)
        self._fixed = Rows(a, t, t_count)
        alone = (lines, lines + first) if not block.children else ()
        self._alone = [Rows(a[:end], t[:end], t_count) for end in alone]
        self._cut = np.cumsum([len(a) for a in voltages])[:-1]
        beyond = self._t[first:], out.on_v[kept[first:]]
        row, tie = np.nonzero(out.on_tie[kept])
        felt = [beyond[0][beyond[1] != 0.0], (1 + tie) * t_count + self._t[row]]
        self._inputs = ChildInputs(block, active, self._free, felt)
        self.active = self._inputs.active
        """Inputs on which something inside depends, as places in (voltage, ties) flattened."""
        self.v = np.zeros((1 + out.on_tie.shape[1]) * t_count)
        self._copies = TieCopies(out.on_tie.shape[1], t_count)
        ties = self.active >= t_count
        self._tie_at = np.flatnonzero(ties), self.active[ties] - t_count
        self._input_at = np.where(ties, self._w.start - 1 + self.active // t_count, self._v.start)
        self._decided = np.divmod(self._free[self._inputs.decided], t_count)
        """Controls and intervals of the ties that are decided here."""
        self._below = None
        if block.children:
            parts = slice(0, self._w.stop), self._p, self._q, self._l
            self._below = Below(self._fixed, parts, self._level_free, self._inputs, self._input_at, self._decided)

    def boundary(self) -> Floats:
        """Own (P, Q) at the boundary, shape (2, T). The boundary voltage does not enter."""
        t_count = self.block.intervals
        y = self.block.outputs.value(self.u, self.levels_now, self.child_pq, np.zeros(t_count), self._above())
        return np.asarray(y[: 2 * t_count].reshape(2, t_count))

    def open(self, price: Floats, v_pu: Floats, mu: float) -> None:
        """Start on the central path of `mu` with boundary prices (2, T) and inputs (voltage, ties) flattened."""
        self.price, self.v, self._mu = price.copy(), v_pu.copy(), mu
        self._copies.kw = self._above().copy()
        y = self._outputs()
        self.pairs.open(self._flat(self.u, self.levels_now), self._gaps(y, self.block.store(self.u)), mu)
        self.child_v = y[self._first_port :]
        self.omega = np.zeros(len(self.child_v))
        self._child_omega = [np.zeros(len(at)) for at in self.child_active]

    def open_again(self, price: Floats, v_pu: Floats, mu: float) -> None:
        """Start anew from the present point, a little off the bounds, with boundary prices (2, T) and inputs (V,)."""
        self.u = inside(self.u, self.block.lo, self.block.hi, OFF_BOUNDS)
        levels = self.block.levels
        self.levels_now = inside(self.levels_now, levels.lo, levels.hi, OFF_BOUNDS)
        v = self.v.copy()
        v[self.active] = v_pu
        self.open(price, v, mu)

    def mark(self) -> None:
        """Remember this point."""
        self._marked, self._marked_mu = self._point(), self._mu

    def go_back(self) -> None:
        """Go back to the point remembered last."""
        self._return(self._marked)
        self._mu = self._marked_mu

    def _point(self) -> tuple[Floats, ...]:
        pairs = self.pairs
        changed = self._copies.kw, self.v.copy(), self.child_pq.copy(), pairs.s.copy(), pairs.z.copy()
        return self.u, self.levels_now, self.price, self.child_v, self.omega, *changed

    def _return(self, point: tuple[Floats, ...]) -> None:
        pairs = self.pairs
        self.u, self.levels_now, self.price, self.child_v, self.omega, *changed = point
        self._copies.kw, self.v, self.child_pq, pairs.s, pairs.z = changed

    def child_prices(self) -> Floats:
        """Prices (children, 2, T) at the children's boundaries."""
        return self._to_children(self._rows.felt(self._duals()))

    def child_inputs(self) -> list[Floats]:
        """Voltage (T,) and ties (ties, T) of every child, flattened."""
        block, t_count, above = self.block, self.block.intervals, self._above()
        y = block.outputs.value(self.u, self.levels_now, self.child_pq, self.v[:t_count], above)
        ties, voltages = block.tie_powers(self.u, above), y[self._first_port :].reshape(block.children, t_count)
        return [np.concatenate([v, ties[block.ties_of(child)].ravel()]) for child, v in enumerate(voltages)]

    def child_held(self) -> list[Floats]:
        """The inputs that every child is to take for its own, where they matter: (V,) each."""
        return self._told(self.child_v, self.u, self.v)

    def _told(self, child_v: Floats, u: Floats, v: Floats) -> list[Floats]:
        ties = self.block.tie_powers(u, self._above(v))
        parts = np.split(child_v, self._cut) if self.block.children else []
        return [np.concatenate([part, ties.flat[at]]) for part, at in zip(parts, self._inputs.tie_at, strict=True)]

    def _above(self, v: Floats | None = None) -> Floats:
        """Powers of ties decided above (ties, T)."""
        return (self.v if v is None else v).reshape(-1, self.block.intervals)[1:]

    def inner_prices(self) -> tuple[Floats, Floats]:
        """Prices of the hinges (R,) and of the voltages handed to the children (children, T)."""
        voltage = np.zeros((self.block.children, self.block.intervals))
        if self.block.children:
            # left out are the intervals in which nobody below depends on the voltage: it is worth nothing there
            t = np.split(self._t[self._first_port :], self._cut)
            for child, price in enumerate(np.split(self.omega, self._cut)):
                voltage[child, t[child]] = price
        return self.pairs.pi[self._outs].copy(), voltage

    def _values(self, tie_kw: Floats) -> Floats:
        t_count = self.block.intervals
        levels = np.broadcast_to(self.levels_now[:, None], (len(self.levels_now), t_count))
        x = np.concatenate([self.u, tie_kw, self.child_pq[:, 0], self.child_pq[:, 1], levels, self.v[None, :t_count]])
        return self._offset + self._rows.values(x)

    def _outputs(self) -> Floats:
        return self._values(self._copies.kw)

    def _gaps(self, y: Floats, e: Floats) -> Floats:
        """How far stores and outputs are beyond their bounds."""
        outputs = y[self._first_hinge : self._first_port] - self.block.hinges.bound
        return np.concatenate([self._stores.gaps(e), outputs])

    def _duals(self) -> Floats:
        return np.concatenate([self.price.ravel(), self.pairs.pi[self._outs], self.omega])

    def _to_children(self, felt: Floats) -> Floats:
        return np.stack([felt[self._p], felt[self._q]], axis=1)

    # ---------------------------------------------------------------- upwards

    def answer(self, children: list[Answer]) -> Answer:
        """Condense this cell at its present point, given what its children told."""
        self._heard, self._child_omega = children, [child.omega for child in children]
        self._copies.hold()
        self.child_pq = np.stack([child.pq for child in children]) if children else self.child_pq
        if self._below is not None:
            told = [child.response for child in children]
            self._below.hear([r.c for r in told], [r.k for r in told], [r.y for r in told])
        asked = self._condense(self._inner + self._first_hinge + len(self.active))
        self._empty, self._centre = self._right(0.0), self._unit()
        empty = self._constants(self._empty, [a.empty for a in children], [a.omega for a in children])
        centre = self._constants(self._centre, [a.centre for a in children], None)
        r, b = self._eliminated.between(self._outer) - asked, self._first_hinge
        self._bends = np.diag(r)[b:][self._tie_at[0]], self._decided_stiff
        return Answer(self.boundary(), self.own_omega(), Response(-r[:b, :b], r[:b, b:], r[b:, b:]), empty, centre)

    def _condense(self, size: int) -> Floats:
        """Factor the cell's own system at its present point; `size` channels matter, as they stand in `Below`. Returns
        what is answered directly to boundary price and voltage."""
        self._y, self._e = self._outputs(), self.block.store(self.u)
        self.pairs.mend(self._gaps(self._y, self._e), self._mu)
        self._slope = self.dual_residual()
        stiff, compliance = self.pairs.weigh()
        stiff = stiff + self._flat(self.block.quad + self.block.stiff, self._stiff_level)
        self._decided_stiff = stiff[self._inputs.decided]
        self._m = self._spread(1.0 / stiff)[0]
        self._m[self._decided] = 0.0  # ties reach far into other cells: unknowns of their own
        if len(self.block.keep):
            self._stores.factor(compliance, self._m[: len(self.block.gain)])
        lines, inner = self._lines, self._inner
        on_lines = self._limits.weigh(compliance[self._outs])
        big = self._alone_answer(on_lines, size) if self._below is None else self._joined_answer(self._below, size)
        h = big[:inner, :inner].copy()
        h[range(lines), range(lines)] += 1.0
        # levels as unknowns of their own: next to nothing bends a level, and one over that would drown all else
        h[range(lines, inner), range(lines, inner)] -= np.concatenate([stiff[len(self._free) :], self._decided_stiff])
        self._outer = big[:inner, inner:]
        self._eliminated = Symmetric(h, first=lines)
        return big[inner:, inner:]

    @property
    def _inner(self) -> int:
        """Lines, levels and powers of ties that are decided here."""
        return self._lines + len(self._level_free) + len(self._inputs.decided)

    def _tie_price(self, price: Floats) -> Floats:
        """Price of own ties decided above (ties, T) with boundary prices (2, T)."""
        return self._rows.felt(np.concatenate([price.ravel(), self.pairs.pi[self._outs], self.omega]))[self._w]

    def _alone_answer(self, on_lines: Floats, size: int) -> Floats:
        """Answer of lines, levels, boundary and voltage to each other without children, as `Below.answer`."""
        lines, levels, b = self._lines, self._level_free, self._first_hinge
        inner = lines + len(levels)
        rows = self._alone[size > inner]
        rows.set(slice(0, lines), on_lines)
        moved = self._own_answer(rows, rows.padded[:, :, : self._w.stop])
        if size == lines:
            return moved
        big = np.zeros((size, size))
        at = rows.padded[rows.t, rows.slot]
        held = (slice(0, lines), slice(0, lines)), (slice(lines, lines + b), slice(inner, inner + b))
        for mine, here in held[: 1 + (size > inner)]:
            for other, there in held[: 1 + (size > inner)]:
                big[here, there] = moved[mine, other]
            big[here, lines:inner] = -at[mine, self._l][:, levels]
            big[lines:inner, here] = big[here, lines:inner].T
        if size > inner:
            by_input = -at[:, self._input_at] * (rows.t[:, None] == self.active % self.block.intervals)
            for mine, here in held:
                big[here, inner + b :] = by_input[mine]
                big[inner + b :, here] = by_input[mine].T
        return big

    def _joined_answer(self, below: Below, size: int) -> Floats:
        """The same with children: own controls inject what their own price and that of the rest bend them to."""
        own = below.injection
        d = self._own_answer(below.injections, own)
        back = below.answer[below.injected]
        bent = np.linalg.solve(np.eye(len(d)) - d @ back[:, below.injected], d)
        self._bent = 0.5 * (bent + bent.T)
        big = below.answer[:size, :size] + back[:, :size].T @ (self._bent @ back[:, :size])
        big[: self._lines] = self._limits.on_lines(big[: self._lines])
        big[:, : self._lines] = self._limits.on_lines(big[:, : self._lines].T).T
        return big

    def _own_answer(self, rows: Rows, own: Floats) -> Floats:
        """Answer of rows on own controls and copies of ties (T, S, N) to a price on every other: (A, A)."""
        block = self.block
        reach = own[:, :, : len(block.gain)] * self._stores.gain_m.T[:, None, :] if len(block.keep) else own[:, :, :0]
        if len(block.keep):
            reach = np.add.reduceat(reach, block.store_first, axis=2)
        by_store = np.ascontiguousarray(reach.transpose(2, 1, 0))

        def seen(some: slice) -> Floats:
            worth = np.ascontiguousarray(self._stores.inverse[some].transpose(0, 2, 1))
            return np.asarray(worth[:, :, None, :] * by_store)

        big = rows.square(-reach, seen) if len(block.keep) else np.zeros((len(rows.t), len(rows.t)))
        gives = np.concatenate([self._m, self._copies.gives])
        at_once = (own * gives.T[:, None, :]) @ own.transpose(0, 2, 1)
        pairs, of_interval = rows.pairs
        big[pairs] += at_once[of_interval]
        return big

    def _right(self, mu: float) -> Right:
        """The step to the central path of `mu`."""
        asked, none = self.pairs.asked(mu), np.zeros(0)
        push = self._spread(self.pairs.push(asked) - self._slope)
        return Right(asked, *push, self.pairs.delta(asked, self._gaps(self._y, self._e)), none, none, none)

    def _unit(self) -> Right:
        """What a unit of `mu` adds to it."""
        asked, none = np.ones_like(self.pairs.s), np.zeros(0)
        return Right(asked, *self._spread(self.pairs.push(asked)), self.pairs.delta(asked, None), none, none, none)

    def dual_residual(self) -> Floats:
        """Gradient of the Lagrangian by the free controls and levels."""
        block, stores = self.block, self._stores
        felt = self._rows.felt(self._duals())
        slope = block.cost + block.quad * self.u + block.stiff * (self.u - block.anchor) + felt[self._u]
        if len(self._inputs.decided):
            slope[self._decided] += self._inputs.unknown(self._child_omega)[len(self.omega) :]
        if len(block.store_first):
            slope[: len(block.gain)] += block.gain * block.worth(stores.felt(self.pairs.pi[self._held]))[block.store_of]
        level_slope = block.levels.cost + _STIFF_LEVEL * self.levels_now + felt[self._l].sum(axis=1)
        return self._flat(slope, level_slope) + self.pairs.box_price()

    def gap(self) -> float:
        """Most that the cost at the last `answer` can be above the least [EUR], this cell's part.

        The Lagrangian of any duals is a lower bound of the cost once every control may move over its whole range and
        every voltage by `SPAN_V_PU`. A tie's power is the same in all its cells, and its price there part of its slope.
        """
        apart = self._inputs.unknown(self._child_omega)[: len(self.omega)] - self.omega
        held = float(self.omega @ (self.child_v - self._y[self._first_port :]) + SPAN_V_PU * np.abs(apart).sum())
        if self._copies:
            held += float((self._tie_price(np.zeros_like(self.price)) * (self._copies.kw - self._above())).sum())
        return self.pairs.gap(self._gaps(self._y, self._e)) + float(np.abs(self._slope) @ self._range) + held

    def _constants(self, right: Right, children: list[Constants], omega: list[Floats] | None) -> Constants:
        """The constants of the response to `right`; `omega` are the children's prices of inputs, None for a unit of
        `mu`. Sets what is inside of `right`."""
        lines, levels, b = self._lines, len(self._level_free), self._first_hinge
        t_count, below = self.block.intervals, self._below
        x = np.zeros((self._fixed.padded.shape[2], t_count))
        own = self._own_step(right, np.zeros_like(right.push))[0]
        copied = np.zeros(len(self._fixed.t))
        if omega is not None and self._copies:
            x[self._w] = self._copies.step(self._above(), self._tie_price(self.price))
            copied = self._fixed.values(x)
            copied[lines : lines + b] = 0.0  # the boundary is where the power told is already
            x[self._w] = 0.0
        if below is None:
            x[self._u] = own
            moves = self._fixed.values(x) + copied
            parts = moves[:lines], np.zeros(levels), moves[lines:], np.zeros(len(self.active))
            seen = np.concatenate(parts)
        else:
            x[self._p], x[self._q] = np.stack([child.k.reshape(2, t_count) for child in children], axis=1)
            m, ports = [child.m for child in children], len(self.omega)
            price, on_ties = np.split(self._inputs.unknown(m), [ports])
            drift = np.zeros(ports)
            if omega is not None:
                drift = self.child_v - self._y[self._first_port :]
                price = price + self._inputs.unknown(omega)[:ports] - self.omega
            on_inputs = on_ties, self._inputs.from_above(m)
            right.ports, seen = below.rest(self._fixed.values(x) + copied, drift, price, on_inputs)
            injected = (below.injection[:, :, self._u] @ own.T[:, :, None])[:, :, 0].T.ravel()
            back = below.answer[below.injected]
            right.injected = injected + self._bent @ (back[:, below.injected] @ injected - seen[below.injected])
            seen = (seen - back.T @ right.injected)[: below.injected.start]
        on_lines = self._limits.on_lines(seen[:lines, None])[:, 0] - self._limits.asked(right.delta[self._outs])
        push = np.concatenate([right.level_push[self._level_free], right.push[self._decided]])
        level = seen[lines : lines + len(push)] - push
        right.inner = self._eliminated.solve(np.concatenate([on_lines, level]))
        out = seen[lines + len(push) :][: self._outer.shape[1]] - self._outer.T @ right.inner
        return Constants(out[:b], out[b:])

    def own_omega(self) -> Floats:
        """Price of the boundary voltage and of ties as this cell sees it, shape (V,)."""
        duals = self._duals()
        duals[: self._first_hinge] = 0.0
        own = np.concatenate([self._rows.felt(duals)[self._v], self._tie_price(self.price)]).ravel()
        return np.asarray(own[self.active] + self._inputs.from_above(self._child_omega))

    def _own_step(self, right: Right, price: Floats) -> tuple[Floats, Floats]:
        """Steps of the controls (N, T) and of what stored energy is worth (K, T) when prices step by `price` (N, T)."""
        block, stores = self.block, self._stores
        step = self._m * (right.push - price)
        if not len(block.store_first):
            return step, np.zeros_like(block.keep)
        tau = stores.worth(block.inflow(step) + stores.flow(right.delta[self._held]))
        step[: len(block.gain)] -= stores.gain_m * tau[block.store_of]
        return step, tau

    # ---------------------------------------------------------------- downwards

    def follow(self, price: Floats, v_pu: Floats, mu: float, most: float, rest: Floats) -> tuple[float, float]:
        """Go where the parent tells: to boundary prices (2, T) and inputs (V,), towards the central path of `mu`.
        `rest` says how stiff the rest of the tree holds every tie that is an input, (ties of V,).

        Returns the lengths of the first step, of slacks and of duals, `most` at most. Then the cell goes on by itself;
        its children are taken to answer as they said.
        """
        before, held = self.child_prices(), self.child_held()
        self._mu = mu
        said = [(a.empty.k + mu * a.centre.k, a.empty.m + mu * a.centre.m) for a in self._heard]
        told = np.concatenate([(price - self.price).ravel(), v_pu - self.v[self.active]])
        self._expand(self._empty.plus(self._centre, mu), told)
        self.price, self.v = price, self.v.copy()
        self.v[self.active] = v_pu
        if self._copies:
            self._copies.let_go(rest, self._tie_at[1], self._new_tie_price)
        lengths = step = self._apply(most)
        for _ in range(MORE_INNER if self._heard else MORE_LEAF):
            omega = self._foresee(said, before, held)
            if min(step) == 1.0 and self.pairs.off_centre(mu) < OFF_CENTRE:
                break
            self._condense(self._inner)
            right = self._right(mu)
            none = [Constants(np.zeros(self._first_hinge), np.zeros(len(o))) for o in omega]
            self._constants(right, none, omega)
            self._expand(right, None)
            before_it, products = self._point(), float(self.pairs.s @ self.pairs.z)
            step = self._apply(1.0)
            if float(self.pairs.s @ self.pairs.z) > WORSE * max(products, mu * len(self.pairs.s)):
                # rounding, not progress: where it was is better
                self._return(before_it)
                break
        return lengths

    def aim(self, price: Floats, v_pu: Floats, mu: float) -> tuple[Floats, list[Floats]]:
        """As `follow`, but only look where a full step leads; returns the children's prices and inputs there."""
        self._d_price, self._d_v, self._mu = price - self.price, v_pu - self.v[self.active], mu
        self._expand(self._empty.plus(self._centre, mu), np.concatenate([self._d_price.ravel(), self._d_v]))
        duals = np.concatenate([price.ravel(), self.pairs.pi[self._outs] + self._d_pi, self.omega + self._d_omega])
        prices = self._to_children(self._rows.felt(duals))
        there = self.v.copy()
        there[self.active] = v_pu
        return prices, self._told(self.child_v + self._d_child_v, self.u + self._du, there)

    def longest(self) -> tuple[float, float]:
        """How far this cell can go where it aims."""
        return self.pairs.most(TO_BOUND)

    def keep_step(self, primal: float, dual: float) -> None:
        """Go there, as far as all cells can."""
        self._move(primal, dual)
        self.price = self.price + dual * self._d_price
        self.v = self.v.copy()
        self.v[self.active] += primal * self._d_v

    def child_rest(self, rest: Floats) -> list[Floats]:
        """`rest` of `follow` for every child: how stiff all but the child holds its ties at the last `answer`."""
        t_count, inputs = self.block.intervals, self._inputs
        bends = np.zeros((len(self._above()) + len(self.block.decides)) * t_count)
        own, decided = self._bends
        bends[self._tie_at[1]] = rest + own
        bends[inputs.decided_at] = decided
        below = [
            (at, np.diag(a.response.y)[len(a.omega) - len(at) :])
            for a, at in zip(self._heard, inputs.tie_at, strict=True)
        ]
        for at, part in below:
            new = at >= len(self._above()) * t_count
            bends[at[new]] += part[new]
        return [np.maximum(bends[at] - part, LEAST_REST * bends[at]) for at, part in below]

    def _foresee(self, said: list[tuple[Floats, Floats]], before: Floats, held: list[Floats]) -> list[Floats]:
        """What the children will answer to their new prices and inputs: powers, and prices of inputs (returned)."""
        d_price = (self.child_prices() - before).reshape(len(said), self._first_hinge)
        d_v = [now - then for now, then in zip(self.child_held(), held, strict=True)]
        omega = []
        for i, ((k, m), heard) in enumerate(zip(said, self._heard, strict=True)):
            r = heard.response
            self.child_pq[i] = heard.pq + (k - r.c @ d_price[i] + r.k @ d_v[i]).reshape(2, -1)
            omega.append(heard.omega + m + r.k.T @ d_price[i] + r.y @ d_v[i])
        self._child_omega = omega
        return omega

    def _expand(self, right: Right, told: Floats | None) -> None:
        """Steps of everything inside when boundary price and inputs step by what was `told` (2T + V,)."""
        lines, ports = self._lines, len(self.omega)
        x = right.inner if told is None else right.inner - self._eliminated.solve(self._outer @ told)
        hinges = self._limits.duals(x[:lines], right.delta[self._outs])
        self._d_omega = self._d_child_v = np.zeros(0)
        if self._below is not None:
            told_all = np.zeros(self._first_hinge + len(self.active)) if told is None else told
            outer = np.concatenate([self._limits.on_channels(x[:lines]), x[lines:], told_all])
            back = self._below.answer[self._below.injected]
            injected = right.injected + self._bent @ (back[:, : len(outer)] @ outer)
            inside = right.ports + self._below.follow(np.concatenate([outer, injected]))
            self._d_omega, self._d_child_v = inside[:ports], inside[ports:]
        boundary = np.zeros(self._first_hinge) if told is None else told[: self._first_hinge]
        felt = self._rows.felt(np.concatenate([boundary, hinges, self._d_omega]))
        self._d_pi = hinges
        if self._copies:
            there = self.v.copy()
            if told is not None:
                there[self.active] += told[self._first_hinge :]
            self._new_tie_price = self._tie_price(self.price) + felt[self._w]
            self._d_tie = self._copies.step(self._above(there), self._new_tie_price)
        self._du, tau = self._own_step(right, felt[self._u])
        levels = lines + len(self._level_free)
        self._du[self._decided] = x[levels:]
        self._d_levels = np.zeros_like(self.levels_now)
        self._d_levels[self._level_free] = x[lines:levels]
        held = self._stores.duals(self._du, tau, right.delta[self._held]) if len(self.block.keep) else np.zeros(0)
        self.pairs.step(self._flat(self._du, self._d_levels), np.concatenate([held, hinges]), right.asked)

    def _apply(self, most: float) -> tuple[float, float]:
        """Take the step as far as it may go; returns the lengths."""
        primal, dual = (min(most, size) for size in self.longest())
        self._move(primal, dual)
        return primal, dual

    def _move(self, primal: float, dual: float) -> None:
        self.pairs.apply(primal, dual)
        self.u = self.u + primal * self._du
        if self._copies:
            self._copies.kw = self._copies.kw + primal * self._d_tie
        self.levels_now = self.levels_now + primal * self._d_levels
        self.child_v = self.child_v + primal * self._d_child_v
        self.omega = self.omega + dual * self._d_omega

    # ---------------------------------------------------------------- what it costs

    def true_cost(self) -> float:
        """Own cost [EUR] at the inputs `v`, once those are the true ones."""
        y = self._values(self._above())
        return self.block.own_cost(self.u, self.levels_now, y[self._first_hinge : self._first_port])

    def cost(self) -> float:
        """Own cost [EUR] at the point of the last `answer`; no price of boundary power."""
        return self.block.own_cost(self.u, self.levels_now, self._y[self._first_hinge : self._first_port])
