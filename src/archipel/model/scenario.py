"""A case to run: network, cells, devices, series, tariff."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model.cells import Archipelago
from archipel.model.errors import ArchipelError
from archipel.model.fleet import Fleet
from archipel.model.grid import Floats, Grid, Ints
from archipel.model.horizon import STEP_MINUTES
from archipel.model.island import IslandRules
from archipel.model.portfolio import Ownership
from archipel.model.tariff import Connection, Tariff
from archipel.model.three_phase import ThreePhase


@final
@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """Quarter-hourly series, each a column; the first row is the interval that starts at `start` (UTC)."""

    start: datetime
    name: tuple[str, ...]
    value: NDArray[np.float32]
    """Shape (rows, columns); per unit unless the column's user says otherwise."""

    def row(self, time: datetime) -> int:
        """Row number of the interval that starts at `time`; may lie outside the table."""
        return round((time - self.start).total_seconds() / 900.0)

    def window(self, first_row: int, rows: int) -> NDArray[np.float32]:
        """`rows` rows from `first_row`; outside the table the same time a week earlier or later is repeated.

        A table shorter than a week repeats by all of its whole days.
        """
        index = np.arange(first_row, first_row + rows)
        n = len(self.value)
        week = min(7, max(n // 96, 1)) * 96
        high = index >= n
        index = np.where(high, index - week * -((n - 1 - index) // week), index)
        low = index < 0
        index = np.where(low, index + week * -(index // week), index)
        return self.value[index]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """Everything a run needs, already checked."""

    name: str
    title: str
    grid: Grid
    archipelago: Archipelago
    fleets: tuple[Fleet, ...]
    """Devices by kind. Device numbers run through the fleets in this order."""
    profiles: Profiles
    price: Floats
    """Day-ahead price [EUR/kWh] for every row of `profiles`, shape (rows,)."""
    tariff: Tariff
    connection: Connection
    start: datetime
    """First interval run when none is asked for."""
    days: int
    seed: int
    margin_v_pu: float = 0.001
    margin_loading: float = 0.005
    """What schedules keep clear of voltage [pu] and loading [share] limits."""
    near_steps: int = 8
    far_steps: int = 4
    """Quarter hours at the start of a schedule, and the length of the later intervals in quarter hours."""
    replan_steps: int = 4
    """Quarter hours between two agreements."""
    central_replan_steps: int = 4
    """Quarter hours between two plans of the central optimiser."""
    overvoltage_trip: bool = True
    """Whether older inverters trip at 1.10 pu."""
    island: IslandRules = field(default_factory=IslandRules)
    ownership: Ownership = field(default_factory=Ownership)
    """Empty where the scenario names no owners."""
    three_phase: ThreePhase | None = None
    """The source's three-phase circuit; None where none was kept."""
    folder: Path | None = None

    @property
    def device_id(self) -> tuple[str, ...]:
        """Ids of all devices, fleet by fleet."""
        return tuple(i for fleet in self.fleets for i in fleet.id)

    @property
    def device_node(self) -> Ints:
        """Node row of all devices, fleet by fleet."""
        return np.concatenate([fleet.node for fleet in self.fleets]) if self.fleets else np.zeros(0, dtype=np.int64)

    @property
    def device_cell(self) -> Ints:
        """Cell row of all devices, fleet by fleet."""
        return self.archipelago.node_cell[self.device_node]

    @property
    def device_kind(self) -> tuple[str, ...]:
        """Kind of all devices, fleet by fleet."""
        return tuple(fleet.kind for fleet in self.fleets for _ in fleet.id)

    def check_time(self, time: datetime) -> None:
        """Refuse a time that the series do not cover.

        Raises:
            ArchipelError: before the first quarter hour of the profiles, or after the last.
        """
        first, rows = self.profiles.start, len(self.profiles.value)
        if not 0 <= self.profiles.row(time) < rows:
            end = first + timedelta(minutes=STEP_MINUTES) * rows
            raise ArchipelError(
                f"time {time:%Y-%m-%dT%H:%MZ}: the series of {self.name} do not cover it; expected a time from "
                f"{first:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}"
            )

    def __repr__(self) -> str:
        kinds = ", ".join(f"{len(fleet.id)} {fleet.kind}" for fleet in self.fleets)
        return f"Scenario({self.name!r}: {self.grid!r}, {self.archipelago!r}, devices: {kinds})"
