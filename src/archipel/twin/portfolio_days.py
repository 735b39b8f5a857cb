"""Days of a portfolio drawn from a scenario: devices under contract, what they meet, what fails, what was forecast.

Everything random is drawn here, one generator per day, so a day is the same alone and among others. Days are the first
axis of every array. The truth differs from what was forecast: sun by a factor of the day, of the hour and of the
minute; vehicles as they came a week later than those the forecast saw; heat by a factor of the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.devices import BatteryFleet, EvChargerFleet, HeatPumpFleet, PvFleet
from archipel.devices.sessions import WEEK
from archipel.model import Bools, Floats, Ints, Scenario
from archipel.vpp.tracking_signals import wandering

QUARTERS = 96
CYCLES = 21_600
SUN_DAY, SUN_HOUR, SUN_MINUTE = 0.10, 0.08, 0.04
"""Standard deviations of the factors by which sun differs from its forecast; they wander in a day, 2 h and 10 min."""
SMOOTH_S = 60.0
"""A cloud takes this long over the roofs of an area: faster changes of the sum do not exist."""
HEAT_DAY = 0.10


@final
@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Devices of one kind under contract, shape (n,)."""

    name: str
    id: tuple[str, ...]
    row: Ints
    """In the fleet."""
    contract: Ints
    node: Ints
    """Number of the connection point in `Days.nodes`."""
    lag_s: Floats
    down: Floats
    up: Floats
    """Seconds from the start at which each device trips and is back, shape (D, n); infinite where it does not."""

    def works(self, at_s: float) -> Bools:
        """Which devices work, shape (D, n)."""
        return np.asarray((at_s < self.down) | (at_s >= self.up))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """D days of one portfolio with C contracts."""

    first_row: Ints
    """Profile row at which each day begins."""
    contracts: tuple[str, ...]
    contains: Bools
    """Which contracts let frequency containment be asked, shape (C,)."""
    nodes: Ints
    battery: Kind
    charger: Kind
    pump: Kind
    sun: Kind
    batteries: BatteryFleet
    chargers: EvChargerFleet
    pumps: HeatPumpFleet
    """Fleets of the scenario; `Kind.row` says which rows count."""
    sun_kw: Floats
    """Offered before errors, at the middle of quarter hours -1..97 of the day, shape (D, 99, n)."""
    sun_factor: Floats
    """Truth over forecast, per contract and cycle, shape (D, C, 21600)."""
    heat_kw: Floats
    """Heat each pump needs to stay at its lower limit, per quarter hour, shape (D, 96, n)."""
    forecast_kw: Floats
    """Drawn by all but batteries if nothing is asked, as forecast the day before, shape (D, 98)."""
    forecast_sun_kw: Floats
    """Of it the sun, negative, shape (D, 98)."""
    node_down: Floats
    node_up: Floats
    """Seconds at which each connection point falls silent and is back, shape (D, nodes)."""
    contract_down: Floats
    contract_up: Floats
    """The same for whole members, shape (D, C)."""
    price: Floats
    """Day-ahead price of every quarter hour, shape (D, 96)."""
    seed: int

    def heard(self, kind: Kind, at_s: float) -> Bools:
        """Whether each device's connection point answers messages, shape (D, n)."""
        silent = (at_s >= self.node_down) & (at_s < self.node_up)
        return np.asarray(~silent[:, kind.node])


