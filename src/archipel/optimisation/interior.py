"""Primal-dual interior point for one block of a tree, by condensation on its boundary.

The Newton system of the whole tree is eliminated cell by cell, leaves first. What a cell tells its parent is how its
boundary power answers to price and voltage (`Response`):

    dPQ    = -C dlambda + K dv + k        C: (2T, 2T), K: (2T, V), Y: (V, V)
    domega =  K' dlambda + Y dv + m       omega: price of the boundary voltage, V of the T intervals matter

This is exact: the steps are those of a central interior point method on the joined problem (message passing on
the clique tree, S. Khoshfetrat Pakazad, A. Hansson, M. S. Andersen, "Distributed primal-dual interior-point methods
for solving tree-structured coupled convex problems using message-passing", Optim. Methods Softw. 32(3), 2017,
doi:10.1080/10556788.2016.1213839; predictor and corrector after S. Mehrotra, SIAM J. Optim. 2(4), 1992,
doi:10.1137/0802028).

Every limit is a hinge, so a start point exists that satisfies every equation and sits exactly on the central path of
any `mu`; only the dual residual of the controls has to be worked off. The controls are feasible at every
iteration: stopping early is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model import Floats, Ints
from archipel.optimisation.barrier import Box, HingeSet, Kind, StepSizes
from archipel.optimisation.block import Block

_STIFF_LEVEL = 1e-9
"""Curvature of a level [EUR per unit squared]: nothing, but keeps it determined."""
_FREE_STORE = 1e-9
"""Stiffness of a store without bounds: small, but keeps its equations solvable."""


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


@dataclass(slots=True, eq=False)
class Right:
    """A right-hand side as asked of the box, the store hinges and the output hinges, and what follows from it."""

    box: tuple[Floats, Floats]
    level: tuple[Floats, Floats]
    low: tuple[Floats, Floats]
    high: tuple[Floats, Floats]
    out: tuple[Floats, Floats]
    push: Floats
    """Of the controls (N, T)."""
    level_push: Floats
    """Of the levels (L,)."""
    low_delta: Floats
    high_delta: Floats
    out_delta: Floats
    inner: Floats
    """Solution of the cell's own elimination for this right-hand side, set by `constants`."""

    def plus(self, other: Right, factor: float) -> Right:
        """`self + factor * other`."""

        def both(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
            return a[0] + factor * b[0], a[1] + factor * b[1]

        return Right(
            both(self.box, other.box),
            both(self.level, other.level),
            both(self.low, other.low),
            both(self.high, other.high),
            both(self.out, other.out),
            self.push + factor * other.push,
            self.level_push + factor * other.level_push,
            self.low_delta + factor * other.low_delta,
            self.high_delta + factor * other.high_delta,
            self.out_delta + factor * other.out_delta,
            self.inner + factor * other.inner,
        )


@final
class CellSolver:
    """One cell's side of the method. `coordination.exact` calls it in the order of the sections below."""

    def __init__(self, block: Block, wish: Floats | None = None, inside: float = 0.1) -> None:
        """Place the controls at `wish` (N, T), kept `inside` (share of the range) off the bounds; or in the middle."""
        self.block = block
        self.box = Box(block.lo, block.hi)
        self.level = Box(block.levels.lo, block.levels.hi)
        self.low = HingeSet(block.store_price, np.isfinite(block.store_lo))
        self.high = HingeSet(block.store_price, np.isfinite(block.store_hi))
        self.out = HingeSet(block.hinges.price, np.ones(len(block.hinges.price), dtype=np.bool_))
        self._lo = np.where(self.low.has, block.store_lo, 0.0)
        self._hi = np.where(self.high.has, block.store_hi, 0.0)
        self.levels_now = 0.5 * (block.levels.lo + block.levels.hi)
        self.u = self.box.inside(0.5 * (block.lo + block.hi) if wish is None else wish, inside)

    # ---------------------------------------------------------------- opening

    def know_children(self, pq: Floats, active: list[Ints]) -> None:
        """Learn the children's powers (children, 2, T) and the intervals in which each asks for its voltage."""
        block, t_count = self.block, self.block.intervals
        out = block.outputs
        self.child_pq = pq.copy()
        self._first_hinge, self._first_port = 2 * t_count, 2 * t_count + len(block.hinges.bound)
        ports = [self._first_port + child * t_count + ts for child, ts in enumerate(active)]
        rows = np.concatenate([np.arange(self._first_port), *ports]).astype(np.int64)
        self._rows, self._t = rows, out.t[rows]
        self._z, self._zp, self._zq = out.on_control[rows], out.on_p[rows], out.on_q[rows]
        self._zl = out.on_level[rows]
        self._hot = np.zeros((len(rows), t_count))
        self._hot[np.arange(len(rows)), self._t] = 1.0
        self._same_t = self._hot @ self._hot.T
        self._by_t, self._slot = _grouped(self._t, t_count)
        self._cut = np.cumsum([len(a) for a in active])[:-1]
        gamma, t = out.on_v[rows[self._first_hinge :]], self._t[self._first_hinge :]
        self.active = np.unique(t[gamma != 0.0])
        """Intervals in which something inside depends on the boundary voltage."""
        self._gv = (t[:, None] == self.active) * gamma[:, None]

    def boundary(self) -> Floats:
        """Own (P, Q) at the boundary, shape (2, T). The boundary voltage does not enter."""
        t_count = self.block.intervals
        y = self.block.outputs.value(self.u, self.levels_now, self.child_pq, np.zeros(t_count))
        return np.asarray(y[: 2 * t_count].reshape(2, t_count))

    def open(self, price: Floats, v_pu: Floats, mu: float) -> None:
        """Start on the central path of `mu` with boundary prices (2, T) and voltage (T,)."""
        self.price, self.v = price.copy(), v_pu.copy()
        y, e = self._outputs(), self.block.store(self.u)
        self.box.open(self.u, mu)
        self.level.open(self.levels_now, mu)
        self.low.open(self._lo - e, mu)
        self.high.open(e - self._hi, mu)
        self.out.open(self._gaps(y), mu)
        self.child_v = y[self._first_port :]
        self.omega = np.zeros(len(self.child_v))

    def child_prices(self) -> Floats:
        """Prices (children, 2, T) at the children's boundaries."""
        return self._to_children(self._duals())

    def child_voltages(self) -> Floats:
        """Voltage at every child's boundary, shape (children, T)."""
        y = self.block.outputs.value(self.u, self.levels_now, self.child_pq, self.v)
        return np.asarray(y[self._first_port :].reshape(self.block.children, self.block.intervals))

    def _outputs(self) -> Floats:
        y = self.block.outputs.value(self.u, self.levels_now, self.child_pq, self.v)
        return np.asarray(y[self._rows])

    def _gaps(self, y: Floats) -> Floats:
        return np.asarray(y[self._first_hinge : self._first_port] - self.block.hinges.bound)

    def _duals(self) -> Floats:
        return np.concatenate([self.price.ravel(), self.out.pi, self.omega])

    def _to_children(self, dual: Floats) -> Floats:
        weight = dual[:, None] * self._hot
        return np.stack([self._zp.T @ weight, self._zq.T @ weight], axis=1)

    # ---------------------------------------------------------------- matrix sweep, upwards

    def factor(self, children: list[Response]) -> Response:
        """Condense this cell at its present point, given the children's responses."""
        block, b = self.block, self._first_hinge
        # what depends on the point alone is worked out once for all right-hand sides of the iteration
        self._y, self._e = self._outputs(), block.store(self.u)
        self._slope, self._level_slope = self.dual_residual(), self.level_residual()
        self._m = np.where(self.box.free, 1.0 / (block.quad + block.stiff + self.box.stiffness()), 0.0)
        self._ml = np.where(self.level.free, 1.0 / (self.level.stiffness() + _STIFF_LEVEL), 0.0)
        self._factor_stores()
        big = self._joined_response(children)
        kb = self._child_k(children)
        g, voltages = len(self._t) - b, kb.shape[1]
        h = np.zeros((g + voltages, g + voltages))
        h[:g, :g] = big[b:, b:]
        hinge = np.arange(len(block.hinges.bound))
        h[hinge, hinge] += self.out.compliance()
        self._up = -big[b:, :b]
        if voltages:
            link = -kb[b:]
            link[len(hinge) :] += np.eye(voltages)
            h[:g, g:], h[g:, :g] = link, link.T
            at = g
            for response in children:
                end = at + len(response.y)
                h[at:end, at:end] = -response.y
                at = end
            self._up = np.concatenate([self._up, kb[:b].T])
        self._gv_all = np.concatenate([self._gv, np.zeros((voltages, self._gv.shape[1]))])
        # a unit diagonal first: hinges and voltages live on very different scales
        scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(h)), 1e-12))
        self._h_inverse = np.linalg.inv(h * scale[:, None] * scale) * scale[:, None] * scale
        self._h_up = self._h_inverse @ self._up
        self._h_gv = self._h_inverse @ self._gv_all
        c = big[:b, :b] - self._up.T @ self._h_up
        return Response(0.5 * (c + c.T), self._up.T @ self._h_gv, self._gv_all.T @ self._h_gv)

    def _joined_response(self, children: list[Response]) -> Floats:
        """Answer of every output to a price on every other, through controls and children: (A, A)."""
        block, t_count = self.block, self.block.intervals
        big = self._same_t * ((self._z * self._m[:, self._t].T) @ self._z.T)
        if len(block.store_first):
            stored = len(block.gain)
            reach = self._z[:, :stored] * (block.gain * self._m[:stored])[:, self._t].T
            reach = np.add.reduceat(reach, block.store_first, axis=1)
            big -= self._sandwich(reach, self._n[:, :, self._t] * reach.T[:, None, :])
        big += (self._zl * self._ml) @ self._zl.T
        if children:
            c = np.stack([response.c for response in children]).reshape(-1, 2, t_count, 2, t_count)
            for i, za in enumerate((self._zp, self._zq)):
                seen = c[:, i, :, 0][:, :, self._t] * self._zp.T[:, None, :]
                seen += c[:, i, :, 1][:, :, self._t] * self._zq.T[:, None, :]
                big += self._sandwich(za, seen)
        return big

    def _sandwich(self, left: Floats, right: Floats) -> Floats:
        """sum_k left[a, k] right[k, t_a, b] for outputs a, b: one small product per interval. `right`: (K, T, A)."""
        return np.asarray((left[self._by_t] @ right.transpose(1, 0, 2))[self._t, self._slot])

    def _child_k(self, children: list[Response]) -> Floats:
        """Answer of every output to the children's voltages: (A, voltages)."""
        t_count = self.block.intervals
        parts = [
            self._zp[:, i, None] * r.k[:t_count][self._t] + self._zq[:, i, None] * r.k[t_count:][self._t]
            for i, r in enumerate(children)
        ]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(self._t), 0))

    def _factor_stores(self) -> None:
        """Each store's chain condensed on its inflow: a tridiagonal matrix inverted for all stores at once."""
        block = self.block
        self._c_low, self._c_high = self.low.compliance(), self.high.compliance()
        stiff = np.where(self.low.has, 1.0 / self._c_low, 0.0) + np.where(self.high.has, 1.0 / self._c_high, 0.0)
        self._soft = 1.0 / np.maximum(stiff, _FREE_STORE)
        count, t_count = block.keep.shape
        if not count:
            return
        gain = block.gain
        i = np.arange(t_count)
        tri = np.zeros((count, t_count, t_count))
        tri[:, i, i] = self._soft + np.add.reduceat(gain * gain * self._m[: len(gain)], block.store_first, axis=0)
        tri[:, i[1:], i[1:]] += block.keep[:, 1:] ** 2 * self._soft[:, :-1]
        tri[:, i[1:], i[:-1]] = tri[:, i[:-1], i[1:]] = -block.keep[:, 1:] * self._soft[:, :-1]
        self._n = np.linalg.inv(tri)

    # ---------------------------------------------------------------- vector sweeps, upwards

    def right_hand(self, kind: Kind) -> Right:
        """A right-hand side: 'affine', 'corrector' (after the affine step), or 'centre' (per unit of mu)."""
        parts = (self.box, self.level, self.low, self.high, self.out)
        box, level, low, high, out = (part.asked(kind) for part in parts)
        push, level_push = self.box.push(box), self.level.push(level)
        if kind == "centre":
            gaps: tuple[Floats | None, Floats | None, Floats | None] = (None, None, None)
        else:
            gaps = (self._lo - self._e, self._e - self._hi, self._gaps(self._y))
            push = push - self._slope
            level_push = level_push - self._level_slope
        return Right(
            box,
            level,
            low,
            high,
            out,
            np.where(self.box.free, push, 0.0),
            np.where(self.level.free, level_push, 0.0),
            self.low.delta(low, gaps[0]),
            self.high.delta(high, gaps[1]),
            self.out.delta(out, gaps[2]),
            np.zeros(0),
        )

    def dual_residual(self) -> Floats:
        """Gradient of the Lagrangian by the controls (N, T), zero where fixed."""
        block = self.block
        seen = self._z.T @ (self._duals()[:, None] * self._hot)
        own = block.cost + block.quad * self.u + block.stiff * (self.u - block.anchor)
        slope = own + seen + block.spread(block.worth(self._store_price()))
        return np.where(self.box.free, slope - self.box.zl + self.box.zh, 0.0)

    def level_residual(self) -> Floats:
        """Gradient of the Lagrangian by the levels (L,), zero where fixed."""
        slope = self.block.levels.cost + _STIFF_LEVEL * self.levels_now + self._zl.T @ self._duals()
        return np.where(self.level.free, slope - self.level.zl + self.level.zh, 0.0)

    def gap_of_residuals(self) -> float:
        """Most that the dual residuals at the last `factor` can hide [EUR]: a control may move over its whole range."""
        box, level = self.box, self.level
        hidden = (np.abs(self._slope) * (box.hi - box.lo)).sum()
        return float(hidden + (np.abs(self._level_slope) * (level.hi - level.lo)).sum())

    def _store_price(self) -> Floats:
        return np.where(self.high.has, self.high.pi, 0.0) - np.where(self.low.has, self.low.pi, 0.0)

    def constants(self, right: Right, children: list[Constants], omega: list[Floats] | None) -> Constants:
        """The constants of the response to `right`; `omega` are the children's prices of voltage, None for 'centre'."""
        t_count, b = self.block.intervals, self._first_hinge
        k = (self._z @ self._own_step(right, 0.0)[0])[np.arange(len(self._t)), self._t]
        k = k + self._zl @ (self._ml * right.level_push)
        for i, child in enumerate(children):
            k = k + self._zp[:, i] * child.k[:t_count][self._t] + self._zq[:, i] * child.k[t_count:][self._t]
        r0 = k[b:].copy()
        ports = len(r0) - len(right.out_delta)
        r0[: len(right.out_delta)] -= right.out_delta
        m = np.concatenate([child.m for child in children]) if children else np.zeros(0)
        if omega is not None and ports:
            r0[-ports:] -= self.child_v - self._y[self._first_port :]
            m = m + np.concatenate(omega) - self.omega
        right.inner = self._h_inverse @ np.concatenate([r0, m])
        return Constants(k[:b] + self._up.T @ right.inner, self._gv_all.T @ right.inner)

    def own_omega(self) -> Floats:
        """Price of the boundary voltage as this cell sees it, shape (V,)."""
        return np.asarray(self._gv.T @ np.concatenate([self.out.pi, self.omega]))

    def _own_step(self, right: Right, price: Floats | float) -> tuple[Floats, Floats]:
        """Steps of the controls (N, T) and of what stored energy is worth (K, T) when prices step by `price` (N, T)."""
        block = self.block
        step = self._m * (right.push - price)
        if not len(block.store_first):
            return step, np.zeros_like(block.keep)
        low = np.where(self.low.has, right.low_delta / self._c_low, 0.0)
        high = np.where(self.high.has, right.high_delta / self._c_high, 0.0)
        held = self._soft * (low - high)
        flow = block.inflow(step) + held
        flow[:, 1:] -= block.keep[:, 1:] * held[:, :-1]
        tau = (self._n @ flow[:, :, None])[:, :, 0]
        return step - self._m * block.spread(tau), tau

    # ---------------------------------------------------------------- downwards

    def expand(self, right: Right, d_price: Floats, d_v: Floats) -> tuple[Floats, list[Floats]]:
        """Steps of everything inside when boundary price (2, T) and voltage (V,) step.

        Returns the steps of price (children, 2, T) and voltage (one array each) for the children.
        """
        block, b = self.block, self._first_hinge
        x = right.inner + self._h_up @ d_price.ravel() + self._h_gv @ d_v
        theta, self.d_child_v = x[: len(self._t) - b], x[len(self._t) - b :]
        count = len(block.hinges.bound)
        self.d_price, self.d_v, self.d_omega = d_price, d_v, theta[count:]
        dual = np.concatenate([d_price.ravel(), theta])
        du, tau = self._own_step(right, self._z.T @ (dual[:, None] * self._hot))
        self.box.step(du, right.box)
        self.level.step(self._ml * (right.level_push - self._zl.T @ dual), right.level)
        self.out.step(theta[:count], right.out)
        self._step_stores(right, block.carry(block.inflow(du)), tau)
        return self._to_children(dual), list(np.split(self.d_child_v, self._cut)) if block.children else []

    def _step_stores(self, right: Right, de: Floats, tau: Floats) -> None:
        """Duals of the store's bounds from `tau`, what energy is worth: exact where a compliance is nearly zero."""
        nu = tau.copy()
        nu[:, :-1] -= self.block.keep[:, 1:] * tau[:, 1:]
        low = np.where(self.low.has, -(de + right.low_delta) / self._c_low, 0.0)
        high = np.where(self.high.has, (de - right.high_delta) / self._c_high, 0.0)
        by_high = self.high.has & (~self.low.has | (self._c_high < self._c_low))
        self.high.step(np.where(by_high, nu + low, high), right.high)
        self.low.step(np.where(by_high, low, high - nu), right.low)

    def sizes(self) -> StepSizes:
        """How far this cell can follow the step."""
        sizes = self.box.sizes()
        for part in (self.level, self.low, self.high, self.out):
            sizes = sizes.join(part.sizes())
        return sizes

    def apply(self, primal: float, dual: float) -> None:
        """Take the step. The children's powers follow with `hear_children`."""
        for part in (self.box, self.level, self.low, self.high, self.out):
            part.apply(primal, dual)
        self.u, self.levels_now = self.box.u, self.level.u
        self.v = self.v.copy()
        self.v[self.active] += primal * self.d_v
        self.child_v = self.child_v + primal * self.d_child_v
        self.price = self.price + dual * self.d_price
        self.omega = self.omega + dual * self.d_omega

    def hear_children(self, pq: Floats) -> None:
        """Learn the children's powers (children, 2, T) at the present point."""
        self.child_pq = pq

    def cost(self) -> float:
        """Own cost [EUR] at the point of the last `factor`; no price of boundary power."""
        return self.block.own_cost(self.u, self.levels_now, self._y[self._first_hinge : self._first_port])


def _grouped(t: Ints, t_count: int) -> tuple[Ints, Ints]:
    """Rows of every interval, padded to a rectangle (T, most), and every row's place among those of its interval."""
    order = np.argsort(t, kind="stable")
    first = np.searchsorted(t[order], np.arange(t_count))
    slot = np.empty(len(t), dtype=np.int64)
    slot[order] = np.arange(len(t)) - first[t[order]]
    by_t = np.zeros((t_count, int(slot.max()) + 1), dtype=np.int64)
    by_t[t, slot] = np.arange(len(t))
    return by_t, slot
