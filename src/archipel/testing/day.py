"""One day of a fleet by itself, without a network: by its local rule, and as its own plans against a price say.

For examples and for the laws of a kind of device: what a plan chooses, the physics carry out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

import numpy as np
import piqp
from scipy import sparse

from archipel.devices import Delivered, DeviceFleet, Plan, Sensed, State, Weather
from archipel.model import Floats, Horizon, Tariff
from archipel.model.horizon import STEP_MINUTES
from archipel.optimisation.columns import Columns

MIDNIGHT = datetime(2016, 5, 30, tzinfo=UTC)
DT_H = STEP_MINUTES / 60.0


@final
@dataclass(frozen=True, slots=True, eq=False)
class DeviceDay:
    """What a fleet did, quarter hour by quarter hour."""

    price_eur_per_kwh: Floats
    """Shape (S,)."""
    rule: tuple[Delivered, ...]
    """By the local rule."""
    plan: tuple[Delivered, ...]
    """By plans, made anew every few steps with perfect foresight."""

    def kw(self, way: str = "plan") -> Floats:
        """Power of every device, (n, S)."""
        return np.stack([one.p_kw for one in getattr(self, way)], axis=1)

    def soc(self, way: str = "plan") -> Floats:
        """State of charge as devices tell it, (n, S); NaN where they tell none."""
        return np.stack([one.soc for one in getattr(self, way)], axis=1)

    def energy_eur(self, way: str = "plan") -> float:
        """What the energy costs; negative is earned."""
        return float((self.kw(way) @ self.price_eur_per_kwh).sum()) * DT_H

    def table(self, device: int = 0, every: int = 4) -> str:
        """One device's day as text: means of power over `every` quarter hours, state of charge at their end."""
        lines = ["hour  EUR/kWh  rule kW  plan kW   rule soc  plan soc"]
        p = {way: self.kw(way)[device].reshape(-1, every).mean(axis=1) for way in ("rule", "plan")}
        soc = {way: self.soc(way)[device].reshape(-1, every)[:, -1] for way in ("rule", "plan")}
        for k, price in enumerate(self.price_eur_per_kwh.reshape(-1, every).mean(axis=1)):
            held = "".join(f"{soc[way][k]:10.2f}" if np.isfinite(soc[way][k]) else " " * 10 for way in ("rule", "plan"))
            lines.append(
                f"{k * every * DT_H:4.1f}  {price:7.3f}  {p['rule'][k]:7.2f}  {p['plan'][k]:7.2f} {held}".rstrip()
            )
        return "\n".join(lines).replace("-0.00", " 0.00")


def device_day(
    fleet: DeviceFleet,
    value: Floats,
    price_eur_per_kwh: Floats,
    *,
    first_row: int = 0,
    replan_steps: int = 4,
    tariff: Tariff | None = None,
) -> DeviceDay:
    """A fleet's day (or as many steps as there are prices) at the price of its node.

    Args:
        fleet: the devices; each answers to the price alone.
        value: profile values, shape (rows, columns), of at least the day and the 24 hours behind it.
        price_eur_per_kwh: for every quarter hour, shape (S,); plans take the same day again for what comes behind it.
        first_row: row number of the first of both; the first interval starts so many quarter hours after midnight.
        replan_steps: how often plans are made.
        tariff: what unserved energy and comfort are worth.
    """
    steps, rows, tariff = len(price_eur_per_kwh), np.arange(len(fleet.id)), tariff or Tariff()
    needed = steps + 96
    if len(value) < needed:
        raise ValueError(f"device_day: found {len(value)} rows of profiles; expected at least {needed}")

    def by_rule(state: State, step: int) -> tuple[Floats, Floats]:
        n = len(fleet.id)
        return fleet.local_rule(state, _weather(value, first_row, step), Sensed(np.ones(n), np.zeros(n)), DT_H)

    kept: list[tuple[Plan, Floats, int]] = []

    def by_plan(state: State, step: int) -> tuple[Floats, Floats]:
        now = MIDNIGHT + timedelta(minutes=STEP_MINUTES * (first_row + step))
        if step % replan_steps == 0:
            horizon = Horizon(now, np.ones(96, dtype=np.int64))
            weather = Weather(first_row + step, value[step : step + 96], perfect=True)
            plan = fleet.plan(rows, state, weather, horizon, tariff)
            price = np.resize(np.roll(price_eur_per_kwh, -step), 96)
            kept[:] = [(plan, cheapest(plan.columns, price * horizon.dt_h), step)]
        plan, u, made = kept[0]
        p, q = fleet.setpoints(rows, state, plan, u, step - made, now)
        rule_p, rule_q = by_rule(state, step)
        return np.where(np.isnan(p), rule_p, p), np.where(np.isnan(q), rule_q, q)

    return DeviceDay(
        np.asarray(price_eur_per_kwh, dtype=np.float64),
        *(_walk(fleet, value, first_row, steps, wish) for wish in (by_rule, by_plan)),
    )


