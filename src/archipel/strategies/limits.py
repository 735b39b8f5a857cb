"""Fixed import and export limits of cells, as a connection agreement gives them: computed once, safe together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.cell.parts import Parts
from archipel.cell.site import Site
from archipel.model import Diverged, Floats
from archipel.model.kinds import RENEWABLE
from archipel.strategies.whole import children_of

STEPS = 24
"""Halvings of the interval in which the largest safe share is sought."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class FixedLimits:
    """Limits of every cell on its own exchange [kW], non-negative, shape (cells,)."""

    import_kw: Floats
    export_kw: Floats


def fixed_limits(parts: Parts) -> FixedLimits:
    """The same share of installed renewables (export) and of rating (import) for every cell.

    The largest share such that all cells at their limits at the same time keep every voltage and loading outside the
    cells, and the firm limits of the substation, by AC power flow. The rating of an LV cell is its transformer's; that
    of a cell without one the highest load of its devices.
    """
    renewable, rating = _installed(parts)
    scenario = parts.scenario
    export = _largest(parts, -renewable, scenario.connection.export_kw_max) * renewable
    imports = _largest(parts, rating, scenario.connection.import_kw_max) * rating
    return FixedLimits(np.minimum(imports, rating), np.minimum(export, np.maximum(renewable, 0.0)))


def _installed(parts: Parts) -> tuple[Floats, Floats]:
    grid = parts.scenario.grid
    lines = len(grid.lines)
    row = {b: i for i, b in enumerate(grid.branch_id)}
    renewable, rating = np.zeros((2, len(parts.sites)))
    for i, own in enumerate(parts.own):
        load = 0.0
        for devices in own:
            fleet = devices.fleet
            renewable[i] += float(np.sum(getattr(fleet, "p_kw_peak", 0.0)))
            if fleet.kind == "generator":
                renewable[i] += float(np.sum(getattr(fleet, "p_kw", 0.0)))
            elif (box := getattr(fleet, "p_kw_range", None)) is not None:
                renewable[i] += float(np.maximum(-box[0], 0.0).sum()) if fleet.kind in RENEWABLE else 0.0
                load += float(np.maximum(box[1], 0.0).sum())
            elif fleet.kind != "pv":
                load += float(np.sum(getattr(fleet, "p_kw", 0.0)))
        tie = parts.tie_of[i]
        branch = row.get(parts.scenario.archipelago.tie[tie].id, -1) if tie >= 0 else -1
        is_transformer = branch >= lines and bool(parts.sites[i].parent)
        t = branch - lines
        rated = grid.transformers.sn_kva[t] * grid.transformers.loading_max[t] if is_transformer else load
        rating[i] = float(rated)
        if is_transformer:
            renewable[i] = min(renewable[i], float(rated))
    return renewable, rating


def _largest(parts: Parts, at_full: Floats, firm_kw: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        share = 0.5 * (low + high)
        if _safe(parts, share * at_full, firm_kw):
            low = share
        else:
            high = share
    return low


def _safe(parts: Parts, own_kw: Floats, firm_kw: float) -> bool:
    """Whether the cells that hold others stay within limits when every cell draws `own_kw` (one interval)."""
    kids = children_of(parts)
    sites = parts.sites
    v = [np.full(1, parts.scenario.grid.source.v_pu) for _ in sites]
    drawn = [np.array([[p], [0.0]]) for p in own_kw]
    try:
        for _ in range(3):
            for i in reversed(range(len(sites))):
                if kids[i]:
                    drawn[i] = _exchange(sites[i], own_kw[i], [drawn[j] for j in kids[i]], v[i])[0]
            for i in range(len(sites)):
                if kids[i]:
                    _, volts, ok = _exchange(sites[i], own_kw[i], [drawn[j] for j in kids[i]], v[i])
                    if not ok:
                        return False
                    for j, volt in zip(kids[i], volts, strict=True):
                        v[j] = volt
    except Diverged:
        return False
    return abs(float(drawn[0][0, 0])) <= firm_kw * 0.995


def _exchange(site: Site, own_kw: float, child: list[Floats], v: Floats) -> tuple[Floats, Floats, bool]:
    """(P, Q) at the boundary, voltages of the children, and whether own limits hold. Own power sits at the first
    node with a device, or is spread over the children's nodes."""
    p, q = np.zeros((2, len(site.network.nodes), 1))
    nodes = [site.network.local[f.node] for f in site.fleets]
    at = np.concatenate(nodes) if nodes else site.child_node
    np.add.at(p, at, own_kw / max(len(at), 1))
    for node, (child_p, child_q) in zip(site.child_node, child, strict=True):
        p[node] += child_p
        q[node] += child_q
    state = site.network.flow(p, q, v)
    volts = np.abs(state.v)
    live = volts[:, 0] > 0
    ok = bool(
        (volts[live, 0] <= site.v_pu_max[live] - site.margin_v_pu).all()
        and (volts[live, 0] >= site.v_pu_min[live] + site.margin_v_pu).all()
        and (state.loading <= 1.0 - site.margin_loading).all()
    )
    return np.array([state.p_b_kw, state.q_b_kvar]), volts[site.child_node], ok
