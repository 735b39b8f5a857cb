"""Devices inside the limits of their connection: what a network allows is taken from them before anything is published.

limits per node --split_over_devices--> limits per column --within--> narrower columns --publish-->
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from archipel.devices.base import Plan
from archipel.model import Floats
from archipel.optimisation.columns import Columns
from archipel.vpp.baseline import is_filled

LEAST_KW = 1e-9


def split_over_devices(
    plans: Sequence[Plan], import_kw: Floats, export_kw: Floats
) -> tuple[tuple[Floats, Floats], ...]:
    """Limits of nodes split over the columns there, in proportion to what each could draw or give.

    Args:
        plans: of all devices behind the nodes whose power may change.
        import_kw: what these devices may draw together at every node, shape (nodes, T): the limit of the connection
            less the load that is drawn anyway. Below 0 counts as 0.
        export_kw: what they may give together, likewise.

    Returns:
        For every plan (import, export) of its columns, shape (K, T) each.
    """
    most, least = zip(*(_reach(plan.columns) for plan in plans), strict=True)
    parts = []
    for limit, wish in ((import_kw, most), (export_kw, tuple(-x for x in least))):
        total = np.zeros(limit.shape)
        for plan, one in zip(plans, wish, strict=True):
            np.add.at(total, plan.columns.node, np.maximum(one, 0.0))
        share = np.minimum(np.maximum(limit, 0.0) / np.maximum(total, LEAST_KW), 1.0)
        parts.append([share[plan.columns.node] * np.maximum(one, 0.0) for plan, one in zip(plans, wish, strict=True)])
    return tuple(zip(*parts, strict=True))


def within(plan: Plan, import_kw: Floats, export_kw: Floats) -> Plan:
    """The plan with columns that never draw more than `import_kw` or give more than `export_kw`, shape (K, T).

    Sun above the limit is cut from the outset; a battery keeps to it in both directions. A vehicle keeps to the lowest
    limit while it is there, all the time: who then gets too little gets what it can, at once.
    """
    columns = plan.columns
    sign = columns.p[:, :, None]
    if columns.store is not None and len(columns) and is_filled(columns.store):
        there = columns.hi[:, 0] > 2e-3
        import_kw = np.where(there, import_kw, np.inf).min(axis=1, keepdims=True)
    top, bottom = np.maximum(import_kw, 0.0)[:, None], np.maximum(export_kw, 0.0)[:, None]
    up = np.where(sign > 0, top, np.where(sign < 0, bottom, np.inf))
    down = np.where(sign > 0, bottom, np.where(sign < 0, top, np.inf))
    lo, hi = np.maximum(columns.lo, -down), np.minimum(columns.hi, up)
    return replace(plan, columns=replace(columns, lo=np.minimum(lo, hi), hi=hi, even=None))


def _reach(columns: Columns) -> tuple[Floats, Floats]:
    """Most and least power of every column, shape (K, T) each."""
    sign = columns.p[:, :, None]
    ends = np.sort(np.stack([sign * columns.lo, sign * columns.hi]), axis=0).sum(axis=2)
    return ends[1], ends[0]
