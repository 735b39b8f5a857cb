"""What cells of the demonstration believed, beside what was true, as the API says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from archipel.model import BELIEVED, Believed
from archipel.web.nouns import Belief, Curve, NeighbourView

LEVELS = ("cooperating", "following", "fallback", "alone", "rules", "does not answer")
UNITS = {"stored_kwh": "kWh", "price_eur_per_kwh": "EUR/kWh", "v_pu": "pu", "soc": ""}
"""Of what is no power."""
True_ = Callable[[str, datetime, timedelta], float | None]
"""Mean of a column of a cell over an interval; None as far as it is not known."""


def belief_of(cell: str, time: datetime, made: Believed | None, level: int, room_kwh: float, true: True_) -> Belief:
    """A cell's newest plan at a time.

    Args:
        cell: Its id.
        time: When it believed so.
        made: What all cells believed after the newest plan; None before the first.
        level: Level of the ladder it acted on.
        room_kwh: What its stores hold.
        true: What happened.
    """
    named = LEVELS[level]
    if made is None:
        return Belief(cell=cell, time=time, made=None, start=[], hours=[], curves=[], neighbours=[], level=named)
    steps = [timedelta(hours=float(h)) for h in made.hours]
    start = [made.made + sum(steps[:t], timedelta()) for t in range(len(steps))]
    curves = []
    if cell in made.cell:
        value = made.value[made.cell.index(cell)]
        told = {name: value[k].astype(np.float64) for k, name in enumerate(BELIEVED)}
        if room_kwh > 0.0:
            told["soc"] = told["stored_kwh"] / room_kwh
        curves = [
            Curve(
                name=name,
                unit=UNITS.get(name, "kW"),
                believed=_numbers(row),
                true=[true(name, at, step) for at, step in zip(start, steps, strict=True)],
            )
            for name, row in told.items()
            if np.isfinite(row).any()
        ]
    neighbours = [
        NeighbourView(
            neighbour=view.neighbour,
            tie=view.tie,
            state=cast('Literal["agreed", "stale", "silent", "unknown"]', view.state),
            why=view.why,
            p_kw=_numbers(view.p_kw),
            price_eur_per_kwh=_numbers(view.price_eur_per_kwh),
        )
        for view in made.view
        if view.cell == cell
    ]
    return Belief(
        cell=cell,
        time=time,
        made=made.made if curves else None,
        start=start,
        hours=made.hours.tolist(),
        curves=curves,
        neighbours=neighbours,
        level=named,
    )


def _numbers(values: NDArray[np.float64] | NDArray[np.float32]) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
