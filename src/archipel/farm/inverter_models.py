"""What a SunSpec inverter's registers say when it leaves the factory: models 1, 103 and 701 to 714, and 802."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, final

from archipel.farm.curves import CATEGORY_B_VOLT_VAR, WATT_VAR, Curve
from archipel.farm.service import ENTER_DATA
from archipel.farm.sunspec_image import Data

DC_V: Final = 700.0
"""Voltage of the DC side; held constant."""


@final
@dataclass(frozen=True, slots=True)
class InverterPlate:
    """Nameplate of a three-phase inverter."""

    id: str
    p_kw: float
    """Active power it can give, above zero."""
    s_kva: float | None = None
    """Apparent power; None: as `p_kw`."""
    v_nominal_v: float = 400.0
    """Line to line."""
    settle_s: float = 1.0
    """Time to 90 % of a step of active or reactive power."""
    ramp_pct_per_s: int = 100
    """First value of WRmp: how fast power grows, % of the rating per second; 0: no limit."""
    unit: int = 1

    def __post_init__(self) -> None:
        if not (self.p_kw > 0.0 and (self.s_kva is None or self.s_kva >= self.p_kw)):
            raise ValueError(f"inverter {self.id}: p_kw {self.p_kw}, s_kva {self.s_kva}; expected 0 < p_kw <= s_kva")

    @property
    def s_kva_rated(self) -> float:
        """Apparent power rating."""
        return self.p_kw if self.s_kva is None else self.s_kva


@final
@dataclass(frozen=True, slots=True)
class Storage:
    """The battery behind an inverter."""

    e_kwh: float
    """Usable capacity, above zero."""
    soc: float = 0.5
    """State of charge at the start, in 0..1."""
    p_kw_charge: float | None = None
    """Most it can draw; None: as it can give."""
    efficiency_charge: float = 0.95
    efficiency_discharge: float = 0.95
    default_kw: float = 0.0
    """What it draws when no setpoint is in force: its stated default."""

    def __post_init__(self) -> None:
        if not (self.e_kwh > 0.0 and 0.0 <= self.soc <= 1.0):
            raise ValueError(f"storage: e_kwh {self.e_kwh}, soc {self.soc}; expected e_kwh > 0 and soc in 0..1")


def scale_for(most: float, *, least: int = -3) -> int:
    """Smallest scale factor at which four times `most` still fits into an int16: errors of readings need room."""
    return max(least, math.ceil(math.log10(4.0 * most / 0x7FFF)))


def _phase_a(plate: InverterPlate) -> float:
    """Rated current of one phase [A]."""
    return 1000.0 * plate.s_kva_rated / (math.sqrt(3.0) * plate.v_nominal_v)


def common(model: str, serial: str) -> tuple[int, Data]:
    """Model 1: who made it. The serial number is cut to 32 bytes."""
    short = serial.encode("ascii", "replace")[:32].decode()
    return 1, {"Mn": "Archipel", "Md": model, "Vr": "1", "SN": short, "Pad": 0x8000}


def inverter_models(
    plate: InverterPlate, storage: Storage | None, volt_var: Curve, watt_var: Curve
) -> list[tuple[int, Data]]:
    """All models of one inverter, in the order of the chain. Measured points get their first value later."""
    w_sf = scale_for(1000.0 * plate.s_kva_rated)
    a_sf = scale_for(3.0 * _phase_a(plate), least=-1)
    v_sf = scale_for(plate.v_nominal_v, least=-1)
    dc_sf = scale_for(1000.0 * plate.s_kva_rated / DC_V, least=-1)
    models: list[tuple[int, Data]] = [
        common("Farm battery" if storage else "Farm PV inverter", plate.id),
        (103, _model_103(w_sf, a_sf, v_sf)),
        (701, _model_701(w_sf, a_sf, v_sf)),
        (702, _model_702(plate, storage, w_sf, a_sf)),
        (703, ENTER_DATA),
        (704, _model_704(plate)),
        (705, volt_var.data(CATEGORY_B_VOLT_VAR)),
        (712, watt_var.data(WATT_VAR)),
    ]
    if storage is not None:
        models += [
            (713, _model_713(storage)),
            (714, _model_714(1, w_sf, dc_sf)),
            (802, _model_802(plate, storage, w_sf, dc_sf)),
        ]
    else:
        models.append((714, _model_714(0, w_sf, dc_sf)))
    return models


def _model_103(w_sf: int, a_sf: int, v_sf: int) -> Data:
    zero = ("A", "AphA", "AphB", "AphC", "PhVphA", "PhVphB", "PhVphC", "PPVphAB", "PPVphBC", "PPVphCA")
    power = ("W", "VA", "VAr", "PF", "Hz", "WH", "DCA", "DCV", "DCW", "Evt1", "Evt2")
    scales = {"A_SF": a_sf, "V_SF": v_sf, "W_SF": w_sf, "Hz_SF": -2, "VA_SF": w_sf, "VAr_SF": w_sf, "PF_SF": -1}
    dc = {"WH_SF": 0, "DCA_SF": a_sf, "DCV_SF": -1, "DCW_SF": w_sf, "Tmp_SF": 0, "TmpCab": 35, "St": 4}
    return {**dict.fromkeys(zero + power, 0), **scales, **dc}


def _model_701(w_sf: int, a_sf: int, v_sf: int) -> Data:
    scales = {"A_SF": a_sf, "V_SF": v_sf, "Hz_SF": -3, "W_SF": w_sf, "PF_SF": -3, "VA_SF": w_sf, "Var_SF": w_sf}
    return {"ACType": 2, "DERMode": 1, "Alrm": 0, **scales, "TotWh_SF": 0, "TotVarh_SF": 0, "Tmp_SF": 0, "TmpCab": 35}


def _model_702(plate: InverterPlate, storage: Storage | None, w_sf: int, a_sf: int) -> Data:
    unit = 10.0**w_sf / 1000.0
    p, s, v = round(plate.p_kw / unit), round(plate.s_kva_rated / unit), round(plate.v_nominal_v)
    charge = 0 if storage is None else round((storage.p_kw_charge or plate.p_kw) / unit)
    amps = round(_phase_a(plate) / 10.0**a_sf)
    rating = {"WMax": p, "VAMax": s, "VarMaxInj": s, "VarMaxAbs": s, "VNom": v, "AMax": amps}
    rating |= {"VMax": round(1.1 * v), "VMin": round(0.85 * v)}
    if storage is not None:
        rating |= {"WChaRteMax": charge, "WDisChaRteMax": p, "VAChaRteMax": s, "VADisChaRteMax": s}
    scales = {"W_SF": w_sf, "PF_SF": -3, "VA_SF": w_sf, "Var_SF": w_sf, "V_SF": 0, "A_SF": a_sf, "S_SF": 0}
    modes = sum(1 << bit for bit in (0, 1, 2, 3, 4, 9))  # MAX_W FIXED_W FIXED_VAR FIXED_PF VOLT_VAR WATT_VAR
    fixed = {"NorOpCatRtg": 1, "AbnOpCatRtg": 2, "CtrlModes": modes, "IntIslandCatRtg": 1}
    return {**{f"{name}Rtg": value for name, value in rating.items()}, **rating, **scales, **fixed}


def _model_704(plate: InverterPlate) -> Data:
    data: dict[str, Any] = {"WRmp": plate.ramp_pct_per_s, "WRmpRef": 1, "AntiIslEna": 1}
    for name in ("PFWInj", "PFWAbs", "WMaxLimPct", "WSet", "VarSet"):
        data |= {f"{name}Ena": 0, f"{name}EnaRvrt": 0, f"{name}RvrtTms": 0, f"{name}RvrtRem": 0}
    data |= {"WMaxLimPct": 10000, "WMaxLimPctRvrt": 10000}
    data |= {"WSetMod": 1, "WSet": 0, "WSetRvrt": 0, "WSetPct": 0, "WSetPctRvrt": 0}
    data |= {"VarSetMod": 4, "VarSetPri": 0, "VarSet": 0, "VarSetRvrt": 0, "VarSetPct": 0, "VarSetPctRvrt": 0}
    data |= {"PF_SF": -3, "WMaxLimPct_SF": -2, "WSet_SF": 0, "WSetPct_SF": -2, "VarSet_SF": 0, "VarSetPct_SF": -2}
    return data | {name: {"PF": 1000, "Ext": 0} for name in ("PFWInj", "PFWInjRvrt", "PFWAbs", "PFWAbsRvrt")}


def _model_713(storage: Storage) -> Data:
    wh_sf = max(0, math.ceil(math.log10(storage.e_kwh * 1000.0 / 0xFFFE)))
    return {"WHRtg": round(storage.e_kwh * 1000.0 / 10**wh_sf), "SoH": 1000, "Sta": 0, "WH_SF": wh_sf, "Pct_SF": -1}


def _model_714(port_type: int, w_sf: int, dc_sf: int) -> Data:
    port = {"PrtTyp": port_type, "ID": 1, "IDStr": "DC1", "DCSta": 1, "DCAlrm": 0}
    scales = {"DCA_SF": dc_sf, "DCV_SF": -1, "DCW_SF": w_sf, "DCWH_SF": 0, "Tmp_SF": 0}
    return {"PrtAlrms": 0, "NPrt": 1, **scales, "Prt": [port]}


def _model_802(plate: InverterPlate, storage: Storage, w_sf: int, dc_sf: int) -> Data:
    wh_sf = max(0, math.ceil(math.log10(storage.e_kwh * 1000.0 / 0xFFFE)))
    ah = storage.e_kwh * 1000.0 / DC_V
    ah_sf = max(-1, math.ceil(math.log10(ah / 0xFFFE)))
    unit = 10.0**w_sf / 1000.0
    return {
        "AHRtg": round(ah / 10.0**ah_sf),
        "WHRtg": round(storage.e_kwh * 1000.0 / 10**wh_sf),
        "WChaRteMax": round((storage.p_kw_charge or plate.p_kw) / unit),
        "WDisChaRteMax": round(plate.p_kw / unit),
        "SoCMax": 1000,
        "SoCMin": 0,
        "SoH": 1000,
        "LocRemCtl": 0,
        "AlmRst": 0,
        "Typ": 4,
        "State": 3,
        "V": round(10.0 * DC_V),
        "SetOp": 1,
        "SetInvState": 3,
        **dict.fromkeys(("Evt1", "Evt2", "EvtVnd1", "EvtVnd2"), 0),
        "AHRtg_SF": ah_sf,
        "WHRtg_SF": wh_sf,
        "WChaDisChaMax_SF": w_sf,
        "W_SF": w_sf,
        "A_SF": dc_sf,
        **dict.fromkeys(("SoC_SF", "DoD_SF", "SoH_SF", "V_SF"), -1),
    }
