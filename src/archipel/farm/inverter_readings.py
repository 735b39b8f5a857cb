"""What an inverter measures, and how it shows in its models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from archipel.farm.device import Truth
from archipel.farm.faults import Fault, distorted
from archipel.farm.inverter_models import DC_V, InverterPlate, Storage
from archipel.farm.sunspec_image import SunSpecImage

_OFF, _MPPT, _THROTTLED, _STANDBY = 1, 4, 5, 8  # model 103, St
_RUNNING_701: Final = {_OFF: 0, _MPPT: 3, _THROTTLED: 4, _STANDBY: 7}
_EMPTY, _DISCHARGING, _CHARGING, _FULL, _HOLDING = 2, 3, 4, 5, 6  # model 802, ChaSt


@final
@dataclass(slots=True)
class Meters:
    """Measured state, in the generator convention."""

    soc: float | None
    p_kw_given: float = 0.0
    q_kvar_given: float = 0.0
    e_kwh_given: float = 0.0
    e_kwh_drawn: float = 0.0
    q_kvarh_given: float = 0.0
    q_kvarh_drawn: float = 0.0
    uptime_s: float = 0.0
    connected: bool = True
    throttled: bool = False

    def count(self, p_kw: float, q_kvar: float, dt_s: float, storage: Storage | None) -> None:
        """Give this power for so long; a storage, if it is this one's to count, fills or empties."""
        hours = dt_s / 3600.0
        self.p_kw_given, self.q_kvar_given = p_kw, q_kvar
        self.e_kwh_given += max(p_kw, 0.0) * hours
        self.e_kwh_drawn += max(-p_kw, 0.0) * hours
        self.q_kvarh_given += max(q_kvar, 0.0) * hours
        self.q_kvarh_drawn += max(-q_kvar, 0.0) * hours
        self.uptime_s += dt_s
        if storage is not None and self.soc is not None:
            out = max(p_kw, 0.0) / storage.efficiency_discharge - max(-p_kw, 0.0) * storage.efficiency_charge
            self.soc = min(max(self.soc - out * hours / storage.e_kwh, 0.0), 1.0)


def show(image: SunSpecImage, span: range, meters: Meters, truth: Truth, plate: InverterPlate, fault: Fault) -> None:
    """Bring the measured points in a span of registers up to date, as far as the fault lets them be true.

    Only those in the span, because a whole device has over eighty and a client reads one model at a time.
    """
    if fault.frozen:
        return
    p_w, q_var = 1000.0 * meters.p_kw_given, 1000.0 * meters.q_kvar_given
    s_va = math.hypot(p_w, q_var)
    v_ll = truth.v_pu * plate.v_nominal_v
    v_ln = v_ll / math.sqrt(3.0)
    amps = s_va / (math.sqrt(3.0) * v_ll) if v_ll > 1.0 else 0.0
    factor = math.copysign(abs(p_w) / s_va if s_va > 0.0 else 1.0, p_w)
    values = {
        **dict.fromkeys(("103.A", "701.A"), 3.0 * amps),  # model 103: the sum of the phases
        **dict.fromkeys(("701.AL1", "701.AL2", "701.AL3", "103.AphA", "103.AphB", "103.AphC"), amps),
        **dict.fromkeys(("103.PPVphAB", "103.PPVphBC", "103.PPVphCA", "701.LLV"), v_ll),
        **dict.fromkeys(("701.VL1L2", "701.VL2L3", "701.VL3L1"), v_ll),
        **dict.fromkeys(("103.PhVphA", "103.PhVphB", "103.PhVphC", "701.LNV"), v_ln),
        **dict.fromkeys(("701.VL1", "701.VL2", "701.VL3"), v_ln),
        **dict.fromkeys(("103.VA", "701.VA"), s_va),
        **dict.fromkeys(("103.VAr", "701.Var"), q_var),
        **dict.fromkeys(("701.VarL1", "701.VarL2", "701.VarL3"), q_var / 3.0),
        **dict.fromkeys(("701.VAL1", "701.VAL2", "701.VAL3"), s_va / 3.0),
        **dict.fromkeys(("103.Hz", "701.Hz"), truth.f_hz),
        "103.PF": 100.0 * factor,
        "701.PF": factor,
        "103.WH": 1000.0 * meters.e_kwh_given,
        "701.TotWhInj": 1000.0 * meters.e_kwh_given,
        "701.TotWhAbs": 1000.0 * meters.e_kwh_drawn,
        "701.TotVarhInj": 1000.0 * meters.q_kvarh_given,
        "701.TotVarhAbs": 1000.0 * meters.q_kvarh_drawn,
        "103.DCV": DC_V,
        "714.Prt.1.DCV": DC_V,
        **dict.fromkeys(("103.DCA", "714.DCA", "714.Prt.1.DCA"), p_w / DC_V),
        **dict.fromkeys(("714.DCWhInj", "714.Prt.1.DCWhInj"), 1000.0 * meters.e_kwh_given),
        **dict.fromkeys(("714.DCWhAbs", "714.Prt.1.DCWhAbs"), 1000.0 * meters.e_kwh_drawn),
        **_states(meters),
    }
    if meters.soc is not None:
        values |= _battery(image, meters, meters.soc, p_w)
    for path, value in values.items():
        if image.in_span(path, span):
            image.show(path, value)
    powers = dict.fromkeys(("103.W", "701.W", "103.DCW", "714.DCW", "714.Prt.1.DCW", "802.W"), p_w)
    powers |= dict.fromkeys(("701.WL1", "701.WL2", "701.WL3"), p_w / 3.0)
    for path, value in powers.items():
        if image.in_span(path, span):
            image.show(path, distorted(value, fault.reading, image.value(path)))


def _states(meters: Meters) -> dict[str, float]:
    if not meters.connected:
        state = _OFF
    elif meters.throttled:
        state = _THROTTLED
    else:
        state = _MPPT if abs(meters.p_kw_given) > 1e-3 else _STANDBY
    return {
        "103.St": state,
        "701.St": float(meters.connected),
        "701.InvSt": _RUNNING_701[state],
        "701.ConnSt": float(meters.connected),
    }


def _battery(image: SunSpecImage, meters: Meters, soc: float, p_w: float) -> dict[str, float]:
    """Models 713 and 802. Model 802 does not say which sign charging has; as everywhere here it is negative."""
    if abs(p_w) < 1.0:
        state = _EMPTY if soc <= 1e-6 else _FULL if soc >= 1.0 - 1e-6 else _HOLDING
    else:
        state = _DISCHARGING if p_w > 0.0 else _CHARGING
    return {
        "713.SoC": 100.0 * soc,
        "713.WHAvail": soc * image.number("713.WHRtg"),
        "802.SoC": 100.0 * soc,
        "802.DoD": 100.0 * (1.0 - soc),
        "802.ChaSt": state,
        "802.A": p_w / DC_V,
        "802.Hb": math.floor(meters.uptime_s) % 0x8000,
    }
