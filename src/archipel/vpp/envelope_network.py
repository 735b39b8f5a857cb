"""How much room the network has left when all points are at their limits at once.

In a radial network the voltage of every node rises with what any point gives and falls with what it draws, and the
power through a branch is what the points behind it give less what they draw. So over all mixtures of behaviours inside
the limits

    highest voltages          all give all they may, fixed load and reactive power drawn at their least
    lowest voltages           all draw all they may, fixed load and reactive power drawn at their most
    power towards the source  all behind the branch give all they may
    power from the source     all behind the branch draw all they may

and with reactive power at either end of its range these are four AC power flows per interval, the *corners*. Currents
also depend on the voltage, which others may hold down: a branch on which power comes back is judged at the voltage it
has when everybody else draws.

Sources: that voltages rise with every injection, by sums of the impedances that two nodes' ways to the source share,
M. E. Baran, F. F. Wu, "Network reconfiguration in distribution systems for loss reduction and load balancing", IEEE
Trans. Power Del. 4 (1989), doi:10.1109/61.25627; limits that are safe for whatever is done inside them, B. Liu,
J. H. Braslavsky, "Robust dynamic operating envelopes for DER integration in unbalanced distribution networks", IEEE
Trans. Power Syst. 39 (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import branch_model
from archipel.grid.power_flow import Flow, PowerFlow
from archipel.grid.topology import branch_ends, fused, live_points
from archipel.model import Bools, Diverged, Floats, GridError, Ints, Scenario
from archipel.vpp.envelope import Broken, Points
from archipel.vpp.envelope_points import Loads

PROBE_KW = 5.0
"""What a point gives to find what that does."""
LOSSES_MARGIN = 0.005
"""Share of the firm limits upstream that is always kept clear: losses, and so what reaches them, are least somewhere
between the corners of reactive power, not at one."""
AT_ONCE = 64
"""Points probed in one batch; more only takes memory."""
FAINT = 1e-3
"""A point that moves a branch by a smaller share of its own power is not behind it (it moves losses)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """AC states of T intervals; NaN in intervals without a solution."""

    v_pu: Floats
    """Shape (nodes, T)."""
    up_kw: Floats
    """Power towards the source at from and to end of every branch, shape (2, branches, T)."""
    q_kvar: Floats
    head_kw: Floats
    """Power given to the upstream grid, shape (T,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What is left to every limit at the corners, shape (rows, T), negative where it is broken.

    Rows are nodes, then branches, then the upstream connection; in units of power, see `Wires.slope`.
    """

    export: Floats
    imports: Floats
    v_high: Floats
    v_low: Floats
    """Voltages of the points, highest and lowest, shape (N, T)."""


