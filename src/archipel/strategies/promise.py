"""For how long an island can promise to hold its critical load, said from what is stored and what was drawn before.

The promise counts on batteries only: no sun, no wind. What critical load will draw is taken as the most it drew over as
many hours in the four weeks before, and a tenth more for losses and for a week that is worse than the last four.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from archipel.devices import BatteryFleet, LoadFleet
from archipel.devices.sheddable import SheddableFleet
from archipel.model import Floats, Ints, Profiles, Scenario

PAST_ROWS = 28 * 96
MARGIN = 1.1
QUARTER_H = 0.25


def load_kw(scenario: Scenario, first_row: int, rows: int, cells: Ints | None = None) -> tuple[Floats, Floats]:
    """What loads draw in `rows` quarter hours: (inflexible, sheddable) [kW], shape (rows,) each.

    Args:
        scenario: The loads and their profiles.
        first_row: Row of the profiles.
        rows: How many.
        cells: Rows of the cells whose loads count; None: all.
    """
    drawn = [np.zeros(rows), np.zeros(rows)]
    for fleet in scenario.fleets:
        if isinstance(fleet, LoadFleet | SheddableFleet):
            mine = (
                np.ones(len(fleet.id), dtype=np.bool_)
                if cells is None
                else np.isin(scenario.archipelago.node_cell[fleet.node], cells)
            )
            kw = _profiled(scenario.profiles, fleet.p_profile[mine], fleet.p_kw[mine], first_row, rows)
            drawn[isinstance(fleet, SheddableFleet)] += kw
    return drawn[0], drawn[1]


def _profiled(profiles: Profiles, column: Ints, p_kw: Floats, first_row: int, rows: int) -> Floats:
    weight = np.bincount(column + 1, p_kw, len(profiles.name) + 1)  # column -1 is constant
    return np.asarray(profiles.window(first_row, rows).astype(np.float64) @ weight[1:] + weight[0])


@final
class Promise:
    """What one island can promise at a moment. Looks at rows before the moment only."""

    def __init__(self, island: Scenario, critical_share: float, row: int, hours: float) -> None:
        load, rest = load_kw(island, row - PAST_ROWS, PAST_ROWS)
        self._battery = next(f for f in island.fleets if isinstance(f, BatteryFleet))
        critical = critical_share * load
        steps = max(1, round(hours / QUARTER_H))
        done = np.concatenate([[0.0], np.cumsum(critical)]) * QUARTER_H
        self.needs_kwh = MARGIN * np.array([float((done[k:] - done[:-k]).max()) for k in range(1, steps + 1)])
        """Energy at the batteries' terminals for a quarter hour, two, ... of critical load, shape (4 hours,)."""
        self.peak_kw = float(critical.max(initial=0.0))
        self._before_shed_kwh = float((load + rest).max(initial=0.0)) * QUARTER_H

    def hours(self, e_kwh: Floats) -> float:
        """How long critical load is held with this energy in every battery [h], at most what was asked for."""
        gives = float((e_kwh * self._battery.efficiency_discharge).sum())
        if self.peak_kw > float(self._battery.p_kw_discharge[e_kwh > 0.0].sum()):
            return 0.0
        return QUARTER_H * float(np.count_nonzero(self.needs_kwh <= gives * (1.0 + 1e-9)))  # `held_kwh` is enough

    def held_kwh(self) -> Floats:
        """What every battery has to hold for the whole time asked for, or as much as it can, shape (batteries,)."""
        size = self._battery.e_kwh
        gives = float((size * self._battery.efficiency_discharge).sum())
        return np.asarray(size * min(1.0, float(self.needs_kwh[-1]) / gives if gives > 0.0 else 1.0))

    def shed_below_kwh(self) -> float:
        """Below so much stored an island serves critical load only: the need, and a quarter hour of all load on top.

        Islands look at their stores once a quarter hour.
        """
        share = float(self.held_kwh().sum()) / max(float(self.needs_kwh[-1]), 1e-9)
        return float(self.held_kwh().sum()) + self._before_shed_kwh * max(share, 1.0)


def held_by_all(scenario: Scenario, islands: Sequence[tuple[Ints, Promise]]) -> Floats:
    """What every battery of a whole area holds for its island, none for no island, shape (batteries,).

    Args:
        scenario: The whole.
        islands: For every island the rows of its batteries in the whole's fleet, and its promise.
    """
    battery = next(f for f in scenario.fleets if isinstance(f, BatteryFleet))
    out = np.zeros(len(battery.id))
    for rows, promise in islands:
        out[rows] = promise.held_kwh()
    return out
