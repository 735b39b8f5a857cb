"""Reaching a cell's devices without the cell: what commissioning and disarming need."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from archipel.drivers import DriverError, Endpoint, MappedDevice, SunSpecDevice, parse
from archipel.drivers.base import Driver
from archipel.field.cell_file import DeviceTable
from archipel.field.state import fingerprint

AT_ONCE = 16
"""Devices that are talked to at the same time."""


@final
@dataclass(frozen=True, slots=True)
class Released:
    """What became of one device."""

    device: str
    reached: bool
    text: str
    """What was done, or why not."""


def open_driver(row: DeviceTable, *, writable: bool, clock: Callable[[], float], timeout_s: float = 1.0) -> Driver:
    """A driver for a device of a cell file; not connected yet. Raises `DriverError` for an address that is none."""
    host, port, unit = parse(row.endpoint)
    endpoint = Endpoint(host, port, unit, timeout_s=timeout_s)
    if row.driver == "archipel":
        return MappedDevice(endpoint, writable=writable, clock=clock)
    return SunSpecDevice(endpoint, writable=writable, clock=clock)


async def release_all(
    rows: Sequence[DeviceTable], spared: Collection[str] | None, clock: Callable[[], float], timeout_s: float = 1.0
) -> list[Released]:
    """Return every device to its own default now, several at a time. Never raises `DriverError`.

    Args:
        rows: The devices.
        spared: Ids with a safety tag: a switch among them is left as it is. None: tags cannot be known, no switch is
            touched.
        clock: Monotonic seconds.
        timeout_s: Of every answer.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: DeviceTable) -> Released:
        async with gate:
            try:
                return await _release(row, spared, clock, timeout_s)
            except DriverError as error:
                text = f"{error} Its reversion timer ends its last order by itself, at the end of that order's lease."
                return Released(row.id, False, text)

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def _release(
    row: DeviceTable, spared: Collection[str] | None, clock: Callable[[], float], timeout_s: float
) -> Released:
    driver = open_driver(row, writable=True, clock=clock, timeout_s=timeout_s)
    try:
        await driver.connect()
        if not driver.orders:
            return Released(row.id, True, "takes no orders")
        if "closed" in driver.orders and (spared is None or row.id in spared):
            why = "its tags cannot be read" if spared is None else "it has a safety tag"
            return Released(row.id, True, f"a switch, left as it is: {why}")
        await driver.release()
        return Released(row.id, True, "released")
    finally:
        await driver.close()


async def fingerprints(
    rows: Sequence[DeviceTable], clock: Callable[[], float], timeout_s: float = 1.0
) -> dict[str, str]:
    """What each device says it is, by id; nothing is written. Raises `DriverError` when one does not answer."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: DeviceTable) -> tuple[str, str]:
        async with gate:
            driver = open_driver(row, writable=False, clock=clock, timeout_s=timeout_s)
            try:
                await driver.connect()
                return row.id, fingerprint(row, driver)
            finally:
                await driver.close()

    return dict(await asyncio.gather(*(one(row) for row in rows)))


def rows_of(path: Path) -> list[DeviceTable]:
    """The devices a cell file names, also when other parts of it are wrong: disarming is not blocked by a typing error.

    Raises:
        OSError, tomllib.TOMLDecodeError: nothing of it can be read.
    """
    found: Any = tomllib.loads(path.read_text("utf-8")).get("device", [])
    rows = []
    for row in found if isinstance(found, list) else []:
        match row:
            case {"id": str(name), "driver": "sunspec" | "archipel" as driver, "endpoint": str(endpoint)}:
                rows.append(DeviceTable(name, driver, endpoint))
    return rows
