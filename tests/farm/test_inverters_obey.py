"""Inverters do what their registers say, on their own clock, within what the sun, the store and the rating allow."""

from __future__ import annotations

import math

import pytest
from farm_peers import battery, order, pv
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.farm import Fault, Inverter, Refusal, Truth
from archipel.farm.motion import moved

CALM = Truth()
SUN = Truth(available_kw=8.0)


def write(device: Inverter, path: str, *words: int) -> Refusal | None:
    return device.write(40000 + device.image.points[path].at, words)


def shown(device: Inverter, path: str) -> float | None:
    """A point after a client read it."""
    point = device.image.points[path]
    device.read(40000 + point.at, point.length)
    return device.image.value(path)


def run(device: Inverter, seconds: float, truth: Truth = CALM) -> float:
    device.advance(seconds, truth)
    return device.demand().p_kw


def test_pv_gives_what_the_sun_gives_up_to_its_rating() -> None:
    device = pv()
    assert run(device, 30.0, SUN) == pytest.approx(-8.0)
    assert run(device, 30.0, Truth(available_kw=14.0)) == pytest.approx(-10.0)
    assert run(device, 1.0, Truth(available_kw=0.5)) == pytest.approx(-0.5), "a cloud needs no settling"


def test_a_limit_holds_for_its_reversion_time_and_then_the_sun_is_back() -> None:
    device = pv()
    run(device, 30.0, SUN)
    order(device, WMaxLimPct=30.0, WMaxLimPctRvrtTms=60, WMaxLimPctEna=1)
    assert run(device, 59.0, SUN) == pytest.approx(-3.0)
    assert shown(device, "704.WMaxLimPctRvrtRem") == 1.0
    assert shown(device, "701.InvSt") == 4, "throttled"
    run(device, 1.0, SUN)
    assert shown(device, "704.WMaxLimPctEna") == 0.0
    assert run(device, 10.0, SUN) == pytest.approx(-8.0)


def test_writing_again_keeps_an_order_alive_and_disabling_it_ends_it_at_once() -> None:
    device = battery()
    order(device, WSetRvrtTms=10, WSet=20_000, WSetEna=1)
    for _ in range(5):
        run(device, 8.0)
        order(device, WSet=20_000)
    assert run(device, 8.0) == pytest.approx(-20.0)
    order(device, WSetEna=0)
    assert shown(device, "704.WSetRvrtRem") == 0.0
    assert run(device, 10.0) == pytest.approx(0.0, abs=1e-6)


def test_an_order_without_a_reversion_time_never_dies_and_reversion_settings_are_followed_when_enabled() -> None:
    forever, fallback = battery(), battery()
    order(forever, WSet=5_000, WSetEna=1)
    assert run(forever, 7200.0) == pytest.approx(-5.0)
    order(fallback, WSetRvrt=-3_000, WSetEnaRvrt=1, WSetRvrtTms=10, WSet=5_000, WSetEna=1)
    assert run(fallback, 9.0) == pytest.approx(-5.0)
    assert run(fallback, 60.0) == pytest.approx(3.0), "it draws 3 kW, because that is its reversion setting"


@given(st.lists(st.sampled_from([0.1, 0.25, 1.0, 2.5, 7.0, 60.0]), min_size=1, max_size=60), st.integers(1, 90))
@settings(max_examples=40, deadline=None)
def test_an_order_lapses_at_its_time_whatever_the_steps(steps: list[float], lease_s: int) -> None:
    device = battery()
    order(device, WSetRvrtTms=lease_s, WSet=10_000, WSetEna=1)
    passed = 0.0
    for step in steps:
        run(device, step)
        passed += step
        enabled = shown(device, "704.WSetEna")
        assert enabled == (0.0 if passed >= lease_s - 1e-6 else 1.0)
        assert shown(device, "704.WSetRvrtRem") == math.ceil(max(lease_s - passed, 0.0) - 1e-6)


