"""The network's part: its state under given powers, what of it is near or beyond a limit, and that as linear rows.

Rows are exact at the state they were made at, and made again at the state their answer leads to, until both agree. What
keeps the limits in the end is told by another power flow (power-grid-model), on the limits themselves, no margin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import final

import numpy as np

from archipel.cell.remedy.case import Ask, Case
from archipel.cell.subtree import below
from archipel.grid.cell_network import CellFlow, CellNetwork, cell_networks
from archipel.grid.ownership import branch_owners
from archipel.grid.power_flow import Flow, PowerFlow
from archipel.grid.topology import fused, live, live_points
from archipel.model import Archipelago, Bools, Cell, Diverged, FirmLimits, Floats, Grid, Ints

NEAR_V_PU = 0.02
NEAR_LOADING = 0.25
WATCHED = 3
"""Nodes and branches watched per interval and side before any was found beyond."""
REMEMBERED = 25
_TURNS = (1.5, 3, 4.5, 6, 8, 10, 13, 17, 22, 30, 45, 90)
AROUND = tuple(math.radians(a) for a in (0, 180, *_TURNS, *(-a for a in _TURNS)))
"""Directions in which the size of a current is limited, from its present one."""
KEPT_V_PU, KEPT_LOADING, KEPT_KW = 2e-5, 2e-4, 0.05
"""How much beyond still counts as kept by AC power flow."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What the network must keep; a remedy may change it."""

    v_pu_min: Floats
    v_pu_max: Floats
    loading: Floats
    """Of every branch, as a share of the source's limit, (branches,)."""
    firm: FirmLimits
    """At the upstream connection."""
    cells: dict[str, FirmLimits]


@final
@dataclass(slots=True, eq=False)
class Watch:
    """What is watched: node rows (high, low), and branches (rows of the network's own)."""

    high: set[int] = field(default_factory=set)
    low: set[int] = field(default_factory=set)
    branch: set[int] = field(default_factory=set)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """`on_p @ p[:, t] + on_q @ q[:, t] <= bound`, (R,) rows in units of the kW that moves each most."""

    ask: tuple[Ask, ...]
    t: Ints
    on_p: Floats
    on_q: Floats
    """Per kW and kvar drawn at each of `nodes`, (R, nodes)."""
    bound: Floats
    scale: Floats
    """One unit of the row in the physical unit (pu, share, kW), (R,)."""
    nodes: Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """How far a state is beyond its limits: the worst in pu, share of limit, kW; and what is."""

    v_pu: float
    loading: float
    p_kw: float
    said: tuple[tuple[str, str, int, float], ...]
    """(what, thing, interval, by how much) of everything beyond."""

    @property
    def kept(self) -> bool:
        """Whether everything is kept."""
        return self.v_pu <= KEPT_V_PU and self.loading <= KEPT_LOADING and self.p_kw <= KEPT_KW


