"""The registers of a SunSpec device: 'SunS', the models one behind the other, the end model.

Layout and first bytes come from the published model definitions, through pysunspec2's encoder; this file adds what a
device does with them: show values at their scale, take writes to writable points, whole points only.

Points are named by their path: `704.WSet`, `704.PFWInj.PF`, `705.Crv.2.Pt.1.V` (groups count from 1).
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, final

from archipel.farm.faults import Refusal
from archipel.model.errors import ExtraMissing

BASE_ADDRESS: Final = 40000
"""Where 'SunS' stands, zero-based: the first of the three places where clients look."""

_RANGE: Final[dict[str, tuple[int, int]]] = {
    "int16": (-0x7FFF, 0x7FFF),
    "uint16": (0, 0xFFFE),
    "count": (0, 0xFFFE),
    "enum16": (0, 0xFFFE),
    "bitfield16": (0, 0x7FFF),
    "sunssf": (-10, 10),
    "int32": (-0x7FFF_FFFF, 0x7FFF_FFFF),
    "uint32": (0, 0xFFFF_FFFE),
    "bitfield32": (0, 0x7FFF_FFFF),
    "uint64": (0, 0xFFFF_FFFF_FFFF_FFFE),
}
"""What each type can say."""

_MISSING: Final[dict[str, int]] = {
    "int16": 0x8000,
    "uint16": 0xFFFF,
    "count": 0xFFFF,
    "enum16": 0xFFFF,
    "bitfield16": 0xFFFF,
    "sunssf": 0x8000,
    "int32": 0x8000_0000,
    "uint32": 0xFFFF_FFFF,
    "bitfield32": 0xFFFF_FFFF,
    "acc32": 0,
    "uint64": 0xFFFF_FFFF_FFFF_FFFF,
}
"""The bits that mean 'not implemented'."""

Data = Mapping[str, Any]
"""Values of one model's points, raw (before the scale factor); groups as mappings or lists of them."""


@final
@dataclass(frozen=True, slots=True)
class Point:
    """Where one point stands and how it is written."""

    path: str
    at: int
    """Registers from the start of its model, or of the image."""
    length: int
    type: str
    scale: int
    """Power of ten that turns the register's number into the value."""
    writable: bool
    symbols: tuple[int, ...]
    """The codes it knows, if it is an enumeration."""


