"""Cells that take no part in a plan: to their parent they are a power that is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from archipel.cell.site import Duty, Site
from archipel.model import Floats, Horizon, Ints


def taking_part(site: Site, children: tuple[str, ...]) -> Site:
    """The cell with only these children."""
    if children == site.children:
        return site
    ties = site.ties.without([name for name in site.children if name not in children])
    at = dict(zip(site.children, site.child_node.tolist(), strict=True))
    node = np.array([at[name] for name in children], dtype=np.int64)
    return replace(site, children=children, child_node=node, ties=ties)


def with_fixed(site: Site, what: Duty, fixed_pq: Mapping[str, Floats]) -> Duty:
    """The duty with children as loads of a fixed power: (2, T) or (2, 1) of P and Q [kW, kvar] by name."""
    if not fixed_pq:
        return what
    base_p, base_q = what.base_p_kw.copy(), what.base_q_kvar.copy()
    node = taking_part(site, tuple(fixed_pq)).child_node
    for at, pq in zip(node, fixed_pq.values(), strict=True):
        base_p[at] += pq[0]
        base_q[at] += pq[1]
    return replace(what, base_p_kw=base_p, base_q_kvar=base_q)


def interval_before(before: Horizon, now: Horizon) -> Ints:
    """Of every interval of `now` the one of `before` that holds its middle, or is nearest to it."""
    middle = (now.start - before.start).total_seconds() / 900.0 + now.first + 0.5 * now.steps
    return np.asarray(np.clip(np.searchsorted(before.first, middle, side="right") - 1, 0, len(before) - 1))
