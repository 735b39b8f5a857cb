"""The best use of published flexibility at given prices, and whether a wish lies inside what is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from archipel.model import Bools, Flexibility, Floats, SolverFailed

TOLERANCE = 1e-6
"""kW and kWh within which a profile counts as inside."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """An optimum over a published model."""

    change_kw: Floats
    """Change of every store, shape (S, T): the order to the member."""
    p_kw: Floats
    """What the member then draws in all, shape (T,)."""
    gain_eur: float
    """Cost of the baseline less cost of this, with what the member is paid for the change; at least 0."""


def optimum(flexibility: Flexibility, price_eur_per_kwh: Floats) -> Best:
    """Least cost of energy and change at prices of shape (T,), as a linear programme.

    At negative prices a programme would charge and discharge at once to burn energy, which no device does: where that
    happens every store keeps to the direction of its net and is solved again. The answer is then inside the model, and
    at most as good as the best.

    Raises:
        SolverFailed: if the solver stops without an answer.
    """
    up, down = _solve(flexibility, price_eur_per_kwh, None)
    both = np.minimum(up, down) > TOLERANCE * 1e-2
    if np.any(both & (_losses(flexibility)[:, None] > 1e-9)):
        up, down = _solve(flexibility, price_eur_per_kwh, up >= down)
    change = np.where(_losses(flexibility)[:, None] > 1e-9, np.where(up >= down, up, -down), up - down)
    paid = float((flexibility.cost_eur_per_kwh * np.abs(change)).sum())
    gain = -(float(price_eur_per_kwh @ change.sum(axis=0)) + paid) * flexibility.dt_h
    return Best(change, flexibility.base_kw + change.sum(axis=0), gain)


def levels(flexibility: Flexibility, change_kw: Floats) -> Floats:
    """Energy put aside at the end of every interval by changes of shape (S, T), shape (S, T)."""
    f = flexibility
    gained = np.where(
        change_kw > 0, change_kw * f.charge_efficiency[:, None], change_kw / f.discharge_efficiency[:, None]
    )
    out, before = np.empty_like(change_kw), f.e_kwh_start
    for t in range(f.intervals):
        before = f.keep * before + f.dt_h * gained[:, t]
        out[:, t] = before
    return out


def contains(flexibility: Flexibility, change_kw: Floats, tolerance: float = TOLERANCE) -> bool:
    """Whether changes of shape (S, T) lie inside what was published."""
    f, e = flexibility, levels(flexibility, change_kw)
    p_kw = f.base_kw + change_kw.sum(axis=0)
    return bool(
        np.all(change_kw >= f.p_kw_min - tolerance)
        and np.all(change_kw <= f.p_kw_max + tolerance)
        and np.all(e >= f.e_kwh_min - tolerance)
        and np.all(e <= f.e_kwh_max + tolerance)
        and np.all(np.abs(np.diff(p_kw)) <= f.ramp_kw_per_h * f.dt_h + tolerance)
    )


def _losses(f: Flexibility) -> Floats:
    return 1.0 - f.charge_efficiency * f.discharge_efficiency


def _solve(f: Flexibility, price: Floats, upward: Bools | None) -> tuple[Floats, Floats]:
    """(up, down) parts of the change, (S, T) each, non-negative; `upward` fixes the direction of every one."""
    shape = (f.stores, f.intervals)
    n = f.stores * f.intervals
    if n == 0:
        return np.zeros(shape), np.zeros(shape)
    up_max, down_max = f.p_kw_max.copy(), -f.p_kw_min
    if upward is not None:
        up_max, down_max = np.where(upward, up_max, 0.0), np.where(upward, 0.0, down_max)
    cost = np.concatenate([(price + f.cost_eur_per_kwh).ravel(), (f.cost_eur_per_kwh - price).ravel(), np.zeros(n)])
    own = np.ones(n)
    keep = -np.repeat(f.keep, f.intervals)
    keep[:: f.intervals] = 0.0
    chain = sparse.diags_array([own, keep[1:]], offsets=[0, -1])
    gain_up, gain_down = (
        np.repeat(x * f.dt_h, f.intervals) for x in (f.charge_efficiency, 1.0 / f.discharge_efficiency)
    )
    balance = sparse.hstack([-sparse.diags_array(gain_up), sparse.diags_array(gain_down), chain]).tocsr()
    begun = np.zeros(shape)
    begun[:, 0] = f.keep * f.e_kwh_start
    low = np.concatenate([np.zeros(2 * n), f.e_kwh_min.ravel()])
    high = np.concatenate([up_max.ravel(), down_max.ravel(), f.e_kwh_max.ravel()])
    ramps, most = _ramps(f)
    answer = linprog(
        cost,
        A_ub=ramps,
        b_ub=most,
        A_eq=balance,
        b_eq=begun.ravel(),
        bounds=np.stack([low, high], axis=1),
        method="highs",
    )
    if answer.status != 0:
        raise SolverFailed(f"optimum of {f.member}: {answer.message}")
    return np.maximum(answer.x[:n], 0.0).reshape(shape), np.maximum(answer.x[n : 2 * n], 0.0).reshape(shape)


def _ramps(f: Flexibility) -> tuple[sparse.csr_array | None, Floats | None]:
    if not np.isfinite(f.ramp_kw_per_h) or f.intervals < 2:
        return None, None
    step = sparse.diags_array(
        [-np.ones(f.intervals - 1), np.ones(f.intervals - 1)], offsets=[0, 1], shape=(f.intervals - 1, f.intervals)
    )
    total = sparse.hstack([step] * f.stores)
    move = sparse.hstack([total, -total, sparse.csr_array((f.intervals - 1, f.stores * f.intervals))])
    base = np.diff(f.base_kw)
    most = f.ramp_kw_per_h * f.dt_h
    return sparse.vstack([move, -move]).tocsr(), np.concatenate([most - base, most + base])
