"""What an island can promise before the main grid is lost, and what batteries keep for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from archipel.devices import BatteryFleet, LoadFleet
from archipel.formats.scenario import load_scenario
from archipel.model import Profiles, Scenario
from archipel.strategies.connected import before, remembered
from archipel.strategies.promise import MARGIN, Promise, held_by_all, load_kw

AT = datetime(2016, 3, 1, 18, tzinfo=UTC)


@pytest.fixture(scope="module")
def island() -> Scenario:
    return load_scenario("island")


def battery_of(scenario: Scenario) -> BatteryFleet:
    return next(f for f in scenario.fleets if isinstance(f, BatteryFleet))


def test_a_constant_load_needs_its_power_times_the_hours_and_a_margin(island: Scenario) -> None:
    steady = tuple(
        replace(f, p_profile=np.full(len(f.id), -1)) if isinstance(f, LoadFleet) else f for f in island.fleets
    )
    case = replace(island, fleets=steady)
    kw = sum(float(f.p_kw.sum()) for f in steady if isinstance(f, LoadFleet))
    promise = Promise(case, 0.4, case.profiles.row(AT), 6.0)
    assert promise.needs_kwh == pytest.approx(MARGIN * 0.4 * kw * 0.25 * np.arange(1, 25))
    assert promise.peak_kw == pytest.approx(0.4 * kw)


def test_a_promise_looks_at_nothing_that_is_still_to_come(island: Scenario) -> None:
    row = island.profiles.row(AT)
    value = island.profiles.value.copy()
    value[row:] *= 7.0
    later = replace(island, profiles=Profiles(island.profiles.start, island.profiles.name, value))
    here, there = (Promise(case, 0.4, row, 6.0) for case in (island, later))
    assert np.array_equal(here.needs_kwh, there.needs_kwh)
    assert here.shed_below_kwh() == there.shed_below_kwh()


def test_more_stored_is_never_promised_for_shorter_and_nothing_stored_for_nothing(island: Scenario) -> None:
    promise, battery = Promise(island, 0.4, island.profiles.row(AT), 6.0), battery_of(island)
    hours = [promise.hours(share * battery.e_kwh) for share in np.linspace(0.0, 1.0, 21)]
    assert hours == sorted(hours)
    assert hours[0] == 0.0
    assert hours[-1] == 6.0
    assert promise.hours(promise.held_kwh()) == 6.0


def test_what_cannot_be_held_even_when_full_is_promised_for_as_long_as_it_lasts(island: Scenario) -> None:
    battery = battery_of(island)
    small = replace(battery, e_kwh=0.1 * battery.e_kwh)
    case = replace(island, fleets=tuple(small if f is battery else f for f in island.fleets))
    promise = Promise(case, 0.4, case.profiles.row(AT), 6.0)
    assert promise.held_kwh() == pytest.approx(small.e_kwh)
    assert 0.0 < promise.hours(small.e_kwh) < 6.0


def test_units_too_small_for_the_critical_load_promise_nothing(island: Scenario) -> None:
    battery = battery_of(island)
    weak = replace(battery, p_kw_discharge=0.01 * battery.p_kw_discharge)
    case = replace(island, fleets=tuple(weak if f is battery else f for f in island.fleets))
    assert Promise(case, 0.4, case.profiles.row(AT), 6.0).hours(weak.e_kwh) == 0.0


def test_loads_of_some_cells_are_a_part_of_all(island: Scenario) -> None:
    row, cells = island.profiles.row(AT), np.arange(len(island.archipelago.cell))
    whole, _ = load_kw(island, row, 8)
    parts = sum(load_kw(island, row, 8, np.array([cell]))[0] for cell in cells)
    assert parts == pytest.approx(whole)


def test_batteries_keep_what_is_held_for_islands_and_charge_what_is_missing(island: Scenario) -> None:
    row, battery = island.profiles.row(AT), battery_of(island)
    promise = Promise(island, 0.4, row, 6.0)
    held = held_by_all(island, [(np.arange(len(battery.id)), promise)])
    empty = {"battery": {"e_kwh": 0.0 * battery.e_kwh}}
    now = before(island, AT, empty, held)
    at = np.array(island.device_kind) == "battery"
    # a quarter hour at the rating is not enough; what went in was drawn, less losses, and no more
    assert now.happened.p_kw[at] == pytest.approx(battery.p_kw_charge)
    assert now.states["battery"]["e_kwh"] == pytest.approx(
        0.25 * battery.p_kw_charge * battery.efficiency_charge, rel=1e-9
    )
    (_, states), (_, kept) = remembered(island, [row, row + 40], lambda _: held)
    assert (states["battery"]["e_kwh"] >= held - 1e-9).all()
    assert (kept["battery"]["e_kwh"] >= held - 1e-9).all()


def test_a_quarter_hour_from_what_is_remembered_is_that_of_the_run(island: Scenario) -> None:
    row = island.profiles.row(AT)
    (_, first), (_, second) = remembered(island, [row - 1, row])
    again = before(island, AT, first)
    assert again.states["battery"]["e_kwh"] == pytest.approx(second["battery"]["e_kwh"])