@final
class Wires:
    """The network of a scenario as its connection points see it. Raises GridError where it is not radial."""

    def __init__(self, scenario: Scenario, points: Points) -> None:
        grid = scenario.grid
        self.points, self.scenario = points, scenario
        self._flow = PowerFlow(grid)
        self._upper = _upper_end(scenario)
        ends = branch_ends(grid)
        self._ends = np.stack([ends.from_node, ends.to_node])
        vn_kv = grid.nodes.vn_kv[self._ends]
        keep = 1.0 - scenario.margin_loading
        self._s_kva_max = np.sqrt(3.0) * vn_kv * branch_model(grid).limit_a * keep
        self.v_pu_max = grid.nodes.v_pu_max
        self._low = grid.nodes.v_pu_min + scenario.margin_v_pu
        self._high = grid.nodes.v_pu_max - scenario.margin_v_pu
        firm = 1.0 - max(scenario.margin_loading, LOSSES_MARGIN)
        self._export_max = scenario.connection.export_kw_max * firm
        self._import_max = scenario.connection.import_kw_max * firm
        self.nodes, self.branches = len(grid.nodes), len(grid.branch_id)
        self.slope, self.unit, self._live = self._probe()

    @property
    def tolerance(self) -> Floats:
        """What a row may be beyond without harm: a quarter of the scenario's margins, in power, shape (rows,)."""
        share = 0.25 * self.scenario.margin_loading
        kva = np.where(np.isfinite(self._s_kva_max), self._s_kva_max, 0.0).max(axis=0)
        firm = [x for x in (self._export_max, self._import_max) if np.isfinite(x)]
        volts = np.full(self.nodes, 0.25 * self.scenario.margin_v_pu) / self.unit[: self.nodes]
        return np.concatenate([volts, share * kva, [share * min(firm, default=0.0)]])

    def label(self, row: int, side: str) -> str:
        """Name of a limit; `side` is `import` or `export`."""
        what, name, _ = self._row(row, side)
        return f"{what} {name}"

    def broken(self, t: int, row: int, side: str, room: float) -> Broken:
        """The record of a limit beyond which fixed load alone is, by `-room`."""
        what, name, unit = self._row(row, side)
        return Broken(t, what, name, -room * unit)  # type: ignore[arg-type]

    def _row(self, row: int, side: str) -> tuple[str, str, float]:
        grid = self.scenario.grid
        if row < self.nodes:
            return "voltage high" if side == "export" else "voltage low", grid.nodes.id[row], float(self.unit[row])
        row -= self.nodes
        if row < self.branches:
            return "loading", grid.branch_id[row], 1.0 / float(self._s_kva_max[:, row].max())
        return f"{side} limit", grid.source.id, 1.0

    def room(self, import_kw: Floats, export_kw: Floats, loads: Loads, q_low: Floats, q_high: Floats) -> Room:
        """Room left at the four corners; limits (N, T), reactive power of the points between `q_low` and `q_high`."""
        give = [self._solve(-export_kw, q, loads.p_kw_min, lq) for q, lq in _both(q_low, q_high, loads)]
        draw = [self._solve(import_kw, q, loads.p_kw_max, lq) for q, lq in _both(q_low, q_high, loads)]
        at = self.points.node
        v_max, v_min = give[0].v_pu, draw[1].v_pu
        drop = np.take_along_axis(v_max - v_min, self._upper[:, None], axis=0)  # of the node above each branch
        rows = []
        with np.errstate(invalid="ignore"):
            unit = self.unit[: self.nodes, None]
            high = (self._high[:, None] - v_max) / unit
            low = (v_min - self._low[:, None]) / unit
            for sign, states, volts, firm in (
                (1.0, give, high, self._export_max),
                (-1.0, draw, low, self._import_max),
            ):
                free = [self._branch_room(s, sign, drop if sign > 0 else np.zeros_like(drop)) for s in states]
                head = firm - np.max([sign * s.head_kw for s in states], axis=0)
                every = np.concatenate([volts, np.minimum(*free), head[None]])
                rows.append(np.where(np.isnan(every), -np.inf, every))
                rows[-1][: self.nodes][~self._live] = np.inf
        return Room(rows[0], rows[1], v_max[at], v_min[at])

    def _branch_room(self, state: Solved, sign: float, drop: Floats) -> Floats:
        """Power by which the flow towards (sign 1) or from (-1) the source may grow on every branch."""
        v = np.maximum(state.v_pu[self._ends] - drop, 0.1)
        most = self._s_kva_max[:, :, None] * v
        q = np.abs(state.q_kvar)
        root = np.sqrt(np.maximum(most**2 - q**2, 0.0)) - np.maximum(q - most, 0.0)
        return np.asarray((root - sign * state.up_kw).min(axis=0))

    def _solve(self, p_kw: Floats, q_kvar: Floats, load_p: Floats, load_q: Floats) -> Solved:
        """AC states with the points at `p_kw`, `q_kvar` on top of the load."""
        p, q = load_p.copy(), load_q.copy()
        p[self.points.node] += p_kw
        q[self.points.node] += q_kvar
        return self.solve(p, q)

    def solve(self, p: Floats, q: Floats) -> Solved:
        """AC states of what all nodes draw, shape (nodes, T) each."""
        steps = p.shape[1]
        v, up, kvar = (np.full(s, np.nan) for s in ((self.nodes, steps), *[(2, self.branches, steps)] * 2))
        head = np.full(steps, np.nan)
        turn = np.where(self._ends[0] == self._upper, 1.0, -1.0)  # +1: the from end is nearer to the source
        for t, flow in enumerate(self._states(p, q)):
            if flow is None:
                continue
            v[:, t], head[t] = flow.v_pu, -flow.upstream_p_kw
            up[0, :, t], up[1, :, t] = -turn * flow.branch_p_kw[0], turn * flow.branch_p_kw[1]
            kvar[:, :, t] = flow.branch_q_kvar
        return Solved(v, up, kvar, head)

    def _states(self, p: Floats, q: Floats) -> list[Flow | None]:
        try:
            return list(self._flow.solve_all(p, q))
        except Diverged:
            return [self._one(p[:, t], q[:, t]) for t in range(p.shape[1])]

    def _one(self, p: Floats, q: Floats) -> Flow | None:
        try:
            return self._flow.solve(p, q)
        except Diverged:
            return None

    def _probe(self) -> tuple[Floats, Floats, Bools]:
        """(slope, unit, live): what a kW given at each point takes of every row (rows, N); rows of voltages are in
        units of what the point that moves them most does with a kW."""
        none = np.zeros((self.nodes, 1))
        base, n = self.solve(none, none), len(self.points)
        slope = np.zeros((self.nodes + self.branches + 1, n))
        for first in range(0, n, AT_ONCE):
            which = np.arange(first, min(first + AT_ONCE, n))
            p = np.zeros((self.nodes, len(which)))
            p[self.points.node[which], np.arange(len(which))] = -PROBE_KW
            moved = self.solve(p, np.zeros_like(p))
            volts = np.maximum(moved.v_pu - base.v_pu, 0.0)
            flows = (moved.up_kw - base.up_kw).max(axis=0)
            flows = np.where(flows > FAINT * PROBE_KW, flows, 0.0)
            slope[:, which] = np.concatenate([volts, flows, (moved.head_kw - base.head_kw)[None]]) / PROBE_KW
        unit = np.ones(len(slope))
        unit[: self.nodes] = np.maximum(slope[: self.nodes].max(axis=1, initial=0.0), 1e-9)
        slope /= unit[:, None]
        return slope, unit, base.v_pu[:, 0] > 0.0


