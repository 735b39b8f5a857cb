"""What numbers are, by what their columns are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, final

Quantity = Literal["power", "energy", "price", "temperature", "speed", "irradiance"]


@final
@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and its way to ours: kW, EUR/MWh, degC, m/s, W/m2."""

    name: str
    quantity: Quantity
    factor: float = 1.0
    plus: float = 0.0
    per_interval: bool = False
    """An amount per interval, to be divided by its length in hours."""
    currency: str = "EUR"


UNITS = {
    unit.name: unit
    for unit in (
        Unit("W", "power", 1e-3), Unit("kW", "power"), Unit("MW", "power", 1e3),
        Unit("Wh", "energy", 1e-3, per_interval=True), Unit("kWh", "energy", per_interval=True),
        Unit("MWh", "energy", 1e3, per_interval=True),
        Unit("EUR/MWh", "price"), Unit("ct/kWh", "price", 10.0), Unit("EUR/kWh", "price", 1e3),
        Unit("degC", "temperature"), Unit("K", "temperature", 1.0, -273.15),
        Unit("degF", "temperature", 5.0 / 9.0, -160.0 / 9.0),
        Unit("m/s", "speed"), Unit("km/h", "speed", 1.0 / 3.6), Unit("kn", "speed", 0.514444),
        Unit("W/m2", "irradiance"), Unit("kW/m2", "irradiance", 1e3),
        Unit("Wh/m2", "irradiance", 1.0, per_interval=True), Unit("J/m2", "irradiance", 1 / 3600.0, per_interval=True),
    )
}  # fmt: skip

OF_WHAT: dict[str, tuple[Quantity, ...]] = {
    "load": ("power", "energy"),
    "pv": ("power", "energy"),
    "ev": ("energy",),
    "price": ("price",),
    "weather": ("temperature", "speed", "irradiance"),
}
_CURRENCY = re.compile(r"([A-Za-z]{3}|€|\$|£|ct|c)\s*/\s*([kKM])Wh")
_WORDS = (
    (r"(?<![A-Za-z])MWh(?![A-Za-z/])", "MWh"), (r"(?<![A-Za-z])[kK][wW][hH](?![A-Za-z/])", "kWh"),
    (r"(?<![A-Za-z])W[hH](?![A-Za-z/])", "Wh"),
    (r"(?<![A-Za-z])[kK]W\s*/\s*m(2|²|\^2)", "kW/m2"), (r"(?<![A-Za-z])W\s*/\s*m(2|²|\^2)", "W/m2"),
    (r"(?<![A-Za-z])Wh\s*/\s*m(2|²|\^2)", "Wh/m2"), (r"(?<![A-Za-z])J\s*/\s*m(2|²|\^2)", "J/m2"),
    (r"(?i)(?<![a-z])w_per_m2", "W/m2"), (r"(?i)(?<![a-z])m_per_s(?![a-z])", "m/s"),
    (r"(?<![A-Za-z])MW(?![A-Za-z/])", "MW"), (r"(?<![A-Za-z])[kK][wW](?![A-Za-z/])", "kW"),
    (r"(?:^|[\[(\s_])W(?:$|[\])\s])", "W"), (r"(?i)_wh$", "Wh"), (r"(?i)_mwh$", "MWh"), (r"(?i)_kwh$", "kWh"),
    (r"(?i)_mw$", "MW"), (r"_w$", "W"),
    (r"(?i)°\s*C|deg\s*C|celsius|(?<![a-z])_c$", "degC"), (r"(?i)°\s*F|deg\s*F|fahrenheit", "degF"),
    (r"[\[(]K[\])]", "K"), (r"(?i)(?<![a-z])m\s*/\s*s(?![a-z])", "m/s"), (r"(?i)km\s*/\s*h", "km/h"),
    (r"(?i)[\[(](kn|knots)[\])]", "kn"),
)  # fmt: skip


def named(header: str) -> Unit | None:
    """The unit that a header or a word names; None where it names none."""
    if header in UNITS:
        return UNITS[header]
    plain = re.sub(r"(?i)_per_", "/", re.sub(r"(?i)price_?", "", header))
    money = _CURRENCY.search(plain)
    if money:
        word, size = money[1], money[2]
        if word in {"ct", "c"}:
            return UNITS["ct/kWh"] if size in "kK" else None
        currency = {"€": "EUR", "$": "USD", "£": "GBP"}.get(word, word.upper())
        return Unit(f"{currency}/{'k' if size in 'kK' else 'M'}Wh", "price", 1e3 if size in "kK" else 1.0,
                    currency=currency)  # fmt: skip
    for pattern, name in _WORDS:
        if re.search(pattern, header):
            return UNITS[name]
    return None


def without_unit(header: str) -> str:
    """A header without the unit at its end: `M17 [kWh]` is meter M17."""
    bare = re.sub(r"\s*[\[(][^\])]*[\])]\s*$", "", header).strip()
    return re.sub(r"(?<=.)[\s_](?:[kM]?Wh?)$", "", bare).strip() or header
