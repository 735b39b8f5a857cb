"""Tables out of power-grid-model's documented JSON: `version`, `type`, `is_batch`, `attributes` and `data`.

Every component is a list of rows; a row is an object, or a list in the order that `attributes` gives for the component.
"""

from __future__ import annotations

import json
from typing import Any

from archipel.formats.findings import did_you_mean
from archipel.formats.pandapower_json import Plain, Table, Tables
from archipel.model import ImportRefused

COMPONENTS = (
    "node", "line", "asym_line", "link", "generic_branch", "transformer", "three_winding_transformer", "source",
    "shunt", "sym_load", "sym_gen", "asym_load", "asym_gen", "transformer_tap_regulator", "voltage_regulator", "fault",
    "sym_voltage_sensor", "asym_voltage_sensor", "sym_power_sensor", "asym_power_sensor", "sym_current_sensor",
    "asym_current_sensor",
)  # fmt: skip


def parse_tables(text: str, source: str) -> Tables:
    """The components by name; rows are named by their `id`. Raises ImportRefused with the place of what is wrong."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"{source}: found no whole JSON ({error}); expected input data of power-grid-model. "
                            "Download or write it again.") from error  # fmt: skip
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise ImportRefused(f"{source}: found no object 'data'; expected input data of power-grid-model. "
                            "Write it with power_grid_model.utils.json_serialize_to_file.")  # fmt: skip
    if document.get("is_batch") is True or document.get("type", "input") != "input":
        raise ImportRefused(f"{source}: found type {document.get('type')!r}, is_batch {document.get('is_batch')!r}; "
                            "expected one network as input data. Export the input data set.")  # fmt: skip
    attributes = document.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    tables = {str(name): _table(str(name), rows, attributes.get(name), source) for name, rows in data.items() if rows}
    if "node" not in tables:
        raise ImportRefused(f"{source}: found no component 'node'; expected nodes. {did_you_mean('node', tables)}")
    twice: set[int] = set()
    for name, table in tables.items():
        for i in table.index:
            if i in twice:
                raise ImportRefused(f"{source}: {name}/{i}: found the id twice; expected every id once in the whole "
                                    "file. Give one of them another id.")  # fmt: skip
            twice.add(i)
    return Tables(source, 50.0, tables)


def _table(name: str, rows: Any, order: Any, source: str) -> Table:
    if not isinstance(rows, list):
        raise ImportRefused(f"{source}: {name}: found {type(rows).__name__}; expected a list of rows. Correct it.")
    full: list[dict[str, Any]] = []
    for k, row in enumerate(rows):
        if isinstance(row, list) and isinstance(order, list) and len(row) == len(order):
            full.append(dict(zip(map(str, order), row, strict=True)))
        elif isinstance(row, dict):
            full.append(row)
        else:
            raise ImportRefused(f"{source}: {name}: row {k + 1}: found {str(row)[:40]}; expected an object, or a list "
                                "as long as the component's attributes. Correct the row.")  # fmt: skip
    ids = [row.get("id") for row in full]
    for k, one in enumerate(ids):
        if type(one) is not int:
            raise ImportRefused(f"{source}: {name}: row {k + 1}: found id = {one!r}; expected a whole number. "
                                "Give every row its id.")  # fmt: skip
    columns = {key: None for row in full for key in row}
    return Table(
        name,
        tuple(i for i in ids if i is not None),
        {key: tuple(_plain(row.get(key)) for row in full) for key in columns},
    )


def _plain(cell: Any) -> Plain:
    """Lists (of phases) are kept as their JSON text."""
    return cell if isinstance(cell, Plain) else json.dumps(cell)
