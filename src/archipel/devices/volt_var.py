"""Reactive power of inverters: a curve on the voltage, a setpoint that yields to bad voltages, columns to plan it.

    q drawn / s                                  without a lease (volt-var curve)
     0.44 |                        ____
          |                       /
        0 |          ____________/
          |         /
    -0.44 |   _____/
          +------0.92--0.98--1.02--1.08----- v [pu]

With a lease the inverter holds the reactive power it was told as long as the voltage is in 0.90..1.10 pu. Outside,
it moves linearly from the setpoint to everything it has at 0.88 (giving) and 1.12 pu (drawing).

Source of the curve: IEEE Std 1547-2018, table 8, category B defaults. Active power has priority: an inverter at full
power has no reactive power left.
"""

from __future__ import annotations

import numpy as np

from archipel.devices.shared import row_names, with_room
from archipel.model import Bools, Floats, Horizon, Ints
from archipel.optimisation.columns import Columns, tiny_quad

Q_SHARE = 0.44
"""Largest reactive power as a share of the rating."""
CURVE_V_PU = (0.92, 0.98, 1.02, 1.08)
CURVE_Q = (-1.0, 0.0, 0.0, 1.0)
"""Corners of the volt-var curve; reactive power drawn as a share of `Q_SHARE` times the rating."""
LEASE_V_PU = (0.88, 0.90, 1.10, 1.12)
"""Outside the inner pair a leased inverter leaves its setpoint, beyond the outer pair it gives all it has."""


def q_kvar_max(s_kva: Floats, p_kw: Floats, volt_var: Bools) -> Floats:
    """Reactive power left beside `p_kw`: min(0.44 s, sqrt(s^2 - p^2)); zero where there is no such inverter."""
    left = np.sqrt(np.maximum(s_kva**2 - p_kw**2, 0.0))
    return np.where(volt_var, np.minimum(Q_SHARE * s_kva, left), 0.0)


def q_kvar_at(sensed_v_pu: Floats, q_max: Floats, s_kva: Floats, q_set_kvar: Floats) -> Floats:
    """Reactive power drawn [kvar]: the curve without a lease (NaN), else the setpoint and its local correction."""
    curve = np.interp(sensed_v_pu, CURVE_V_PU, CURVE_Q) * Q_SHARE * s_kva
    pull = np.interp(sensed_v_pu, LEASE_V_PU, (-1.0, 0.0, 0.0, 1.0))
    leased = (1.0 - np.abs(pull)) * np.clip(q_set_kvar, -q_max, q_max) + pull * q_max
    return np.where(np.isnan(q_set_kvar), np.clip(curve, -q_max, q_max), leased)


def reactive_columns(
    ids: tuple[str, ...], node: Ints, rows: Ints, s_kva: Floats, available_kw: Floats, horizon: Horizon
) -> Columns:
    """One control per device of `rows`: reactive power within what full active power (rows, T) leaves of its rating."""
    s = s_kva[rows, None]
    q_max = np.minimum(Q_SHARE * s, np.sqrt(np.maximum(s**2 - available_kw**2, 0.0)))[:, None]
    lo, hi = with_room(-q_max, q_max)
    return Columns(
        device=row_names(ids, rows),
        node=node[rows],
        p=np.zeros((len(rows), 1)),
        q=np.ones((len(rows), 1)),
        lo=lo,
        hi=hi,
        cost=np.zeros(lo.shape),
        quad=tiny_quad(hi, lo, horizon.dt_h),
    )


def beside(first: Columns, second: Columns) -> Columns:
    """Both sets of columns without stores, the first before the second."""

    def join(a: Floats, b: Floats) -> Floats:
        return np.concatenate([a, b])

    return Columns(
        device=first.device + second.device,
        node=np.concatenate([first.node, second.node]),
        p=join(first.p, second.p),
        q=join(first.q, second.q),
        lo=join(first.lo, second.lo),
        hi=join(first.hi, second.hi),
        cost=join(first.cost, second.cost),
        quad=join(first.quad, second.quad),
    )
