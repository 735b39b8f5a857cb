"""Relief of the substation: band, cap and ramp by feedback through members that may fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.vpp.congestion import band_kw, free_kvar, q_setpoints, wanted_kw
from archipel.vpp.restoration import Loop, Reports, cycle

MEMBERS = 8


def follow(load_kw: np.ndarray, low: float, high: float, ramp: float, dead: int = -1) -> np.ndarray:
    """Power at the substation over cycles of 4 s; lines lose 3 % of what members change; they follow in a cycle."""
    room, none = np.full(MEMBERS, 200.0), np.zeros(MEMBERS)
    members, at = np.zeros(MEMBERS), np.empty(len(load_kw))
    loop, aim = Loop.fresh(np.array(0.0)), np.array(load_kw[0])
    for k, load in enumerate(load_kw):
        at[k] = metered = load + 1.03 * members.sum()
        band = band_kw(np.array(low), np.array(high), aim, ramp, 4.0)
        wanted, aim = wanted_kw(np.array(metered), np.array(members.sum()), *band)
        loop, target = cycle(loop, wanted, np.array(members.sum()), Reports(none, -room, room, none, none, none))
        members = target.copy()
        if dead >= 0:
            members[dead] = 0.0
    return at


@given(st.integers(0, 1000), st.integers(-1, MEMBERS - 1))
def test_power_comes_into_the_band_and_stays_there_whoever_fails(seed: int, dead: int) -> None:
    rng = np.random.default_rng(seed)
    load = 500.0 + rng.uniform(-1.0, 1.0) * 900.0 + np.cumsum(rng.normal(0.0, 1.0, 300))
    at = follow(load, 100.0, 800.0, np.inf, dead)
    assert np.all(at[60:] <= 800.0 + 25.0)
    assert np.all(at[60:] >= 100.0 - 25.0)


def test_inside_its_band_nothing_is_asked() -> None:
    load = np.linspace(300.0, 700.0, 200)
    np.testing.assert_allclose(follow(load, 0.0, 1000.0, np.inf), load)


def test_a_peak_cap_holds_against_a_step_of_load_within_three_cycles() -> None:
    load = np.where(np.arange(100) < 50, 500.0, 1200.0)
    at = follow(load, -np.inf, 1000.0, np.inf)
    assert at[50] == pytest.approx(1200.0)
    assert np.all(at[53:] <= 1003.0)


def test_a_step_of_load_becomes_a_ramp() -> None:
    load = np.where(np.arange(200) < 50, 0.0, 400.0)
    at = follow(load, -np.inf, np.inf, 1.0)
    rise = np.diff(at[52:100])
    assert np.all(rise <= 4.0 * 1.5)
    assert at[-1] == pytest.approx(400.0, abs=5.0)


@given(st.floats(-500.0, 500.0), st.floats(0.0, 300.0), st.floats(-900.0, 900.0), st.floats(0.0, 10.0))
def test_a_ramp_never_leads_out_of_the_band(low: float, width: float, before: float, ramp: float) -> None:
    a, b = band_kw(np.array(low), np.array(low + width), np.array(before), ramp, 4.0)
    assert low <= a <= b <= low + width


def test_a_band_upside_down_is_refused_with_words() -> None:
    with pytest.raises(ValueError, match="low_kw <= high_kw"):
        band_kw(np.array(1.0), np.array(0.0), np.array(0.0), 1.0, 4.0)
    with pytest.raises(ValueError, match="ramp_kw_per_s"):
        band_kw(np.array(0.0), np.array(1.0), np.array(0.0), -1.0, 4.0)


@given(st.integers(0, 1000), st.floats(-600.0, 600.0))
def test_reactive_power_comes_into_its_band_or_inverters_have_nothing_left(seed: int, load_kvar: float) -> None:
    rng = np.random.default_rng(seed)
    s = rng.uniform(20.0, 120.0, 6)
    room = free_kvar(s, rng.uniform(0.0, 1.0, 6) * s)
    drawn = np.zeros(6)
    for _ in range(3):
        drawn = q_setpoints(np.array(load_kvar + drawn.sum()), drawn, np.array(-50.0), np.array(80.0), room)
        assert np.all(np.abs(drawn) <= room + 1e-9)
    at = load_kvar + drawn.sum()
    full = np.isclose(abs(drawn.sum()), room.sum())
    assert full or -50.0 - 1e-6 <= at <= 80.0 + 1e-6


def test_active_power_goes_before_reactive_power() -> None:
    np.testing.assert_allclose(free_kvar(np.full(3, 100.0), np.array([0.0, 95.0, 100.0])), [44.0, np.sqrt(975.0), 0.0])
