"""A cell's own network as its planner sees it: from the boundary above down to its own nodes.

               slack node (of the cell above), |v| = v_b
    p_b, q_b ->  |
                 |   tie branch (owned by this cell)
                 o--------o--------o     own nodes; children draw at `Tie.upper_node`
                          |
                          x               a line with one open end only charges

With the slack eliminated the voltages follow from the currents that loads inject,

    V = w v_b + Z I,   I = -conj(S / V),   Z = inv(Y_rr),   w = -Z Y_rs        [pu, S positive when drawn]

a fixed point in V that contracts by about |Z| |S| / |V|^2 per round (the implicit Z-bus method). Powers do not
depend on the angle at the slack, so v_b is real. Nothing of the solution is shared with `power_flow`, which is
its referee in the tests.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import BASE_KVA, BranchModel, Complexes, branch_model, shunt_admittance
from archipel.grid.ownership import branch_owners, upper_nodes
from archipel.grid.sensitivity import Outputs, Sensitivities, adjoint
from archipel.grid.topology import branch_ends, fused, live_points
from archipel.model import Archipelago, Bools, Diverged, Floats, Grid, GridError, Ints

TOLERANCE_PU = 1e-10
ROUNDS = 60
SLACK, DEAD = -1, -2
_NO_CURRENT_PU = 1e-12
"""Below this the direction of a current means nothing and its derivative is taken as zero."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class CellFlow:
    """Solved states of a cell's network in T intervals."""

    v: Complexes
    """Voltage of the cell's nodes against the slack [pu], shape (local nodes, T); 0 where nothing is live."""
    p_b_kw: Floats
    q_b_kvar: Floats
    """Power drawn from the slack into this cell, metered above the tie (its losses included), shape (T,)."""
    loading: Floats
    """Current over the source's limit, the larger of both ends, shape (own branches, T)."""
    losses_kw: Floats
    """Losses in the cell's own branches, shape (T,)."""
    rounds: int
    """Rounds the fixed point took."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class CellNetwork:
    """The network of one cell, ready to be solved for many intervals at once. Made by `cell_networks`."""

    cell: str
    """Id of the cell."""
    nodes: Ints
    """Rows of `Grid.nodes` of all nodes of the cell, in rising order: the order of local rows."""
    local: Ints
    """Local row of every node of the grid, shape (grid nodes,); -1 for nodes of other cells."""
    slack_node: int
    """Row of the node above the tie; for the root the source's node."""
    branches: Ints
    """Own live branches as rows of the grid's branches (lines, then transformers), the tie's among them."""
    limit_a: Floats
    """The source's current limit at from and to end of own branches [A], shape (2, branches)."""

    # What follows is per electrical point, called row: live own nodes off the slack, fused nodes once.
    row: Ints
    """Row of every local node, shape (local nodes,); SLACK at the boundary's voltage, DEAD where nothing is live."""
    first: Ints
    """First local node of every row, shape (rows,)."""
    again: Ints
    """The other local nodes of rows that hold several."""
    z: Complexes
    """Inverse of the rows' admittance matrix, shape (rows, rows)."""
    w: Complexes
    """Voltages without load at v_b = 1, shape (rows,)."""
    y_slack: Complexes
    """Current out of the slack per voltage at every row, shape (rows,)."""
    y_own: complex
    """Current out of the slack per its own voltage."""
    ends: Ints
    """Row at from and to end of own branches, shape (2, branches); `len(w)` stands for the slack."""
    admittance: Complexes
    """Of own branches, by end whose current and end whose voltage it is, shape (2, 2, branches)."""
    loading_per_pu: Floats
    """Share of the limit per unit of current at from and to end, shape (2, branches)."""

    def flow(self, p_kw: Floats, q_kvar: Floats, v_b: Floats, guess: Complexes | None = None) -> CellFlow:
        """The states in which the nodes draw `p_kw`, `q_kvar` and the slack holds `v_b`.

        Shapes (local nodes, T), (local nodes, T), (T,). Powers include what child cells draw at their upper
        nodes; what dead nodes ask for is not served. `guess` is the `v` of a nearby state. Accurate to
        `TOLERANCE_PU`. Raises Diverged after `ROUNDS` rounds, GridError when an input is not a number.
        """
        s = self._at_rows(p_kw, q_kvar)
        if not (np.isfinite(s).all() and np.isfinite(v_b).all()):
            raise GridError(f"cell {self.cell}: found a power or boundary voltage that is not a number")
        loaded = np.flatnonzero(s.any(axis=1))
        no_load = self.w[:, None] * v_b
        start = no_load if guess is None else guess[self.first]
        current, rounds = self._currents(loaded, s[loaded], no_load[loaded], start[loaded])
        return self._measured(no_load + self.z[:, loaded] @ current, p_kw, q_kvar, v_b, rounds)

    def _currents(self, loaded: Ints, s: Complexes, no_load: Complexes, v: Complexes) -> tuple[Complexes, int]:
        """Currents injected at the loaded rows, and the rounds it took to find them."""
        if len(loaded) == 0:
            return np.zeros_like(s), 0
        z = self.z[np.ix_(loaded, loaded)]
        change = np.inf
        with np.errstate(all="ignore"):  # a diverging state runs through infinity and is told by `change`
            for rounds in range(1, ROUNDS + 1):
                new = z @ np.conj(s / v)
                np.subtract(no_load, new, out=new)
                v -= new
                change = float(np.abs(v.view(np.float64)).max())
                v = new
                if change <= TOLERANCE_PU:
                    return -np.conj(s / v), rounds
                if not np.isfinite(change):
                    break
        raise Diverged(f"cell {self.cell}", rounds, change)

    def _measured(self, v: Complexes, p_kw: Floats, q_kvar: Floats, v_b: Floats, rounds: int) -> CellFlow:
        """What a meter would read at row voltages `v`."""
        live, at_slack = self.row != DEAD, self.row == SLACK
        drawn = v_b * np.conj(self.y_slack @ v + self.y_own * v_b) * BASE_KVA
        p_b_kw = drawn.real + p_kw[at_slack].sum(axis=0)
        everywhere = np.concatenate([v, v_b[None, :], np.zeros((1, len(v_b)))])  # rows, SLACK at -2, DEAD at -1
        place = np.where(self.row >= 0, self.row, np.where(at_slack, len(v), len(v) + 1))
        i_from, i_to = np.abs(self._branch_currents(everywhere, np.arange(len(self.branches))))
        return CellFlow(
            v=everywhere[place],
            p_b_kw=p_b_kw,
            q_b_kvar=drawn.imag + q_kvar[at_slack].sum(axis=0),
            loading=np.maximum(i_from * self.loading_per_pu[0, :, None], i_to * self.loading_per_pu[1, :, None]),
            losses_kw=p_b_kw - p_kw[live].sum(axis=0),
            rounds=rounds,
        )

    def _branch_currents(self, v: Complexes, own: Ints) -> Complexes:
        """Currents into own branches at from and to end [pu], shape (2, len(own), T); `v` by row, then the slack."""
        at_from, at_to = v[self.ends[0, own]], v[self.ends[1, own]]
        y = self.admittance[:, :, own, None]
        return np.stack([y[0, 0] * at_from + y[0, 1] * at_to, y[1, 0] * at_from + y[1, 1] * at_to])

    def _at_rows(self, p_kw: Floats, q_kvar: Floats) -> Complexes:
        """Power drawn at every row [pu], shape (rows, T)."""
        s = (p_kw[self.first] + 1j * q_kvar[self.first]) / BASE_KVA
        np.add.at(s, self.row[self.again], (p_kw[self.again] + 1j * q_kvar[self.again]) / BASE_KVA)
        return np.asarray(s)

    def sensitivities(
        self,
        point: CellFlow,
        p_kw: Floats,
        q_kvar: Floats,
        v_b: Floats,
        inject: Ints,
        watch_v: Ints,
        watch_branch: Ints,
        *,
        across: bool = False,
    ) -> Sensitivities:
        """True derivatives of p_b, q_b, the watched voltages and the watched loadings, in that order.

        With `across`, one more output per watched branch follows at the end: the part of its loading at right angles
        to the present current, zero at the point, so that limits on the current's size can be put in any direction.

        With respect to what each `inject` node draws and to v_b, at `point`, which must be the `flow` of the same
        `p_kw`, `q_kvar`, `v_b`. `inject` and `watch_v` are local node rows, `watch_branch` rows of `branches`.
        Where both ends of a branch are near its larger loading the derivative is that of the larger end.
        Raises Diverged too near to voltage collapse.
        """
        v = point.v[self.first]
        outputs = self._outputs(v, v_b, watch_v, watch_branch, across)
        row = self.row[inject]
        inside = np.flatnonzero(row >= 0)
        found = adjoint(f"cell {self.cell}", self.z, self.w, v, self._at_rows(p_kw, q_kvar), outputs, row[inside])
        unit = np.ones((len(outputs.direct_v), 1))  # pu per MVA to pu per kW; powers are per unit on either side
        unit[2:] /= BASE_KVA
        d_p, d_q = (np.zeros((len(unit), len(inject), len(v_b))) for _ in range(2))
        d_p[:, inside], d_q[:, inside] = found.d_p * unit[:, :, None], found.d_q * unit[:, :, None]
        d_p[0, row == SLACK] = d_q[1, row == SLACK] = 1.0  # what is drawn right at the boundary passes no branch
        return Sensitivities(d_p=d_p, d_q=d_q, d_v=found.d_v * unit * BASE_KVA)

    def _outputs(self, v: Complexes, v_b: Floats, watch_v: Ints, watch_branch: Ints, across: bool) -> Outputs:
        rows, steps = v.shape
        count = 2 + len(watch_v) + (2 if across else 1) * len(watch_branch)
        zc = np.zeros((rows, count, steps), dtype=np.complex128)
        cw = np.zeros((count, steps), dtype=np.complex128)
        direct = np.zeros((count, steps))
        # One more row without voltage response stands for the slack, whose change is v_b's own.
        z, w = np.concatenate([self.z, np.zeros((1, rows))]), np.append(self.w, 0.0)

        i_slack = self.y_slack @ v + self.y_own * v_b
        for output, turn in ((0, 1.0 + 0j), (1, 1j)):  # p_b = Re(v_b i), q_b = -Im(v_b i) = Re(j v_b i)
            zc[:, output] = (self.y_slack @ self.z)[:, None] * (turn * v_b)
            cw[output] = (self.y_slack @ self.w) * (turn * v_b)
            direct[output] = (turn * (i_slack + self.y_own * v_b)).real

        for output, place in enumerate(self.row[watch_v], start=2):
            if place >= 0:
                towards = np.conj(v[place]) / np.abs(v[place])
                zc[:, output], cw[output] = self.z[place][:, None] * towards, self.w[place] * towards
            elif place == SLACK:
                direct[output] = 1.0

        current = self._branch_currents(np.concatenate([v, v_b[None, :]]), watch_branch)
        size = np.abs(current)
        per_pu = self.loading_per_pu[:, watch_branch, None]
        towards = np.divide(np.conj(current), size, out=np.zeros_like(current), where=size > _NO_CURRENT_PU)
        larger = size[1] * per_pu[1] > size[0] * per_pu[0]
        turns = [(1.0 + 0j, 0)]
        if across:
            # without a current any direction is as good as another
            towards = np.where(size > _NO_CURRENT_PU, towards, 1.0)
            turns.append((-1j, len(watch_branch)))
        for k, branch in enumerate(watch_branch):
            a, b = self.ends[:, branch]
            for turn, further in turns:
                output = 2 + len(watch_v) + further + k
                for end, counts in ((0, ~larger[k]), (1, larger[k])):
                    y_a, y_b = self.admittance[end, :, branch]
                    part = turn * towards[end, k] * per_pu[end, k] * counts
                    zc[:, output] += (y_a * z[a] + y_b * z[b])[:, None] * part
                    cw[output] += (y_a * w[a] + y_b * w[b]) * part
                    direct[output] += ((y_a * (a == rows) + y_b * (b == rows)) * part).real
        return Outputs(zc, cw, direct)


