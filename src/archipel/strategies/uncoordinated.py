"""Devices as sold today: every one on its own local rule, nobody decides for anybody.

Batteries for self-consumption, vehicles on arrival, heat pumps on their thermostats, full feed-in, volt-var where
the inverter has it, over-voltage trip where it has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import final

from archipel.devices import State
from archipel.model import Scenario
from archipel.twin import Decision, Seen


@final
class Uncoordinated:
    """The strategy that leases nothing."""

    name = "uncoordinated"

    def __init__(self, scenario: Scenario) -> None:
        self._free = Decision.free(len(scenario.device_node), len(scenario.archipelago.tie))

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """No lease for anybody, ever."""
        del now, first_row, states, last
        return self._free
