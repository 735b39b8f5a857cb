"""From the moments of a block to power over intervals: step, label, hold, registers, units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.measured.mapping import Mapping
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.readings import Block, Readings
from archipel.formats.measured.stamps import HOUR, shown
from archipel.formats.measured.steps import bounds, duration, duration_us, held, rhythm
from archipel.formats.measured.units import Unit
from archipel.model import Floats, Ints


@final
@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Meters whose values hold over the same intervals."""

    meters: Ints
    begin: Ints
    end: Ints
    """[us, UTC]."""
    value: Floats
    """As in the file, shape (intervals, meters); see `in_unit`."""
    register: bool
    """Whether values are readings of a counter; then there is one more of them than intervals."""

    def in_unit(self, columns: slice, unit: Unit, sign: float) -> Floats:
        """Some of its meters in our unit: kW, EUR/MWh, degC, m/s, W/m2; shape (intervals, meters)."""
        value = self.value[:, columns]
        if self.register:
            value = np.diff(value, axis=0)
            value = np.where(value < 0, np.nan, value)
        value = value * (sign * unit.factor) + unit.plus
        if unit.per_interval or self.register:
            value /= ((self.end - self.begin) / HOUR)[:, None]
        return value


def pieces(readings: Readings, mapping: Mapping, unit: Unit | None, notes: Notes) -> tuple[list[Piece], str, float]:
    """The intervals of all blocks, what they are in words, and the step [h]; questions go into `notes`."""
    found: list[Piece] = []
    said, step_h = "", 1.0
    asked = False
    for block in readings.blocks:
        if len(block.time) < 2:
            names = ", ".join(readings.names[i] for i in block.meters[:3])
            notes.stop("too-short", names, f"{len(block.time)} row", "at least two moments", "Export a longer time.")
            continue
        beat = rhythm(block.time)
        step_h = beat.step / HOUR
        if mapping.hold:
            most = duration_us(mapping.hold)
            if most is None:
                notes.stop("hold", "--hold", repr(mapping.hold), "a length such as 30min", "Correct it.")
                return found, said, step_h
            said = f"values hold until the next, {duration(most)} at most"
            found += _held(block, most)
            if unit is not None and unit.per_interval:
                notes.stop(
                    "hold", "--hold", f"amounts ({unit.name})", "powers, when values hold", "Use --step as-stamped."
                )
            continue
        if mapping.values == "register":
            said = "differences of a counter from stamp to stamp"
            _tell_resets(block, readings, notes)
            found.append(Piece(block.meters, block.time[:-1], block.time[1:], block.value, True))
            continue
        if not asked:
            asked = _ask(block, beat.regular, beat.step, beat.other, beat.other_from, readings, mapping, notes)
        stamped = mapping.step == "as-stamped"
        longest = int(block.time[-1] - block.time[0]) if stamped else beat.step * 3 // 2
        begin, end = bounds(block.time, beat.step, readings.label or "start", longest)
        found.append(Piece(block.meters, begin, end, block.value, False))
        said = "from stamp to stamp" if stamped else duration(beat.step)
    return found, said, step_h


def _held(block: Block, most: int) -> list[Piece]:
    """Every meter on its own: empty cells are no values, and what was before them holds on."""
    if np.isfinite(block.value).all():
        begin, end = held(block.time, most)
        return [Piece(block.meters, begin, end, block.value, False)]
    found = []
    for k, meter in enumerate(block.meters):
        rows = np.isfinite(block.value[:, k])
        if rows.any():
            begin, end = held(block.time[rows], most)
            found.append(Piece(np.array([meter]), begin, end, block.value[rows, k][:, None], False))
    return found


def _tell_resets(block: Block, readings: Readings, notes: Notes) -> None:
    fall = np.diff(block.value, axis=0) < 0
    for k in np.flatnonzero(fall.any(axis=0)):
        rows = np.flatnonzero(fall[:, k])
        notes.tell(
            "register-reset",
            readings.names[block.meters[k]],
            f"a counter that falls {len(rows):,} times, first at {shown(int(block.time[rows[0] + 1]))} UTC",
            "A gap: nobody knows what it counted.",
            len(rows),
        )


def _ask(
    block: Block,
    regular: float,
    step: int,
    other: int,
    other_from: int,
    readings: Readings,
    mapping: Mapping,
    notes: Notes,
) -> bool:
    """Questions about step and label; whether there was one."""
    before = len(notes.found)
    if mapping.step == "as-stamped":
        pass
    elif mapping.step and readings.form[:2] != "no":
        wanted = duration_us(mapping.step)
        if wanted != step:
            notes.stop("step", "--step", f"stamps mostly {duration(step)} apart", f"{mapping.step}, as told",
                       "Correct --step, or leave it out.")  # fmt: skip
    elif regular < 0.8:
        notes.stop("irregular", "time", f"irregular stamps, most often {duration(step)} apart ({regular:.0%})",
                   "how long a value holds", "Say it: --hold 30min keeps every value until the next, 30 min at most. "
                   "For amounts per interval: --step as-stamped.")  # fmt: skip
    elif other:
        notes.stop(
            "mixed-steps",
            "time",
            f"steps of {duration(step)}, and of {duration(other)} from {shown(other_from)} UTC",
            "one step in the whole file",
            "Split the file there, or say --step as-stamped when intervals reach from stamp to stamp.",
        )
    if not readings.label:
        first, last = (shown(moment) for moment in block.clock)
        notes.stop("label", "time", f"stamps from {first} to {last}, which name the start or the end of an interval",
                   "which of them", f"Say --label start (they begin {first}) or --label end ({duration(step)} "
                   "earlier).")  # fmt: skip
    return len(notes.found) > before
