"""The device's side of the Archipel register map."""

from __future__ import annotations

import struct

import pytest
from farm_peers import COMMAND_AT, charger, command, register
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.farm import Fault, MappedDevice, MappedPlate, Refusal, Truth
from archipel.model.register_map import (
    BASE_ADDRESS,
    FALLBACK,
    MAGIC,
    NO_LIMIT,
    SIZE,
    VALID_FOR_S_MAX,
    VERSION,
    Kind,
    Result,
    State,
)

CALM = Truth()
FALLBACK_AT = BASE_ADDRESS + FALLBACK[0].offset


def switch(**plate: object) -> MappedDevice:
    return MappedDevice(MappedPlate("switch", Kind.SWITCH, 400.0, **plate))  # type: ignore[arg-type]


def run(device: MappedDevice, seconds: float, truth: Truth = CALM) -> float:
    device.advance(seconds, truth)
    return device.demand().p_kw


def test_it_says_what_it_is() -> None:
    device = charger(p_kw_least=1.4)
    values = {name: register(device, name) for name in ("magic", "version", "kind", "p_most", "p_least", "v_nominal")}
    assert values == {
        "magic": MAGIC,
        "version": VERSION,
        "kind": Kind.CHARGER,
        "p_most": 11_000,
        "p_least": 1_400,
        "v_nominal": 4_000,
    }
    assert register(device, "serial").to_bytes(16, "big") == b"charger".ljust(16, b"\0")


def test_a_lease_lapses_by_itself_to_the_fallback() -> None:
    device = charger(fallback_kw=2.0)
    assert run(device, 20.0) == pytest.approx(2.0)
    assert device.write(COMMAND_AT, command(1, 60, 7_000)) is None
    assert run(device, 59.0) == pytest.approx(7.0)
    assert (register(device, "remaining"), register(device, "active")) == (1, 7_000)
    run(device, 1.0)
    assert (register(device, "remaining"), register(device, "active")) == (0, 2_000)
    assert run(device, 20.0) == pytest.approx(2.0)


