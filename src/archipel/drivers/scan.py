"""What answers at a Modbus address: a SunSpec device, one of the Archipel register map, or neither. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archipel.drivers.base import Reading
from archipel.drivers.errors import DecodeError
from archipel.drivers.mapped.driver import MappedDevice
from archipel.drivers.modbus import Endpoint
from archipel.drivers.sunspec.driver import SunSpecDevice


@final
@dataclass(frozen=True, slots=True)
class Found:
    """One device that answered."""

    endpoint: str
    kind: str
    """`sunspec`, or the kind of the Archipel map."""
    maker: str
    model: str
    serial: str
    models: tuple[tuple[int, int, int], ...]
    """SunSpec models as (ID, zero-based address, length), in their order."""
    orders: tuple[str, ...]
    """What it can be ordered, see `Driver.orders`."""
    reading: Reading


async def scan(endpoint: Endpoint) -> Found:
    """Ask a device what it is and measure once.

    Raises:
        DriverError: nobody answers, or what answers is neither; then the text says what was found of both.
    """
    try:
        return await _sunspec(endpoint)
    except DecodeError as error:
        no_sunspec = error
    try:
        return await _mapped(endpoint)
    except DecodeError as error:
        raise DecodeError(f"{no_sunspec}\n{error}") from error
    finally:
        await endpoint.close()


async def _sunspec(endpoint: Endpoint) -> Found:
    device = SunSpecDevice(endpoint)
    try:
        await device.connect()
        reading = await device.read()
    finally:
        await device.close()
    who = device.identity
    return Found(
        endpoint=str(endpoint),
        kind="sunspec",
        maker=who.maker if who else "",
        model=who.model if who else "",
        serial=who.serial if who else "",
        models=tuple((each.model, each.address, each.length) for each in device.chain.entries),
        orders=tuple(sorted(device.orders)),
        reading=reading,
    )


async def _mapped(endpoint: Endpoint) -> Found:
    device = MappedDevice(endpoint)
    await device.connect()
    reading = await device.read()
    maker, model, serial = (str(device.identity[name] or "") for name in ("maker", "model", "serial"))
    kind = "" if device.kind is None else device.kind.name.lower()
    return Found(str(endpoint), kind, maker, model, serial, (), tuple(sorted(device.orders)), reading)
