"""What the demonstration plays on: who is shaded, whose process is killed, and a sky that differs from cell to cell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, final

import numpy as np

from archipel.cell.subtree import below
from archipel.model import ArchipelError, Floats, Profiles, Scenario
from archipel.report.tally import RENEWABLE


@final
@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays what."""

    shaded: tuple[str, ...]
    """Cells the cloud passes over: the branch below the root with much sun and little storage."""
    killed: str
    """The low-voltage cell with most storage; empty where no cell has a parent."""


def cast_of(scenario: Scenario) -> Cast:
    """Choose by what is there.

    Raises:
        ArchipelError: for an area without a main grid or without sun; the story is about both.
    """
    if scenario.island.off_grid:
        raise ArchipelError(
            f"{scenario.name}: found an area without a main grid; the demonstration loses one. "
            "Try: archipel demo --scenario district"
        )
    sun, held = _by_cell(scenario, RENEWABLE), _by_cell(scenario, ("battery",))
    area = scenario.archipelago
    if sun.sum() <= 0.0:
        raise ArchipelError(
            f"{scenario.name}: found no renewable sources; a cloud needs some. Try: archipel demo --scenario district"
        )
    tops = [row for row, parent in enumerate(area.parents()) if parent == 0] or [0]
    parts = {top: below(area, top) for top in tops}
    worth = {top: sun[rows].sum() - held[rows].sum() for top, rows in parts.items()}
    cloudy = parts[max(tops, key=lambda top: (worth[top], -top))]
    leaves = [row for row, cell in enumerate(area.cell) if cell.parent and not _has_child(scenario, cell.id)]
    killed = max(leaves, key=lambda row: (held[row], sun[row], -row), default=None)
    return Cast(tuple(area.cell[row].id for row in cloudy), "" if killed is None else area.cell[killed].id)


def _has_child(scenario: Scenario, cell: str) -> bool:
    return any(other.parent == cell for other in scenario.archipelago.cell)


def _by_cell(scenario: Scenario, kinds: Collection[str]) -> Floats:
    """Rated power of renewables, or of what stores charge with, by cell [kW]."""
    total = np.zeros(len(scenario.archipelago.cell))
    for fleet in scenario.fleets:
        if fleet.kind in kinds:
            rated: Any = next(
                getattr(fleet, name)
                for name in ("p_kw_peak", "p_kw_charge", "p_kw_max", "p_kw")
                if hasattr(fleet, name)
            )
            total += np.bincount(scenario.archipelago.node_cell[fleet.node], rated, len(total))
    return total


def shaded(scenario: Scenario, cells: Collection[str], begin: datetime, end: datetime, left: float) -> Scenario:
    """The same scenario with a cloud over some cells: from `begin` to `end` only the share `left` of their sun.

    Panels of these cells get profile columns of their own, so nobody else's sun changes. Forecasts that look at the
    past alone cannot know.
    """
    rows = [i for i, cell in enumerate(scenario.archipelago.cell) if cell.id in set(cells)]
    profiles, fleets = scenario.profiles, []
    value, names = profiles.value, list(profiles.name)
    first, last = profiles.row(begin), profiles.row(end)
    for fleet in scenario.fleets:
        if fleet.kind != "pv":
            fleets.append(fleet)
            continue
        column = np.array(fleet.profile)  # type: ignore[attr-defined]
        under = np.isin(scenario.archipelago.node_cell[fleet.node], rows) & (column >= 0)
        old = np.unique(column[under])
        own = value[:, old].copy()
        own[first:last] *= np.float32(left)
        column[under] = len(names) + np.searchsorted(old, column[under])
        value = np.concatenate([value, own], axis=1)
        names += [f"{profiles.name[c]} under the cloud" for c in old]
        fleets.append(replace(fleet, profile=column))  # type: ignore[type-var]
    return replace(scenario, fleets=tuple(fleets), profiles=Profiles(profiles.start, tuple(names), value))
