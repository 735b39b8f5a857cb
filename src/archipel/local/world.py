"""The world of a rehearsal: `python -m archipel.local.world FOLDER` owns the physics and serves every device.

Simulated time is that of FOLDER/clock.json. Every tick of the wall physics catches up with it in parts that end with
whole simulated minutes. Ends on SIGTERM, or when world.json's time is over: then it stops the cells, too.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import final

from archipel.farm import HEALTHY, Farm
from archipel.formats.scenario import load_scenario
from archipel.local.clock import SimulatedClock, wall_now
from archipel.local.errors import RehearsalError
from archipel.local.faults_file import read_faults
from archipel.local.layout import Layout, read_json, write_json
from archipel.local.physics import Physics
from archipel.local.processes import Processes
from archipel.local.record import MINUTE_S, WorldRecord
from archipel.local.served import devices
from archipel.local.telemetry import TelemetryWriter
from archipel.model import ArchipelError
from archipel.twin.plant import Happened

GRID_S = 0.1
"""Physics stops at multiples of this, so that no part is too short to mean anything."""
HEARTBEAT_S, LOGGED_S = 1.0, 10.0
SHOWN_S = 0.1
"""Wall seconds between two moments of telemetry while physics catches up: then most parts are not shown."""
LATE_S = 2.0
"""Wall seconds the physics may be behind before the log says so."""
log = logging.getLogger("archipel.world")


def parts(now_s: float, until_s: float) -> Iterator[float]:
    """Lengths of the parts between two simulated times: at most a minute, ending with whole minutes.

    What is left of a tenth of a second waits for the next tick.
    """
    until_s = round(math.floor(until_s / GRID_S + 1e-6) * GRID_S, 3)
    while now_s < until_s:
        end_s = min(until_s, (now_s // MINUTE_S + 1) * MINUTE_S)
        yield round(end_s - now_s, 3)
        now_s = end_s


@final
class World:
    """Farm, physics and record of one rehearsal, on one event loop."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        told = read_json(self.layout.world)
        self.clock = SimulatedClock.read(self.layout.clock)
        self.tick_s = float(told["tick_s"])
        self.length_s = None if told["hours"] is None else 3600.0 * float(told["hours"])
        self.scenario = load_scenario(told["scenario"])
        self.farm = Farm()
        self.physics: Physics | None = None
        self._faults_seen: tuple[int, int] | None = None
        self.telemetry: TelemetryWriter | None = None
        self._told_s = self._beat_s = self._shown_s = -1e9
        self._cpu_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, or until the time is over: then the cells are stopped first."""
        served = devices(self.scenario)
        addresses = await self.farm.start(served)
        self.physics = Physics(self.scenario, self.farm, self.clock.start)
        self.telemetry = TelemetryWriter(self.layout.telemetry, self.physics.sizes())
        record = WorldRecord(self.scenario, self.clock.start, self.layout.record)
        write_json(self.layout.endpoints, {name: str(address) for name, address in addresses.items()})
        log.info("serving %d devices and meters of %s", len(served), self.scenario.name)
        over = False
        try:
            while not (stop.is_set() or over):
                begun = time.monotonic()
                self._watch_faults()
                over = await self._catch_up(stop, record)
                self._beat()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(self.tick_s - (time.monotonic() - begun), 0.001))
            if over:
                log.info("its time is over; stopping the cells")
                await asyncio.to_thread(Processes(self.layout).stop_cells)  # their devices still answer
        finally:
            record.close()
            self.telemetry.close()
            self._beat(last=True)
            await self.farm.stop()

    async def _catch_up(self, stop: asyncio.Event, record: WorldRecord) -> bool:
        """Let physics run until now; whether the time is over."""
        assert self.physics is not None, "made before it runs"
        now_s = self.clock.second(wall_now())
        end_s = now_s if self.length_s is None else min(now_s, self.length_s)
        lengths = list(parts(self.physics.now_s, end_s))
        for left, dt_s in zip(range(len(lengths) - 1, -1, -1), lengths, strict=True):
            happened = self.physics.step(dt_s)
            record.add(happened, dt_s)
            self._publish(happened, dt_s, newest=not left)
            await asyncio.sleep(0)  # clients are served between parts
            if stop.is_set():
                return False
        return self.length_s is not None and now_s >= self.length_s

    def _publish(self, happened: Happened, dt_s: float, *, newest: bool) -> None:
        """Show a part to those who look on: the newest, and while it catches up no more than somebody can see."""
        assert self.physics is not None, "made before it runs"
        assert self.telemetry is not None, "made before it runs"
        wall_s = time.monotonic()
        if newest or wall_s - self._shown_s >= SHOWN_S:
            self._shown_s = wall_s
            self.telemetry.write(self.physics.utc, wall_now(), self.physics.moment(happened, dt_s))

    def _watch_faults(self) -> None:
        """Take up faults.toml when it changed; one that cannot be read changes nothing."""
        path = self.layout.faults
        try:
            found = path.stat()
            seen: tuple[int, int] | None = (found.st_mtime_ns, found.st_size)
        except FileNotFoundError:
            seen = None
        if seen == self._faults_seen:
            return
        self._faults_seen = seen
        try:
            faults = read_faults(path, self.farm.devices)
        except RehearsalError as error:
            log.error("%s Faults stay as they were.", error)
            return
        for name, device in self.farm.devices.items():
            if device.fault != (wanted := faults.get(name, HEALTHY)):
                device.fault = wanted
        log.info("faults: %s", ", ".join(sorted(faults)) or "none")

    def _beat(self, *, last: bool = False) -> None:
        """Say how it is: every second in heartbeat.json, now and then in the log."""
        wall_s = time.monotonic()
        if wall_s - self._beat_s < HEARTBEAT_S and not last:
            return
        assert self.physics is not None, "made before it runs"
        wall = wall_now()
        behind_s = max((self.clock.second(wall) - self.physics.now_s) / self.clock.factor, 0.0)
        cpu_s = time.process_time()
        share = (cpu_s - self._cpu_s) / (wall_s - self._beat_s)
        self._beat_s, self._cpu_s = wall_s, cpu_s
        writes = self.farm.writes
        upstream = self.physics.flow.upstream_p_kw if self.physics.flow is not None else None
        beat = {
            "utc": self.physics.utc.isoformat(),
            "wall": wall.isoformat(),
            "behind_s": round(behind_s, 2),
            "cpu_share": round(share, 3),
            "cpu_s": round(cpu_s, 2),
            "upstream_p_kw": None if upstream is None else round(float(upstream), 2),
            "writes": writes.total,
            "writes_of": dict(writes.count),
            "running": not last,
        }
        write_json(self.layout.heartbeat, beat)
        if last or wall_s - self._told_s >= LOGGED_S or behind_s > LATE_S:
            self._told_s = wall_s
            log.log(
                logging.WARNING if behind_s > LATE_S and not last else logging.INFO,
                "%s  %s kW from upstream, %d writes, %.1f s behind, %.0f %% of a core",
                f"{self.physics.utc:%Y-%m-%d %H:%M:%S}",
                "?" if upstream is None else f"{upstream:.0f}",
                writes.total,
                behind_s,
                100.0 * share,
            )


async def serve(folder: Path) -> None:
    """Run a world until SIGTERM or SIGINT, or until its time is over."""
    world, stop = World(folder), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await world.run(stop)


def main(argv: list[str] | None = None) -> int:
    """Entry point of the process."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 1:
        print("usage: python -m archipel.local.world FOLDER", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder = Path(words[0])
    try:
        asyncio.run(serve(folder))
    except ArchipelError as error:
        print(f"archipel world: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
