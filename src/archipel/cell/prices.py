"""What a price is made of: the parts of every boundary's and node's price, from a cell's own duals.

The price of P (or Q) drawn at a node is what one more kWh (kvarh) there costs the whole area. By the envelope theorem
it is the derivative of the Lagrangian; with the duals lambda (boundary's P and Q), theta (hinges) and omega (voltages
handed to children) of the cell's linear problem

    price_n = lambda_P dP_b/dp_n + lambda_Q dQ_b/dp_n + sum_r theta_r dy_r/dp_n + sum_c omega_c dv_c/dp_n.

lambda itself is such a sum in the cell above. Followed up to the root, where lambda is the upstream price, it falls
apart into

    energy      the upstream price, the same everywhere
    losses      upstream price x (change of upstream power per change here - 1)
    congestion  duals of branch and connection limits x their change per change here
    voltage     duals of voltage limits, and of the voltages handed to cells below, x their change per change here
    fees        network fees and the charge on the peak, which are hinges of power at a boundary

whose sum is the price, exactly. With the source as reference this is the decomposition of locational marginal prices of
F. C. Schweppe, M. C. Caramanis, R. D. Tabors, R. E. Bohn, Spot Pricing of Electricity, Kluwer, 1988, and E. Litvinov et
al., "Marginal loss modeling in LMP calculation", IEEE Trans. Power Syst. 19(2), 2004, with a voltage part as in L. Bai
et al., "Distribution locational marginal pricing (DLMP) for congestion management and voltage support", IEEE Trans.
Power Syst. 33(4), 2018, doi:10.1109/TPWRS.2017.2767632.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.cell.linear import Linear
from archipel.cell.site import Duty, Site, drawn_with_children
from archipel.model import PRICE_PARTS, Floats, Ints
from archipel.optimisation.block import Block
from archipel.optimisation.interior import CellSolver

ENERGY, LOSSES, CONGESTION, VOLTAGE, FEES = range(len(PRICE_PARTS))
OWN_IMPORT = "fee on own import"
AT_BOUNDARY = {OWN_IMPORT: 1.0, "fee on import": 1.0, "peak": 1.0, "import limit": 1.0, "export limit": -1.0}
"""Hinges of the power at the cell's own boundary, and their sign in it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Duals:
    """Prices inside a cell at the end of a plan [EUR per unit of the output and interval]."""

    hinge: Floats
    """Of every hinge, shape (R,)."""
    voltage: Floats
    """Of the voltage handed to every child, shape (children, T)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """All that the prices of a cell follow from."""

    linear: Linear
    parts: Floats
    """Of the price of P and Q at the own boundary [EUR per kW or kvar held for the interval], (parts, 2, T)."""
    duals: Duals


def duals_of(solver: CellSolver) -> Duals:
    """The duals a solver holds now."""
    return Duals(*solver.inner_prices())


def upstream_parts(price: Floats) -> Floats:
    """Parts of the root's boundary price (2, T), shape (parts, 2, T): all of it is energy."""
    out = np.zeros((len(PRICE_PARTS), *price.shape))
    out[ENERGY] = price
    return out


def child_parts(block: Block, parts: Floats, duals: Duals) -> Floats:
    """Parts of the price of P and Q at every child's boundary, shape (children, parts, 2, T).

    `parts` (parts, 2, T) is the same of the own boundary. Unit: EUR per kW or kvar held for the interval.
    """
    out, t_count = block.outputs, block.intervals
    first_port = 2 * t_count + len(block.hinges.bound)
    found = np.zeros((block.children, len(PRICE_PARTS), 2, t_count))
    for kind, effect in enumerate((out.on_p, out.on_q)):
        for child in range(block.children):
            on = effect[:, child]
            found[child, :, kind] = passed_on(parts, on[:t_count], on[t_count : 2 * t_count], kind)
            own = duals.hinge * on[2 * t_count : first_port]
            np.add.at(found[child, :, kind], (_part_of(block), out.t[2 * t_count : first_port]), own)
            handed = duals.voltage.ravel() * on[first_port:]
            np.add.at(found[child, VOLTAGE, kind], out.t[first_port:], handed)
    return found


