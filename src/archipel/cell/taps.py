"""A cell's network with its tap changers where they stand now, which is what plans are made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from archipel.cell.site import Site
from archipel.devices import TapChangerFleet
from archipel.devices.base import State


def standing(site: Site, states: Mapping[str, State]) -> Site:
    """The site with the ratios of its tap changers as in `states`; the same object where none has moved.

    A plan takes them to stay: what they will do is not foreseen. `site` is the cell as the scenario states it.
    """
    for fleet in site.fleets:
        if not isinstance(fleet, TapChangerFleet):
            continue
        position = states[fleet.kind]["position"]
        # a step-up transformer may belong to the cell on its other side, whose plans then take it as the scenario says
        moved = np.flatnonzero((position != fleet.tap_start) & np.isin(fleet.branch, site.network.branches))
        if len(moved):
            turns = fleet.turns(position) / fleet.turns(fleet.tap_start)
            own = np.searchsorted(site.network.branches, fleet.branch[moved])
            network = site.network.retapped(own, fleet.raises[moved] < 0.0, turns[moved])
            return replace(site, network=network)
    return site