def drawn(scenario: Scenario, first_row: Ints, seed: int, failing: float = 0.05) -> Days:
    """Draw the days of the scenario's first portfolio.

    Args:
        scenario: with ownership.
        first_row: profile row at which each day begins, at least a week after the first, shape (D,).
        seed: of everything random.
        failing: probability with which each device, each connection point and each whole member fails in a day. Devices
            trip, connection points fall silent (from a random time, half of them to the end of the day, the others
            for an hour on average), members fall silent for five minutes on average.

    Raises:
        ValueError: when the scenario names no portfolio, or lacks one of the four kinds of devices.
    """
    if not scenario.ownership.portfolio:
        raise ValueError(
            f"scenario {scenario.name}: found no portfolio; expected one. Use `vpp`, or add [[portfolio]]."
        )
    contract = scenario.ownership.device_contract
    rng = [np.random.default_rng([seed, int(row)]) for row in first_row]
    nodes = np.unique(scenario.device_node[contract >= 0])
    node_down, node_up = _outages(rng, len(nodes), failing, 3600.0, 0.5)
    fleets = {f.kind: f for f in scenario.fleets}
    first = np.cumsum([0, *(len(f.id) for f in scenario.fleets)])
    start = {f.kind: int(first[k]) for k, f in enumerate(scenario.fleets)}

    def kind(name: str, low_s: float, high_s: float) -> Kind:
        fleet = fleets[name]
        mine = contract[start[name] : start[name] + len(fleet.id)]
        row = np.flatnonzero(mine >= 0)
        down, up = _outages(rng, len(row), failing, 3600.0, 0.5)
        lag_s = np.random.default_rng([seed, len(name)]).uniform(low_s, high_s, len(row))
        ids = tuple(fleet.id[i] for i in row)
        return Kind(name, ids, row, mine[row], np.searchsorted(nodes, fleet.node[row]), lag_s, down, up)

    batteries, chargers, pumps, suns = (fleets.get(k) for k in ("battery", "ev_charger", "heat_pump", "pv"))
    if not (
        isinstance(batteries, BatteryFleet)
        and isinstance(chargers, EvChargerFleet)
        and isinstance(pumps, HeatPumpFleet)
        and isinstance(suns, PvFleet)
    ):
        raise ValueError(
            f"scenario {scenario.name}: found devices of the kinds {', '.join(sorted(fleets))}; expected battery, "
            "ev_charger, heat_pump and pv among them. Seconds of a portfolio are for those that have all four."
        )
    battery, charger = kind("battery", 0.2, 1.0), kind("ev_charger", 2.0, 5.0)
    pump, sun = kind("heat_pump", 5.0, 15.0), kind("pv", 0.5, 2.0)
    rows = first_row[:, None] + np.arange(-1, QUARTERS + 2)
    value = np.column_stack([scenario.profiles.value, np.ones(len(scenario.profiles.value))]).astype(np.float64)
    sun_kw = np.clip(value[rows][:, :, suns.profile[sun.row]] * suns.p_kw_peak[sun.row], 0.0, suns.s_kva[sun.row])
    # One column of heat serves many pumps; who heats first is in their states.
    heat_kw = value[rows][:, :, pumps.heat_profile[pump.row]] * pumps.heat_kw[pump.row]
    wrong = np.array([1.0 + HEAT_DAY * g.standard_normal() for g in rng])
    pump_kw = (heat_kw[:, 1:] / pumps.cop[pump.row]).sum(axis=-1) * wrong[:, None]
    contracts = scenario.ownership.contracts
    gone = _outages(rng, len(contracts), failing, 300.0, 0.0)
    factor = np.stack([_sun_factor(len(contracts), g) for g in rng])
    charging = np.stack([_uncontrolled(chargers, charger.row, int(row) - WEEK) for row in first_row])
    forecast_sun = -sun_kw[:, 1:].sum(axis=-1)
    return Days(
        first_row=first_row, contracts=tuple(c.id for c in contracts),
        contains=np.array(["fcr" in c.products for c in contracts]), nodes=nodes,
        battery=battery, charger=charger, pump=pump, sun=sun, batteries=batteries, chargers=chargers, pumps=pumps,
        sun_kw=sun_kw, sun_factor=factor, heat_kw=heat_kw[:, 1:-1],
        forecast_kw=charging + pump_kw + forecast_sun, forecast_sun_kw=forecast_sun,
        node_down=node_down, node_up=node_up, contract_down=gone[0], contract_up=gone[1],
        price=np.stack([scenario.price[r : r + QUARTERS] for r in first_row]), seed=seed,
    )  # fmt: skip


def _outages(
    rng: list[np.random.Generator], number: int, failing: float, mean_s: float, for_good: float
) -> tuple[Floats, Floats]:
    """(falls out, is back) in seconds, shape (D, number) each."""
    down, up = [], []
    for g in rng:
        fails = g.random(number) < failing
        begins = g.uniform(0.0, 86_400.0, number)
        length = np.where(g.random(number) < for_good, np.inf, g.exponential(mean_s, number))
        down.append(np.where(fails, begins, np.inf))
        up.append(np.where(fails, begins + length, np.inf))
    return np.stack(down), np.stack(up)


def _sun_factor(contracts: int, rng: np.random.Generator) -> Floats:
    day = SUN_DAY * rng.standard_normal()
    hour = wandering(CYCLES, 4.0, SUN_HOUR, 7200.0, rng)
    # Smoothed over SMOOTH_S, which takes little off the deviation but all that is quicker.
    width = round(SMOOTH_S / 4.0)
    minute = np.stack([wandering(CYCLES + width - 1, 4.0, SUN_MINUTE, 600.0, rng) for _ in range(contracts)])
    sums = np.cumsum(np.concatenate([np.zeros((contracts, 1)), minute], axis=1), axis=1)
    smooth = (sums[:, width:] - sums[:, :-width]) / width
    return np.asarray(np.maximum(1.0 + day + hour + smooth, 0.0))


def _uncontrolled(fleet: EvChargerFleet, row: Ints, first: int) -> Floats:
    """Power of the chargers when everybody charges on arrival, means of 98 quarter hours from profile row `first`."""
    sessions = fleet.sessions
    out = np.zeros(QUARTERS + 2)
    chosen = np.isin(sessions.device, row) & (sessions.start[:-1] < first + len(out)) & (sessions.end[:-1] > first)
    for k in np.flatnonzero(chosen):
        p_kw = float(fleet.p_kw[sessions.device[k]])
        steps = min(int(sessions.end[k] - sessions.start[k]), int(np.ceil(4.0 * sessions.kwh[k] / p_kw)))
        left = float(sessions.kwh[k])
        for step in range(steps):
            now = min(p_kw, 4.0 * left)
            left -= now / 4.0
            at = int(sessions.start[k]) + step - first
            if 0 <= at < len(out):
                out[at] += now
    return out
