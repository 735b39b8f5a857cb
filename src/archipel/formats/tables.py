"""CSV tables with typed columns: reading them with every problem named, and writing them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from archipel.formats.findings import Findings, did_you_mean
from archipel.model import Bools, Floats

BEGINNINGS, CALLS = ("=", "@", "+", "-"), ("(", "|", "!")
"""A cell that begins with one of the first and holds one of the second is run by a spreadsheet."""
LARGEST = 1e12
"""No quantity of a network is that large in its unit; beyond it sums and products overflow."""

Kind = Literal["id", "text", "number", "flag"]


def runs_as_formula(text: str) -> bool:
    """Designations such as =E01+H02-Q1 (IEC 81346) are no formulas: a formula that does anything calls something."""
    return text.lstrip().startswith(BEGINNINGS) and any(sign in text for sign in CALLS)


@final
@dataclass(frozen=True, slots=True)
class Column:
    """What a column of a table must hold."""

    name: str
    kind: Kind = "number"
    default: float | str | bool | None = None
    """Value of an empty cell or a missing column; None when every row must state it."""
    low: float = -np.inf
    high: float = np.inf
    above: float = -np.inf
    """The value must lie strictly above this one."""
    one_of: tuple[str, ...] = ()
    unit: str = ""

    def expectation(self) -> str:
        """What is expected, in words."""
        if self.one_of:
            return "one of " + ", ".join(self.one_of)
        if self.kind == "flag":
            return "true or false"
        if self.kind != "number":
            return "text"
        bounds = [
            f"above {self.above:g}" if self.above > -np.inf else "",
            f"at least {self.low:g}" if self.low > -np.inf else "",
            f"at most {self.high:g}" if self.high < np.inf else "",
        ]
        words = " and ".join(bound for bound in bounds if bound)
        return f"a number{f' of {self.unit}' if self.unit else ''} smaller than 1e12{f', {words}' if words else ''}"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A table that was read: columns as arrays (numbers, flags) or tuples (text)."""

    file: str
    name: str
    id: tuple[str, ...]
    """Id of every row for messages; its line when the table has no ids."""
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    flags: Mapping[str, Bools] = field(default_factory=dict)
    text: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.id)


