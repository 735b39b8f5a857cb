"""Who talks to the farm in these tests: bare bytes on a socket, the pysunspec2 client, and mbpoll."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from archipel.farm import Address, Device, Farm, Inverter, InverterPlate, MappedDevice, MappedPlate, Storage
from archipel.model.register_map import BASE_ADDRESS, COMMAND, REGISTERS, Kind

Talk = Callable[[Farm, dict[str, Address]], Awaitable[Any]]

NEEDS_MBPOLL = pytest.mark.skipif(
    shutil.which("mbpoll") is None,
    reason="LEFT OUT: mbpoll is not installed, so no second independent Modbus client met the farm (Debian: mbpoll)",
)


def farming(devices: Sequence[Device], talk: Talk) -> Any:
    """Serve the devices, run the talk, stop; at most a minute."""

    async def run() -> Any:
        farm = Farm()
        addresses = await farm.start(devices)
        try:
            return await asyncio.wait_for(talk(farm, addresses), 60.0)
        finally:
            await farm.stop()

    return asyncio.run(run())


def pv(**plate: Any) -> Inverter:
    return Inverter(InverterPlate("pv", 10.0, **plate))


def battery(**storage: Any) -> Inverter:
    return Inverter(InverterPlate("battery", 50.0), Storage(**{"e_kwh": 100.0, **storage}))


def charger(**plate: Any) -> MappedDevice:
    return MappedDevice(MappedPlate(**{"id": "charger", "kind": Kind.CHARGER, "p_kw": 11.0, **plate}))


def order(device: Inverter, **values: float) -> None:
    """Write points of model 704 as a client does, one request each, in the order given."""
    for name, value in values.items():
        point = device.image.points[f"704.{name}"]
        raw = round(value * 10.0**-point.scale)
        words = [raw >> 16 * i & 0xFFFF for i in reversed(range(point.length))]
        assert device.write(40000 + point.at, words) is None, name


def command(sequence: int, valid_for: int, setpoint: int, q_setpoint: int = -0x8000_0000) -> list[int]:
    """The words of a command on the Archipel map."""
    return list(struct.unpack(">6H", struct.pack(">HHii", sequence, valid_for, setpoint, q_setpoint)))


COMMAND_AT = BASE_ADDRESS + COMMAND[0].offset


def register(device: MappedDevice, name: str) -> int:
    """What a client reads, unsigned."""
    found = next(r for r in REGISTERS if r.name == name)
    words = device.read(BASE_ADDRESS + found.offset, found.length)
    assert isinstance(words, list)
    return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")


class Bare:
    """A Modbus TCP client of a few lines that can also send nonsense."""

    def __init__(self, address: Address) -> None:
        self.address = address

    async def __aenter__(self) -> Bare:
        self.reader, self.writer = await asyncio.open_connection(self.address.host, self.address.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    def send(self, pdu: bytes, transaction: int = 1, unit: int = 1) -> None:
        self.writer.write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)

    async def receive(self) -> tuple[int, bytes]:
        """(transaction, PDU) of the next answer."""
        transaction, _protocol, length, _unit = struct.unpack(">HHHB", await self.reader.readexactly(7))
        return transaction, await self.reader.readexactly(length - 1)

    async def ask(self, pdu: bytes, unit: int = 1) -> bytes:
        self.send(pdu, unit=unit)
        return (await self.receive())[1]

    async def read(self, address: int, count: int) -> list[int]:
        answer = await self.ask(struct.pack(">BHH", 3, address, count))
        assert answer[0] == 3, f"refused with exception {answer[1]}"
        return list(struct.unpack(f">{count}H", answer[2:]))

    async def write(self, address: int, words: Sequence[int]) -> bytes:
        head = struct.pack(">BHHB", 16, address, len(words), 2 * len(words))
        return await self.ask(head + struct.pack(f">{len(words)}H", *words))


async def mbpoll(address: Address, *arguments: str) -> dict[int, int]:
    """Run mbpoll once; the numbers it printed, by reference (one-based)."""
    process = await asyncio.create_subprocess_exec(
        "mbpoll",
        *("-m", "tcp", "-p", str(address.port), "-a", str(address.unit), "-1", "-o", "2", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return {int(ref): int(value) for ref, value in re.findall(r"^\[(\d+)\]:\s+(-?\d+)", said, re.MULTILINE)}
