"""A switch is closed on two live grids only inside the window, whatever is measured wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.cell.synchronism import Across, Steering, Window, wrapped

ATTEMPTS = 10_000


def attempt(seed: int) -> tuple[Across, float] | None:
    """An island turns towards a main grid that wanders, with meters and a switch as wrong as they may be; what held
    when contacts touched and how long it took, None when it never closed."""
    rng = np.random.default_rng(seed)
    window, steer = Window(), Steering()
    angle, slip, dv = rng.uniform(-180, 180), rng.uniform(-0.3, 0.3), rng.uniform(-0.08, 0.08)
    bias = rng.uniform(-1, 1, 3) * 0.5  # half of what may be wrong stays, half changes with every reading
    wander, lag, dt = rng.normal(0.0, 0.004), rng.uniform(0.2, 1.0), 0.02
    for step in range(3000):
        error = bias + rng.uniform(-0.5, 0.5, 3)
        seen = Across(
            wrapped(angle + error[0] * window.angle_error_deg),
            slip + error[1] * window.f_error_hz,
            dv + error[2] * window.v_error_pu,
        )
        if not window.refuses(seen):
            wait = window.closing_s + rng.uniform(-1, 1) * window.spread_s
            return Across(wrapped(angle + 360.0 * slip * wait), slip, dv), step * dt
        # the island's frequency follows its order with a lag, its voltage is brought to that of the main grid
        slip += dt / lag * (steer.slip_hz(seen) - slip) + rng.normal(0.0, 2e-4) + wander * dt
        dv -= dt / 2.0 * seen.v_pu
        angle = wrapped(angle + 360.0 * slip * dt)
    return None


def test_in_ten_thousand_attempts_contacts_never_touch_outside_the_window() -> None:
    found = [attempt(seed) for seed in range(ATTEMPTS // 20)]
    closed = [one for one in found if one is not None]
    assert len(closed) > 0.95 * len(found), "an island gets there"
    for at, _ in closed:
        assert abs(at.angle_deg) <= 10.0
        assert abs(at.f_hz) <= 0.1
        assert abs(at.v_pu) <= 0.03
    assert np.median([seconds for _, seconds in closed]) < 30.0


@pytest.mark.slow
def test_in_all_ten_thousand_attempts_contacts_never_touch_outside_the_window() -> None:
    for seed in range(ATTEMPTS):
        found = attempt(seed)
        if found is not None:
            at = found[0]
            assert abs(at.angle_deg) <= 10.0, seed
            assert abs(at.f_hz) <= 0.1, seed
            assert abs(at.v_pu) <= 0.03, seed


@given(st.floats(-180, 180), st.floats(-1, 1), st.floats(-0.2, 0.2), st.floats(-1, 1), st.floats(-1, 1))
def test_what_is_allowed_is_inside_however_the_switch_and_the_slip_meter_err(
    angle: float, slip: float, dv: float, late: float, wrong: float
) -> None:
    window = Window()
    if not window.refuses(Across(angle, slip, dv)):
        wait = window.closing_s + late * window.spread_s
        touched = angle + 360.0 * (slip + wrong * window.f_error_hz) * wait + wrong * window.angle_error_deg
        assert abs(touched) <= window.angle_deg
        assert abs(slip) <= window.f_hz
        assert abs(dv) <= window.v_pu


def test_every_reason_is_said_at_once() -> None:
    reasons = Window().refuses(Across(90.0, 0.2, 0.05))
    assert len(reasons) == 3
    assert "+0.200 Hz" in reasons[0]
    assert "+0.050 pu" in reasons[1]
    assert "now +90.0" in reasons[2]
    assert "dead" in Window().refuses(Across(0.0, 0.0, 0.0, live=False))[0]


def test_an_island_that_turns_fast_must_wait_for_the_angle_it_will_have() -> None:
    still, turning = Across(8.0, 0.0, 0.0), Across(8.0, 0.09, 0.0)
    assert not Window().refuses(still)
    assert Window().refuses(turning), "0.09 Hz for 0.1 s is 3 degrees more"
    assert not Window().refuses(replace(turning, angle_deg=2.0))
