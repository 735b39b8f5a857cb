"""The cell's devices and meters behind their drivers: read in turn, ordered every tick."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast, final

from archipel.controller.facts import Orders
from archipel.drivers import DriverError, Endpoint, MappedDevice, Reading, SunSpecDevice, parse
from archipel.drivers.base import Driver, Order, Quality, Status
from archipel.field.cell_file import CellFile, DeviceTable, MeterTable
from archipel.model.register_map import Kind

AT_ONCE = 16
"""Devices that are talked to at the same time."""
RETRY_S = 5.0
"""Wall seconds before a device that did not answer is connected again."""
Refusal = Callable[[str], str]
"""Why a device may not be ordered; empty when it may."""


@final
@dataclass(slots=True, eq=False)
class Unit:
    """One device or meter."""

    id: str
    driver: Driver
    reading: Reading | None = None
    trouble: str = "not connected"
    connected: bool = False
    retry_at_s: float = 0.0
    writes: int = 0


@final
@dataclass(slots=True, eq=False)
class Units:
    """All of them. Trouble of one never holds up the others for longer than its time-out."""

    devices: dict[str, Unit]
    meters: dict[str, Unit]
    """By tie; "" is the upstream connection."""
    mono_s: Callable[[], float]
    formers: dict[str, Unit] = field(default_factory=dict)
    """Where batteries take what they shall hold in an island, by the battery's id."""
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def read(self, units: Iterable[Unit], wall_s: float) -> None:
        """Measure; a unit that fails is said to be in trouble and tried again later."""
        await asyncio.gather(*(self._read(unit, wall_s) for unit in units))

    async def _read(self, unit: Unit, wall_s: float) -> None:
        if not unit.connected and wall_s < unit.retry_at_s:
            return
        async with self._gate:
            try:
                if not unit.connected:
                    await unit.driver.connect()
                    unit.connected = True
                unit.reading, unit.trouble = await unit.driver.read(), ""
            except DriverError as error:
                self._lost(unit, error, wall_s)

    async def order(self, orders: Orders, lease_s: float, refusal: Refusal, wall_s: float) -> None:
        """Tell every device what holds; drivers write what changed and renew what is due."""
        await asyncio.gather(
            *(
                self._order(self.devices[name], *wish, lease_s, wall_s)
                for name, wish in orders.items()
                if name in self.devices and not refusal(name)
            )
        )

    async def _order(self, unit: Unit, p_kw: float, q_kvar: float, lease_s: float, wall_s: float) -> None:
        if not unit.connected:
            return
        takes = unit.driver.orders
        wish: dict[str, Any] = {}
        if not math.isnan(p_kw):
            if "p_kw" in takes and "p_limit_kw" in takes and unit.reading is not None and unit.reading.soc is None:
                wish["p_limit_kw"] = min(p_kw, 0.0)  # panels give what the sun gives, up to a limit
            elif "p_kw" in takes:
                wish["p_kw"] = p_kw
            elif "p_limit_kw" in takes:
                wish["p_limit_kw"] = max(p_kw, 0.0)
        if not math.isnan(q_kvar) and "q_kvar" in takes:
            wish["q_kvar"] = q_kvar
        if not wish:
            return
        async with self._gate:
            try:
                done = await unit.driver.write_setpoint(**wish, lease_s=lease_s)
            except DriverError as error:
                self._lost(unit, error, wall_s)
                return
        if done.status is not Status.SHADOW:
            unit.writes += len(done.writes)

    async def operate(self, unit: Unit, wish: Mapping[str, float | bool] | None, lease_s: float, wall_s: float) -> None:
        """Order a switch or a grid-forming unit; None ends its order now. Trouble is told in `unit.trouble`."""
        driver = unit.driver
        if not unit.connected or not driver.writable or not isinstance(driver, MappedDevice):
            return
        try:
            if wish is None:
                done = await driver.release()
            else:
                done = await driver.write_setpoint(**cast("Any", wish), lease_s=lease_s)
        except DriverError as error:
            self._lost(unit, error, wall_s)
            return
        unit.writes += len(done.writes)

    async def release(self, refusal: Refusal) -> dict[str, str]:
        """Return every device to its own default; per device what is the matter, empty when it was done."""
        units = list(self.devices.values())
        done = await asyncio.gather(*(self._release(unit, refusal(unit.id)) for unit in units))
        return dict(zip(self.devices, done, strict=True))

    async def _release(self, unit: Unit, refusal: str) -> str:
        if refusal or not unit.driver.writable:
            return refusal  # what is not writable was never ordered
        async with self._gate:
            try:
                if not unit.connected:
                    await unit.driver.connect()
                    unit.connected = True
                await unit.driver.release()
            except DriverError as error:
                return f"{error} Its lease ends by itself."
        return ""

    async def close(self) -> None:
        """Hang up everywhere; devices go on until their leases lapse."""
        await asyncio.gather(*(unit.driver.close() for unit in self.all()))

    def all(self) -> list[Unit]:
        """Devices, meters and what grid-forming units are told by."""
        return [*self.devices.values(), *self.meters.values(), *self.formers.values()]

    def switches(self) -> frozenset[str]:
        """Devices that say they are switches."""
        kinds = ((name, unit.driver) for name, unit in self.devices.items())
        return frozenset(n for n, driver in kinds if isinstance(driver, MappedDevice) and driver.kind is Kind.SWITCH)

    def readings(self) -> dict[str, Reading]:
        """What is known of the devices."""
        return {name: unit.reading for name, unit in self.devices.items() if unit.reading is not None}

    def flows(self, oldest_s: float) -> Mapping[str, tuple[float, float | None]]:
        """(power, voltage in pu) at every meter that gave a good value within `oldest_s`, by tie."""
        out, now_s = {}, self.mono_s()
        for tie, unit in self.meters.items():
            reading = unit.reading
            if reading is None or reading.quality is not Quality.GOOD or reading.p_kw is None:
                continue
            if unit.trouble == "" and reading.age_s(now_s) <= oldest_s and math.isfinite(reading.p_kw):
                out[tie] = (reading.p_kw, reading.v_pu)
        return out

    def _lost(self, unit: Unit, error: DriverError, wall_s: float) -> None:
        unit.trouble, unit.connected, unit.retry_at_s = str(error), False, wall_s + RETRY_S


