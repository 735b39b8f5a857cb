"""PV and battery inverters behind SunSpec models 1, 103, 701 to 705, 712, 714; a battery also 713 and 802.

Inside this file power counts as the registers count it, in the generator convention: `given` is positive when the
device feeds the grid. `demand()` turns the sign for the rest of the house.

Which order wins, active power: an active setpoint (WSet) before the device's own rule; on top the limit (WMaxLimPct).
Reactive power: VarSet, then power factor, then volt-var, then watt-var.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from archipel.farm import inverter_readings
from archipel.farm.curves import VA_MAX_PCT, VAR_AVAILABLE_PCT, VAR_MAX_PCT, W_MAX_PCT, Curve
from archipel.farm.device import Demand, Device, Truth
from archipel.farm.faults import Refusal
from archipel.farm.inverter_models import InverterPlate, Storage, inverter_models
from archipel.farm.inverter_readings import Meters
from archipel.farm.motion import moved
from archipel.farm.reversion import control_timers
from archipel.farm.service import Service
from archipel.farm.sunspec_image import BASE_ADDRESS, SunSpecImage

_VARS: Final = 4
_REFERENCE_OF_MODE: Final = {1: VAR_MAX_PCT, 2: VAR_AVAILABLE_PCT, 3: VA_MAX_PCT}
_AT_MOST: Final[dict[str, str | float]] = {
    "704.WMaxLimPct": 100.0,
    "704.WMaxLimPctRvrt": 100.0,
    **{f"704.{name}.PF": 1.0 for name in ("PFWInj", "PFWInjRvrt", "PFWAbs", "PFWAbsRvrt")},
    **{f"702.{name}": f"702.{name}Rtg" for name in ("WMax", "VAMax", "VarMaxInj", "VarMaxAbs")},
    **{f"702.{name}": f"702.{name}Rtg" for name in ("WChaRteMax", "WDisChaRteMax")},
}
"""Largest value, or the point that holds it; a larger one is refused. Setpoints of power are held to the rating."""


_GivesWay = Literal["active", "reactive", "both"]


@final
@dataclass(frozen=True, slots=True)
class _Reactive:
    """What an inverter does about reactive power."""

    q_kvar: float
    """Injected."""
    gives_way: _GivesWay
    """Which power shrinks when the rating is not enough for both."""
    settle_s: float


@final
class Inverter(Device):
    """One inverter: PV, or a battery when it has a storage."""

    def __init__(self, plate: InverterPlate, storage: Storage | None = None) -> None:
        super().__init__(plate.id, unit=plate.unit)
        self.plate, self.storage = plate, storage
        self._volt_var, self._watt_var = Curve(705), Curve(712)
        self.image = SunSpecImage(inverter_models(plate, storage, self._volt_var, self._watt_var))
        self._timers = (*control_timers(), self._volt_var.timer, self._watt_var.timer)
        self._service = Service()
        self._truth = Truth()
        self._meters = Meters(soc=None if storage is None else storage.soc)
        self._show(0, len(self.registers))

    @property
    def base_address(self) -> int:
        """Zero-based address of 'SunS'."""
        return BASE_ADDRESS

    @property
    def registers(self) -> list[int]:
        """The chain of models."""
        return self.image.registers

    @property
    def soc(self) -> float | None:
        """State of charge in 0..1; None for PV."""
        return self._meters.soc

    def names(self, address: int, count: int) -> tuple[str, ...]:
        """Paths of SunSpec points, such as 704.WSet."""
        return self.image.names(address - BASE_ADDRESS, count)

    def demand(self) -> Demand:
        """What it draws now."""
        return Demand(0.0 - self._meters.p_kw_given, 0.0 - self._meters.q_kvar_given)

    @property
    def ordered_kw(self) -> float:
        """The power or limit its registers hold, whether it obeys or not; NaN while none is enabled."""
        image, cap = self.image, self._kva("702.WMax")
        if image.raw("704.WSetEna") == 1:
            in_watts = image.raw("704.WSetMod") == 1
            return 0.0 - (image.number("704.WSet") / 1000.0 if in_watts else image.number("704.WSetPct") / 100.0 * cap)
        if image.raw("704.WMaxLimPctEna") == 1:
            return 0.0 - image.number("704.WMaxLimPct") / 100.0 * cap
        return math.nan

    def advance(self, dt_s: float, truth: Truth) -> None:
        """Let time pass; a timer that lapses in between takes effect in between."""
        self._truth = truth
        left_s = dt_s
        while left_s > 1e-12:
            step_s = min([left_s, *(timer.left_s for timer in self._timers if timer.left_s is not None)])
            self._move(step_s)
            for timer in self._timers:
                timer.advance(self.image, step_s)
            left_s -= step_s

    def _order(self, address: int, values: Sequence[int]) -> Refusal | None:
        taken = self.image.take(address - BASE_ADDRESS, values)
        if isinstance(taken, Refusal):
            return taken
        if any(curve.read_only(path) for path in taken for curve in (self._volt_var, self._watt_var)):
            return Refusal.ILLEGAL_ADDRESS
        for path, raw in taken.items():
            most = _AT_MOST.get(path, math.inf)
            limit = self.image.number(most) if isinstance(most, str) else most
            if raw * 10.0 ** self.image.points[path].scale > limit * (1.0 + 1e-9):
                return Refusal.ILLEGAL_VALUE
        self.image.apply(taken)
        paths = frozenset(taken)
        for curve in (self._volt_var, self._watt_var):
            curve.written(self.image, paths)
        for timer in self._timers[:-2]:  # the curves have told their own
            timer.written(self.image, paths)
        return None

    def _show(self, at: int, count: int) -> None:
        for timer in self._timers:
            timer.show(self.image)
        self._service.show(self.image)
        span = range(at, at + count)
        inverter_readings.show(self.image, span, self._meters, self._truth, self.plate, self.fault)

    def _move(self, dt_s: float) -> None:
        """Power and energy `dt_s` later, under one set of orders."""
        image, meters = self.image, self._meters
        self._service.advance(image, dt_s, self._truth)
        meters.connected = self._service.connected
        if self._truth.soc is not None and self.storage is not None:
            meters.soc = self._truth.soc
        if not self._service.connected:
            meters.count(0.0, 0.0, dt_s, None)
            return
        s_kva = self._kva("702.VAMax")
        p_wish, meters.throttled = self._active_wish()
        p_kw = self._at_once(self._moved_active(self._leaving_room(p_wish, s_kva), dt_s), dt_s)
        wish = self._reactive_wish(p_kw)
        room = _leg(s_kva, p_kw)  # while active power is still on its way it comes first, whatever the priority
        q_kvar = moved(
            meters.q_kvar_given,
            min(max(wish.q_kvar, -room), room),
            dt_s,
            settle_s=wish.settle_s,
            up_per_s=math.inf,
            down_per_s=math.inf,
        )
        q_kvar = min(max(q_kvar, -room), room)
        meters.count(p_kw, q_kvar, dt_s, None if self._truth.soc is not None else self.storage)

    def _leaving_room(self, p_wish: float, s_kva: float) -> float:
        """Active power that leaves the reactive power its room, when the rating is not enough for both."""
        wish = self._reactive_wish(p_wish)
        s_wish = math.hypot(p_wish, wish.q_kvar)
        if s_wish <= s_kva or wish.gives_way == "reactive":
            return p_wish
        if wish.gives_way == "both":
            return p_wish * s_kva / s_wish
        room = _leg(s_kva, wish.q_kvar)
        return min(max(p_wish, -room), room)

    def _active_wish(self) -> tuple[float, bool]:
        """Active power it wants to give [kW], and whether an order holds PV below what the sun gives."""
        image, obeys = self.image, not self.fault.ignores_setpoints
        cap = self._kva("702.WMax")
        if self.storage is None:
            available = self.plate.p_kw if self._truth.available_kw is None else self._truth.available_kw
            least, most = 0.0, min(available, cap)
            wish = most
        else:
            least, most = -self._kva("702.WChaRteMax"), min(self._kva("702.WDisChaRteMax"), cap)
            wish = -self.storage.default_kw
        if obeys and image.raw("704.WSetEna") == 1:
            in_watts = image.raw("704.WSetMod") == 1
            set_kw = image.number("704.WSet") / 1000.0 if in_watts else image.number("704.WSetPct") / 100.0 * cap
            wish = set_kw * self.fault.overshoot
        if obeys and image.raw("704.WMaxLimPctEna") == 1:
            wish = min(wish, image.number("704.WMaxLimPct") / 100.0 * cap * self.fault.overshoot)
        wish = min(max(wish, least), most)
        ramp = self._service.ramp_share * self.plate.p_kw
        return min(max(wish, -ramp), ramp), self.storage is None and wish < most - 1e-9

    def _moved_active(self, wish: float, dt_s: float) -> float:
        pct_per_s = self.image.value("704.WRmp") or 0.0
        up = math.inf if pct_per_s == 0.0 else pct_per_s / 100.0 * self._kva("702.WMax")
        # WRmp speaks of more generation; a battery that charges more is as hard on the grid, so it goes both ways there
        down = math.inf if self.storage is None else up
        return moved(self._meters.p_kw_given, wish, dt_s, settle_s=self.plate.settle_s, up_per_s=up, down_per_s=down)

    def _at_once(self, p_kw: float, dt_s: float) -> float:
        """What physics cuts without any settling: the sun, an empty or a full battery."""
        if self.storage is None:
            available = self._truth.available_kw
            return p_kw if available is None else min(p_kw, available)
        soc = self._meters.soc or 0.0
        hours = dt_s / 3600.0
        give = soc * self.storage.e_kwh * self.storage.efficiency_discharge / hours
        draw = (1.0 - soc) * self.storage.e_kwh / self.storage.efficiency_charge / hours
        return min(max(p_kw, -max(draw, 0.0)), max(give, 0.0))

    def _reactive_wish(self, p_kw: float) -> _Reactive:
        """What it does about reactive power while it gives `p_kw`."""
        image, obeys = self.image, not self.fault.ignores_setpoints
        settle_s = self.plate.settle_s
        if obeys and image.raw("704.VarSetEna") == 1:
            mode, first = image.raw("704.VarSetMod"), image.raw("704.VarSetPri") == 1
            if mode == _VARS:
                return self._within(image.number("704.VarSet") / 1000.0, "active" if first else "reactive", settle_s)
            share = image.number("704.VarSetPct") / 100.0
            q_kvar = share * self._reference(_REFERENCE_OF_MODE.get(mode or 0, W_MAX_PCT), p_kw, share)
            return self._within(q_kvar, "active" if first else "reactive", settle_s)
        factor = "PFWInj" if p_kw >= 0.0 else "PFWAbs"
        if obeys and image.raw(f"704.{factor}Ena") == 1:
            pf = image.number(f"704.{factor}.PF")
            q_kvar = abs(p_kw) * math.tan(math.acos(min(max(pf, 0.01), 1.0)))
            return self._within(q_kvar if image.raw(f"704.{factor}.Ext") == 0 else -q_kvar, "both", settle_s)
        w_max = self._kva("702.WMax")
        for curve, x_pct in (
            (self._volt_var, 100.0 * self._truth.v_pu),
            (self._watt_var, 100.0 * p_kw / w_max if w_max > 0.0 else 0.0),
        ):
            if curve.enabled(image):
                share = curve.var_pct(image, x_pct) / 100.0
                q_kvar = share * self._reference(curve.reference(image), p_kw, share)
                gives_way: _GivesWay = "active" if curve.reactive_first(image) else "reactive"
                return self._within(q_kvar, gives_way, curve.response_s(image) or settle_s)
        return _Reactive(0.0, "reactive", settle_s)

    def _within(self, q_kvar: float, gives_way: _GivesWay, settle_s: float) -> _Reactive:
        least, most = -self._kva("702.VarMaxAbs"), self._kva("702.VarMaxInj")
        return _Reactive(min(max(q_kvar, least), most), gives_way, settle_s)

    def _reference(self, of: int, p_kw: float, share: float) -> float:
        """What a percentage of reactive power is of [kvar]."""
        match of:
            case _ if of == VAR_MAX_PCT:
                return self._kva("702.VarMaxInj" if share >= 0.0 else "702.VarMaxAbs")
            case _ if of == VAR_AVAILABLE_PCT:
                return _leg(self._kva("702.VAMax"), p_kw)
            case _ if of == VA_MAX_PCT:
                return self._kva("702.VAMax")
            case _:
                return self._kva("702.WMax")

    def _kva(self, path: str) -> float:
        """A rating or setting of model 702, in thousands of its unit."""
        return self.image.number(path) / 1000.0


def _leg(s_kva: float, other: float) -> float:
    """The other leg of the power triangle."""
    return math.sqrt(max(s_kva * s_kva - other * other, 0.0))
