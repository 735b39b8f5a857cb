"""Reading the tables of a pandapower JSON file as plain data, with nothing but the standard library.

pandapower stores a network as nested JSON in which every object names the Python class to build. Such files come
from anybody, so no class named in one is ever looked up or imported: we take tables of plain values and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from archipel.formats.bounded import read_text
from archipel.model import ImportRefused

Plain = str | int | float | bool | None
"""What a cell of a table may hold."""

LARGEST_MB = 512
"""A file larger than this (unpacked) is refused before it is parsed [MB]."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table of the source: named columns of plain values, row i having `index[i]`."""

    name: str
    index: tuple[int, ...]
    column: Mapping[str, tuple[Plain, ...]]

    def __len__(self) -> int:
        return len(self.index)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """All tables of elements of one source file."""

    source: str
    """Name of the file, for messages."""
    f_hz: float
    table: Mapping[str, Table]

    def __getitem__(self, name: str) -> Table:
        """The table of that name; an empty one where the source has none."""
        return self.table.get(name, Table(name, (), {}))


def read_tables(path: Path) -> Tables:
    """The element tables of a pandapower JSON file (`.json` or `.json.gz`).

    Result tables (`res_...`), standard types and tables without a whole-number index (load cases) are left out:
    they describe no element. Raises ImportRefused, saying what was found, when the file is missing, is not JSON,
    or holds anything else than tables of plain values where a table is expected.
    """
    return parse_tables(read_text(path, "a pandapower network as JSON", LARGEST_MB), path.name)


def parse_tables(text: str, source: str) -> Tables:
    """The same from the text of a file; `source` is its name for messages."""
    document = _parse_json(text, source, "the file")
    content = document.get("_object") if isinstance(document, dict) else None
    if not isinstance(content, dict) or document.get("_class") != "pandapowerNet":
        raise ImportRefused(
            f"{source} is not a pandapower network: expected an object with _class 'pandapowerNet'. "
            "Write it with pandapower.to_json(net, file)."
        )
    frames = {
        name: value
        for name, value in content.items()
        if isinstance(value, dict) and value.get("_class") == "DataFrame" and not name.startswith(("res_", "std_types"))
    }
    tables = {name: table for name, value in frames.items() if (table := _table(value, name, source)) is not None}
    if "bus" not in tables or not len(tables["bus"]):
        raise ImportRefused(
            f"{source} has no table 'bus' with at least one row; expected the nodes of a network. Add them."
        )
    return Tables(source, _frequency(content, source), tables)


def _parse_json(text: str, source: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImportRefused(
            f"{source}: {where} is not JSON (found {error}); expected whole JSON. Download or write it again."
        ) from error


def _table(frame: Mapping[str, Any], name: str, source: str) -> Table | None:
    """A stored DataFrame as plain columns; None when its index is not of whole numbers."""
    body = frame.get("_object")
    if isinstance(body, str):
        body = _parse_json(body, source, f"table {name!r}")
    if not isinstance(body, dict) or not all(isinstance(body.get(key), list) for key in ("columns", "index", "data")):
        raise ImportRefused(f"{source}: table {name!r} is not stored as expected, with columns, index and "
                            "data (orient 'split'). Write it with pandapower.to_json.")  # fmt: skip
    columns, index, data = body["columns"], body["index"], body["data"]
    if not all(isinstance(column, str) for column in columns) or len(set(columns)) != len(columns):
        raise ImportRefused(f"{source}: the columns of table {name!r} are not distinct names, as expected. "
                            "Rename one.")  # fmt: skip
    if len(index) != len(data):
        raise ImportRefused(f"{source}: table {name!r} has {len(index)} indices for {len(data)} rows; "
                            "expected as many. Write it with pandapower.to_json.")  # fmt: skip
    if not all(type(i) is int for i in index):
        return None
    if len(set(index)) != len(index):
        raise ImportRefused(f"{source}: table {name!r} has an index twice; expected every index once. "
                            "Give one of the rows another.")  # fmt: skip
    for i, row in zip(index, data, strict=True):
        if not isinstance(row, list) or len(row) != len(columns):
            raise ImportRefused(f"{source}: row {i} of table {name!r} does not have {len(columns)} values, "
                                "as expected. Complete it.")  # fmt: skip
    values = {column: tuple(row[k] for row in data) for k, column in enumerate(columns)}
    return Table(name, tuple(index), {column: _plain(cells) for column, cells in values.items()})


def _plain(cells: tuple[Any, ...]) -> tuple[Plain, ...]:
    """Nested values (geometry, curves, stored objects) are kept as their JSON text, never interpreted."""
    return tuple(cell if isinstance(cell, Plain) else json.dumps(cell) for cell in cells)


def _frequency(content: Mapping[str, Any], source: str) -> float:
    f_hz = content.get("f_hz", 50.0)
    if isinstance(f_hz, bool) or not isinstance(f_hz, int | float) or not 1.0 <= f_hz <= 1000.0:
        raise ImportRefused(f"{source}: f_hz is {f_hz!r}; expected a frequency in Hz, such as 50.0.")
    return float(f_hz)
