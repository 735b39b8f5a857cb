"""What cells believed when a plan was made: for the record of a run, never used to decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model.grid import Floats

BELIEVED = (
    "load_kw",
    "vehicles_kw",
    "heat_kw",
    "charging_kw",
    "discharging_kw",
    "renewable_kw",
    "available_kw",
    "own_kw",
    "p_kw",
    "stored_kwh",
    "price_eur_per_kwh",
    "v_pu",
)
"""What a plan says of its cell, interval by interval; sums over the cell only. `own_kw` is its own net import, `p_kw`
what flows into it from above with what its child cells draw; price and voltage are those of its boundary."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a cell took a neighbour for."""

    cell: str
    neighbour: str
    tie: str
    state: str
    """`agreed`, `stale` (the plan failed, what was agreed before holds) or `silent`."""
    why: str
    """Empty where something is agreed."""
    p_kw: NDArray[np.float32]
    """Into the lower cell, (T,); NaN where nothing is known."""
    price_eur_per_kwh: NDArray[np.float32]
    """(T,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Believed:
    """What cells believed when one plan was made. T intervals follow each other from `made` on."""

    made: datetime
    hours: Floats
    """Length of every interval, (T,)."""
    cell: tuple[str, ...]
    """Cells that made a plan."""
    value: NDArray[np.float32]
    """(cells, len(BELIEVED), T); NaN where it is not known."""
    view: tuple[View, ...] = ()
