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
from scipy.linalg import lapack

from archipel.model import Floats, Ints
from archipel.optimisation.barrier import FIXED_RANGE, Barrier, Kind, StepSizes, inside
from archipel.optimisation.block import Block

_STIFF_LEVEL = 1e-9
"""Curvature of a level [EUR per unit squared]: nothing, but keeps it determined."""
SPAN_V_PU = 0.1
"""No voltage is further than this from where it is best [pu], for certifying the gap."""
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
    """A right-hand side: what is asked of all pairs, and what follows from it."""

    asked: Floats
    push: Floats
    """Of the controls (N, T)."""
    level_push: Floats
    """Of the levels (L,)."""
    delta: Floats
    """Of the hinges: stores' lower bounds, stores' upper bounds, outputs."""
    flow: Floats
    """Of the stores (K, T), as an inflow."""
    inner: Floats
    """Solution of the cell's own elimination for this right-hand side, set by `constants`."""

    def plus(self, other: Right, factor: float) -> Right:
        """`self + factor * other`."""
        return Right(
            self.asked + factor * other.asked,
            self.push + factor * other.push,
            self.level_push + factor * other.level_push,
            self.delta + factor * other.delta,
            self.flow + factor * other.flow,
            self.inner + factor * other.inner,
        )


@final
class CellSolver:
    """One cell's side of the method. `coordination.exact` calls it in the order of the sections below."""

    def __init__(self, block: Block, wish: Floats | None = None, share: float = 0.1) -> None:
        """Place the controls at `wish` (N, T), `share` of the range off the bounds; or in the middle."""
        self.block = block
        levels = block.levels
        self._free = np.flatnonzero(block.hi - block.lo > FIXED_RANGE)
        self._level_free = np.flatnonzero(levels.hi - levels.lo > FIXED_RANGE)
        self._has_low = np.flatnonzero(np.isfinite(block.store_lo))
        self._has_high = np.flatnonzero(np.isfinite(block.store_hi))
        low, high = len(self._has_low), len(self._has_high)
        self._lows, self._highs, self._outs = slice(0, low), slice(low, low + high), slice(low + high, None)
        price = block.store_price.ravel()
        self.pairs = Barrier(
            self._flat(block.lo, levels.lo),
            self._flat(block.hi, levels.hi),
            np.concatenate([price[self._has_low], price[self._has_high], block.hinges.price]),
        )
        self._range = self.pairs.hi - self.pairs.lo
        self._store_lo = block.store_lo.ravel()[self._has_low]
        self._store_hi = block.store_hi.ravel()[self._has_high]
        self.levels_now = 0.5 * (levels.lo + levels.hi)
        self._stiff_level = np.full(len(levels.lo), _STIFF_LEVEL)
        self.u = inside(0.5 * (block.lo + block.hi) if wish is None else wish, block.lo, block.hi, share)

    def _flat(self, controls: Floats, levels: Floats) -> Floats:
        """What is free of controls (N, T) and levels (L,), in one row."""
        return np.concatenate([controls.ravel()[self._free], levels[self._level_free]])

    def _spread(self, flat: Floats) -> tuple[Floats, Floats]:
        """The way back; zero where there is no freedom."""
        controls, levels = np.zeros(self.block.lo.size), np.zeros(len(self.levels_now))
        controls[self._free], levels[self._level_free] = flat[: len(self._free)], flat[len(self._free) :]
        return controls.reshape(self.block.lo.shape), levels

    def _by_store(self, which: Ints, values: Floats, without: float = 0.0) -> Floats:
        """Values of the store bounds that exist, as (K, T)."""
        out = np.full(self.block.keep.size, without)
        out[which] = values
        return out.reshape(self.block.keep.shape)

    # ---------------------------------------------------------------- opening

    def know_children(self, pq: Floats, active: list[Ints]) -> None:
        """Learn the children's powers (children, 2, T) and the intervals in which each asks for its voltage."""
        block, t_count = self.block, self.block.intervals
        out = block.outputs
        self.child_pq, self.child_active = pq.copy(), active
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
        self._rows_of_t = [np.flatnonzero(self._t == t) for t in range(t_count)]
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
        y = self._outputs()
        self.pairs.open(self._flat(self.u, self.levels_now), self._gaps(y, self.block.store(self.u)), mu)
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

    def _gaps(self, y: Floats, e: Floats) -> Floats:
        """How far stores and outputs are beyond their bounds."""
        e = e.ravel()
        outputs = y[self._first_hinge : self._first_port] - self.block.hinges.bound
        return np.concatenate([self._store_lo - e[self._has_low], e[self._has_high] - self._store_hi, outputs])

    def _duals(self) -> Floats:
        return np.concatenate([self.price.ravel(), self.pairs.pi[self._outs], self.omega])

    def _to_children(self, dual: Floats) -> Floats:
        weight = dual[:, None] * self._hot
        return np.stack([self._zp.T @ weight, self._zq.T @ weight], axis=1)

    # ---------------------------------------------------------------- matrix sweep, upwards

    def factor(self, children: list[Response]) -> Response:
        """Condense this cell at its present point, given the children's responses."""
        block, b = self.block, self._first_hinge
        # what depends on the point alone is worked out once for all right-hand sides of the iteration
        self._y, self._e = self._outputs(), block.store(self.u)
        self._slope = self.dual_residual()
        stiff, compliance = self.pairs.weigh()
        self._m, self._ml = self._spread(1.0 / (stiff + self._flat(block.quad + block.stiff, self._stiff_level)))
        self._factor_stores(compliance)
        big = self._joined_response(children)
        kb = self._child_k(children)
        g, voltages = len(self._t) - b, kb.shape[1]
        h = np.zeros((g + voltages, g + voltages))
        h[:g, :g] = big[b:, b:]
        hinge = np.arange(len(block.hinges.bound))
        h[hinge, hinge] += compliance[self._outs]
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
        self._eliminated = _Symmetric(h, definite=not voltages)
        both = self._eliminated.solve(np.concatenate([self._up, self._gv_all], axis=1))
        self._h_up, self._h_gv = both[:, :b], both[:, b:]
        c = big[:b, :b] - self._up.T @ self._h_up
        return Response(0.5 * (c + c.T), self._up.T @ self._h_gv, self._gv_all.T @ self._h_gv)

    def _joined_response(self, children: list[Response]) -> Floats:
        """Answer of every output to a price on every other, through controls and children: (A, A)."""
        block, t_count = self.block, self.block.intervals
        big = self._same_t * ((self._z * self._m[:, self._t].T) @ self._z.T)
        if len(block.store_first):
            reach = self._z[:, : len(block.gain)] * self._gain_m[:, self._t].T
            reach = np.add.reduceat(reach, block.store_first, axis=1)
            for rows, chain in zip(self._rows_of_t, self._n, strict=True):
                big[rows] -= reach[rows] @ (chain.take(self._t, axis=0) * reach).T
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

    def _factor_stores(self, compliance: Floats) -> None:
        """Each store's chain condensed on its inflow: a tridiagonal matrix inverted for all stores at once."""
        block = self.block
        if not len(block.keep):
            return
        self._c_low = self._by_store(self._has_low, compliance[self._lows], np.inf)
        self._c_high = self._by_store(self._has_high, compliance[self._highs], np.inf)
        self._soft = 1.0 / np.maximum(1.0 / self._c_low + 1.0 / self._c_high, _FREE_STORE)
        gain = block.gain
        self._gain_m = gain * self._m[: len(gain)]
        give = np.add.reduceat(gain * self._gain_m, block.store_first, axis=0)
        self._n = _chain_inverse(give, self._soft, block.keep)

    # ---------------------------------------------------------------- vector sweeps, upwards

    def right_hand(self, kind: Kind) -> Right:
        """A right-hand side: 'affine', 'corrector' (after the affine step), or 'centre' (per unit of mu)."""
        asked = self.pairs.asked(kind)
        push = self.pairs.push(asked)
        if kind == "centre":
            delta = self.pairs.delta(asked, None)
        else:
            push = push - self._slope
            delta = self.pairs.delta(asked, self._gaps(self._y, self._e))
        return Right(asked, *self._spread(push), delta, self._store_flow(delta), np.zeros(0))

    def _store_flow(self, delta: Floats) -> Floats:
        """What the hinges of the stores' bounds ask for, as an inflow (K, T)."""
        if not len(self.block.keep):
            return np.zeros_like(self.block.keep)
        low = self._by_store(self._has_low, delta[self._lows]) / self._c_low
        held = self._soft * (low - self._by_store(self._has_high, delta[self._highs]) / self._c_high)
        flow = held.copy()
        flow[:, 1:] -= self.block.keep[:, 1:] * held[:, :-1]
        return np.asarray(flow)

    def dual_residual(self) -> Floats:
        """Gradient of the Lagrangian by the free controls and levels."""
        block, duals = self.block, self._duals()
        seen = self._z.T @ (duals[:, None] * self._hot)
        slope = block.cost + block.quad * self.u + block.stiff * (self.u - block.anchor) + seen
        if len(block.store_first):
            slope[: len(block.gain)] += block.gain * block.worth(self._store_price())[block.store_of]
        level_slope = block.levels.cost + _STIFF_LEVEL * self.levels_now + self._zl.T @ duals
        return self._flat(slope, level_slope) + self.pairs.box_price()

    def gap(self, omega: list[Floats]) -> float:
        """Most that the cost at the last `factor` can be above the least [EUR], this cell's part.

        The Lagrangian of any duals is a lower bound of the cost once every control may move over its whole range and
        every voltage by `SPAN_V_PU`. `omega` are the prices of their voltage as the children see them.
        """
        y = self._y[self._first_port :]
        apart = np.concatenate([np.zeros(0), *omega]) - self.omega
        held = float(self.omega @ (self.child_v - y) + SPAN_V_PU * np.abs(apart).sum())
        return self.pairs.gap(self._gaps(self._y, self._e)) + float(np.abs(self._slope) @ self._range) + held

    def _store_price(self) -> Floats:
        pi = self.pairs.pi
        return self._by_store(self._has_high, pi[self._highs]) - self._by_store(self._has_low, pi[self._lows])

    def constants(self, right: Right, children: list[Constants], omega: list[Floats] | None) -> Constants:
        """The constants of the response to `right`; `omega` are the children's prices of voltage, None for 'centre'."""
        t_count, b = self.block.intervals, self._first_hinge
        k = (self._z @ self._own_step(right, 0.0)[0])[np.arange(len(self._t)), self._t]
        k = k + self._zl @ (self._ml * right.level_push)
        for i, child in enumerate(children):
            k = k + self._zp[:, i] * child.k[:t_count][self._t] + self._zq[:, i] * child.k[t_count:][self._t]
        r0 = k[b:].copy()
        delta = right.delta[self._outs]
        ports = len(r0) - len(delta)
        r0[: len(delta)] -= delta
        m = np.concatenate([child.m for child in children]) if children else np.zeros(0)
        if omega is not None and ports:
            r0[-ports:] -= self.child_v - self._y[self._first_port :]
            m = m + np.concatenate(omega) - self.omega
        right.inner = self._eliminated.solve(np.concatenate([r0, m]))
        return Constants(k[:b] + self._up.T @ right.inner, self._gv_all.T @ right.inner)

    def own_omega(self) -> Floats:
        """Price of the boundary voltage as this cell sees it, shape (V,)."""
        return np.asarray(self._gv.T @ np.concatenate([self.pairs.pi[self._outs], self.omega]))

    def _own_step(self, right: Right, price: Floats | float) -> tuple[Floats, Floats]:
        """Steps of the controls (N, T) and of what stored energy is worth (K, T) when prices step by `price` (N, T)."""
        block = self.block
        step = self._m * (right.push - price)
        if not len(block.store_first):
            return step, right.flow
        tau = np.einsum("ijk,jk->ik", self._n, (block.inflow(step) + right.flow).T).T
        step[: len(block.gain)] -= self._gain_m * tau[block.store_of]
        return step, tau

    # ---------------------------------------------------------------- downwards

    def expand(self, right: Right, d_price: Floats, d_v: Floats) -> tuple[Floats, list[Floats]]:
        """Steps of everything inside when boundary price (2, T) and voltage (V,) step.

        Returns the steps of price (children, 2, T) and voltage (one array each) for the children.
        """
        block, b = self.block, self._first_hinge
        x = right.inner + self._h_up @ d_price.ravel() + self._h_gv @ d_v
        theta, self.d_child_v = x[: len(self._t) - b], x[len(self._t) - b :]
        count = len(block.hinges.bound)
        self.d_omega = theta[count:]
        dual = np.concatenate([d_price.ravel(), theta])
        self.du, tau = self._own_step(right, self._z.T @ (dual[:, None] * self._hot))
        self.d_levels = self._ml * (right.level_push - self._zl.T @ dual)
        dpi = np.concatenate([*self._store_steps(right, tau), theta[:count]])
        self.pairs.step(self._flat(self.du, self.d_levels), dpi, right.asked)
        return self._to_children(dual), list(np.split(self.d_child_v, self._cut)) if block.children else []

    def _store_steps(self, right: Right, tau: Floats) -> tuple[Floats, Floats]:
        """Steps of the duals of the stores' lower and upper bounds, from `tau`, what energy is worth: exact where a
        compliance is nearly zero."""
        block = self.block
        if not len(block.keep):
            return np.zeros(0), np.zeros(0)
        de = block.carry(block.inflow(self.du))
        nu = tau.copy()
        nu[:, :-1] -= block.keep[:, 1:] * tau[:, 1:]
        low = -(de + self._by_store(self._has_low, right.delta[self._lows])) / self._c_low
        high = (de - self._by_store(self._has_high, right.delta[self._highs])) / self._c_high
        by_high = self._c_high < self._c_low
        low, high = np.where(by_high, low, high - nu), np.where(by_high, nu + low, high)
        return low.ravel()[self._has_low], high.ravel()[self._has_high]

    def sizes(self) -> StepSizes:
        """How far this cell can follow the step."""
        return self.pairs.sizes()

    def apply(self, primal: float, dual: float, price: Floats, v_pu: Floats) -> None:
        """Take the step; `price` (2, T) and voltage (V,) are what the parent now tells. The children's powers follow
        with `hear_children`."""
        self.pairs.apply(primal, dual)
        self.u = self.u + primal * self.du
        self.levels_now = self.levels_now + primal * self.d_levels
        self.child_v = self.child_v + primal * self.d_child_v
        self.omega = self.omega + dual * self.d_omega
        self.price, self.v = price, self.v.copy()
        self.v[self.active] = v_pu

    def child_held(self) -> list[Floats]:
        """The voltage that every child is to take for its own, where it matters."""
        return list(np.split(self.child_v, self._cut)) if self.block.children else []

    def hear_children(self, pq: Floats) -> None:
        """Learn the children's powers (children, 2, T) at the present point."""
        self.child_pq = pq

    def true_cost(self) -> float:
        """Own cost [EUR] at the voltage `v`, once that is the true one."""
        return self.block.own_cost(self.u, self.levels_now, self._outputs()[self._first_hinge : self._first_port])

    def cost(self) -> float:
        """Own cost [EUR] at the point of the last `factor`; no price of boundary power."""
        return self.block.own_cost(self.u, self.levels_now, self._y[self._first_hinge : self._first_port])


