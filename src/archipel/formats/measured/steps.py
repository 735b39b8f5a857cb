"""From stamps to intervals: the step, what a stamp names, and how long a value holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.measured.stamps import DAY, HOUR, MINUTE, SECOND, shown
from archipel.model import Ints

_UNITS = {"s": SECOND, "min": MINUTE, "m": MINUTE, "h": HOUR, "d": DAY}


def duration_us(text: str) -> int | None:
    """Microseconds of `15min`, `1h`, `30 s`, `7d`; None for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d)\s*", text)
    length = round(float(found[1]) * _UNITS[found[2]]) if found else 0
    return length or None


def duration(us: int) -> str:
    """A length of time as people write it."""
    for name in ("d", "h", "min", "s"):
        if us % _UNITS[name] == 0 or name == "s":
            return f"{us / _UNITS[name]:g} {name}"
    return ""


@final
@dataclass(frozen=True, slots=True)
class Rhythm:
    """What the distances of stamps say."""

    step: int
    """The most frequent distance [us]."""
    regular: float
    """Share of distances that are the step (within 2 %)."""
    other: int
    """Another step that a longer part of the series keeps [us]; 0 for none."""
    other_from: int
    """Where that part begins [us]."""


def rhythm(time: Ints) -> Rhythm:
    """The rhythm of rising moments [us], at least two."""
    distance = np.diff(time)
    kinds, counts = np.unique(distance, return_counts=True)
    step = int(kinds[np.argmax(counts)])
    near = np.abs(distance - step) <= 0.02 * step
    other, other_from = 0, 0
    far = (kinds != step) & (counts >= 8) & (counts * kinds >= 0.03 * (time[-1] - time[0]))
    for kind in kinds[far & (np.abs(kinds - step) > 0.02 * step)]:
        rows = np.flatnonzero(distance == kind)
        runs = np.diff(rows) == 1
        if runs.any() and np.convolve(runs, np.ones(5), "valid").max(initial=0) >= 5:
            other, other_from = int(kind), int(time[rows[0]])
    return Rhythm(step, float(near.mean()), other, other_from)


def label_by_span(first_clock: int, last_clock: int, step: int) -> tuple[str, str]:
    """(start, end or nothing, why) by where the local clock begins and ends: a file mostly holds whole days."""
    begins, ends = first_clock % DAY, (last_clock + step) % DAY
    if begins == 0 and ends == 0:
        return "start", f"from {shown(first_clock)} to {shown(last_clock)} are whole days"
    if begins == step and last_clock % DAY == 0:
        return "end", f"from {shown(first_clock)} to {shown(last_clock)} are whole days when stamps name the end"
    return "", ""


def label_by_name(header: str) -> str:
    """What the name of a time column says about its stamps."""
    if re.search(r"(?i)start|begin|from|von\b|beginn", header):
        return "start"
    if re.search(r"(?i)(^|[^a-z])(end|bis|to|until|settlementdate|ending)([^a-z]|$)", header):
        return "end"
    return ""


def bounds(time: Ints, step: int, label: str, longest: int) -> tuple[Ints, Ints]:
    """Begin and end of every interval [us]. It reaches to the next stamp where that is at most `longest` away.

    Else it is one step long and a gap follows; so days of 23 and 25 hours are what they are.
    """
    distance = np.diff(time)
    length = np.where(distance <= longest, distance, step)
    if label == "end":
        length = np.concatenate([[step], length])
        return time - length, time
    length = np.concatenate([length, [step]])
    return time, time + length


def held(time: Ints, most: int) -> tuple[Ints, Ints]:
    """Begin and end of values that hold until the next stamp, `most` at the longest."""
    distance = np.minimum(np.diff(time), most)
    last = int(np.median(distance)) if len(distance) else most
    return time, time + np.concatenate([distance, [min(last, most)]])
