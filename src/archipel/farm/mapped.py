"""Chargers, heat pumps, sheddable loads and switches on the Archipel register map (those between two live grids are in
`two_grids`), the device's side of its contract.

no lease: fallback  --command-->  setpoint, `remaining` counts down  --nobody writes-->  fallback
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from archipel.farm.device import Demand, Device, Truth
from archipel.farm.faults import Refusal, distorted
from archipel.farm.motion import moved
from archipel.model.register_map import (
    BASE_ADDRESS,
    COMMAND,
    FALLBACK,
    MAGIC,
    NO_LIMIT,
    REGISTERS,
    SIDES,
    SIZE,
    UNKNOWN,
    VALID_FOR_S_MAX,
    VERSION,
    Kind,
    Register,
    Result,
    State,
)

_BY_NAME: Final = {register.name: register for register in REGISTERS}
_COMMAND: Final = (COMMAND[0].offset, COMMAND[-1].end)
_FALLBACK: Final = (FALLBACK[0].offset, FALLBACK[-1].end)
_NEWER_MOST: Final = 0x7FFF


@final
@dataclass(frozen=True, slots=True)
class MappedPlate:
    """Nameplate of a device on the Archipel map."""

    id: str
    kind: Kind
    p_kw: float
    """Most it can draw; for a switch what may flow through it."""
    p_kw_least: float = 0.0
    """Least it can draw when it runs."""
    q_kvar: float = 0.0
    """Reactive power it can set, either sign."""
    power_factor: float = 1.0
    """Of what it draws when nobody sets its reactive power; inductive."""
    v_nominal_v: float = 400.0
    fallback_kw: float | None = None
    """What it follows without a lease; None: its own rule. A switch: 1 closed, 0 open, None as it is."""
    closed: bool = True
    """Switches: how it stands at the start."""
    settle_s: float = 2.0
    """Time to 90 % of a step of power."""
    unit: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.p_kw_least <= self.p_kw:
            raise ValueError(
                f"device {self.id}: p_kw_least {self.p_kw_least}, p_kw {self.p_kw}; expected 0 <= p_kw_least <= p_kw"
            )
        if not 0.0 < self.power_factor <= 1.0:
            raise ValueError(f"device {self.id}: power_factor {self.power_factor}; expected above 0, at most 1")


class MappedDevice(Device):
    """One device on the map."""

    def __init__(self, plate: MappedPlate) -> None:
        super().__init__(plate.id, unit=plate.unit)
        self.plate = plate
        self._registers = [0] * SIZE
        self._truth = Truth()
        self._p_kw = self._q_kvar = self._e_kwh = 0.0
        self._left_s: float | None = None
        self._sample = 0
        self._closed = plate.closed
        self._is_switch = plate.kind is Kind.SWITCH
        self.locked: Result | None = None
        """Set to LOCAL or INTERLOCKED when a person or a safety tag forbids orders; the device then refuses them."""
        self._engrave()
        self._show(0, SIZE)

    @property
    def base_address(self) -> int:
        """Zero-based address of its first register."""
        return BASE_ADDRESS

    @property
    def registers(self) -> list[int]:
        """The whole map."""
        return self._registers

    @property
    def closed(self) -> bool:
        """Whether current may flow through it; an open switch says no."""
        return self._closed or not self._is_switch

    def names(self, address: int, count: int) -> tuple[str, ...]:
        """Names of the map's registers."""
        first = address - BASE_ADDRESS
        return tuple(r.name for r in REGISTERS if r.offset < first + count and first < r.end)

    def demand(self) -> Demand:
        """What it draws now; a switch draws nothing."""
        return Demand(0.0, 0.0) if self._is_switch else Demand(self._p_kw, self._q_kvar)

    @property
    def ordered_kw(self) -> float:
        """The setpoint it was leased; NaN without a lease, for a switch, and where the lease sets no limit."""
        setpoint, _q = self._active()
        if self._is_switch or self._left_s is None or setpoint == NO_LIMIT:
            return math.nan
        return setpoint / 1000.0

    def advance(self, dt_s: float, truth: Truth) -> None:
        """Let time pass; a lease that lapses in between takes effect in between."""
        self._truth = truth
        if not self.fault.frozen:
            self._sample = (self._sample + 1) & 0xFFFF
        left_s = dt_s
        while left_s > 1e-12:
            step_s = left_s if self._left_s is None else min(left_s, self._left_s)
            self._move(step_s)
            if self._left_s is not None:
                self._left_s -= step_s
                if self._left_s <= 1e-9:
                    self._left_s = None
            left_s -= step_s
        if dt_s > 0.0:
            self._operate()

    def restart(self) -> None:
        """Lose power for a moment: no lease any more, fallback and sequence are kept."""
        self._left_s = None
        self._set("result", Result.NONE)
        self._operate()

    def _order(self, address: int, values: Sequence[int]) -> Refusal | None:
        span = (address - BASE_ADDRESS, address - BASE_ADDRESS + len(values))
        if span == _FALLBACK:
            return self._take_fallback(values)
        if span != _COMMAND:
            return Refusal.ILLEGAL_ADDRESS
        result = self._judged(values)
        if result not in {Result.ACCEPTED, Result.HELD_TO_RATING}:
            self._set("result", result)
            return Refusal.BUSY if result in {Result.LOCAL, Result.INTERLOCKED} else Refusal.ILLEGAL_VALUE
        self._registers[slice(*_COMMAND)] = values
        self._set("result", result)
        valid_for_s = self._get("valid_for") or 0
        self._left_s = float(valid_for_s) if valid_for_s > 0 else None
        self._operate()
        return None

    def _judged(self, values: Sequence[int]) -> Result:
        """What becomes of a command."""
        if self.locked is not None:
            return self.locked
        _sequence, valid_for, setpoint, q = (_decoded(r, values, _COMMAND[0]) for r in COMMAND)
        # a sequence number is never 'not known': 65535 is one like the others
        if not 1 <= (values[0] - self._registers[_COMMAND[0]]) % 0x10000 <= _NEWER_MOST:
            return Result.OLD_SEQUENCE
        if valid_for is None or valid_for > VALID_FOR_S_MAX or not self._sensible(setpoint):
            return Result.OUT_OF_RANGE
        assert setpoint is not None, "a setpoint that is not known is not sensible"
        return Result.ACCEPTED if self._held(setpoint) == setpoint and self._q_fits(q) else Result.HELD_TO_RATING

    def _take_fallback(self, values: Sequence[int]) -> Refusal | None:
        fallback, _q = (_decoded(r, values, _FALLBACK[0]) for r in FALLBACK)
        if not self._sensible(fallback):
            return Refusal.ILLEGAL_VALUE
        self._registers[slice(*_FALLBACK)] = values
        return None

    def _sensible(self, setpoint: int | None) -> bool:
        if setpoint is None:
            return False
        return not self._is_switch or setpoint in {0, 1, NO_LIMIT}

    def _held(self, setpoint: int) -> int:
        """The nearest set value it can follow."""
        if setpoint == NO_LIMIT or self._is_switch:
            return setpoint
        return min(max(setpoint, 0), round(1000.0 * self.plate.p_kw))

    def _q_fits(self, q: int | None) -> bool:
        return q is None or abs(q) <= round(1000.0 * self.plate.q_kvar)

    def _active(self) -> tuple[int, int | None]:
        """The set values it follows now."""
        held = ("setpoint", "q_setpoint") if self._left_s is not None else ("fallback", "q_fallback")
        setpoint, q = (self._get(name) for name in held)
        q_most = round(1000.0 * self.plate.q_kvar)
        known = NO_LIMIT if setpoint is None else self._held(setpoint)
        return known, None if q is None or q_most == 0 else min(max(q, -q_most), q_most)

    def _operate(self) -> None:
        """A switch goes where it is told, unless a safety tag stands."""
        setpoint, _q = self._active()
        if self._is_switch and setpoint != NO_LIMIT and self.locked is None and not self.fault.ignores_setpoints:
            self._closed = setpoint == 1

    def _move(self, dt_s: float) -> None:
        if self._is_switch:
            return
        wish = self._wish_kw()
        if wish < self.plate.p_kw_least:
            wish = 0.0
        # full power at once is what lights and heaters take; the voltage only decides between alive and dead here
        alive = self._truth.v_pu >= 0.1
        settle_s = self.plate.settle_s if alive else 0.0
        self._p_kw = moved(
            self._p_kw, wish if alive else 0.0, dt_s, settle_s=settle_s, up_per_s=math.inf, down_per_s=math.inf
        )
        _setpoint, q = self._active()
        own_q = self._p_kw * math.tan(math.acos(self.plate.power_factor))
        self._q_kvar = own_q if q is None or self.fault.ignores_setpoints else (q / 1000.0 if alive else 0.0)
        self._e_kwh += self._p_kw * dt_s / 3600.0

    def _wish_kw(self) -> float:
        """What it goes for: a limit for chargers and loads, an order for heat pumps."""
        own = self.plate.p_kw if self._truth.available_kw is None else self._truth.available_kw
        setpoint, _q = self._active()
        if setpoint == NO_LIMIT or self.fault.ignores_setpoints:
            return min(own, self.plate.p_kw)
        set_kw = setpoint / 1000.0 * self.fault.overshoot
        wish = set_kw if self.plate.kind is Kind.HEAT_PUMP else min(own, set_kw)
        return min(wish, self.plate.p_kw)

    def _show(self, at: int, count: int) -> None:
        del at, count
        active, q_active = self._active()
        self._set("remaining", 0 if self._left_s is None else math.ceil(self._left_s - 1e-9))
        self._set("active", active)
        self._set("q_active", q_active)
        if self.fault.frozen:
            return
        p_kw, q_kvar = self._p_kw, self._q_kvar
        if self._is_switch:
            p_kw, q_kvar = (self._truth.p_kw, self._truth.q_kvar) if self._closed else (0.0, 0.0)
        self._set("sample", self._sample)
        self._set("state", self._state())
        self._set("p", _rounded(distorted(1000.0 * p_kw, self.fault.reading, self._get("p"))))
        self._set("q", round(1000.0 * q_kvar))
        self._set("v", round(10.0 * self._truth.v_pu * self.plate.v_nominal_v))
        self._set("e_drawn", round(1000.0 * self._e_kwh))
        self._set("soc", None if self._truth.soc is None else round(10_000 * self._truth.soc))
        wanted, ends_in_s = self._truth.e_kwh_wanted, self._truth.ends_in_s
        self._set("e_wanted", None if wanted is None else round(1000.0 * wanted))
        self._set("ends_in", None if ends_in_s is None else round(ends_in_s))

    def _state(self) -> State:
        if self._is_switch:
            return State.CLOSED if self._closed else State.OPEN
        if self._truth.v_pu < 0.1:
            return State.OFF
        return State.RUNNING if self._p_kw > 1e-3 else State.READY

    def _engrave(self) -> None:
        """What is in the registers when it leaves the factory."""
        plate = self.plate
        fallback = NO_LIMIT if plate.fallback_kw is None else plate.fallback_kw
        if not self._is_switch and plate.fallback_kw is not None:
            fallback = round(1000.0 * plate.fallback_kw)
        for name, number in {
            "magic": MAGIC,
            "version": VERSION,
            "kind": plate.kind,
            "p_most": round(1000.0 * plate.p_kw),
            "p_least": round(1000.0 * plate.p_kw_least),
            "q_most": round(1000.0 * plate.q_kvar),
            "v_nominal": round(10.0 * plate.v_nominal_v),
            "fallback": round(fallback),
            **dict.fromkeys(("setpoint", "q_setpoint", "q_fallback", *(register.name for register in SIDES))),
        }.items():
            self._set(name, number)
        for name, text in {"maker": "Archipel", "model": plate.kind.name, "serial": plate.id}.items():
            register = _BY_NAME[name]
            padded = text.encode("ascii", "replace")[: 2 * register.length].ljust(2 * register.length, b"\0")
            words = [int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2)]
            self._registers[register.offset : register.end] = words

    def _get(self, name: str) -> int | None:
        return _decoded(_BY_NAME[name], self._registers, 0)

    def _set(self, name: str, number: int | None) -> None:
        register = _BY_NAME[name]
        if number is None:
            bits = UNKNOWN[register.type]
        else:
            top = 1 << 16 * register.length
            low, high = (1 - top // 2, top // 2 - 1) if register.type == "int32" else (0, top - 2)
            bits = min(max(number, low), high) % top
        for i in range(register.length):
            self._registers[register.offset + i] = bits >> 16 * (register.length - 1 - i) & 0xFFFF


def _decoded(register: Register, registers: Sequence[int], first: int) -> int | None:
    """The number in `registers`, of which the first one has the offset `first`; None when it is not known."""
    bits = 0
    for word in registers[register.offset - first : register.end - first]:
        bits = bits << 16 | word
    if bits == UNKNOWN[register.type]:
        return None
    signed = register.type == "int32" and bits >> 31
    return bits - (1 << 32) if signed else bits


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