def test_power_ramps_no_faster_than_its_register_says() -> None:
    device = battery()
    order(device, WRmp=2, WSet=50_000, WSetEna=1)
    assert [-run(device, 1.0) for _ in range(3)] == pytest.approx([1.0, 2.0, 3.0]), "2 % of 50 kW per second"


def test_a_battery_stops_when_it_is_empty_or_full_and_loses_what_its_efficiency_says() -> None:
    device = battery(soc=0.1)
    order(device, WSet=50_000, WSetEna=1)
    for _ in range(1000):
        run(device, 1.0)
    assert (device.soc, device.demand().p_kw) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-6))
    assert shown(device, "802.ChaSt") == 2, "empty"
    assert shown(device, "701.TotWhInj") == pytest.approx(9500.0, abs=1.0)
    order(device, WSet=-50_000)
    for _ in range(3600):
        run(device, 3.0)
    assert (device.soc, shown(device, "713.SoC")) == (pytest.approx(1.0), 100.0)
    assert shown(device, "701.TotWhAbs") == pytest.approx(100_000 / 0.95, rel=1e-3)


def test_a_caller_who_keeps_the_state_of_charge_is_believed() -> None:
    device = battery()
    order(device, WSet=50_000, WSetEna=1)
    run(device, 60.0, Truth(soc=0.31))
    assert shown(device, "802.SoC") == pytest.approx(31.0)


@pytest.mark.parametrize(("ext", "q_kvar"), [(0, -5.0), (1, 5.0)])
def test_over_excited_gives_reactive_power_and_under_excited_draws_it(ext: int, q_kvar: float) -> None:
    device = pv(s_kva=12.0)
    order(device, WMaxLimPct=50.0, WMaxLimPctEna=1)
    assert write(device, "704.PFWInj.PF", 707, ext) is None
    order(device, PFWInjEna=1)
    run(device, 60.0)
    assert device.demand().q_kvar == pytest.approx(q_kvar, abs=0.01)


def test_volt_var_draws_reactive_power_at_high_voltage_and_gives_it_at_low() -> None:
    device = pv()
    assert write(device, "705.Ena", 1) is None
    for v_pu, q_kvar in [(1.0, 0.0), (1.05, 2.2), (1.10, 4.4), (0.95, -2.2), (0.90, -4.4)]:
        run(device, 60.0, Truth(v_pu=v_pu, available_kw=1.0))
        assert device.demand().q_kvar == pytest.approx(q_kvar, abs=1e-3), v_pu


def test_a_curve_that_falls_back_in_voltage_is_not_adopted_and_the_one_in_force_cannot_be_written() -> None:
    device = pv()
    assert write(device, "705.Crv.2.Pt.2.V", 10) is None
    assert write(device, "705.AdptCrvReq", 2) is None
    assert shown(device, "705.AdptCrvRslt") == 2, "failed"
    assert write(device, "705.Crv.1.Pt.2.V", 990) is Refusal.ILLEGAL_ADDRESS
    assert shown(device, "705.Crv.1.Pt.2.V") == 98.0


def test_at_bad_voltage_it_drops_out_waits_and_ramps_back_in() -> None:
    device = pv()
    run(device, 60.0)
    assert run(device, 1.0, Truth(v_pu=0.3)) == 0.0
    assert shown(device, "701.ConnSt") == 0.0
    assert run(device, 59.0) == 0.0, "it waits 60 s"
    assert run(device, 31.0) == pytest.approx(-5.0, abs=0.1), "30 s into a ramp of 60 s"
    assert run(device, 60.0) == pytest.approx(-10.0)
    assert write(device, "703.ES", 0) is None
    assert run(device, 1.0) == 0.0, "an operator may forbid it to feed"


ORDERS = st.dictionaries(
    st.sampled_from(["WSetEna", "WMaxLimPctEna", "VarSetEna", "PFWInjEna", "PFWAbsEna", "VarSetPri"]),
    st.integers(0, 1),
)


