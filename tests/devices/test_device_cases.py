"""The few cases worth seeing, kind by kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.devices import (
    BatteryFleet,
    EvChargerFleet,
    HeatPumpFleet,
    LoadFleet,
    PvFleet,
    Sensed,
    SheddableFleet,
    Weather,
    wear_eur,
    weather_driven,
)
from archipel.devices.critical import with_critical
from archipel.model import Floats, Horizon, IslandRules, Tariff

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)
NEVER = np.zeros(1, dtype=bool)
NAN = np.array([np.nan])


def one(x: float) -> Floats:
    return np.array([float(x)])


def now(value: float = 1.0, row: int = 0) -> Weather:
    return Weather(row, np.array([[value]]), perfect=True)


def quarters(n: int, start: datetime = NOON) -> Horizon:
    return Horizon(start, np.ones(n, dtype=np.int64))


def pv(*, modern: bool, s_kva: float = 10.0) -> PvFleet:
    return PvFleet(("pv",), np.zeros(1, int), one(10), one(s_kva), np.zeros(1, int), np.array([modern]))


def test_a_modern_inverter_follows_the_category_b_curve_through_all_its_corners() -> None:
    v = [0.90, 0.92, 0.95, 0.98, 1.0, 1.02, 1.05, 1.08, 1.12]
    q = [float(pv(modern=True).q_at_voltage(one(x), one(0), NAN)[0]) for x in v]
    assert q == pytest.approx([-4.4, -4.4, -2.2, 0, 0, 0, 2.2, 4.4, 4.4])


def test_an_inverter_at_full_sun_has_no_reactive_power_left() -> None:
    assert pv(modern=True).q_at_voltage(one(1.08), one(-10), NAN)[0] == 0.0


def test_a_leased_inverter_holds_its_setpoint_inside_the_band_and_helps_outside_it() -> None:
    v = [0.88, 0.89, 0.90, 1.0, 1.10, 1.11, 1.12]
    q = [float(pv(modern=True).q_at_voltage(one(x), one(0), one(2.0))[0]) for x in v]
    assert q == pytest.approx([-4.4, -1.2, 2.0, 2.0, 2.0, 3.2, 4.4])


def test_an_older_inverter_has_no_reactive_power_and_trips_above_1_10_pu() -> None:
    old = pv(modern=False)
    assert old.q_at_voltage(one(1.2), one(0), one(3.0))[0] == 0.0
    assert not old.trips(one(1.10))[0]
    assert old.trips(one(1.1001))[0]
    assert not pv(modern=True).trips(one(1.2))[0]


def test_what_a_tripped_inverter_could_have_given_counts_as_available() -> None:
    done = pv(modern=False).advance({}, now(0.5), one(-5), one(0), ~NEVER, 0.25)
    assert (done.p_kw[0], done.available_kw[0]) == (0.0, 5.0)


def test_a_plan_that_cuts_nothing_leaves_more_sun_than_forecast_to_the_inverter() -> None:
    fleet, horizon = pv(modern=False), quarters(4)
    plan = fleet.plan(np.arange(1), {}, Weather(0, np.full((4, 1), 0.5), False), horizon, Tariff())
    full, _ = fleet.setpoints(np.arange(1), {}, plan, plan.columns.lo, 0, NOON)
    half, _ = fleet.setpoints(np.arange(1), {}, plan, 0.5 * plan.columns.lo, 0, NOON)
    assert fleet.advance({}, now(0.8), full, one(0), NEVER, 0.25).p_kw[0] == -8.0
    assert fleet.advance({}, now(0.8), half, one(0), NEVER, 0.25).p_kw[0] == -2.5


def test_at_night_photovoltaics_bring_no_active_column() -> None:
    dark = Weather(0, np.zeros((4, 1)), True)
    assert len(pv(modern=False).plan(np.arange(1), {}, dark, quarters(4), Tariff()).columns) == 0
    assert len(pv(modern=True).plan(np.arange(1), {}, dark, quarters(4), Tariff()).columns) == 1


def battery() -> BatteryFleet:
    return BatteryFleet(("b",), np.zeros(1, int), one(10), one(5), one(5), one(0.9), one(0.8), one(0.5), one(0.01))


def test_a_battery_loses_on_the_way_in_and_on_the_way_out() -> None:
    b = battery()
    charged = b.advance({"e_kwh": one(5)}, now(), one(4), one(0), NEVER, 0.25)
    assert charged.state["e_kwh"][0] == pytest.approx(5 + 0.9)
    given_back = b.advance({"e_kwh": one(5)}, now(), one(-4), one(0), NEVER, 0.25)
    assert given_back.state["e_kwh"][0] == pytest.approx(5 - 1.25)


def test_an_empty_battery_gives_nothing_and_a_full_one_takes_nothing() -> None:
    b = battery()
    assert b.advance({"e_kwh": one(0)}, now(), one(-4), one(0), NEVER, 0.25).p_kw[0] == 0
    assert b.advance({"e_kwh": one(10)}, now(), one(4), one(0), NEVER, 0.25).p_kw[0] == 0


def test_batteries_at_one_node_share_the_surplus_by_rating_and_never_take_more_than_it() -> None:
    two = BatteryFleet(
        ("a", "b"), np.zeros(2, int), *(np.array(x) for x in ([9.0, 9.0], [6.0, 2.0], [2.0, 2.0])), *[np.ones(2)] * 2,
        np.full(2, 0.5), np.zeros(2),
    )  # fmt: skip
    state = two.initial(0)
    surplus, _ = two.local_rule(state, now(), Sensed(np.ones(2), np.full(2, -4.0)), 0.25)
    demand, _ = two.local_rule(state, now(), Sensed(np.ones(2), np.full(2, 3.0)), 0.25)
    assert surplus.tolist() == [3.0, 1.0]
    assert demand.tolist() == [-1.5, -1.5]


def test_a_cycle_that_gives_back_a_kwh_without_losses_costs_the_stated_wear() -> None:
    assert wear_eur(np.array([[4.0, -4.0]]), one(0.01), 0.25)[0] == pytest.approx(0.01)


@pytest.mark.parametrize(("start_hour", "expected"), [(12, 47), (0, 95)])
def test_a_plan_asks_for_the_first_state_of_charge_at_the_end_of_the_utc_day(start_hour: int, expected: int) -> None:
    horizon = quarters(96, NOON.replace(hour=start_hour))
    plan = battery().plan(np.arange(1), {"e_kwh": one(2)}, now(), horizon, Tariff())
    assert plan.columns.store is not None
    assert np.flatnonzero(plan.columns.store.lo[0]).tolist() == [expected]
    assert plan.columns.store.lo[0, expected] == 5.0


def ev(*sessions: tuple[int, int, float], p_kw: float = 8.0) -> EvChargerFleet:
    start, end, kwh = (np.array(x) for x in zip(*sessions, strict=True))
    return EvChargerFleet(("ev",), np.zeros(1, int), one(p_kw), np.zeros(len(kwh), int), start, end, kwh)


def drive(fleet: EvChargerFleet, wish: list[float], dt_h: float = 0.25) -> tuple[list[float], list[float]]:
    state, power, missing = fleet.initial(0), [], []
    for w in wish:
        done = fleet.advance(state, now(), one(w), one(0), NEVER, dt_h)
        state = done.state
        power.append(float(done.p_kw[0]))
        missing.append(float(done.ev_unserved_kwh[0]))
    return power, missing


def test_a_vehicle_charges_only_while_plugged_in_and_only_what_it_needs() -> None:
    assert drive(ev((1, 5, 3.0)), [8.0] * 6)[0] == [0, 8, 4, 0, 0, 0]


def test_what_is_missing_is_booked_in_the_step_that_ends_with_the_departure() -> None:
    assert drive(ev((1, 3, 3.0), (3, 4, 1.0)), [0, 4, 0, 4, 0])[1] == [0, 0, 2.0, 0, 0]


def test_minutes_add_up_to_the_same_departure() -> None:
    power, missing = drive(ev((1, 3, 3.0)), [4.0] * 60, dt_h=1 / 60)
    assert power[15:45] == [4.0] * 30
    assert sum(missing) == pytest.approx(1.0)
    assert missing[44] > 0


def test_a_vehicle_found_plugged_in_has_been_charging_since_it_came() -> None:
    state = ev((0, 8, 9.0)).initial(4)
    assert state["delivered_kwh"][0] == 8.0


def test_the_energy_curves_of_a_session_are_charge_at_once_and_charge_last() -> None:
    fleet = ev((1, 5, 5.0))
    plan = fleet.plan(np.arange(1), fleet.initial(0), now(), quarters(6), Tariff())
    assert plan.columns.store is not None
    assert plan.columns.store.hi[0].tolist() == [0, 2, 4, 5, 5, 5]
    assert plan.columns.store.lo[0].tolist() == [0, 0, 1, 3, 5, 5]
    assert plan.columns.hi[0, 0].round(2).tolist() == [0, 8, 8, 8, 8, 0]


def test_without_a_perfect_forecast_tomorrow_is_expected_like_the_same_day_last_week() -> None:
    fleet = ev((10, 20, 5.0), (672 + 14, 672 + 24, 7.0))
    state = fleet.initial(672)
    known = fleet.plan(np.arange(1), state, Weather(672, np.zeros((1, 1)), True), quarters(40), Tariff())
    guess = fleet.plan(np.arange(1), state, Weather(672, np.zeros((1, 1)), False), quarters(40), Tariff())
    assert known.columns.store is not None
    assert guess.columns.store is not None
    assert (known.columns.store.hi[0, -1], guess.columns.store.hi[0, -1]) == (7.0, 5.0)
    assert np.flatnonzero(guess.columns.hi[0, 0] > 0.01).tolist() == list(range(10, 20))


def test_chargers_of_a_node_share_a_column_only_when_they_are_never_in_use_at_once() -> None:
    fleet = EvChargerFleet(
        ("day", "noon", "evening"), np.zeros(3, int), np.full(3, 8.0), np.arange(3), np.array([0, 4, 12]),
        np.array([10, 8, 20]), np.full(3, 5.0),
    )  # fmt: skip
    plan = fleet.plan(np.arange(3), fleet.initial(0), now(), quarters(24), Tariff())
    assert plan.column_of.tolist() == [0, 1, 0]


def test_the_power_of_a_column_goes_first_to_who_has_least_time_to_spare() -> None:
    fleet = EvChargerFleet(
        ("known", "early"), np.zeros(2, int), np.full(2, 8.0), np.arange(2), np.zeros(2, int), np.array([20, 6]),
        np.array([9.0, 9.0]),
    )  # fmt: skip
    state = fleet.initial(0)
    plan = replace(fleet.plan(np.arange(2), state, now(), quarters(24), Tariff()), column_of=np.zeros(2, dtype=int))
    p, _ = fleet.setpoints(np.arange(2), state, plan, np.full((1, 1, 24), 10.0), 0, NOON)
    assert p.tolist() == [2.0, 8.0]


def test_an_unannounced_vehicle_waits_for_the_next_plan_unless_it_is_urgent() -> None:
    for end, expected in ((40, 0.0), (8, 8.0)):
        fleet = ev((0, end, 8.0))
        absent = ev((90, 91, 1.0))
        nothing = absent.plan(np.arange(1), absent.initial(0), now(), quarters(4), Tariff())
        assert nothing.column_of.tolist() == [-1]
        p, _ = fleet.setpoints(np.arange(1), fleet.initial(0), nothing, np.zeros((0, 1, 4)), 0, NOON)
        assert p[0] == expected


def test_overlapping_sessions_of_one_charger_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        ev((0, 5, 1.0), (4, 8, 1.0)).initial(0)


def heat_pump(heat_kw: float = 6.0) -> HeatPumpFleet:
    return HeatPumpFleet(("hp",), np.zeros(1, int), one(4), np.array([-1]), one(heat_kw), one(3), one(5), one(2))


def test_a_house_without_heat_cools_as_the_exponential_says() -> None:
    done = heat_pump(heat_kw=6.0).advance({"t_k": one(1), "on": one(0)}, now(), one(0), one(0), NEVER, 0.25)
    keep = np.exp(-0.2 * 0.25 / 5)
    assert done.state["t_k"][0] == pytest.approx(keep - (1 - keep) / 0.2 * 6)


def test_four_quarter_hours_are_one_hour() -> None:
    fleet, state = heat_pump(), {"t_k": one(1), "on": one(0)}
    whole = fleet.advance(state, now(), one(2.2), one(0), NEVER, 1.0).state["t_k"][0]
    for _ in range(4):
        state = dict(fleet.advance(state, now(), one(2.2), one(0), NEVER, 0.25).state)
    assert state["t_k"][0] == pytest.approx(whole)


def test_a_thermostat_swings_through_its_band_and_never_leaves_it() -> None:
    fleet, state, on = heat_pump(), heat_pump().initial(0), []
    for _ in range(200):
        p, q = fleet.local_rule(state, now(), Sensed(one(1), one(0)), 0.25)
        done = fleet.advance(state, now(), p, q, NEVER, 0.25)
        state = done.state
        on.append(bool(p[0] > 0))
        assert done.comfort_missed_k_h[0] == 0.0
    assert 10 < np.abs(np.diff(np.array(on, int))).sum() < 190


def test_a_heat_pump_too_small_for_the_cold_misses_kelvin_hours() -> None:
    done = heat_pump(heat_kw=60.0).advance({"t_k": one(0), "on": one(1)}, now(), one(4), one(0), NEVER, 0.25)
    assert done.comfort_missed_k_h[0] == pytest.approx(-done.state["t_k"][0] * 0.25)
    assert done.comfort_missed_k_h[0] > 0


@given(st.floats(0, 2))
def test_active_and_reactive_power_are_shed_by_the_same_share(served: float) -> None:
    fleet = SheddableFleet(("s",), np.zeros(1, int), one(4), one(2), np.zeros(1, int), np.zeros(1, int), one(10))
    done = fleet.advance({}, now(), one(4 * served), one(0), NEVER, 0.25)
    share = min(served, 1.0)
    assert done.p_kw[0] == pytest.approx(4 * share)
    assert done.q_kvar[0] == pytest.approx(2 * share)
    assert done.unserved_kwh[0] == pytest.approx((1 - share) * 1.0)


def test_what_devices_hold_is_counted_in_electricity() -> None:
    assert battery().held_kwh({"e_kwh": one(4)}).tolist() == [4.0]
    assert heat_pump().held_kwh({"t_k": one(1.5), "on": one(0)}).tolist() == [2.5]
    vehicle = ev((0, 8, 9.0))
    assert vehicle.held_kwh(vehicle.initial(2)).tolist() == [4.0]


def test_columns_that_follow_the_weather_are_those_of_sun_and_heat() -> None:
    assert weather_driven([pv(modern=True), heat_pump()], 3).tolist() == [True, False, False]


def test_load_is_cut_into_a_critical_part_and_a_rest_that_joins_what_may_be_shed() -> None:
    load = LoadFleet(("a", "b"), np.array([1, 2]), np.array([10.0, 4.0]), np.array([2.0, 1.0]), *np.zeros((2, 2), int))
    shed = SheddableFleet(("s",), np.array([3]), one(5), one(1), np.zeros(1, int), np.zeros(1, int), one(7))
    for fleets in ((load,), (shed, load), (load, shed)):
        kept = {fleet.kind: fleet for fleet in with_critical(fleets, IslandRules(critical_share=0.4), 10.0)}
        assert kept["load"].p_kw.tolist() == [4.0, 1.6]  # type: ignore[attr-defined]
        rest = kept["sheddable"]
        assert rest.id == (("s",) if shed in fleets else ()) + ("a/rest", "b/rest")
        assert rest.p_kw[-2:].tolist() == [6.0, 2.4]  # type: ignore[attr-defined]
    assert with_critical((load,), IslandRules(critical_share=1.0), 10.0) == (load,)
