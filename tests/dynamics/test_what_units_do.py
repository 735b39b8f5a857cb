"""Single units beside what their equations, codes and data sheets say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from islands import load, ring
from scipy.integrate import solve_ivp

from archipel.grid.dynamics import (
    VDE_4105,
    Following,
    Governor,
    GridCode,
    Island,
    Limit,
    LoadStep,
    Network,
    SetPoint,
    droop,
    ieee_1547,
    machine,
    main_grid,
    settled,
    simulate,
)

NOTHING = Network(np.zeros((1, 1), dtype=np.complex128))


def pv(code: GridCode, p_kw: float = -50.0, most_kw: float = -50.0) -> Following:
    return Following(id="pv", terminal=0, rating_kva=100.0, p_kw=p_kw, p_kw_min=most_kw, code=code)


def beside_the_grid(unit: Following, v_pu: float = 1.0, f_hz: float = 50.0) -> Island:
    return Island(NOTHING, (main_grid("grid", 0, 1e8, v_pu=v_pu, f_hz=f_hz), unit))


def test_a_machine_with_a_lead_and_a_lag_falls_as_its_four_equations_say() -> None:
    """The same differential equations in scipy; the valve opens fully on the way, so its limit is met as well."""
    h, r, t1, t2, t3, p0, p1 = 3.0, 0.05, 0.3, 1.0, 3.0, 0.4, 0.97

    def slopes(_: float, state: np.ndarray) -> list[float]:
        w, gate, x = state
        opening = (p0 - w / r - gate) / t1
        opening = 0.0 if gate >= 1.0 and opening > 0 else opening
        return [(x + t2 / t3 * (gate - x) - p1) / (2 * h), opening, (gate - x) / t3]

    unit = machine(
        "m", 0, 1000.0, inertia_s=h, p_kw=-1000 * p0, governor=Governor(droop=r, valve_s=t1, lead_s=t2, lag_s=t3)
    )
    island = Island(NOTHING, (unit,), (load(1000 * p0, 0.0, z_share=0.0),))
    traces = simulate(island, [LoadStep(time_s=0.0, load="load", p_kw=1000 * p1)], duration_s=8.0, quasi_static=False)
    exact = solve_ivp(slopes, (0.0, 8.0), [0.0, p0, p0], t_eval=traces.time_s, max_step=0.002, rtol=1e-9)
    assert exact.y[1].max() == pytest.approx(1.0, abs=1e-4)
    assert np.abs(traces.f_hz[0, :, 0] - 50.0 * (1 + exact.y[0])).max() < 2e-3
    assert traces.nadir_hz[0] < 48.0


def test_above_its_band_vde_takes_40_percent_of_the_present_power_per_hertz() -> None:
    state = settled(beside_the_grid(pv(VDE_4105), f_hz=50.7))
    assert state.p_kw[0, 1] == pytest.approx(-50.0 * (1 - 0.4 * 0.5), abs=1e-6)
    assert settled(beside_the_grid(pv(VDE_4105), f_hz=50.19)).p_kw[0, 1] == pytest.approx(-50.0, abs=1e-6)


def test_a_code_in_a_system_of_another_frequency_has_its_frequencies_scaled_and_nothing_else() -> None:
    there = ieee_1547().at(50.0)
    values = {(x.quantity, x.side, x.after_s): x.value for x in there.limits}
    assert values["f_hz", "above", 0.16] == pytest.approx(62.0 / 60.0 * 50.0)
    assert values["v_pu", "below", 21.0] == 0.88
    assert there.frequency_watt is not None
    assert there.frequency_watt.over_hz == pytest.approx(0.03)


def test_a_follower_gives_no_current_in_momentary_cessation_and_comes_back() -> None:
    """Category III, table 16: above 1.10 pu for up to 12 s, below 0.50 pu for 1 s."""
    source = droop("grid", 0, 1e9, filter_s=0.001, droop_v=0.0, x_pu=0.01)
    island = Island(NOTHING, (source, pv(ieee_1547("III").at(50.0))))
    high = [SetPoint(time_s=1.0, unit="grid", v_pu=1.15), SetPoint(time_s=2.0, unit="grid", v_pu=1.05)]
    high += [SetPoint(time_s=3.0, unit="grid", v_pu=0.45), SetPoint(time_s=4.0, unit="grid", v_pu=0.95)]
    traces = simulate(island, high, duration_s=5.0, quasi_static=False)
    at = np.searchsorted(traces.time_s, [0.9, 1.5, 2.5, 3.5, 4.5])
    assert traces.p_kw[0, at, 1] == pytest.approx([-50.0, 0.0, -50.0, 0.0, -50.0], abs=0.1)
    assert traces.trips == ()
    mandatory = Island(NOTHING, (source, pv(ieee_1547("II").at(50.0))))
    other = simulate(mandatory, high[:2], duration_s=2.5, quasi_static=False)
    assert other.p_kw[0, at[1], 1] == pytest.approx(-50.0, abs=0.1)


def test_a_low_voltage_that_lasts_as_long_as_the_standard_says_trips() -> None:
    """Category III, table 13: below 0.88 pu for 21 s, and not in 20.9 s."""
    source = droop("grid", 0, 1e9, filter_s=0.001, droop_v=0.0, x_pu=0.01)
    island = Island(NOTHING, (source, pv(ieee_1547("III").at(50.0))))
    low = SetPoint(time_s=1.0, unit="grid", v_pu=0.85)
    short = [low, SetPoint(time_s=21.9, unit="grid", v_pu=0.95), SetPoint(time_s=22.5, unit="grid", v_pu=0.85)]
    assert simulate(island, short, duration_s=30.0, step_s=0.01, record_s=0.1).trips == ()
    (trip,) = simulate(island, [low], duration_s=30.0, step_s=0.01, record_s=0.1).trips
    assert (trip.id, trip.reason) == ("pv", "v_pu below 0.88 for 21 s")
    assert trip.time_s == pytest.approx(22.0, abs=0.05)


def test_a_set_point_of_a_follower_acts_at_once() -> None:
    unit = Following(id="pv", terminal=0, rating_kva=100.0, p_kw=-50.0, p_kw_min=-100.0, p_kw_max=100.0)
    traces = simulate(
        beside_the_grid(unit), [SetPoint(time_s=0.5, unit="pv", p_kw=30.0)], duration_s=1.0, quasi_static=False
    )
    assert traces.p_kw[0, np.searchsorted(traces.time_s, 0.65), 1] == pytest.approx(30.0, abs=0.1)
    assert traces.p_kw[0, 40, 1] == pytest.approx(-50.0, abs=0.1)


def test_reactive_power_goes_first_within_rating_and_current() -> None:
    unit = replace(pv(VDE_4105, -95.0, -95.0), q_kvar=-60.0, code=replace(VDE_4105, volt_var=None))
    state = settled(beside_the_grid(unit))
    assert [state.p_kw[0, 1], state.q_kvar[0, 1]] == pytest.approx([-80.0, -60.0], abs=1e-3)
    low = settled(beside_the_grid(unit, v_pu=0.7))
    assert np.hypot(low.p_kw[0, 1], low.q_kvar[0, 1]) == pytest.approx(100.0 * 1.2 * 0.7, abs=1e-3)


def test_a_loop_finds_the_frequency_and_shows_it() -> None:
    source = droop("grid", 0, 300.0, p_kw=-100.0)
    unit = replace(pv(ieee_1547().at(50.0)), terminal=1)
    island = Island(ring(2), (source, unit), (load(150.0, 20.0, 1),))
    traces = simulate(island, [LoadStep(time_s=0.5, load="load", p_kw=200.0)], duration_s=4.0, quasi_static=False)
    assert traces.f_hz[0, 0] == pytest.approx(traces.f_hz[0, 0, 0], abs=1e-6)
    assert traces.f_hz[0, -1, 1] == pytest.approx(traces.f_hz[0, -1, 0], abs=1e-3)
    slow = np.abs(traces.f_hz[0, 50:80, 1] - traces.f_hz[0, 50:80, 0])
    assert slow[:20].max() > 0.01
    assert np.abs(traces.f_hz[0, 80:, 1] - traces.f_hz[0, 80:, 0]).max() < 0.01, "within 0.3 s at 5 Hz"


def test_followers_ten_times_the_unit_they_follow_settle_with_it() -> None:
    """Together they answer frequency four times as much as the droop does: each round may move them only so far."""
    many = replace(pv(ieee_1547().at(50.0), -600.0, -600.0), rating_kva=1000.0)
    island = Island(NOTHING, (droop("battery", 0, 100.0, i_pu_max=2.0, droop_v=0.0), many), (load(520.0, 0.0),))
    state = settled(island)
    assert state.found.all()
    over = (state.f_hz[0] - 50.0 - 0.03) / (0.05 * 50.0)
    assert state.p_kw[0, 1] == pytest.approx(-600.0 + 1000.0 * over, abs=1e-6)
    assert state.p_kw[0, 0] == pytest.approx(100.0 * (state.f_hz[0] / 50.0 - 1) / 0.02, abs=1e-6)


def test_a_load_of_constant_power_draws_as_an_impedance_below_70_percent() -> None:
    island = Island(NOTHING, (main_grid("grid", 0, 1e8, v_pu=0.5),), (load(100.0, 20.0, z_share=0.0),))
    assert settled(island).load_p_kw[0, 0] == pytest.approx(100.0 * (0.5 / 0.7) ** 2, rel=1e-4)


def test_what_a_relay_switches_off_gives_nothing_in_the_very_frame_of_the_trip() -> None:
    low = (Limit("f_hz", "below", 49.85, 0.05),)
    unit = replace(pv(ieee_1547("II").at(50.0), -80.0, -80.0), terminal=1, limits=low)
    island = Island(ring(2), (droop("a", 0, 300.0), unit), (load(120.0, 0.0),))
    traces = simulate(island, [LoadStep(time_s=0.1, load="load", p_kw=200.0)], duration_s=1.0)
    (trip,) = traces.trips
    at = np.searchsorted(traces.time_s, trip.time_s - 1e-9)
    assert traces.p_kw[0, at - 1 : at + 1, 1] == pytest.approx([-80.0, 0.0], abs=0.5)
    assert np.isnan(traces.f_hz[0, at, 1])
    assert not np.isnan(traces.f_hz[0, at - 1, 1])
    assert np.abs(traces.p_kw.sum(axis=2) + traces.load_p_kw.sum(axis=2) + traces.losses_kw).max() < 1e-6
