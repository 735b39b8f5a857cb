"""The folder of a rehearsal: an authority, one folder per cell with certificate and CELL.toml, the clock."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from archipel.cell.parts import Parts, cut
from archipel.field.cell_file import (
    CellFile,
    CellTable,
    ClockTable,
    ControllerTable,
    DeviceTable,
    MeterTable,
    NeighbourTable,
    RecordsTable,
    StatusTable,
    TransportTable,
    write_cell_file,
)
from archipel.formats.scenario import find_scenario, shipped_scenarios
from archipel.local.clock import SimulatedClock
from archipel.local.errors import RehearsalError
from archipel.local.layout import Layout
from archipel.local.links import Link, links
from archipel.local.processes import Processes
from archipel.local.served import driver_of, meters
from archipel.model import Scenario
from archipel.strategies.limits import fixed_limits
from archipel.transport.envelope import is_name
from archipel.transport.identity import Authority

HOST = "127.0.0.1"
FACTOR_MOST = 240.0
PORTS = range(20_000, 32_000)
"""Below the ports that systems hand to outgoing connections, so that a cell that was killed finds its own free."""


@final
@dataclass(frozen=True, slots=True)
class Ports:
    """Where one cell listens."""

    transport: int
    status: int


def times(factor: float) -> ControllerTable:
    """Times of a controller whose simulated clock runs `factor` times faster than messages and devices do [s].

    At factor 1 these are those of the field. Faster, a round trip of 50 ms is simulated seconds: a plan begins fourteen
    wall seconds ahead (at most 840 simulated seconds, within one quarter hour), tried once where each try would have
    less than ten; a lease lasts ten, so that renewing hundreds of them is no load; repeats go out twice a wall second,
    neighbours and readings must have been well for three, and a meter must contradict for three, beginning three after
    a step, while orders are on their way.
    """
    lead_s = min(max(120.0, 14.0 * factor), 840.0)
    return ControllerTable(
        lead_s=lead_s,
        attempts=max(1, min(3, int(lead_s / factor / 10.0))),
        repeat_s=max(2.0, factor / 2.0),
        lease_s=min(max(60.0, 10.0 * factor), 3600.0),
        contradiction_s=max(5.0, 3.0 * factor),
        grace_s=max(10.0, 3.0 * factor),
        healthy_s=max(30.0, 3.0 * factor),
        tick_s=1.0,
    )


def begin(scenario: Scenario, start: datetime | None, factor: float, wall_start: datetime) -> SimulatedClock:
    """The clock of a rehearsal. Raises RehearsalError for a start or factor that cannot be."""
    if not 0.0 < factor <= FACTOR_MOST:
        raise RehearsalError(f"--factor: found {factor:g}; expected above 0 and at most {FACTOR_MOST:g}.")
    at = (scenario.start if start is None else start).astimezone(UTC)
    if at.timestamp() % 900:
        raise RehearsalError(f"--start: found {at:%Y-%m-%d %H:%M:%S}; expected a whole quarter hour.")
    return SimulatedClock(at, wall_start, factor)


def claim(folder: Path) -> Path | None:
    """Make the folder of a new rehearsal; an earlier one in its place is moved aside, and where to is returned.

    Raises RehearsalError when the folder is in use, or holds something that is no rehearsal.
    """
    layout, moved = Layout(folder), None
    if folder.exists() and any(folder.iterdir()):
        if not layout.clock.is_file():
            raise RehearsalError(f"{folder}: found files that are no rehearsal; expected an empty or new folder.")
        if running := Processes(layout).alive():
            raise RehearsalError(
                f"{folder}: in use, {len(running)} processes of it run ({', '.join(running[:4])}"
                f"{', ...' if len(running) > 4 else ''}). End them with: archipel down --folder {folder}"
            )
        began = datetime.fromtimestamp(layout.clock.stat().st_mtime, UTC)
        moved = folder.with_name(f"{folder.name}-{began:%Y%m%dT%H%M%S}")
        number = 1
        while moved.exists():
            number += 1
            moved = folder.with_name(f"{folder.name}-{began:%Y%m%dT%H%M%S}-{number}")
        folder.rename(moved)
    folder.mkdir(parents=True, exist_ok=True)
    return moved


def write_cells(
    layout: Layout, scenario: Scenario, source: str, clock: SimulatedClock, endpoints: Mapping[str, str]
) -> list[CellFile]:
    """Write authority, certificates and cell files.

    Args:
        layout: The folder.
        scenario: The case.
        source: How a cell process loads it again, see `source_of`.
        clock: Simulated time.
        endpoints: Where every device and meter answers, by id.
    """
    for what, name in (("scenario", scenario.name), *(("cell", cell.id) for cell in scenario.archipelago.cell)):
        if not is_name(name):
            raise RehearsalError(f"{what}: found the name {name!r}; expected 1 to 64 letters, digits or _.:+=,()-")
    parts = cut(scenario)
    limits = fixed_limits(parts)
    talk = links([site.id for site in parts.sites], parts.parents)
    ports = dict(zip([site.id for site in parts.sites], _free_ports(len(parts.sites)), strict=True))
    now = datetime.now(UTC)
    authority = Authority.create(layout.authority, scenario.name, now)
    files = []
    for i, site in enumerate(parts.sites):
        file = CellFile(
            path=layout.cell_file(site.id).resolve(),
            cell=CellTable(site.id, source, float(limits.import_kw[i]), float(limits.export_kw[i])),
            transport=TransportTable(f"{HOST}:{ports[site.id].transport}"),
            status=StatusTable(f"{HOST}:{ports[site.id].status}"),
            controller=times(clock.factor),
            records=RecordsTable(every_s=max(60.0, 5.0 * clock.factor)),
            clock=ClockTable(clock.factor, clock.start, clock.wall_start),
            neighbour=tuple(_neighbours(site.id, talk, ports)),
            device=tuple(_devices(parts, i, endpoints)),
            meter=tuple(
                MeterTable(at.tie, endpoints[at.id], at.v_nominal_v if at.upward else 0.0)
                for at in meters(scenario)
                if at.cell == site.id
            ),
        )
        write_cell_file(file)
        authority.issue(site.id, file.certificates, now)
        files.append(file)
    return files


def source_of(name_or_path: str) -> str:
    """How any process loads the scenario: the name of a shipped one, else the whole path of its file."""
    return name_or_path if name_or_path in shipped_scenarios() else str(find_scenario(name_or_path).resolve())


def soon(cells: int, load_s: float) -> datetime:
    """When simulated time begins: once the world and most cells will have started.

    Args:
        cells: How many share the machine's cores.
        load_s: What loading the scenario just took here; a cell takes about twice that to start.
    """
    return datetime.now(UTC) + timedelta(seconds=5.0 + load_s * (1.5 + 2.0 * cells / (os.cpu_count() or 1)))


def _neighbours(cell: str, talk: list[Link], ports: Mapping[str, Ports]) -> list[NeighbourTable]:
    out = []
    for link in talk:
        if link.dials == cell:
            out.append(NeighbourTable(link.listens, f"{HOST}:{ports[link.listens].transport}", link.electrical))
        elif link.listens == cell:
            out.append(NeighbourTable(link.dials, "", link.electrical))
    return out


def _devices(parts: Parts, cell: int, endpoints: Mapping[str, str]) -> list[DeviceTable]:
    out = []
    for own in parts.own[cell]:
        driver = driver_of(own.fleet.kind)
        if driver is not None:
            out += [DeviceTable(name, driver, endpoints[name]) for name in own.fleet.id]
    return out


def _free_ports(cells: int) -> list[Ports]:
    """Two free ports for every cell. All are held until all are found, so that none is given twice."""
    held: list[socket.socket] = []
    try:
        for port in random.sample(PORTS, len(PORTS)):
            if len(held) == 2 * cells:
                break
            one = socket.socket()
            try:
                one.bind((HOST, port))
            except OSError:
                one.close()
            else:
                held.append(one)
        found = [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
    if len(found) < 2 * cells:
        raise RehearsalError(f"found {len(found)} free ports of {HOST}; expected {2 * cells}. End other programs.")
    return [Ports(*pair) for pair in zip(found[::2], found[1::2], strict=True)]
