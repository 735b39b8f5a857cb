"""Small islands for the tests of their dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np

from archipel.grid.dynamics import Island, Load, Network, droop
from archipel.model import Grid, Lines, Nodes, Source, Switches, Transformers


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


def balanced_grid(lines: list[list[Any]], transformers: list[tuple[str, str]]) -> Grid:
    """Lines (id, from, to, r and x [ohm], c [nF]) at 4.16 kV; 1 MVA transformers to 0.48 kV, 0.4 % and 0.5 %; 60 Hz."""
    names = tuple(dict.fromkeys([bus for line in lines for bus in line[1:3]] + [low for _, low in transformers]))
    at = {name: row for row, name in enumerate(names)}
    low = {bus for _, bus in transformers}
    n, m, k = len(names), len(lines), len(transformers)

    def column(value: float, count: int = k) -> np.ndarray:
        return np.full(count, value)

    yes, yes_k = np.ones(m, dtype=np.bool_), np.ones(k, dtype=np.bool_)
    r, x, c = (np.array([line[i] for line in lines]) for i in (3, 4, 5))
    a, b = (np.array([at[line[i]] for line in lines]) for i in (1, 2))
    return Grid(
        Nodes(
            tuple(f"bus/{i}" for i in range(n)), names, np.array([0.48 if name in low else 4.16 for name in names]),
            column(0.9, n), column(1.1, n), column(np.nan, n), column(np.nan, n),
        ),
        Lines(tuple(f"line/{i}" for i in range(m)), tuple(line[0] for line in lines), a, b, r, x, c,
              column(0.0, m), column(1e6, m), yes, yes),
        Transformers(
            tuple(f"trafo/{i}" for i in range(k)), ("",) * k, np.array([at[high] for high, _ in transformers]),
            np.array([at[low] for _, low in transformers]), column(1000.0), column(4.16), column(0.48),
            column(float(np.hypot(0.4, 0.5))), column(0.4), column(0.0), column(0.0), column(0.0), yes_k,
            column(0.0), column(0.0), column(0.0), column(1.0), yes_k, yes_k,
        ),
        Switches((), (), np.zeros(0, dtype=np.int64), (), np.zeros(0, dtype=np.bool_)),
        Source("source", 0, 1.0),
        60.0,
    )  # fmt: skip
