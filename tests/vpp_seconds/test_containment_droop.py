"""Frequency containment: what every device owes at the frequency it measures."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archipel.vpp.containment import (
    activation,
    allot,
    dispatch_limits,
    droop_kw,
    holdable_kw,
    kept_kwh,
    staggered,
    steps_kw,
    switched_kw,
)
from archipel.vpp.tracking import reached_s, reaction_s

SIZE, POWER, ETA = 100.0, 50.0, 0.95


def test_nothing_is_owed_within_ten_millihertz_and_all_at_two_hundred() -> None:
    f = np.array([49.7, 49.8, 49.9, 49.989, 49.99, 50.0, 50.01, 50.011, 50.1, 50.2, 50.4])
    expected = [-1.0, -1.0, -0.5, -0.055, 0.0, 0.0, 0.0, 0.055, 0.5, 1.0, 1.0]
    np.testing.assert_allclose(activation(f), expected, atol=1e-9)


@given(st.floats(49.0, 51.0), st.floats(49.0, 51.0))
def test_a_higher_frequency_never_draws_less(a: float, b: float) -> None:
    low, high = activation(np.array([min(a, b), max(a, b)]))
    assert low <= high
    assert low >= -1.0
    assert high <= 1.0


@given(st.floats(-60.0, 60.0), st.floats(0.0, 40.0), st.floats(49.5, 50.5))
def test_droop_never_leaves_the_limits_of_a_device(set_kw: float, fcr_kw: float, f_hz: float) -> None:
    p = droop_kw(np.array(f_hz), np.array(set_kw), np.array(fcr_kw), np.array(-POWER), np.array(POWER))
    assert -POWER <= p <= POWER


@given(st.floats(0.0, 11.0))
def test_a_charger_draws_nothing_or_six_amperes_and_whole_ones_above(wanted_kw: float) -> None:
    ampere = 11.0 / 16.0
    p = float(steps_kw(np.array(wanted_kw), 6 * ampere, np.array(11.0), ampere))
    assert p == 0.0 or p >= 6 * ampere - 1e-9
    assert abs(p / ampere - round(p / ampere)) < 1e-9
    assert abs(p - wanted_kw) <= (3.0 if wanted_kw < 6 * ampere else 0.5) * ampere + 1e-9


@given(st.integers(1, 40), st.floats(49.8, 50.0))
def test_devices_that_only_switch_off_follow_the_line_to_half_a_device(number: int, f_hz: float) -> None:
    drawn = switched_kw(np.full(number, f_hz), np.ones(number), staggered(number))
    wanted = number * (1.0 + float(activation(np.array(f_hz))))
    assert abs(drawn.sum() - wanted) <= 0.5 + 1e-6


@given(st.floats(0.0, SIZE), st.floats(0.0, 0.8 * POWER), st.sampled_from([0.25, 0.5, 1.0]), st.floats(-POWER, POWER))
def test_any_allowed_set_point_leaves_the_power_and_energy_of_containment(
    e_kwh: float, fcr_kw: float, hours: float, wish_kw: float
) -> None:
    least, most = dispatch_limits(
        np.array(e_kwh), np.array(SIZE), np.array(fcr_kw), POWER, POWER, np.array(ETA), np.array(ETA), hours
    )  # type: ignore[arg-type]
    assert least <= most
    p = float(np.clip(wish_kw, least, most))
    assert p - fcr_kw >= -POWER - 1e-9
    assert p + fcr_kw <= POWER + 1e-9
    low, high = (
        float(kept_kwh(np.array(fcr_kw), np.array(ETA))),
        SIZE - float(kept_kwh(np.array(fcr_kw), np.array(1 / ETA))),
    )
    after = e_kwh + hours * (max(p, 0.0) * ETA + min(p, 0.0) / ETA)
    if low <= e_kwh <= high:
        assert low - 1e-6 <= after <= high + 1e-6
    elif e_kwh < low:
        assert after >= e_kwh - 1e-9  # back towards it, or at least no further
    else:
        assert after <= e_kwh + 1e-9


@given(st.floats(0.0, SIZE), st.floats(0.1, 4.0))
def test_what_is_holdable_can_be_held_for_all_of_the_time(e_kwh: float, hours: float) -> None:
    give, take = holdable_kw(
        np.array(e_kwh), np.array(SIZE), np.array(POWER), np.array(POWER), np.array(ETA), np.array(ETA), hours
    )
    assert 0.0 <= give <= POWER
    assert 0.0 <= take <= POWER
    assert e_kwh - give * hours / ETA >= -1e-6
    assert e_kwh + take * hours * ETA <= SIZE + 1e-6


@given(st.integers(0, 2**31 - 1))
def test_shares_add_up_to_the_promise_and_none_is_above_its_rating(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rating, answers = rng.uniform(0.0, 50.0, (3, 7)), rng.random((3, 7)) < 0.7
    promise = rng.uniform(0.0, 200.0, 3)
    part = allot(promise, rating, answers)
    there = (rating * answers).sum(axis=1)
    np.testing.assert_allclose(part.sum(axis=1), np.minimum(promise, there), rtol=1e-9)
    assert np.all(part <= rating + 1e-9)
    assert np.all(part[~answers] == 0.0)


def test_every_kind_of_device_meets_the_times_of_containment_through_its_lag() -> None:
    """Batteries, chargers, heat pumps and sun, each alone, a fall of 200 mHz (sun: a rise), slowest lags, 0.1 s."""
    time = np.arange(0.0, 60.0, 0.1)
    kinds = {
        "battery": (1.0, 0.0, -20.0),
        "charger": (5.0, 100.0, 60.0),
        "pump": (10.0, 100.0, 0.0),
        "sun": (2.0, -80.0, -60.0),
    }
    for name, (lag_s, before, after) in kinds.items():
        f = np.where(time >= 10.0, 50.2 if name == "sun" else 49.8, 50.0)
        if name == "charger":
            wish = steps_kw(100.0 + 40.0 * activation(f), np.array(37.5), np.array(100.0), np.array(6.25))
        elif name == "pump":
            wish = switched_kw(f[:, None], np.full((1, 20), 5.0), staggered(20)).sum(axis=1)
        else:
            wish = droop_kw(f, np.array(before), np.array(20.0), np.array(-100.0), np.array(0.0))
        p, now = np.empty(len(time)), before
        for k, x in enumerate(wish):
            now += (x - now) * -np.expm1(-0.1 / lag_s)
            p[k] = now
        final = float(wish[-1])
        assert abs(final - after) <= 3.2, name  # a charger has steps
        assert reaction_s(time, p, 10.0, before, final) <= 2.0, name
        assert reached_s(time, p, 10.0, before, final, 0.5) <= 15.0, name
        assert reached_s(time, p, 10.0, before, final, 0.95) <= 30.0, name
