"""A MATPOWER case solved as MATPOWER does, as a referee for an import.

The admittance matrix is pandapower's own (from PYPOWER, a port of MATPOWER; extra `verify`), which gets plain arrays;
the equations are solved by Newton's method in polar form, with voltage-holding generators held.

Source: MATPOWER User's Manual, sections 3.2 (branches) and 4.1 (power flow).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from archipel.formats.networks.matpower_case import (
    BR_STATUS,
    BUS_TYPE,
    F_BUS,
    GEN_BUS,
    GEN_STATUS,
    ISOLATED,
    PD,
    PG,
    PQ,
    PV,
    QD,
    QG,
    REF,
    T_BUS,
    VA,
    VG,
    VM,
    Case,
)  # fmt: skip
from archipel.formats.referee import referee_there
from archipel.model import ExtraMissing, GridError

ROUNDS = 30
TOLERANCE_PU = 1e-8
PADDED = 30
"""Columns pandapower's branch matrix has at least; those MATPOWER does not know are zero."""


def reference_voltages(case: Case) -> dict[str, float]:
    """Voltage of every bus [pu] by our id; NaN where dead. Raises ExtraMissing and GridError."""
    if not referee_there():
        raise ExtraMissing("pandapower", "verify", "comparing voltages")
    from pandapower.pypower.makeYbus import makeYbus

    position = {int(number): i for i, number in enumerate(case.number)}
    on = case.branch[:, BR_STATUS] != 0
    branch = np.zeros((int(on.sum()), PADDED))
    branch[:, : min(case.branch.shape[1], 13)] = case.branch[on, :13]
    for column in (F_BUS, T_BUS):
        branch[:, column] = [position[int(i)] for i in branch[:, column]]
    bus, n = case.bus, len(case.bus)
    ends = branch[:, [F_BUS, T_BUS]].astype(np.int64)
    joined = sparse.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (n, n))
    part = connected_components(joined, directed=False)[1]
    fed = np.isin(part, part[bus[:, BUS_TYPE] == REF]) & (bus[:, BUS_TYPE] != ISOLATED)
    y = sparse.csr_array(makeYbus(case.base_mva, bus, branch.astype(np.complex128))[0])
    v = bus[:, VM] * np.exp(1j * np.deg2rad(bus[:, VA]))
    s = -(bus[:, PD] + 1j * bus[:, QD])
    kind = bus[:, BUS_TYPE].copy()
    held = np.zeros(n, dtype=np.bool_)
    for gen in case.gen[case.gen[:, GEN_STATUS] > 0]:
        at = position[int(gen[GEN_BUS])]
        s[at] += gen[PG] + 1j * gen[QG]
        if kind[at] in {PV, REF}:
            held[at], v[at] = True, gen[VG] * v[at] / abs(v[at])
    kind[(kind == PV) & ~held] = PQ
    v_pu = np.abs(_newton(y, s / case.base_mva, v, kind, fed))
    return {f"bus/{number}": float(v_pu[i]) if fed[i] else np.nan for i, number in enumerate(case.number)}


def _newton(y: Any, s: Any, v: Any, kind: Any, fed: Any) -> Any:
    """Voltages at which the network draws what the buses give. Raises GridError where there are none."""
    turning = np.flatnonzero(fed & (kind != REF))
    moving = np.flatnonzero(fed & (kind == PQ))
    v[turning] = np.abs(v[turning]) * np.exp(1j * np.angle(v[np.flatnonzero(kind == REF)[0]]))
    for _ in range(ROUNDS):
        current = y @ v
        mismatch = v * np.conj(current) - s
        wrong = np.concatenate([mismatch[turning].real, mismatch[moving].imag])
        if np.abs(wrong).max(initial=0.0) < TOLERANCE_PU:
            return v
        at_v, unit = sparse.diags_array(v), sparse.diags_array(v / np.abs(v))
        by_angle = (1j * at_v @ (sparse.diags_array(current) - y @ at_v).conj()).tocsr()
        by_size = (at_v @ (y @ unit).conj() + sparse.diags_array(np.conj(current)) @ unit).tocsr()
        jacobian = sparse.block_array(
            [
                [by_angle[turning][:, turning].real, by_size[turning][:, moving].real],
                [by_angle[moving][:, turning].imag, by_size[moving][:, moving].imag],
            ]
        ).tocsc()
        try:
            step = splu(jacobian).solve(wrong)
        except RuntimeError:  # a singular matrix
            break
        angle, size = np.angle(v), np.abs(v)
        angle[turning] -= step[: len(turning)]
        size[moving] -= step[len(turning) :]
        v = size * np.exp(1j * angle)
        if not np.isfinite(v).all():
            break
    raise GridError(
        "the case's own power flow (Newton's method) found no solution; look for kW written where MW was meant"
    )
