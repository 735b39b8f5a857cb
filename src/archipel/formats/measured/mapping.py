"""How a file is to be read: what a person said and what its evidence decided, as a file that repeats it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping as Table
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

from archipel.formats.measured.source import refuse

MOST = 1 << 24


@final
@dataclass(frozen=True, slots=True)
class Mapping:
    """Everything that decides how a file is read. Empty means: by evidence, or asked for."""

    what: str = ""
    """load, pv, price, ev or weather."""
    time: str = ""
    """Column of time; two joined by a comma for date and time of day."""
    date_order: str = ""
    """day-first or month-first."""
    zone: str = ""
    """Zone of stamps without an offset: `Europe/Berlin`, `UTC`, `+01:00`."""
    start: str = ""
    """First moment of a table without stamps, with its offset."""
    step: str = ""
    """Length of an interval, such as `15min`; `as-stamped` for intervals that reach from stamp to stamp."""
    label: str = ""
    """Whether a stamp names the start or the end of its interval."""
    hold: str = ""
    """How long a value of an irregular series holds at most."""
    columns: tuple[str, ...] = ()
    """Columns of values; `NAME=METER` gives them another name."""
    meter: str = ""
    """Column of meter names in a table with one row per meter and moment."""
    only: tuple[str, ...] = ()
    """Meters to take; empty for all."""
    unit: str = ""
    sign: str = ""
    """Whether positive numbers are `drawn` or `given`."""
    values: str = ""
    """`interval` for values of each interval, `register` for the reading of a counter."""
    decimal: str = ""
    separator: str = ""
    encoding: str = ""
    sheet: str = ""
    gaps: str = ""
    """How gaps are filled: rules `METHOD:LENGTH`, the first that is long enough."""
    doubles: str = ""
    """Which of doubled rows counts: first, last or mean."""
    dst: str = ""
    """`drop` leaves out stamps in the hour that the clock skips."""
    match: str = ""
    """How meters find devices: id, node, order or every."""
    map: tuple[tuple[str, str], ...] = ()
    """(meter, device): which device a meter measures; the table [mapping.map]."""
    rating: float = 0.0
    """Nameplate [kW] behind the one measured series, with match = every."""
    rate: float = 0.0
    """EUR for one unit of the currency of prices."""
    span: str = ""
    """What to do when series cover other times: common, repeat or move."""
    only_matched: bool = False
    """Leave out meters that no device fits."""
    drop_bad: bool = False
    """Leave out sessions that cannot be."""
    accept: tuple[str, ...] = ()
    """Doubts that a person knows to be right."""

    def text(self, source: str) -> str:
        """The mapping as TOML."""
        lines = [f"# How {source!r} was read; use it again with --mapping.", "[mapping]"]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "map":
                continue  # a table of its own, which comes last
            if value or isinstance(value, bool):
                shown = list(value) if isinstance(value, tuple) else value
                lines.append(f"{one.name} = {json.dumps(shown, ensure_ascii=False)}")
        if self.map:
            lines += ["", "[mapping.map]", *(" = ".join(_quoted(word) for word in pair) for pair in self.map)]
        return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f")


CHOICES = {
    "what": ("load", "pv", "price", "ev", "weather"),
    "date_order": ("day-first", "month-first"),
    "label": ("start", "end"),
    "sign": ("drawn", "given"),
    "values": ("interval", "register"),
    "decimal": (".", ","),
    "doubles": ("first", "last", "mean"),
    "dst": ("drop",),
    "match": ("id", "node", "order", "every"),
    "span": ("common", "repeat", "move"),
}


def read_mapping(path: Path) -> dict[str, Any]:
    """The values of a mapping file. Raises DataRefused."""
    try:
        content = path.read_bytes()[: MOST + 1]
        if len(content) > MOST:
            raise ValueError("more than 16 MiB")
        table = tomllib.loads(content.decode("utf-8")).get("mapping")
    except (ValueError, RecursionError, OSError) as error:
        raise refuse(
            path.name, "", f"no mapping: {error}", "a TOML file with a table [mapping]", "Correct it."
        ) from None
    if not isinstance(table, dict):
        raise refuse(path.name, "", "no table [mapping]", "a table [mapping]", "Use a file that data add has written.")
    if isinstance(table.get("map"), str):
        raise refuse(
            path.name, "[mapping] map", f"the name of another file, {table['map']!r}",
            "a table [mapping.map] with a line for each meter: \"METER\" = \"DEVICE\"",
            "Remove the line map, and give the file with --map.",
        )  # fmt: skip
    return checked(table, path.name)


def checked(table: Table[str, Any], file: str) -> dict[str, Any]:
    """The values with their right types. Raises DataRefused for what no mapping has."""
    known = {one.name: one for one in fields(Mapping)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise refuse(file, "[mapping]", f"the unknown key {key!r}", f"one of {', '.join(known)}", "Remove it.")
        default = known[key].default
        if key == "map":
            if not isinstance(value, dict) or not all(isinstance(device, str) for device in value.values()):
                raise refuse(file, "[mapping] map", repr(value)[:80], 'lines "METER" = "DEVICE"', "Correct it.")
            values[key] = tuple(value.items())
            continue
        if isinstance(default, tuple) and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
            values[key] = tuple(value)
        elif isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
            values[key] = float(value)
        elif isinstance(default, str | bool) and type(value) is type(default):
            values[key] = value
        else:
            raise refuse(file, f"[mapping] {key}", repr(value), f"a value like {default!r}", "Correct it.")
        if values[key] and key in CHOICES and values[key] not in CHOICES[key]:
            raise refuse(file, f"[mapping] {key}", repr(value), f"one of {', '.join(CHOICES[key])}", "Correct it.")
    return values
