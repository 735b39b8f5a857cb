"""How a plan sees that losses are curved: cells tell each other how far they can move, and hear what that would cost.

One round trip along the tree before each linear problem; see `cell.curvature` for what is told and why.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from archipel.cell.curvature import bend, reach
from archipel.cell.site import Duty, Site
from archipel.coordination.message import Body
from archipel.coordination.settle import Settled
from archipel.coordination.tree import Ask, Gather, Tell
from archipel.model import Floats


def stiffness(
    site: Site, what: Duty, settled: Settled, energy_eur_per_kwh: Floats | None, worth: Floats | None
) -> Generator[Any, Any, Floats]:
    """A cell's program; returns the stiffness of its controls (N, T) [EUR per unit squared and interval].

    `energy_eur_per_kwh` (T,) is given to the root only. `worth` is what a kWh lost in this cell costs, as the last
    plan's prices say [EUR/kW held for the interval] (T,); None before there are any: then energy with all its fees.
    """
    dt_h = what.horizon.dt_h
    heard: list[Body] = yield Gather()
    below = np.stack([body["reach"] for body in heard]) if heard else np.zeros((0, 2, len(dt_h)))
    if energy_eur_per_kwh is None:
        told: Body = yield Ask({"reach": reach(what, below)})
        above, energy = told["bend"], told["energy"]
    else:
        above, energy = np.zeros((2, len(dt_h))), (energy_eur_per_kwh + site.tariff.hv_fee_eur_per_kwh) * dt_h
    if worth is None:
        worth = energy + site.tariff.mv_fee_eur_per_kwh * dt_h
    stiff, bends = bend(site, what, settled.state, below, above, worth)
    yield Tell([{"bend": one, "energy": energy} for one in bends])
    return stiff
