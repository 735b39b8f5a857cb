"""A cell's schedule problem around an AC operating point: true sensitivities, screened limits, tariff.

Of thousands of voltages few can bind. Watched are, in every interval, the highest and lowest nodes and the most loaded
branches, if they are near their limit at the operating point, and whatever an earlier AC check found beyond; and of
those only what the cell's controls could bring to the limit at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.cell.site import Duty, Site, drawn_with_children
from archipel.cell.soft_ties import with_soft_ties
from archipel.grid.cell_network import CellFlow
from archipel.grid.sensitivity import Sensitivities
from archipel.model import Floats, Ints, Tariff
from archipel.optimisation.block import Block, Hinges, Levels, Outputs, flatten

NEAR_V_PU = 0.02
NEAR_LOADING = 0.3
"""Nearer than this to a limit an output is watched; what was found beyond once, always."""
NEIGHBOURS_V_PU = 0.015
"""How much other cells may move the boundary voltage from the operating point, for judging what can bind."""


def _radians(*degrees: float) -> tuple[float, ...]:
    return tuple(math.radians(a) for a in degrees)


FINE, COARSE = _radians(0, 8, -8, 20, -20, 45, -45, 90, -90, 180, 155, -155), _radians(0, 25, -25, 180)
"""Directions from the present current in which its size is limited: a polygon around the circle of the limit, fine for
what will be carried out before the next plan, coarse for what will be planned again. Prices that leave reactive power
free drive the current into a corner: corners beside 0 must stay within the margin, 1 / cos(4 degrees) = 1.0024."""
PRECISE = _radians(0, 4, -4, 8, -8, 14, -14, 22, -22, 45, -45, 90, -90, 180, 155, -155)
"""The same for every interval of a plan that is to be precise: 1 / cos(2 degrees) = 1.0006."""
FINE_ROUND = _radians(0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180)
COARSE_ROUND = _radians(0, 60, -60, 120, -120, 180)
"""The same where the present current is below `TURNS_BELOW` of the limit: it may turn anywhere on its way there."""
TURNS_BELOW = 0.8
SQUARE, FAR_BELOW = _radians(0, 90, -90, 180), 0.5
"""And where it is far below: enough to keep a pass from overshooting wildly."""
SOON_STEPS = 6
"""Quarter hours that count as soon."""
PER_INTERVAL = 2
"""Nodes and branches watched per interval and side, at the most, that were never found beyond."""
LIMIT_EUR_PER_KWH = 20.0
"""Price of network limits, as power of the control that helps most: above any value of energy, so they give last."""
CHILD_MOVE_KW = 200.0
"""How much a child cell may move its power beyond doubling it, for judging what can bind."""


@final
@dataclass(slots=True, eq=False)
class Memory:
    """What AC checks found beyond limits so far: local node rows (high, low) and own branch rows."""

    high: set[int] = field(default_factory=set)
    low: set[int] = field(default_factory=set)
    branch: set[int] = field(default_factory=set)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """The operating point: controls, children's powers (children, 2, T), boundary voltage (T,), and the AC state."""

    u: Floats
    child_pq: Floats
    v_pu: Floats
    flow: CellFlow


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """What the hinges of a block read of the cell's network, one entry per hinge (R,): hinge r is
    `(sign * output + cross * (output across it)) / unit` in its interval."""

    output: Ints
    """0 and 1: P and Q at the boundary; then voltages of `nodes`, then loadings of `branches`."""
    sign: Floats
    cross: Floats
    unit: Floats
    nodes: Ints
    """Local rows of the nodes watched or handed to children (not per hinge)."""
    branches: Ints
    """Own branches watched (not per hinge)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A cell's linear problem and what it was made of."""

    block: Block
    reads: Reads
    point: Point


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One hinge: sign * (output in interval t) + cross * (output across it) <= bound."""

    output: int
    t: int
    sign: float
    cross: float
    bound: float
    label: tuple[str, str]


def linearise(site: Site, what: Duty, point: Point, memory: Memory, upstream_peaks: Floats | None) -> Block:
    """The block of this cell, see `linear_problem`."""
    return linear_problem(site, what, point, memory, upstream_peaks).block


def linear_problem(
    site: Site, what: Duty, point: Point, memory: Memory, upstream_peaks: Floats | None, *, precise: bool = False
) -> Linear:
    """The linear problem of this cell. `upstream_peaks` (root only): import peak so far of every UTC day in the
    horizon [kW]. `precise` limits currents closely in every interval, not only in those that come soon."""
    p, q = drawn_with_children(site, what, point.u, point.child_pq)
    voltages, branches = _watched(site, point, memory)
    nodes = np.unique(np.concatenate([site.child_node, [n for n, *_ in voltages]]).astype(np.int64))
    rows = np.unique(np.array([b for b, *_ in branches], dtype=np.int64))
    inject, place = np.unique(np.concatenate([what.node, site.child_node]), return_inverse=True)
    sens = site.network.sensitivities(point.flow, p, q, point.v_pu, inject, nodes, rows, across=True)
    maker = _Maker(site, what, point, sens, place, nodes, rows, precise)
    block = maker.block(voltages, branches, upstream_peaks)
    block = with_soft_ties(block, what, site.ties, point.u, site.children)
    # what was added for soft open points reads nothing of the network
    more = len(block.hinges.bound) - sum(len(unit) for *_, unit in maker.reads)
    maker.reads.append((np.zeros(more, dtype=np.int64), np.zeros(more), np.zeros(more), np.ones(more)))
    output, sign, cross, unit = (_cat(part) for part in zip(*maker.reads, strict=True))
    return Linear(block, Reads(output, sign, cross, unit, nodes, rows), point)


def _watched(site: Site, point: Point, memory: Memory) -> tuple[_Nodes, _Branches]:
    """(node, interval, sign) and (branch, interval) worth watching."""
    v = np.abs(point.flow.v)
    live = v[:, 0] > 0.0
    every = range(v.shape[1])
    found: set[tuple[int, int, float]] = set()
    for sign, limit, known in ((1.0, site.v_pu_max, memory.high), (-1.0, site.v_pu_min, memory.low)):
        room = np.where(live[:, None], sign * (limit[:, None] - v), np.inf)
        found.update((n, t, sign) for n, t in _nearest(room, NEAR_V_PU))
        found.update((n, t, sign) for n in known for t in every)
    near = _nearest(1.0 - point.flow.loading, NEAR_LOADING)
    return sorted(found), sorted(near | {(b, t) for b in memory.branch for t in every})


def _nearest(room: Floats, near: float) -> set[tuple[int, int]]:
    """The rows with the least room in every interval, as far as that is less than `near`."""
    if not room.size:
        return set()
    first = np.argsort(room, axis=0, kind="stable")[:PER_INTERVAL]
    t = np.broadcast_to(np.arange(room.shape[1]), first.shape)
    close = room[first, t] < near
    return set(zip(first[close].tolist(), t[close].tolist(), strict=True))


_Nodes = list[tuple[int, int, float]]
_Branches = list[tuple[int, int]]


@final
class _Maker:
    """Rows of a block from sensitivities at a point."""

    def __init__(
        self,
        site: Site,
        what: Duty,
        point: Point,
        sens: Sensitivities,
        place: Ints,
        nodes: Ints,
        branches: Ints,
        precise: bool,
    ) -> None:
        self.site, self.what, self.point, self.sens, self._precise = site, what, point, sens, precise
        none = np.zeros(0)
        self.reads: list[tuple[Ints, Floats, Floats, Floats]] = [(np.zeros(0, dtype=np.int64), none, none, none)]
        """Of the hinges made so far: output, sign, cross, unit, see `Reads`."""
        n = len(what.node)
        self._control, self._child = place[:n], place[n:]
        self._v_out = {int(node): 2 + i for i, node in enumerate(nodes)}
        self._b_out = {int(branch): 2 + len(nodes) + i for i, branch in enumerate(branches)}
        flow = point.flow
        value = [flow.p_b_kw, flow.q_b_kvar, *np.abs(flow.v)[nodes], *flow.loading[branches]]
        value += [np.zeros_like(flow.p_b_kw)] * len(branches)  # across the present current there is none
        self._value = np.stack(value)
        self._across = len(branches)

    def block(self, voltages: _Nodes, branches: _Branches, peaks: Floats | None) -> Block:
        site, what = self.site, self.what
        t_count = len(what.horizon)
        grid = np.arange(t_count)
        dt_h = what.horizon.dt_h
        parts = [self._affine(np.full(t_count, o), grid, np.ones(t_count)) for o in (0, 1)]
        bound: list[Floats] = []
        price: list[Floats] = []
        label: list[tuple[str, str]] = []
        scale: list[Floats] = []

        one = np.ones(t_count)

        def hinge(rows: Outputs, limit: Floats, cost: Floats, names: list[tuple[str, str]], sign: float = 1.0) -> None:
            parts.append(rows)
            bound.append(limit)
            price.append(cost)
            label.extend(names)
            each = np.ones(len(limit))
            scale.append(each)
            self.reads.append((np.zeros(len(limit), dtype=np.int64), sign * each, 0.0 * each, each))

        fee = site.tariff.mv_fee_eur_per_kwh
        if fee > 0:
            hinge(self._own_import(), 0 * one, fee * dt_h, [("fee on own import", site.id)] * t_count)
        wanted = self._limit_rows(voltages, branches)
        if wanted:
            rows = self._affine(*(np.array([getattr(r, n) for r in wanted]) for n in ("output", "t", "sign", "cross")))
            can = self._can_bind(rows, np.array([r.bound for r in wanted]))
            wanted = [r for r, keep in zip(wanted, can, strict=True) if keep]
            rows, unit = self._scaled(_take(rows, can))
            parts.append(rows)
            bound.append(np.array([r.bound for r in wanted]) / unit)
            price.append(LIMIT_EUR_PER_KWH * dt_h[rows.t])
            label.extend(r.label for r in wanted)
            scale.append(unit)
            output, sign, cross = (np.array([getattr(r, n) for r in wanted]) for n in ("output", "sign", "cross"))
            self.reads.append((output.astype(np.int64), sign, cross, unit))
        levels = Levels.none()
        if not site.parent:
            levels = self._upstream(hinge, peaks)
        elif site.connection is not None:
            self._firm(hinge, site.id)
        parts.extend(self._affine(np.full(t_count, self._v_out[int(n)]), grid, one) for n in site.child_node)
        outputs = _stack(parts, len(levels.lo))
        hinges = Hinges(_cat(bound), _cat(price), tuple(label), _cat(scale))
        return flatten(what.columns, levels, outputs, hinges, len(site.child_node), t_count)

    def _upstream(self, hinge, peaks: Floats | None) -> Levels:  # type: ignore[no-untyped-def]
        """Fee, firm limits and peak charge at the upstream connection."""
        site, horizon = self.site, self.what.horizon
        t_count, dt_h, grid = len(horizon), horizon.dt_h, np.arange(len(horizon))
        one, zero = np.ones(t_count), np.zeros(t_count, dtype=np.int64)
        tariff: Tariff = site.tariff
        imports = self._affine(zero, grid, one)
        if tariff.hv_fee_eur_per_kwh > 0:
            hinge(imports, 0 * one, tariff.hv_fee_eur_per_kwh * dt_h, [("fee on import", "")] * t_count)
        self._firm(hinge, "")
        if peaks is None or tariff.peak_eur_per_kw_day <= 0:
            return Levels.none()
        day = _day_of(horizon.start, horizon.first)
        level = -(day[:, None] == np.arange(len(peaks))).astype(np.float64)
        rows = Outputs(imports.t, imports.on_control, imports.on_p, imports.on_q, level, imports.on_v, imports.offset)
        hinge(rows, 0 * one, np.full(t_count, LIMIT_EUR_PER_KWH), [("peak", "")] * t_count)
        cost = np.full(len(peaks), tariff.peak_eur_per_kw_day)
        reach = 1000.0 + 3.0 * float(np.abs(self._value[0]).max())
        return Levels(peaks, peaks + reach, cost)

    def _firm(self, hinge, name: str) -> None:  # type: ignore[no-untyped-def]
        """Limits of the power at the boundary: of the root its connection's, of others what an operator allows."""
        site, horizon = self.site, self.what.horizon
        if site.connection is None:
            return
        firm = site.firm(len(horizon))
        for sign, limit, what in ((1.0, firm.import_kw, "import limit"), (-1.0, firm.export_kw, "export limit")):
            at = np.flatnonzero(np.isfinite(limit))
            if len(at):
                rows = self._affine(0 * at, at, np.full(len(at), sign))
                keep = limit[at] * (1.0 - 0.2 * site.margin_loading)
                hinge(rows, keep, LIMIT_EUR_PER_KWH * horizon.dt_h[at], [(what, name)] * len(at), sign)

    def _own_import(self) -> Outputs:
        """Boundary power less what passes on to child cells and to soft open points."""
        rows = self._affine(np.zeros(len(self.what.horizon), dtype=np.int64), np.arange(len(self.what.horizon)), None)
        on_control = rows.on_control.copy()
        on_control[:, self.what.ends.control] -= 1.0
        return Outputs(rows.t, on_control, rows.on_p - 1.0, rows.on_q, rows.on_level, rows.on_v, rows.offset)

    def _limit_rows(self, voltages: _Nodes, branches: _Branches) -> list[_Row]:
        site = self.site
        rows = []
        for n, t, sign in voltages:
            limit = site.v_pu_max[n] - site.margin_v_pu if sign > 0 else site.v_pu_min[n] + site.margin_v_pu
            name = ("voltage high" if sign > 0 else "voltage low", site.node_id[n])
            rows.append(_Row(self._v_out[n], t, sign, 0.0, sign * float(limit), name))
        soon = (self.what.horizon.first < SOON_STEPS) | self._precise
        for b, t in branches:
            name, limit = ("loading", site.branch_id[b]), 1.0 - site.margin_loading
            loading = self.point.flow.loading[b, t]
            if loading < FAR_BELOW:
                directions = SQUARE
            elif loading < TURNS_BELOW:
                directions = FINE_ROUND if soon[t] else COARSE_ROUND
            elif self._precise:
                directions = PRECISE
            else:
                directions = FINE if soon[t] else COARSE
            rows += [_Row(self._b_out[b], t, math.cos(a), math.sin(a), limit, name) for a in directions]
        return rows

    def _can_bind(self, rows: Outputs, bound: Floats) -> NDArray[np.bool_]:
        """Whether own controls over their whole range, children and neighbours could reach the bound."""
        what, t = self.what, rows.t
        most = np.maximum(rows.on_control * what.lo[:, t].T, rows.on_control * what.hi[:, t].T).sum(axis=1)
        most += rows.offset + rows.on_v * self.point.v_pu[t] + np.abs(rows.on_v) * NEIGHBOURS_V_PU
        if len(self.point.child_pq):
            p, q = self.point.child_pq[:, 0, t].T, self.point.child_pq[:, 1, t].T
            most += (rows.on_p * p + rows.on_q * q).sum(axis=1)
            most += (np.abs(rows.on_p) * (np.abs(p) + CHILD_MOVE_KW)).sum(axis=1)
        return np.asarray(most > bound)

    def _scaled(self, rows: Outputs) -> tuple[Outputs, Floats]:
        """Rows in units of kW of the control (or child) that moves them most; where none does, of the boundary voltage
        (1e-5 pu is what a kW does in a small cell). Larger entries would cost solvers their digits."""
        reach = np.max(np.abs(np.concatenate([rows.on_control, rows.on_p], axis=1)), axis=1, initial=0.0)
        unit = np.maximum(reach, np.maximum(np.abs(rows.on_v) * 1e-5, 1e-7))
        per = unit[:, None]
        scaled = Outputs(
            rows.t,
            rows.on_control / per,
            rows.on_p / per,
            rows.on_q / per,
            rows.on_level,
            rows.on_v / unit,
            rows.offset / unit,
        )
        return scaled, unit

    def _affine(self, output: Ints, t: Ints, sign: Floats | None, cross: Floats | None = None) -> Outputs:
        """Rows sign * output + cross * (output across it), as affine functions that are exact at the point."""
        sens, point, what = self.sens, self.point, self.what
        sign = np.ones(len(t)) if sign is None else sign
        d_p, d_q = sens.d_p[output, :, t] * sign[:, None], sens.d_q[output, :, t] * sign[:, None]
        d_v = sens.d_v[output, t] * sign
        if cross is not None and cross.any():
            other = np.where(cross != 0.0, output + self._across, output)
            d_p = d_p + sens.d_p[other, :, t] * cross[:, None]
            d_q = d_q + sens.d_q[other, :, t] * cross[:, None]
            d_v = d_v + sens.d_v[other, t] * cross
        on_control = d_p[:, self._control] * what.p + d_q[:, self._control] * what.q
        on_p, on_q = d_p[:, self._child], d_q[:, self._child]
        # the boundary's own P and Q are told as if the voltage did not matter: its effect is of second order
        on_v = np.where(output >= 2, d_v, 0.0)
        known = (on_control * point.u[:, t].T).sum(axis=1) + on_v * point.v_pu[t]
        if len(point.child_pq):
            known = known + (on_p * point.child_pq[:, 0, t].T + on_q * point.child_pq[:, 1, t].T).sum(axis=1)
        offset = sign * self._value[output, t] - known
        return Outputs(np.asarray(t), on_control, on_p, on_q, np.zeros((len(t), 0)), on_v, offset)


