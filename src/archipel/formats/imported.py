"""What a reader of networks hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from archipel.formats.device_rows import DeviceRows
from archipel.formats.loss_report import LossReport
from archipel.model import Grid, Ints, Profiles


@final
@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A network and its devices as the source states them."""

    grid: Grid
    devices: DeviceRows
    node_area: tuple[str, ...]
    """Name of the part of the source's network each node belongs to; empty where unknown."""
    line_area: tuple[str, ...]
    report: LossReport
    customers: Ints | None = None
    """Customers at every node, shape (nodes,), where many small parts are to be gathered; None proposes every part."""
    profiles: Profiles | None = None
    """Series the source brings itself, named by its devices; None where it brings none."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files kept beside the scenario, by their path in its folder (the three-phase source, for instance)."""
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further tables of the scenario's TOML file."""
