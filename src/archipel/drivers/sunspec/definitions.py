"""The published SunSpec model definitions as records. They come as data with the package pysunspec2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, final

from archipel.drivers.errors import DecodeError
from archipel.model.errors import ExtraMissing

MODELS: Final = frozenset({1, 103, *range(201, 205), *range(701, 715), 802})
"""The models we read: identity, three-phase inverter, meters, the IEEE 1547-2018 set, battery."""


@final
@dataclass(frozen=True, slots=True)
class Point:
    """One value of a model."""

    name: str
    type: str
    size: int
    """Registers."""
    scale: str
    """Name of the point that holds its scale factor; empty when it has none."""
    units: str
    mandatory: bool
    writable: bool
    symbols: Mapping[int, str]
    """Names of the values of an enumeration, or of the bits of a bit field."""


@final
@dataclass(frozen=True, slots=True)
class Group:
    """Points that stand together, perhaps repeated."""

    name: str
    points: tuple[Point, ...]
    groups: tuple[Group, ...]
    count: str
    """Name of the point that says how often it is repeated; empty for once."""

    @property
    def size(self) -> int:
        """Registers of its own points."""
        return sum(point.size for point in self.points)


@cache
def definition(model: int) -> Group:
    """The definition of a model, its first two points being `ID` and `L`.

    Raises:
        DecodeError: not one of `MODELS`.
        ExtraMissing: the package pysunspec2 is not installed.
    """
    if model not in MODELS:
        raise DecodeError(f"SunSpec model {model} is not one we read; expected one of {sorted(MODELS)}.")
    try:
        folder = files("sunspec2") / "models" / "json"
    except ModuleNotFoundError as error:
        raise ExtraMissing("pysunspec2", "field", "SunSpec") from error
    return _group(json.loads((folder / f"model_{model}.json").read_text(encoding="utf-8"))["group"])


def _group(data: Mapping[str, Any]) -> Group:
    return Group(
        name=data["name"],
        points=tuple(_point(each) for each in data["points"]),
        groups=tuple(_group(each) for each in data.get("groups", ())),
        count=data.get("count", ""),
    )


def _point(data: Mapping[str, Any]) -> Point:
    return Point(
        name=data["name"],
        type=data["type"],
        size=data["size"],
        scale=data.get("sf", ""),
        units=data.get("units", ""),
        mandatory=data.get("mandatory") == "M",
        writable=data.get("access") == "RW",
        symbols={each["value"]: each["name"] for each in data.get("symbols", ())},
    )