def cheapest(columns: Columns, eur_per_kw: Floats) -> Floats:
    """Controls (K, J, T) of least cost when drawing a kW through an interval costs `eur_per_kw` (T,).

    The quadratic problem of `archipel.optimisation.columns`, bounds of stores as hinges, solved by PIQP. Raises
    RuntimeError where the solver does not solve it.
    """
    count, controls, t_count = columns.lo.shape
    if not count:
        return np.zeros((0, controls, t_count))
    cost = (columns.cost + columns.p[:, :, None] * eur_per_kw).ravel()
    lo, hi, quad = columns.lo.ravel(), columns.hi.ravel(), columns.quad.ravel()
    n, store = len(cost), columns.store
    empty = sparse.csc_matrix((0, n))
    if store is None:
        return _solve(quad, cost, empty, np.zeros(0), empty, np.zeros(0), lo, hi).reshape(columns.lo.shape)
    # variables: controls, stores, what they are below and above their bounds
    size = count * t_count
    at = np.arange(size).reshape(count, t_count)
    control = np.arange(n).reshape(count, controls, t_count)
    eye = sparse.identity(size, format="csc")
    back = sparse.coo_matrix((store.keep[:, 1:].ravel(), (at[:, 1:].ravel(), at[:, :-1].ravel())), (size, size))
    gain = sparse.coo_matrix(
        (store.gain.ravel(), (np.repeat(at[:, None], controls, axis=1).ravel(), control.ravel())), (size, n)
    )
    flow = store.add.copy()
    flow[:, 0] += store.keep[:, 0] * store.start
    none = sparse.csc_matrix((size, size))
    a = sparse.hstack([-gain, eye - back, none, none], format="csc")
    low, high = np.isfinite(store.lo).ravel(), np.isfinite(store.hi).ravel()
    g = sparse.vstack(
        [
            sparse.hstack([sparse.csc_matrix((size, n)), -eye, -eye, none], format="csr")[low],
            sparse.hstack([sparse.csc_matrix((size, n)), eye, none, -eye], format="csr")[high],
        ],
        format="csc",
    )
    h = np.concatenate([-store.lo.ravel()[low], store.hi.ravel()[high]])
    far, zero = np.full(size, np.inf), np.zeros(size)
    x = _solve(
        np.concatenate([quad, zero, zero, zero]),
        np.concatenate([cost, zero, store.price.ravel(), store.price.ravel()]),
        a, flow.ravel(), g, h,
        np.concatenate([lo, -far, zero, zero]),
        np.concatenate([hi, far, far, far]),
    )  # fmt: skip
    return x[:n].reshape(columns.lo.shape)


def _solve(
    quad: Floats, cost: Floats, a: sparse.csc_matrix, b: Floats, g: sparse.csc_matrix, h: Floats, lo: Floats, hi: Floats
) -> Floats:
    solver = piqp.SparseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-9
    solver.settings.max_iter = 500
    p = sparse.diags(quad, format="csc")
    solver.setup(p, cost, a, b, g, None, h, lo, hi)
    status = solver.solve()
    if status != piqp.PIQP_SOLVED:
        raise RuntimeError(f"PIQP stopped with {status} after {solver.result.info.iter} iterations")
    return np.asarray(np.clip(np.array(solver.result.x)[: len(lo)], lo, hi))


def _walk(
    fleet: DeviceFleet,
    value: Floats,
    first_row: int,
    steps: int,
    wish: Callable[[State, int], tuple[Floats, Floats]],
) -> tuple[Delivered, ...]:
    state, done = fleet.initial(first_row), []
    never = np.zeros(len(fleet.id), dtype=bool)
    for step in range(steps):
        p, q = wish(state, step)
        done.append(fleet.advance(state, _weather(value, first_row, step), p, q, never, DT_H))
        state = done[-1].state
    return tuple(done)


def _weather(value: Floats, first_row: int, step: int) -> Weather:
    return Weather(first_row + step, value[step : step + 1], perfect=True)