@final
class SunSpecImage:
    """The registers of one device. Points that are given no value at the start are not implemented and stay so."""

    def __init__(self, models: Sequence[tuple[int, Data]]) -> None:
        content = bytearray(b"SunS")
        self.points: dict[str, Point] = {}
        for number, data in models:
            points, encoded = _model(number, json.dumps(data, sort_keys=True))
            for point in points:
                self.points[point.path] = replace(point, at=point.at + len(content) // 2)
            content += encoded
        content += b"\xff\xff\x00\x00"
        self.registers = [int.from_bytes(content[i : i + 2], "big") for i in range(0, len(content), 2)]
        self._known: dict[str, int | None] = {}  # numbers decoded since they last changed
        self._at: list[Point | None] = [None] * len(self.registers)
        for point in self.points.values():
            self._at[point.at : point.at + point.length] = [point] * point.length

    def in_span(self, path: str, span: range) -> bool:
        """Whether the device has this point and any of its registers is in the span."""
        point = self.points.get(path)
        return point is not None and point.at < span.stop and span.start < point.at + point.length

    def raw(self, path: str) -> int | None:
        """The number in the registers, signed where the type is; None when it is not implemented."""
        if path not in self._known:
            point = self.points[path]
            self._known[path] = _decoded(point.type, self.registers[point.at : point.at + point.length])
        return self._known[path]

    def value(self, path: str) -> float | None:
        """The value at its scale; None when it is not implemented."""
        raw = self.raw(path)
        return None if raw is None else raw * 10.0 ** self.points[path].scale

    def number(self, path: str) -> float:
        """The value of a point that this device does implement."""
        value = self.value(path)
        if value is None:
            raise ValueError(f"SunSpec point {path}: not implemented by this device; expected a value")
        return value

    def show(self, path: str, value: float | None) -> None:
        """Set a point to a value at its scale, cut at the ends of its type; None and NaN show as not implemented.

        A point the device's models do not have is passed over: three-phase and single-phase models differ in few.
        """
        point = self.points.get(path)
        if point is None:
            return
        if value is None or math.isnan(value):
            raw = _MISSING[point.type]
        elif point.type == "acc32":
            raw = round(value * 10.0**-point.scale) % 0x1_0000_0000  # accumulators roll over
        else:
            low, high = _RANGE[point.type]
            raw = round(min(max(value * 10.0**-point.scale, low), high))
        self._put(point, raw)

    def copy(self, source: str, target: str) -> None:
        """Copy the registers of one point to another of the same type."""
        here, there = self.points[source], self.points[target]
        self._known.pop(target, None)
        self.registers[there.at : there.at + there.length] = self.registers[here.at : here.at + here.length]

    def names(self, at: int, count: int) -> tuple[str, ...]:
        """Paths of the points these registers belong to, in order."""
        found = (point.path for point in self._at[max(at, 0) : max(at + count, 0)] if point is not None)
        return tuple(dict.fromkeys(found))

    def take(self, at: int, values: Sequence[int]) -> dict[str, int] | Refusal:
        """What a client's write means: raw numbers by path. The registers do not change yet.

        Refused are registers that belong to no writable, implemented point, parts of a point, and codes that an
        enumeration does not know.
        """
        taken: dict[str, int] = {}
        i = 0
        while i < len(values):
            point = self._at[at + i]
            if point is None or point.at != at + i or i + point.length > len(values):
                return Refusal.ILLEGAL_ADDRESS
            if not point.writable or self.raw(point.path) is None:
                return Refusal.ILLEGAL_ADDRESS
            raw = _decoded(point.type, values[i : i + point.length])
            if raw is None or (point.symbols and point.type == "enum16" and raw not in point.symbols):
                return Refusal.ILLEGAL_VALUE
            taken[point.path] = raw
            i += point.length
        return taken

    def apply(self, taken: Mapping[str, int]) -> None:
        """Let a write that was taken stand in the registers."""
        for path, raw in taken.items():
            self._put(self.points[path], raw)

    def _put(self, point: Point, raw: int) -> None:
        self._known.pop(point.path, None)
        for i in range(point.length):
            self.registers[point.at + i] = raw >> 16 * (point.length - 1 - i) & 0xFFFF


@lru_cache(maxsize=1024)
def _model(number: int, data: str) -> tuple[tuple[Point, ...], bytes]:
    """Points and first bytes of one model. Kept, because a farm has many devices of few types."""
    model = _pysunspec("sunspec2.device").Model(number, data=json.loads(data))
    if model.error_info:
        raise ValueError(f"SunSpec model {number}: {model.error_info}")
    return tuple(_points(model, f"{number}.", 0)), bytes(model.get_mb())


def _pysunspec(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExtraMissing("pysunspec2", "field", "a SunSpec device in the farm") from error


def _decoded(kind: str, registers: Iterable[int]) -> int | None:
    number = bits = 0
    for register in registers:
        number, bits = number << 16 | register, bits + 16
    if kind != "acc32" and number == _MISSING.get(kind):
        return None
    return number - (1 << bits) if kind in {"int16", "int32", "sunssf"} and number >> bits - 1 else number


def _points(group: Any, prefix: str, at: int) -> Iterator[Point]:
    """Every point of a model or group of pysunspec2, with its place in the image."""
    for name, point in group.points.items():
        definition = point.pdef
        yield Point(
            f"{prefix}{name}",
            at + point.offset,
            int(point.len),
            definition["type"],
            _scale(group, definition.get("sf")),
            definition.get("access") == "RW",
            tuple(symbol["value"] for symbol in definition.get("symbols", ())),
        )
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for number, one in enumerate(inner, start=1):
                yield from _points(one, f"{prefix}{name}.{number}.", at)
        else:
            yield from _points(inner, f"{prefix}{name}.", at)


def _scale(group: Any, source: str | int | None) -> int:
    """Exponent of a point's scale factor: a number, or the name of a point of the group or of the whole model."""
    if source is None:
        return 0
    if isinstance(source, int) or source.lstrip("-").isdigit():
        return int(source)
    holder = group.points.get(source) or group.model.points.get(source)
    return 0 if holder is None or holder.value is None else int(holder.value)
