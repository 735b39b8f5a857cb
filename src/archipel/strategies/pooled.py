"""Cells agree first; on top of what they agreed, devices of several owners act as one plant.

Network first: every cell plans and agrees with its neighbours as under `distributed`, but leaves free what the
portfolio has sold as reserve. Then, every quarter hour,

    member     tells what its devices will draw by the agreed plan, and how far this can be moved: three sums
    portfolio  compares with its position on the market and with the reserve called, and asks members for the difference
    member     splits what it is asked over its devices: batteries, then vehicles, then sun

The position is what the members' plans draw on the day, bought at the day-ahead price as the day begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np
from scipy.signal import lfilter

from archipel.controller.outlook import outlook_of
from archipel.devices import BatteryFleet, State
from archipel.model import ArchipelError, Delivery, Fleet, Floats, Ints, Scenario, StrategyResult
from archipel.strategies.distributed import Distributed
from archipel.strategies.network_first import NetworkFirst
from archipel.strategies.planning import ForecastKind
from archipel.strategies.pool_member import DT_H, TIERS, Reach, members_of, reach_of, shared
from archipel.twin import Decision, Seen

_QUARTER = timedelta(minutes=15)
SOLD = 0.2
"""Of the batteries' rating, for each kind of reserve a contract allows."""
FCR_H, AFRR_H = 0.25, 1.0
"""How long a reserve can be called in full: 15 min of containment, an hour of restoration."""
CALLED_KEEP = 0.7
"""The call of restoration is a random walk that forgets: what is left of it a quarter hour later."""
CALLED_SHARE = 0.25
"""Its standard deviation, of what was sold; it is cut at all of it."""


