"""One planning problem solved three ways: as agreed, centrally, by cells alone. For measuring, never for deciding."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from archipel.cell.parts import Parts
from archipel.controller.agreeing import RootFacts
from archipel.controller.controller import Readings
from archipel.controller.solo import SoloCell
from archipel.model import Floats, Horizon
from archipel.optimisation.block import Bill, Block, bill
from archipel.optimisation.central import join, solve_piqp
from archipel.strategies.limits import fixed_limits


def measure(
    parts: Parts,
    agreed: Mapping[str, tuple[Block, Floats]],
    readings: list[Readings],
    horizon: Horizon,
    root: RootFacts,
    now: datetime,
) -> dict[str, Any]:
    """Costs [EUR] of the same problem: same operating point, forecast, horizon and screened limits.

    The agreed and the central plan by the problem's own objective; the plan of cells alone by the same objective
    without the price of limits it does not keep (which would flatter agreement).
    """
    ours, best = against_central(parts, agreed, horizon, root)
    parents, blocks = list(parts.parents), [agreed[site.id][0] for site in parts.sites]
    energy, v = _upstream(horizon, root)
    limits = fixed_limits(parts)
    lone = [
        SoloCell(site, float(limits.import_kw[i]), float(limits.export_kw[i]))
        .plan(horizon, readings[i], root.price_eur_per_kwh)
        .u
        for i, site in enumerate(parts.sites)
    ]
    alone = bill(blocks, parents, lone, energy, v)
    return {
        "time": now,
        "distributed": ours.total,
        "central": best.total,
        "alone": alone.total - alone.limits,
        "alone_limits_eur": alone.limits,
        "gross_eur": ours.gross,
    }


def against_central(
    parts: Parts, agreed: Mapping[str, tuple[Block, Floats]], horizon: Horizon, root: RootFacts
) -> tuple[Bill, Bill]:
    """What was agreed, and the central optimum of the very same linear problem."""
    parents, blocks = list(parts.parents), [agreed[site.id][0] for site in parts.sites]
    energy, v = _upstream(horizon, root)
    ours = bill(blocks, parents, [agreed[site.id][1] for site in parts.sites], energy, v)
    joined = join(tuple(blocks), parents, energy, v)
    return ours, bill(blocks, parents, joined.controls(solve_piqp(joined, 1e-7).x), energy, v)


def _upstream(horizon: Horizon, root: RootFacts) -> tuple[Floats, Floats]:
    """Price of P and Q [EUR/kW, EUR/kvar] of every interval (2, T), and voltage (T,)."""
    return np.stack([root.price_eur_per_kwh * horizon.dt_h, np.zeros(len(horizon))]), np.full(len(horizon), root.v_pu)