def passed_on(parts: Floats, on_p: Floats, on_q: Floats, kind: int) -> Floats:
    """Parts of a price at a place whose P (`kind` 0) or Q (1) changes the boundary's by `on_p` and `on_q`, (..., T).

    Energy stays what it is; what the change of boundary power adds to it is the price of losses.
    """
    shape = (len(PRICE_PARTS),) + (1,) * (np.ndim(on_p) - 1) + (parts.shape[2],)
    p, q = parts[:, 0].reshape(shape), parts[:, 1].reshape(shape)
    found = p * on_p + q * on_q
    energy = np.broadcast_to((p, q)[kind][ENERGY], found[ENERGY].shape)
    found[LOSSES] += found[ENERGY] - energy
    found[ENERGY] = energy
    return np.asarray(found)


def node_parts(site: Site, what: Duty, linear: Linear, parts: Floats, duals: Duals) -> Floats:
    """Parts of the price of P and Q at every local node, shape (parts, 2, nodes, T); NaN where nothing is live.

    Unit: EUR per kW or kvar held for the interval. One solve of the network's adjoint for all nodes.
    """
    block, reads, point = linear.block, linear.reads, linear.point
    weight = _weights(site, linear, duals)
    every = np.arange(len(site.node_id))
    p, q = drawn_with_children(site, what, point.u, point.child_pq)
    sens = site.network.sensitivities(point.flow, p, q, point.v_pu, every, reads.nodes, reads.branches, across=True)
    found = np.empty((len(PRICE_PARTS), 2, len(every), block.intervals))
    for kind, effect in enumerate((sens.d_p, sens.d_q)):
        found[:, kind] = passed_on(parts, effect[0], effect[1], kind)
        found[:, kind] += np.einsum("kot,ont->knt", weight, effect)
    found[:, :, np.abs(point.flow.v[:, 0]) == 0.0] = np.nan
    return found


def node_prices(site: Site, what: Duty, priced: Priced) -> Floats:
    """Prices of P and Q at every local node [EUR/kWh, EUR/kvarh], (2, nodes, T): the sum of `node_parts`."""
    parts = node_parts(site, what, priced.linear, priced.parts, priced.duals)
    return np.asarray(parts.sum(axis=0) / what.horizon.dt_h)


def _weights(site: Site, linear: Linear, duals: Duals) -> Floats:
    """What every output of the network costs per unit, by part, shape (parts, outputs, T)."""
    block, reads = linear.block, linear.reads
    t_count, count = block.intervals, len(block.hinges.bound)
    across = len(reads.branches)
    weight = np.zeros((len(PRICE_PARTS), 2 + len(reads.nodes) + 2 * across, t_count))
    part, t = _part_of(block), block.outputs.t[2 * t_count : 2 * t_count + count]
    np.add.at(weight, (part, reads.output, t), duals.hinge * reads.sign / reads.unit)
    turned = np.flatnonzero(reads.cross)
    cross = duals.hinge[turned] * reads.cross[turned] / reads.unit[turned]
    np.add.at(weight, (part[turned], reads.output[turned] + across, t[turned]), cross)
    for child, node in enumerate(site.child_node.tolist()):
        weight[VOLTAGE, 2 + int(np.searchsorted(reads.nodes, node))] += duals.voltage[child]
    return weight


def worth_of_losses(block: Block, price: Floats, duals: Duals) -> Floats:
    """What a kW lost in this cell costs in every interval [EUR], (T,): the price at its boundary (2, T) and what hinges
    of the power there add."""
    out = price[0].copy()
    t = block.outputs.t[2 * block.intervals :]
    for r, (name, _) in enumerate(block.hinges.label):
        if name in AT_BOUNDARY:
            out[t[r]] += AT_BOUNDARY[name] * duals.hinge[r]
    return np.asarray(out)


def _part_of(block: Block) -> Ints:
    """The part that every hinge belongs to, shape (R,)."""

    def part(name: str) -> int:
        if name.startswith("fee") or name == "peak":
            return FEES
        return VOLTAGE if name.startswith("voltage") else CONGESTION

    return np.array([part(name) for name, _ in block.hinges.label], dtype=np.int64)
