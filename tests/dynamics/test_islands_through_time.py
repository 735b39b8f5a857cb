"""Physics of islands: balance, sharing, closed forms, limits, stores, loads, trips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from islands import load, ring, two_droops

from archipel.grid.dynamics import (
    Connect,
    Event,
    Following,
    Governor,
    Island,
    Limit,
    Load,
    LoadStep,
    Network,
    SetPoint,
    Start,
    Store,
    Traces,
    Trip,
    droop,
    ieee_1547,
    machine,
    main_grid,
    settled,
    simulate,
    vsm,
)
from archipel.grid.dynamics.simulate import QUIET_F_HZ


def unbalance_kw(traces: Traces) -> float:
    total = traces.p_kw.sum(axis=2) + traces.load_p_kw.sum(axis=2) + traces.losses_kw
    return float(np.abs(total).max())


def mixed(z_share: float = 0.5) -> Island:
    """One unit of every kind, a load that answers to voltage and frequency."""
    return Island(
        ring(5),
        (
            Following(id="pv", terminal=3, rating_kva=200.0, p_kw=-150.0, p_kw_min=-150.0),
            droop("battery", 0, 300.0, p_kw=-100.0),
            vsm("vsm", 1, 300.0, inertia_s=2.0, damping_pu=40.0, p_kw=-100.0),
            machine("biomass", 2, 300.0, p_kw=-100.0),
        ),
        (load(450.0, 100.0, 4, z_share=z_share, share_per_hz=0.02),),
    )


@settings(max_examples=15, deadline=None)
@given(st.floats(200, 700), st.floats(0, 1), st.sampled_from([0.001, 0.002, 0.005, 0.01]), st.booleans())
def test_what_units_give_is_drawn_and_lost_at_every_time(p_kw: float, z: float, step_s: float, trip: bool) -> None:
    events: list[Event] = [LoadStep(time_s=0.1, load="load", p_kw=p_kw, q_kvar=50.0)]
    if trip:
        events.append(Trip(time_s=0.2, id="pv"))
    traces = simulate(mixed(z), events, duration_s=1.0, step_s=step_s)
    assert unbalance_kw(traces) < 1e-6


def test_a_load_of_constant_power_draws_what_it_is_asked_for() -> None:
    island = Island(ring(2), (droop("a", 0, 600.0), droop("b", 1, 300.0)), (load(450.0, 50.0, 0, z_share=0.0),))
    traces = simulate(island, [LoadStep(time_s=0.1, load="load", p_kw=600.0)], duration_s=2.0)
    assert traces.load_p_kw[0, 0, 0] == pytest.approx(450.0, abs=1e-6)
    assert traces.load_p_kw[0, -1, 0] == pytest.approx(600.0, abs=1e-3)


def test_two_droop_units_share_by_rating() -> None:
    state = settled(two_droops())
    assert state.found.all()
    assert state.p_kw[0, 0] == pytest.approx(2 * state.p_kw[0, 1], rel=1e-9)
    assert state.f_hz[0] == pytest.approx(50.0 * (1 - 0.02 * -state.p_kw[0, 1] / 300.0), abs=1e-9)


def test_time_ends_where_settling_without_time_says() -> None:
    island = mixed()
    step = [LoadStep(time_s=0.0, load="load", p_kw=600.0, q_kvar=100.0)]
    traces = simulate(island, step, duration_s=40.0, step_s=0.01, quasi_static=False)
    state = settled(island, Start(load_p_kw=np.array([[600.0]]), load_q_kvar=np.array([[100.0]])))
    assert traces.settled_hz == pytest.approx(state.f_hz, abs=1e-5)
    assert np.abs(traces.p_kw[0, -1] - state.p_kw[0]).max() < 1e-2
    assert np.abs(traces.v_pu[0, -1] - state.v_pu[0]).max() < 1e-5


@pytest.mark.parametrize(("inertia_s", "damping", "lag_s"), [(3.0, 1.0, 0.5), (0.5, 2.0, 0.1), (5.0, 0.0, 0.2)])
def test_a_virtual_machine_answers_a_step_as_its_second_order_equation(
    inertia_s: float, damping: float, lag_s: float
) -> None:
    """2H w'' + (D + 2H/T) w' + (D + 1/R)/T w = -dp/T with w'(0) = -dp/2H: the textbook's damped oscillation."""
    r, dp, f = 0.05, 0.3, 50.0
    unit = vsm("vsm", 0, 1000.0, inertia_s=inertia_s, damping_pu=damping, governor=Governor(droop=r, valve_s=lag_s),
               droop_v=0.0, p_kw=-300.0)  # fmt: skip
    island = Island(Network(np.zeros((1, 1), dtype=complex)), (unit,), (load(300.0, 0.0, z_share=0.0),))
    traces = simulate(island, [LoadStep(time_s=0.5, load="load", p_kw=600.0)], duration_s=10.5, quasi_static=False)
    m = 2 * inertia_s
    a, w2 = (damping / m + 1 / lag_s) / 2, (damping + 1 / r) / (m * lag_s)
    t, end = np.maximum(traces.time_s - 0.5, 0.0), -dp / (damping + 1 / r)
    turn = np.sqrt(complex(w2 - a * a))
    w = end + np.exp(-a * t) * (-end * np.cos(turn * t) + (-dp / m - a * end) * np.sin(turn * t) / turn)
    assert np.abs(traces.f_centre_hz[0] - f * (1 + w.real)).max() < 1e-4
    fine = np.arange(0.0, 10.0, 1e-4)
    low = end + np.exp(-a * fine) * (-end * np.cos(turn * fine) + (-dp / m - a * end) * np.sin(turn * fine) / turn)
    assert traces.nadir_hz[0] == pytest.approx(f * (1 + low.real.min()), abs=1e-4)
    less = simulate(island, [LoadStep(time_s=0.5, load="load", p_kw=0.0)], duration_s=10.5, record_s=1.0)
    assert less.peak_hz[0] == pytest.approx(f * (1 - low.real.min()), abs=1e-4), "as high as it fell"
    assert less.nadir_hz[0] == pytest.approx(f, abs=1e-6)