@final
class Pooled:
    """Agreement between cells, and portfolios on top. One value is one run.

    Raises:
        ArchipelError: for a scenario without a portfolio.
    """

    name = "pooled"

    def __init__(self, scenario: Scenario, *, forecast: ForecastKind = "perfect", seed: int = 1, **how: Any) -> None:
        if not scenario.ownership.portfolio:
            raise ArchipelError(
                f"strategy pooled: found no portfolio in scenario {scenario.name}; expected [owners] with at least "
                "one. Name a file of owners and contracts, see docs/reference/scenario-file.md."
            )
        self.scenario = scenario
        sold = _sold(scenario)
        planned = _leaving_free(scenario)
        self._planned = planned
        self._inner = Distributed(planned, forecast=forecast, gaps=False, **how)
        self._outlook = outlook_of(scenario, forecast, scenario.replan_steps)
        self._network = NetworkFirst(self._inner.parts)
        self._members = members_of(planned, self._inner.parts, sold)
        self._pools = _pools(scenario)
        self._called = _calls(scenario, seed)
        self._first_row: int | None = None
        self._position = np.zeros((len(self._members), 0))
        self._told: list[tuple[Floats, Floats, Floats]] = []
        """Of every quarter hour: position, asked, reserve called, each by member."""

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """What cells agreed, moved by what the portfolio asks of its members."""
        decision = self._inner.decide(now, first_row, states, last)
        if self._first_row is None:
            self._first_row = first_row
        if self._position.shape[1] == 0 or (now.hour == 0 and now.minute == 0):
            self._position = self._bought(now)
        weather = self._outlook.weather_at(now)
        reach = reach_of(self._planned, states, weather, decision.p_kw, decision.q_kvar)
        reach = self._network.within(self._only_members(reach))
        rooms = [member.room(reach, now) for member in self._members]
        expected = np.array([room.expected_kw for room in rooms])
        position, self._position = self._position[:, 0], self._position[:, 1:]
        afrr = np.array([0.0 if member.away(now) else member.afrr_kw for member in self._members])
        called = self._called[first_row - self._first_row] * afrr
        change = np.zeros((len(rooms), len(TIERS)))
        for pool in self._pools:
            missing = position[pool] + called[pool] - expected[pool]
            change[pool] = shared(float(missing.sum()), [rooms[i] for i in pool])
        p_kw = decision.p_kw.copy()
        for member, more in zip(self._members, change, strict=True):
            member.order(reach, more, p_kw)
        self._told.append((position, expected + change.sum(axis=1), called))
        return replace(decision, p_kw=p_kw)

    def _bought(self, now: datetime) -> Floats:
        """What every member's devices will draw by the plan from now to its end, shape (members, quarter hours)."""
        where: dict[str, dict[str, Mapping[str, Ints]]] = {}
        for member in self._members:
            for cell, rows in member.where.items():
                where.setdefault(cell, {})[member.contract.id] = rows
        planned = self._inner.planned_kw(where, now)
        length = min((len(kw) for kw in planned.values()), default=1)
        return np.stack([planned.get(member.contract.id, np.zeros(length))[:length] for member in self._members])

    def _only_members(self, reach: Reach) -> Reach:
        """Nobody else is moved."""
        member = self.scenario.ownership.device_contract >= 0
        return replace(
            reach,
            low_kw=np.where(member, reach.low_kw, reach.expected_kw),
            high_kw=np.where(member, reach.high_kw, reach.expected_kw),
        )

    def close(self) -> None:
        """End the processes of the cells."""
        self._inner.close()

    @property
    def workers_cpu_s(self) -> float:
        """CPU time of the processes that have ended."""
        return self._inner.workers_cpu_s

    def deliveries(self, result: StrategyResult) -> tuple[Delivery, ...]:
        """What every portfolio sold and delivered in the run, for settlement."""
        steps, per = len(self._told), round(DT_H / result.dt_h)
        quarters = min(steps, len(result.time) // per)
        whole = result.p_kw[:, : quarters * per].astype(np.float64)
        p_kw = whole.reshape(len(whole), quarters, per).mean(axis=2)
        return tuple(self._delivery(portfolio.id, quarters, p_kw) for portfolio in self.scenario.ownership.portfolio)

    def _delivery(self, portfolio: str, quarters: int, p_kw: Floats) -> Delivery:
        rows = [i for i, member in enumerate(self._members) if member.contract.portfolio == portfolio]
        told = [np.stack([one[k][rows] for one in self._told[:quarters]], axis=1) for k in range(3)]
        position, asked, called = told
        start = self.scenario.profiles.start + (self._first_row or 0) * _QUARTER
        here = np.array([[not self._members[i].away(start + k * _QUARTER) for k in range(quarters)] for i in rows])
        first, terms = self._first_row or 0, self.scenario.ownership.terms
        index = np.arange(first, first + quarters) % len(self.scenario.price)
        price, short = self.scenario.price[index], -np.sign(self._called[:quarters])
        fcr = np.array([self._members[i].fcr_kw for i in rows])[:, None] * here
        afrr = np.array([self._members[i].afrr_kw for i in rows])[:, None] * here
        even = np.ones(quarters)
        return Delivery(
            portfolio=portfolio,
            contract=tuple(self._members[i].contract.id for i in rows),
            start=start,
            price_eur_per_kwh=price,
            imbalance_price_eur_per_kwh=price + short * terms.imbalance_eur_per_kwh,
            bought_kw=position.sum(axis=0),
            baseline_kw=position,
            asked_kw=asked,
            metered_kw=np.stack([p_kw[self._members[i].devices].sum(axis=0) for i in rows]),
            fcr_kw=fcr,
            fcr_price_eur_per_kw_h=even * terms.fcr_eur_per_kw_h,
            afrr_up_kw=afrr,
            afrr_down_kw=afrr,
            afrr_up_price_eur_per_kw_h=even * terms.afrr_up_eur_per_kw_h,
            afrr_down_price_eur_per_kw_h=even * terms.afrr_down_eur_per_kw_h,
            afrr_energy_kw=called,
            afrr_energy_price_eur_per_kwh=price + short * terms.afrr_energy_eur_per_kwh,
            cut_kw=np.zeros_like(called),
            event_price_eur_per_kwh=even * terms.event_eur_per_kwh,
        )


def _pools(scenario: Scenario) -> list[list[int]]:
    """Rows of contracts that act together: those of one portfolio and of all that are members of it."""
    parent = {portfolio.id: portfolio.parent for portfolio in scenario.ownership.portfolio}
    pools: dict[str, list[int]] = {}
    for row, contract in enumerate(scenario.ownership.contracts):
        root = contract.portfolio
        while parent[root]:
            root = parent[root]
        pools.setdefault(root, []).append(row)
    return list(pools.values())


def _sold(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Reserve (containment, restoration) of every contract [kW], each way: the same part of its batteries' rating."""
    rating = np.zeros(len(scenario.device_kind))
    at = 0
    for fleet in scenario.fleets:
        if isinstance(fleet, BatteryFleet):
            rating[at : at + len(fleet.id)] = np.minimum(fleet.p_kw_charge, fleet.p_kw_discharge)
        at += len(fleet.id)
    sold = {}
    for contract in scenario.ownership.contracts:
        kw = SOLD * float(rating[scenario.ownership.devices_of(contract.id)].sum())
        sold[contract.id] = (kw * ("fcr" in contract.products), kw * ("afrr" in contract.products))
    return sold


def _leaving_free(scenario: Scenario) -> Scenario:
    """The scenario as cells plan with it: batteries leave free what is sold as reserve, power and energy."""
    products = np.array([["fcr" in c.products, "afrr" in c.products] for c in scenario.ownership.contracts] + [[0, 0]])
    kinds = products[scenario.ownership.device_contract]  # the last row is for no contract
    fleets: list[Fleet] = []
    at = 0
    for fleet in scenario.fleets:
        own = kinds[at : at + len(fleet.id)]
        at += len(fleet.id)
        if isinstance(fleet, BatteryFleet):
            part = SOLD * np.minimum(fleet.p_kw_charge, fleet.p_kw_discharge)
            energy = part * (own @ np.array([FCR_H, AFRR_H])) / fleet.efficiency_discharge
            fleets.append(replace(fleet, p_kw_promised=part * own.sum(axis=1), e_kwh_promised=energy))
        else:
            fleets.append(fleet)
    return replace(scenario, fleets=tuple(fleets))


def _calls(scenario: Scenario, seed: int) -> Floats:
    """The call of restoration reserve for a year of quarter hours, -1 (all of it up: draw less) to 1, seeded."""
    rng = np.random.default_rng([seed, 1])
    noise = rng.normal(0.0, CALLED_SHARE * np.sqrt(1.0 - CALLED_KEEP**2), len(scenario.profiles.value))
    return np.asarray(np.clip(lfilter([1.0], [1.0, -CALLED_KEEP], noise), -1.0, 1.0))
