"""What a pool of members can do over a day, as a linear problem, and its best plan against given prices.

    u[s,t] = up[s,t] - down[s,t],    0 <= up <= a[s] p_kw_max,    0 <= down <= -a[s] p_kw_min
    e[s,t] = keep[s] e[s,t-1] + dt (charge_efficiency[s] up[s,t] - down[s,t] / discharge_efficiency[s])
    idle[s,t] + a[s] (e_kwh_min - idle)[s,t] <= e[s,t] <= idle[s,t] + a[s] (e_kwh_max - idle)[s,t]

`idle` is the energy of a store that is left alone, `a` in 0..1 the part of it that is there: every store shrinks
towards doing nothing, so whatever was possible with all of it is possible with a part, in proportion. At the end of the
day every store of finite energy holds at least what it would have held idle: nobody gains by emptying what was there
before.

Linear problems may charge and discharge at once, which burns energy: worth it below a price of zero and to get rid of
what was bought too much. No device does both, so such answers are solved again with a binary per interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from archipel.model import Bools, Floats, Ints
from archipel.model.errors import SolverFailed
from archipel.model.flexibility import Flexibility

TINY_KW = 1e-4
"""Less than this at once in both directions is rounding."""
NOTHING_OR_ENOUGH = 2
"""Kind of a column that is zero or within its bounds."""
MIP_GAP = 1e-6


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Stores of M members side by side, S in all, over T intervals."""

    member: tuple[str, ...]
    of: Ints
    """Member row of every store, shape (S,)."""
    start: datetime
    dt_h: float
    base_kw: Floats
    """Shape (M, T)."""
    p_kw_min: Floats
    p_kw_max: Floats
    e_kwh_min: Floats
    e_kwh_max: Floats
    """Shape (S, T) each."""
    e_kwh_start: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    keep: Floats
    """Shape (S,) each."""
    cost_eur_per_kwh: Floats
    """Shape (S, T)."""
    ramp_kw_per_h: Floats
    """Shape (M,)."""
    e_kwh_end: Floats
    """Least energy at the end of the last interval, shape (S,); minus infinity where it is of no account."""

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return int(self.base_kw.shape[1])

    @property
    def stores(self) -> int:
        """Number of stores S."""
        return len(self.of)

    @property
    def total_base_kw(self) -> Floats:
        """What all members draw when nothing is asked, shape (T,)."""
        return np.asarray(self.base_kw.sum(axis=0))

    def idle_kwh(self) -> Floats:
        """Energy of every store that is left alone, at the end of every interval, shape (S, T)."""
        return np.asarray(self.e_kwh_start[:, None] * self.keep[:, None] ** np.arange(1, self.intervals + 1))

    def only(self, stores: Bools) -> Pool:
        """Some of the stores, all of the baselines."""
        fields = ("of", "p_kw_min", "p_kw_max", "e_kwh_min", "e_kwh_max", "e_kwh_start", "charge_efficiency",
                  "discharge_efficiency", "keep", "cost_eur_per_kwh", "e_kwh_end")  # fmt: skip
        return replace(self, **{name: getattr(self, name)[stores] for name in fields})

    def shrunk(self, part: Floats) -> Pool:
        """Every store shrunk towards doing nothing, to the part (S,) of it that is there."""
        a, idle = part[:, None], self.idle_kwh()
        return replace(
            self, p_kw_min=a * self.p_kw_min, p_kw_max=a * self.p_kw_max,
            e_kwh_min=_towards(idle, self.e_kwh_min, a), e_kwh_max=_towards(idle, self.e_kwh_max, a),
            e_kwh_end=_towards(idle[:, -1], self.e_kwh_end, part),
        )  # fmt: skip

    def part(self, first: int, end: int, e_kwh: Floats) -> Pool:
        """Intervals [first, end) on the way of `e_kwh` (S, T): it starts there and must be there again at the end."""
        cut, at = slice(first, end), e_kwh[:, end - 1]
        most, tied = self.e_kwh_max[:, cut].copy(), np.isfinite(self.e_kwh_end)
        most[tied, -1] = at[tied]
        return replace(
            self, base_kw=self.base_kw[:, cut], p_kw_min=self.p_kw_min[:, cut], p_kw_max=self.p_kw_max[:, cut],
            e_kwh_min=self.e_kwh_min[:, cut], e_kwh_max=most,
            e_kwh_start=e_kwh[:, first - 1] if first else self.e_kwh_start,
            cost_eur_per_kwh=self.cost_eur_per_kwh[:, cut], e_kwh_end=np.where(tied, at, -np.inf),
        )  # fmt: skip


