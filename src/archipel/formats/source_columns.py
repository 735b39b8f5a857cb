"""Typed columns out of a source table, and the notes an import takes on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from archipel.formats.device_rows import DeviceRows
from archipel.formats.loss_report import LossReport, Totals, named
from archipel.formats.pandapower_json import Table
from archipel.model import Bools, Floats, Grid, ImportRefused, Ints

UNBOUNDED = ("max_i_ka",)
"""Columns in which infinity has a meaning: no limit."""


@final
@dataclass(slots=True)
class Notes:
    """What was lost so far."""

    source: str
    dropped: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    approximated: list[str] = field(default_factory=list)

    unknown: list[str] = field(default_factory=list)

    def drop(self, table: str, count: int, why: str, ids: Sequence[str] = ()) -> None:
        """Note rows left out, named where `ids` are given; nothing is written for a count of zero."""
        if count > 0:
            self.dropped.append(f"{count:,} x {table}: {why}{named(ids)}")

    def merge(self, count: int, what: str, ids: Sequence[str] = ()) -> None:
        """Note elements that became part of others."""
        if count > 0:
            self.merged.append(f"{count:,} {what}{named(ids)}")

    def approximate(self, count: int, what: str, ids: Sequence[str] = ()) -> None:
        """Note elements that are represented by something simpler."""
        if count > 0:
            self.approximated.append(f"{count:,} {what}{named(ids)}")

    def report(self, door: str, before: Mapping[str, int], grid: Grid, devices: DeviceRows, source: Totals | None,
               engine: str = "") -> LossReport:  # fmt: skip
        """The account: kept elements are counted by the part of their id before the slash."""
        after = Counter(
            i.split("/")[0]
            for ids in (
                grid.nodes.id,
                grid.lines.id,
                grid.transformers.id,
                grid.switches.id,
                grid.shunts.id,
                (grid.source.id,),
                devices.load.id,
                devices.pv.id,
                devices.generator.id,
                devices.battery.id,
            )
            for i in ids
        )
        return LossReport(
            self.source,
            before,
            dict(after),
            tuple(self.dropped),
            tuple(self.merged),
            tuple(self.approximated),
            float(np.sum(devices.load.p_kw)),
            float(np.sum(devices.load.q_kvar)),
            float(np.sum(devices.pv.p_kw_peak)) + float(np.sum(devices.generator.p_kw)),
            float(np.sum(devices.battery.e_kwh)),
            format=door,
            engine=engine or door,
            in_source=source,
            unknown=tuple(self.unknown),
        )


def numbers(table: Table, column: str, default: float) -> Floats:
    """A column of numbers; `default` where the source has none. Raises ImportRefused for anything else."""
    cells = table.column.get(column)
    if cells is None:
        return np.full(len(table), default)
    for i, cell in zip(table.index, cells, strict=True):
        if isinstance(cell, str):
            raise ImportRefused(f"{table.name}/{i}: {column} is {cell!r}; expected a number.")
    try:
        values = np.array([default if cell is None else float(cell) for cell in cells], dtype=np.float64)
    except OverflowError as error:
        raise ImportRefused(f"{table.name}: a value of {column} is too large for a number.") from error
    if column not in UNBOUNDED and np.isinf(values).any():
        raise ImportRefused(f"{table.name}/{table.index[int(np.argmax(np.isinf(values)))]}: {column} is infinite.")
    return np.where(np.isnan(values), default, values)


def whole(table: Table, column: str) -> Ints:
    """A column of indices; -1 where missing. Raises ImportRefused when they are not whole numbers."""
    values = numbers(table, column, -1.0)
    if not np.all((values == np.floor(values)) & (np.abs(values) < 2**53)):
        raise ImportRefused(f"{table.name}: {column} holds values that are not whole numbers.")
    return values.astype(np.int64)


def flags(table: Table, column: str, default: bool) -> Bools:
    """A column of yes or no. Raises ImportRefused for text."""
    return numbers(table, column, float(default)).astype(np.bool_)


def names(table: Table, column: str) -> list[str]:
    """A column of text; empty where missing."""
    cells = table.column.get(column)
    return [""] * len(table) if cells is None else ["" if cell is None else str(cell) for cell in cells]


def rows_of(table: Table, column: str, row: dict[int, int]) -> Ints:
    """Node rows of a column of bus indices; -1 where the node is not kept."""
    return np.array([row.get(int(i), -1) for i in whole(table, column)], dtype=np.int64)
