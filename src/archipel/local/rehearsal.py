"""Starting a whole archipelago: folder, world, cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import final

from archipel.field.cell_file import CellFile
from archipel.formats.scenario import load_scenario
from archipel.local.arming import arm
from archipel.local.clock import SimulatedClock, wall_now
from archipel.local.errors import RehearsalError
from archipel.local.layout import Layout, read_json, write_json
from archipel.local.prepare import begin, claim, soon, source_of, write_cells
from archipel.local.processes import CELL_COMMAND, WORLD, WORLD_COMMAND, Processes

SERVING_S = 120.0
"""How long the world may take to serve, on a busy machine."""
TICK_S = 0.5
"""Wall seconds between two steps of the physics."""


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be rehearsed."""

    scenario: str
    """Name of a shipped one, or a path."""
    start: datetime | None = None
    """Simulated start; None: the scenario's."""
    factor: float = 60.0
    hours: float | None = None
    """Simulated hours after which all ends; None: until `archipel down`."""
    armed: bool = False
    """Whether cells may command devices from the start; else they begin in shadow."""
    tick_s: float = TICK_S


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """A rehearsal that was started."""

    layout: Layout
    clock: SimulatedClock
    cells: tuple[CellFile, ...]
    moved: Path | None
    """Where an earlier rehearsal in the same folder was moved to."""

    @property
    def processes(self) -> Processes:
        """Its processes."""
        return Processes(self.layout)


def up(
    wish: Wish,
    folder: Path,
    *,
    say: Callable[[str], None] = lambda text: None,
    cell_command: Sequence[str] = CELL_COMMAND,
    world_command: Sequence[str] = WORLD_COMMAND,
) -> Standing:
    """Start the world and every cell; returns once all processes run.

    When anything fails, what was started is stopped again.

    Raises:
        RehearsalError: the folder is in use, the world did not serve, or the wish cannot be.
        ScenarioInvalid: the scenario cannot be used.
    """
    if wish.hours is not None and not wish.hours > 0.0:
        raise RehearsalError(f"--hours: found {wish.hours:g}; expected more than 0 simulated hours.")
    begun_s = time.monotonic()
    scenario = load_scenario(wish.scenario)
    cells = len(scenario.archipelago.cell)
    clock = begin(scenario, wish.start, wish.factor, soon(cells, time.monotonic() - begun_s))
    folder = folder.resolve()
    moved = claim(folder)
    layout = Layout(folder)
    clock.write(layout.clock)
    source = source_of(wish.scenario)
    write_json(layout.world, {"scenario": source, "hours": wish.hours, "tick_s": wish.tick_s})
    standing = Standing(layout, clock, (), moved)
    processes = standing.processes
    try:
        say(f"world: {scenario.name}, {cells} cells")
        processes.start_world(world_command)
        endpoints = _endpoints(layout, processes)
        files = write_cells(layout, scenario, source, clock, endpoints)
        if wish.armed:
            for file in files:
                arm(file, wall_now())
        for number, file in enumerate(files, 1):
            processes.start_cell(file.cell.id, cell_command)
            say(f"cells: {number} of {cells} started")
    except BaseException:
        processes.stop()
        raise
    return Standing(layout, clock, tuple(files), moved)


def _endpoints(layout: Layout, processes: Processes) -> dict[str, str]:
    """Wait until the world serves; where everything answers."""
    until_s = time.monotonic() + SERVING_S
    while not layout.endpoints.exists():
        if processes.state(WORLD) == "dead":
            said = layout.world_log.read_text("utf-8", "replace").strip().splitlines()[-5:]
            raise RehearsalError("\n".join(["the world ended before it served; it said:", *said]))
        if time.monotonic() > until_s:
            raise RehearsalError(f"the world did not serve within {SERVING_S:g} s; see {layout.world_log}.")
        time.sleep(0.05)
    return {name: str(address) for name, address in read_json(layout.endpoints).items()}