def pool_of(members: Sequence[Flexibility]) -> Pool:
    """Members side by side.

    Raises:
        ValueError: No member, one twice (its flexibility would be sold twice), or different intervals.
    """
    names = [one.member for one in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise ValueError(
            f"members of a pool: found {', '.join(twice) + ' more than once' if twice else 'none'}; "
            "expected every member once. Flexibility that is pooled twice would be sold twice."
        )
    first = members[0]
    for one in members:
        if (one.start, one.dt_h, one.intervals) != (first.start, first.dt_h, first.intervals):
            raise ValueError(
                f"{one.member}: found {one.intervals} intervals of {one.dt_h:g} h from {one.start}; expected "
                f"{first.intervals} of {first.dt_h:g} h from {first.start} as {first.member} has. Publish anew."
            )

    def rows(name: str) -> Floats:
        return np.concatenate([getattr(one, name) for one in members]).astype(np.float64)

    pool = Pool(
        member=tuple(names), of=np.repeat(np.arange(len(members)), [one.stores for one in members]),
        start=first.start, dt_h=first.dt_h, base_kw=np.stack([one.base_kw for one in members]).astype(np.float64),
        p_kw_min=rows("p_kw_min"), p_kw_max=rows("p_kw_max"), e_kwh_min=rows("e_kwh_min"),
        e_kwh_max=rows("e_kwh_max"), e_kwh_start=rows("e_kwh_start"), charge_efficiency=rows("charge_efficiency"),
        discharge_efficiency=rows("discharge_efficiency"), keep=rows("keep"),
        cost_eur_per_kwh=rows("cost_eur_per_kwh"), ramp_kw_per_h=np.array([one.ramp_kw_per_h for one in members]),
        e_kwh_end=np.full(sum(one.stores for one in members), -np.inf),
    )  # fmt: skip
    kept = np.where(np.isfinite(pool.e_kwh_min[:, -1]), pool.idle_kwh()[:, -1], -np.inf)
    return replace(pool, e_kwh_end=kept)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """One copy of the problem: columns up, down, e (each S T, store by store), and rows over them."""

    equal: sp.csr_array
    equal_to: Floats
    most: sp.csr_array
    at_most: Floats
    low: Floats
    high: Floats
    cost_eur: Floats
    net: sp.csr_array
    """Change of the pool's power from the columns, shape (T, columns)."""


def columns_of(pool: Pool, availability: Floats | None = None, one_way: Bools | None = None) -> Columns:
    """The problem of one scenario.

    Args:
        pool: Members side by side.
        availability: Part of every store that is there, shape (S,); all where not given.
        one_way: Intervals in which burning energy may pay, shape (T,): there the problem is held within the hull of
            charging and discharging, up / p_kw_max + down / -p_kw_min <= 1, which leaves little of it.
    """
    s, t = pool.stores, pool.intervals
    pool = pool if availability is None else pool.shrunk(availability)
    one, back = sp.eye_array(t, format="csr"), sp.eye_array(t, k=-1, format="csr")
    eye = sp.eye_array(s, format="csr")
    dynamics = sp.hstack([
        sp.kron(sp.diags_array(-pool.dt_h * pool.charge_efficiency), one),
        sp.kron(sp.diags_array(pool.dt_h / pool.discharge_efficiency), one),
        sp.kron(eye, one) - sp.kron(sp.diags_array(pool.keep), back),
    ])  # fmt: skip
    begun = np.zeros((s, t))
    begun[:, 0] = pool.keep * pool.e_kwh_start
    none = sp.csr_array((t, s * t))
    net = sp.hstack([sp.kron(np.ones((1, s)), one), -sp.kron(np.ones((1, s)), one), none]).tocsr()
    ramp, within = _ramps(pool)
    bound = np.flatnonzero(np.isfinite(pool.e_kwh_end))
    last = sp.csr_array(
        (-np.ones(len(bound)), (np.arange(len(bound)), 2 * s * t + bound * t + t - 1)), (len(bound), 3 * s * t)
    )
    hull = _hull(pool, np.zeros(t, dtype=bool) if one_way is None else one_way)
    zero = np.zeros(s * t)
    cost = (pool.dt_h * pool.cost_eur_per_kwh).ravel()
    return Columns(
        equal=dynamics.tocsr(), equal_to=begun.ravel(), most=sp.vstack([ramp, last, hull]).tocsr(),
        at_most=np.concatenate([within, -pool.e_kwh_end[bound], np.ones(hull.shape[0])]),
        low=np.concatenate([zero, zero, pool.e_kwh_min.ravel()]),
        high=np.concatenate([pool.p_kw_max.ravel(), -pool.p_kw_min.ravel(), pool.e_kwh_max.ravel()]),
        cost_eur=np.concatenate([cost, cost, zero]), net=net,
    )  # fmt: skip


def _hull(pool: Pool, one_way: Bools) -> sp.csr_array:
    """Rows of stores that lose energy and can both charge and discharge, in the intervals asked."""
    lossy = (pool.charge_efficiency * pool.discharge_efficiency < 1.0)[:, None]
    at = np.flatnonzero(lossy & one_way & (pool.p_kw_max > 0.0) & (pool.p_kw_min < 0.0))
    many, size = np.arange(len(at)), pool.p_kw_max.size
    parts = np.concatenate([1.0 / pool.p_kw_max.ravel()[at], -1.0 / pool.p_kw_min.ravel()[at]])
    return sp.csr_array((parts, (np.tile(many, 2), np.concatenate([at, size + at]))), shape=(len(at), 3 * size))


def _towards(idle: Floats, bound: Floats, a: Floats) -> Floats:
    """The part `a` of the way from idle to a bound; a free bound stays free."""
    free = ~np.isfinite(bound)
    return np.where(free, bound, idle + a * (np.where(free, 0.0, bound) - idle))


def _ramps(pool: Pool) -> tuple[sp.csr_array, Floats]:
    """Rows that keep every member's power within its ramp from interval to interval."""
    s, t = pool.stores, pool.intervals
    step = sp.eye_array(t, format="csr")[1:] - sp.eye_array(t, format="csr")[:-1]
    rows, right = [], []
    for m in np.flatnonzero(np.isfinite(pool.ramp_kw_per_h)):
        mine = sp.kron((pool.of == m)[None, :].astype(np.float64), step)
        change = sp.hstack([mine, -mine, sp.csr_array((t - 1, s * t))])
        moved, most = np.diff(pool.base_kw[m]), pool.ramp_kw_per_h[m] * pool.dt_h
        # a baseline steeper than the ramp is the member's own affair: it need not be undone
        rows += [change, -change]
        right += [np.maximum(most - moved, 0.0), np.maximum(most + moved, 0.0)]
    if not rows:
        return sp.csr_array((0, 3 * s * t)), np.zeros(0)
    return sp.vstack(rows).tocsr(), np.concatenate(right)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Power and energy of every store, shape (S, T) each, and what the members are paid for wear and comfort [EUR]."""

    u_kw: Floats
    e_kwh: Floats
    cost_eur: float

    @property
    def net_kw(self) -> Floats:
        """Change of the pool's power, shape (T,)."""
        return np.asarray(self.u_kw.sum(axis=0))


def best_plan(pool: Pool, price_eur_per_kwh: Floats, availability: Floats | None = None) -> Plan:
    """The plan of least cost at known prices (T,): perfect foresight, or a plan on one forecast."""
    columns = columns_of(pool, availability)
    cost = columns.cost_eur + pool.dt_h * (columns.net.T @ price_eur_per_kwh)
    return solve_one(pool, columns, cost)[0]


def value_eur(pool: Pool, plan: Plan, price_eur_per_kwh: Floats) -> float:
    """What a plan earns beyond leaving everything idle, at these prices [EUR]."""
    return float(-pool.dt_h * (price_eur_per_kwh @ plan.net_kw)) - plan.cost_eur


def solve_one(
    pool: Pool, columns: Columns, cost: Floats, extra: sp.csr_array | None = None, extra_to: Floats | None = None
) -> tuple[Plan, Floats]:
    """Solve one copy, without burning; `extra` (rows, columns + more) are equalities with more non-negative columns.

    Returns the plan and the values of the columns that were added.
    """
    n = len(columns.low)
    more = len(cost) - n
    equal, most = _wide(columns.equal, more), _wide(columns.most, more)
    right = columns.equal_to
    if extra is not None:
        equal, right = sp.vstack([equal, extra]).tocsr(), np.concatenate([right, extra_to])
    low, high = np.append(columns.low, np.zeros(more)), np.append(columns.high, np.full(more, np.inf))
    x = solved(cost, most, columns.at_most, equal, right, low, high)
    s, t = pool.stores, pool.intervals
    half = s * t
    if np.any(np.minimum(x[:half], x[half : 2 * half]) > TINY_KW):
        x = _one_way(cost, most, columns.at_most, equal, right, low, high, half)
    return plan_from(pool, columns, x[:n]), x[n:]


def plan_from(pool: Pool, columns: Columns, x: Floats) -> Plan:
    """The plan in the columns of one copy."""
    s, t = pool.stores, pool.intervals
    up, down, e = x[: 3 * s * t].reshape(3, s, t)
    return Plan(up - down, e, float(columns.cost_eur @ x))


def solved(
    cost: Floats, most: sp.csr_array, at_most: Floats, equal: sp.csr_array, right: Floats, low: Floats, high: Floats,
    kinds: Ints | None = None,
) -> Floats:  # fmt: skip
    """A linear problem by HiGHS; `kinds` of columns as scipy counts them: 0 any, 1 whole, 2 nothing or within bounds.

    Raises:
        SolverFailed: No answer; the message names what HiGHS said.
    """
    found: Any = linprog(
        cost, A_ub=most if most.shape[0] else None, b_ub=at_most if most.shape[0] else None, A_eq=equal, b_eq=right,
        bounds=np.column_stack([low, np.maximum(low, high)]), method="highs", integrality=kinds,
        options={} if kinds is None else {"mip_rel_gap": MIP_GAP},
    )  # fmt: skip
    if found.x is None:
        raise SolverFailed(
            f"the plan of the pool has no answer ({found.message}) Look for a member whose bounds leave no room for "
            "doing nothing: publish it anew."
        )
    return np.asarray(found.x, dtype=np.float64)


def _one_way(
    cost: Floats, most: sp.csr_array, at_most: Floats, equal: sp.csr_array, right: Floats, low: Floats, high: Floats,
    half: int,
) -> Floats:  # fmt: skip
    """The same with a binary z for every store and interval: up <= high z, down <= high (1 - z)."""
    n, eye = len(cost), sp.eye_array(half, format="csr")
    upper, lower = sp.diags_array(high[:half]), sp.diags_array(high[half : 2 * half])
    rest, none = sp.csr_array((half, n - 2 * half)), sp.csr_array((half, half))
    either = [sp.hstack([eye, none, rest, -upper]), sp.hstack([none, eye, rest, lower])]
    x = solved(
        np.append(cost, np.zeros(half)), sp.vstack([_wide(most, half), *either]).tocsr(),
        np.concatenate([at_most, np.zeros(half), high[half : 2 * half]]), _wide(equal, half), right,
        np.append(low, np.zeros(half)), np.append(high, np.ones(half)),
        np.concatenate([np.zeros(n, dtype=np.int64), np.ones(half, dtype=np.int64)]),
    )  # fmt: skip
    return x[:n]


def _wide(matrix: sp.csr_array, more: int) -> sp.csr_array:
    return sp.hstack([matrix, sp.csr_array((matrix.shape[0], more))]).tocsr() if more else matrix
