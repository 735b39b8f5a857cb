"""The thin shell around pymodbus: connect, read and write holding registers, each with an end in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

from archipel.drivers.errors import DecodeError, DeviceRefused, DriverError, Unreachable
from archipel.model.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

READ_MOST = 125
"""Registers of one read request (Modbus Application Protocol V1.1b3, 6.3)."""

REFUSALS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, not done yet",
    6: "device busy",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}
"""Exception codes in words (Modbus Application Protocol V1.1b3, 7)."""


def parse(url: str) -> tuple[str, int, int]:
    """Host, TCP port and unit id of `modbus://host[:port][/unit]`; 502 and 1 unless given.

    Raises:
        DriverError: it is not such an address.
    """
    try:
        parts = urlsplit(url)
        port, unit = parts.port or 502, int(parts.path.strip("/") or 1)
    except ValueError as error:
        raise _no_address(url) from error
    if parts.scheme != "modbus" or not parts.hostname or not 0 <= unit <= 255 or parts.query or parts.fragment:
        raise _no_address(url)
    return parts.hostname, port, unit


def _no_address(url: str) -> DriverError:
    return DriverError(f"{url}: found no Modbus address; expected modbus://host:port or modbus://host:port/unit.")


@final
class Endpoint:
    """One unit behind one Modbus TCP server.

    After a silence or a broken answer the connection is closed, so that no late answer can be taken for the answer to
    a later question; the next call opens it again.
    """

    def __init__(self, host: str, port: int = 502, unit: int = 1, *, timeout_s: float = 1.0) -> None:
        self.host, self.port, self.unit, self.timeout_s = host, port, unit, timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()

    def __str__(self) -> str:
        return f"modbus://{self.host}:{self.port}/{self.unit}"

    async def connect(self) -> None:
        """Open the connection, unless it is.

        Raises:
            Unreachable: nobody took it within the time-out.
            ExtraMissing: pymodbus is not installed.
        """
        if self._client is not None and self._client.connected:
            return
        await self.close()
        try:
            from pymodbus.client import AsyncModbusTcpClient
        except ModuleNotFoundError as error:
            raise ExtraMissing("pymodbus", "field", "Modbus") from error
        client = AsyncModbusTcpClient(
            self.host, port=self.port, timeout=self.timeout_s, retries=0, reconnect_delay=0, name=str(self)
        )
        try:
            async with asyncio.timeout(self.timeout_s):
                opened = await client.connect()
        except (TimeoutError, OSError):
            opened = False
        except BaseException:
            client.close()
            raise
        if not opened:
            client.close()
            raise Unreachable(
                f"{self}: no connection within {self.timeout_s:g} s. Is the device on, and are host and port right?"
            )
        self._client = client

    async def close(self) -> None:
        """Close the connection, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def read(self, address: int, count: int) -> tuple[int, ...]:
        """Holding registers `address` to `address + count - 1` (function 3), in one request.

        Raises:
            Unreachable: no answer within the time-out.
            DeviceRefused: the device answered with an exception code.
            DecodeError: the answer has another length than asked for.
        """
        if not 1 <= count <= READ_MOST or not 0 <= address <= 0x10000 - count:
            raise DecodeError(
                f"{self}: registers {address} to {address + count - 1} cannot be read; "
                f"expected at most {READ_MOST} between 0 and 65535."
            )
        what = f"reading registers {address} to {address + count - 1}"
        async with self._turn:
            client = await self._opened()
            answer = await self._asked(
                lambda: client.read_holding_registers(address, count=count, device_id=self.unit), what
            )
            registers = tuple(answer.registers)
            if len(registers) != count:
                await self.close()
                raise DecodeError(f"{self}: {what}: found {len(registers)} registers in the answer; expected {count}.")
        return registers

    async def write(self, address: int, registers: Sequence[int]) -> None:
        """Write holding registers (function 16), in one request.

        Raises:
            Unreachable: no answer within the time-out; whether the device took it is not known.
            DeviceRefused: the device answered with an exception code.
        """
        what = f"writing registers {address} to {address + len(registers) - 1}"
        async with self._turn:
            client = await self._opened()
            await self._asked(lambda: client.write_registers(address, list(registers), device_id=self.unit), what)

    async def _opened(self) -> AsyncModbusTcpClient:
        await self.connect()
        assert self._client is not None
        return self._client

    async def _asked(self, question: Callable[[], Awaitable[ModbusPDU]], what: str) -> ModbusPDU:
        from pymodbus.exceptions import ModbusException

        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await question()
        except (TimeoutError, ModbusException, OSError) as error:
            await self.close()
            raise Unreachable(f"{self}: {what}: no answer within {self.timeout_s:g} s. Is the device on?") from error
        except asyncio.CancelledError:
            await self.close()
            raise
        if answer.isError():
            code = int(getattr(answer, "exception_code", 0))
            words = REFUSALS.get(code, "unknown code")
            raise DeviceRefused(f"{self}: {what}: refused with exception {code} ({words}).", code)
        return answer
