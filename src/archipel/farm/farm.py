"""The farm: many devices served over Modbus TCP by one process, moved by somebody else's physics.

Every device has a port of its own. A device that is slow, deaf or busy then holds up nobody else, which unit ids behind
one port cannot give (requests on one connection wait for each other), and a client meets each as it would meet a box on
the local network. A port costs a socket and no thread.

    farm = Farm()
    addresses = await farm.start([Inverter(...), Meter(...)])
    while running:
        farm.step(now_s)                       # devices move by what they were told
        solve(farm.demand())                   # the caller's power flow
        farm.observe(v_pu=..., p_kw=...)       # what it found
        await anything                         # clients are served while the caller waits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from archipel.farm.device import Demand, Device, Truth
from archipel.farm.wire import Line
from archipel.farm.writes import WriteLog

_Values = Mapping[str, float] | None
ROUNDING_S = 1e-6
"""A step back by less than this is no step: sums of seconds are not exact."""


@final
@dataclass(frozen=True, slots=True)
class Address:
    """Where a device answers."""

    host: str
    port: int
    unit: int

    def __str__(self) -> str:
        return f"modbus://{self.host}:{self.port}/{self.unit}"


@final
class Farm:
    """Devices, their lines, and what the world is like at each. For one event loop; not safe across threads.

    Args:
        host: Address to listen on; loopback, unless somebody means to show the farm to a network.
        writes_kept: How many writes the log keeps; its counts are exact beyond that.
    """

    def __init__(self, host: str = "127.0.0.1", *, writes_kept: int = 100_000) -> None:
        self._host = host
        self._lines: dict[str, Line] = {}
        self._truth: dict[str, Truth] = {}
        self._now_s: float | None = None
        self.writes = WriteLog(writes_kept)
        """Every write seen on the wire."""

    async def start(self, devices: Sequence[Device], *, ports: Mapping[str, int] | None = None) -> dict[str, Address]:
        """Serve these devices; may be called again to add some.

        Args:
            devices: Their ids must differ.
            ports: A port for some of them, by id; the others get a free one.

        Raises:
            ValueError: An id is there twice. Nothing is served then.
            OSError: A port is taken. Devices before this one are served.
        """
        ids = [*self._lines, *(device.id for device in devices)]
        if doubled := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"farm: devices with the same id: {', '.join(doubled)}; give each its own")
        addresses = {}
        for device in devices:
            line = Line(device, self.writes, lambda: self.now_s)
            port = await line.open(self._host, (ports or {}).get(device.id, 0))
            self._lines[device.id], self._truth[device.id] = line, Truth()
            addresses[device.id] = Address(self._host, port, device.unit)
        return addresses

    async def stop(self) -> None:
        """Hang up and free every port."""
        for line in self._lines.values():
            await line.close()
        self._lines.clear()
        self._truth.clear()

    @property
    def now_s(self) -> float:
        """Simulated time of the last step; 0 before the first."""
        return 0.0 if self._now_s is None else self._now_s

    @property
    def devices(self) -> dict[str, Device]:
        """What is served, by id."""
        return {id_: line.device for id_, line in self._lines.items()}

    def step(self, now_s: float) -> None:
        """Let simulated time run until `now_s`; the first step only sets the clock.

        How it relates to the wall clock is the caller's business: call it 60 times a second with steps of a second,
        and the farm runs at sixty times real time, its reversion timers with it.

        Raises:
            ValueError: Time would run backwards.
        """
        dt_s = 0.0 if self._now_s is None else now_s - self._now_s
        if dt_s < -ROUNDING_S:
            raise ValueError(f"farm: asked to step back from {self._now_s} s to {now_s} s; time only runs forward")
        dt_s = max(dt_s, 0.0)
        self._now_s = now_s
        for id_, line in self._lines.items():
            line.device.advance(dt_s, self._truth[id_])

    def demand(self) -> dict[str, Demand]:
        """What each device draws now."""
        return {id_: line.device.demand() for id_, line in self._lines.items()}

    def closed(self) -> dict[str, bool]:
        """Whether current may flow through each device; only open switches say no."""
        return {id_: line.device.closed for id_, line in self._lines.items()}

    def observe(
        self,
        *,
        v_pu: _Values = None,
        f_hz: _Values = None,
        available_kw: _Values = None,
        p_kw: _Values = None,
        q_kvar: _Values = None,
        soc: _Values = None,
        e_kwh_wanted: _Values = None,
        ends_in_s: _Values = None,
    ) -> None:
        """Tell devices what the world is like from now on, by id; what is not named stays as it was.

        See `Truth` for units and signs. Meters and switches show `p_kw` and `q_kvar`.

        Raises:
            ValueError: An id is not served here.
        """
        found = {
            "v_pu": v_pu,
            "f_hz": f_hz,
            "available_kw": available_kw,
            "p_kw": p_kw,
            "q_kvar": q_kvar,
            "soc": soc,
            "e_kwh_wanted": e_kwh_wanted,
            "ends_in_s": ends_in_s,
        }
        changes: dict[str, dict[str, float]] = {}
        for name, values in found.items():
            for id_, value in (values or {}).items():
                changes.setdefault(id_, {})[name] = value
        if unknown := sorted(changes.keys() - self._truth.keys()):
            raise ValueError(f"farm: values for {', '.join(unknown)}; expected ids of devices that are served")
        for id_, change in changes.items():
            self._truth[id_] = replace(self._truth[id_], **change)
