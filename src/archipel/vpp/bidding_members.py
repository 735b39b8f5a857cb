"""What the members of a scenario publish for whole hours of a day of the market, for bids.

Each contract publishes as `archipel.vpp.publish` says: all of it can be delivered by its devices. Series and sessions
are taken as known; availability is drawn apart from it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np

from archipel.devices.base import DeviceFleet, Plan
from archipel.forecasting.perfect import perfect
from archipel.model import Flexibility, Horizon, Scenario
from archipel.model.errors import ArchipelError
from archipel.model.portfolio import Contract
from archipel.vpp.publish import Rules, publish

PER_HOUR = 4
FEW = Rules(stores=4, least=5, durations=2)
"""A bid solves one problem for every price scenario, all at once: its time grows with the number of stores."""


def published_members(scenario: Scenario, start: datetime, hours: int, rules: Rules = FEW) -> tuple[Flexibility, ...]:
    """What every contract has to offer on the energy market over `hours` whole hours from `start` (UTC).

    Batteries and houses begin the day as they begin the scenario; vehicles that are plugged in have been charging since
    their arrival. A contract that is away for a part of the time keeps its baseline and offers nothing then.

    Raises:
        ArchipelError: The scenario has no contract with devices that can move.
    """
    found = [_member(scenario, one, start, hours, rules) for one in scenario.ownership.contracts
             if "energy" in one.products]  # fmt: skip
    found = [one for one in found if one.stores]
    if not found:
        raise ArchipelError(
            f"{scenario.name}: found no contract with batteries, sun, vehicles or heat pumps that may sell energy; "
            "expected one. Add [owners], or use the scenario vpp."
        )
    return tuple(found)


def _member(scenario: Scenario, contract: Contract, start: datetime, hours: int, rules: Rules) -> Flexibility:
    horizon = Horizon(start, np.full(hours, PER_HOUR))
    flexibility, _ = publish(contract.id, _plans(scenario, contract, horizon), horizon, rules)
    time = [start + timedelta(hours=k) for k in range(hours)]
    here = np.array([not any(a < t + timedelta(hours=1) and t < b for a, b in contract.away) for t in time])
    return replace(flexibility, p_kw_min=flexibility.p_kw_min * here, p_kw_max=flexibility.p_kw_max * here)


def _plans(scenario: Scenario, contract: Contract, horizon: Horizon) -> list[Plan]:
    """Plans of the contract's devices, with everything known."""
    row = scenario.profiles.row(horizon.start)
    weather = perfect(scenario.profiles, row, PER_HOUR * len(horizon))
    mine, plans, first = scenario.ownership.devices_of(contract.id), list[Plan](), 0
    for one in scenario.fleets:
        rows = np.flatnonzero(mine[first : first + len(one.id)])
        first += len(one.id)
        if len(rows):
            fleet = cast("DeviceFleet", one)
            plans.append(fleet.plan(rows, fleet.initial(row), weather, horizon, scenario.tariff))
    return plans
