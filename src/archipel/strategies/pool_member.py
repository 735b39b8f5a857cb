"""A member of a portfolio in a run: what its devices will draw, how far that can be moved, who moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

import numpy as np

from archipel.cell.parts import Parts
from archipel.devices import BatteryFleet, DeviceFleet, EvChargerFleet, PvFleet, Sensed, State
from archipel.model import Bools, Contract, Floats, Ints, Scenario
from archipel.model.weather import Weather

DT_H = 0.25
TIERS: tuple[type[Any], ...] = (BatteryFleet, EvChargerFleet, PvFleet)
"""Who is moved first: what costs least to move."""
EVERYTHING_KW, LEAST_KW = 1e9, 1e-6


@final
@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What a member tells of the coming quarter hour: sums, by tier."""

    expected_kw: float
    """What all its devices will draw when nothing is asked."""
    down_kw: Floats
    up_kw: Floats
    """By how much it can draw less and more, shape (tiers,), non-negative."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What every device of the scenario will draw, and between which powers it can be put, shape (devices,) each."""

    expected_kw: Floats
    q_kvar: Floats
    low_kw: Floats
    high_kw: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One contract and the devices it names."""

    contract: Contract
    devices: Ints
    """Rows of all its devices."""
    tier: tuple[Ints, ...]
    """Rows of its devices of every tier."""
    where: Mapping[str, Mapping[str, Ints]]
    """The same devices as rows of the cells' own fleets, by cell and kind."""
    fcr_kw: float
    afrr_kw: float
    """Reserve sold, each way."""

    def away(self, now: datetime) -> bool:
        """Whether the owner stays out now."""
        return any(start <= now < end for start, end in self.contract.away)

    def room(self, reach: Reach, now: datetime) -> Room:
        """What is told to the portfolio; nothing can be moved of who is away or sells no energy."""
        expected = float(reach.expected_kw[self.devices].sum())
        if self.away(now) or "energy" not in self.contract.products:
            return Room(expected, np.zeros(len(TIERS)), np.zeros(len(TIERS)))
        down = [float((reach.expected_kw - reach.low_kw)[rows].sum()) for rows in self.tier]
        up = [float((reach.high_kw - reach.expected_kw)[rows].sum()) for rows in self.tier]
        return Room(expected, np.array(down), np.array(up))

    def order(self, reach: Reach, change_kw: Floats, p_kw: Floats) -> None:
        """Write what is asked, by tier, into setpoints (devices,): every device gives the same part of its room."""
        for rows, change in zip(self.tier, change_kw, strict=True):
            end = (reach.high_kw if change > 0.0 else reach.low_kw)[rows]
            room = end - reach.expected_kw[rows]
            if change == 0.0 or abs(room.sum()) < LEAST_KW:
                continue
            p_kw[rows] = reach.expected_kw[rows] + room * min(change / room.sum(), 1.0)


def shared(wanted_kw: float, rooms: Sequence[Room]) -> Floats:
    """What is asked of every member by tier, shape (members, tiers): tier by tier, in proportion to room.

    What nobody has room for is left.
    """
    out = np.zeros((len(rooms), len(TIERS)))
    left = wanted_kw
    for tier in range(len(TIERS)):
        room = np.array([(one.up_kw if wanted_kw > 0.0 else -one.down_kw)[tier] for one in rooms])
        if abs(room.sum()) > LEAST_KW:
            out[:, tier] = room * min(left / room.sum(), 1.0)
            left -= out[:, tier].sum()
    return out


def reach_of(
    scenario: Scenario, states: Mapping[str, State], weather: Weather, lease_kw: Floats, lease_kvar: Floats
) -> Reach:
    """What devices will draw in the coming quarter hour, by their own models and the forecast, and how far they reach.

    Args:
        scenario: the case.
        states: of fleets by kind.
        weather: the forecast, one row.
        lease_kw: setpoints, NaN where a device follows its own rule, shape (devices,).
        lease_kvar: likewise.
    """
    parts = []
    at = 0
    for fleet in scenario.fleets:
        n = len(fleet.id)
        some = slice(at, at + n)
        parts.append(_reach(fleet, states[fleet.kind], weather, lease_kw[some], lease_kvar[some]))  # type: ignore[arg-type]
        at += n
    return Reach(*(np.concatenate(some) for some in zip(*parts, strict=True)))


def _reach(
    fleet: DeviceFleet, state: State, weather: Weather, lease: Floats, lease_kvar: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    n = len(fleet.id)
    zero, none = np.zeros(n), np.zeros(n, dtype=bool)

    def drawn(wish: Floats) -> Floats:
        return fleet.advance(state, weather, wish, zero, none, DT_H).p_kw

    rule, rule_kvar = fleet.local_rule(state, weather, Sensed(np.ones(n), zero), DT_H)
    wish, q_kvar = np.where(np.isnan(lease), rule, lease), np.where(np.isnan(lease_kvar), rule_kvar, lease_kvar)
    does = fleet.advance(state, weather, wish, q_kvar, none, DT_H)
    expected = does.p_kw
    low = high = expected
    if isinstance(fleet, BatteryFleet):
        kept = zero if fleet.p_kw_promised is None else 0.5 * fleet.p_kw_promised
        low = np.minimum(drawn(np.full(n, -EVERYTHING_KW)) + kept, expected)
        high = np.maximum(drawn(np.full(n, EVERYTHING_KW)) - kept, expected)
    elif isinstance(fleet, EvChargerFleet):
        high = drawn(np.full(n, EVERYTHING_KW))
        low = np.where(expected < high, 0.0, expected)  # at full power: it may be in a hurry
    elif isinstance(fleet, PvFleet):
        high = zero
    return expected, does.q_kvar, low, high


def members_of(scenario: Scenario, parts: Parts, sold: Mapping[str, tuple[float, float]]) -> tuple[Member, ...]:
    """All contracts of a scenario in their order; `sold` is the reserve (fcr, afrr) of each [kW]."""
    kind = np.array(scenario.device_kind)
    kinds = [{fleet.kind for fleet in scenario.fleets if isinstance(fleet, tier)} for tier in TIERS]
    out = []
    for contract in scenario.ownership.contracts:
        mine = scenario.ownership.devices_of(contract.id)
        tiers = tuple(np.flatnonzero(mine & np.isin(kind, sorted(some))) for some in kinds)
        out.append(Member(contract, np.flatnonzero(mine), tiers, _where(parts, mine), *sold[contract.id]))
    return tuple(out)


def _where(parts: Parts, mine: Bools) -> dict[str, dict[str, Ints]]:
    where: dict[str, dict[str, Ints]] = {}
    for site, own, numbers in zip(parts.sites, parts.own, parts.whose, strict=True):
        for devices, number in zip(own, numbers.tolist(), strict=True):
            rows = np.flatnonzero(mine[parts.offset[number] + devices.rows])
            if len(rows):
                where.setdefault(site.id, {})[devices.fleet.kind] = rows
    return where
