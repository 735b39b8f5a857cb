"""What SunSpec models say was measured, turned into load convention. No input or output here.

Inverters (103, 701) count what they generate as positive: the signs are turned. The model texts say so: "Active power
is positive for DER generation and negative for absorption" (701). Meters (201 to 204) count what is imported through
them as positive, as their four quadrants say (Q1 and Q2 import reactive energy): their signs stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from archipel.drivers.base import DeviceState, Quality, Reading
from archipel.drivers.sunspec.codec import Image

INVERTERS: Final = (701, 103)
METERS: Final = (204, 203, 202, 201)
STORES: Final = (802, 713)
"""Models that tell a state of charge; of each list the first that is there is read."""

IMPLAUSIBLE_SHARE: Final = 1.5
"""A power above this multiple of the rating is not believed."""

_STATES: Final[Mapping[str, DeviceState]] = {
    "OFF": DeviceState.OFF,
    "SLEEPING": DeviceState.READY,
    "STARTING": DeviceState.READY,
    "MPPT": DeviceState.RUNNING,
    "RUNNING": DeviceState.RUNNING,
    "ON": DeviceState.RUNNING,
    "THROTTLED": DeviceState.THROTTLED,
    "SHUTTING_DOWN": DeviceState.OFF,
    "FAULT": DeviceState.FAULT,
    "STANDBY": DeviceState.READY,
}


@final
@dataclass(frozen=True, slots=True)
class Ratings:
    """What model 702 says an inverter can do; None is 'not told'."""

    p_kw_give: float | None = None
    """Most active power it gives, non-negative."""
    p_kw_draw: float | None = None
    """Most active power it draws, non-negative: 0 without a store."""
    q_kvar_give: float | None = None
    q_kvar_draw: float | None = None
    w_max: float | None = None
    """What percentages of active power refer to [W] (`WMax`)."""
    var_max_give: float | None = None
    """What percentages of given reactive power refer to [var]."""
    var_max_draw: float | None = None
    v_nominal: float | None = None
    """As the device says it [V]: line to line, or to neutral when it has one phase."""


def ratings(image: Image, *, stores: bool) -> Ratings:
    """Read model 702: settings where they are implemented, else ratings. `stores`: whether it can draw power."""

    def first(*names: str) -> float | None:
        return next((value for name in names if (value := image.number(name)) is not None), None)

    w_max = first("WMax", "WMaxRtg")
    give = first("WDisChaRteMax", "WDisChaRteMaxRtg") if stores else None
    draw = first("WChaRteMax", "WChaRteMaxRtg") if stores else 0.0
    var_give, var_draw = first("VarMaxInj", "VarMaxInjRtg"), first("VarMaxAbs", "VarMaxAbsRtg")
    return Ratings(
        p_kw_give=_kilo(w_max if give is None else give),
        p_kw_draw=_kilo(w_max if draw is None else draw),
        q_kvar_give=_kilo(var_give),
        q_kvar_draw=_kilo(var_draw),
        w_max=w_max,
        var_max_give=var_give,
        var_max_draw=var_draw,
        v_nominal=first("VNom", "VNomRtg"),
    )


def reading(
    main: Image,
    store: Image | None,
    *,
    measured_at_s: float,
    rated: Ratings,
    v_nominal_v: float | None = None,
    turned: bool = False,
) -> Reading:
    """One reading of an inverter, battery or meter.

    Args:
        main: Image of one of `INVERTERS` or `METERS`.
        store: Image of one of `STORES`, if there is one.
        measured_at_s: When it was read, on the caller's clock [s].
        rated: For plausibility and the nominal voltage.
        v_nominal_v: Nominal voltage, line to line; None to take the device's own.
        turned: A meter that is mounted the other way round.

    Raises:
        DecodeError: a scale factor is impossible.
    """
    p_w, q_var, drawn_wh, given_wh, state = _meter(main, turned) if main.model in METERS else _inverter(main)
    v_v, nominal_v = _voltages(main, rated)
    if v_nominal_v is not None:
        nominal_v = v_nominal_v
    percent = store.number("SoC") if store is not None else None
    return Reading(
        measured_at_s=measured_at_s,
        quality=_quality(p_w, percent, rated),
        p_kw=_kilo(p_w),
        q_kvar=_kilo(q_var),
        v_v=v_v,
        v_pu=v_v / nominal_v if v_v is not None and nominal_v else None,
        soc=None if percent is None else percent / 100,
        e_kwh_drawn=_kilo(drawn_wh),
        e_kwh_given=_kilo(given_wh),
        state=state,
    )


_Powers = tuple[float | None, float | None, float | None, float | None, DeviceState | None]


def _inverter(image: Image) -> _Powers:
    if image.model == 103:
        return (
            _minus(image.number("W")),
            _minus(image.number("VAr")),
            None,
            image.number("WH"),
            _STATES.get(image.symbol("St") or ""),
        )
    state = _STATES.get(image.symbol("InvSt") or image.symbol("St") or "")
    if image.symbol("ConnSt") == "DISCONNECTED" and state is not DeviceState.FAULT:
        state = DeviceState.OFF
    return (
        _minus(image.number("W")),
        _minus(image.number("Var")),
        image.number("TotWhAbs"),
        image.number("TotWhInj"),
        state,
    )


def _meter(image: Image, turned: bool) -> _Powers:
    p_w, q_var = image.number("W"), image.number("VAR")
    drawn, given = image.number("TotWhImp"), image.number("TotWhExp")
    return (_minus(p_w), _minus(q_var), given, drawn, None) if turned else (p_w, q_var, drawn, given, None)


def _voltages(image: Image, rated: Ratings) -> tuple[float | None, float | None]:
    """Measured and nominal voltage, both line to line [V]."""
    one_phase = image.model == 201 or image.symbol("ACType") == "SINGLE_PHASE"
    up = math.sqrt(3)
    nominal = None if rated.v_nominal is None else rated.v_nominal * (up if one_phase else 1)
    between = next((v for name in ("LLV", "PPV", "PPVphAB") if (v := image.number(name)) is not None), None)
    if between is not None and not one_phase:
        return between, nominal
    neutral = next((v for name in ("LNV", "PhV", "PhVphA") if (v := image.number(name)) is not None), None)
    return (None if neutral is None else neutral * up), nominal


def _quality(p_w: float | None, soc_percent: float | None, rated: Ratings) -> Quality:
    if p_w is None:
        return Quality.MISSING
    most = max(rated.p_kw_give or 0.0, rated.p_kw_draw or 0.0)
    if (most and abs(p_w) > 1000 * most * IMPLAUSIBLE_SHARE) or (soc_percent is not None and soc_percent > 105):
        return Quality.IMPLAUSIBLE
    return Quality.GOOD


def _kilo(value: float | None) -> float | None:
    return None if value is None else value / 1000


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