def test_a_droop_inverter_falls_as_its_filter_does() -> None:
    unit = droop("a", 0, 1000.0, filter_s=0.1, droop_v=0.0)
    island = Island(Network(np.zeros((1, 1), dtype=complex)), (unit,), (load(0.0, 0.0, z_share=0.0),))
    traces = simulate(island, [LoadStep(time_s=0.0, load="load", p_kw=500.0)], duration_s=1.0, quasi_static=False)
    assert np.abs(traces.f_hz[0, :, 0] - (50.0 - 0.5 * (1 - np.exp(-traces.time_s / 0.1)))).max() < 1e-4


def test_half_a_step_makes_a_quarter_of_the_error() -> None:
    """Measured: frequencies 6.1 mHz off at 10 ms, 1.5 at 5 ms, 0.06 at 1 ms, while units swing against each other."""
    units = (
        vsm("a", 0, 600.0, inertia_s=1.0, damping_pu=30.0),
        vsm("b", 1, 300.0, inertia_s=0.3, damping_pu=30.0),
        machine("m", 2, 300.0, p_kw=-100.0),
    )
    island = Island(ring(3), units, (load(450.0, 50.0, 1),))
    step = [LoadStep(time_s=0.1, load="load", p_kw=700.0, q_kvar=100.0)]
    f_hz = {s: simulate(island, step, duration_s=1.0, step_s=s).f_hz for s in (0.01, 0.005, 0.001, 0.0005)}
    off = {s: np.abs(f_hz[s] - f_hz[0.0005]).max() for s in f_hz}
    assert off[0.01] / off[0.005] == pytest.approx(4.0, abs=0.3)
    assert off[0.001] < 1e-4


@pytest.mark.parametrize("p_kw", [1500.0, 4000.0, 20000.0])
def test_a_current_is_never_above_its_limit(p_kw: float) -> None:
    step = [
        LoadStep(time_s=0.1, load="load", p_kw=p_kw, q_kvar=p_kw / 2),
        LoadStep(time_s=0.3, load="load", p_kw=300.0),
    ]
    traces = simulate(mixed(1.0), step, duration_s=1.0)
    limited = traces.i_pu[0][:, :3]  # the machine has no such limit
    assert limited.max() <= 1.2 * (1 + 1e-6)
    assert unbalance_kw(traces) < 1e-5
    only = simulate(two_droops(), step, duration_s=0.5)
    assert only.i_pu.max() == pytest.approx(1.2, rel=1e-6)
    assert only.v_pu[0, 20].max() < 0.9