def cell_networks(grid: Grid, archipelago: Archipelago) -> tuple[CellNetwork, ...]:
    """The network of every cell, in cell order.

    An upstream grid of finite short-circuit power stands in the root's network as a reactance of its own; the root's
    boundary is then the ideal voltage behind it. Raises GridError, naming the element, when the cells do not fit
    the grid (see `branch_owners`) and when values are no use to a power flow.
    """
    point = fused(grid)
    alive = live_points(grid, point)
    owner = branch_owners(grid, archipelago, point, alive)
    model, ends = branch_model(grid), branch_ends(grid)
    whole = _Whole(
        grid=grid,
        model=model,
        point=point,
        alive=alive,
        end_points=np.stack([point[ends.from_node], point[ends.to_node]]),
        admittance=np.array([[model.ff, model.ft], [model.tf, model.tt]]),
    )
    cells = range(len(archipelago.cell))
    nodes, branches = _groups(archipelago.node_cell, len(cells)), _groups(owner, len(cells))
    above = upper_nodes(grid, archipelago)
    return tuple(
        _cell_network(whole, archipelago.cell[c].id, nodes[c], branches[c], int(above[c]), c == 0) for c in cells
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Whole:
    """What all cells' networks are cut from."""

    grid: Grid
    model: BranchModel
    point: Ints
    alive: Bools
    end_points: Ints
    admittance: Complexes


def _groups(owner: Ints, count: int) -> list[Ints]:
    """Row numbers of everything that belongs to owner 0, 1, ..., each in rising order."""
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(count + 1))
    return [order[a:b] for a, b in itertools.pairwise(bounds)]


