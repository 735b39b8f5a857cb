"""What cells believed when a plan was made, put together for the record of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from archipel.cell.parts import Parts
from archipel.cell.site import Duty
from archipel.controller.believed import CellBelief, sums
from archipel.model import BELIEVED, Believed, Floats, Horizon, View
from archipel.optimisation.block import Block

PlanOf = tuple[Duty, Floats, Block]


def recorded(
    parts: Parts,
    horizon: Horizon,
    told: Mapping[str, CellBelief | None],
    price_of: Callable[[str], Floats | None],
) -> Believed:
    """From what each cell told after a plan; `price_of` is the price at a cell's boundary, (T,), where one is known."""
    row = {site.id: i for i, site in enumerate(parts.sites)}
    tie = [parts.scenario.archipelago.tie[t].id if t >= 0 else "" for t in parts.tie_of]
    unknown = np.full(len(horizon), np.nan, np.float32)
    cells, values, views = [], [], []
    for site in parts.sites:
        if (one := told.get(site.id)) is None:
            continue
        if one.value is not None:
            cells.append(site.id)
            values.append(one.value)
        for seen in one.seen:
            lower = site.id if seen.neighbour == site.parent else seen.neighbour
            price = price_of(lower)
            views.append(
                View(
                    cell=site.id,
                    neighbour=seen.neighbour,
                    tie=tie[row[lower]],
                    state=seen.state,
                    why=seen.why,
                    # copies: a year of plans must not keep alive what these were cut from
                    p_kw=np.array(seen.p_kw, np.float32),
                    price_eur_per_kwh=unknown if price is None else np.array(price, np.float32),
                )
            )
    return Believed(horizon.start, horizon.dt_h, tuple(cells), _stacked(values, len(horizon)), tuple(views))


def recorded_whole(
    parts: Parts,
    horizon: Horizon,
    plans: Sequence[PlanOf | None],
    more: Mapping[str, Sequence[Floats]],
) -> Believed:
    """From plans that one optimiser made for all cells, or each cell for itself.

    Args:
        parts: The cells.
        horizon: Of all plans.
        plans: Duty, controls and linear problem of every cell; None where it has none.
        more: Further columns of `BELIEVED`, by cell, (T,) each.
    """
    cells, values = [], []
    for i, (site, plan) in enumerate(zip(parts.sites, plans, strict=True)):
        if plan is None:
            continue
        what, u, block = plan
        value = sums(site, what, block, u, more["own_kw"][i])
        for name, by_cell in more.items():
            if name != "own_kw":
                value[BELIEVED.index(name)] = by_cell[i]
        cells.append(site.id)
        values.append(value)
    return Believed(horizon.start, horizon.dt_h, tuple(cells), _stacked(values, len(horizon)))


def _stacked(values: Sequence[np.ndarray], intervals: int) -> np.ndarray:
    return np.stack(values) if values else np.zeros((0, len(BELIEVED), intervals), np.float32)