def _day_of(start: datetime, first: Ints) -> Ints:
    """Number of the UTC day, from 0, in which each interval starts."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    before = (start - midnight) // timedelta(minutes=15)
    return np.asarray((before + first) // 96)


def days_in(start: datetime, first: Ints) -> int:
    """How many UTC days the intervals start in."""
    return int(_day_of(start, first)[-1]) + 1


def _cat(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0)


def _take(rows: Outputs, keep: NDArray[np.bool_]) -> Outputs:
    return Outputs(
        rows.t[keep],
        rows.on_control[keep],
        rows.on_p[keep],
        rows.on_q[keep],
        rows.on_level[keep],
        rows.on_v[keep],
        rows.offset[keep],
    )


def _stack(parts: list[Outputs], levels: int) -> Outputs:
    def level(rows: Outputs) -> Floats:
        return rows.on_level if rows.on_level.shape[1] == levels else np.zeros((len(rows.t), levels))

    return Outputs(
        t=np.concatenate([r.t for r in parts]),
        on_control=np.concatenate([r.on_control for r in parts]),
        on_p=np.concatenate([r.on_p for r in parts]),
        on_q=np.concatenate([r.on_q for r in parts]),
        on_level=np.concatenate([level(r) for r in parts]),
        on_v=_cat([r.on_v for r in parts]),
        offset=_cat([r.offset for r in parts]),
    )
