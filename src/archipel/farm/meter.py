"""Meters behind SunSpec models 201 (single phase), 202 (split phase), 203 (wye) and 204 (delta).

The load convention holds: positive is power into the cell, imported. SunSpec does not fix a meter's sign; it follows
from how the meter is installed, and ours are installed like this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from archipel.farm.device import Demand, Device, Truth
from archipel.farm.faults import Refusal, distorted
from archipel.farm.inverter_models import common, scale_for
from archipel.farm.sunspec_image import BASE_ADDRESS, SunSpecImage

_PHASES: Final = {201: "A", 202: "AB", 203: "ABC", 204: "ABC"}


@final
@dataclass(frozen=True, slots=True)
class MeterPlate:
    """Nameplate of a meter."""

    id: str
    p_kw_most: float
    """Largest flow it is made for; decides the scale of its registers."""
    model: Literal[201, 202, 203, 204] = 203
    v_nominal_v: float = 400.0
    """Line to line; of a single-phase meter line to neutral times the root of three."""
    unit: int = 1

    def __post_init__(self) -> None:
        if not self.p_kw_most > 0.0:
            raise ValueError(f"meter {self.id}: p_kw_most is {self.p_kw_most}; expected more than 0")


@final
class Meter(Device):
    """One meter. It shows `Truth.p_kw` and `Truth.q_kvar` and draws nothing itself."""

    def __init__(self, plate: MeterPlate) -> None:
        super().__init__(plate.id, unit=plate.unit)
        self.plate = plate
        w_sf = scale_for(1000.0 * plate.p_kw_most)
        phases = _PHASES[plate.model]
        totals = ("A", "PhV", "PPV", "Hz", "W", "VA", "VAR", "PF")
        per_phase = tuple(f"{name}ph{x}" for name in ("A", "PhV", "W", "VA", "VAR", "PF") for x in phases)
        scales = {"A_SF": scale_for(1000.0 * plate.p_kw_most / plate.v_nominal_v), "V_SF": scale_for(plate.v_nominal_v)}
        scales |= {"Hz_SF": -2, "W_SF": w_sf, "VA_SF": w_sf, "VAR_SF": w_sf, "PF_SF": -1, "TotWh_SF": 0}
        zero = dict.fromkeys((*totals, *per_phase, "TotWhImp", "TotWhExp", "Evt"), 0)
        lines = {201: (), 202: (), 203: ("AB", "BC", "CA"), 204: ("AB", "BC", "CA")}[plate.model]
        zero |= dict.fromkeys((f"PhVph{pair}" for pair in lines), 0)
        zero |= {"AphA": 0, "AphB": 0, "AphC": 0} if len(phases) == 3 else {}
        known = {name.removeprefix(f"{plate.model}.") for name in SunSpecImage([(plate.model, {})]).points}
        data = {name: value for name, value in {**zero, **scales}.items() if name in known}
        self.image = SunSpecImage([common("Farm meter", plate.id), (plate.model, data)])
        self._truth = Truth()
        self._e_kwh_imported = 0.0
        self._e_kwh_exported = 0.0
        self._show(0, len(self.registers))

    @property
    def base_address(self) -> int:
        """Zero-based address of 'SunS'."""
        return BASE_ADDRESS

    @property
    def registers(self) -> list[int]:
        """The chain of models."""
        return self.image.registers

    def names(self, address: int, count: int) -> tuple[str, ...]:
        """Paths of SunSpec points."""
        return self.image.names(address - BASE_ADDRESS, count)

    def demand(self) -> Demand:
        """Nothing: what it shows flows elsewhere."""
        return Demand(0.0, 0.0)

    def advance(self, dt_s: float, truth: Truth) -> None:
        """Count the energy that flowed."""
        self._truth = truth
        self._e_kwh_imported += max(truth.p_kw, 0.0) * dt_s / 3600.0
        self._e_kwh_exported += max(-truth.p_kw, 0.0) * dt_s / 3600.0

    def _order(self, address: int, values: Sequence[int]) -> Refusal | None:
        """A meter takes no orders: not one of its points is writable."""
        taken = self.image.take(address - BASE_ADDRESS, values)
        return taken if isinstance(taken, Refusal) else Refusal.ILLEGAL_ADDRESS

    def _show(self, at: int, count: int) -> None:
        del at, count
        if self.fault.frozen:
            return
        truth, phases, name = self._truth, _PHASES[self.plate.model], f"{self.plate.model}."
        p_w, q_var = 1000.0 * truth.p_kw, 1000.0 * truth.q_kvar
        s_va, n = math.hypot(p_w, q_var), len(phases)
        v_ln = truth.v_pu * self.plate.v_nominal_v / math.sqrt(3.0)
        v_ll = v_ln * (2.0 if n == 2 else math.sqrt(3.0))
        amps = s_va / (n * v_ln) if v_ln > 1.0 else 0.0
        factor = 100.0 * math.copysign(abs(p_w) / s_va if s_va > 0.0 else 1.0, p_w)
        values = {"A": n * amps, "PhV": v_ln, "PPV": v_ll, "Hz": truth.f_hz, "VA": s_va, "VAR": q_var, "PF": factor}
        values |= {"TotWhImp": 1000.0 * self._e_kwh_imported, "TotWhExp": 1000.0 * self._e_kwh_exported}
        values |= {f"PhVph{pair}": v_ll for pair in ("AB", "BC", "CA")}
        for x in phases:
            values |= {f"Aph{x}": amps, f"PhVph{x}": v_ln, f"PFph{x}": factor}
            values |= {f"VAph{x}": s_va / n, f"VARph{x}": q_var / n}
        for point, value in values.items():
            if self.image.points.get(name + point) and self.image.raw(name + point) is not None:
                self.image.show(name + point, value)
        for point, power in {"W": p_w, **{f"Wph{x}": p_w / n for x in phases}}.items():
            self.image.show(name + point, distorted(power, self.fault.reading, self.image.value(name + point)))
