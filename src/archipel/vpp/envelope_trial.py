"""Trying to break an envelope: behaviours inside its limits, drawn by chance and chosen to do harm, by AC power flow.

The corners by which envelopes are made are few; here is everything else. In each behaviour fixed load is anywhere in
its margin and inverters follow their volt-var curve, or part of it, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.power_flow import PowerFlow
from archipel.model import Diverged, Floats
from archipel.vpp.envelope import Envelopes
from archipel.vpp.envelope_network import FAINT, Wires
from archipel.vpp.envelope_points import Loads, curve_kvar

CURVE_ROUNDS = 12
STRIDE = 0.7
"""Share of the way to the curve that inverters go in a round."""
NEAR_KVAR = 0.02


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Behaviours in one interval, K of them, and what they did; beyond means more than the limit, margins not used."""

    p_kw: Floats
    """Power of the points, load convention, shape (N, K)."""
    v_high_pu: Floats
    v_low_pu: Floats
    """Most that a voltage was beyond its limit, shape (K,); negative where all kept it."""
    loading: Floats
    """Largest loading, 1 at the limit."""
    firm_kw: Floats
    """Most by which the upstream connection was beyond its limits; -inf where it has none."""

    @property
    def violations(self) -> int:
        """Behaviours that broke any limit; one without an AC solution counts."""
        kept = (self.v_high_pu <= 0) & (self.v_low_pu <= 0) & (self.loading <= 1) & (self.firm_kw <= 0)
        return int((~kept).sum())


def by_chance(envelopes: Envelopes, t: int, count: int, rng: np.random.Generator) -> Floats:
    """Powers inside the limits of interval `t`, shape (N, count): a third anywhere inside, a third at one limit or the
    other point by point, a third at one limit or the other cell by cell."""
    n = len(envelopes.points)
    anywhere = rng.random((n, count))
    ends = np.round(anywhere)
    cells = np.round(rng.random((len(envelopes.points.cell_id), count)))[envelopes.points.cell]
    kind = np.arange(count) % 3
    return _between(envelopes, t, np.where(kind == 0, anywhere, np.where(kind == 1, ends, cells)))


def by_intent(envelopes: Envelopes, t: int, wires: Wires) -> Floats:
    """The corners one would try to break something, shape (N, K): all draw, all give, and for every branch all behind
    it the one and all others the other."""
    behind = wires.slope[wires.nodes : wires.nodes + wires.branches] > FAINT
    sets = np.unique(np.concatenate([behind, np.ones((1, behind.shape[1]), dtype=bool)]), axis=0).astype(np.float64)
    return _between(envelopes, t, np.concatenate([sets, 1.0 - sets]).T)


def trial(wires: Wires, p_kw: Floats, loads: Loads, t: int, rng: np.random.Generator) -> Trial:
    """What behaviours (N, K) in interval `t` do, each with load and inverters somewhere in their ranges."""
    count = p_kw.shape[1]
    where = rng.random((2, 1, count)).round() if count else np.zeros((2, 1, 0))
    some = rng.random(count) < 0.5
    mix = np.where(some, rng.random((2, wires.nodes, count)), where)
    load_p = loads.p_kw_min[:, t, None] + mix[0] * (loads.p_kw_max - loads.p_kw_min)[:, t, None]
    load_q = loads.q_kvar_min[:, t, None] + mix[1] * (loads.q_kvar_max - loads.q_kvar_min)[:, t, None]
    response = rng.choice([0.0, 0.5, 1.0], count) * np.ones((len(wires.points), 1))
    response = np.where(rng.random(count) < 0.25, rng.random(response.shape), response)
    at, kvar = wires.points.node, wires.points.q_kvar_max
    p = load_p.copy()
    p[at] += p_kw
    q = np.zeros_like(p_kw)
    for _ in range(CURVE_ROUNDS if kvar.any() else 1):
        total = load_q.copy()
        total[at] += q
        state = _solved(wires, p, total)
        step = response * curve_kvar(state[0][at], kvar) - q
        if not np.nanmax(np.abs(step), initial=0.0) > NEAR_KVAR:
            break
        q = q + STRIDE * np.where(np.isnan(step), 0.0, step)
    v, loading, head = state
    grid, firm = wires.scenario.grid, wires.scenario.connection
    low = np.where(v > 0.0, grid.nodes.v_pu_min[:, None] - v, -np.inf)
    return Trial(
        p_kw=p_kw,
        v_high_pu=(v - grid.nodes.v_pu_max[:, None]).max(axis=0),
        v_low_pu=np.where(np.isnan(v).any(axis=0), np.nan, low.max(axis=0)),
        loading=loading,
        firm_kw=np.maximum(head - firm.export_kw_max, -head - firm.import_kw_max),
    )


def _between(envelopes: Envelopes, t: int, part: Floats) -> Floats:
    """From all drawn (0) to all given (1)."""
    draws, gives = envelopes.import_kw[:, t, None], envelopes.export_kw[:, t, None]
    return np.asarray(draws - part * (draws + gives))


def _solved(wires: Wires, p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    """(voltages, largest loading, power given upstream); NaN without a solution. By a power flow of its own."""
    model = PowerFlow(wires.scenario.grid)
    v, loading, head = np.full(p.shape, np.nan), np.full(p.shape[1], np.nan), np.full(p.shape[1], np.nan)
    try:
        for k, flow in enumerate(model.solve_all(p, q)):
            v[:, k], loading[k], head[k] = flow.v_pu, flow.loading.max(initial=0.0), -flow.upstream_p_kw
    except Diverged:
        for k in range(p.shape[1]):
            try:
                flow = model.solve(p[:, k], q[:, k])
            except Diverged:
                v[:, k], loading[k], head[k] = np.nan, np.nan, np.nan
                continue
            v[:, k], loading[k], head[k] = flow.v_pu, flow.loading.max(initial=0.0), -flow.upstream_p_kw
    return v, loading, head