def _cell_network(whole: _Whole, cell: str, nodes: Ints, branches: Ints, slack_node: int, root: bool) -> CellNetwork:
    source, node_point = whole.grid.source, whole.point[nodes]
    behind_reactance = root and np.isfinite(source.sk_mva)
    slack_point = -1 if behind_reactance else whole.point[slack_node]
    live = whole.alive[node_point]
    off_slack = live & (node_point != slack_point)
    first = np.flatnonzero(off_slack)[np.sort(np.unique(node_point[off_slack], return_index=True)[1])]
    n = len(first)
    row_of_point = np.full(len(whole.alive), n)  # what else an end may touch: the slack, or nothing when it is open
    row_of_point[node_point[first]] = np.arange(n)
    at = row_of_point[whole.end_points[:, branches]]
    admittance = whole.admittance[:, :, branches]

    y = np.zeros((n + 1, n + 1), dtype=np.complex128)
    for a in (0, 1):
        for b in (0, 1):
            np.add.at(y, (at[a], at[b]), admittance[a, b])
    standing = np.isin(whole.grid.shunts.node, nodes) & whole.alive[whole.point[whole.grid.shunts.node]]
    earthed = row_of_point[whole.point[whole.grid.shunts.node[standing]]]
    np.add.at(y, (earthed, earthed), shunt_admittance(whole.grid)[standing])
    if behind_reactance:
        joined = np.array([row_of_point[whole.point[slack_node]], n])
        y[np.ix_(joined, joined)] += np.array([[1, -1], [-1, 1]]) * (1e3 * source.sk_mva / BASE_KVA) / 1j
    z = np.asarray(np.linalg.inv(y[:n, :n]), dtype=np.complex128)
    local = np.full(len(whole.grid.nodes), -1)
    local[nodes] = np.arange(len(nodes))
    return CellNetwork(
        cell=cell,
        nodes=nodes,
        local=local,
        slack_node=slack_node,
        branches=branches,
        limit_a=whole.model.limit_a[:, branches],
        row=np.where(off_slack, row_of_point[node_point], np.where(live, SLACK, DEAD)),
        first=first,
        again=np.setdiff1d(np.flatnonzero(off_slack), first),
        z=z,
        w=-z @ y[:n, n],
        y_slack=y[n, :n],
        y_own=complex(y[n, n]),
        ends=at,
        admittance=admittance,
        loading_per_pu=whole.model.loading_per_pu[:, branches],
    )