@final
class _Symmetric:
    """A factored symmetric matrix. Without voltages to hand down it is positive definite, with them a saddle."""

    def __init__(self, matrix: Floats, *, definite: bool) -> None:
        # a unit diagonal first: hinges and voltages live on very different scales
        self._scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-12))
        scaled = matrix * self._scale[:, None] * self._scale
        self._pivots = None
        if definite:
            self._factor, trouble = lapack.dpotrf(scaled, lower=1)
            definite = trouble == 0
        if not definite and len(matrix):
            self._factor, self._pivots, _ = lapack.dgetrf(scaled)

    def solve(self, right: Floats) -> Floats:
        """Of one right-hand side (A,) or several (A, B)."""
        if not right.size:
            return right
        scale = self._scale if right.ndim == 1 else self._scale[:, None]
        if self._pivots is None:
            answer, _ = lapack.dpotrs(self._factor, scale * right, lower=1)
        else:
            answer, _ = lapack.dgetrs(self._factor, self._pivots, scale * right)
        return np.asarray(scale * answer)


def _chain_inverse(give: Floats, soft: Floats, keep: Floats) -> Floats:
    """Inverse of one symmetric tridiagonal matrix per store, (T, T, K), from arrays (K, T).

    The matrix has give[t] + soft[t] + keep[t]^2 soft[t-1] on its diagonal and -keep[t] soft[t-1] beside it. Factored as
    L D L' with d = rest + soft, where rest[t] = give[t] + keep[t]^2 soft[t-1] rest[t-1] / d[t-1]: nothing is
    subtracted, so no digit is lost however stiff a bound is. The inverse then follows from its last row upwards.
    """
    rest, soft, keep = give.T.copy(), soft.T.copy(), keep.T
    t_count, count = rest.shape
    d = rest + soft
    for t in range(1, t_count):
        rest[t] += keep[t] ** 2 * soft[t - 1] * rest[t - 1] / d[t - 1]
        d[t] = rest[t] + soft[t]
    back = keep[1:] * soft[:-1] / d[:-1]
    out = np.empty((t_count, t_count, count))
    out[-1, -1] = 1.0 / d[-1]
    for t in range(t_count - 2, -1, -1):
        out[t, t + 1 :] = back[t] * out[t + 1, t + 1 :]
        out[t + 1 :, t] = out[t, t + 1 :]
        out[t, t] = 1.0 / d[t] + back[t] * out[t, t + 1]
    return out


def _grouped(t: Ints, t_count: int) -> tuple[Ints, Ints]:
    """Rows of every interval, padded to a rectangle (T, most), and every row's place among those of its interval."""
    order = np.argsort(t, kind="stable")
    first = np.searchsorted(t[order], np.arange(t_count))
    slot = np.empty(len(t), dtype=np.int64)
    slot[order] = np.arange(len(t)) - first[t[order]]
    by_t = np.zeros((t_count, int(slot.max()) + 1), dtype=np.int64)
    by_t[t, slot] = np.arange(len(t))
    return by_t, slot
