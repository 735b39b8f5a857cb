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
        # what acts on rows, one under the other: controls, children's P and Q, levels, the boundary's voltage and ties
        inputs = 1 + block.outputs.on_tie.shape[1]
        sizes = np.cumsum([0, len(block.lo), block.children, block.children, len(levels.lo), inputs])
        self._u, self._p, self._q, self._l, self._v = (slice(*ends) for ends in pairwise(sizes.tolist()))

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
        effects = (out.on_control, out.on_p, out.on_q, out.on_level, out.on_v[:, None], out.on_tie)
        a = np.concatenate(effects, axis=1)[kept]
        self._t, self._offset = out.t[kept], out.offset[kept]
        self._rows = Rows(a, self._t, t_count)
        self._limits = Limits(a[hinges], self._t[hinges], t_count)
        lines = len(self._limits.line_t)
        self._lines = slice(first, first + lines)
        t = np.concatenate([self._t[:first], self._limits.line_t, self._t[hinges.stop :]])
        a = np.concatenate([a[:first], np.zeros((lines, a.shape[1])), a[hinges.stop :]])
        self._condensed = Rows(a, t, t_count)
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
        x = np.concatenate([self.u, self.child_pq[:, 0], self.child_pq[:, 1], levels, self.v[None, :t_count], tie_kw])
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
        self.child_pq = np.stack([child.pq for child in children]) if children else self.child_pq
        self._copies.hold()
        self._condense()
        self._empty, self._centre = self._right(0.0), self._unit()
        empty = self._constants(self._empty, [a.empty for a in children], [a.omega for a in children])
        centre = self._constants(self._centre, [a.centre for a in children], None)
        b = self._first_hinge
        both = self._eliminated.solve(np.concatenate([self._up, self._gv], axis=1))
        self._h_up, self._h_gv = both[:, :b], both[:, b:]
        c = self._big[:b, :b] - self._up.T @ self._h_up
        k, y = self._up.T @ self._h_gv + self._direct_k, self._gv.T @ self._h_gv + self._direct_y
        response = Response(0.5 * (c + c.T), k, y)
        self._bends = np.diag(y)[self._tie_at[0]], self._decided_stiff
        return Answer(self.boundary(), self.own_omega(), response, empty, centre)

    def _condense(self) -> None:
        """Factor the cell's own system at its present point."""
        b, rows = self._first_hinge, self._condensed
        self._y, self._e = self._outputs(), self.block.store(self.u)
        self.pairs.mend(self._gaps(self._y, self._e), self._mu)
        self._slope = self.dual_residual()
        stiff, compliance = self.pairs.weigh()
        stiff = stiff + self._flat(self.block.quad + self.block.stiff, self._stiff_level)
        self._decided_stiff = stiff[self._inputs.decided]
        self._m = self._spread(1.0 / stiff)[0]
        self._m[list(self.block.decides)] = 0.0  # ties reach far into other cells: unknowns of their own
        if len(self.block.keep):
            self._stores.factor(compliance, self._m[: len(self.block.gain)])
        rows.set(self._lines, self._limits.weigh(compliance[self._outs]))
        big = self._big = self._joined_response()
        inputs = self._inputs
        kb, kv = self._child_k()
        g, handed, lines, levels = len(rows.t) - b, kb.shape[1], self._lines.stop - b, len(self._level_free)
        ports, size = len(self.omega), g + handed + levels
        h = np.zeros((size, size))
        h[:g, :g] = big[b:, b:]
        h[range(lines), range(lines)] += 1.0
        up, gv = np.zeros((size, b)), np.zeros((size, len(self.active)))
        up[:g] = -big[b:, :b]
        kv += self._input_k()
        gv[:g], self._direct_k = kv[b:], kv[:b]
        ww, gv[g : g + handed], self._direct_y = inputs.joined_y([child.response.y for child in self._heard])
        if handed:
            link = -kb[b:]
            link[lines:, :ports] += np.eye(ports)
            h[:g, g : g + handed], h[g : g + handed, :g] = link, link.T
            up[g : g + handed] = kb[:b].T
            h[g : g + handed, g : g + handed] = -ww
            own = range(g + ports, g + handed)
            h[own, own] -= stiff[inputs.decided]
        if levels:
            # as unknowns of their own: next to nothing bends a level, and one over that would drown all else
            on_level = rows.padded[rows.t, rows.slot, self._l][:, self._level_free]
            h[:g, -levels:], h[-levels:, :g] = -on_level[b:], -on_level[b:].T
            h[range(-levels, 0), range(-levels, 0)] = -stiff[len(self._free) :]
            up[-levels:] = on_level[:b].T
        self._up, self._gv = up, gv
        self._eliminated = Symmetric(h, definite=size == g)

    def _tie_price(self, price: Floats) -> Floats:
        """Price of own ties decided above (ties, T) with boundary prices (2, T)."""
        return self._rows.felt(np.concatenate([price.ravel(), self.pairs.pi[self._outs], self.omega]))[self._v][1:]

    def _joined_response(self) -> Floats:
        """Answer of every row to a price on every other, through controls and children: (A, A)."""
        block, rows = self.block, self._condensed
        z = rows.padded
        t_count, slots, _ = z.shape
        big = np.zeros((t_count, t_count, slots, slots))
        own = z[:, :, self._u]
        big[range(t_count), range(t_count)] = (own * self._m.T[:, None, :]) @ own.transpose(0, 2, 1)
        if self._copies.gives.any():
            ties = z[:, :, self._v][:, :, 1:]
            big[range(t_count), range(t_count)] += (ties * self._copies.gives.T[:, None, :]) @ ties.transpose(0, 2, 1)
        if len(block.store_first):
            reach = own[:, :, : len(block.gain)] * self._stores.gain_m.T[:, None, :]
            reach = np.add.reduceat(reach, block.store_first, axis=2)
            seen = self._stores.inverse[:, :, None, :] * reach[None]
            big -= _over(seen, reach)
        if len(self._heard):
            c = np.stack([child.response.c for child in self._heard]).reshape(-1, 2, t_count, 2, t_count)
            for i, left in enumerate((self._p, self._q)):
                for j, right in enumerate((self._p, self._q)):
                    seen = c[:, i, :, j].transpose(2, 1, 0)[:, :, None, :] * z[None, :, :, left]
                    big += _over(seen, z[:, :, right])
        flat = big.transpose(1, 2, 0, 3).reshape(t_count * slots, -1)
        return np.asarray(flat[np.ix_(rows.at, rows.at)])

    def _input_k(self) -> Floats:
        """Effect of own inputs on every row, but for what children make of them: (A, V)."""
        rows, t_count = self._condensed, self.block.intervals
        own = rows.padded[rows.t, rows.slot, self._v]
        return np.asarray(own[:, self.active // t_count] * (rows.t[:, None] == self.active % t_count))

    def _child_k(self) -> tuple[Floats, Floats]:
        """Answer of every row to what is handed down, unknown (A, voltages and ties) or from above (A, V)."""
        rows, t_count = self._condensed, self.block.intervals
        z = rows.padded[rows.t, rows.slot]
        zp, zq, ks = z[:, self._p], z[:, self._q], [child.response.k for child in self._heard]
        parts = [zp[:, i, None] * k[:t_count][rows.t] + zq[:, i, None] * k[t_count:][rows.t] for i, k in enumerate(ks)]
        unknown, from_above = self._inputs.columns(parts, len(rows.t))
        n, t = np.divmod(self._free[self._inputs.decided], t_count)
        unknown[:, len(self.omega) :] += z[:, self._u][:, n] * (rows.t[:, None] == t)
        return unknown, from_above

    def _right(self, mu: float) -> Right:
        """The step to the central path of `mu`."""
        asked = self.pairs.asked(mu)
        push = self._spread(self.pairs.push(asked) - self._slope)
        return Right(asked, *push, self.pairs.delta(asked, self._gaps(self._y, self._e)), np.zeros(0))

    def _unit(self) -> Right:
        """What a unit of `mu` adds to it."""
        asked = np.ones_like(self.pairs.s)
        return Right(asked, *self._spread(self.pairs.push(asked)), self.pairs.delta(asked, None), np.zeros(0))

    def dual_residual(self) -> Floats:
        """Gradient of the Lagrangian by the free controls and levels."""
        block, stores = self.block, self._stores
        felt = self._rows.felt(self._duals())
        slope = block.cost + block.quad * self.u + block.stiff * (self.u - block.anchor) + felt[self._u]
        if len(self._inputs.decided):
            slope.flat[self._free[self._inputs.decided]] += self._inputs.unknown(self._child_omega)[len(self.omega) :]
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
        `mu`. Sets `right.inner`."""
        t_count, b, rows, inputs = self.block.intervals, self._first_hinge, self._condensed, self._inputs
        ports, m = len(self.omega), [child.m for child in children]
        x = np.zeros((rows.padded.shape[2], t_count))
        x[self._u] = self._own_step(right, np.zeros_like(right.push))[0]
        if children:
            x[self._p], x[self._q] = np.stack([child.k.reshape(2, t_count) for child in children], axis=1)
        k, price = rows.values(x), inputs.unknown(m)
        rest = k[b:].copy()
        if omega is not None and self._copies:
            x[:] = 0.0
            x[self._v][1:] = self._copies.step(self._above(), self._tie_price(self.price))
            rest += rows.values(x)[b:]
        rest[: self._lines.stop - b] -= self._limits.asked(right.delta[self._outs])
        if omega is not None and ports:
            rest[-ports:] -= self.child_v - self._y[self._first_port :]
            price[:ports] = price[:ports] + inputs.unknown(omega)[:ports] - self.omega
        price[ports:] -= right.push.flat[self._free[inputs.decided]]
        right.inner = self._eliminated.solve(np.concatenate([rest, price, -right.level_push[self._level_free]]))
        return Constants(k[:b] + self._up.T @ right.inner, self._gv.T @ right.inner + inputs.from_above(m))

    def own_omega(self) -> Floats:
        """Price of the boundary voltage and of ties as this cell sees it, shape (V,)."""
        own = self._rows.felt(self._duals())[self._v].ravel()[self.active]
        return np.asarray(own + self._inputs.from_above(self._child_omega))

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
        self._expand(self._empty.plus(self._centre, mu), price - self.price, v_pu - self.v[self.active])
        self.price, self.v = price, self.v.copy()
        self.v[self.active] = v_pu
        if self._copies:
            self._copies.let_go(rest, self._tie_at[1], self._new_tie_price)
        lengths = step = self._apply(most)
        for _ in range(MORE_INNER if self._heard else MORE_LEAF):
            omega = self._foresee(said, before, held)
            if min(step) == 1.0 and self.pairs.off_centre(mu) < OFF_CENTRE:
                break
            self._condense()
            right = self._right(mu)
            none = [Constants(np.zeros(self._first_hinge), np.zeros(len(o))) for o in omega]
            self._constants(right, none, omega)
            self._h_up, self._h_gv = np.zeros((len(right.inner), 0)), np.zeros((len(right.inner), 0))
            self._expand(right, np.zeros(0), np.zeros(0))
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
        self._expand(self._empty.plus(self._centre, mu), self._d_price, self._d_v)
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

    def _expand(self, right: Right, d_price: Floats, d_v: Floats) -> None:
        """Steps of everything inside when boundary price (2, T) and inputs (V,) step."""
        b, lines = self._first_hinge, self._lines.stop - self._first_hinge
        x = right.inner + self._h_up @ d_price.ravel() + self._h_gv @ d_v
        ports = len(self.omega)
        hinges = self._limits.duals(x[:lines], right.delta[self._outs])
        self._d_omega, self._d_child_v = x[lines : lines + ports], x[lines + ports : lines + 2 * ports]
        boundary = d_price.ravel() if d_price.size else np.zeros(b)
        felt = self._rows.felt(np.concatenate([boundary, hinges, self._d_omega]))
        self._d_pi = hinges
        if self._copies:
            there = self.v.copy()
            there[self.active[: len(d_v)]] += d_v
            self._new_tie_price = self._tie_price(self.price) + felt[self._v][1:]
            self._d_tie = self._copies.step(self._above(there), self._new_tie_price)
        self._du, tau = self._own_step(right, felt[self._u])
        ties = lines + 2 * ports + len(self._inputs.decided)
        self._du.flat[self._free[self._inputs.decided]] = x[lines + 2 * ports : ties]
        self._d_levels = np.zeros_like(self.levels_now)
        self._d_levels[self._level_free] = x[ties:]
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


def _over(seen: Floats, rows: Floats) -> Floats:
    """sum_k seen[t', t, s, k] rows[t', s', k] as (t', t, s, s')."""
    t_count, slots, k = rows.shape
    flat = np.ascontiguousarray(seen).reshape(t_count, t_count * slots, k)
    return np.asarray((flat @ rows.transpose(0, 2, 1)).reshape(t_count, t_count, slots, slots))
