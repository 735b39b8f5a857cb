"""The referee: the same problem as one nonlinear programme with exact AC physics, solved by IPOPT.

    minimise   price x upstream energy + devices' own costs + fees on net imports + peak
    subject to V conj(Y V) + S = 0 at every node (rectangular voltages), devices' boxes and stores, limits

Devices, costs, fees, soft stores and margins are those of the blocks the cells agree with; limits of the network, which
there have a price above everything else, are hard here. Nothing of the cells' physics is used: the admittance matrix
is that of the whole network.

Sources: M. B. Cain, R. P. O'Neill, A. Castillo, "History of Optimal Power Flow and Formulations", FERC, 2012
(rectangular formulation); IPOPT: A. Waechter, L. T. Biegler, Math. Program. 106, 2006, doi:10.1007/s10107-004-0559-y;
CasADi: J. A. E. Andersson et al., Math. Prog. Comp. 11, 2019, doi:10.1007/s12532-018-0139-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np

from archipel.cell.linear import days_in
from archipel.cell.parts import Parts
from archipel.cell.site import Duty
from archipel.controller.agreeing import RootFacts
from archipel.grid.branch_model import BASE_KVA, branch_model
from archipel.grid.topology import branch_ends, fused
from archipel.model import Floats


@dataclass(frozen=True)
class Best:
    cost: float
    """Objective [EUR]."""
    u: list[Floats]
    """Controls (N, T) of every cell."""
    v_pu: Floats
    """Voltage of every node, (nodes, T)."""
    iterations: int
    price: Floats
    """Price of P and Q at every node but the source's [EUR per kW or kvar held for the interval], (2, nodes - 1, T)."""
    binding: dict[str, int]
    """How many limits of each kind bind."""


class _Programme:
    """Variables, constraints and cost in the making."""

    def __init__(self) -> None:
        self.x: list[Any] = []
        self.start: list[Floats] = []
        self.lo: list[Floats] = []
        self.hi: list[Floats] = []
        self.g: list[Any] = []
        self.g_lo: list[Floats] = []
        self.g_hi: list[Floats] = []
        self.cost: Any = 0.0
        self.named: dict[str, list[Any]] = {}

    def variable(self, start: Floats, lo: Any, hi: Any) -> Any:
        shape = start.shape
        made = ca.SX.sym(f"x{len(self.x)}", *shape)
        for kept, value in ((self.start, start), (self.lo, lo), (self.hi, hi)):
            kept.append(np.broadcast_to(value, shape).ravel(order="F"))
        self.x.append(ca.vec(made))
        return made

    def require(self, what: Any, lo: Any, hi: Any, name: str = "") -> None:
        shape = what.shape
        self.g.append(ca.vec(what))
        self.g_lo.append(np.broadcast_to(lo, shape).ravel(order="F"))
        self.g_hi.append(np.broadcast_to(hi, shape).ravel(order="F"))
        if name:
            first = sum(len(part) for part in self.g_lo[:-1])
            self.named.setdefault(name, []).append((first, first + shape[0] * shape[1]))

    def beyond(self, what: Any, price: Floats) -> None:
        """Price of the positive part of `what`."""
        over = self.variable(np.zeros(what.shape), 0.0, np.inf)
        self.require(what - over, -np.inf, 0.0)
        self.cost += ca.sum1(ca.sum2(np.broadcast_to(price, what.shape) * over))


