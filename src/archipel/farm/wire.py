"""Modbus TCP, the server's side: one connection after another frame, answered in the order asked.

Frames and requests are read and made by pymodbus. Its own server is not used: version 3.16 drops the second of two
requests that arrive together, and while one request waits (which is what our slow devices do) it answers it under the
transaction number of the next, so a client would take one register's value for another's.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Final, cast, final

from archipel.farm.device import Device
from archipel.farm.faults import Refusal
from archipel.farm.writes import WireWrite, WriteLog
from archipel.model.errors import ExtraMissing

try:
    from pymodbus.constants import ExcCodes
    from pymodbus.framer import FramerSocket
    from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
except ImportError as error:
    raise ExtraMissing("pymodbus", "field", "the device farm") from error

_HEADER: Final = struct.Struct(">HHHB")  # transaction, protocol, bytes that follow, unit
_PDU_BYTES_MOST: Final = 253
_READ: Final = 3
_WRITES: Final = frozenset({6, 16})
_ALL_WRITES: Final = frozenset({5, 6, 15, 16, 21, 22, 23})
"""Function codes that write something in the standard; all are logged, the first two kinds of them served."""
_NOISE: Final = bytes.fromhex("deadbeef00ff13370000")


@final
class Line:
    """One device on its own TCP port."""

    def __init__(self, device: Device, log: WriteLog, now_s: Callable[[], float]) -> None:
        self.device = device
        self._log = log
        self._now_s = now_s
        self._decoder = DecodePDU(True)
        self._framer = FramerSocket(self._decoder)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self, host: str, port: int = 0) -> int:
        """Listen; port 0 lets the system choose. The port."""
        self._server = await asyncio.start_server(self._accept, host, port)
        return cast("int", self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up on everyone."""
        if self._server is None:
            return
        self._closing = True
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._server.wait_closed()
        self._server, self._closing = None, False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None, "asyncio runs every connection as a task"
        self._talks.add(talk)
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the peer left, as peers do
        except asyncio.CancelledError:
            if not self._closing:  # our own hanging up is no news; asyncio would print it as an error
                raise
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the peer leaves or sends what cannot be the start of a frame.

        After such bytes nobody knows where the next frame starts, so we hang up and let the peer begin again.
        """
        while True:
            transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if protocol != 0 or not 2 <= length <= _PDU_BYTES_MOST + 1:
                return
            body = await reader.readexactly(length - 1)
            if self.device.fault.delay_s > 0.0:
                await asyncio.sleep(self.device.fault.delay_s)
            fault = self.device.fault
            if fault.deaf:
                if body[0] in _ALL_WRITES:
                    self._record(self._decoded(body), "deaf")
                continue
            answer = await self._answer(body, unit)
            if fault.mute:
                continue
            answer.transaction_id, answer.dev_id = transaction, unit
            writer.write(_NOISE if fault.garbles else self._framer.buildFrame(answer))
            await writer.drain()

    def _decoded(self, body: bytes) -> ModbusPDU | None:
        return self._decoder.decode(body) if body[0] in _WRITES or body[0] == _READ else None

    async def _answer(self, body: bytes, unit: int) -> ModbusPDU:
        """What the device says to this request."""
        code, request = body[0], self._decoded(body)
        refusal = self._refused(code, request, unit)
        if refusal is not None:
            if code in _ALL_WRITES:
                self._record(request, f"refused {refusal.name}")
            return ExceptionResponse(code & 0x7F, ExcCodes(refusal))
        assert request is not None, "an unreadable request is refused above"
        door = _Door(self.device)
        answer = await request.datastore_update(cast("Any", door), unit)
        if code in _WRITES:
            self._record(request, door.outcome)
        return answer

    def _refused(self, code: int, request: ModbusPDU | None, unit: int) -> Refusal | None:
        """Why the device does not even look at its registers, or None."""
        if unit != self.device.unit:
            return Refusal.NO_SUCH_UNIT
        if request is None:  # a served function whose bytes do not add up, or one that is not served
            return Refusal.ILLEGAL_VALUE if code in _WRITES or code == _READ else Refusal.ILLEGAL_FUNCTION
        return None

    def _record(self, request: ModbusPDU | None, outcome: str) -> None:
        address, values = (None, ()) if request is None else (request.address, tuple(request.registers))
        names = () if address is None else self.device.names(address, len(values))
        self._log.add(WireWrite(self._now_s(), self.device.id, address, values, names, outcome))


@final
class _Door:
    """How pymodbus' requests reach a device's registers: the two calls of its datastore that they use."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.outcome = f"refused {Refusal.ILLEGAL_VALUE.name}"  # it stands if the request fails pymodbus' own checks

    async def async_getValues(  # noqa: N802 - pymodbus' name
        self, unit: int, code: int, address: int, count: int = 1
    ) -> list[int] | ExcCodes:
        del unit, code
        found = self._device.read(address, count)
        return ExcCodes(found) if isinstance(found, Refusal) else found

    async def async_setValues(  # noqa: N802 - pymodbus' name
        self, unit: int, code: int, address: int, values: list[int]
    ) -> ExcCodes | None:
        del unit, code
        refusal = self._device.write(address, values)
        self.outcome = "done" if refusal is None else f"refused {refusal.name}"
        return None if refusal is None else ExcCodes(refusal)
