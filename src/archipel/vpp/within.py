"""Devices inside the limits of their connection: what a network allows is narrowed before anything is published.

Limits of single devices come from splitting an operating envelope over the devices behind a connection. What keeps to
its own limits is safe whatever all others do inside theirs, so what is published afterwards is safe as a sum, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archipel.devices.base import Plan
from archipel.model import Floats
from archipel.vpp.baseline import is_filled

THERE_KW = 2e-3
"""Above this a vehicle may draw: it is there."""


def within(plan: Plan, import_kw: Floats, export_kw: Floats) -> Plan:
    """The plan with columns that never draw more, or give more, than the limits of their devices.

    Sun above its limit is cut from the outset; a battery keeps to its limits both ways. A vehicle keeps to the lowest
    limit of the hours it may be there in all of them; who then gets too little gets what it can, at once.

    Args:
        plan: from `DeviceFleet.plan`.
        import_kw: what each device may draw, non-negative, shape (rows, T) as `plan.base_p_kw`.
        export_kw: what each may give, likewise.

    Raises:
        ValueError: for limits of another shape, that are no numbers, or below zero.
    """
    columns = plan.columns
    for name, limit in (("import_kw", import_kw), ("export_kw", export_kw)):
        if limit.shape != plan.base_p_kw.shape or not np.all(limit >= 0.0):
            raise ValueError(
                f"{name}: found shape {limit.shape} with a least value of {limit.min(initial=np.inf):g} kW; "
                f"expected {plan.base_p_kw.shape} (devices, intervals) and no limit below 0"
            )
    has = plan.column_of >= 0
    top, bottom = np.zeros((2, len(columns), columns.intervals))
    for total, limit in ((top, import_kw), (bottom, export_kw)):
        np.add.at(total, plan.column_of[has], limit[has])
    if columns.store is not None and len(columns) and is_filled(columns.store):
        there = columns.hi[:, 0] > THERE_KW
        top = np.where(there, top, np.inf).min(axis=1, keepdims=True)
    sign, most, least = columns.p[:, :, None], top[:, None], bottom[:, None]
    up = np.where(sign > 0, most, np.where(sign < 0, least, np.inf))
    down = np.where(sign > 0, least, np.where(sign < 0, most, np.inf))
    lo, hi = np.maximum(columns.lo, -down), np.minimum(columns.hi, up)
    return replace(plan, columns=replace(columns, lo=np.minimum(lo, hi), hi=hi, even=None))
