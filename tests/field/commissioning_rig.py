"""A cell with real devices on loopback whose seconds pass when a test says so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from archipel.farm import Device, Farm, Inverter, InverterPlate, MappedPlate, Storage
from archipel.farm import MappedDevice as ServedDevice
from archipel.field.cell_file import (
    CellFile,
    CellTable,
    ClockTable,
    DeviceTable,
    StatusTable,
    TransportTable,
    write_cell_file,
)
from archipel.model.register_map import Kind
from archipel.transport.identity import Authority

NOW = datetime.now(UTC)
"""For certificates that commands of the command line shall find valid."""
WALL = datetime(2026, 6, 1, 12, tzinfo=UTC)


def battery(name: str = "battery") -> Inverter:
    return Inverter(InverterPlate(name, 50.0), Storage(e_kwh=100.0, soc=0.5))


def panel(name: str = "pv") -> Inverter:
    return Inverter(InverterPlate(name, 30.0))


def mapped(name: str, kind: Kind, p_kw: float, **plate: float) -> ServedDevice:
    return ServedDevice(MappedPlate(id=name, kind=kind, p_kw=p_kw, **plate))  # type: ignore[arg-type]


class FarmTime:
    """Seconds that pass on the farm as soon as somebody waits for them."""

    def __init__(self, farm: Farm) -> None:
        self.farm, self.events = farm, dict[int, Callable[[], None]]()
        farm.step(farm.now_s)

    def now_s(self) -> float:
        return self.farm.now_s

    async def sleep(self, s: float) -> None:
        end_s = self.farm.now_s + s
        while self.farm.now_s < end_s - 1e-9:
            self.farm.step(min(end_s, self.farm.now_s + 0.25))
            for at_s in [at_s for at_s in self.events if at_s <= self.farm.now_s]:
                self.events.pop(at_s)()
        await asyncio.sleep(0)


def a_cell(folder: Path, name: str = "north", authority: Authority | None = None, issued: datetime = WALL) -> CellFile:
    """A cell file with certificates and no devices."""
    authority = authority or Authority.create(folder / "authority", "area", issued)
    file = CellFile(
        path=(folder / name / "cell.toml").resolve(),
        cell=CellTable(name, "district", 100.0, 100.0),
        transport=TransportTable("127.0.0.1:1"),
        status=StatusTable("127.0.0.1:1"),
    )
    write_cell_file(file)
    authority.issue(name, file.certificates, issued)
    return file


async def served(farm: Farm, file: CellFile, devices: Sequence[Device]) -> CellFile:
    """The cell file with these devices, which the farm serves."""
    addresses = await farm.start(devices)
    rows = tuple(
        DeviceTable(each.id, "archipel" if isinstance(each, ServedDevice) else "sunspec", str(addresses[each.id]))
        for each in devices
    )
    file = replace(file, device=rows)
    write_cell_file(file)
    return file


@contextmanager
def farm_in_a_thread(file: CellFile, devices: Sequence[Device], factor: float) -> Iterator[tuple[Farm, CellFile]]:
    """Serve devices `factor` times faster than the wall while commands of the command line run in this thread."""
    farm, ready, stop = Farm(), threading.Event(), threading.Event()
    made: list[CellFile] = []

    async def whole() -> None:
        try:
            made.append(await served(farm, file, devices))
            ready.set()
            begun = time.monotonic()
            while not stop.is_set():
                farm.step(factor * (time.monotonic() - begun))
                await asyncio.sleep(0.002)
        finally:
            await farm.stop()
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(whole()))
    thread.start()
    try:
        ready.wait()
        yield farm, made[0]
    finally:
        stop.set()
        thread.join()


def in_a_rehearsal(file: CellFile, factor: float) -> CellFile:
    """The cell file with a clock that runs faster."""
    return replace(file, clock=ClockTable(factor, WALL, NOW))


def on_a_farm(file: CellFile, devices: Sequence[Device], story: Callable[[Farm, CellFile], Awaitable[None]]) -> None:
    """Serve devices and tell a story, for at most 60 s."""

    async def whole() -> None:
        farm = Farm()
        try:
            async with asyncio.timeout(60):
                await story(farm, await served(farm, file, devices))
        finally:
            await farm.stop()

    asyncio.run(whole())
