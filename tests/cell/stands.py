"""A cell of the small scenario at one operating point, and what moving it does by AC power flow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from small_scenario import scenario

from archipel.cell.linear import Memory, Point, linearise
from archipel.cell.parts import Parts, cut
from archipel.cell.site import Duty, Site, duty, flow
from archipel.forecasting.perfect import perfect
from archipel.grid.cell_network import CellFlow
from archipel.model import Connection, Floats, Horizon, Scenario
from archipel.optimisation.block import Block

NOON = datetime(2016, 6, 8, 12, tzinfo=UTC)


@dataclass
class Stand:
    site: Site
    what: Duty
    point: Point
    memory: Memory
    peaks: Floats | None

    def block(self) -> Block:
        return linearise(self.site, self.what, self.point, self.memory, self.peaks)

    def flow(self, u: Floats, child_pq: Floats, v_pu: Floats) -> CellFlow:
        return flow(self.site, self.what, u, child_pq, v_pu, None)

    def inside(self, rng: np.random.Generator) -> Floats:
        return self.what.lo + rng.random(self.what.lo.shape) * (self.what.hi - self.what.lo)


def case(pv_kw: float = 90.0, **changes: object) -> Scenario:
    import dataclasses

    made = scenario(pv_kw=pv_kw)
    return dataclasses.replace(made, connection=Connection(import_kw_max=200.0, export_kw_max=150.0), **changes)


def stand(cell: int, *, u: Floats | None = None, seed: int = 0, pv_kw: float = 90.0, v: float = 1.03) -> Stand:
    """Cell 0 is the root, 1 the feeder, 2 the low voltage; children draw something of their own."""
    parts: Parts = cut(case(pv_kw))
    site = parts.sites[cell]
    horizon = Horizon(NOON, np.array([1] * 8 + [4] * 4))
    row = parts.scenario.profiles.row(NOON)
    states = {fleet.kind: fleet.initial(row) for fleet in parts.scenario.fleets}
    weather = perfect(parts.scenario.profiles, row, int(horizon.steps.sum()))
    what = duty(site, parts.states(cell, states), weather, horizon)
    rng = np.random.default_rng(seed)
    child_pq = rng.uniform(-150.0, 20.0, (len(site.children), 2, len(horizon)))
    child_pq[:, 1] *= 0.2
    v_pu = np.full(len(horizon), v)
    u = what.idle() if u is None else u
    point = Point(u, child_pq, v_pu, flow(site, what, u, child_pq, v_pu, None))
    return Stand(site, what, point, Memory(), np.array([10.0, 0.0]) if not cell else None)
