"""One SunSpec device over Modbus TCP: reads it in load convention, orders it through model 704."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from archipel.drivers.base import Order, Reading, Status, Write, Written
from archipel.drivers.errors import DecodeError, DeviceRefused, DriverError, NotControllable
from archipel.drivers.modbus import READ_MOST, Endpoint
from archipel.drivers.pace import Pace
from archipel.drivers.sunspec import controls, measure
from archipel.drivers.sunspec.chain import BASES, Chain, Entry, walk
from archipel.drivers.sunspec.codec import Image
from archipel.drivers.sunspec.definitions import definition

NEEDED = {701: 123}
"""Registers to read of a model that is longer than what we use; 701 ends with a text of the maker."""

_NO_ANSWER_HERE = frozenset({2, 3})
"""Exception codes that say 'nothing at this address'."""


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says it is (model 1)."""

    maker: str
    model: str
    serial: str
    version: str


async def discover(endpoint: Endpoint) -> Chain:
    """Find the models of a device; see `chain.walk`. Raises `DriverError`."""
    steps = walk(BASES)
    ask, answer = next(steps), None
    while True:
        try:
            answer = await endpoint.read(*ask)
        except DeviceRefused as refusal:
            if refusal.code not in _NO_ANSWER_HERE:
                raise
            answer = None
        try:
            ask = steps.send(answer)
        except StopIteration as end:
            found: Chain = end.value
            return found
        except DecodeError as error:
            raise DecodeError(f"{endpoint}: {error}") from error


async def fetch(endpoint: Endpoint, entry: Entry) -> Image:
    """Read one model, in as few requests as its length allows, none of which splits a value of its fixed part.

    Raises:
        DriverError: no answer, a refusal, or registers that do not add up.
    """
    size = min(entry.length + 2, NEEDED.get(entry.model, 0x10000))
    registers: list[int] = []
    for start, end in _cuts(entry.model, size):
        registers += await endpoint.read(entry.address + start, end - start)
    if (registers[0], registers[1]) != (entry.model, entry.length):
        raise DecodeError(
            f"{endpoint}: found model {registers[0]} of length {registers[1]} at {entry.address}; expected model "
            f"{entry.model} of length {entry.length} as before. Has the device been changed? Connect again."
        )
    return Image(registers, whole=entry.model not in NEEDED)


def _cuts(model: int, size: int) -> list[tuple[int, int]]:
    """Pieces of at most `READ_MOST` registers that end between two points."""
    ends, at = [], 0
    for point in definition(model).points:
        at += point.size
        ends.append(at)
    pieces, start = [], 0
    while start < size:
        room = min(start + READ_MOST, size)
        # behind the fixed part stand curves, which nobody changes between two requests
        end = room if room == size or room > ends[-1] else max(each for each in ends if each <= room)
        pieces.append((start, end))
        start = end
    return pieces


