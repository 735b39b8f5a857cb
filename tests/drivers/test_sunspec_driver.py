"""The SunSpec driver against a Modbus server on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from pymodbus.constants import ExcCodes
from served import COMMON, CONTROLS, Served, chain, inverter, model, serve

from archipel.drivers import (
    DecodeError,
    DeviceRefused,
    EncodeError,
    Endpoint,
    NotControllable,
    Order,
    Quality,
    ReadBackDiffers,
    Status,
    SunSpecDevice,
    Unreachable,
)
from archipel.drivers.sunspec.codec import Image


class Clock:
    """Seconds that move when the test says so."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def run(served: Served, story: Callable[[SunSpecDevice, Clock], Awaitable[None]], **how: object) -> None:
    """Serve a device, connect a driver to it and tell a story, for at most 15 s."""

    async def whole() -> None:
        clock = Clock()
        async with asyncio.timeout(15), serve(served):
            device = SunSpecDevice(Endpoint("127.0.0.1", served.port, timeout_s=0.5), clock=clock, **how)  # type: ignore[arg-type]
            try:
                await device.connect()
                await story(device, clock)
            finally:
                await device.close()

    asyncio.run(whole())


BATTERY = model(802, SoC=40, SoC_SF=0)


def controls(served: Served) -> Image:
    """Model 704 as it stands in the device."""
    at = 2 + len(COMMON) + 155 + 52
    return Image(served.registers[at : at + served.registers[at + 1] + 2])


def test_a_reading_is_in_load_convention_and_says_when() -> None:
    async def story(device: SunSpecDevice, clock: Clock) -> None:
        found = await device.read()
        clock.now_s += 2.5
        assert (found.p_kw, found.q_kvar, found.soc) == (-30.0, 0.5, 0.4)
        assert (found.v_v, found.v_pu) == (408.0, pytest.approx(1.02))
        assert (found.e_kwh_given, found.e_kwh_drawn) == (7000, 20)
        assert found.quality is Quality.GOOD
        assert found.age_s(clock()) == 2.5
        assert device.identity is not None
        assert (device.identity.maker, device.identity.serial) == ("Sunny", "4711")
        assert device.orders == {"p_kw", "p_limit_kw", "q_kvar"}

    run(inverter(3000, -500, BATTERY), story)