@pytest.mark.parametrize("seed", [46, 70, 96, 179])
def test_currents_limited_together_come_to_rest_whatever_the_loads(seed: int) -> None:
    """Faults at loads of constant power in islands of 3 to 7 units, chosen for being hard."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 8))
    rating = rng.uniform(100, 1000, n)
    total = rating.sum()
    units = tuple(droop(f"u{i}", i, float(rating[i]), x_pu=float(rng.uniform(0.05, 0.3))) for i in range(n))
    loads = tuple(
        Load(
            id=f"l{i}", terminal=i, p_kw=total * 0.4 / n, q_kvar=total * 0.1 / n, z_share=float(rng.choice([0, 0.5, 1]))
        )
        for i in range(n)
    )
    z = rng.uniform(0.005, 0.2) * (1 + 1j * rng.uniform(0.3, 5))
    fault = LoadStep(
        time_s=0.02, load=f"l{rng.integers(n)}", p_kw=total * rng.uniform(0.5, 8), q_kvar=total * rng.uniform(-1, 8)
    )
    events = [fault, Trip(time_s=0.05, id=f"u{rng.integers(n)}")]
    traces = simulate(Island(ring(n, z), units, loads), events, duration_s=0.06)
    assert traces.i_pu.max() == pytest.approx(1.2, rel=1e-6)
    assert unbalance_kw(traces) < 1e-3


def test_losing_the_main_grid_leaves_the_load_to_those_who_form_a_voltage() -> None:
    units = (main_grid("grid", 0, 20000.0), droop("a", 1, 300.0, p_kw=-50.0), droop("b", 2, 600.0, p_kw=-50.0))
    island = Island(ring(3), units, (load(400.0, 80.0, 2),))
    traces = simulate(island, [Trip(time_s=0.5, id="grid")], duration_s=5.0)
    before, after = traces.p_kw[0, 10], traces.p_kw[0, -1]
    assert traces.f_centre_hz[0, 10] == pytest.approx(50.0, abs=1e-9)
    assert before[1:] == pytest.approx([-50.0, -50.0], abs=1e-6)
    assert after[0] == 0.0
    assert after[2] + 50.0 == pytest.approx(2 * (after[1] + 50.0), rel=1e-6), "what is missing is shared by rating"
    assert 49.0 < traces.nadir_hz[0] < traces.f_centre_hz[0, 10]
    assert traces.trips == ()


def test_scenarios_of_a_batch_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(1)
    loads = rng.uniform(300.0, 700.0, (6, 1))
    events = [LoadStep(time_s=0.1, load="load", p_kw=600.0), Trip(time_s=0.3, id="vsm", scenario=2)]
    together = simulate(mixed(), events, duration_s=1.0, start=Start(load_p_kw=loads), quasi_static=False)
    for s in (1, 2):
        mine = [event for event in events if event.scenario in {None, s}]
        mine = [Trip(time_s=0.3, id="vsm") if isinstance(event, Trip) else event for event in mine]
        alone = simulate(mixed(), mine, duration_s=1.0, start=Start(load_p_kw=loads[s : s + 1]), quasi_static=False)
        assert np.abs(together.p_kw[s] - alone.p_kw[0]).max() < 1e-4
        assert np.nanmax(np.abs(together.f_hz[s] - alone.f_hz[0])) < 1e-7


def test_networks_may_differ_by_scenario() -> None:
    near, far = ring(2, 0.01 + 0.05j).y_pu, ring(2, 0.05 + 0.25j).y_pu
    units, loads = two_droops().units, two_droops().loads
    both = settled(Island(Network(np.stack([near, far])), units, loads))
    for s, y in enumerate((near, far)):
        assert both.v_pu[s] == pytest.approx(settled(Island(Network(y), units, loads)).v_pu[0], abs=1e-9)


def test_leaving_out_time_in_which_nothing_moves_changes_nothing_else() -> None:
    step = [LoadStep(time_s=1.0, load="load", p_kw=600.0), LoadStep(time_s=40.0, load="load", p_kw=300.0)]
    quick = simulate(mixed(), step, duration_s=44.0, step_s=0.01, record_s=0.1)
    slow = simulate(mixed(), step, duration_s=44.0, step_s=0.01, record_s=0.1, quasi_static=False)
    assert np.diff(quick.time_s).max() > 15.0
    there = np.searchsorted(slow.time_s, quick.time_s - 1e-6)
    assert np.abs(slow.time_s[there] - quick.time_s).max() < 1e-6
    assert np.abs(quick.f_centre_hz[0] - slow.f_centre_hz[0, there]).max() < 2 * QUIET_F_HZ
    assert np.abs(quick.p_kw[0] - slow.p_kw[0, there]).max() < 0.1


def test_an_empty_battery_hands_over_and_gives_no_more() -> None:
    units = (
        droop("empty", 0, 300.0, store=Store(e_kwh=0.5, e_kwh_max=100.0, efficiency=0.9)),
        droop("full", 1, 600.0, store=Store(e_kwh=90.0, e_kwh_max=100.0)),
    )
    island = Island(ring(2), units, (load(200.0, 0.0),))
    traces = simulate(island, duration_s=60.0, step_s=0.005, quasi_static=False)
    given_kwh = float(-np.trapezoid(traces.p_kw[0, :, 0], traces.time_s) / 3600.0)
    assert traces.p_kw[0, 0, 0] < -60.0
    assert traces.p_kw[0, -1, 0] == pytest.approx(0.0, abs=5.0)
    assert traces.p_kw[0, -1, 1] == pytest.approx(-200.0, abs=10.0)
    assert 0.0 <= traces.e_kwh[0, 0] < 0.05
    assert given_kwh == pytest.approx((0.5 - traces.e_kwh[0, 0]) * 0.9, abs=0.01)
    assert traces.trips == ()


def test_a_store_empties_through_time_that_is_left_out() -> None:
    units = (droop("a", 0, 300.0, store=Store(e_kwh=50.0, e_kwh_max=100.0, efficiency=0.9)),)
    traces = simulate(Island(ring(2), units, (load(60.0, 0.0),)), duration_s=1800.0, record_s=1.0)
    assert len(traces.time_s) < 60
    assert traces.e_kwh[0, 0] == pytest.approx(50.0 + traces.p_kw[0, 0, 0] / 2 / 0.9, rel=1e-4)


def test_a_full_battery_alone_raises_the_frequency_until_the_sun_is_turned_down() -> None:
    battery = droop("battery", 0, 300.0, store=Store(e_kwh=99.9, e_kwh_max=100.0))
    pv = Following(id="pv", terminal=1, rating_kva=300.0, p_kw=-250.0, p_kw_min=-250.0, code=ieee_1547().at(50.0))
    traces = simulate(Island(ring(2), (battery, pv), (load(100.0, 0.0),)), duration_s=60.0, step_s=0.01, record_s=0.05)
    assert traces.p_kw[0, 0, 0] > 30.0
    assert traces.p_kw[0, -1, 0] == pytest.approx(0.0, abs=3.0)
    assert traces.p_kw[0, -1, 1] == pytest.approx(-100.0, abs=5.0)
    assert traces.settled_hz[0] > 51.0
    taken_kwh = float(np.trapezoid(traces.p_kw[0, :, 0], traces.time_s) / 3600.0)
    assert 99.95 < traces.e_kwh[0, 0] <= 100.0
    assert 0.95 * taken_kwh == pytest.approx(traces.e_kwh[0, 0] - 99.9, rel=0.01)
    assert traces.trips == ()


@pytest.mark.parametrize(("spare", "trips"), [(0.0, 1), (0.01, 0)])
def test_a_full_battery_stays_on_for_seconds_where_its_cells_hold_more_than_is_used(spare: float, trips: int) -> None:
    battery = droop("battery", 0, 300.0, store=Store(e_kwh=100.0, e_kwh_max=100.0, spare=spare))
    pv = Following(id="pv", terminal=1, rating_kva=300.0, p_kw=-150.0, p_kw_min=-150.0, code=ieee_1547().at(50.0))
    island = Island(ring(2), (battery, pv), (load(150.0, 0.0),))
    less = [LoadStep(time_s=0.5, load="load", p_kw=100.0)]
    traces = simulate(island, less, duration_s=20.0, step_s=0.005, quasi_static=False)
    assert sum(trip.id == "battery" for trip in traces.trips) == trips
    if not trips:
        assert traces.p_kw[0, -1, 0] == pytest.approx(0.0, abs=5.0)
        assert 100.0 < traces.e_kwh[0, 0] < 101.0


def test_a_load_picked_up_cold_draws_more_and_less_and_less() -> None:
    island = Island(ring(2), two_droops().units, (load(200.0, 0.0, on=False), Load(
        id="base", terminal=1, p_kw=100.0)))  # fmt: skip
    connect = Connect(time_s=1.0, load="load", pickup=2.0, hold_s=10.0, decay_s=60.0)
    traces = simulate(island, [connect], duration_s=300.0, step_s=0.005, record_s=0.1)
    asked = 200.0 * np.where(traces.time_s < 1.0, 0.0, 1 + np.exp(-np.maximum(traces.time_s - 11.0, 0.0) / 60.0))
    at_voltage = asked * traces.load_v_pu[0, :, 0] ** 2
    late = traces.time_s > 1.05
    assert np.abs(traces.load_p_kw[0, late, 0] - at_voltage[late]).max() < 0.1
    assert len(traces.time_s) < 1000, "pick-up that holds or fades slowly needs no steps"


def test_a_load_that_answers_to_frequency_draws_so_much_less_per_hertz() -> None:
    island = Island(ring(2), (droop("a", 0, 300.0, droop=0.04),), (load(300.0, 0.0, 1, share_per_hz=0.03),))
    state = settled(island)
    expected = 300.0 * (1 + 0.03 * (state.f_hz[0] - 50.0)) * state.load_v_pu[0, 0] ** 2
    assert state.load_p_kw[0, 0] == pytest.approx(expected, rel=1e-9)
    assert state.f_hz[0] < 48.5


def test_a_relay_trips_after_its_time_and_says_why() -> None:
    shed = load(200.0, 0.0, 1, limits=(Limit("f_hz", "below", 49.5, 0.2),))
    island = Island(ring(2), (droop("a", 0, 300.0),), (shed, Load(id="other", terminal=1, p_kw=50.0)))
    traces = simulate(island, duration_s=2.0, quasi_static=False)
    (trip,) = traces.trips
    assert (trip.id, trip.scenario, trip.reason) == ("load", 0, "f_hz below 49.5 for 0.2 s")
    assert trip.time_s == pytest.approx(0.2, abs=0.011)
    assert traces.load_p_kw[0, -1, 0] == 0.0
    assert traces.settled_hz[0] > 49.5


def test_a_follower_rides_through_a_dip_that_is_short_and_trips_in_one_that_is_long() -> None:
    pv = Following(id="pv", terminal=1, rating_kva=100.0, p_kw=-80.0, p_kw_min=-80.0, code=ieee_1547("II").at(50.0))
    island = Island(ring(2), (droop("a", 0, 300.0), pv), (load(200.0, 0.0),))
    deep = LoadStep(time_s=0.5, load="load", p_kw=3000.0)
    short = simulate(island, [deep, LoadStep(time_s=0.6, load="load", p_kw=200.0)], duration_s=2.0)
    assert short.trips == ()
    assert short.p_kw[0, -1, 1] == pytest.approx(-80.0, abs=2.0)
    assert short.v_pu[0].min() < 0.45
    long = simulate(island, [deep, LoadStep(time_s=1.0, load="load", p_kw=200.0)], duration_s=2.0)
    assert [(trip.id, trip.reason) for trip in long.trips] == [("pv", "v_pu below 0.45 for 0.16 s")]
    assert long.p_kw[0, -1, 1] == 0.0


def test_without_a_unit_that_forms_a_voltage_an_island_goes_dark() -> None:
    pv = Following(id="pv", terminal=1, rating_kva=100.0, p_kw=-80.0, p_kw_min=-80.0)
    island = Island(ring(2), (droop("a", 0, 300.0), pv), (load(200.0, 0.0),))
    start = Start(load_p_kw=np.array([[200.0], [150.0]]))
    traces = simulate(island, [Trip(time_s=0.5, id="a", scenario=1)], duration_s=1.0, start=start)
    assert [(trip.id, trip.scenario, trip.reason) for trip in traces.trips] == [("pv", 1, "no source forms a voltage")]
    assert np.isnan(traces.f_centre_hz[1, -1])
    assert np.isnan(traces.v_pu[1, -1]).all()
    assert (traces.p_kw[1, -1] == 0).all()
    assert traces.f_centre_hz[0, -1] == pytest.approx(traces.f_centre_hz[0, 0], abs=1e-6)


def test_a_machine_gives_what_its_droop_says_and_never_more_than_its_valve() -> None:
    biomass = machine(
        "biomass", 0, 300.0, p_kw=-100.0, governor=Governor(droop=0.05, valve_s=0.3, lead_s=1.0, lag_s=3.0)
    )
    island = Island(ring(2), (biomass, droop("battery", 1, 300.0)), (load(300.0, 0.0, 1),))
    state = settled(island)
    assert -state.p_kw[0, 0] == pytest.approx(100.0 + 300.0 * (1 - state.f_hz[0] / 50.0) / 0.05, rel=1e-6)
    heavy = simulate(island, [LoadStep(time_s=0.5, load="load", p_kw=560.0)], duration_s=30.0, step_s=0.005)
    assert -heavy.p_kw[0, -1, 0] <= 300.0 + 1e-3


def test_a_new_set_point_moves_power_and_frequency() -> None:
    traces = simulate(two_droops(), [SetPoint(time_s=0.5, unit="big", p_kw=-450.0)], duration_s=3.0)
    f, (big, small) = traces.f_centre_hz[0], traces.p_kw[0, -1]
    assert f[-1] > f[0]
    assert (big + 450.0) / 600.0 == pytest.approx(small / 300.0, abs=1e-6), (
        "away from both set-points by the same share"
    )
