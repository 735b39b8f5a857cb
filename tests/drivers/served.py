"""A small Modbus server on loopback whose registers a test sets, watches and spoils; images made by pysunspec2."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2.device import Model


@dataclass
class Served:
    """One unit, registers from `start`. `answer` may change what is written (in place), or refuse it with a code."""

    start: int
    registers: list[int]
    answer: Callable[[int, list[int]], ExcCodes | None] = lambda address, values: None
    silent: bool = False
    writes: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    port: int = 0

    async def action(
        self, function: int, start: int, address: int, count: int, registers: list[int], values: list[int] | None
    ) -> ExcCodes | None:
        """Called by pymodbus with every request, before it is carried out."""
        del function, start, count
        if self.silent:
            await asyncio.sleep(30)
        if values is not None:
            self.writes.append((address, tuple(values)))
            refused = self.answer(address, values)
            if refused is not None:
                return refused
            at = address - self.start
            self.registers[at : at + len(values)] = values
        registers[: len(self.registers)] = self.registers
        return None


@asynccontextmanager
async def serve(served: Served) -> AsyncIterator[Served]:
    """Serve unit 1 on an ephemeral port of 127.0.0.1."""
    data = SimData(served.start, values=list(served.registers), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(id=1, simdata=[data], action=served.action), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert server.transport is not None
    served.port = server.transport.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield served
    finally:
        await server.shutdown()


def model(number: int, **points: Any) -> list[int]:
    """Registers of one SunSpec model as the independent package pysunspec2 encodes it."""
    size = len(Model(number, data={"ID": number, **points}).get_mb()) // 2
    data = Model(number, data={"ID": number, "L": size - 2, **points}).get_mb()
    return list(struct.unpack(f">{len(data) // 2}H", data))


def chain(*models: list[int]) -> list[int]:
    """The mark, the models, the end."""
    return [0x5375, 0x6E53, *(register for each in models for register in each), 0xFFFF, 0]


COMMON = model(1, Mn="Sunny", Md="S50", SN="4711", Vr="1.0", Opt="", DA=1)

CONTROLS = {
    "WMaxLimPctEna": 0,
    "WMaxLimPct": 1000,
    "WMaxLimPctRvrt": 1000,
    "WMaxLimPctEnaRvrt": 0,
    "WMaxLimPctRvrtTms": 0,
    "WSetEna": 0,
    "WSetMod": 1,
    "WSet": 0,
    "WSetRvrt": 0,
    "WSetPct": 0,
    "WSetPctRvrt": 0,
    "WSetEnaRvrt": 0,
    "WSetRvrtTms": 0,
    "VarSetEna": 0,
    "VarSetMod": 4,
    "VarSetPri": 0,
    "VarSet": 0,
    "VarSetRvrt": 0,
    "VarSetPct": 0,
    "VarSetPctRvrt": 0,
    "VarSetEnaRvrt": 0,
    "VarSetRvrtTms": 0,
    "WMaxLimPct_SF": -1,
    "WSet_SF": 1,
    "WSetPct_SF": 0,
    "VarSetPct_SF": 0,
    "VarSet_SF": 1,
}
"""Model 704 of an inverter with all three functions, in steps of 0.1 %, 10 W and 10 var."""

CAPACITY = {
    "WMaxRtg": 5000,
    "VarMaxInjRtg": 2200,
    "VarMaxAbsRtg": 2200,
    "WChaRteMaxRtg": 4000,
    "WDisChaRteMaxRtg": 5000,
    "VNomRtg": 4000,
    "W_SF": 1,
    "Var_SF": 1,
    "V_SF": -1,
}
"""Model 702 of 50 kW, 22 kvar, 400 V; charges with 40 kW."""


def inverter(w: int = 3000, var: int = -500, *more: list[int], controls: dict[str, int] | None = None) -> Served:
    """An inverter at 40000 that gives `10 * w` watts and `var` var; `more` models behind 704."""
    measured = {"ACType": 2, "InvSt": 3, "ConnSt": 1, "W": w, "Var": var, "LLV": 4080, "TotWhInj": 7000, "TotWhAbs": 20}
    scales = {"W_SF": 1, "Var_SF": 0, "V_SF": -1, "TotWh_SF": 3}
    registers = chain(
        COMMON, model(701, **measured, **scales), model(702, **CAPACITY), model(704, **(controls or CONTROLS)), *more
    )
    return Served(40000, registers)
