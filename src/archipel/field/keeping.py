"""What a cell keeps of its readings: `device` and `meter` now and then, and `known` when a plan begins.

    device  p_kw, q_kvar, v_v, soc, ...      personal: it shows when somebody is at home; forgotten after a time
    known   state and orders of a device     the same; from it any plan can be made again and explained
    meter   p_kw, v_pu, ...                  of ties: sums over many customers, kept

After midnight (UTC) the day before is written as Parquet, and what is personal and old is forgotten.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.controller.facts import Cap, Orders
from archipel.controller.planner import DeviceFacts
from archipel.devices.base import DeviceFleet, State
from archipel.drivers.base import Reading, Sides
from archipel.field.devices import Unit, Units
from archipel.journal import Journal, JournalError
from archipel.journal.reading import Reading as Kept
from archipel.model import Floats

CAP = ("import_kw_max", "export_kw_max")
PERSONAL = ("device", "known")
_NUMBERS = tuple(
    part.name for part in fields(Reading) if part.name not in {"measured_at_s", "quality", "state", "sides"}
)
_SIDES = tuple(part.name for part in fields(Sides))


@final
@dataclass(slots=True)
class Keeper:
    """Puts readings into the journal's file of measurements; they are on the disk with its next commit."""

    journal: Journal
    every_s: float
    """Between two readings kept of the same device."""
    personal_days: int
    """How long what is personal is kept."""
    _kept_s: float = float("-inf")
    _seen: dict[str, float] = field(default_factory=dict)
    """When the reading kept last was measured, by unit."""
    _day: date | None = None

    def keep(self, units: Units, utc: datetime, mono_s: float) -> None:
        """Keep what was read since the last time, when it is time again."""
        if mono_s - self._kept_s < self.every_s:
            return
        self._kept_s = mono_s
        for kind, own in (("device", units.devices), ("meter", units.meters)):
            for unit in own.values():
                self._keep(kind, unit, utc, mono_s)

    def _keep(self, kind: str, unit: Unit, utc: datetime, mono_s: float) -> None:
        reading = unit.reading
        if reading is None or self._seen.get(unit.id) == reading.measured_at_s:
            return
        self._seen[unit.id] = reading.measured_at_s
        told = {name: value for name in _NUMBERS if (value := getattr(reading, name)) is not None}
        if reading.sides is not None:
            told |= {name: value for name in _SIDES if (value := getattr(reading.sides, name)) is not None}
        at = utc - timedelta(seconds=reading.age_s(mono_s))
        self.journal.measure(Kept(at, kind, unit.id, told))

    def knew(self, fleets: tuple[DeviceFleet, ...], facts: DeviceFacts, told: Orders, utc: datetime) -> None:
        """Keep what a plan that begins now is made from; `known_of` reads it."""
        for fleet in fleets:
            state = facts.states[fleet.kind]
            for row, name in enumerate(fleet.id):
                values: dict[str, float] = {}
                for key, column in state.items():
                    values |= dict(zip(_names(key, column), np.ravel(column[row]).astype(float).tolist(), strict=True))
                if name in told:
                    values |= dict(zip(("told_p_kw", "told_q_kvar"), told[name], strict=True))
                self.journal.measure(Kept(utc, "known", name, values))
        peaks = {f"peak_kw {day}": p_kw for day, p_kw in facts.peaks_kw.items()}
        cap = {} if facts.cap is None else {name: getattr(facts.cap, name) for name in CAP}
        self.journal.measure(Kept(utc, "known", "boundary", {"v_pu": facts.v_pu, **peaks, **_finite(cap)}))

    def turn(self, utc: datetime, now: datetime) -> None:
        """Close the day when a new one has begun. `now` is the wall's, for the ledger. What the disk or the
        readings' file does not allow is said, and the cell goes on."""
        before, self._day = self._day, utc.date()
        if before is None or before == self._day:
            return
        oldest = datetime.combine(self._day, datetime.min.time(), utc.tzinfo) - timedelta(days=self.personal_days)
        try:
            self.journal.export_parquet(before)
            self.journal.forget_before(oldest, PERSONAL, time=now)
        except JournalError as error:  # full or damaged: the cell goes on all the same
            print(
                f"readings of {before} are not exported, or old ones not forgotten: {error}",
                file=sys.stderr,
                flush=True,
            )


def _names(key: str, column: Floats) -> list[str]:
    """Names of the values that one device has in a column of states, shape (n,) or (n, ...)."""
    return [key] if column.ndim == 1 else [f"{key}/{i}" for i in range(column[0].size)]


def known_of(
    fleets: tuple[DeviceFleet, ...], values: Mapping[str, Mapping[str, Any]]
) -> tuple[DeviceFacts, dict[str, tuple[float, float]]]:
    """Facts and orders in force that `Keeper.knew` kept, from its readings by source."""
    states: dict[str, State] = {}
    told: dict[str, tuple[float, float]] = {}
    for fleet in fleets:
        rows = [values[name] for name in fleet.id]
        states[fleet.kind] = {
            key: np.array([[row[name] for name in _names(key, like)] for row in rows]).reshape(like.shape)
            for key, like in fleet.initial(0).items()
        }
        told |= {n: (r["told_p_kw"], r["told_q_kvar"]) for n, r in zip(fleet.id, rows, strict=True) if "told_p_kw" in r}
    boundary = values["boundary"]
    peaks = {key.removeprefix("peak_kw "): p_kw for key, p_kw in boundary.items() if key.startswith("peak_kw ")}
    caps = {name: boundary[name] for name in CAP if name in boundary}
    return DeviceFacts(states, boundary["v_pu"], peaks, Cap(**caps) if caps else None), told


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if np.isfinite(value)}
