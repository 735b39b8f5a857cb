"""Small islands for the tests of their dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np

from archipel.grid.dynamics import Island, Load, Network, droop


def ring(terminals: int, z_pu: complex = 0.01 + 0.05j, base_kva: float = 1000.0) -> Network:
    """Equal lines in a ring; one line between two terminals, none at one."""
    y = np.zeros((terminals, terminals), dtype=np.complex128)
    for i in range(terminals if terminals > 2 else terminals - 1):
        j = (i + 1) % terminals
        y[[i, j], [i, j]] += 1 / z_pu
        y[[i, j], [j, i]] -= 1 / z_pu
    return Network(y, base_kva)


def load(p_kw: float = 500.0, q_kvar: float = 100.0, terminal: int = 0, **more: Any) -> Load:
    return Load(id="load", terminal=terminal, p_kw=p_kw, q_kvar=q_kvar, **more)


def two_droops(**more: Any) -> Island:
    """600 and 300 kVA, a load between them."""
    units = (droop("big", 0, 600.0, **more), droop("small", 1, 300.0, **more))
    return Island(ring(2), units, (load(450.0, 50.0),))
