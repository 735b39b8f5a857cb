"""The first seconds of an area that lost its main grid, at steps of a millisecond.

Units of a cell stand together at the node of the largest: 8 cells move as 8 forming and 8 following units. What has
no converter is an admittance there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from archipel.devices import BatteryFleet, DeviceFleet
from archipel.grid.dynamics import Following, Forming, Island, Traces, Trip, droop, main_grid, reduced, simulate
from archipel.model import Floats, Scenario
from archipel.twin.plant import Happened

LOST_S, SECONDS = 1.0, 20.0
STRONG_MVA = 10_000.0
"""Short-circuit power of a main grid that states none."""


def first_seconds(scenario: Scenario, before: Happened, battery: BatteryFleet, droop_share: float) -> Traces:
    """Frequency, voltages and powers from a second before the loss of the main grid on.

    Batteries give and take up to their rating: that some are full or empty counts from the first quarter hour on.
    """
    grid, flow = scenario.grid, before.flow
    node, kind, cell = scenario.device_node, np.array(scenario.device_kind), scenario.device_cell
    forms = kind == "battery"
    follows = np.isin(kind, ("pv", "generator", "dispatchable"))
    rated = np.zeros(len(node))
    rated[forms] = battery.p_kw_discharge
    rating = [_rating(cast("DeviceFleet", f)) for f in scenario.fleets if f.kind in _FOLLOWING]
    rated[follows] = np.concatenate([np.zeros(0), *rating])
    terminals: list[int] = [grid.source.node]
    units: list[Forming | Following] = []
    of_units = np.zeros((2, len(grid.nodes)))
    for c, name in enumerate(cell.id for cell in scenario.archipelago.cell):
        for does, what in ((forms, "forming"), (follows, "following")):
            rows = np.flatnonzero(does & (cell == c) & (rated > 0.0))
            if not len(rows):
                continue
            at = int(node[rows[np.argmax(rated[rows])]])
            place = terminals.index(at) if at in terminals else len(terminals)
            terminals += [at] if place == len(terminals) else []
            p, q, size = float(before.p_kw[rows].sum()), float(before.q_kvar[rows].sum()), float(rated[rows].sum())
            np.add.at(of_units[0], node[rows], before.p_kw[rows])
            np.add.at(of_units[1], node[rows], before.q_kvar[rows])
            if what == "forming":
                units.append(
                    droop(
                        f"{name}/forming", place, size, droop=droop_share, p_kw=p, q_kvar=q, v_pu=float(flow.v_pu[at])
                    )
                )
            else:
                units.append(
                    Following(
                        id=f"{name}/following", terminal=place, rating_kva=max(size, abs(complex(p, q))),
                        p_kw=min(p, 0.0), q_kvar=q, p_kw_min=min(p, 0.0),
                    )
                )  # fmt: skip
    live = np.flatnonzero(flow.v_pu > 0.0)
    drawn = np.stack([np.bincount(node, x, len(grid.nodes)) for x in (before.p_kw, before.q_kvar)]) - of_units
    # turning all voltages behind a transformer by its vector group changes no power; units start at one angle
    trafos = replace(grid.transformers, shift_degree=0.0 * grid.transformers.shift_degree)
    network = reduced(
        replace(grid, transformers=trafos), live, np.array(terminals), drawn[0, live], drawn[1, live], flow.v_pu[live]
    ).network
    strength = grid.source.sk_mva if np.isfinite(grid.source.sk_mva) else STRONG_MVA
    units.append(main_grid("main grid", 0, 1e3 * strength, v_pu=grid.source.v_pu))
    island = Island(network, tuple(units), f_hz=grid.f_hz)
    return simulate(island, [Trip(time_s=LOST_S, id="main grid")], duration_s=LOST_S + SECONDS)


_FOLLOWING = ("pv", "generator", "dispatchable")


def _rating(fleet: DeviceFleet) -> Floats:
    found = getattr(fleet, "s_kva", None)
    return cast("Floats", fleet.p_kw_max if found is None else found)  # type: ignore[attr-defined]
