"""Devices as sold today: every one on its own local rule, nobody decides for anybody.

Batteries for self-consumption, vehicles on arrival, heat pumps on their thermostats, full feed-in, volt-var where
the inverter has it, over-voltage trip where it has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import final

from archipel.devices import State
from archipel.model import Scenario
from archipel.strategies.off_grid import OffGridRule
from archipel.twin import Decision, Seen


@final
class Uncoordinated:
    """The strategy that leases nothing."""

    name = "uncoordinated"

    def __init__(self, scenario: Scenario) -> None:
        self._off_grid = OffGridRule(scenario) if scenario.island.off_grid else None
        self._free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """No lease for anybody, ever; off grid what every cell must do by itself."""
        del first_row
        if self._off_grid is not None:
            return replace(self._free, p_kw=self._off_grid.decide(now, states, last))
        return self._free
