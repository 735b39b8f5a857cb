"""The suite every driver passes, with one device behind it.

from archipel.testing import check_driver
asyncio.run(check_driver(my_rig))

The rig has the device, real or simulated, lets time pass and counts what reaches it; the suite asks and complains.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, final

from archipel.drivers.base import Driver, Quality, Reading, Status, Written
from archipel.drivers.errors import DriverError
from archipel.testing.device import PromiseBroken

T = TypeVar("T")
Trouble = Literal["", "silent", "garbled", "refuses", "missing", "x1000"]
"""What is wrong with the device: nothing; it does not answer; it answers with bytes that mean nothing; it refuses
writes; its power reads 'not measured', or a thousand times too large."""
PATIENCE = 20
"""Time-outs after which a call counts as hanging: one call may ask several questions."""
SETTLE_S = 30.0
"""Longest time a device takes to follow."""


@final
@dataclass(frozen=True, slots=True)
class Case:
    """An order and what it comes to."""

    order: Mapping[str, float | bool]
    """Arguments of `write_setpoint`."""
    p_kw: float
    """What the device draws when it follows."""


class DriverRig(Protocol):
    """What the suite needs: a device with its driver, and time. Nothing else orders the device."""

    cases: tuple[Case, ...]
    """Two orders that differ, and differ from what it does by itself; none for a meter."""
    timeout_s: float
    """Of one question, in seconds of the wall."""
    tolerance_kw: float
    """How well a power is measured and followed."""
    tells_rating: bool
    """Whether the device tells its rating; of one that does not (a meter) nobody can know that a power is too large."""

    def driver(self, *, writable: bool) -> Driver:
        """A new driver, not connected, whose clock is the rig's."""
        ...

    async def wait(self, s: float) -> None:
        """Let `s` seconds pass for the device and for every driver."""
        ...

    def writes(self) -> int:
        """Write requests that reached the device so far."""
        ...

    def p_kw(self) -> float:
        """What the device truly draws now, load convention."""
        ...

    def spoil(self, trouble: Trouble) -> None:
        """Break the device, or heal it."""
        ...


async def check_driver(rig: DriverRig) -> None:
    """Raise `PromiseBroken`, naming the promise, unless the driver keeps them all. Closes what it opened."""
    bench = _Bench(rig)
    for promise in (
        bench.nothing_is_asked_of_a_device_that_is_not_connected,
        bench.it_reads_what_is_drawn_in_load_convention,
        bench.a_silent_device_is_an_error_in_time,
        bench.a_garbled_answer_is_an_error_in_time,
        bench.a_power_that_is_none_is_never_a_good_reading,
    ):
        await promise()
    if not rig.cases:
        await bench.a_device_without_orders_takes_none()
        return
    for ordering in (
        bench.in_shadow_nothing_is_written,
        bench.an_order_is_followed_and_read_back,
        bench.an_order_that_lapses_is_over,
        bench.a_release_is_at_once,
        bench.a_device_is_written_to_once_a_second,
        bench.an_unchanged_order_is_renewed_at_half_its_lease,
        bench.nonsense_is_refused_before_it_is_written,
        bench.a_refusal_is_an_error_in_time,
    ):
        await ordering()


