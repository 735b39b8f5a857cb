"""The TCP side: what comes in never stops a server, and what goes out belongs to the question."""

from __future__ import annotations

import asyncio
import random
import struct
import subprocess
import sys

import pytest
from farm_peers import Bare, battery, charger, command, farming, pv

from archipel.farm import Address, Farm, Fault, Inverter, InverterPlate, Meter, MeterPlate, Refusal

SUNS = [0x5375, 0x6E53]


async def alive(address: Address) -> None:
    """The positive read that every test of refusal or silence needs."""
    async with Bare(address) as client:
        assert await client.read(40000, 2) == SUNS


def test_hundreds_of_random_frames_and_bytes_leave_the_server_answering() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        dice = random.Random(20261122)
        await alive(at["pv"])
        before = pv().registers
        for number in range(400):
            async with Bare(at["pv"]) as client:
                noise = dice.randbytes(dice.randrange(1, 600))
                if number % 2:  # a header that adds up, so that the noise gets as far as the decoder
                    pdu = bytes([dice.choice([1, 3, 4, 5, 6, 8, 15, 16, 22, 23, 43, 0, 0x83, 0xFF])]) + noise[:252]
                    client.send(pdu)
                else:
                    client.writer.write(noise)
                client.writer.write_eof()
                await client.reader.read()
        await alive(at["pv"])
        device = farm.devices["pv"]
        assert len(device.registers) == len(before)
        assert all(0 <= word <= 0xFFFF for word in device.registers)
        farm.step(0.0)
        farm.step(10.0)

    farming([pv()], talk)


def test_frames_that_do_not_add_up_are_refused_or_hung_up_on() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        await alive(at["pv"])
        async with Bare(at["pv"]) as client:
            for pdu, code in [
                (b"\x03\x9c\x40\x00\x00", 3),  # no registers
                (b"\x03\x9c\x40\x00\x7e", 3),  # 126 registers
                (b"\x03\x9c", 3),  # cut off
                (b"\x03\x00\x00\x00\x01", 2),  # before the image
                (b"\x03\xff\xff\x00\x7d", 2),  # past the end of all addresses
                (b"\x10\x9c\x40\x00\x02\x04\x00\x01", 3),  # byte count and bytes differ
                (b"\x10\x9c\x40\x00\x00\x00", 3),  # writes nothing
                (b"\x2b\x0e\x01\x00", 1),  # a function it does not have
            ]:
                answer = await client.ask(pdu)
                assert answer == bytes([pdu[0] | 0x80, code]), pdu.hex()
            assert await client.ask(b"\x03\x9c\x40\x00\x02", unit=9) == bytes([0x83, Refusal.NO_SUCH_UNIT])
            assert await client.read(40000, 2) == SUNS
        for header in (struct.pack(">HHHB", 1, 7, 6, 1), struct.pack(">HHHB", 1, 0, 0xFFFF, 1)):
            async with Bare(at["pv"]) as client:
                client.writer.write(header)
                assert await client.reader.read() == b"", "it hangs up: nobody knows where the next frame starts"
        await alive(at["pv"])

    farming([pv()], talk)


def test_requests_in_a_row_on_a_slow_device_each_get_their_own_answer() -> None:
    async def talk(farm: Farm, at: dict[str, Address]) -> list[tuple[int, bytes]]:
        farm.devices["pv"].fault = Fault(delay_s=0.05)
        async with Bare(at["pv"]) as client:
            client.send(struct.pack(">BHH", 3, 40000, 1), transaction=7)
            client.send(struct.pack(">BHH", 3, 40001, 1), transaction=8)
            await asyncio.sleep(0.02)
            client.send(struct.pack(">BHH", 3, 40002, 1), transaction=9)
            return [await client.receive() for _ in range(3)]

    assert farming([pv()], talk) == [(7, b"\x03\x02\x53\x75"), (8, b"\x03\x02\x6e\x53"), (9, b"\x03\x02\x00\x01")]


def test_a_deaf_device_does_nothing_and_a_mute_one_does_it_without_an_answer() -> None:
    device = charger()

    async def talk(farm: Farm, at: dict[str, Address]) -> list[str]:
        async with Bare(at["charger"]) as client:
            assert (await client.read(1000, 2)) == [0x4152, 0x504C]
            head = struct.pack(">BHHB", 16, 1053, 6, 12)
            for number, fault in enumerate((Fault(deaf=True), Fault(mute=True)), start=1):
                device.fault = fault
                client.send(head + struct.pack(">6H", *command(number, 60, 3000 + number)))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.reader.read(1), 0.15)
            device.fault = Fault()
            assert await client.read(1055, 2) == [0, 3002], "the second order stands, the first never arrived"
        return [entry.outcome for entry in farm.writes.of("charger")]

    assert farming([device], talk) == ["deaf", "done"]