@given(st.lists(st.floats(0.1, 50.0), min_size=1, max_size=40), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_a_lease_lapses_at_its_time_whatever_the_steps(steps: list[float], lease_s: int) -> None:
    device, passed = charger(fallback_kw=2.0), 0.0
    assert device.write(COMMAND_AT, command(1, lease_s, 7_000)) is None
    for step in steps:
        run(device, step)
        passed += step
        assert register(device, "active") == (2_000 if passed >= lease_s - 1e-6 else 7_000)


def test_a_lease_of_nothing_returns_it_to_its_fallback_at_once() -> None:
    device = charger(fallback_kw=0.0)
    assert device.write(COMMAND_AT, command(1, 600, 7_000)) is None
    run(device, 10.0)
    assert device.write(COMMAND_AT, command(2, 0, 7_000)) is None
    assert (register(device, "remaining"), register(device, "active")) == (0, 0)
    assert run(device, 20.0) == pytest.approx(0.0, abs=1e-6)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
@settings(max_examples=200)
def test_only_a_newer_sequence_is_taken_also_across_the_end_of_its_range(old: int, new: int) -> None:
    device = charger()
    device.registers[COMMAND_AT - BASE_ADDRESS] = old
    newer = 1 <= (new - old) % 0x10000 <= 0x7FFF
    assert device.write(COMMAND_AT, command(new, 60, 5_000)) is (None if newer else Refusal.ILLEGAL_VALUE)
    assert register(device, "result") == (Result.ACCEPTED if newer else Result.OLD_SEQUENCE)
    assert register(device, "sequence") == (new if newer else old)


def test_a_set_value_beyond_the_rating_is_held_and_said_so() -> None:
    device = charger()
    assert device.write(COMMAND_AT, command(1, 60, 22_000)) is None
    assert (register(device, "result"), register(device, "active")) == (Result.HELD_TO_RATING, 11_000)
    assert register(device, "setpoint") == 22_000, "reads give the last accepted order"
    assert device.write(COMMAND_AT, command(2, 60, -3)) is None
    assert (register(device, "result"), register(device, "active")) == (Result.HELD_TO_RATING, 0)


def test_a_lease_that_is_too_long_is_refused() -> None:
    device = charger()
    assert device.write(COMMAND_AT, command(1, VALID_FOR_S_MAX + 1, 5_000)) is Refusal.ILLEGAL_VALUE
    assert (register(device, "result"), register(device, "remaining")) == (Result.OUT_OF_RANGE, 0)
    assert device.write(COMMAND_AT, command(1, VALID_FOR_S_MAX, 5_000)) is None


@given(st.integers(0, SIZE - 1), st.integers(1, SIZE))
def test_anything_but_a_whole_command_or_fallback_is_refused_and_changes_nothing(first: int, count: int) -> None:
    device = charger()
    before = list(device.registers)
    whole = {(COMMAND_AT - BASE_ADDRESS, 6), (FALLBACK_AT - BASE_ADDRESS, 4)}
    if (first, count) not in whole:
        assert device.write(BASE_ADDRESS + first, [1] * count) is Refusal.ILLEGAL_ADDRESS
        assert device.registers == before


def test_the_fallback_is_written_alone_and_outlives_a_restart_while_the_lease_does_not() -> None:
    device = charger()
    words = list(struct.unpack(">4H", struct.pack(">ii", 3_000, -0x8000_0000)))
    assert device.write(FALLBACK_AT, words) is None
    assert device.write(COMMAND_AT, command(9, 600, 8_000)) is None
    assert run(device, 20.0) == pytest.approx(8.0)
    device.restart()
    assert [register(device, name) for name in ("remaining", "sequence", "active", "result")] == [0, 9, 3_000, 0]
    assert run(device, 20.0) == pytest.approx(3.0)


def test_a_limit_is_a_limit_for_chargers_and_an_order_for_heat_pumps() -> None:
    car = Truth(available_kw=3.0)
    limited = charger()
    pump = MappedDevice(MappedPlate("pump", Kind.HEAT_PUMP, 8.0, p_kw_least=2.0))
    for device in (limited, pump):
        assert device.write(COMMAND_AT, command(1, 600, 5_000)) is None
    assert run(limited, 60.0, car) == pytest.approx(3.0), "the car takes no more"
    assert run(pump, 60.0, car) == pytest.approx(5.0)
    assert pump.write(COMMAND_AT, command(2, 600, 1_900)) is None
    assert run(pump, 60.0, car) == pytest.approx(0.0, abs=1e-6), "below its least power it is off"
    assert pump.write(COMMAND_AT, command(3, 600, NO_LIMIT)) is None
    assert run(pump, 60.0, car) == pytest.approx(3.0), "no order: its own rule"


def test_a_load_that_can_be_shed_is_shed_and_comes_back() -> None:
    load = MappedDevice(MappedPlate("load", Kind.SHEDDABLE_LOAD, 20.0, power_factor=0.8))
    assert run(load, 60.0, Truth(available_kw=12.0)) == pytest.approx(12.0)
    assert load.demand().q_kvar == pytest.approx(9.0)
    assert load.write(COMMAND_AT, command(1, 30, 0)) is None
    assert run(load, 29.0, Truth(available_kw=12.0)) == pytest.approx(0.0, abs=1e-6)
    assert run(load, 31.0, Truth(available_kw=12.0)) == pytest.approx(12.0)


def test_reactive_power_is_set_within_what_the_device_can() -> None:
    device = charger(q_kvar=3.0)
    assert device.write(COMMAND_AT, command(1, 600, 5_000, q_setpoint=-9_000)) is None
    run(device, 60.0)
    assert (device.demand().q_kvar, register(device, "result")) == (-3.0, Result.HELD_TO_RATING)


def test_a_switch_follows_its_lease_stays_without_an_order_and_a_tag_holds_it() -> None:
    device = switch()
    assert device.write(COMMAND_AT, command(1, 60, 0)) is None
    assert (device.closed, register(device, "state")) == (False, State.OPEN)
    run(device, 120.0)
    assert not device.closed, "its fallback says nothing, so it stays as it is"
    assert device.write(COMMAND_AT, command(2, 60, 2)) is Refusal.ILLEGAL_VALUE
    device.locked = Result.INTERLOCKED
    assert device.write(COMMAND_AT, command(3, 60, 1)) is Refusal.BUSY
    assert (device.closed, register(device, "result")) == (False, Result.INTERLOCKED)
    device.locked = None
    assert device.write(COMMAND_AT, command(3, 60, 1)) is None
    assert device.closed


def test_a_switch_with_a_fallback_goes_there_when_its_lease_lapses() -> None:
    device = switch(fallback_kw=0)
    run(device, 1.0)
    assert not device.closed
    assert device.write(COMMAND_AT, command(1, 60, 1)) is None
    assert device.closed
    run(device, 59.0, Truth(p_kw=-80.0, q_kvar=5.0))
    assert register(device, "p") == 2**32 - 80_000, "it shows what flows, which is the caller's to say"
    run(device, 1.0, Truth(p_kw=-80.0, q_kvar=5.0))
    assert not device.closed
    assert register(device, "p") == 0, "nothing flows through an open switch, whatever the last power flow said"


def test_the_sample_counts_measurements_and_stands_still_when_frozen() -> None:
    device = charger()
    run(device, 1.0)
    first = register(device, "sample")
    run(device, 1.0)
    assert register(device, "sample") == first + 1
    device.fault = Fault(frozen=True)
    run(device, 5.0)
    assert register(device, "sample") == first + 1
    device.fault = Fault(reading="missing")
    run(device, 5.0)
    assert register(device, "p") == 0x8000_0000


def test_a_dead_node_stops_it_and_a_device_that_ignores_orders_draws_what_it_likes() -> None:
    device = charger()
    run(device, 30.0)
    assert run(device, 1.0, Truth(v_pu=0.0)) == 0.0
    assert register(device, "state") == State.OFF
    device.fault = Fault(ignores_setpoints=True)
    assert device.write(COMMAND_AT, command(1, 600, 0)) is None
    assert run(device, 60.0) == pytest.approx(11.0)


def test_a_charger_shows_the_session_as_far_as_it_is_known() -> None:
    device = charger()
    assert [register(device, name) for name in ("soc", "e_wanted", "ends_in")] == [0xFFFF, 2**32 - 1, 2**32 - 1]
    run(device, 1.0, Truth(soc=0.4, e_kwh_wanted=12.5, ends_in_s=7200.0))
    assert [register(device, name) for name in ("soc", "e_wanted", "ends_in")] == [4_000, 12_500, 7_200]
