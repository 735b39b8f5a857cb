"""One span for all series of a scenario: what happens when measurements cover other times than what is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archipel.formats.findings import Findings
from archipel.formats.measured.notes import Notes
from archipel.formats.measured.target import Target
from archipel.formats.series import TIME, read_profiles
from archipel.model import Ints, Profiles, ScenarioInvalid

WEEK = 672
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@final
@dataclass(frozen=True, slots=True)
class Span:
    """Quarter hours since 1970: from `first`, `rows` of them."""

    first: int
    rows: int

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return EPOCH + timedelta(minutes=15 * self.first)

    @property
    def end(self) -> datetime:
        """The moment after its last."""
        return EPOCH + timedelta(minutes=15 * (self.first + self.rows))

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"

    def within(self, other: Span) -> bool:
        """Whether the other covers it."""
        return other.first <= self.first and self.first + self.rows <= other.first + other.rows

    def cut(self, other: Span) -> Span:
        """What both cover; no rows where that is nothing."""
        first = max(self.first, other.first)
        return Span(first, max(min(self.first + self.rows, other.first + other.rows) - first, 0))


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """The span that all series shall have, and what becomes of those that are there."""

    span: Span
    old: str
    """keep, cut, move or drop."""


def span_of(profiles: Profiles) -> Span:
    """The span of series."""
    return Span(round((profiles.start - EPOCH).total_seconds() / 900), len(profiles.value))


def existing(target: Target) -> list[tuple[str, Profiles]]:
    """The series that are there, file by file. Raises ScenarioInvalid where they cannot be read."""
    found = []
    findings = Findings()
    for file in target.files:
        one = read_profiles(target.folder, [file], target.keys["series"]["zone"], findings)
        if one is not None:
            found.append((file, one))
    if len(findings):
        raise ScenarioInvalid(tuple(findings.problems))
    return found


def choose(new: Span, old: Span | None, used: bool, option: str, notes: Notes) -> Plan:
    """The common span. `used` says whether any device or price hangs on what is there."""
    if old is None or (not used and not new.within(old)) or (old == new):
        return Plan(new, "keep" if old == new else "drop")
    if old.within(new):
        if new != old:
            notes.tell("cut", "", f"data from {new}, series of the scenario from {old}",
                       "The data are cut to the scenario's span.")  # fmt: skip
        return Plan(old, "keep")
    both = new.cut(old)
    if option == "common" and both.rows >= 96:
        notes.tell("cut", "", f"data from {new}, series of the scenario from {old}", f"All are cut to {both}.")
        return Plan(both, "cut")
    if option == "repeat" and new.rows >= WEEK:
        notes.tell("repeated", "", f"data from {new}, series of the scenario from {old}",
                   "Where data are missing, the same time some whole weeks away is repeated.")  # fmt: skip
        return Plan(old, "keep")
    if option == "move" and old.rows >= WEEK:
        notes.tell(
            "moved",
            "",
            f"data from {new}, series of the scenario from {old}",
            "The scenario's other series are moved by whole weeks, and repeated, to the span of the data.",
        )
        return Plan(new, "move")
    if option == "common":
        shared = f"{both.rows} quarter hours" if both.rows > 0 else "nothing"
        notes.stop(
            "span", "", f"data from {new}, which have {shared} in common with the scenario's series from {old}",
            "a day (96 quarter hours) in common for span = common",
            "Take the scenario along to the time of the data with --span move (the command line goes before a "
            "mapping), or add the data to a copy of the scenario that still has its longer series.",
        )  # fmt: skip
        return Plan(old, "keep")
    short = {"repeat": "the data are no week long", "move": "the series of the scenario are no week long"}
    said = f"data from {new}" + (f" ({short[option]})" if option in short else "")
    notes.stop(
        "span", "", said,
        f"data for all of {old}, as the scenario's other series",
        "Choose --span common (cut all to what both cover), --span repeat (repeat the data by whole weeks) or "
        "--span move (move the other series by whole weeks to the time of the data).",
    )  # fmt: skip
    return Plan(old if option != "move" else new, "keep")


def weekly(rows: Ints, have: int) -> Ints:
    """Rows inside 0..have for rows that may lie outside: the same time whole weeks away."""
    above = np.where(rows >= have, rows - WEEK * -((have - 1 - rows) // WEEK), rows)
    return np.where(above < 0, above + WEEK * -(above // WEEK), above)


def moved(value: NDArray[np.float32], old: Span, new: Span) -> NDArray[np.float32]:
    """Series of one span over another: shifted to begin in the same hour of the week, repeated by weeks."""
    shift = round((new.first - old.first) / WEEK) * WEEK
    return value[weekly(np.arange(new.rows) + new.first - old.first - shift, old.rows)]


def write(path: Path, span: Span, names: Collection[str], value: NDArray[np.float32]) -> None:
    """Series as Parquet: quick to write, single precision as given."""
    begin = np.datetime64(span.first * 900, "s")
    stamps = pa.array(begin + np.timedelta64(900, "s") * np.arange(span.rows), pa.timestamp("s", "UTC"))
    columns = [stamps, *(pa.array(np.ascontiguousarray(value[:, k])) for k in range(value.shape[1]))]
    table = pa.Table.from_arrays(columns, names=[TIME, *names])
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False,
                   use_byte_stream_split=list(names))  # fmt: skip