@final
class Network:
    """An area's network as one piece. `v_pu` (T,) is the source's voltage where it is not the same all day."""

    def __init__(self, grid: Grid, archipelago: Archipelago, v_pu: Floats | None = None) -> None:
        one = Archipelago((Cell("area", "", "substation"),), (), np.zeros(len(grid.nodes), dtype=np.int64))
        self.grid, self.archipelago = grid, archipelago
        self.net: CellNetwork = cell_networks(grid, one)[0]
        self.live: Bools = live(grid)
        self.v_pu = v_pu
        self._truth: dict[float, PowerFlow] = {}

    def with_grid(self, grid: Grid) -> Network:
        """The same with a tap or a switch moved."""
        return Network(grid, self.archipelago, self.v_pu)

    def source(self, t_count: int) -> Floats:
        """The source's voltage, (T,)."""
        return np.full(t_count, self.grid.source.v_pu) if self.v_pu is None else self.v_pu

    @cached_property
    def _owner(self) -> Ints | None:
        """Cell of every branch; asked only where cells have limits. Raises GridError where cells do not fit."""
        if not self.archipelago.tie:
            return None
        point = fused(self.grid)
        return branch_owners(self.grid, self.archipelago, point, live_points(self.grid, point))

    def limits(self, case: Case) -> Limits:
        """What the scenario and the wishes say."""
        grid, t_count = self.grid, len(case.horizon)
        firm = case.wishes.firm or case.scenario.connection.over(t_count)
        none = np.zeros(t_count)
        if case.scenario.island.off_grid:
            firm = FirmLimits(none, none)
        if case.wishes.outage is not None:
            first, end = case.wishes.outage
            imports, exports = firm.import_kw.copy(), firm.export_kw.copy()
            imports[first:end] = exports[first:end] = 0.0
            firm = FirmLimits(imports, exports)
        loading = np.ones(len(grid.branch_id))
        return Limits(grid.nodes.v_pu_min, grid.nodes.v_pu_max, loading, firm, dict(case.wishes.cells))

    def state(self, p_kw: Floats, q_kvar: Floats, guess: CellFlow | None = None) -> CellFlow:
        """Solve all intervals. Raises Diverged."""
        return self.net.flow(p_kw, q_kvar, self.source(p_kw.shape[1]), None if guess is None else guess.v)

    def losses_of(self, cell: str, flow: CellFlow) -> tuple[Bools, Floats]:
        """Nodes of a cell with all below it, and the losses in their branches (its tie's among them), (T,)."""
        row = self.archipelago.index(cell)
        cells = below(self.archipelago, row)
        inside = np.isin(self.archipelago.node_cell, cells)
        if self._owner is None:
            return inside, flow.losses_kw
        mine = np.isin(self._owner[self.net.branches], cells)
        v = np.concatenate([flow.v[self.net.first], self.source(flow.v.shape[1])[None, :]])
        own = np.flatnonzero(mine)
        i_from, i_to = self.net._branch_currents(v, own)
        ends = v[self.net.ends[:, own]]
        return inside, np.asarray((ends[0] * np.conj(i_from) + ends[1] * np.conj(i_to)).real.sum(axis=0) * 1e3)

    def look(self, flow: CellFlow, limits: Limits, watch: Watch) -> None:
        """Remember what is beyond its limit, furthest first."""
        v = np.abs(flow.v)
        for known, beyond in ((watch.high, v - limits.v_pu_max[:, None]), (watch.low, limits.v_pu_min[:, None] - v)):
            _most(known, np.where(self.live[:, None], beyond, -1.0), 0.0)
        if len(self.net.branches):
            _most(watch.branch, flow.loading - limits.loading[self.net.branches, None], 0.0)

    def rows(
        self, flow: CellFlow, p_kw: Floats, q_kvar: Floats, limits: Limits, watch: Watch, reach: tuple[Floats, Floats]
    ) -> Rows:
        """The limits that may bind, linear around `flow` at `p_kw`, `q_kvar` (nodes, T).

        `reach` (nodes, T) each: how far choices may raise and lower what nodes draw [kW].
        """
        net, t_count = self.net, p_kw.shape[1]
        v = np.abs(flow.v)
        room_high = np.where(self.live[:, None], limits.v_pu_max[:, None] - v, 9.0)
        room_low = np.where(self.live[:, None], v - limits.v_pu_min[:, None], 9.0)
        room_load = limits.loading[net.branches, None] - flow.loading
        highs, lows = _near(room_high, NEAR_V_PU, watch.high), _near(room_low, NEAR_V_PU, watch.low)
        loads = _near(room_load, NEAR_LOADING, watch.branch)
        nodes_v = np.unique([n for n, _ in highs + lows]).astype(np.int64)
        branches = np.unique([b for b, _ in loads]).astype(np.int64)
        inject = np.flatnonzero(self.live & (np.abs(p_kw).any(axis=1) | (reach[0] + reach[1]).any(axis=1)))
        inject = np.union1d(inject, nodes_v)
        drawn_p, drawn_q = np.where(self.live[:, None], p_kw, 0.0), np.where(self.live[:, None], q_kvar, 0.0)
        source = self.source(t_count)
        sens = net.sensitivities(flow, drawn_p, drawn_q, source, inject, nodes_v, branches, across=True)
        v_out = {int(n): 2 + i for i, n in enumerate(nodes_v)}
        b_out = {int(b): 2 + len(nodes_v) + i for i, b in enumerate(branches)}
        wanted: list[tuple[int, int, float, float, float, Ask]] = []  # output, t, sign, cross, room, ask
        ids, branch_id = self.grid.nodes.id, self.grid.branch_id
        for n, t in highs:
            wanted.append((v_out[n], t, 1.0, 0.0, float(room_high[n, t]), Ask("voltage high", ids[n], t)))
        for n, t in lows:
            wanted.append((v_out[n], t, -1.0, 0.0, float(room_low[n, t]), Ask("voltage low", ids[n], t)))
        for b, t in loads:
            name, limit = branch_id[net.branches[b]], float(limits.loading[net.branches[b]])
            for a in AROUND:
                room = limit - math.cos(a) * float(flow.loading[b, t])
                wanted.append((b_out[b], t, math.cos(a), math.sin(a), room, Ask("loading", name, t)))
        for side, values, what in (
            (1.0, limits.firm.import_kw, "import limit"), (-1.0, limits.firm.export_kw, "export limit"),
        ):  # fmt: skip
            wanted += [
                (0, int(t), side, 0.0, float(values[t] - side * flow.p_b_kw[t]), Ask(what, "", int(t)))
                for t in np.flatnonzero(np.isfinite(values))
            ]
        out_f, t_f, sign, cross, left = (
            (np.array([w[i] for w in wanted]) for i in range(5)) if wanted else np.zeros((5, 0))
        )
        output, when_t = out_f.astype(np.int64), t_f.astype(np.int64)
        other = np.where((cross != 0.0), output + len(branches), output)
        on_p, on_q = (
            d[output, :, when_t] * sign[:, None] + np.where(cross != 0.0, cross, 0.0)[:, None] * d[other, :, when_t]
            for d in (sens.d_p, sens.d_q)
        )
        asks = [w[5] for w in wanted]
        more_p, more_t, more_room = [on_p], [when_t], [left]
        for cell, firm in limits.cells.items():
            inside, lost = self.losses_of(cell, flow)
            now = drawn_p[inside].sum(axis=0) + lost
            for side, values, what in ((1.0, firm.import_kw, "cell import"), (-1.0, firm.export_kw, "cell export")):
                when = np.flatnonzero(np.isfinite(values))
                more_p.append(np.repeat(side * inside[inject][None, :].astype(np.float64), len(when), axis=0))
                more_t.append(when)
                more_room.append(values[when] - side * now[when])
                asks += [Ask(what, cell, int(k)) for k in when]
        on_p, rooms = np.concatenate(more_p), np.concatenate(more_room)
        at = np.concatenate(more_t).astype(np.int64)
        on_q = np.concatenate([on_q, np.zeros((len(on_p) - len(on_q), len(inject)))])
        scale = np.maximum(np.abs(on_p).max(axis=1, initial=0.0), 1e-9)
        on_p, on_q, rooms = on_p / scale[:, None], on_q / scale[:, None], rooms / scale
        up, down = reach
        worst = (np.maximum(on_p, 0.0) * up[inject][:, at].T + np.maximum(-on_p, 0.0) * down[inject][:, at].T).sum(
            axis=1
        )
        keep = worst * 1.3 + 5.0 > rooms
        here = (on_p * drawn_p[inject][:, at].T + on_q * drawn_q[inject][:, at].T).sum(axis=1)
        kept = np.flatnonzero(keep)
        return Rows(
            tuple(asks[k] for k in kept), at[kept], on_p[kept], on_q[kept], (rooms + here)[kept], scale[kept], inject
        )

    def truth(self, p_kw: Floats, q_kvar: Floats, limits: Limits) -> Beyond:
        """What AC power flow by power-grid-model says of these powers, (nodes, T)."""
        said: list[tuple[str, str, int, float]] = []
        worst = np.full(3, -np.inf)
        ids, branch_id = self.grid.nodes.id, self.grid.branch_id
        try:
            for t, flow in enumerate(self._solved(p_kw, q_kvar)):
                alive = self.live
                high = np.where(alive, flow.v_pu - limits.v_pu_max, -1.0)
                low = np.where(alive, limits.v_pu_min - flow.v_pu, -1.0)
                load = flow.loading - limits.loading
                area = max(
                    flow.upstream_p_kw - limits.firm.import_kw[t], -flow.upstream_p_kw - limits.firm.export_kw[t]
                )
                for cell, firm in limits.cells.items():
                    metered = self._metered(cell, flow.branch_p_kw.sum(axis=0), p_kw[:, t])
                    over = max(metered - firm.import_kw[t], -metered - firm.export_kw[t])
                    area = max(area, over)
                    if over > KEPT_KW:
                        said.append(("cell import" if metered > 0 else "cell export", cell, t, over))
                worst = np.maximum(worst, [max(high.max(), low.max()), load.max(initial=-1.0), area])
                for what, values, names, least in (
                    ("voltage high", high, ids, KEPT_V_PU), ("voltage low", low, ids, KEPT_V_PU),
                    ("loading", load, branch_id, KEPT_LOADING),
                ):  # fmt: skip
                    said += [(what, names[k], t, float(values[k])) for k in np.flatnonzero(values > least)]
                if area > KEPT_KW and (not said or said[-1][2] != t or not said[-1][0].startswith("cell")):
                    side = "import limit" if flow.upstream_p_kw > 0 else "export limit"
                    said.append((side, "", t, float(area)))
        except Diverged:
            return Beyond(np.inf, np.inf, np.inf, (("voltage collapse", "", 0, np.inf),))
        return Beyond(float(worst[0]), float(worst[1]), float(worst[2]), tuple(said))

    def _solved(self, p_kw: Floats, q_kvar: Floats) -> Iterator[Flow]:
        """Flows of all intervals, each at the source's voltage then."""
        v = np.round(self.source(p_kw.shape[1]), 7)
        for volt in np.unique(v).tolist():
            if volt not in self._truth:
                self._truth[volt] = PowerFlow(replace(self.grid, source=replace(self.grid.source, v_pu=volt)))
        if (v == v[0]).all():
            yield from self._truth[float(v[0])].solve_all(p_kw, q_kvar)
            return
        for t, volt in enumerate(v.tolist()):
            yield self._truth[volt].solve(p_kw[:, t], q_kvar[:, t])

    def _metered(self, cell: str, lost_kw: Floats, p_kw: Floats) -> float:
        """Power at a cell's boundary: what its nodes draw and its branches lose."""
        cells = below(self.archipelago, self.archipelago.index(cell))
        inside = np.isin(self.archipelago.node_cell, cells) & self.live
        mine = lost_kw if self._owner is None else lost_kw[np.isin(self._owner, cells)]
        return float(p_kw[inside].sum() + mine.sum())


def _most(known: set[int], beyond: Floats, least: float) -> None:
    """Add the rows that are furthest beyond in some interval."""
    if beyond.size:
        worst = beyond.max(axis=1)
        first = np.argsort(-worst, kind="stable")[:REMEMBERED]
        known.update(first[worst[first] > least].tolist())
        at = beyond.argmax(axis=0)
        known.update(at[beyond[at, np.arange(beyond.shape[1])] > least].tolist())


def _near(room: Floats, near: float, known: set[int]) -> list[tuple[int, int]]:
    """(row, interval) of what has least room, and of what is known."""
    if not room.size:
        return []
    first = np.argsort(room, axis=0, kind="stable")[:WATCHED]
    t = np.broadcast_to(np.arange(room.shape[1]), first.shape)
    close = room[first, t] < near
    found = set(zip(first[close].tolist(), t[close].tolist(), strict=True))
    return sorted(found | {(n, k) for n in known for k in range(room.shape[1])})
