"""Where things are in the folder of a rehearsal.

runs/up/
  clock.json        simulated start, its wall time, factor; written before anything starts
  world.json        scenario, length and tick of the world
  endpoints.json    where every device and meter answers; there once the world serves
  world.txt         log of the world           heartbeat.json   how it is
  telemetry.bin     the physics of this moment, see `archipel.local.telemetry`
  faults.toml       what is wrong with devices, may be edited at any time
  processes.json    who runs
  record/           what really happened, Parquet
  authority/        of the area; its key is on no cell
  cells/ID/         CELL.toml, certs/, journal/, log.txt
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from archipel.local.errors import RehearsalError


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside the folder of a rehearsal."""

    folder: Path

    @property
    def clock(self) -> Path:
        """Simulated time."""
        return self.folder / "clock.json"

    @property
    def world(self) -> Path:
        """What the world is told."""
        return self.folder / "world.json"

    @property
    def endpoints(self) -> Path:
        """Where devices answer."""
        return self.folder / "endpoints.json"

    @property
    def world_log(self) -> Path:
        """Log of the world."""
        return self.folder / "world.txt"

    @property
    def heartbeat(self) -> Path:
        """How the world is."""
        return self.folder / "heartbeat.json"

    @property
    def telemetry(self) -> Path:
        """The physics of this moment."""
        return self.folder / "telemetry.bin"

    @property
    def faults(self) -> Path:
        """What is wrong with devices."""
        return self.folder / "faults.toml"

    @property
    def processes(self) -> Path:
        """Who runs."""
        return self.folder / "processes.json"

    @property
    def record(self) -> Path:
        """Tables of what happened."""
        return self.folder / "record"

    @property
    def authority(self) -> Path:
        """Folder of the area's authority."""
        return self.folder / "authority"

    @property
    def cells(self) -> Path:
        """Folder of the cells' folders."""
        return self.folder / "cells"

    def cell(self, name: str) -> Path:
        """Folder of one cell."""
        return self.cells / name

    def cell_file(self, name: str) -> Path:
        """What one cell is told."""
        return self.cell(name) / "CELL.toml"

    def cell_log(self, name: str) -> Path:
        """Log of one cell."""
        return self.cell(name) / "log.txt"


def write_json(path: Path, value: Any) -> None:
    """Write a file that others read meanwhile: they see the old one or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    fresh.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read one of ours. Raises RehearsalError when it is not there or not whole."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise RehearsalError(
            f"{path}: no such file; expected the folder of a rehearsal. Start one with: archipel up SCENARIO"
        ) from error
    except (OSError, ValueError) as error:
        raise RehearsalError(f"{path}: cannot be read ({error}); expected JSON. Start anew: archipel up") from error
    if not isinstance(found, dict):
        raise RehearsalError(f"{path}: found {type(found).__name__}, expected a JSON object. Start anew: archipel up")
    return found