def open_units(file: CellFile, mono_s: Callable[[], float], writable: Callable[[str], bool]) -> Units:
    """Drivers of all devices and meters a cell file names, able to write where `writable`; nothing is connected yet."""
    devices = {row.id: Unit(row.id, _driver(row, mono_s, writable(row.id))) for row in file.device}
    if file.switch is not None:
        row = next(row for row in file.device if row.id == file.switch.device)
        # an order that lapses leaves the switch as it is: only then may it be leased for seconds
        driver = MappedDevice(Endpoint(*parse(row.endpoint)), writable=writable(row.id), fallback=Order(), clock=mono_s)
        devices[row.id] = Unit(row.id, driver)
    formers = {
        row.id: Unit(
            f"former {row.id}", MappedDevice(Endpoint(*parse(row.endpoint)), writable=writable(row.id), clock=mono_s)
        )
        for row in file.former
    }
    meters = {row.tie: Unit(f"meter {row.tie}".strip(), _driver(row, mono_s, writable=False)) for row in file.meter}
    return Units(devices, meters, mono_s, formers)


def _driver(row: DeviceTable | MeterTable, mono_s: Callable[[], float], writable: bool) -> Driver:
    host, port, unit = parse(row.endpoint)
    endpoint = Endpoint(host, port, unit)
    if isinstance(row, DeviceTable) and row.driver == "archipel":
        return MappedDevice(endpoint, writable=writable, clock=mono_s)
    v_nominal_v = row.v_nominal_v or None if isinstance(row, MeterTable) else None
    return SunSpecDevice(endpoint, writable=writable, v_nominal_v=v_nominal_v, clock=mono_s)