def test_a_device_refuses_garbles_and_recovers_as_it_is_told() -> None:
    device = pv()

    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        async with Bare(at["pv"]) as client:
            assert await client.read(40000, 2) == SUNS
            device.fault = Fault(refuses_reads=Refusal.BUSY)
            assert await client.ask(b"\x03\x9c\x40\x00\x02") == b"\x83\x06"
            device.fault = Fault(refuses_writes=Refusal.DEVICE_FAILURE)
            limit = 40000 + device.image.points["704.WMaxLimPctEna"].at
            assert await client.write(limit, [1]) == b"\x90\x04"
            assert await client.read(limit, 1) == [0]
            device.fault = Fault()
            assert (await client.write(limit, [1]))[0] == 16
            assert await client.read(limit, 1) == [1]
            device.fault = Fault(garbles=True)
            client.send(b"\x03\x9c\x40\x00\x02")
            noise = await client.reader.read(100)
            assert noise[2:4] != b"\0\0", "no Modbus header"

    farming([device], talk)


def test_every_write_is_in_the_log_and_reading_leaves_none() -> None:
    device = battery()
    points = device.image.points

    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        farm.step(100.0)
        async with Bare(at["battery"]) as client:
            for start in range(40000, 40000 + len(device.registers) - 100, 100):
                await client.read(start, 100)
            assert farm.writes.total == 0
            await client.write(40000 + points["704.WSet"].at, [0xFFFF, 0xB1E0])
            await client.write(40000 + points["701.W"].at, [1])
            await client.ask(b"\x10\x9c\x40\x00\x02\x04\x00")
            await client.ask(b"\x05\x00\x01\xff\x00")
            await client.ask(b"\x06\x9c\x40\x00\x01", unit=4)
        log = farm.writes.of("battery")
        assert farm.writes.count["battery"] == len(log) == 5
        assert {entry.t_s for entry in log} == {100.0}
        assert [entry.outcome for entry in log] == [
            "done",
            "refused ILLEGAL_ADDRESS",
            "refused ILLEGAL_VALUE",
            "refused ILLEGAL_FUNCTION",
            "refused NO_SUCH_UNIT",
        ]
        assert (log[0].names, log[0].values) == (("704.WSet",), (0xFFFF, 0xB1E0))

    farming([device], talk)


def test_a_hundred_devices_in_one_process_each_answer_for_themselves() -> None:
    meters = [Meter(MeterPlate(f"m{i}", 100.0)) for i in range(100)]

    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        assert len({address.port for address in at.values()}) == 100
        farm.observe(p_kw={meter.id: float(i) for i, meter in enumerate(meters)})
        farm.step(0.0)
        w = meters[0].image.points["203.W"]
        for i in (0, 1, 50, 99):
            async with Bare(at[f"m{i}"]) as client:
                assert await client.read(40000 + w.at, 1) == [round(1000 * i * 10.0**-w.scale)]

    farming(meters, talk)


def test_the_farm_says_which_ids_are_doubled_or_unknown_and_that_time_runs_forward() -> None:
    with pytest.raises(ValueError, match="same id: pv"):
        farming([pv(), Inverter(InverterPlate("pv", 5.0))], lambda farm, at: asyncio.sleep(0))

    async def talk(farm: Farm, at: dict[str, Address]) -> None:
        with pytest.raises(ValueError, match="values for nobody"):
            farm.observe(v_pu={"nobody": 1.0})
        farm.step(5.0)
        with pytest.raises(ValueError, match="only runs forward"):
            farm.step(4.0)
        assert str(at["pv"]).startswith("modbus://127.0.0.1:")

    farming([pv()], talk)


def test_stopping_hangs_up_on_everyone_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> bytes:
        farm = Farm()
        at = (await farm.start([pv(), charger()]))["pv"]
        async with Bare(at) as idle, Bare(at) as waiting:
            assert await idle.read(40000, 2) == SUNS
            farm.devices["pv"].fault = Fault(delay_s=60.0)
            waiting.send(b"\x03\x9c\x40\x00\x02")
            await asyncio.sleep(0.05)
            await farm.stop()
            left = await idle.reader.read() + await waiting.reader.read()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(at.host, at.port)
        return left

    assert asyncio.run(run()) == b""
    assert not caplog.records


@pytest.mark.parametrize("package", ["pymodbus", "sunspec2"])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(package: str) -> None:
    script = f"""
import sys
sys.modules[{package!r}] = None
from archipel.model.errors import ExtraMissing
try:
    from archipel.farm import Meter, MeterPlate
    Meter(MeterPlate("m", 1.0))
except ExtraMissing as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "archipel[field]" in said
