"""Both drivers keep every promise of the shipped suite, and the suite finds drivers that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from archipel.drivers import Endpoint, MappedDevice, Reading, Status, SunSpecDevice, Written
from archipel.drivers.base import Driver, Quality
from archipel.farm import (
    Address,
    Farm,
    Fault,
    Inverter,
    InverterPlate,
    MappedPlate,
    Meter,
    MeterPlate,
    Refusal,
    Storage,
)
from archipel.farm import Device as Served
from archipel.farm import MappedDevice as ServedDevice
from archipel.model.register_map import Kind
from archipel.testing import PromiseBroken, check_driver
from archipel.testing.driver import Case, Trouble

FAULTS: dict[Trouble, Fault] = {
    "": Fault(),
    "silent": Fault(deaf=True),
    "garbled": Fault(garbles=True),
    "refuses": Fault(refuses_writes=Refusal.DEVICE_FAILURE),
    "missing": Fault(reading="missing"),
    "x1000": Fault(reading="x1000"),
}


@dataclass
class Rig:
    """One device of the farm."""

    device: Served
    cases: tuple[Case, ...]
    truth: dict[str, float] = field(default_factory=dict)
    wrap: Callable[[Driver], Any] = lambda driver: driver
    timeout_s: float = 0.3
    tolerance_kw: float = 0.1
    tells_rating: bool = True
    farm: Farm = field(default_factory=Farm)
    address: Address | None = None

    async def start(self) -> None:
        addresses = await self.farm.start([self.device])
        self.address = addresses[self.device.id]
        self.farm.observe(**{name: {self.device.id: value} for name, value in self.truth.items()})
        self.farm.step(0.0)
        await self.wait(30.0)

    def driver(self, *, writable: bool) -> Driver:
        assert self.address is not None
        endpoint = Endpoint(self.address.host, self.address.port, self.address.unit, timeout_s=self.timeout_s)
        kind: Any = MappedDevice if isinstance(self.device, ServedDevice) else SunSpecDevice
        made: Driver = self.wrap(kind(endpoint, writable=writable, clock=lambda: self.farm.now_s))
        return made

    async def wait(self, s: float) -> None:
        end_s = self.farm.now_s + s
        while self.farm.now_s < end_s - 1e-9:
            self.farm.step(min(end_s, self.farm.now_s + 1.0))

    def writes(self) -> int:
        return self.farm.writes.total

    def p_kw(self) -> float:
        if isinstance(self.device, ServedDevice) and self.device.plate.kind is Kind.SWITCH:
            return self.truth["p_kw"] if self.device.closed else 0.0
        if isinstance(self.device, Meter):
            return self.truth["p_kw"]
        return self.farm.demand()[self.device.id].p_kw

    def spoil(self, trouble: Trouble) -> None:
        self.device.fault = FAULTS[trouble]


def power(name: str, *values: float) -> tuple[Case, ...]:
    """Orders of one argument, each to be followed exactly."""
    return tuple(Case({name: value}, value) for value in values)


def mapped(kind: Kind, rated_kw: float, cases: tuple[Case, ...], truth: dict[str, float], own: float | None) -> Rig:
    return Rig(ServedDevice(MappedPlate(id="x", kind=kind, p_kw=rated_kw, fallback_kw=own)), cases, truth)


RIGS: dict[str, Callable[[], Rig]] = {
    "battery": lambda: Rig(
        Inverter(InverterPlate("x", 50.0), Storage(e_kwh=1000.0, soc=0.5)), power("p_kw", 20.0, -10.0)
    ),
    "panel": lambda: Rig(Inverter(InverterPlate("x", 30.0)), power("p_limit_kw", -10.0, -15.0), {"available_kw": 25.0}),
    "meter": lambda: Rig(Meter(MeterPlate("x", 400.0)), (), {"p_kw": -120.0, "q_kvar": 30.0}, tells_rating=False),
    "charger": lambda: mapped(Kind.CHARGER, 11.0, power("p_limit_kw", 6.0, 3.0), {"available_kw": 9.0}, 2.0),
    "heat pump": lambda: mapped(Kind.HEAT_PUMP, 6.0, power("p_kw", 4.0, 2.0), {"available_kw": 3.0}, None),
    "switch": lambda: mapped(
        Kind.SWITCH, 400.0, (Case({"closed": False}, 0.0), Case({"closed": True}, 50.0)), {"p_kw": 50.0}, 1.0
    ),
}


def check(rig: Rig) -> None:
    async def whole() -> None:
        try:
            async with asyncio.timeout(60):
                await rig.start()
                await check_driver(rig)
        finally:
            await rig.farm.stop()

    asyncio.run(whole())


@pytest.mark.parametrize("name", RIGS)
def test_a_driver_keeps_every_promise(name: str) -> None:
    check(RIGS[name]())


class Wrapped:
    """A driver that behaves, for the ones below to spoil."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class TurnsSigns(Wrapped):
    async def read(self) -> Reading:
        found: Reading = await self.inner.read()
        return replace(found, p_kw=None if found.p_kw is None else -found.p_kw)


class BelievesAnything(Wrapped):
    async def read(self) -> Reading:
        found: Reading = await self.inner.read()
        return replace(found, quality=Quality.GOOD)


class ForgetsErrors(Wrapped):
    async def write_setpoint(self, **order: Any) -> Written:
        from archipel.drivers import DriverError

        try:
            done: Written = await self.inner.write_setpoint(**order)
        except DriverError:
            return Written(Status.WRITTEN, ())
        return done


class Hurries(Wrapped):
    async def write_setpoint(self, **order: Any) -> Written:
        self.inner._pace._tried_s.clear()
        done: Written = await self.inner.write_setpoint(**order)
        return done


class Repeats(Wrapped):
    async def write_setpoint(self, **order: Any) -> Written:
        self.inner._pace._held.clear()
        done: Written = await self.inner.write_setpoint(**order)
        return done


class WritesInShadow(Wrapped):
    async def write_setpoint(self, **order: Any) -> Written:
        writable, self.inner._writable = self.inner._writable, True
        try:
            done: Written = await self.inner.write_setpoint(**order)
        finally:
            self.inner._writable = writable
        return replace(done, status=Status.SHADOW if not writable else done.status)


class NeverLapses(Wrapped):
    async def write_setpoint(self, *, lease_s: float, **order: Any) -> Written:
        done: Written = await self.inner.write_setpoint(**order, lease_s=3600 if lease_s == 60 else lease_s)
        return done


class Hangs(Wrapped):
    async def read(self) -> Reading:
        from archipel.drivers import DriverError

        try:
            found: Reading = await self.inner.read()
        except DriverError:
            await asyncio.sleep(3600)
            raise
        return found


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (TurnsSigns, "positive is drawn"),
        (BelievesAnything, "found a good reading"),
        (ForgetsErrors, "must be"),
        (Hurries, "expected it to wait"),
        (Repeats, "of an unchanged order before half its lease|expected it to wait"),
        (WritesInShadow, "in shadow: found"),
        (NeverLapses, "after the lease"),
        (Hangs, "did not end"),
    ],
)
def test_the_suite_finds_a_driver_that_breaks_a_promise(wrong: type[Wrapped], words: str) -> None:
    rig = RIGS["charger"]()
    rig.wrap, rig.timeout_s = wrong, 0.1
    with pytest.raises(PromiseBroken, match=words):
        check(rig)
