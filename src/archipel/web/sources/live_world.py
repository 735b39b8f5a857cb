"""A rehearsal as it is now: physics, what cells say, processes; and where everything in it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, final

import numpy as np

from archipel.field.cell_file import CellFile, read_cell_file
from archipel.formats.scenario import load_scenario
from archipel.local.clock import SimulatedClock, wall_now
from archipel.local.errors import RehearsalError
from archipel.local.layout import Layout, read_json
from archipel.local.processes import WORLD, Processes
from archipel.local.telemetry import Seen, TelemetryReader
from archipel.model import Floats, Scenario
from archipel.web.sources.live_knowledge import Knowledge

log = logging.getLogger("archipel.web")
LOOK_S = 0.1
"""Between two looks at the physics."""


@final
class LiveWorld:
    """Looks on; never writes. `close` ends its threads.

    Raises:
        RehearsalError: the folder is no rehearsal, or none with telemetry.
    """

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder.resolve())
        told = read_json(self.layout.world)
        self.clock = SimulatedClock.read(self.layout.clock)
        self.scenario: Scenario = load_scenario(told["scenario"])
        self.step_s = float(told["tick_s"]) * self.clock.factor
        self.processes = Processes(self.layout)
        cells = tuple(cell.id for cell in self.scenario.archipelago.cell)
        missing = [name for name in cells if not self.layout.cell_file(name).is_file()]
        if missing:
            raise RehearsalError(f"{folder}: found no CELL.toml of {', '.join(missing)}. Start anew: archipel up")
        self.files: Mapping[str, CellFile] = {name: read_cell_file(self.layout.cell_file(name)) for name in cells}
        self.knowledge = Knowledge(self.layout, cells)
        self._reader = TelemetryReader(self.layout.telemetry)
        self._seen: Seen | None = None
        self.trouble = ""
        """Why the physics cannot be seen; empty while it can."""
        self._lock, self._end = Lock(), Event()
        self._thread = Thread(target=self._watch, name="physics", daemon=True)
        self._thread.start()

    # ---------------------------------------------------------------- now

    @property
    def seen(self) -> Seen | None:
        """The newest moment; None before the first."""
        with self._lock:
            return self._seen

    def now(self) -> datetime:
        """Grid time."""
        return self.clock.utc(wall_now())

    def runs(self) -> bool:
        """Whether the world goes on."""
        return self.processes.state(WORLD) == "running"

    def heartbeat(self) -> Mapping[str, Any]:
        """What the world says of itself, once a second; empty before the first."""
        return read_json(self.layout.heartbeat) if self.layout.heartbeat.exists() else {}

    def writes(self, device: str) -> int:
        """Writes to a device seen on the wire."""
        return int(self.heartbeat().get("writes_of", {}).get(device, 0))

    # ---------------------------------------------------------------- where things are

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Ids of the cells; the root first."""
        return tuple(self.files)

    @cached_property
    def device_row(self) -> Mapping[str, int]:
        """Row of every device."""
        return {name: row for row, name in enumerate(self.scenario.device_id)}

    @cached_property
    def ordered(self) -> Mapping[str, str]:
        """Cell of every device (or switch) that can be ordered at all."""
        return {row.id: name for name, file in self.files.items() for row in file.device}

    @cached_property
    def tie_row(self) -> Mapping[str, int]:
        """Row of every tie."""
        return {tie.id: row for row, tie in enumerate(self.scenario.archipelago.tie)}

    def tie_above(self, cell: str) -> str:
        """Id of the tie to the cell above; empty for the root."""
        ties = self.scenario.archipelago.tie
        return next((t.id for t in ties if t.lower == cell and t.direction == "vertical" and t.closed), "")

    def cell_of(self, element: str) -> str:
        """The cell that answers for a device, switch or branch; empty where there is none."""
        if element in self.ordered:
            return self.ordered[element]
        archipelago = self.scenario.archipelago
        if element in self.device_row:
            return archipelago.cell[int(self.scenario.device_cell[self.device_row[element]])].id
        for tie in archipelago.tie:
            if tie.id == element:
                return tie.lower
        grid = self.scenario.grid
        for ids, nodes in (
            (grid.lines.id, grid.lines.from_node),
            (grid.transformers.id, grid.transformers.lv_node),
            (grid.switches.id, grid.switches.node),
            (grid.nodes.id, np.arange(len(grid.nodes))),
        ):
            if element in ids:
                return archipelago.cell[int(archipelago.node_cell[nodes[ids.index(element)]])].id
        return ""

    def orders(self, devices: list[str]) -> Floats:
        """The orders that devices hold; NaN: their own rule, or not known."""
        seen = self.seen
        if seen is None:
            return np.full(len(devices), np.nan)
        return np.asarray(seen.moment.p_kw_set[[self.device_row[name] for name in devices]], np.float64)

    def power(self, device: str) -> float:
        """What a device draws [kW]; NaN before the first moment."""
        seen = self.seen
        return float("nan") if seen is None else float(seen.moment.p_kw[self.device_row[device]])

    def exchange(self, cell: str) -> float:
        """What flows into a cell from the one above it, or from upstream [kW], where it is metered."""
        seen, tie = self.seen, self.tie_above(cell)
        if seen is None:
            return float("nan")
        if not tie:
            return float(seen.moment.area[0])
        row = self.tie_row[tie]
        upper, lower = seen.moment.tie_p_kw[2 * row : 2 * row + 2].tolist()
        return -upper if self.scenario.archipelago.tie[row].metered_at == "upper" else float(lower)

    def has_children(self, cell: str) -> bool:
        """Whether other cells hang below it."""
        return any(one.parent == cell for one in self.scenario.archipelago.cell)

    def until_next_plan_s(self) -> float:
        """Wall seconds until a plan of the cells begins that is not being made yet."""
        times = self.files[self.cells[0]].controller
        left_s = times.every_s - self.now().timestamp() % times.every_s
        return (left_s if left_s > times.lead_s else left_s + times.every_s) / self.clock.factor

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()
        self.knowledge.close()
        self._reader.close()

    def _watch(self) -> None:
        last = 0
        while not self._end.is_set():
            try:
                found = self._reader.latest(after=last)
            except RehearsalError as error:  # what was seen last stays, and grows old for everyone to see
                if not self.trouble:
                    log.error("%s", error)
                self.trouble, found = str(error), None
            if found is not None:
                self.trouble = ""
                last = found.seq
                with self._lock:
                    self._seen = found
            self._end.wait(LOOK_S)

    def wait_for_physics(self, patience_s: float) -> Seen | None:
        """The first moment, as soon as there is one."""
        end_s = time.monotonic() + patience_s
        while self.seen is None and time.monotonic() < end_s:
            time.sleep(0.02)
        return self.seen