@given(
    ORDERS,
    st.integers(-80_000, 80_000),
    st.integers(-80_000, 80_000),
    st.floats(0, 100),
    st.lists(st.tuples(st.floats(0.05, 900.0), st.floats(0.2, 1.3)), min_size=1, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_no_order_drives_it_beyond_its_rating_or_its_store(
    switches: dict[str, int], w: int, var: int, limit: float, steps: list[tuple[float, float]]
) -> None:
    device = battery(soc=0.05)
    order(device, WSet=w, VarSet=var, WMaxLimPct=limit, **switches)
    assert write(device, "705.Ena", 1) is None
    for dt_s, v_pu in steps:
        device.advance(dt_s, Truth(v_pu=v_pu))
        demand = device.demand()
        assert math.hypot(demand.p_kw, demand.q_kvar) <= 50.0 * (1 + 1e-9)
        assert device.soc is not None
        assert 0.0 <= device.soc <= 1.0


@pytest.mark.parametrize(
    ("path", "words", "refusal"),
    [
        ("704.WMaxLimPct", (10_001,), Refusal.ILLEGAL_VALUE),
        ("704.WSetEna", (2,), Refusal.ILLEGAL_VALUE),
        ("704.WSet", (0,), Refusal.ILLEGAL_ADDRESS),  # half a point
        ("704.WSetRvrtRem", (0, 1), Refusal.ILLEGAL_ADDRESS),
        ("702.WMaxRtg", (1,), Refusal.ILLEGAL_ADDRESS),
        ("702.WMax", (1_001,), Refusal.ILLEGAL_VALUE),
        ("702.WMaxOvrExt", (1,), Refusal.ILLEGAL_ADDRESS),  # not implemented
    ],
)
def test_a_write_that_makes_no_sense_is_refused_and_changes_nothing(
    path: str, words: tuple[int, ...], refusal: Refusal
) -> None:
    device = pv()
    before = list(device.registers)
    assert write(device, path, *words) is refusal
    assert device.registers == before


def test_a_refused_block_changes_nothing_not_even_the_part_that_was_fine() -> None:
    device = pv()
    before = list(device.registers)
    assert write(device, "704.WMaxLimPctEna", 1, 10_001) is Refusal.ILLEGAL_VALUE
    assert device.registers == before


def test_a_device_that_ignores_setpoints_shows_them_and_goes_on() -> None:
    device = pv()
    device.fault = Fault(ignores_setpoints=True)
    order(device, WMaxLimPct=30.0, WMaxLimPctEna=1)
    assert run(device, 60.0, SUN) == pytest.approx(-8.0)
    assert shown(device, "704.WMaxLimPct") == 30.0
    device.fault = Fault(overshoot=1.5)
    assert run(device, 60.0, SUN) == pytest.approx(-4.5)


@pytest.mark.parametrize(
    ("fault", "w"),
    [
        (Fault(), 6_000.0),
        (Fault(reading="stuck"), 8_000.0),
        (Fault(reading="wrong sign"), -6_000.0),
        (Fault(reading="x1000"), 327_670.0),
        (Fault(reading="missing"), None),
        (Fault(frozen=True), 8_000.0),
    ],
)
def test_wrong_readings_are_wrong_as_described_while_the_physics_stays_right(fault: Fault, w: float | None) -> None:
    device = pv()
    run(device, 30.0, SUN)
    energy = shown(device, "701.TotWhInj")
    device.fault = fault
    assert run(device, 30.0, Truth(available_kw=6.0)) == pytest.approx(-6.0)
    assert shown(device, "701.W") == (None if w is None else pytest.approx(w))
    assert (shown(device, "701.TotWhInj") == energy) is fault.frozen


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.01, 100), st.floats(0, 10), st.floats(0.1, 50))
def test_a_movement_never_passes_its_target_nor_its_speed(
    now: float, target: float, dt_s: float, settle_s: float, per_s: float
) -> None:
    then = moved(now, target, dt_s, settle_s=settle_s, up_per_s=per_s, down_per_s=per_s)
    assert min(now, target) - 1e-9 <= then <= max(now, target) + 1e-9
    assert abs(then - now) <= per_s * dt_s + 1e-9


