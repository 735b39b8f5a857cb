"""The farm's switch between two grids has the last word: it closes inside its window, in its own time, while told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.farm import GridFormer, GridSwitch, MainSide, MappedPlate, Truth
from archipel.model.register_map import BASE_ADDRESS, COMMAND, NO_LIMIT, REGISTERS, Kind

AT = {register.name: register.offset for register in REGISTERS}


class Stand:
    """A switch, the unit behind it and the main grid, with orders as registers."""

    def __init__(self, *, angle_deg: float = 0.0, closed: bool = False, own_f_hz: float = 50.0) -> None:
        self.main = MainSide()
        self.former = GridFormer("former", own_f_hz=own_f_hz)
        plate = MappedPlate("switch", Kind.SWITCH, 400.0, closed=closed)
        self.switch = GridSwitch(plate, self.former, self.main, angle_deg=angle_deg)
        self.sequence = 0

    def told(self, device: GridFormer | GridSwitch, setpoint: int, valid_for_s: int, q: int = 0x8000_0000) -> None:
        self.sequence += 1
        words = [word for number in (setpoint, q) for word in (number >> 16, number & 0xFFFF)]
        assert device.write(BASE_ADDRESS + COMMAND[0].offset, [self.sequence, valid_for_s, *words]) is None

    def run(self, seconds: float, dt_s: float = 0.02) -> None:
        for _ in range(round(seconds / dt_s)):
            for device in (self.former, self.switch):
                device.advance(dt_s, Truth())

    def shown(self, name: str) -> list[int]:
        found = self.switch.read(BASE_ADDRESS + AT[name], 2)
        assert isinstance(found, list)
        return found


def test_told_to_close_it_waits_for_its_window_and_takes_time_to_move() -> None:
    stand = Stand(angle_deg=-90.0)
    stand.told(stand.former, 5_008_000, 600)
    stand.run(0.5)
    stand.told(stand.switch, 1, 60)
    stand.run(2.0)
    assert not stand.switch.closed, "it is still outside"
    stand.run(4.0)
    assert stand.switch.closed
    touch = stand.switch.touches[0]
    assert abs(touch.angle_deg) <= 10.0
    assert touch.f_hz == pytest.approx(0.08, abs=2e-3)


def test_an_order_to_close_that_lapses_is_no_longer_waited_for() -> None:
    stand = Stand(angle_deg=-90.0)
    stand.told(stand.former, 5_008_000, 600)
    stand.told(stand.switch, 1, 1)
    stand.run(10.0)
    assert not stand.switch.closed
    assert stand.switch.touches == []


def test_it_opens_in_its_own_time_and_stays_open() -> None:
    stand = Stand(closed=True)
    stand.told(stand.former, 5_000_000, 600)
    stand.told(stand.switch, 0, 1)
    stand.run(0.04)
    assert stand.switch.closed
    stand.run(5.0)
    assert not stand.switch.closed
    assert stand.switch.own == (pytest.approx(1.0), pytest.approx(50.0))


def test_a_closed_switch_shows_the_main_grid_on_both_sides_and_a_dead_side_has_no_frequency() -> None:
    stand = Stand(closed=True)
    stand.main.v_pu, stand.main.f_hz = 1.02, 49.95
    stand.run(0.1)
    assert stand.shown("v_first") == stand.shown("v_second") == [0, 4080]
    assert stand.shown("f_second") == [76, 14_264]
    stand.main.v_pu = 0.0
    stand.run(0.1)
    assert stand.shown("f_first") == stand.shown("f_second") == [0xFFFF, 0xFFFF]
    assert stand.shown("angle") == [0x8000, 0]


def test_a_dead_side_is_energised_without_a_window() -> None:
    stand = Stand(angle_deg=170.0)
    stand.run(0.1)
    stand.told(stand.switch, 1, 5)
    stand.run(0.5)
    assert stand.switch.closed
    assert math.isnan(stand.switch.touches[0].angle_deg)


def test_a_former_without_orders_does_what_it_was_made_for() -> None:
    waits, forms = GridFormer("a"), GridFormer("b", own_f_hz=50.02, forms=True)
    for device in (waits, forms):
        device.advance(5.0, Truth())
    assert (waits.v_pu, forms.v_pu, forms.f_hz) == (0.0, 1.0, 50.02)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-180.0, 180.0), st.integers(49_700, 50_300), st.integers(3600, 4400),
    st.lists(st.tuples(st.sampled_from([0, 1, NO_LIMIT]), st.integers(0, 5), st.floats(0.02, 2.0)), max_size=8),
)  # fmt: skip
def test_whatever_it_is_told_two_live_sides_never_touch_outside_the_limits(
    angle_deg: float, f_mhz: int, v: int, orders: list[tuple[int, int, float]]
) -> None:
    stand = Stand(angle_deg=angle_deg)
    stand.told(stand.former, 100 * f_mhz, 600, v)
    stand.run(1.0)
    for setpoint, valid_for_s, seconds in orders:
        stand.told(stand.switch, setpoint, valid_for_s)
        stand.run(seconds)
    for touch in stand.switch.touches:
        assert abs(touch.angle_deg) <= 10.0 + 360.0 * 0.1 * 0.01, "a step of the farm may lie between"
        assert abs(touch.f_hz) <= 0.1
        assert abs(touch.v_pu) <= 0.03