def read_sheet(folder: Path, file: str, name: str, columns: Sequence[Column], findings: Findings) -> Sheet | None:
    """A CSV table below `folder`; None when it could not be read at all, and a finding for everything wrong."""
    try:
        content = (folder / file).read_bytes()
        content.decode("utf-8")  # pyarrow looks at this only where a column is used
        raw = pv.read_csv(
            pa.BufferReader(content),
            convert_options=pv.ConvertOptions(
                column_types={column.name: pa.string() for column in columns}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        findings.add(file, name, "", f"unreadable text ({reason})", "a CSV table in UTF-8 with one header line",
                     "Write every row with as many values as the header has names.")  # fmt: skip
        return None
    if not _headed(raw, file, name, columns, findings):
        return None
    ids = _ids(raw, columns)
    numbers: dict[str, Floats] = {}
    flags: dict[str, Bools] = {}
    text: dict[str, tuple[str, ...]] = {}
    for column in columns:
        cells = raw[column.name] if column.name in raw.column_names else None
        if column.kind == "number":
            numbers[column.name] = _numbers(cells, column, ids, file, name, findings)
        elif column.kind == "flag":
            flags[column.name] = _flags(cells, column, ids, file, name, findings)
        else:
            text[column.name] = _text(cells, column, ids, file, name, findings)
    return Sheet(file, name, ids, numbers, flags, text)


def _headed(raw: pa.Table, file: str, name: str, columns: Sequence[Column], findings: Findings) -> bool:
    known = [column.name for column in columns]
    for header in raw.column_names:
        if header not in known:
            findings.add(file, name, header, f"the unknown column {header!r}", "only columns of the format",
                         did_you_mean(header, set(known) - set(raw.column_names)) + " Or remove it.")  # fmt: skip
        elif raw.column_names.count(header) > 1:
            findings.add(file, name, header, "the column twice", "every column once", "Remove one of them.")
            return False
    missing = [c.name for c in columns if c.default is None and c.name not in raw.column_names]
    for header in missing:
        findings.add(file, name, header, "no such column", "a column of that name", f"Add the column {header!r}.")
    return not missing


def _ids(raw: pa.Table, columns: Sequence[Column]) -> tuple[str, ...]:
    key = next((column.name for column in columns if column.kind == "id"), None)
    if key is None:
        return tuple(f"line {i + 2}" for i in range(raw.num_rows))
    return tuple(raw[key].to_pylist())


def _numbers(
    cells: pa.ChunkedArray | None, column: Column, ids: tuple[str, ...], file: str, name: str, findings: Findings
) -> Floats:
    if cells is None:
        return np.full(len(ids), column.default, dtype=np.float64)
    blank = np.asarray(pc.equal(cells, ""))
    try:
        values = pc.cast(pc.if_else(pc.equal(cells, ""), "0", cells), pa.float64()).to_numpy().copy()
    except pa.ArrowInvalid:
        values = np.array([_number(text) for text in cells.to_pylist()], dtype=np.float64)
    # A default of NaN marks a value that may be unknown, such as a coordinate.
    values[blank] = np.nan if column.default is None else float(column.default)
    optional = column.default is not None and np.isnan(float(column.default))
    wrong = ~np.isfinite(values) & ~(blank & optional)
    with np.errstate(invalid="ignore"):
        wrong |= np.abs(values) >= LARGEST
        wrong |= (values < column.low) | (values > column.high) | (values <= column.above)
    if wrong.any():
        shown = cells.to_pylist()
        findings.add_each(
            file,
            name,
            [(ids[i], f"{column.name} = {shown[i] or 'nothing'}") for i in np.flatnonzero(wrong)],
            column.expectation(),
            f"Correct {column.name} in that row.",
        )
    return np.asarray(values, dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _flags(
    cells: pa.ChunkedArray | None, column: Column, ids: tuple[str, ...], file: str, name: str, findings: Findings
) -> Bools:
    if cells is None:
        return np.full(len(ids), bool(column.default), dtype=np.bool_)
    lower = pc.utf8_lower(cells)
    yes, no = np.asarray(pc.equal(lower, "true")), np.asarray(pc.equal(lower, "false"))
    if column.default is not None:
        blank = np.asarray(pc.equal(cells, ""))
        yes, no = yes | (blank & bool(column.default)), no | (blank & (not column.default))
    wrong = np.flatnonzero(~(yes | no))
    if len(wrong):
        shown = cells.to_pylist()
        findings.add_each(
            file,
            name,
            [(ids[i], f"{column.name} = {shown[i] or 'nothing'}") for i in wrong],
            column.expectation(),
            "Write true or false.",
        )
    return np.asarray(yes, dtype=np.bool_)


def _text(
    cells: pa.ChunkedArray | None, column: Column, ids: tuple[str, ...], file: str, name: str, findings: Findings
) -> tuple[str, ...]:
    values = (str(column.default),) * len(ids) if cells is None else tuple(cells.to_pylist())
    if column.kind == "id":
        _check_ids(values, file, name, findings)
    active = [(ids[i], f"{column.name} = {value!r}") for i, value in enumerate(values) if runs_as_formula(value)]
    findings.add_each(file, name, active, "text that a spreadsheet does not take for a formula",
                      "Rename it: tables and reports carry it on.")  # fmt: skip
    if column.default is None:
        empty = [(ids[i] or f"line {i + 2}", f"no {column.name}") for i, value in enumerate(values) if not value]
        findings.add_each(file, name, empty, column.expectation(), f"Fill in {column.name}.")
    elif column.default:
        values = tuple(value or str(column.default) for value in values)
    if column.one_of:
        allowed = set(column.one_of)
        wrong = [(ids[i], value) for i, value in enumerate(values) if value not in allowed and value]
        for row, value in wrong:
            findings.add(file, name, row, f"{column.name} = {value!r}", column.expectation(),
                         did_you_mean(value, allowed))  # fmt: skip
    return values


def _check_ids(values: tuple[str, ...], file: str, name: str, findings: Findings) -> None:
    if len(set(values)) == len(values):
        return
    seen: set[str] = set()
    twice = [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
    findings.add_each(
        file, name, [(value, "the id twice") for value in twice], "every id once", "Give one of the rows another id."
    )


def write_sheet(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns (arrays or sequences of one length) as CSV; numbers keep twelve significant digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(_written(values) for values in columns.values()), strict=True))


def _written(values: Any) -> list[str]:
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return ["" if np.isnan(v) else f"{v:.12g}" for v in array]
    if array.dtype.kind == "b":
        return ["true" if v else "false" for v in array]
    return [str(v) for v in values]