def test_shadow_writes_nothing_and_says_what_it_would_have_written() -> None:
    served = inverter(3000, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        told = await device.write_setpoint(p_kw=-12.0, lease_s=30)
        assert told.status is Status.SHADOW
        assert [each.what for each in told.writes] == ["active power"]
        assert told.writes[0].registers[:4] == (1, 1, *struct.unpack(">2H", struct.pack(">i", 1200)))
        clock.now_s += 1
        assert (await device.write_setpoint(p_kw=-12.0, lease_s=30)).writes == ()
        assert (await device.release()).status is Status.SHADOW

    run(served, story)
    assert served.writes == []


@pytest.mark.parametrize(("p_kw", "w"), [(-12.0, 12000), (12.0, -12000)])
def test_a_battery_ordered_to_give_or_draw_gets_the_sign_of_sunspec_and_a_timer(p_kw: float, w: int) -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        assert (await device.write_setpoint(p_kw=p_kw, lease_s=45.9)).status is Status.WRITTEN

    run(served, story, writable=True, fallback=Order(p_kw=0.0))
    image = controls(served)
    assert [image.value(name) for name in ("WSetEna", "WSetMod", "WSet", "WSetRvrtTms")] == [1, 1, w, 45]
    assert [image.value(name) for name in ("WSetEnaRvrt", "WSetRvrt")] == [1, 0]
    assert len(served.writes) == 1


def test_a_panel_is_held_to_a_share_of_its_rating_that_is_never_rounded_up() -> None:
    served = inverter()

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        await device.write_setpoint(p_limit_kw=-33.339, lease_s=60)
        with pytest.raises(EncodeError, match="expected 0 or below"):
            await device.write_setpoint(p_limit_kw=5, lease_s=60)

    run(served, story, writable=True)
    image = controls(served)
    assert [image.value(f"WMaxLimPct{name}") for name in ("Ena", "", "EnaRvrt", "RvrtTms")] == [1, 66.6, 0, 60]


def test_reactive_power_drawn_is_negative_for_the_device() -> None:
    served = inverter()

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        await device.write_setpoint(q_kvar=8.0, lease_s=60)

    run(served, story, writable=True, fallback=Order(q_kvar=-1.0))
    image = controls(served)
    assert [image.value(f"VarSet{name}") for name in ("Ena", "Mod", "", "Rvrt", "RvrtTms")] == [1, 4, -8000, 1000, 60]


def test_a_device_that_takes_shares_only_is_told_shares() -> None:
    points = {**CONTROLS, "WSet": None, "WSetRvrt": None, "VarSet": None, "VarSetRvrt": None}
    served = inverter(0, 0, BATTERY, controls=points)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        await device.write_setpoint(p_kw=-25.0, q_kvar=11.0, lease_s=60)
        clock.now_s += 1
        await device.write_setpoint(p_kw=-25.0, q_kvar=11.0, lease_s=60)

    run(served, story, writable=True)
    image = controls(served)
    assert [image.value(f"WSet{name}") for name in ("Mod", "Pct", "")] == [0, 50, None]
    at = 40000 + len(served.registers) - len(BATTERY) - 2 - len(image.registers)
    absent = {at + image.place(name)[0] for name in ("WSet", "WSetRvrt", "VarSet", "VarSetRvrt")}
    written = served.writes
    assert not absent & {address + k for address, values in written for k in range(len(values))}
    assert written[0][0] > written[1][0], "the timer is written before the value"
    assert image.value("WSetRvrtTms") == 60
    assert [image.value(f"VarSet{name}") for name in ("Mod", "Pct", "")] == [1, -50, None]


def test_one_request_a_second_and_an_unchanged_value_at_half_its_time() -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        first = await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)
        assert (first.status, first.wait_s) == (Status.PARTLY, 1.0)
        assert (await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)).status is Status.PARTLY
        clock.now_s += 1.0
        assert (await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)).status is Status.WRITTEN
        assert [len(values) for _, values in served.writes] == [11, 12]
        for _ in range(28):
            clock.now_s += 1.0
            assert await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60) == type(first)(Status.WRITTEN, ())
        assert len(served.writes) == 2
        clock.now_s += 1.0
        assert (await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)).writes[0].what == "active power"
        assert len(served.writes) == 3

    run(served, story, writable=True)


def test_a_function_that_is_no_longer_ordered_returns_to_its_fallback() -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        await device.write_setpoint(q_kvar=1.0, lease_s=60)
        clock.now_s += 1
        assert (await device.write_setpoint(p_kw=5.0, lease_s=60)).status is Status.PARTLY
        assert controls(served).value("VarSetEna") == 1
        clock.now_s += 1
        assert (await device.write_setpoint(p_kw=5.0, lease_s=60)).status is Status.WRITTEN
        assert controls(served).value("VarSetEna") == 0
        clock.now_s += 1
        assert (await device.write_setpoint(p_kw=5.0, lease_s=60)).writes == ()

    run(served, story, writable=True)


def test_release_brings_all_functions_to_their_fallback_at_once() -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        await device.write_setpoint(p_kw=5.0, lease_s=60)
        assert len((await device.release()).writes) == 3

    run(served, story, writable=True, fallback=Order(p_limit_kw=-25.0))
    image = controls(served)
    assert [image.value(name) for name in ("WSetEna", "WSetRvrtTms", "VarSetEna")] == [0, 0, 0]
    assert [image.value(name) for name in ("WMaxLimPctEna", "WMaxLimPct", "WMaxLimPctRvrtTms")] == [1, 50, 0]


