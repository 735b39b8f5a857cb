"""faults.toml: what is wrong with which devices, read again whenever the file changes.

    [[fault]]
    device = "ev/*"                 # an id of the scenario, meter/TIE/CELL, meter/upstream, or a pattern of them
    deaf = true

    [[fault]]
    device = "sgen/12"
    refuses_writes = "BUSY"
    delay_s = 1.5

Keys are those of `archipel.farm.Fault`. Of several tables for one device the last one counts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, get_args

from archipel.farm import HEALTHY, Fault, Reading, Refusal
from archipel.local.errors import RehearsalError

KEYS: Final = {field.name for field in fields(Fault)}
_REFUSALS: Final = {"refuses_reads", "refuses_writes"}
_NUMBERS: Final = {"delay_s", "overshoot"}


def read_faults(path: Path, devices: Iterable[str]) -> dict[str, Fault]:
    """The fault of every device that has one; none when there is no file. Raises RehearsalError."""
    if not path.exists():
        return {}
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, f"no readable TOML ({error})", "[[fault]] tables", "Correct it.") from error
    found = tables.get("fault", [])
    if set(tables) - {"fault"} or not isinstance(found, list):
        raise _wrong(path, ", ".join(sorted(tables)), "nothing but [[fault]] tables", "Remove what else is there.")
    ids = list(devices)
    faults: dict[str, Fault] = {}
    for number, row in enumerate(found, 1):
        where = f"{path}: [[fault]] {number}"
        pattern = row.get("device") if isinstance(row, dict) else None
        if not isinstance(pattern, str):
            raise _wrong(where, "no device", "an id or a pattern", 'Add device = "...".')
        names = [name for name in ids if fnmatchcase(name, pattern)]
        if not names:
            raise _wrong(where, f"device {pattern!r}", "a device that is served", "See endpoints.json for their ids.")
        fault = _fault(where, {key: value for key, value in row.items() if key != "device"})
        faults.update(dict.fromkeys(names, fault))
    return {name: fault for name, fault in faults.items() if fault != HEALTHY}


def _fault(where: str, row: dict[str, Any]) -> Fault:
    values: dict[str, Any] = {}
    for key, value in row.items():
        values[key] = value
        if key not in KEYS:
            raise _wrong(where, f"the key {key}", "one of " + ", ".join(sorted(KEYS)), "Correct it.")
        if key in _REFUSALS:
            if value not in Refusal.__members__:
                raise _wrong(where, f"{key} = {value!r}", "one of " + ", ".join(Refusal.__members__), "Correct it.")
            values[key] = Refusal[value]
        elif key == "reading" and value not in get_args(Reading):
            raise _wrong(where, f"{key} = {value!r}", "one of " + ", ".join(get_args(Reading)), "Correct it.")
        elif key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0):
            raise _wrong(where, f"{key} = {value!r}", "a number, zero or more", "Correct it.")
        elif key not in _REFUSALS | _NUMBERS | {"reading"} and not isinstance(value, bool):
            raise _wrong(where, f"{key} = {value!r}", "true or false", "Correct it.")
    return Fault(**values)


def _wrong(where: object, found: str, expected: str, mend: str) -> RehearsalError:
    return RehearsalError(f"{where}: found {found}; expected {expected}. {mend}")
