"""One planning problem solved three ways: as agreed, centrally, by cells alone. For measuring, never for deciding."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, final

import numpy as np

from archipel.cell.parts import Parts
from archipel.cell.reserve import Reserve, reserve_of
from archipel.cell.site import Site, duty
from archipel.controller.agreeing import RootFacts
from archipel.controller.controller import Readings
from archipel.controller.solo import SoloCell
from archipel.devices import BatteryFleet
from archipel.devices.battery import Floor
from archipel.model import Floats, Horizon, SolverFailed
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
    kept = reserve_of(parts.scenario)
    price: dict[str, float] = {}
    if kept is not None:
        with suppress(SolverFailed):
            price = reserve_price(parts, blocks, readings, horizon, root, kept)
    return {
        **price,
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


MISSED_EUR = 1.0
"""A reserve is missed where a plan pays so much for it; less is the solver's tolerance."""
LOWERED = 0.01
"""State of charge by which the reserve is lowered to find the price of its last kWh."""


@final
@dataclass(frozen=True, slots=True)
class _Lowered:
    """The reserve less a little."""

    kept: Reserve

    def share(self, first_row: int, rows: int) -> Floats:
        """As of the reserve."""
        return np.maximum(self.kept.share(first_row, rows) - LOWERED, 0.0)


def reserve_price(
    parts: Parts, blocks: list[Block], readings: list[Readings], horizon: Horizon, root: RootFacts, kept: Reserve
) -> dict[str, float]:
    """What the reserve adds to the central optimum of a plan, and what its last kWh does.

    By solving the same linear problem with it, without it, and with it lowered by 1 % of capacity. What plans pay for a
    reserve that they miss is a means to hold it and no cost; where it is missed its last kWh has no price.

    Returns:
        `reserve_eur` [EUR per plan of 24 h] and `reserve_eur_per_kwh` [EUR per kWh kept for 24 h].

    Raises:
        SolverFailed: where the central optimiser does not solve one of the three.
    """
    parents = list(parts.parents)
    energy, v = _upstream(horizon, root)
    days = float(horizon.dt_h.sum()) / 24.0

    def cost(floor: Floor | None) -> tuple[float, float]:
        changed = [
            _with_floor(site, block, r, horizon, floor)
            for site, block, r in zip(parts.sites, blocks, readings, strict=True)
        ]
        joined = join(tuple(changed), parents, energy, v)
        u = joined.controls(solve_piqp(joined, 1e-7).x)
        missed = sum(float(_missed(block, block.store(x))) for block, x in zip(changed, u, strict=True))
        return bill(changed, parents, u, energy, v).total - missed, missed

    (held, missed), (free, _), (lowered, _) = cost(kept), cost(None), cost(_Lowered(kept))
    price = {"reserve_eur": (held - free) / days}
    if missed < MISSED_EUR:
        price["reserve_eur_per_kwh"] = (held - lowered) / (LOWERED * kept.bank.e_kwh) / days
    return price


def _missed(block: Block, level: Floats) -> Floats:
    """What a plan pays for stores outside their bounds [EUR]."""
    outside = np.maximum(block.store_lo - level, 0.0) + np.maximum(level - block.store_hi, 0.0)
    return np.asarray((block.store_price * outside).sum())


def _with_floor(site: Site, block: Block, readings: Readings, horizon: Horizon, floor: Floor | None) -> Block:
    """The same problem, batteries keeping another reserve but at the end: what is left then is used later, no cost."""
    fleets: tuple[Any, ...] = tuple(
        replace(f, reserve=floor) if isinstance(f, BatteryFleet) else f for f in site.fleets
    )
    what = duty(replace(site, fleets=fleets), readings.states, readings.weather, horizon)
    stores = dict.fromkeys((g, k) for g, k, _ in block.where if block.columns[g].store is not None)
    rows = [store.lo[k] for g, k in stores if (store := what.columns[g].store) is not None]
    if not rows:
        return block
    lo = np.stack(rows)
    lo[:, -1] = block.store_lo[:, -1]
    return replace(block, store_lo=lo)


def _upstream(horizon: Horizon, root: RootFacts) -> tuple[Floats, Floats]:
    """Price of P and Q [EUR/kW, EUR/kvar] of every interval (2, T), and voltage (T,)."""
    return np.stack([root.price_eur_per_kwh * horizon.dt_h, np.zeros(len(horizon))]), np.full(len(horizon), root.v_pu)