def test_a_function_that_cannot_be_released_does_not_keep_the_others() -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        await device.write_setpoint(p_kw=5.0, lease_s=60)
        clock.now_s += 1
        await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)
        served.answer = lambda address, values: ExcCodes.DEVICE_BUSY if len(values) == 11 else None
        with pytest.raises(DeviceRefused, match="device busy"):
            await device.release()

    run(served, story, writable=True)
    assert [controls(served).value(f"{name}Ena") for name in ("WMaxLimPct", "WSet", "VarSet")] == [0, 1, 0]


def test_a_function_that_is_refused_does_not_starve_the_others() -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        served.answer = lambda address, values: ExcCodes.DEVICE_BUSY if len(values) == 11 else None
        with pytest.raises(DeviceRefused):
            await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)
        clock.now_s += 1
        assert (await device.write_setpoint(p_kw=5.0, q_kvar=1.0, lease_s=60)).status is Status.PARTLY
        assert controls(served).value("VarSet") == -1000

    run(served, story, writable=True)


def test_a_refused_write_is_an_error_and_is_tried_again_a_second_later() -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        served.answer = lambda address, values: ExcCodes.ILLEGAL_VALUE
        with pytest.raises(
            DeviceRefused, match=r"writing registers .* refused with exception 3 \(illegal data value\)"
        ):
            await device.write_setpoint(p_kw=5.0, lease_s=60)
        served.answer = lambda address, values: None
        assert (await device.write_setpoint(p_kw=5.0, lease_s=60)).wait_s == 1.0
        clock.now_s += 1
        assert (await device.write_setpoint(p_kw=5.0, lease_s=60)).status is Status.WRITTEN

    run(served, story, writable=True)


def test_a_device_that_holds_another_value_than_written_is_an_error() -> None:
    served = inverter(0, 0, BATTERY)

    def halve(address: int, values: list[int]) -> None:
        del address
        values[3] //= 2

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        served.answer = halve
        with pytest.raises(ReadBackDiffers, match=r"active power: WSet: found 6000 .* after writing; expected"):
            await device.write_setpoint(p_kw=-12.0, lease_s=60)
        served.answer = lambda address, values: None
        clock.now_s += 1
        assert len((await device.write_setpoint(p_kw=-12.0, lease_s=60)).writes) == 1

    run(served, story, writable=True)


def test_a_timer_that_does_not_run_is_an_error() -> None:
    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        with pytest.raises(ReadBackDiffers, match="would not fall back by itself"):
            await device.write_setpoint(p_limit_kw=-10, lease_s=60)

    run(inverter(controls={**CONTROLS, "WMaxLimPctRvrtRem": 0}), story, writable=True)


def test_a_device_without_a_reversion_timer_is_not_controlled() -> None:
    served = inverter(0, 0, BATTERY, controls={**CONTROLS, "WSetRvrtTms": None})

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        assert device.orders == {"p_limit_kw", "q_kvar"}
        with pytest.raises(NotControllable, match="does not implement WSetRvrtTms"):
            await device.write_setpoint(p_kw=1.0, lease_s=60)

    run(served, story, writable=True)
    assert served.writes == []


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"p_kw": -60.0}, "found -60 kW; expected -50 to 40 kW"),
        ({"p_kw": 41.0}, "found 41 kW; expected -50 to 40 kW"),
        ({"q_kvar": 30.0}, "found 30 kvar; expected -22 to 22 kvar"),
        ({"p_kw": float("nan")}, "expected a finite number"),
        ({"p_kw": 1.0, "p_limit_kw": -1.0}, "expected one of them"),
        ({"closed": True}, "takes powers only"),
        ({}, "found nothing to do"),
        ({"p_kw": 1.0, "lease_s": 0.5}, "expected 1 to 3600 s"),
        ({"p_kw": 1.0, "lease_s": float("nan")}, "expected 1 to 3600 s"),
    ],
)
def test_orders_that_make_no_sense_are_refused_before_anything_is_written(order: dict[str, float], said: str) -> None:
    served = inverter(0, 0, BATTERY)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        with pytest.raises((EncodeError, NotControllable), match=said):
            await device.write_setpoint(**{"lease_s": 60, **order})  # type: ignore[arg-type]

    run(served, story, writable=True)
    assert served.writes == []


