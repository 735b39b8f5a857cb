"""Registers to values and back, for every SunSpec model we read. No input or output here.

Types, scale factors and 'not implemented' values: SunSpec Device Information Model Specification, version 1.1.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from archipel.drivers.errors import DecodeError, EncodeError
from archipel.drivers.sunspec.definitions import Group, Point, definition

Value = float | int | str
Rounding = Literal["nearest", "to_zero"]

_FORM: Final[Mapping[str, tuple[str, int]]] = {
    "int16": ("h", -0x8000),
    "uint16": ("H", 0xFFFF),
    "enum16": ("H", 0xFFFF),
    "bitfield16": ("H", 0xFFFF),
    "sunssf": ("h", -0x8000),
    "int32": ("i", -0x8000_0000),
    "uint32": ("I", 0xFFFF_FFFF),
    "bitfield32": ("I", 0xFFFF_FFFF),
    "acc32": ("I", 0),
    "uint64": ("Q", 0xFFFF_FFFF_FFFF_FFFF),
}
"""Form in `struct` and the value that says 'not implemented', per type of number."""

SCALE_MOST: Final = 10
"""Scale factors are -10 to 10."""


@final
@dataclass(frozen=True, slots=True)
class _Place:
    point: Point
    at: int
    """Register within the model, `ID` being 0."""
    scope: tuple[str, ...]
    """Paths of the groups around it, innermost first; the scale factor is looked for there in this order."""


@final
class Image:
    """The registers of one model, from `ID` on, and what they mean. Values are decoded when asked for.

    Points have paths: `W`, or in groups `Crv[0].Pt[2].V`. A model that is shorter than its definition (an older
    edition, or only its beginning was read) lacks its last points; a longer one has more than we know.
    """

    def __init__(self, registers: Sequence[int], *, whole: bool = True) -> None:
        """Lay the definition over the registers.

        Args:
            registers: From `ID` on, each 0 to 65535. Behind the model's end they are ignored.
            whole: Whether it is an error that there are fewer than `L` says.

        Raises:
            DecodeError: not a model we read, too short, or its counts do not fit its length.
        """
        if len(registers) < 2 or not all(0 <= each <= 0xFFFF for each in registers):
            raise DecodeError(
                f"SunSpec model: found {len(registers)} registers that are none; expected at least ID and L."
            )
        self.model, length = registers[0], registers[1]
        self.definition = definition(self.model)
        if whole and len(registers) < length + 2:
            raise DecodeError(
                f"SunSpec model {self.model}: found {len(registers)} registers; expected {length + 2}, as L says."
            )
        self.registers = tuple(registers[: length + 2])
        self._end = length + 2
        self._places: dict[str, _Place] = {}
        self._lay(self.definition, 0, "", ())

    def _lay(self, group: Group, at: int, prefix: str, scope: tuple[str, ...]) -> int:
        scope = (prefix, *scope)
        for point in group.points:
            self._places[prefix + point.name] = _Place(point, at, scope)
            at += point.size
        for inner in group.groups:
            if not inner.count:
                at = self._lay(inner, at, f"{prefix}{inner.name}.", scope)
                continue
            for number in range(self._repeats(inner, at, scope)):
                at = self._lay(inner, at, f"{prefix}{inner.name}[{number}].", scope)
        return at

    def _repeats(self, group: Group, at: int, scope: tuple[str, ...]) -> int:
        path = next(prefix + group.count for prefix in scope if prefix + group.count in self._places)
        count = self.value(path)
        if count is None:
            return 0
        room = max(0, self._end - at)
        if not isinstance(count, int) or count * group.size > room:
            raise DecodeError(
                f"SunSpec model {self.model}: {path}: found {count}; expected at most {room // group.size}, "
                f"which is what its length of {self._end - 2} has room for."
            )
        return count

    def __contains__(self, path: str) -> bool:
        return path in self._places

    @property
    def paths(self) -> tuple[str, ...]:
        """All points, in order of address."""
        return tuple(self._places)

    def place(self, path: str) -> tuple[int, Point]:
        """First register of a point within the model, and its definition. Raises `DecodeError` when there is none."""
        place = self._places.get(path)
        if place is None:
            raise DecodeError(f"SunSpec model {self.model} has no point {path}.")
        return place.at, place.point

    def raw(self, path: str) -> tuple[int, ...] | None:
        """The registers of a point; None when the model ends before it."""
        at, point = self.place(path)
        registers = self.registers[at : at + point.size]
        return registers if len(registers) == point.size else None

    def scale(self, path: str) -> int | None:
        """Power of ten of a point: 0 when it has none, None when the device does not tell it."""
        place = self._places[path]
        if not place.point.scale:
            return 0
        for prefix in place.scope:
            if prefix + place.point.scale in self._places:
                found = self.value(prefix + place.point.scale)
                return found if isinstance(found, int) else None
        raise DecodeError(
            f"SunSpec model {self.model}: {path} names a scale factor {place.point.scale} that is not there."
        )

    def value(self, path: str) -> Value | None:
        """A point in its unit; None when the device does not implement it, or not its scale factor.

        Raises:
            DecodeError: no such point, or its scale factor is not between -10 and 10.
        """
        registers = self.raw(path)
        if registers is None:
            return None
        point = self._places[path].point
        if point.type == "string":
            return text(registers)
        if point.type == "pad":
            return None
        number = _number(point.type, registers)
        if number is None:
            return None
        if point.type == "sunssf" and not -SCALE_MOST <= number <= SCALE_MOST:
            raise DecodeError(
                f"SunSpec model {self.model}: scale factor {path}: found {number}; expected -10 to 10. "
                "Is the device's register map shifted?"
            )
        scale = self.scale(path)
        return None if scale is None else scaled(number, scale)

    def number(self, path: str) -> float | None:
        """`value` of a point that is a number; None also when this model has no such point."""
        value = self.value(path) if path in self._places else None
        return None if value is None or isinstance(value, str) else float(value)

    def symbol(self, path: str) -> str | None:
        """Name of an enumeration's value; None when not implemented or without a name."""
        value = self.value(path) if path in self._places else None
        return self._places[path].point.symbols.get(value) if isinstance(value, int) else None

    def encode(
        self, path: str, value: float, *, rounding: Rounding = "nearest", step_most: float | None = None
    ) -> tuple[int, ...]:
        """Registers that say `value` [the point's unit] to this device.

        Args:
            path: A writable point that the device implements.
            value: In the point's unit.
            rounding: To the nearest step, or to the next one towards zero (for limits).
            step_most: Largest difference by rounding that is bearable; None for any.

        Raises:
            EncodeError: not writable, not implemented, out of range, or the device's steps are too coarse.
        """
        _, point = self.place(path)
        where = f"SunSpec model {self.model}: {path}"
        if not point.writable:
            raise EncodeError(f"{where} cannot be written. The published definition says it is read-only.")
        scale = self.scale(path) if self.raw(path) is not None else 0
        if scale is None or self.value(path) is None:
            missing = point.scale if scale is None else path
            raise EncodeError(f"{where}: the device does not implement {missing}, so {value:g} cannot be written.")
        return encode(point, value, scale, where=where, rounding=rounding, step_most=step_most)