@final
class SunSpecDevice:
    """An inverter, battery or meter.

    Args:
        endpoint: Where it is.
        writable: Whether orders are written; otherwise (shadow) they return what would have been written.
        fallback: What the device returns to when an order's lease lapses; what it does not name is switched off.
        v_nominal_v: Nominal voltage, line to line, for `v_pu`; None to take the device's own.
        turned: A meter that is mounted the other way round.
        clock: Seconds that never step back.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        writable: bool = False,
        fallback: Order | None = None,
        v_nominal_v: float | None = None,
        turned: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self._writable = writable
        self.fallback = fallback or Order()
        self.v_nominal_v, self.turned, self.clock = v_nominal_v, turned, clock
        self.chain = Chain(0, ())
        self.identity: Identity | None = None
        self.rated = measure.Ratings()
        self._main: Entry | None = None
        self._store: Entry | None = None
        self._controls: Entry | None = None
        self._orders = frozenset[str]()
        self._pace = Pace()
        self._turn = asyncio.Lock()

    @property
    def writable(self) -> bool:
        """Whether orders go to the device; fixed when the driver is made."""
        return self._writable

    @property
    def orders(self) -> frozenset[str]:
        """Arguments of `write_setpoint` that it takes: those whose function has a reversion timer; none for meters."""
        return self._orders

    async def connect(self) -> None:
        """Open the connection and learn what the device is. Raises `DriverError`."""
        self.chain = await discover(self.endpoint)
        self._main = self.chain.first(*measure.INVERTERS, *measure.METERS)
        self._store = self.chain.first(*measure.STORES)
        if self._main is None:
            raise DecodeError(
                f"{self.endpoint}: found the SunSpec models {[each.model for each in self.chain.entries]}; "
                f"expected one of {[*measure.INVERTERS, *measure.METERS]} to measure with."
            )
        self.identity = await self._identity()
        self._controls = self.chain.first(704) if self._main.model in measure.INVERTERS else None
        self._orders = frozenset[str]()
        if self._controls is not None:
            image = await self.read_controls()
            able = (each for each in controls.FUNCTIONS.values() if controls.has(image, each))
            self._orders = frozenset(each.argument for each in able)
        if (capacity := self.chain.first(702)) is not None:
            self.rated = measure.ratings(await fetch(self.endpoint, capacity), stores=self._store is not None)

    async def _identity(self) -> Identity | None:
        entry = self.chain.first(1)
        if entry is None:
            return None
        image = await fetch(self.endpoint, entry)
        maker, model, serial, version = (str(image.value(name) or "") for name in ("Mn", "Md", "SN", "Vr"))
        return Identity(maker, model, serial, version)

    async def close(self) -> None:
        """Close the connection; the device goes on until its lease lapses."""
        await self.endpoint.close()

    async def read(self) -> Reading:
        """Measure, in one request, or two with a store. Raises `DriverError`."""
        main = await fetch(self.endpoint, self._connected())
        now_s = self.clock()
        store = None if self._store is None else await fetch(self.endpoint, self._store)
        return measure.reading(
            main, store, measured_at_s=now_s, rated=self.rated, v_nominal_v=self.v_nominal_v, turned=self.turned
        )

    async def read_controls(self) -> Image:
        """Model 704 as the device holds it now. Raises `DriverError`."""
        self._connected()
        if self._controls is None:
            raise NotControllable(
                f"{self.endpoint}: found no model 704 (DER AC controls); it can be read but not commanded."
            )
        return await fetch(self.endpoint, self._controls)

    async def write_setpoint(
        self,
        *,
        p_kw: float | None = None,
        p_limit_kw: float | None = None,
        q_kvar: float | None = None,
        closed: bool | None = None,
        lease_s: float,
    ) -> Written:
        """Order for the next `lease_s` seconds, then the fallback; see `Driver.write_setpoint`.

        Functions of earlier orders that this one does not name are returned to their fallback.

        Args:
            p_kw: Power to draw, negative to give (704 `WSet`).
            p_limit_kw: At or below zero: the most it may give (704 `WMaxLimPct`).
            q_kvar: Reactive power to draw (704 `VarSet`).
            closed: Refused; for switches.
            lease_s: 1 to 3600.

        Raises:
            EncodeError: a value the device cannot be told.
            NotControllable: it lacks the function or its reversion timer.
            DeviceRefused, ReadBackDiffers, Unreachable: what it holds now is not known until it is asked again.
        """
        order = controls.check(Order(p_kw, p_limit_kw, q_kvar, closed), self.rated)
        if order.empty:
            raise NotControllable(f"{self.endpoint}: order: found nothing to do. Use release() to end an order.")
        async with self._turn:
            wanted = {stem: controls.content(function, order) for stem, function in controls.FUNCTIONS.items()}
            wanted = {stem: value for stem, value in wanted.items() if value is not None or stem in self._pace.held}
            now_s = self.clock()
            due, wait_s = self._pace.due(wanted, lease_s, now_s), self._pace.wait_s(now_s)
            if not due or wait_s > 0:
                return Written(self._status(due), (), wait_s if due else 0.0)
            writes = await self._next(due[0], order, lease_s)
            return Written(self._status(due[1:]), writes, self._pace.wait_s(self.clock()) if due[1:] else 0.0)

    def _status(self, waiting: tuple[str, ...]) -> Status:
        if not self.writable:
            return Status.SHADOW
        return Status.PARTLY if waiting else Status.WRITTEN

    async def _next(self, stem: str, order: Order, lease_s: float) -> tuple[Write, ...]:
        """Write one function: as ordered, or, when the order does not name it, its fallback."""
        function, image, now_s = controls.FUNCTIONS[stem], await self.read_controls(), self.clock()
        value = controls.content(function, order)
        if value is None:
            return await self._put(controls.released(image, function, self.fallback, self.rated))
        writes = await self._put(controls.ordered(image, function, order, self.fallback, lease_s, self.rated))
        self._pace.took(stem, value, int(lease_s), now_s)
        return writes

    async def _put(self, block: controls.Block) -> tuple[Write, ...]:
        """Write one block and read it back. What the device holds is unknown until that has succeeded."""
        writes = self._writes(block)
        self._pace.began(block.function.stem, self.clock())
        if self.writable:
            for write in writes:
                await self.endpoint.write(write.address, write.registers)
            controls.compare(await self.read_controls(), block, f"{self.endpoint}: {block.function.what}")
        return writes

    def _writes(self, block: controls.Block) -> tuple[Write, ...]:
        assert self._controls is not None
        start = self._controls.address
        return tuple(Write(block.function.what, start + at, registers) for at, registers in block.requests)

    async def release(self) -> Written:
        """Return every control function to its fallback now, whoever has set it.

        Not held back by the pace of writes. In shadow it says what would be written. Functions are tried one by one:
        one that fails does not keep the others from being released.

        Raises:
            DriverError: the first failure, after all were tried.
        """
        async with self._turn:
            image = await self.read_controls()
            writes, failures = list[Write](), list[DriverError]()
            for function in controls.FUNCTIONS.values():
                if not controls.has(image, function):
                    continue
                try:
                    writes += await self._put(controls.released(image, function, self.fallback, self.rated))
                except DriverError as failure:
                    failures.append(failure)
            if failures:
                raise failures[0]
            return Written(self._status(()), tuple(writes))

    def _connected(self) -> Entry:
        if self._main is None:
            raise NotControllable(f"{self.endpoint}: not connected. Call connect() first.")
        return self._main