class _Bench:
    def __init__(self, rig: DriverRig) -> None:
        self.rig = rig

    async def nothing_is_asked_of_a_device_that_is_not_connected(self) -> None:
        driver = self.rig.driver(writable=True)
        before = self.rig.writes()
        await self._error(driver.read, "a read before connect() must be a DriverError")
        if self.rig.cases:
            await self._error(lambda: self._order(driver, 0), "an order before connect() must be a DriverError")
            await self._error(driver.release, "a release before connect() must be a DriverError")
        self._wrote(before, 0, "before connect()")
        await driver.close()

    async def it_reads_what_is_drawn_in_load_convention(self) -> None:
        async with _Opened(self, writable=False) as driver:
            await self._near(driver, self.rig.p_kw(), "at its own default")

    async def a_silent_device_is_an_error_in_time(self) -> None:
        await self._trouble("silent")

    async def a_garbled_answer_is_an_error_in_time(self) -> None:
        await self._trouble("garbled")

    async def _trouble(self, trouble: Trouble) -> None:
        async with _Opened(self, writable=True) as driver:
            self.rig.spoil(trouble)
            try:
                await self._error(driver.read, f"a read of a {trouble} device must be a DriverError")
                if self.rig.cases:
                    await self._error(lambda: self._order(driver, 0), f"an order to a {trouble} device must be one")
            finally:
                self.rig.spoil("")
            await self.rig.wait(1.0)
            if self.rig.cases:
                await driver.release()  # it may have taken the order
                await self.rig.wait(SETTLE_S)
            await self._near(driver, self.rig.p_kw(), f"after it had been {trouble}")

    async def a_power_that_is_none_is_never_a_good_reading(self) -> None:
        async with _Opened(self, writable=False) as driver:
            troubles: tuple[Trouble, ...] = ("missing", "x1000")
            for trouble in troubles:
                idle = abs(self.rig.p_kw()) <= self.rig.tolerance_kw  # a thousand times nothing is nothing
                if trouble == "x1000" and (idle or not self.rig.tells_rating):
                    continue
                self.rig.spoil(trouble)
                try:
                    reading: Reading | None = await self._in_time(driver.read)
                except DriverError:
                    reading = None
                finally:
                    self.rig.spoil("")
                if reading is None:
                    continue
                if reading.quality is Quality.GOOD:
                    raise PromiseBroken(f"a power that reads {trouble}: found a good reading of {reading.p_kw} kW")
                if reading.p_kw is not None and not math.isfinite(reading.p_kw):
                    raise PromiseBroken(f"a power that reads {trouble}: found {reading.p_kw} kW; expected none")
            await self._near(driver, self.rig.p_kw(), "after bad readings")

    async def a_device_without_orders_takes_none(self) -> None:
        before = self.rig.writes()
        async with _Opened(self, writable=True) as driver:
            if driver.orders:
                raise PromiseBroken(f"a device without orders: found {sorted(driver.orders)}; expected none")
            await self._error(
                lambda: driver.write_setpoint(p_kw=1.0, lease_s=60), "an order it cannot take must be a DriverError"
            )
        self._wrote(before, 0, "to a device without orders")

    async def in_shadow_nothing_is_written(self) -> None:
        before = self.rig.writes()
        async with _Opened(self, writable=False) as driver:
            if driver.writable:
                raise PromiseBroken("shadow: a driver made with writable=False says that it is writable")
            for given in (await self._order(driver, 0), await self._in_time(driver.release)):
                if given.status is not Status.SHADOW or not given.writes:
                    raise PromiseBroken(f"shadow: found {given}; expected what would have been written, as shadow")
        self._wrote(before, 0, "in shadow")

    async def an_order_is_followed_and_read_back(self) -> None:
        async with _Opened(self, writable=True) as driver:
            for number, case in enumerate(self.rig.cases):
                if not case.order.keys() <= driver.orders:
                    raise PromiseBroken(
                        f"orders: found {sorted(driver.orders)}; expected {sorted(case.order)} among them"
                    )
                await self._settled(driver, number)
                await self._near(driver, case.p_kw, f"under the order {dict(case.order)}")
                if abs(self.rig.p_kw() - case.p_kw) > self.rig.tolerance_kw:
                    raise PromiseBroken(f"order {dict(case.order)}: the device draws {self.rig.p_kw():.4g} kW")
            await driver.release()
            await self.rig.wait(SETTLE_S)

    async def an_order_that_lapses_is_over(self) -> None:
        own_kw = self.rig.p_kw()
        async with _Opened(self, writable=True) as driver:
            await self._settled(driver, 0)
        # the driver is gone: nobody renews, nobody releases
        await self.rig.wait(60.0 + SETTLE_S)
        if abs(self.rig.p_kw() - own_kw) > self.rig.tolerance_kw:
            raise PromiseBroken(
                f"lapse: found {self.rig.p_kw():.4g} kW after the lease; expected {own_kw:.4g} as before"
            )

    async def a_release_is_at_once(self) -> None:
        own_kw = self.rig.p_kw()
        async with _Opened(self, writable=True) as driver:
            await self._settled(driver, 0)
            await self._order(driver, 1)  # a write a moment ago must not hold a release back
            before = self.rig.writes()
            await self._in_time(driver.release)
            if self.rig.writes() == before:
                raise PromiseBroken("release: nothing was written; expected it at once, whatever was written before")
            await self.rig.wait(SETTLE_S)
            await self._near(driver, own_kw, "after a release")

    async def a_device_is_written_to_once_a_second(self) -> None:
        async with _Opened(self, writable=True) as driver:
            await self._settled(driver, 0)
            await self.rig.wait(1.0)
            before = self.rig.writes()
            await self._order(driver, 1)
            one = self.rig.writes() - before
            for number in (0, 1, 0):
                await self.rig.wait(0.2)
                waits = await self._order(driver, number)
                if number == 0 and (waits.status is not Status.PARTLY or not 0 < waits.wait_s <= 1.0):
                    raise PromiseBroken(f"pace: found {waits} 0.2 s after a write; expected it to wait")
            self._wrote(before, one, "within a second")
            await self.rig.wait(1.0)
            await self._order(driver, 0)
            if self.rig.writes() == before + one:
                raise PromiseBroken("pace: an order that waited was not written a second later")
            await driver.release()
            await self.rig.wait(SETTLE_S)

    async def an_unchanged_order_is_renewed_at_half_its_lease(self) -> None:
        async with _Opened(self, writable=True) as driver:
            await self._written(driver, 0)
            before = self.rig.writes()
            for _ in range(28):
                await self.rig.wait(1.0)
                await self._order(driver, 0)
            self._wrote(before, 0, "of an unchanged order before half its lease")
            for _ in range(4):
                await self.rig.wait(1.0)
                await self._order(driver, 0)
            if self.rig.writes() == before:
                raise PromiseBroken("renewal: an order that holds was not renewed at half its lease")
            await driver.release()
            await self.rig.wait(SETTLE_S)

    async def nonsense_is_refused_before_it_is_written(self) -> None:
        async with _Opened(self, writable=True) as driver:
            before = self.rig.writes()
            good = dict(self.rig.cases[0].order)
            numbers = [name for name, value in good.items() if not isinstance(value, bool)]
            for name in numbers:
                for value in (math.nan, math.inf, -math.inf, 1e12):
                    order = {**good, name: value}
                    await self._error(
                        lambda order=order: driver.write_setpoint(**order, lease_s=60),  # type: ignore[misc]
                        f"an order of {value} must be a DriverError",
                    )
            for lease_s in (0.0, -1.0, math.nan, 1e9):
                await self._error(
                    lambda lease_s=lease_s: driver.write_setpoint(**good, lease_s=lease_s),  # type: ignore[misc,arg-type]
                    f"a lease of {lease_s} s must be a DriverError",
                )
            await self._error(lambda: driver.write_setpoint(lease_s=60), "an empty order must be a DriverError")
            self._wrote(before, 0, "of nonsense")

    async def a_refusal_is_an_error_in_time(self) -> None:
        async with _Opened(self, writable=True) as driver:
            self.rig.spoil("refuses")
            try:
                await self._error(lambda: self._order(driver, 0), "a refused order must be a DriverError")
            finally:
                self.rig.spoil("")
            await self.rig.wait(1.0)
            await self._near(driver, self.rig.p_kw(), "after a refusal")
            await self._settled(driver, 0)
            await driver.release()
            await self.rig.wait(SETTLE_S)

    # ---------------------------------------------------------------- what the promises are made of

    async def _order(self, driver: Driver, number: int) -> Written:
        order = self.rig.cases[number].order
        return await self._in_time(lambda: driver.write_setpoint(**order, lease_s=60))  # type: ignore[arg-type]

    async def _written(self, driver: Driver, number: int) -> None:
        for _ in range(10):
            if (await self._order(driver, number)).status is Status.WRITTEN:
                return
            await self.rig.wait(1.0)
        raise PromiseBroken(f"order {dict(self.rig.cases[number].order)}: not written after 10 s")

    async def _settled(self, driver: Driver, number: int) -> None:
        """Ordered and followed; the lease of 60 s has not lapsed."""
        await self._written(driver, number)
        await self.rig.wait(SETTLE_S)

    async def _near(self, driver: Driver, p_kw: float, when: str) -> None:
        reading = await self._in_time(driver.read)
        if reading.quality is not Quality.GOOD or reading.p_kw is None:
            raise PromiseBroken(f"reading {when}: found {reading.quality.value}; expected a good one")
        if abs(reading.p_kw - p_kw) > self.rig.tolerance_kw:
            raise PromiseBroken(
                f"reading {when}: found {reading.p_kw:.4g} kW; expected {p_kw:.4g} kW (positive is drawn)"
            )

    async def _error(self, call: Callable[[], Awaitable[object]], promise: str) -> None:
        try:
            found = await self._in_time(call)
        except DriverError:
            return
        except PromiseBroken:
            raise
        except Exception as error:
            raise PromiseBroken(f"{promise}; found {type(error).__name__}: {error}") from error
        raise PromiseBroken(f"{promise}; found {found}")

    async def _in_time(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(PATIENCE * self.rig.timeout_s):
                return await call()
        except TimeoutError as error:
            raise PromiseBroken(
                f"a call did not end within {PATIENCE} time-outs of {self.rig.timeout_s:g} s"
            ) from error

    def _wrote(self, before: int, most: int, when: str) -> None:
        found = self.rig.writes() - before
        if found > most:
            raise PromiseBroken(f"{when}: found {found} write requests at the device; expected at most {most}")


@final
class _Opened:
    """A connected driver, closed at the end."""

    def __init__(self, bench: _Bench, *, writable: bool) -> None:
        self._bench, self._writable = bench, writable

    async def __aenter__(self) -> Driver:
        self.driver = self._bench.rig.driver(writable=self._writable)
        await self.driver.connect()
        return self.driver

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
