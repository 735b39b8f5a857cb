"""Programs we did not write find, read and order our devices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from farm_peers import NEEDS_MBPOLL, battery, charger, farming, mbpoll, pv

from archipel.farm import Address, Farm, Meter, MeterPlate
from archipel.model.register_map import BASE_ADDRESS, REGISTERS

client = pytest.importorskip("sunspec2.modbus.client", reason="LEFT OUT: pysunspec2 (extra field) is not installed")
OFFSET = {register.name: register.offset for register in REGISTERS}


async def met(address: Address) -> Any:
    """The pysunspec2 client, after it found the chain of models: the proof that it is alive."""

    def scan() -> Any:
        device = client.SunSpecModbusClientDeviceTCP(
            slave_id=address.unit, ipaddr=address.host, ipport=address.port, timeout=3
        )
        device.scan()
        assert device.common[0].Mn.value == "Archipel"
        return device

    return await asyncio.to_thread(scan)


def models(device: Any) -> set[int]:
    return {key for key in device.models if isinstance(key, int)}


def test_pysunspec2_finds_every_model_of_inverter_battery_and_meter() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> list[set[int]]:
        found = []
        for id_ in ("pv", "battery", "meter"):
            device = await met(at[id_])
            found.append(models(device))
            assert all(not model.error_info for key in models(device) for model in device.models[key])
            device.close()
        return found

    der = {1, 103, 701, 702, 703, 704, 705, 712, 714}
    meter = Meter(MeterPlate("meter", 400.0))
    assert farming([pv(), battery(), meter], talk) == [der, der | {713, 802}, {1, 203}]


def test_pysunspec2_reads_what_the_physics_says_in_the_generator_convention() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        farm.observe(available_kw={"pv": 7.5}, v_pu={"pv": 1.02}, p_kw={"meter": -120.0}, q_kvar={"meter": 30.0})
        for second in range(20):
            farm.step(float(second))
        assert farm.demand()["pv"].p_kw == pytest.approx(-7.5)
        device = await met(at["pv"])
        ac = device.DERMeasureAC[0]
        await asyncio.to_thread(ac.read)
        assert ac.W.cvalue == pytest.approx(7500.0, abs=1.0)
        assert ac.LLV.cvalue == pytest.approx(408.0, abs=0.1)
        assert ac.Hz.cvalue == pytest.approx(50.0)
        assert ac.TmpAmb.value is None, "what is not implemented is not a number"
        assert device.models[103][0].W.cvalue == pytest.approx(7500.0, abs=1.0)
        assert device.DERCapacity[0].WMaxRtg.cvalue == pytest.approx(10_000.0)
        device.close()
        meter = await met(at["meter"])
        assert meter.models[203][0].W.cvalue == pytest.approx(-120_000.0)
        assert meter.models[203][0].VAR.cvalue == pytest.approx(30_000.0)
        meter.close()

    farming([pv(), Meter(MeterPlate("meter", 400.0))], talk)


def test_pysunspec2_orders_a_battery_and_sees_the_order_lapse_by_itself() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> list[tuple[int, float, int]]:
        farm.step(0.0)
        device = await met(at["battery"])
        control, ac = device.DERCtlAC[0], device.DERMeasureAC[0]

        def write(**values: float) -> None:
            for name, value in values.items():
                control.points[name].cvalue = value
            control.write()

        await asyncio.to_thread(lambda: write(WSetRvrtTms=30, WSet=-20_000.0, WSetMod=1))
        await asyncio.to_thread(lambda: write(WSetEna=1))
        seen = []
        for now_s in (10.0, 29.0, 30.0, 40.0):
            farm.step(now_s)
            await asyncio.to_thread(control.read)
            await asyncio.to_thread(ac.read)
            seen.append((control.WSetEna.value, ac.W.cvalue, control.WSetRvrtRem.value))
        device.close()
        return seen

    seen = farming([battery()], talk)
    assert [(enabled, left) for enabled, _, left in seen] == [(1, 20), (1, 1), (0, 0), (0, 0)]
    assert [w for _, w, _ in seen] == pytest.approx([-20_000.0, -20_000.0, -20_000.0, 0.0], abs=15.0)


def test_pysunspec2_puts_a_volt_var_curve_in_force() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> float:
        farm.observe(v_pu={"pv": 1.05}, available_kw={"pv": 0.0})
        farm.step(0.0)
        device = await met(at["pv"])
        curve = device.DERVoltVar[0]

        def adopt() -> None:
            for point, (v, var) in zip(curve.Crv[1].Pt, [(90, 30), (99, 0), (101, 0), (109, -40)], strict=True):
                point.V.cvalue, point.Var.cvalue = v, var
            curve.Crv[1].RspTms.cvalue = 1.0
            curve.write()
            curve.AdptCrvReq.value = 2
            curve.Ena.value = 1
            curve.write()
            curve.read()

        await asyncio.to_thread(adopt)
        assert curve.AdptCrvRslt.value == 1
        device.close()
        farm.step(30.0)
        return farm.demand()["pv"].q_kvar

    assert farming([pv()], talk) == pytest.approx(2.0), "at 105 % halfway to -40 % of 10 kVA: it draws 2 kvar"


@NEEDS_MBPOLL
def test_mbpoll_reads_and_writes_registers_of_a_sunspec_device() -> None:
    inverter = pv()
    at_limit = 40001 + inverter.image.points["704.WMaxLimPct"].at

    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        farm.step(0.0)
        head = await mbpoll(at["pv"], "-r", "40001", "-c", "4", at["pv"].host)
        assert head == {40001: 0x5375, 40002: 0x6E53, 40003: 1, 40004: 66}
        await mbpoll(at["pv"], "-r", str(at_limit), at["pv"].host, "4000")
        await mbpoll(at["pv"], "-r", str(at_limit - 1), at["pv"].host, "1")
        assert await mbpoll(at["pv"], "-r", str(at_limit), "-c", "1", at["pv"].host) == {at_limit: 4000}
        farm.step(60.0)
        assert farm.demand()["pv"].p_kw == pytest.approx(-4.0)
        assert [entry.names for entry in farm.writes.of("pv")] == [("704.WMaxLimPct",), ("704.WMaxLimPctEna",)]

    farming([inverter], talk)


@NEEDS_MBPOLL
def test_mbpoll_reads_and_commands_a_charger_on_the_archipel_map() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        farm.step(0.0)
        first = BASE_ADDRESS + 1  # mbpoll counts from one
        big_endian = ("-t", "4:int", "-B")
        here = at["charger"].host
        magic = await mbpoll(at["charger"], "-r", str(first), "-c", "1", *big_endian, here)
        assert magic == {first: 0x4152504C}
        ordered = ["1", "60", "0", "4000", "32768", "0"]
        await mbpoll(at["charger"], "-r", str(first + OFFSET["sequence"]), here, *ordered)
        farm.step(30.0)
        p = await mbpoll(at["charger"], "-r", str(first + OFFSET["p"]), "-c", "1", *big_endian, here)
        assert p == {first + OFFSET["p"]: 4000}
        left = await mbpoll(at["charger"], "-r", str(first + OFFSET["remaining"]), "-c", "1", here)
        assert left == {first + OFFSET["remaining"]: 30}
        farm.step(90.0)
        p = await mbpoll(at["charger"], "-r", str(first + OFFSET["p"]), "-c", "1", *big_endian, here)
        assert p == {first + OFFSET["p"]: 1000}, "the lease is over and it is at its fallback"

    farming([charger(fallback_kw=1.0)], talk)
