"""Cells of a case agree by messages; what their plan costs and keeps by AC power flow, and how true it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archipel.cell.parts import Parts
from archipel.cell.site import Duty, drawn_with_children
from archipel.controller.agreeing import Agreed, Habits, Passes, RootFacts, agree
from archipel.coordination.exact import Options
from archipel.coordination.tree import Conversation
from archipel.model import Floats
from archipel.strategies.whole import WholeState, children_of, settle_whole

OPTIONS = Options(gap=1e-6, iterations=80, mu=100.0)
"""A larger first product of slack and dual than for a cell's day: these feeders are a hundred times a street's size."""


@dataclass(frozen=True)
class Truth:
    cost: float
    """Objective of the plan on AC power flow, losses and fees paid [EUR]."""
    beyond_v_pu: float
    """Largest excess of voltage limits, margins included [pu]."""
    beyond_loading: float
    """Largest excess of current limits, margins included, as a share of the limit."""
    beyond_kw: float
    """Largest excess of the connection's limits [kW]."""


def agree_together(parts: Parts, duties: list[Duty], root: RootFacts, passes: Passes) -> list[Agreed]:
    """The first plan ever of all cells, from idle devices."""
    talks = {}
    for site, what in zip(parts.sites, duties, strict=True):
        told = None if site.parent else root
        v_pu = np.full(len(what.horizon), root.v_pu)
        program = agree(site, what, what.idle(), v_pu, Habits(), told, OPTIONS, passes)
        talks[site.id] = Conversation(1, site.id, site.parent, site.children, program)
    mail = [message for talk in talks.values() for message in talk.open()]
    while mail:
        message = mail.pop()
        mail += talks[message.receiver].receive([message])
    return [talk.outcome for talk in talks.values()]


def truth(parts: Parts, duties: list[Duty], root: RootFacts, u: list[Floats]) -> Truth:
    """What controls `u` (N, T) of every cell cost and break on AC power flow."""
    state = settle_whole(parts, duties, u, None, rounds=8)
    scenario, dt_h = parts.scenario, duties[0].horizon.dt_h
    tariff, kw = scenario.tariff, [said[0] for said in state.boundary]
    cost = float((root.price_eur_per_kwh * dt_h * kw[0]).sum())
    cost += tariff.hv_fee_eur_per_kwh * float(dt_h @ np.maximum(kw[0], 0.0))
    cost += tariff.peak_eur_per_kw_day * max(float(kw[0].max()), float(root.peaks_kw[0]))
    for i, below in enumerate(children_of(parts)):
        own = kw[i] - sum(kw[j] for j in below)
        cost += tariff.mv_fee_eur_per_kwh * float(dt_h @ np.maximum(own, 0.0)) + _devices_cost(duties[i], u[i])
    beyond_v = beyond_loading = -np.inf
    for site, flow in zip(parts.sites, state.flow, strict=True):
        v = np.abs(flow.v)
        high = v - (site.v_pu_max - site.margin_v_pu)[:, None]
        low = (site.v_pu_min + site.margin_v_pu)[:, None] - v
        beyond_v = max(beyond_v, float(high.max()), float(low.max()))
        beyond_loading = max(beyond_loading, float((flow.loading - 1.0 + site.margin_loading).max(initial=-1.0)))
    keep = 1.0 - 0.2 * scenario.margin_loading
    limits = scenario.connection
    beyond_kw = max(float(kw[0].max()) - keep * limits.import_kw_max, -float(kw[0].min()) - keep * limits.export_kw_max)
    return Truth(cost, beyond_v, beyond_loading, beyond_kw)


def _devices_cost(what: Duty, u: Floats) -> float:
    """Devices' own costs: controls, and stores outside their bounds."""
    cost = 0.0
    by_group = [np.zeros_like(columns.lo) for columns in what.columns]
    for n, (group, column, control) in enumerate(what.order):
        by_group[group][column, control] = u[n]
    for columns, chosen in zip(what.columns, by_group, strict=True):
        cost += float((columns.cost * chosen + 0.5 * columns.quad * chosen**2).sum())
        if columns.store is not None and len(columns):
            level = columns.store_of(chosen)
            outside = np.maximum(columns.store.lo - level, 0.0) + np.maximum(level - columns.store.hi, 0.0)
            cost += float((columns.store.price * outside).sum())
    return cost


def v2_residual(parts: Parts, duties: list[Duty], plans: list[Agreed]) -> float:
    """Largest difference of squared voltages at any node [pu^2] between the last linear problem and AC power flow.

    The linear problem of the whole tree: every cell's derivatives at its last point, its children's powers and its
    boundary's voltage as the linear problems of the others have them.
    """
    kids = children_of(parts)
    true: WholeState = settle_whole(parts, duties, [plan.u for plan in plans], None, rounds=8)
    pq: list[Floats] = [np.zeros(0)] * len(plans)
    sens = []
    for i in reversed(range(len(plans))):
        site, what, point = parts.sites[i], duties[i], plans[i].priced.linear.point
        every, inject = np.arange(len(site.node_id)), np.concatenate([what.node, site.child_node])
        p, q = drawn_with_children(site, what, point.u, point.child_pq)
        none = np.zeros(0, dtype=np.int64)
        here = site.network.sensitivities(point.flow, p, q, point.v_pu, inject, every, none)
        du = plans[i].u - point.u
        dpq = np.stack([pq[j] for j in kids[i]]) - point.child_pq if kids[i] else np.zeros((0, 2, du.shape[1]))
        d_p, d_q = np.concatenate([what.p[:, None] * du, dpq[:, 0]]), np.concatenate([what.q[:, None] * du, dpq[:, 1]])
        moved = np.einsum("ont,nt->ot", here.d_p, d_p) + np.einsum("ont,nt->ot", here.d_q, d_q)
        pq[i] = np.stack([point.flow.p_b_kw, point.flow.q_b_kvar]) + moved[:2]
        sens.append((here.d_v[2:], moved[2:]))
    sens.reverse()
    v_b = [np.zeros(0)] * len(plans)
    worst = 0.0
    for i, (d_v, moved) in enumerate(sens):
        point = plans[i].priced.linear.point
        v_b[i] = point.v_pu if i == 0 else v_b[i]
        linear = np.abs(point.flow.v) + moved + d_v * (v_b[i] - point.v_pu)
        worst = max(worst, float(np.abs(linear**2 - np.abs(true.flow[i].v) ** 2).max()))
        for j, node in zip(kids[i], parts.sites[i].child_node, strict=True):
            v_b[j] = linear[node]
    return worst
