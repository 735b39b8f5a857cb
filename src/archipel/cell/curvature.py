"""How much dearer losses become when powers move: a separable bound, so that linear plans stay where they are true.

Losses of a network are a quadratic form of the powers drawn at its nodes,

    losses = sum_ij a_ij (P_i P_j + Q_i Q_j) + b_ij (Q_i P_j - P_i Q_j),
    a_ij = Re(Z_ij) cos(d_i - d_j) / (|V_i| |V_j|),    b_ij = Re(Z_ij) sin(d_i - d_j) / (|V_i| |V_j|)

(the exact loss formula, O. I. Elgerd, Electric Energy Systems Theory, McGraw-Hill, 1982, with Z as a cell's network
sees it from its boundary). A linear problem sees only their slope. A quadratic form of H is at most the separable one
of

    D_i w_i = sum_j |H_ij| w_j        for any w > 0 (Gershgorin, scaled), with equality where all move by their w,

so adding 1/2 D_i (u_i - anchor_i)^2 to a plan makes it see the curvature of losses, and leaves it as separable as
it was. With w the range of every control all that a cell needs of the others is two numbers per interval and tie:

            bend (EUR/kW, EUR/kvar): what upstream losses add to the marginal cost when all below moves as far as it can
    parent ------------------------------------------------------> child
           <------------------------------------------------------
            reach (kW, kvar): how far all at and below the child can move
"""

from __future__ import annotations

import numpy as np

from archipel.cell.site import Duty, Site
from archipel.grid.branch_model import BASE_KVA
from archipel.grid.cell_network import CellFlow
from archipel.model import Floats

SHARE = 0.75
"""Of the bound that is used. Passes converge for anything above one half of it (proximal gradient method); the whole
bound is slow where controls move against each other, because for them it is far too large."""
LEAST_EUR_PER_KWH = 5e-3
"""Value of lost energy below which the bound does not fall: where energy is worth nothing or less it must not run."""
LEAST_RANGE = 1e-2
"""Range of a control (kW, kvar) below which it is taken for this: what hardly moves need not be held."""


def reach(what: Duty, below: Floats) -> Floats:
    """How far active and reactive power at the boundary can move [kW, kvar], shape (2, T).

    `below` is the same of every child cell, shape (children, 2, T).
    """
    span = what.hi - what.lo
    own = np.stack([np.abs(what.p) @ span, np.abs(what.q) @ span])
    return np.asarray(own + below.sum(axis=0))


def bend(site: Site, what: Duty, flow: CellFlow, below: Floats, above: Floats, worth: Floats) -> tuple[Floats, Floats]:
    """Stiffness of the own controls (N, T) [EUR per unit squared], and the `above` of every child (children, 2, T).

    `flow` is the AC state at the point of linearisation, `below` the reach of every child (children, 2, T), `above`
    what the parent told (2, T) [EUR/kW, EUR/kvar per interval; zero at the root], `worth` what a kWh lost in this cell
    costs in every interval [EUR/kW held for the interval], shape (T,).
    """
    span = what.hi - what.lo
    nodes, place = np.unique(np.concatenate([what.node, site.child_node]), return_inverse=True)
    moves = np.zeros((2, len(nodes), span.shape[1]))
    count = len(what.node)
    np.add.at(moves[0], place[:count], np.abs(what.p)[:, None] * span)
    np.add.at(moves[1], place[:count], np.abs(what.q)[:, None] * span)
    np.add.at(moves[0], place[count:], below[:, 0])
    np.add.at(moves[1], place[count:], below[:, 1])
    at_node = _marginal(site, flow, nodes, moves) * np.maximum(worth, LEAST_EUR_PER_KWH * what.horizon.dt_h)
    at_node += above[:, None, :]
    felt = np.abs(what.p)[:, None] * at_node[0, place[:count]] + np.abs(what.q)[:, None] * at_node[1, place[:count]]
    stiff = SHARE * felt / np.maximum(span, LEAST_RANGE)
    stiff[what.ends.control] = 0.0  # they stand still, what they move is stiff where it is decided
    if site.ties.decides:
        stiff[-len(site.ties.decides) :] = site.ties.bend(np.maximum(worth, LEAST_EUR_PER_KWH * what.horizon.dt_h))
    return stiff, at_node[:, place[count:]].swapaxes(0, 1)


def _marginal(site: Site, flow: CellFlow, nodes: np.ndarray, moves: Floats) -> Floats:
    """Rise of marginal losses at `nodes` [kW per kW or kvar] when they move by `moves` (2, n, T) kW or kvar, (2, n,
    T)."""
    network = site.network
    row = network.row[nodes]
    inside = np.flatnonzero(row >= 0)
    r = network.z[np.ix_(row[inside], row[inside])].real
    v = flow.v[nodes[inside]]
    out = np.zeros_like(moves)
    for t in range(moves.shape[2]):
        form = r * np.conj(1.0 / v[:, t])[:, None] / v[:, t]
        a, b = np.abs(form.real), np.abs(form.imag)
        p, q = moves[0, inside, t], moves[1, inside, t]
        out[0, inside, t], out[1, inside, t] = a @ p + b @ q, a @ q + b @ p
    return out * 2.0 / BASE_KVA
