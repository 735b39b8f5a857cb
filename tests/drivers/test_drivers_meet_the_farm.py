"""Drivers and simulated devices share no code but the published definitions; here they meet over Modbus TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from archipel.drivers import DeviceState, Endpoint, MappedDevice, Order, Quality, Status, SunSpecDevice
from archipel.farm import Address, Farm, Inverter, InverterPlate, MappedPlate, Meter, MeterPlate, Storage
from archipel.farm import MappedDevice as ServedDevice
from archipel.model.register_map import Kind

Story = Callable[[Farm, dict[str, Address]], Awaitable[None]]


def meeting(story: Story) -> None:
    """Serve a battery, a panel, a meter, a charger and a switch, and tell a story, for at most 20 s."""

    async def whole() -> None:
        farm = Farm()
        devices = (
            Inverter(InverterPlate("battery", 50.0), Storage(e_kwh=100.0, soc=0.5)),
            Inverter(InverterPlate("pv", 30.0)),
            Meter(MeterPlate("meter", 400.0)),
            ServedDevice(MappedPlate(id="charger", kind=Kind.CHARGER, p_kw=11.0, fallback_kw=2.0)),
            ServedDevice(MappedPlate(id="switch", kind=Kind.SWITCH, p_kw=400.0)),
        )
        addresses = await farm.start(devices)
        try:
            async with asyncio.timeout(20):
                farm.observe(available_kw={"pv": 25.0}, p_kw={"meter": 120.0}, q_kvar={"meter": -30.0})
                farm.step(0.0)
                await story(farm, addresses)
        finally:
            await farm.stop()

    asyncio.run(whole())


def endpoint(address: Address) -> Endpoint:
    return Endpoint(address.host, address.port, address.unit, timeout_s=2.0)


def pass_time(farm: Farm, begin: int, end: int) -> None:
    for second in range(begin, end):
        farm.step(float(second))


@pytest.mark.parametrize("p_kw", [20.0, -20.0])
def test_a_battery_follows_its_order_in_our_sign_and_returns_to_its_fallback_when_we_die(p_kw: float) -> None:
    async def story(farm: Farm, at: dict[str, Address]) -> None:
        device = SunSpecDevice(endpoint(at["battery"]), writable=True, fallback=Order(p_kw=1.0))
        await device.connect()
        assert device.orders == {"p_kw", "p_limit_kw", "q_kvar"}
        assert (await device.write_setpoint(p_kw=p_kw, lease_s=30)).status is Status.WRITTEN
        pass_time(farm, 1, 25)
        found = await device.read()
        assert found.p_kw == pytest.approx(p_kw, abs=0.1)
        assert found.p_kw == pytest.approx(farm.demand()["battery"].p_kw, abs=0.01)
        assert found.quality is Quality.GOOD
        assert found.soc is not None
        assert (found.soc > 0.5) == (p_kw > 0)
        pass_time(farm, 25, 61)
        assert (await device.read()).p_kw == pytest.approx(1.0, abs=0.1)
        await device.close()

    meeting(story)


def test_a_panel_keeps_a_limit_and_reactive_power_and_is_released() -> None:
    async def story(farm: Farm, at: dict[str, Address]) -> None:
        now_s = [0.0]
        device = SunSpecDevice(endpoint(at["pv"]), writable=True, clock=lambda: now_s[0])
        await device.connect()
        for second in (1, 2):
            now_s[0] = float(second)
            told = await device.write_setpoint(p_limit_kw=-10.0, q_kvar=4.0, lease_s=600)
        assert told.status is Status.WRITTEN
        pass_time(farm, 1, 60)
        found = await device.read()
        assert (found.p_kw, found.q_kvar) == (pytest.approx(-10.0, abs=0.1), pytest.approx(4.0, abs=0.1))
        await device.release()
        pass_time(farm, 60, 120)
        assert (await device.read()).p_kw == pytest.approx(-25.0, abs=0.1)
        await device.close()

    meeting(story)


def test_a_meter_reads_what_flows_through_it() -> None:
    async def story(farm: Farm, at: dict[str, Address]) -> None:
        del farm
        device = SunSpecDevice(endpoint(at["meter"]), v_nominal_v=400.0)
        await device.connect()
        found = await device.read()
        assert (found.p_kw, found.q_kvar) == (pytest.approx(120.0), pytest.approx(-30.0))
        await device.close()

    meeting(story)


def test_a_charger_keeps_a_limit_for_its_lease_and_then_its_fallback() -> None:
    async def story(farm: Farm, at: dict[str, Address]) -> None:
        farm.observe(available_kw={"charger": 11.0})
        pass_time(farm, 1, 20)
        device = MappedDevice(endpoint(at["charger"]), writable=True)
        await device.connect()
        assert (await device.write_setpoint(p_limit_kw=6.0, lease_s=30)).status is Status.WRITTEN
        pass_time(farm, 20, 45)
        assert (await device.read()).p_kw == pytest.approx(6.0, abs=0.05)
        pass_time(farm, 45, 90)
        assert (await device.read()).p_kw == pytest.approx(2.0, abs=0.05)
        await device.close()

    meeting(story)


def test_a_switch_opens_and_stays_as_its_fallback_says() -> None:
    async def story(farm: Farm, at: dict[str, Address]) -> None:
        device = MappedDevice(endpoint(at["switch"]), writable=True)
        await device.connect()
        assert (await device.read()).state is DeviceState.CLOSED
        await device.write_setpoint(closed=False, lease_s=30)
        pass_time(farm, 1, 10)
        assert farm.closed()["switch"] is False
        assert (await device.read()).state is DeviceState.OPEN
        pass_time(farm, 10, 60)
        assert (await device.read()).state is DeviceState.OPEN
        await device.close()

    meeting(story)