def test_a_meter_is_read_and_not_commanded() -> None:
    meter = model(203, W=-1500, W_SF=0, VAR=100, VAR_SF=0, TotWhImp=5, TotWhExp=6, TotWh_SF=3, PPV=4000, V_SF=-1)

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        found = await device.read()
        assert (found.p_kw, found.q_kvar, found.v_pu, found.e_kwh_drawn) == (-1.5, 0.1, 1.0, 5.0)
        assert device.orders == frozenset()
        with pytest.raises(NotControllable, match="found no model 704"):
            await device.write_setpoint(p_kw=1.0, lease_s=60)

    run(Served(50000, chain(COMMON, meter)), story, writable=True, v_nominal_v=400)


def test_long_curve_models_are_read_in_pieces() -> None:
    curves = model(
        705, NPt=10, NCrv=8, V_SF=-1, DeptRef_SF=0, Crv=[{"Pt": [{"V": 900 + k, "Var": k}] * 10} for k in range(8)]
    )

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        from archipel.drivers.sunspec.driver import fetch

        entry = device.chain.first(705)
        assert entry is not None
        assert entry.length > 125
        image = await fetch(device.endpoint, entry)
        assert [image.value(f"Crv[{k}].Pt[9].V") for k in range(8)] == [90 + k / 10 for k in range(8)]

    run(inverter(0, 0, curves), story)


def test_a_silent_device_is_an_error_within_the_time_out_and_is_read_again_when_it_speaks() -> None:
    served = inverter()

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        served.silent = True
        async with asyncio.timeout(5):
            with pytest.raises(Unreachable, match=r"no answer within 0.5 s"):
                await device.read()
        served.silent = False
        assert (await device.read()).p_kw == -30

    run(served, story)


def test_nobody_at_the_address_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=r"no connection within 0\.5 s"):
        asyncio.run(SunSpecDevice(Endpoint("127.0.0.1", port, timeout_s=0.5)).connect())


@pytest.mark.parametrize("noise", [b"", b"\0" * 9, b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(range(256)) * 5])
def test_a_stranger_that_answers_noise_is_an_error(noise: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(12)
        writer.write(noise)
        await writer.drain()
        writer.close()

    async def whole() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with asyncio.timeout(10), server:
            device = SunSpecDevice(Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], timeout_s=0.5))
            with pytest.raises((Unreachable, DeviceRefused, DecodeError)):
                await device.connect()
            await device.close()

    asyncio.run(whole())


def test_a_device_that_has_changed_its_models_is_not_misread() -> None:
    served = inverter()

    async def story(device: SunSpecDevice, clock: Clock) -> None:
        del clock
        served.registers[2 + len(COMMON)] = 702
        with pytest.raises(DecodeError, match=r"found model 702 .* expected model 701"):
            await device.read()

    run(served, story)


def test_asking_before_connecting_is_an_error() -> None:
    device = SunSpecDevice(Endpoint("127.0.0.1", 1))
    with pytest.raises(NotControllable, match=r"Call connect\(\) first"):
        asyncio.run(device.read())


def test_after_a_silence_the_next_question_goes_over_a_new_connection() -> None:
    connections: list[bytes] = []
    talks: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        number = len(connections)
        connections.append(await reader.readexactly(12))
        if number > 0:  # the first one never answers, and what it says late must reach nobody
            writer.write(connections[number][:2] + bytes([0, 0, 0, 5, 1, 3, 2, 0, 42]))
            await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def whole() -> tuple[int, ...]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with asyncio.timeout(10), server:
            endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], timeout_s=0.3)
            with pytest.raises(Unreachable):
                await endpoint.read(7, 1)
            registers = await endpoint.read(7, 1)
            await endpoint.close()
            await asyncio.gather(*(talk for talk in talks if talk is not None))
            return registers

    assert asyncio.run(whole()) == (42,)
    assert len(connections) == 2
