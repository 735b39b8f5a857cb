"""The source's own three-phase circuit, kept beside the positive-sequence network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where a node of the scenario lies in the three-phase circuit."""

    bus: str
    phases: tuple[int, ...]
    """Conductors of the bus that are phases, 1 to 3, ascending."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class ThreePhase:
    """OpenDSS files and what in them is which part of the scenario."""

    folder: Path
    """Nothing outside is read."""
    master: str
    """The script to begin with, by its path below the folder."""
    device: Mapping[str, str]
    """Element of the circuit (`Load.s1a`) by device id. Devices that are not here are no part of the source."""
    node: Mapping[str, Place]
    """Place by node id; every node of the scenario has one."""
    branch: Mapping[str, tuple[str, ...]]
    """Elements (`Line.l115`) by branch id; none where a branch has no element of its own."""

    def __repr__(self) -> str:
        return f"ThreePhase({self.folder / self.master}: {len(self.node)} nodes, {len(self.device)} devices)"
