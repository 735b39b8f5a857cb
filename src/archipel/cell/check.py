"""What the true AC state of a cell says about its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.cell.linear import NEAR_LOADING, NEAR_V_PU, SOON_STEPS, Memory, Reads
from archipel.cell.site import Site
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats, Horizon, Ints
from archipel.optimisation.block import Block

NOTHING_KW = 100.0
"""Where nothing may flow, excess is a share of this: what storage that forms the grid evens out."""
BRANCHES = 6
"""Branches beyond their limit remembered per check."""


@final
@dataclass(frozen=True, slots=True)
class Excess:
    """How far a state is beyond the source's own limits; negative: room left."""

    v_pu: float
    loading: float
    connection: float
    """Share of the firm limit at the upstream connection."""

    def array(self) -> Floats:
        """As numbers in this order."""
        return np.array([self.v_pu, self.loading, self.connection])


def excess(site: Site, horizon: Horizon, flow: CellFlow, memory: Memory) -> tuple[Excess, Excess]:
    """Compare a state with the limits, soon (before the next plan) and later in the horizon.

    What is furthest beyond in some interval, half the margin included, is remembered as worth watching.
    """
    v = np.abs(flow.v)
    live = np.flatnonzero(v[:, 0] > 0.0)
    high = v[live] - site.v_pu_max[live, None]
    low = site.v_pu_min[live, None] - v[live]
    load = flow.loading - 1.0
    _remember(memory.high, live, high, -0.5 * site.margin_v_pu)
    _remember(memory.low, live, low, -0.5 * site.margin_v_pu)
    if load.size:
        # lines do not rise and fall together as voltages do: where one is relieved the next one binds
        most = load.max(axis=1)
        first = np.argsort(-most, kind="stable")[:BRANCHES]
        memory.branch.update(first[most[first] > -0.5 * site.margin_loading].tolist())
    connection = np.full(len(horizon), -1.0)
    if site.limited:
        firm = site.firm(len(horizon))
        most, least = (np.where(x > 0.0, x, NOTHING_KW) for x in (firm.import_kw, firm.export_kw))
        connection = np.maximum(flow.p_b_kw / most - 1.0, -flow.p_b_kw / least - 1.0)
    soon = horizon.first < SOON_STEPS

    def worst(values: Floats, when: NDArray[np.bool_]) -> float:
        return float(values[..., when].max(initial=-1.0))

    def of(when: NDArray[np.bool_]) -> Excess:
        return Excess(max(worst(high, when), worst(low, when)), worst(load, when), worst(connection, when))

    return of(soon), of(~soon)


def v2_error(site: Site, reads: Reads, block: Block, y: Floats, flow: CellFlow) -> float:
    """Largest difference of squared voltages [pu^2] between a linear problem at its answer and AC power flow there.

    `y` are all outputs of the block (A,) at the boundary voltage that AC power flow found, `flow` the AC state. Looked
    at are the nodes children hang on, and every voltage a limit is watched for.
    """
    t_count, count = block.intervals, len(block.hinges.bound)
    true = np.abs(flow.v)
    ports = y[2 * t_count + count :].reshape(block.children, t_count)
    at = np.flatnonzero((reads.output >= 2) & (reads.output < 2 + len(reads.nodes)))
    told = y[2 * t_count + at] * reads.unit[at] * reads.sign[at]
    node, t = reads.nodes[reads.output[at] - 2], block.outputs.t[2 * t_count + at]
    errors = np.concatenate([(ports**2 - true[site.child_node] ** 2).ravel(), told**2 - true[node, t] ** 2])
    return float(np.abs(errors).max(initial=0.0))


def forget(site: Site, flow: CellFlow, memory: Memory) -> None:
    """Drop from the memory what has room again at the start of a new plan: watching costs work."""
    v, most = np.abs(flow.v), flow.loading.max(axis=1, initial=0.0)
    memory.high = {n for n in memory.high if v[n].max() > site.v_pu_max[n] - NEAR_V_PU}
    memory.low = {n for n in memory.low if v[n].min() < site.v_pu_min[n] + NEAR_V_PU}
    memory.branch = {b for b in memory.branch if most[b] > 1.0 - NEAR_LOADING}


def _remember(known: set[int], rows: Ints, beyond: Floats, from_: float) -> None:
    """Add what is furthest beyond in some interval: one of the many that rise and fall together."""
    if beyond.size:
        worst = np.argmax(beyond, axis=0)
        known.update(rows[worst[beyond[worst, np.arange(len(worst))] > from_]].tolist())


def what_gave(block: Block, y_hinge: Floats, e: Floats) -> list[str]:
    """Limits a schedule does not keep, in words: which, by how much, at what price."""
    said = []
    beyond = y_hinge - block.hinges.bound
    for r in np.flatnonzero(beyond > 1e-3):
        name, thing = block.hinges.label[r]
        if name.startswith("fee") or name == "peak":
            continue
        said.append(f"{name} {thing}: {beyond[r] * block.hinges.scale[r]:.4g} beyond".replace("  ", " "))
    missing = np.maximum(block.store_lo - e, 0.0).max(axis=1, initial=0.0)
    names = {int(k): n for n, k in reversed(list(enumerate(block.store_of.tolist())))}
    for k in np.flatnonzero(missing > 1e-2):
        group, column, _ = block.where[names[int(k)]]
        device = block.columns[group].device[column]
        said.append(f"energy of {device}: {missing[k]:.3g} missing at {block.store_price[k, 0]:.3g} EUR per unit")
    return said
