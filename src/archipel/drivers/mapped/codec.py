"""Registers of the Archipel register map to values and back. No input or output here."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from archipel.drivers.base import DeviceState, Quality, Reading, Sides
from archipel.drivers.errors import DecodeError, EncodeError
from archipel.model import register_map as table

_CODE: Final = {"uint16": "H", "uint32": "I", "int32": "i", "uint64": "Q"}

_BY_NAME: Final = {register.name: register for register in table.REGISTERS}

_STATES: Final = {
    table.State.OFF: DeviceState.OFF,
    table.State.READY: DeviceState.READY,
    table.State.RUNNING: DeviceState.RUNNING,
    table.State.FAULT: DeviceState.FAULT,
    table.State.OPEN: DeviceState.OPEN,
    table.State.CLOSED: DeviceState.CLOSED,
}

IMPLAUSIBLE_SHARE: Final = 1.5
"""A power above this multiple of the rating is not believed."""

Values = Mapping[str, int | str | None]
"""Name to value in the map's units; None is 'not known'."""


def decode(part: Sequence[table.Register], registers: Sequence[int]) -> dict[str, int | str | None]:
    """Values of a run of adjacent registers of the map, such as `register_map.MEASURED`.

    Raises:
        DecodeError: another number of registers than the part has, or one outside 0 to 65535.
    """
    size = part[-1].end - part[0].offset
    if len(registers) != size or not all(0 <= each <= 0xFFFF for each in registers):
        raise DecodeError(f"Archipel map: found {len(registers)} registers; expected {size} of 0 to 65535.")
    values: dict[str, int | str | None] = {}
    for each in part:
        at = each.offset - part[0].offset
        values[each.name] = _decode(each, registers[at : at + each.length])
    return values


def _decode(register: table.Register, registers: Sequence[int]) -> int | str | None:
    data = struct.pack(f">{len(registers)}H", *registers)
    if register.type == "string":
        return data.split(b"\0", 1)[0].decode("ascii", errors="replace").strip() or None
    (bits,) = struct.unpack(f">{_CODE[register.type].upper()}", data)
    if bits == table.UNKNOWN[register.type]:
        return None
    (number,) = struct.unpack(f">{_CODE[register.type]}", data)
    return int(number)


def encode(part: Sequence[table.Register], values: Values) -> tuple[int, ...]:
    """Registers of a run of adjacent registers of the map.

    Raises:
        EncodeError: a value does not fit its type, or is the one that means 'not known'.
    """
    data = b"".join(_encode(each, values[each.name]) for each in part)
    return struct.unpack(f">{len(data) // 2}H", data)


def _encode(register: table.Register, value: int | str | None) -> bytes:
    where = f"Archipel map: {register.name}"
    if register.type == "string":
        data = str(value or "").encode("ascii", errors="replace")
        if len(data) > 2 * register.length:
            raise EncodeError(f"{where}: found {value!r}; expected at most {2 * register.length} characters.")
        return data.ljust(2 * register.length, b"\0")
    if value is None:
        return struct.pack(f">{_CODE[register.type].upper()}", table.UNKNOWN[register.type])
    code = _CODE[register.type]
    bits = 16 * register.length
    # the lowest int32 and the highest of the others mean 'not known'
    low, high = (1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1) if code == "i" else (0, (1 << bits) - 2)
    if not isinstance(value, int) or not low <= value <= high:
        raise EncodeError(f"{where}: found {value!r} {register.unit}; expected a whole number from {low} to {high}.")
    return struct.pack(f">{code}", value)


def number(values: Values, name: str) -> int | None:
    """A value that is a number, or None."""
    value = values[name]
    return value if isinstance(value, int) else None


def meaning(name: str) -> str:
    """What the map says about a register."""
    return _BY_NAME[name].meaning


def identified(values: Values) -> table.Kind:
    """The kind of device that its identity tells.

    Raises:
        DecodeError: not of this map, of another version of it, or of an unknown kind.
    """
    if values["magic"] != table.MAGIC:
        raise DecodeError(
            f"no device of the Archipel map: found {values['magic']} at {table.BASE_ADDRESS}; "
            f"expected {table.MAGIC} ('ARPL'). Are address and unit id right?"
        )
    if values["version"] != table.VERSION:
        raise DecodeError(f"Archipel map: found version {values['version']}; expected {table.VERSION}.")
    kind = values["kind"]
    if kind not in set(table.Kind):
        raise DecodeError(f"Archipel map: kind: found {kind}; expected {meaning('kind')}.")
    return table.Kind(int(kind))


def reading(values: Values, identity: Values, *, measured_at_s: float, stale: bool) -> Reading:
    """A reading from `MEASURED` and `IDENTITY`; `stale`: whether the sample counter stood still for too long.

    Raises:
        DecodeError: a state that the map does not know.
    """
    state = values["state"]
    if state is not None and state not in set(table.State):
        raise DecodeError(f"Archipel map: state: found {state}; expected {meaning('state')}.")
    v_v, nominal_v = _per(values, "v", 10), _per(identity, "v_nominal", 10)
    p_kw, rated_kw = _per(values, "p", 1000), _per(identity, "p_most", 1000)
    soc = _per(values, "soc", 10_000)
    quality = Quality.GOOD
    if p_kw is None:
        quality = Quality.MISSING
    elif (rated_kw and abs(p_kw) > IMPLAUSIBLE_SHARE * rated_kw) or (soc is not None and soc > 1):
        quality = Quality.IMPLAUSIBLE
    elif stale:
        quality = Quality.STALE
    return Reading(
        measured_at_s=measured_at_s,
        quality=quality,
        p_kw=p_kw,
        q_kvar=_per(values, "q", 1000),
        v_v=v_v,
        v_pu=v_v / nominal_v if v_v is not None and nominal_v else None,
        soc=soc,
        e_kwh_drawn=_per(values, "e_drawn", 1000),
        e_kwh_wanted=_per(values, "e_wanted", 1000),
        ends_in_s=_per(values, "ends_in", 1),
        state=None if state is None else _STATES[table.State(int(state))],
    )


def sides(values: Values, identity: Values) -> Sides:
    """What a switch measures on both sides, from `SIDES` and `IDENTITY`."""
    nominal_v = _per(identity, "v_nominal", 10)

    def v_pu(name: str) -> float | None:
        v_v = _per(values, name, 10)
        return v_v / nominal_v if v_v is not None and nominal_v else None

    return Sides(
        v_pu("v_first"), _per(values, "f_first", 100_000), v_pu("v_second"), _per(values, "f_second", 100_000),
        _per(values, "angle", 1000),
    )  # fmt: skip


def _per(values: Values, name: str, steps: int) -> float | None:
    """A value in a unit that is `steps` of the map's; exact where a double can be."""
    value = values[name]
    return value / steps if isinstance(value, int) else None


def setpoints(order_w: float | None, q_var: float | None) -> tuple[int, int | None]:
    """`setpoint` and `q_setpoint` (or of the fallback) for watts and var; None is 'no order'.

    Raises:
        EncodeError: a power too large for the map.
    """
    watts = table.NO_LIMIT if order_w is None else round(order_w)
    if order_w is not None and abs(watts) >= table.NO_LIMIT:
        raise EncodeError(f"order: found {order_w:g} W; expected less than {table.NO_LIMIT} W.")
    return watts, None if q_var is None else round(q_var)
