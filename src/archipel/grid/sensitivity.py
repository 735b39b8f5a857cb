"""True derivatives of a constant-power network at a solved state, by its adjoint.

With V = w v_b + Z I and I = -conj(S / V), a small change obeys

    dV = w dv_b + Z (D conj(dV) - conj(dS) / conj(V)),   D = conj(S) / conj(V)^2.

For an output with dy = Re(c^T dV) + (dy/dv_b) dv_b, let a = c + conj(D g) and g = Z^T a. Then Re(c^T dV) is
Re(a^T b) for every right-hand side b of the line above, so that

    dy/dp + j dy/dq = -g / conj(V)  at every node,   dy/dv_b += Re(a^T w).

One fixed point in g per output (all nodes at once) in place of one per node; it contracts like the power flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.grid.branch_model import Complexes
from archipel.model import Diverged, Floats, Ints

TOLERANCE = 1e-8
ROUNDS = 80


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sensitivities:
    """Derivatives of outputs (rows) with respect to power drawn at nodes (columns) and boundary voltage."""

    d_p: Floats
    """Per kW drawn, shape (outputs, m, T): kW, kvar, pu or share of the limit per kW."""
    d_q: Floats
    """Per kvar drawn, shape (outputs, m, T)."""
    d_v: Floats
    """Per pu of boundary voltage, shape (outputs, T)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Outputs as linear forms of the rows' voltages, dy = Re(c^T dV) + direct_v dv_b, in per unit."""

    zc: Complexes
    """Z^T c, shape (rows, outputs, T)."""
    cw: Complexes
    """c^T w, shape (outputs, T)."""
    direct_v: Floats
    """Shape (outputs, T)."""


def adjoint(
    where: str, z: Complexes, w: Complexes, v: Complexes, s: Complexes, outputs: Outputs, inject: Ints
) -> Sensitivities:
    """Per-unit derivatives of `outputs` at voltages `v` and drawn powers `s`, shape (rows, T), at the rows `inject`.

    Relative to the largest derivative of each output they are accurate to `TOLERANCE`. Raises Diverged, naming
    `where`, when the state is too near to voltage collapse for derivatives to be found.
    """
    count, steps = outputs.direct_v.shape
    loaded = np.flatnonzero(s.any(axis=1))
    v_loaded = v[loaded]
    conj_d = np.asarray(s[loaded] / v_loaded**2)[:, None, :]  # of D
    zc = outputs.zc[loaded]
    # All outputs are brought to size one, so that one number tells when they have settled.
    size = np.abs(zc).max(axis=(0, 2), initial=0.0)
    size = np.where(size > 0, size, 1.0)[None, :, None]
    zc = zc / size
    z_loaded_t = np.ascontiguousarray(z[np.ix_(loaded, loaded)].T)
    x = _settled(where, z_loaded_t, zc, conj_d) * size  # x = conj(D g) at loaded rows

    flat = x.reshape(len(loaded), count * steps)
    g = outputs.zc[inject] + (z[np.ix_(loaded, inject)].T @ flat).reshape(len(inject), count, steps)
    h = np.moveaxis(-g / np.conj(v[inject])[:, None, :], 0, 1)
    d_v = outputs.direct_v + (outputs.cw + (w[loaded] @ flat).reshape(count, steps)).real
    return Sensitivities(d_p=h.real, d_q=h.imag, d_v=d_v)


def _settled(where: str, z_t: Complexes, zc: Complexes, conj_d: Complexes) -> Complexes:
    """conj(D g) where g = zc + Z^T conj(D g)."""
    shape = zc.shape
    x = np.conj(zc) * conj_d
    if x.size == 0:
        return np.asarray(x)
    change = np.inf
    for _ in range(ROUNDS):
        g = (z_t @ x.reshape(shape[0], -1)).reshape(shape)
        g += zc
        np.conjugate(g, out=g)
        g *= conj_d
        np.subtract(g, x, out=x)
        before, change = change, float(np.abs(x.view(np.float64)).max())
        x = g
        # Rounds shrink the change by about the same factor, so what is left is the rest of a geometric series.
        shrink = change / before if before > 0 else 0.0
        if change <= TOLERANCE * 1e-3 or (0 < shrink < 1 and change * shrink <= TOLERANCE * (1 - shrink)):
            return x
        if not np.isfinite(change):
            break
    raise Diverged(f"{where} (its derivatives)", ROUNDS, change)
