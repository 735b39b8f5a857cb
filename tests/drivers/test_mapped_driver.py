"""The driver of the Archipel register map against a Modbus server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pymodbus.constants import ExcCodes
from served import Served, serve

from archipel.drivers import (
    DecodeError,
    DeviceRefused,
    DeviceState,
    EncodeError,
    Endpoint,
    MappedDevice,
    Order,
    Quality,
    ReadBackDiffers,
    Sides,
    Status,
)
from archipel.drivers.mapped import codec
from archipel.model import register_map as table
from archipel.model.register_map import Kind, Result, State

BLANK = {
    "magic": table.MAGIC, "version": 1, "kind": 1, "maker": "Plug", "model": "P22", "serial": "7",
    "p_most": 22000, "p_least": 1400, "q_most": 0, "v_nominal": 4000,
    "sample": 1, "state": 2, "p": 11000, "q": None, "v": 4040, "e_drawn": 5000, "soc": None,
    "e_wanted": 9000, "ends_in": 3600,
    "sequence": 65530, "valid_for": 0, "setpoint": table.NO_LIMIT, "q_setpoint": None,
    "result": 0, "remaining": 0, "active": table.NO_LIMIT, "q_active": None,
    "fallback": 4000, "q_fallback": None,
    "v_first": None, "f_first": None, "v_second": None, "f_second": None, "angle": None,
}  # fmt: skip


class Plug(Served):
    """A served device that answers commands as the map says."""

    def __init__(self, **values: int | str | None) -> None:
        super().__init__(table.BASE_ADDRESS, list(codec.encode(table.REGISTERS, {**BLANK, **values})))
        self.answer = self.obey
        self.result = Result.ACCEPTED
        self.spoil: dict[str, int] = {}

    def obey(self, address: int, values: list[int]) -> ExcCodes | None:
        offset = address - self.start
        if offset == table.FALLBACK[0].offset:
            return None
        assert (offset, len(values)) == (table.COMMAND[0].offset, 6)
        command = codec.decode(table.COMMAND, values)
        old, new = self.now()["sequence"], command["sequence"]
        assert isinstance(old, int)
        assert isinstance(new, int)
        assert 1 <= (new - old) % 65536 <= 32767
        self.put(result=self.result, remaining=command["valid_for"], active=command["setpoint"])
        self.put(**self.spoil)
        if self.result >= Result.OUT_OF_RANGE:
            return ExcCodes.ILLEGAL_VALUE
        return None

    def now(self) -> dict[str, int | str | None]:
        return codec.decode(table.REGISTERS, self.registers)

    def put(self, **values: int | str | None) -> None:
        self.registers[:] = codec.encode(table.REGISTERS, {**self.now(), **values})


class Clock:
    now_s = 500.0

    def __call__(self) -> float:
        return self.now_s


def run(plug: Plug, story: Callable[[MappedDevice, Clock], Awaitable[None]], **how: object) -> None:
    async def whole() -> None:
        clock = Clock()
        async with asyncio.timeout(15), serve(plug):
            device = MappedDevice(Endpoint("127.0.0.1", plug.port, timeout_s=0.5), clock=clock, **how)  # type: ignore[arg-type]
            try:
                await device.connect()
                await story(device, clock)
            finally:
                await device.close()

    asyncio.run(whole())


def test_a_charger_is_read_in_load_convention() -> None:
    async def story(device: MappedDevice, clock: Clock) -> None:
        found = await device.read()
        assert (found.p_kw, found.q_kvar, found.v_pu, found.soc) == (11.0, None, 1.01, None)
        assert (found.e_kwh_drawn, found.e_kwh_wanted, found.ends_in_s) == (5.0, 9.0, 3600.0)
        assert (found.state, found.quality) == (DeviceState.RUNNING, Quality.GOOD)
        assert found.measured_at_s == clock()
        assert (device.kind, device.orders) == (Kind.CHARGER, {"p_limit_kw"})

    run(Plug(), story)


def test_power_through_a_switch_keeps_its_sign() -> None:
    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        found = await device.read()
        assert (found.p_kw, found.state) == (-250.0, DeviceState.CLOSED)

    run(Plug(kind=Kind.SWITCH, p=-250_000, p_most=1_000_000, state=State.CLOSED), story)


def test_a_sample_counter_that_stands_still_makes_a_reading_stale() -> None:
    plug = Plug()

    async def story(device: MappedDevice, clock: Clock) -> None:
        assert (await device.read()).quality is Quality.GOOD
        clock.now_s += 10
        assert (await device.read()).quality is Quality.GOOD
        clock.now_s += 1
        assert (await device.read()).quality is Quality.STALE
        plug.put(sample=2)
        assert (await device.read()).quality is Quality.GOOD
        plug.put(sample=3, p=11_000_000)
        assert (await device.read()).quality is Quality.IMPLAUSIBLE
        plug.put(p=None)
        assert (await device.read()).quality is Quality.MISSING

    run(plug, story)


def test_orders_carry_a_lease_and_the_next_sequence_and_keep_the_pace() -> None:
    plug = Plug()

    async def story(device: MappedDevice, clock: Clock) -> None:
        for second in range(32):
            told = await device.write_setpoint(p_limit_kw=7.4, lease_s=60)
            assert told.status is Status.WRITTEN
            assert len(told.writes) == (second in {0, 30})
            clock.now_s += 1
        told = await device.write_setpoint(p_limit_kw=6.0, lease_s=60)
        assert (told.status, len(told.writes)) == (Status.WRITTEN, 1)
        clock.now_s += 0.5
        told = await device.write_setpoint(p_limit_kw=5.0, lease_s=60)
        assert (told.status, told.wait_s) == (Status.PARTLY, 0.5)

    run(plug, story, writable=True)
    commands = [codec.decode(table.COMMAND, values) for _, values in plug.writes]
    assert [each["setpoint"] for each in commands] == [7400, 7400, 6000]
    assert [each["sequence"] for each in commands] == [65531, 65532, 65533]
    assert {each["valid_for"] for each in commands} == {60}


def test_the_sequence_passes_over_the_number_that_means_not_known() -> None:
    plug = Plug(sequence=65534)

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        await device.write_setpoint(p_limit_kw=7.4, lease_s=60)

    run(plug, story, writable=True)
    assert plug.now()["sequence"] == 0


def test_shadow_writes_nothing_neither_orders_nor_fallback() -> None:
    plug = Plug()

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        told = await device.write_setpoint(p_limit_kw=7.4, lease_s=60)
        assert (told.status, codec.decode(table.COMMAND, told.writes[0].registers)["setpoint"]) == (Status.SHADOW, 7400)
        assert (await device.release()).status is Status.SHADOW

    run(plug, story, fallback=Order(p_limit_kw=1.0))
    assert plug.writes == []


def test_the_fallback_is_given_once_when_it_differs() -> None:
    plug = Plug()

    async def story(device: MappedDevice, clock: Clock) -> None:
        assert plug.now()["fallback"] == 1500
        assert (await device.write_setpoint(p_limit_kw=7.4, lease_s=60)).status is Status.PARTLY
        clock.now_s += 1
        assert (await device.write_setpoint(p_limit_kw=7.4, lease_s=60)).status is Status.WRITTEN
        await device.connect()

    run(plug, story, writable=True, fallback=Order(p_limit_kw=1.5))
    assert len(plug.writes) == 2


def test_release_ends_the_lease_at_once() -> None:
    plug = Plug()

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        await device.write_setpoint(p_limit_kw=7.4, lease_s=60)
        assert (await device.release()).status is Status.WRITTEN

    run(plug, story, writable=True)
    assert (plug.now()["valid_for"], plug.now()["remaining"]) == (0, 0)


@pytest.mark.parametrize("closed", [True, False])
def test_a_switch_is_closed_and_opened(closed: bool) -> None:
    plug = Plug(kind=Kind.SWITCH)

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        await device.write_setpoint(closed=closed, lease_s=60)
        with pytest.raises(EncodeError, match="found p_kw; expected closed, which is what a switch takes"):
            await device.write_setpoint(p_kw=1.0, lease_s=60)

    run(plug, story, writable=True)
    assert plug.now()["setpoint"] == int(closed)


def test_both_sides_of_a_switch_are_read_with_its_position_in_one_request() -> None:
    plug = Plug(kind=Kind.SWITCH, state=State.OPEN, v_first=4000, f_first=4_998_000, v_second=3960, angle=-123_450)

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        found = await device.read()
        assert found.state is DeviceState.OPEN
        assert found.sides == Sides(1.0, 49.98, 0.99, None, -123.45)

    run(plug, story)


def test_a_switch_of_an_earlier_edition_of_the_map_measures_no_sides() -> None:
    known = {**BLANK, "kind": Kind.SWITCH, "state": State.CLOSED}
    old = table.REGISTERS[: -len(table.SIDES)]
    served = Served(table.BASE_ADDRESS, list(codec.encode(old, known)))

    async def whole() -> None:
        async with serve(served):
            device = MappedDevice(Endpoint("127.0.0.1", served.port))
            await device.connect()
            try:
                found = await device.read()
                assert (found.state, found.sides) == (DeviceState.CLOSED, None)
            finally:
                await device.close()

    asyncio.run(whole())


def test_a_grid_forming_unit_is_told_frequency_and_voltage_or_to_follow() -> None:
    plug = Plug(kind=Kind.GRID_FORMER)

    async def story(device: MappedDevice, clock: Clock) -> None:
        await device.write_setpoint(f_hz=50.024, v_pu=1.01, lease_s=60)
        assert (plug.now()["setpoint"], plug.now()["q_setpoint"]) == (5_002_400, 4040)
        clock.now_s += 2.0
        await device.write_setpoint(f_hz=0.0, lease_s=60)
        assert (plug.now()["setpoint"], plug.now()["q_setpoint"]) == (0, None)
        for wrong in ({"f_hz": 500.0}, {"f_hz": 50.0, "v_pu": 400.0}):
            with pytest.raises(EncodeError, match="expected"):
                await device.write_setpoint(**wrong, lease_s=60)
        with pytest.raises(EncodeError, match="expected f_hz, which is what a grid former takes"):
            await device.write_setpoint(p_kw=1.0, lease_s=60)

    run(plug, story, writable=True)


def test_only_grid_forming_units_are_told_a_voltage() -> None:
    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        with pytest.raises(EncodeError, match="found v_pu"):
            await device.write_setpoint(v_pu=1.0, lease_s=60)

    run(Plug(), story)


def test_a_heat_pump_takes_power_and_reactive_power_within_its_rating() -> None:
    plug = Plug(kind=Kind.HEAT_PUMP, q_most=2000)

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        assert device.orders == {"p_kw", "q_kvar"}
        for order, said in (
            ({"p_kw": 23.0}, "p_kw: found 23; expected 0 to 22"),
            ({"p_kw": -1.0}, "p_kw: found -1; expected 0 to 22"),
            ({"q_kvar": -2.5}, "q_kvar: found -2.5; expected -2 to 2"),
            ({"p_kw": 1.0, "lease_s": 4000}, "expected 1 to 3600 s"),
        ):
            with pytest.raises(EncodeError, match=said):
                await device.write_setpoint(**{"lease_s": 60, **order})
        await device.write_setpoint(p_kw=3.3, q_kvar=-1.5, lease_s=60)

    run(plug, story, writable=True)
    assert (plug.now()["setpoint"], plug.now()["q_setpoint"]) == (3300, -1500)


@pytest.mark.parametrize(
    ("result", "spoil", "said"),
    [
        (Result.ACCEPTED, {"remaining": 0}, "would not fall back by itself"),
        (Result.HELD_TO_RATING, {"active": 7000}, r"result 2 \(held to rating\), following 7000"),
    ],
)
def test_a_device_that_answers_something_else_is_an_error(result: Result, spoil: dict[str, int], said: str) -> None:
    plug = Plug()
    plug.result, plug.spoil = result, spoil

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        with pytest.raises(ReadBackDiffers, match=said):
            await device.write_setpoint(p_limit_kw=7.4, lease_s=60)

    run(plug, story, writable=True)


def test_another_controllers_command_is_noticed() -> None:
    plug = Plug()

    def swap(address: int, values: list[int]) -> None:
        plug.obey(address, values)
        values[0] += 1

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        plug.answer = swap
        with pytest.raises(ReadBackDiffers, match="sequence: found 65532 after writing; expected 65531"):
            await device.write_setpoint(p_limit_kw=7.4, lease_s=60)

    run(plug, story, writable=True)


@pytest.mark.parametrize("result", [Result.LOCAL, Result.INTERLOCKED])
def test_a_refusal_says_why(result: Result) -> None:
    plug = Plug()
    plug.result = result

    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        with pytest.raises(DeviceRefused, match=rf"exception 3 .* Its result: {int(result)} \({result.name.lower()}\)"):
            await device.write_setpoint(p_limit_kw=7.4, lease_s=60)

    run(plug, story, writable=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"magic": 1}, r"no device of the Archipel map: found 1 at 1000"),
        ({"version": 2}, "found version 2; expected 1"),
        ({"kind": 9}, "kind: found 9; expected 1 charger"),
    ],
)
def test_what_is_not_of_the_map_is_refused(values: dict[str, int], said: str) -> None:
    async def story(device: MappedDevice, clock: Clock) -> None:
        raise AssertionError(device, clock)

    with pytest.raises(DecodeError, match=said):
        run(Plug(**values), story)


def test_a_state_that_the_map_does_not_know_is_an_error() -> None:
    async def story(device: MappedDevice, clock: Clock) -> None:
        del clock
        with pytest.raises(DecodeError, match="state: found 77"):
            await device.read()

    run(Plug(state=77), story)