def text(registers: Sequence[int]) -> str | None:
    """Text up to its first zero byte; None when there is none. Bytes that are not UTF-8 become U+FFFD."""
    data = struct.pack(f">{len(registers)}H", *registers)
    return data.split(b"\0", 1)[0].decode("utf-8", errors="replace").strip() or None


def _number(kind: str, registers: Sequence[int]) -> int | None:
    form = _FORM.get(kind)
    if form is None:
        raise DecodeError(f"SunSpec type {kind} is not one we read; expected one of {sorted(_FORM)}.")
    code, missing = form
    (number,) = struct.unpack(f">{code}", struct.pack(f">{len(registers)}H", *registers))
    return None if number == missing else int(number)


def scaled(number: int, scale: int) -> float | int:
    """`number * 10**scale`, exact where it is whole, else the nearest double."""
    return number * int(10**scale) if scale >= 0 else number / int(10**-scale)


def encode(
    point: Point,
    value: float,
    scale: int,
    *,
    where: str = "",
    rounding: Rounding = "nearest",
    step_most: float | None = None,
) -> tuple[int, ...]:
    """Registers of a number. Raises `EncodeError` as `Image.encode` does."""
    where = where or point.name
    unit = f" {point.units}" if point.units else ""
    if point.type not in _FORM:
        raise EncodeError(f"{where}: a {point.type} is not a number and is not written by us.")
    if not math.isfinite(value):
        raise EncodeError(f"{where}: found {value}; expected a finite number.")
    code, missing = _FORM[point.type]
    steps = value * 10**-scale if scale < 0 else value / 10**scale
    number = _steps(steps, rounding)
    bits = 8 * struct.calcsize(f">{code}")
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if code.islower() else (0, (1 << bits) - 1)
    low, high = low + (missing == low), high - (missing == high)
    if not low <= number <= high:
        raise EncodeError(
            f"{where}: found {value:g}{unit}; expected {scaled(low, scale):g} to {scaled(high, scale):g}{unit}, "
            f"which is all that {point.type} with scale factor {scale} can say."
        )
    if step_most is not None and abs(scaled(number, scale) - value) > step_most:
        raise EncodeError(
            f"{where}: found {value:g}{unit}; the device would take it as {scaled(number, scale):g}{unit}. "
            f"Its steps of {10.0**scale:g}{unit} are too coarse for a difference of at most {step_most:g}{unit}."
        )
    return struct.unpack(f">{bits // 16}H", struct.pack(f">{code}", number))


def _steps(steps: float, rounding: Rounding) -> int:
    nearest = round(steps)
    if rounding == "nearest" or math.isclose(steps, nearest, rel_tol=1e-12, abs_tol=1e-9):
        return nearest
    return math.trunc(steps)
