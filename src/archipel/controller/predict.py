"""What state devices come to when they do what they were told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archipel.cell.site import Site
from archipel.controller.facts import Orders
from archipel.devices.base import Sensed, State
from archipel.model.weather import Weather


def moved_on(
    site: Site, states: Mapping[str, State], weather: Weather, told: Orders, v_pu: float, dt_h: float
) -> dict[str, State]:
    """States of the site's fleets `dt_h` hours later, by kind.

    Devices follow `told`, and their own rule where it says nothing; they see the voltage `v_pu` and no other load at
    their node. `weather` has the one row of the quarter hour that holds the whole step.
    """
    out = {}
    for fleet in site.fleets:
        state, count = states[fleet.kind], len(fleet.id)
        local, _ = fleet.local_rule(state, weather, Sensed(np.full(count, v_pu), np.zeros(count)), dt_h)
        p_kw = np.array([told.get(name, (np.nan, np.nan))[0] for name in fleet.id])
        none = np.zeros(count)
        wish = np.where(np.isnan(p_kw), local, p_kw)
        out[fleet.kind] = fleet.advance(state, weather, wish, none, none > 0, dt_h).state
    return out