def test_a_fixed_power_factor_shrinks_both_powers_to_the_rating() -> None:
    device = pv()
    assert write(device, "704.PFWInj.PF", 800, 1) is None
    order(device, PFWInjEna=1)
    run(device, 60.0)
    run(device, 60.0)
    assert (device.demand().p_kw, device.demand().q_kvar) == (pytest.approx(-8.0), pytest.approx(6.0))


@pytest.mark.parametrize(("first", "p_kw", "q_kvar"), [(0, -10.0, 0.0), (1, -8.0, -6.0)])
def test_the_priority_says_which_power_gives_way_at_the_rating(first: int, p_kw: float, q_kvar: float) -> None:
    device = pv()
    order(device, VarSet=6_000, VarSetPri=first, VarSetEna=1)
    run(device, 60.0)
    run(device, 60.0)
    assert (device.demand().p_kw, device.demand().q_kvar) == (pytest.approx(p_kw), pytest.approx(q_kvar, abs=1e-6))


def test_a_setpoint_may_be_a_share_of_the_rating() -> None:
    device = battery()
    order(device, WSetMod=0, WSetPct=-40.0, WSetEna=1, VarSetMod=1, VarSetPct=50.0, VarSetEna=1)
    run(device, 60.0)
    assert (device.demand().p_kw, device.demand().q_kvar) == (pytest.approx(20.0), pytest.approx(-25.0))
    order(device, VarSetMod=2)
    run(device, 60.0)
    assert device.demand().q_kvar == pytest.approx(-0.5 * math.sqrt(50.0**2 - 20.0**2)), "of what is available"


def test_a_charging_battery_has_a_power_factor_of_its_own() -> None:
    device = battery()
    order(device, WSet=-30_000, WSetEna=1)
    assert write(device, "704.PFWAbs.PF", 800, 0) is None
    order(device, PFWAbsEna=1)
    run(device, 60.0)
    assert (device.demand().p_kw, device.demand().q_kvar) == (pytest.approx(30.0), pytest.approx(-22.5))


def test_watt_var_draws_reactive_power_when_it_gives_much() -> None:
    device = pv(s_kva=12.0)
    assert write(device, "712.Ena", 1) is None
    for available_kw, q_kvar in [(5.0, 0.0), (7.5, 0.22 * 12.0), (10.0, 0.44 * 12.0)]:
        run(device, 60.0, Truth(available_kw=available_kw))
        run(device, 60.0, Truth(available_kw=available_kw))
        assert device.demand().q_kvar == pytest.approx(q_kvar, abs=1e-3)


def test_a_curve_has_a_reversion_time_too() -> None:
    device = pv()
    high = Truth(v_pu=1.08, available_kw=0.0)
    assert write(device, "705.Crv.3.Pt.4.Var", 0xFF9C) is None, "-10 %"
    for path, words in (("705.RvrtTms", (0, 60)), ("705.AdptCrvReq", (3,)), ("705.Ena", (1,))):
        assert write(device, path, *words) is None
    run(device, 59.0, high)
    assert (device.demand().q_kvar, shown(device, "705.RvrtRem")) == (pytest.approx(1.0), 1.0)
    run(device, 60.0, high)
    assert device.demand().q_kvar == pytest.approx(4.4), "back to the curve of slot 2"


def test_a_refused_device_stays_out_while_the_voltage_is_too_high_to_enter() -> None:
    device = pv()
    run(device, 1.0, Truth(v_pu=1.25))
    assert run(device, 600.0, Truth(v_pu=1.12)) == 0.0, "it would have stayed at 1.12, but may not come back there"
    assert shown(device, "703.ESDlyRemTms") == 60.0
    assert run(device, 120.0, Truth(v_pu=1.05)) == pytest.approx(-10.0)


def test_a_plate_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 < p_kw <= s_kva"):
        pv(s_kva=9.0)
    with pytest.raises(ValueError, match=r"soc in 0\.\.1"):
        battery(soc=1.5)
    with pytest.raises(ValueError, match="expected 1 to 247"):
        pv(unit=0)
    with pytest.raises(ValueError, match="delay_s"):
        Fault(delay_s=-1.0)
