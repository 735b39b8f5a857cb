"""The day of the series on which new devices are hardest to take."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from archipel.devices import GeneratorFleet, LoadFleet, PvFleet
from archipel.model import ArchipelError, Floats, Ints, Scenario
from archipel.strategies.hosting.joined import series_of
from archipel.strategies.hosting.question import Device

QUARTERS = 96


def stress_day(scenario: Scenario, device: Device, new_kw: float) -> datetime:
    """The first quarter hour of that day: midnight UTC, for EV chargers noon, so that a night is not cut in two.

    PV: lowest net load (load less renewables, old and new) in any quarter hour. EV chargers: highest net load between
    noon and noon. Heat pumps: highest net load with their heat.

    Args:
        scenario: Prepared (`joined.prepared`).
        device: What comes.
        new_kw: Power of all that may come [kW].

    Raises:
        ArchipelError: where the series hold no whole day.
    """
    profiles = scenario.profiles
    midnight = profiles.start.replace(hour=12 if device == "ev" else 0, minute=0, second=0, microsecond=0)
    if midnight < profiles.start:
        midnight += timedelta(days=1)
    first = profiles.row(midnight)
    days = (len(profiles.value) - first) // QUARTERS
    if days < 1:
        raise ArchipelError(f"{scenario.name}: found series shorter than a day; expected at least 96 quarter hours")
    net = net_load_kw(scenario)
    if device == "pv":
        net = -(net - new_kw * _mean(scenario, series_of(scenario, "pv")))
    elif device == "heat-pump":
        net = net + new_kw * _mean(scenario, series_of(scenario, "heat_pump"))
    worst = net[first : first + days * QUARTERS].reshape(days, QUARTERS).max(axis=1)
    return midnight + timedelta(days=int(worst.argmax()))


def net_load_kw(scenario: Scenario) -> Floats:
    """Inflexible load less renewables without anybody's rule, shape (rows of the series,)."""
    weight = np.zeros(scenario.profiles.value.shape[1] + 1)
    for fleet in scenario.fleets:
        if isinstance(fleet, LoadFleet):
            np.add.at(weight, fleet.p_profile, fleet.p_kw)
        elif isinstance(fleet, PvFleet):
            np.add.at(weight, fleet.profile, -fleet.p_kw_peak)
        elif isinstance(fleet, GeneratorFleet):
            np.add.at(weight, fleet.profile, -fleet.p_kw)
    return np.asarray(scenario.profiles.value @ weight[:-1].astype(np.float32) + weight[-1], dtype=np.float64)


def _mean(scenario: Scenario, columns: Ints) -> Floats:
    return np.asarray(scenario.profiles.value[:, columns].mean(axis=1), dtype=np.float64)
