"""Members of a scenario as flexibility of whole hours, for bids: one store per kind of device.

A contract's batteries become one store, its sun one that can only draw more (give less), its vehicles one between the
two curves of energy of all sessions, around charging on arrival. Series and sessions are taken as known; availability
is drawn apart from it. Sums of sessions may hold more than can be shared out among vehicles; what of it cannot be
delivered is a deviation.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from archipel.devices import BatteryFleet, EvChargerFleet, PvFleet
from archipel.devices.sessions import Seen, energy_curves
from archipel.model import Bools, Floats, Scenario
from archipel.model.errors import ArchipelError
from archipel.model.flexibility import Flexibility
from archipel.model.portfolio import Contract
from archipel.model.weather import Weather

PER_HOUR = 4
CENT = 1e-6
"""Cost of moving what has no wear [EUR/kWh]: of two equal plans the one that moves less."""


def hourly_members(scenario: Scenario, start: datetime, hours: int) -> tuple[Flexibility, ...]:
    """What every contract has to offer on the energy market over `hours` whole hours from `start` (UTC).

    A contract that is away for a part of the time keeps its baseline and offers nothing then.

    Raises:
        ArchipelError: The scenario has no contract with devices that can move.
    """
    found = []
    for contract in scenario.ownership.contracts:
        mine = scenario.ownership.devices_of(contract.id)
        member = _member(scenario, contract, mine, start, hours)
        if "energy" in contract.products and member.stores:
            found.append(member)
    if not found:
        raise ArchipelError(
            f"{scenario.name}: found no contract with batteries, sun or vehicles that may sell energy; expected one. "
            "Add [owners], or use the scenario vpp."
        )
    return tuple(found)


def _member(scenario: Scenario, contract: Contract, mine: Bools, start: datetime, hours: int) -> Flexibility:
    row = scenario.profiles.row(start)
    base, stores, first = np.zeros(hours), list[_Store](), 0
    for fleet in scenario.fleets:
        own = mine[first : first + len(fleet.id)]
        first += len(fleet.id)
        if not own.any():
            continue
        if isinstance(fleet, BatteryFleet):
            stores.append(_batteries(fleet, own, hours))
        elif isinstance(fleet, PvFleet):
            sun = _sun(fleet, own, scenario, row, hours)
            base -= sun
            stores.append(_store(np.zeros(hours), sun, np.full(hours, -np.inf), np.full(hours, np.inf)))
        elif isinstance(fleet, EvChargerFleet):
            arrival, store = _vehicles(fleet, own, row, hours)
            base += arrival
            stores.append(store)
    time = [start + timedelta(hours=k) for k in range(hours)]
    here = np.array([not any(a < t + timedelta(hours=1) and t < b for a, b in contract.away) for t in time])
    return _joined(contract.id, start, base, stores, here)


_Store = tuple[Floats, Floats, Floats, Floats, float, float, float, float]
"""Power bounds, energy bounds, energy at the start, efficiencies, cost."""


def _store(
    low_kw: Floats, high_kw: Floats, low_kwh: Floats, high_kwh: Floats, start_kwh: float = 0.0, charge: float = 1.0,
    discharge: float = 1.0, cost: float = CENT,
) -> _Store:  # fmt: skip
    return low_kw, high_kw, low_kwh, high_kwh, start_kwh, charge, discharge, cost


def _batteries(fleet: BatteryFleet, own: Bools, hours: int) -> _Store:
    size, one = fleet.e_kwh[own], np.ones(hours)

    def mean(values: Floats) -> float:
        return float(values[own] @ size / size.sum())

    return _store(
        -fleet.p_kw_discharge[own].sum() * one, fleet.p_kw_charge[own].sum() * one, np.zeros(hours), size.sum() * one,
        float(fleet.soc_start[own] @ size), mean(fleet.efficiency_charge), mean(fleet.efficiency_discharge),
        0.5 * mean(fleet.wear_eur_per_kwh),
    )  # fmt: skip


def _sun(fleet: PvFleet, own: Bools, scenario: Scenario, row: int, hours: int) -> Floats:
    value = scenario.profiles.window(row, PER_HOUR * hours).astype(np.float64)
    quarter = [fleet.available(Weather(row + k, value[k : k + 1], perfect=True))[own].sum() for k in range(len(value))]
    return np.asarray(np.reshape(quarter, (hours, PER_HOUR)).mean(axis=1))


def _vehicles(fleet: EvChargerFleet, own: Bools, row: int, hours: int) -> tuple[Floats, _Store]:
    """Charging on arrival, and how much later it may happen; what was charged before the day stays charged."""
    edge = row + PER_HOUR * np.arange(hours + 1)
    seen = own[fleet.session_device] & (fleet.session_start < edge[-1]) & (fleet.session_end > edge[0])
    sessions = Seen(
        fleet.session_device[seen], fleet.session_start[seen], fleet.session_end[seen], fleet.session_kwh[seen]
    )
    latest, earliest, most, _ = energy_curves(sessions, fleet.p_kw, edge, float(PER_HOUR))
    _, before, _, _ = energy_curves(sessions, fleet.p_kw, np.array([edge[0] - 1, edge[0]]), float(PER_HOUR))
    latest = np.maximum(latest, before)
    base = np.diff(earliest.sum(axis=0), prepend=before.sum())
    later = np.minimum(latest - earliest, 0.0).sum(axis=0)
    return base, _store(-base, np.maximum(most.sum(axis=0) - base, 0.0), later, np.zeros(hours))


def _joined(member: str, start: datetime, base: Floats, stores: list[_Store], here: Bools) -> Flexibility:
    columns = list(zip(*stores, strict=True)) if stores else [()] * 8
    wide = [np.array(c, dtype=np.float64).reshape(len(stores), len(base)) for c in columns[:4]]
    e_start, charge, discharge, cost = (np.array(c, dtype=np.float64) for c in columns[4:])
    return Flexibility(
        member=member, start=start, dt_h=1.0, base_kw=base, p_kw_min=wide[0] * here, p_kw_max=wide[1] * here,
        e_kwh_min=wide[2], e_kwh_max=wide[3], e_kwh_start=e_start, charge_efficiency=charge,
        discharge_efficiency=discharge, keep=np.ones(len(stores)), cost_eur_per_kwh=cost[:, None] * np.ones(len(base)),
    )  # fmt: skip
