"""One charger, heat pump, sheddable load, switch or grid-forming unit on the Archipel register map, over Modbus TCP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import final

from archipel.drivers.base import Order, Reading, Status, Write, Written
from archipel.drivers.errors import DecodeError, DeviceRefused, EncodeError, NotControllable, ReadBackDiffers
from archipel.drivers.mapped import codec
from archipel.drivers.modbus import Endpoint
from archipel.drivers.pace import Pace
from archipel.model import register_map as table
from archipel.model.register_map import Kind, Result

STALE_AFTER_S = 10.0
"""A sample counter that stands still for this long makes a reading stale."""

_FOLLOWS = {
    Kind.CHARGER: "p_limit_kw",
    Kind.HEAT_PUMP: "p_kw",
    Kind.SHEDDABLE_LOAD: "p_limit_kw",
    Kind.SWITCH: "closed",
    Kind.GRID_FORMER: "f_hz",
}
"""The order that each kind takes."""

F_HZ = (45.0, 65.0)
"""Frequencies that a grid-forming unit is ordered to hold; 0 is to follow the grid."""
V_PU = (0.8, 1.2)

_ORDER, _FALLBACK = "order", "fallback"

_WITH_SIDES = table.REGISTERS[len(table.IDENTITY) :]
"""One request from the measured values to both sides, so that all are of one sample."""


@final
class MappedDevice:
    """A device on the Archipel register map.

    Args:
        endpoint: Where it is.
        writable: Whether orders are written; otherwise (shadow) they return what would have been written.
        fallback: What the device returns to when an order's lease lapses; None to leave what it has. When it differs,
            `connect` writes it.
        clock: Seconds that never step back.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        writable: bool = False,
        fallback: Order | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint, self.fallback, self.clock = endpoint, fallback, clock
        self._writable = writable
        self.identity: codec.Values = {}
        self.kind: Kind | None = None
        self._has_sides = False
        self._pace = Pace()
        self._turn = asyncio.Lock()
        self._sample: int | None = None
        self._sampled_at_s = 0.0

    @property
    def writable(self) -> bool:
        """Whether orders go to the device; fixed when the driver is made."""
        return self._writable

    @property
    def orders(self) -> frozenset[str]:
        """What `write_setpoint` can be given: `p_kw`, `p_limit_kw`, `closed` or `f_hz`, and `q_kvar` where it has any.

        Raises `NotControllable` before `connect`.
        """
        first = _FOLLOWS[self._connected()]
        return frozenset({first, "q_kvar"} if codec.number(self.identity, "q_most") else {first})

    async def connect(self) -> None:
        """Open the connection, learn what it is, and give it its fallback. Raises `DriverError`."""
        try:
            identity = await self._part(table.IDENTITY)
            self.kind = codec.identified(identity)
        except DecodeError as error:
            raise DecodeError(f"{self.endpoint}: {error}") from error
        except DeviceRefused as error:
            raise DecodeError(
                f"{self.endpoint}: no device of the Archipel map: found no registers at {table.BASE_ADDRESS} ({error})"
            ) from error
        self.identity = identity
        if self.kind is Kind.SWITCH:
            self._has_sides = await self._measures_both_sides()
        if self.fallback is not None:
            await self._put_fallback(self.fallback)

    async def _measures_both_sides(self) -> bool:
        """A switch of an earlier edition of the map has no such registers."""
        try:
            return any(value is not None for value in (await self._part(table.SIDES)).values())
        except DeviceRefused:
            return False

    async def _put_fallback(self, fallback: Order) -> None:
        setpoint, q_setpoint = self._setpoints(fallback)
        registers = codec.encode(table.FALLBACK, {"fallback": setpoint, "q_fallback": q_setpoint})
        address = table.BASE_ADDRESS + table.FALLBACK[0].offset
        if not self.writable or await self.endpoint.read(address, len(registers)) == registers:
            return
        self._pace.began(_FALLBACK, self.clock())
        await self.endpoint.write(address, registers)
        found = await self.endpoint.read(address, len(registers))
        if found != registers:
            raise ReadBackDiffers(f"{self.endpoint}: fallback: found {found} after writing; expected {registers}.")

    async def close(self) -> None:
        """Close the connection; the device goes on until its lease lapses."""
        await self.endpoint.close()

    async def read(self) -> Reading:
        """Measure, in one request. Raises `DriverError`."""
        self._connected()
        values = await self._part(_WITH_SIDES if self._has_sides else table.MEASURED)
        now_s, sample = self.clock(), codec.number(values, "sample")
        if sample != self._sample:
            self._sample, self._sampled_at_s = sample, now_s
        stale = sample is not None and now_s - self._sampled_at_s > STALE_AFTER_S
        reading = codec.reading(values, self.identity, measured_at_s=now_s, stale=stale)
        return replace(reading, sides=codec.sides(values, self.identity)) if self._has_sides else reading

    async def write_setpoint(
        self,
        *,
        p_kw: float | None = None,
        p_limit_kw: float | None = None,
        q_kvar: float | None = None,
        closed: bool | None = None,
        f_hz: float | None = None,
        v_pu: float | None = None,
        lease_s: float,
    ) -> Written:
        """Order for the next `lease_s` seconds, then the fallback; see `Driver.write_setpoint` and `orders`.

        Args:
            p_kw: Heat pumps: power to draw.
            p_limit_kw: Chargers and sheddable loads: the most it may draw, at or above zero.
            q_kvar: Reactive power to draw, where its rating allows any.
            closed: Switches: whether it shall be closed.
            f_hz: Grid-forming units: the frequency to hold, 0 to follow the grid.
            v_pu: Grid-forming units: the voltage to hold, over the nominal one.
            lease_s: 1 to 3600.

        Raises:
            EncodeError: a value outside the rating, or not of this kind of device.
            DeviceRefused, ReadBackDiffers, Unreachable: what it holds now is not known until it is asked again.
        """
        order = Order(p_kw, p_limit_kw, q_kvar, closed, f_hz, v_pu)
        if order.empty:
            raise NotControllable(f"{self.endpoint}: order: found nothing to do. Use release() to end an order.")
        if not 1 <= lease_s <= table.VALID_FOR_S_MAX:
            raise EncodeError(f"lease: found {lease_s:g} s; expected 1 to {table.VALID_FOR_S_MAX} s.")
        wanted = self._setpoints(order)
        async with self._turn:
            now_s = self.clock()
            due = self._pace.due({_ORDER: wanted}, lease_s, now_s)
            wait_s = self._pace.wait_s(now_s) if due else 0.0
            if not due or wait_s > 0:
                return Written(self._status(waiting=bool(due)), (), wait_s)
            write = await self._put(wanted, int(lease_s))
            self._pace.took(_ORDER, wanted, int(lease_s), now_s)
            return Written(self._status(waiting=False), (write,))

    async def release(self) -> Written:
        """Return the device to its fallback now. Not held back by the pace of writes. Raises `DriverError`."""
        self._connected()
        async with self._turn:
            command = await self._part(table.COMMAND)
            held = codec.number(command, "setpoint"), codec.number(command, "q_setpoint")
            write = await self._put((table.NO_LIMIT if held[0] is None else held[0], held[1]), 0)
            return Written(self._status(waiting=False), (write,))

    def _status(self, *, waiting: bool) -> Status:
        if not self.writable:
            return Status.SHADOW
        return Status.PARTLY if waiting else Status.WRITTEN

    def _setpoints(self, order: Order) -> tuple[int, int | None]:
        """Checked against kind and rating. Raises `EncodeError`."""
        kind = self._connected()
        names = ("p_kw", "p_limit_kw", "closed", "f_hz", *(("v_pu",) * (kind is not Kind.GRID_FORMER)))
        given = {name for name in names if getattr(order, name) is not None}
        if given - {_FOLLOWS[kind]}:
            raise EncodeError(
                f"order: found {' and '.join(sorted(given))}; expected {_FOLLOWS[kind]}, "
                f"which is what a {kind.name.lower().replace('_', ' ')} takes."
            )
        if order.q_kvar is not None:
            self._in_rating("q_kvar", order.q_kvar, "q_most", both_signs=True)
        power_kw = order.p_kw if order.p_limit_kw is None else order.p_limit_kw
        if power_kw is not None:
            self._in_rating(_FOLLOWS[kind], power_kw, "p_most", both_signs=False)
        value = 1000 * power_kw if power_kw is not None else None
        if order.closed is not None:
            value = float(order.closed)
        if kind is Kind.GRID_FORMER:
            return self._forming(order)
        return codec.setpoints(value, None if order.q_kvar is None else 1000 * order.q_kvar)

    def _forming(self, order: Order) -> tuple[int, int | None]:
        """Set values of a grid-forming unit. Raises `EncodeError`."""
        f_hz, v_pu = order.f_hz, order.v_pu
        for name, value, (low, high) in (("f_hz", f_hz or None, F_HZ), ("v_pu", v_pu, V_PU)):
            if value is not None and not low <= value <= high:
                raise EncodeError(f"order: {name}: found {value:g}; expected {low:g} to {high:g}.")
        nominal = codec.number(self.identity, "v_nominal")
        v = None if v_pu is None or nominal is None else v_pu * nominal
        return codec.setpoints(None if f_hz is None else 100_000 * f_hz, v)

    def _in_rating(self, name: str, value: float, rating: str, *, both_signs: bool) -> None:
        most = codec.number(self.identity, rating)
        high = float("inf") if most is None else most / 1000
        low = -high if both_signs else 0.0
        if not low <= value <= high + 5e-4:
            raise EncodeError(f"order: {name}: found {value:g}; expected {low:g} to {high:g}, its rating {rating}.")

    async def _put(self, wanted: tuple[int, int | None], valid_for_s: int) -> Write:
        """Write the command and read back what became of it. Until then what the device holds is unknown."""
        last = codec.number(await self._part(table.COMMAND), "sequence")
        sequence = ((last or 0) + 1) % 0x10000
        # 65535 would read as 'not known'
        values = {
            "sequence": 0 if sequence == table.UNKNOWN["uint16"] else sequence,
            "valid_for": valid_for_s,
            "setpoint": wanted[0],
            "q_setpoint": wanted[1],
        }
        address = table.BASE_ADDRESS + table.COMMAND[0].offset
        write = Write("command", address, codec.encode(table.COMMAND, values))
        self._pace.began(_ORDER, self.clock())
        if not self.writable:
            return write
        try:
            await self.endpoint.write(address, write.registers)
        except DeviceRefused as refusal:
            answer = await self._part(table.ANSWER)
            raise DeviceRefused(f"{refusal} Its result: {_told(answer)}.", refusal.code) from refusal
        self._compare(values, await self._part(table.COMMAND + table.ANSWER))
        return write

    def _compare(self, wrote: codec.Values, found: codec.Values) -> None:
        for name, expected in wrote.items():
            if found[name] != expected:
                raise ReadBackDiffers(
                    f"{self.endpoint}: {name}: found {found[name]} after writing; expected {expected}. "
                    "Does another controller write to it?"
                )
        if found["result"] != Result.ACCEPTED:
            raise ReadBackDiffers(
                f"{self.endpoint}: command {wrote['sequence']}: found result {_told(found)}, following "
                f"{found['active']}; expected {int(Result.ACCEPTED)} (accepted), following {wrote['setpoint']}."
            )
        if wrote["valid_for"] and not found["remaining"]:
            raise ReadBackDiffers(
                f"{self.endpoint}: remaining: found {found['remaining']} right after writing a lease; expected it to "
                "count down. The device would not fall back by itself: do not control it."
            )

    async def _part(self, part: tuple[table.Register, ...]) -> dict[str, int | str | None]:
        start = part[0].offset
        return codec.decode(part, await self.endpoint.read(table.BASE_ADDRESS + start, part[-1].end - start))

    def _connected(self) -> Kind:
        if self.kind is None:
            raise NotControllable(f"{self.endpoint}: not connected. Call connect() first.")
        return self.kind


def _told(answer: codec.Values) -> str:
    result = answer["result"]
    known = result in set(Result)
    return f"{result} ({Result(int(result or 0)).name.lower().replace('_', ' ') if known else 'unknown'})"