def central_optimum(
    parts: Parts, duties: list[Duty], root: RootFacts, start: list[Floats], *, tolerance: float = 1e-8
) -> Best:
    """The optimum, found from the controls `start`. Raises RuntimeError unless IPOPT says it solved the problem."""
    horizon, scenario = duties[0].horizon, parts.scenario
    dt_h, t_count = horizon.dt_h, len(horizon)
    made = _Programme()
    u = [_devices(made, what, first) for what, first in zip(duties, start, strict=True)]
    p, q = (ca.SX(np.zeros((len(scenario.grid.nodes), t_count))) for _ in range(2))
    for site, what, controls in zip(parts.sites, duties, u, strict=True):
        nodes = site.network.nodes
        p[nodes.tolist(), :] += what.base_p_kw
        q[nodes.tolist(), :] += what.base_q_kvar
        for n, node in enumerate(what.node.tolist()):
            p[int(nodes[node]), :] += what.p[n] * controls[n, :]
            q[int(nodes[node]), :] += what.q[n] * controls[n, :]
    v, boundary = _network(made, parts, p, q, root.v_pu)
    upstream = boundary[0]
    made.cost += ca.sum2(root.price_eur_per_kwh[None, :] * dt_h[None, :] * upstream)
    tariff = scenario.tariff
    made.beyond(upstream, tariff.hv_fee_eur_per_kwh * dt_h[None, :])
    for i, power in enumerate(boundary):
        below = [boundary[j] for j, parent in enumerate(parts.parents) if parent == i]
        made.beyond(power - sum(below, start=ca.SX(np.zeros((1, t_count)))), tariff.mv_fee_eur_per_kwh * dt_h[None, :])
    peak = made.variable(root.peaks_kw[:, None] + 1e3, root.peaks_kw[:, None], np.inf)
    assert days_in(horizon.start, horizon.first) == len(root.peaks_kw) == 1, "written for one day"
    made.require(upstream - ca.repmat(peak, 1, t_count), -np.inf, 0.0)
    made.cost += tariff.peak_eur_per_kw_day * peak
    keep = 1.0 - 0.2 * scenario.margin_loading
    limits = scenario.connection
    made.require(upstream, -keep * limits.export_kw_max, keep * limits.import_kw_max, "connection")
    return _solved(made, u, v, tolerance)


def _devices(made: _Programme, what: Duty, start: Floats) -> Any:
    """Controls (N, T) with their boxes, costs and stores."""
    controls = made.variable(start, what.lo, what.hi)
    t_count = len(what.horizon)
    for n, (group, column, control) in enumerate(what.order):
        held = what.columns[group]
        cost, quad = held.cost[column, control], held.quad[column, control]
        made.cost += ca.sum2(cost[None, :] * controls[n, :] + 0.5 * quad[None, :] * controls[n, :] ** 2)
    by_column: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for n, (group, column, control) in enumerate(what.order):
        if what.columns[group].store is not None:
            by_column.setdefault((group, column), []).append((n, control))
    for (group, column), members in by_column.items():
        store = what.columns[group].store
        assert store is not None
        level = made.variable(np.full((1, t_count), store.start[column]), -np.inf, np.inf)
        flow = sum(store.gain[column, j][None, :] * controls[n, :] for n, j in members) + store.add[column][None, :]
        before = ca.horzcat(ca.SX(float(store.start[column])), level[:, :-1])
        made.require(level - store.keep[column][None, :] * before - flow, 0.0, 0.0)
        for bound, sign in ((store.lo, -1.0), (store.hi, 1.0)):
            has = np.flatnonzero(np.isfinite(bound[column])).tolist()
            if has:
                made.beyond(sign * (level[:, has] - bound[column][None, has]), store.price[column][None, has])
    return controls


