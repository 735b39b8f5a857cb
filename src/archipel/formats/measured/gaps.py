"""What is missing in a series of quarter hours, and filling it as a person said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.measured.steps import duration_us
from archipel.model import Bools, Floats

METHODS = ("linear", "hold", "zero", "day", "week")
FULL = 1.0 - 1e-9
QUARTER_US = 900_000_000


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """Gaps up to a length are filled in one way."""

    method: str
    longest: int
    """Quarter hours."""


@final
@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of quarter hours that are not wholly known."""

    column: int
    first: int
    count: int
    method: str
    """How it was filled; empty when no rule is long enough."""


def read_rules(text: str) -> tuple[Rule, ...] | None:
    """`linear:2h,week:14d` as rules, shortest first; None where it is no such list."""
    rules = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        method, _, length = part.partition(":")
        us = duration_us(length)
        if method not in METHODS or us is None:
            return None
        rules.append(Rule(method, max(us // QUARTER_US, 1)))
    return tuple(sorted(rules, key=lambda rule: rule.longest))


def runs(flag: Bools) -> list[tuple[int, int]]:
    """(first, count) of every stretch of True."""
    edge = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]]).astype(np.int8)))
    return [(int(a), int(b - a)) for a, b in zip(edge[::2], edge[1::2], strict=True)]


def fill(mean: Floats, known: Floats, rules: tuple[Rule, ...], first_column: int = 0) -> list[Gap]:
    """Fill what is not known, in place; what is known of a quarter hour keeps its energy. Returns all gaps.

    linear: between the neighbours; hold: the value before; zero; day, week: the same time of the nearest day or week,
    before or after, that is known. At the ends of a series the one neighbour there is counts.
    """
    found: list[Gap] = []
    for k in np.flatnonzero((known < FULL).any(axis=0)):
        whole = known[:, k] >= FULL
        source = mean[:, k].copy()
        for first, count in runs(~whole):
            method = next((rule.method for rule in rules if count <= rule.longest), "")
            values = _values(source, whole, first, count, method) if method else None
            if values is None:
                found.append(Gap(first_column + int(k), first, count, ""))
                continue
            at = slice(first, first + count)
            mean[at, k] = source[at] + (1.0 - np.minimum(known[at, k], 1.0)) * values
            found.append(Gap(first_column + int(k), first, count, method))
    return found


def _values(source: Floats, whole: Bools, first: int, count: int, method: str) -> Floats | None:
    """Values for a gap; None where there is nothing to take them from."""
    rows = len(source)
    before = first - 1 if first > 0 and whole[first - 1] else None
    after = first + count if first + count < rows and whole[first + count] else None
    if method == "zero":
        return np.zeros(count)
    if method in {"linear", "hold"}:
        if before is None and after is None:
            return None
        left = source[before if before is not None else after]
        right = left if method == "hold" else source[after if after is not None else before]
        return np.asarray(left + (right - left) * np.arange(1, count + 1) / (count + 1))
    period = 96 if method == "day" else 7 * 96
    at = np.arange(first, first + count)
    values = np.full(count, np.nan)
    for shift in range(1, rows // period + 1):
        for sign in (-1, 1):
            there = at + sign * shift * period
            inside = (there >= 0) & (there < rows)
            usable = np.isnan(values) & inside
            usable[usable] = whole[there[usable]]
            values[usable] = source[there[usable]]
        if not np.isnan(values).any():
            return values
    return None