def _both(q_low: Floats, q_high: Floats, loads: Loads) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    return (q_low, loads.q_kvar_min), (q_high, loads.q_kvar_max)


def _upper_end(scenario: Scenario) -> Ints:
    """For every branch the node of its end nearer to the source; the from end where nothing flows."""
    grid = scenario.grid
    ends, point = branch_ends(grid), fused(grid)
    through = ends.from_closed & ends.to_closed
    a, b = point[ends.from_node], point[ends.to_node]
    alive = live_points(grid, point)
    inner = np.flatnonzero(through & alive[a])
    if len(inner) != int(alive.sum()) - 1:
        raise GridError(
            f"found {len(inner)} live branches between {int(alive.sum())} live points; envelopes are for radial "
            "networks, which have one less than points: open a switch in every ring"
        )
    touching: dict[int, list[int]] = {}
    for k in inner.tolist():
        touching.setdefault(int(a[k]), []).append(k)
        touching.setdefault(int(b[k]), []).append(k)
    upper = ends.from_node.copy()
    seen, front = {int(point[grid.source.node])}, [int(point[grid.source.node])]
    while front:
        here = front.pop()
        for k in touching.get(here, []):
            there = int(b[k]) if int(a[k]) == here else int(a[k])
            if there not in seen:
                upper[k] = ends.from_node[k] if int(a[k]) == here else ends.to_node[k]
                seen.add(there)
                front.append(there)
    return upper
