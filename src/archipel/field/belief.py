"""What a cell believed when it made a plan, kept in its journal: sums over the cell, for replay and for people.

    one entry of kind `belief` per agreed plan, and per hour at most one of an own plan

Nothing decides by it. It holds sums only, as the meters of ties do; what a single device was to do is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.controller.agreeing import Agreed
from archipel.controller.believed import sums
from archipel.controller.planner import ExactPlanner
from archipel.controller.solo import SoloPlan
from archipel.model import BELIEVED, PRICE_PARTS, Floats, Horizon

KIND = "belief"
OWN_EVERY = timedelta(hours=1)
"""Between two beliefs by own plans, which are made every quarter hour."""
DIGITS = {"price_eur_per_kwh": 5, "v_pu": 5}
"""Decimals kept; of powers and energies 3."""


@final
@dataclass(slots=True)
class Believer:
    """Notices new plans of one planner."""

    planner: ExactPlanner
    _seen: Agreed | SoloPlan | None = None
    _own_at: datetime | None = None

    def renewed(self) -> tuple[str, dict[str, Any]] | None:
        """Key and body of an entry when there is a new plan worth one; None otherwise."""
        newest = self.planner.newest
        if newest is None or newest is self._seen:
            return None
        self._seen = newest
        horizon = newest.duty.horizon
        if isinstance(newest, Agreed):
            self._own_at = None
            return f"agreed/{horizon.start.isoformat()}", agreed_body(self.planner, newest)
        if self._own_at is not None and horizon.start - self._own_at < OWN_EVERY:
            return None
        self._own_at = horizon.start
        return f"own/{horizon.start.isoformat()}", own_body(self.planner, newest)


def agreed_body(planner: ExactPlanner, agreed: Agreed) -> dict[str, Any]:
    """Of a plan that cells agreed on."""
    site, duty = planner.site, agreed.duty
    whole = len(agreed.children) == len(site.children)
    own = agreed.boundary[0] - agreed.child_boundary[:, 0].sum(axis=0) if whole else None
    value = sums(site, duty, agreed.block, agreed.u, own)
    known = {"p_kw": agreed.boundary[0], "price_eur_per_kwh": agreed.price[0], "v_pu": agreed.v_pu}
    parts = None if agreed.priced is None else agreed.priced.parts[:, 0] / duty.horizon.dt_h
    return {
        **_times(duty.horizon, "agreed"),
        "columns": _columns(value, known),
        "parts": {} if parts is None else {n: _list(p, 5) for n, p in zip(PRICE_PARTS, parts, strict=True)},
        "children": {name: _list(pq[0]) for name, pq in zip(agreed.children, agreed.child_boundary, strict=True)},
        "rounds": agreed.rounds,
        "gap": _number(agreed.gap),
        "cost_eur": _number(agreed.cost),
        "accepted": bool(agreed.accepted),
        "gave": list(agreed.gave)[:20],
    }


def own_body(planner: ExactPlanner, plan: SoloPlan) -> dict[str, Any]:
    """Of a plan that the cell made by itself."""
    own, v_pu = planner.own_exchange
    value = sums(planner.site, plan.duty, plan.block, plan.u, own)
    return {
        **_times(plan.duty.horizon, "own"),
        "columns": _columns(value, {"v_pu": v_pu}),
        "parts": {},
        "children": {},
        "rounds": None,
        "gap": None,
        "cost_eur": None,
        "accepted": None,
        "gave": [],
    }


def _times(horizon: Horizon, how: str) -> dict[str, Any]:
    return {"how": how, "start": horizon.start.isoformat(), "steps": horizon.steps.tolist()}


def _columns(value: Any, known: dict[str, Floats]) -> dict[str, list[float | None]]:
    out = {}
    for row, name in enumerate(BELIEVED):
        series = known.get(name, value[row])
        if np.isfinite(series).any():
            out[name] = _list(series, DIGITS.get(name, 3))
    return out


def _list(values: Floats, digits: int = 3) -> list[float | None]:
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