def _network(made: _Programme, parts: Parts, p: Any, q: Any, source_v_pu: float) -> tuple[Any, list[Any]]:
    """Voltages squared of all nodes, and the power [kW] into every cell metered above its tie, (1, T) each."""
    scenario = parts.scenario
    grid = scenario.grid
    assert np.isinf(grid.source.sk_mva), "written for an ideal source"
    model, ends, point = branch_model(grid), branch_ends(grid), fused(grid)
    count, t_count = int(point.max()) + 1, p.shape[1]
    a, b = point[ends.from_node], point[ends.to_node]
    y = np.zeros((count, count), dtype=np.complex128)
    for at, seen, value in ((a, a, model.ff), (a, b, model.ft), (b, a, model.tf), (b, b, model.tt)):
        np.add.at(y, (at, seen), value)
    slack = int(point[grid.source.node])
    bound = np.where(np.arange(count)[:, None] == slack, source_v_pu, 2.0)
    e = made.variable(np.full((count, t_count), source_v_pu), np.where(bound < 2.0, bound, -2.0), bound)
    f_bound = np.where(np.arange(count)[:, None] == slack, 0.0, 2.0)
    f = made.variable(np.zeros((count, t_count)), -f_bound, f_bound)
    g_dm, b_dm = (ca.DM(part) for part in (np.real(y), np.imag(y)))
    g_dm, b_dm = ca.sparsify(g_dm), ca.sparsify(b_dm)
    re, im = g_dm @ e - b_dm @ f, g_dm @ f + b_dm @ e
    drawn_p, drawn_q = (ca.SX(np.zeros((count, t_count))) for _ in range(2))
    for node in range(len(grid.nodes)):
        drawn_p[int(point[node]), :] += p[node, :] / BASE_KVA
        drawn_q[int(point[node]), :] += q[node, :] / BASE_KVA
    others = [n for n in range(count) if n != slack]
    made.require((e * re + f * im + drawn_p)[others, :], 0.0, 0.0, "balance_p")
    made.require((f * re - e * im + drawn_q)[others, :], 0.0, 0.0, "balance_q")
    v2 = e**2 + f**2
    low, high = grid.nodes.v_pu_min + scenario.margin_v_pu, grid.nodes.v_pu_max - scenario.margin_v_pu
    inside = [n for n in range(len(grid.nodes)) if int(point[n]) != slack]
    rows = [int(point[n]) for n in inside]
    made.require(v2[rows, :], low[inside, None] ** 2, high[inside, None] ** 2, "voltage")

    def current(branch: int, end: int) -> tuple[Any, Any]:
        own, other = ((model.ff, model.ft), (model.tt, model.tf))[end]
        i, j = int((a, b)[end][branch]), int((b, a)[end][branch])
        one, two = complex(own[branch]), complex(other[branch])
        return (
            one.real * e[i, :] - one.imag * f[i, :] + two.real * e[j, :] - two.imag * f[j, :],
            one.real * f[i, :] + one.imag * e[i, :] + two.real * f[j, :] + two.imag * e[j, :],
        )

    for branch in range(len(grid.branch_id)):
        for end in (0, 1):
            share = float(model.loading_per_pu[end, branch])
            if share > 0:
                i_re, i_im = current(branch, end)
                most = (1.0 - scenario.margin_loading) ** 2
                made.require(share**2 * (i_re**2 + i_im**2), -np.inf, most, "branch")
    boundary = [(e[slack, :] * re[slack, :] + f[slack, :] * im[slack, :] + drawn_p[slack, :]) * BASE_KVA]
    number = {name: k for k, name in enumerate(grid.branch_id)}
    for tie in scenario.archipelago.tie[: len(parts.sites) - 1]:
        branch, upper = number[tie.id], int(point[tie.upper_node])
        i_re, i_im = current(branch, 0 if int(a[branch]) == upper else 1)
        boundary.append((e[upper, :] * i_re + f[upper, :] * i_im) * BASE_KVA)
    return ca.sqrt(v2)[[int(n) for n in point], :], boundary


def _solved(made: _Programme, u: list[Any], v: Any, tolerance: float) -> Best:
    x, g = ca.vertcat(*made.x), ca.vertcat(*made.g)
    g_lo, g_hi = np.concatenate(made.g_lo), np.concatenate(made.g_hi)
    options = {
        "ipopt": {"print_level": 0, "tol": tolerance, "max_iter": 500, "sb": "yes", "mu_strategy": "adaptive"},
        "print_time": False,
    }
    solver = ca.nlpsol("referee", "ipopt", {"x": x, "f": made.cost, "g": g}, options)
    found = solver(
        x0=np.concatenate(made.start), lbx=np.concatenate(made.lo), ubx=np.concatenate(made.hi), lbg=g_lo, ubg=g_hi
    )
    stats = solver.stats()
    if not stats["success"]:
        raise RuntimeError(f"IPOPT stopped with {stats['return_status']} after {stats['iter_count']} iterations")
    read = ca.Function("read", [x], [*u, v])(found["x"])
    dual = np.array(found["lam_g"]).ravel()
    binding = {
        name: int(sum((np.abs(dual[first:end]) > 1e-4).sum() for first, end in places))
        for name, places in made.named.items()
    }
    price = [
        dual[first:end].reshape(v.shape[1], -1).T / BASE_KVA
        for name in ("balance_p", "balance_q")
        for first, end in made.named[name]
    ]
    return Best(
        cost=float(found["f"]),
        u=[np.array(one) for one in read[:-1]],
        v_pu=np.array(read[-1]),
        iterations=int(stats["iter_count"]),
        price=np.stack(price),
        binding=binding,
    )
