"""What grid codes ask of sources, as data: curves, response times, limits at which to trip.

Values: IEEE Std 1547-2018, default settings of tables 8 (volt-var), 10 (volt-watt), 11 to 13 and 18 (trips), 14 to 16
(cessation), 22 to 24 (frequency droop), as EPRI's `opender` has them; VDE-AR-N 4105:2018-11, 5.7.2.4 (Q(U)), 5.7.4.2
(P(f)) and 6.5 (trips).
Network operators choose other values inside the codes' ranges: `dataclasses.replace` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from archipel.model import Floats


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """Trips what it belongs to once the quantity has been beyond `value` for `after_s`."""

    quantity: Literal["f_hz", "v_pu"]
    side: Literal["below", "above"]
    value: float
    after_s: float


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """Straight lines through points, level beyond the ends."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    response_s: float
    """Time to 90 % of the final value after a step (open-loop response time), a first-order lag of 1/2.303 of it."""

    def __call__(self, x: Floats) -> Floats:
        """The curve at any array of values."""
        return np.asarray(np.interp(x, self.x, self.y))

    @property
    def lag_s(self) -> float:
        """Time constant of the first-order lag."""
        return float(self.response_s / np.log(10.0))


@final
@dataclass(frozen=True, slots=True)
class FrequencyWatt:
    """Less power above a band around nominal frequency, more below it where there is more."""

    over_hz: float
    under_hz: float
    """Half widths of the band."""
    droop: float
    """Relative frequency change, beyond the band, for the whole of the reference power."""
    of_present: bool
    """Reference power: the set-point's (VDE, generators) instead of the rating (IEEE)."""
    response_s: float

    def change(self, f_hz: Floats, f_nominal_hz: float, given_pu: Floats) -> Floats:
        """Change of the power given, per unit of rating, at these frequencies and set-points."""
        over = np.maximum(f_hz - f_nominal_hz - self.over_hz, 0.0)
        under = np.maximum(f_nominal_hz - self.under_hz - f_hz, 0.0)
        per_hz = (np.abs(given_pu) if self.of_present else 1.0) / (self.droop * f_nominal_hz)
        return np.asarray((under - over) * per_hz)

    @property
    def lag_s(self) -> float:
        """Time constant of the first-order lag."""
        return float(self.response_s / np.log(10.0))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GridCode:
    """What one code asks. Power and reactive power *given* per unit of rating; None where a function is off."""

    name: str
    f_hz: float
    """Nominal frequency the code's limits are written for."""
    volt_var: Curve | None
    volt_watt: Curve | None
    """Upper limit of the power given."""
    frequency_watt: FrequencyWatt | None
    cease: tuple[float, float]
    """Outside these voltages it gives no current but stays connected."""
    limits: tuple[Limit, ...]

    def at(self, f_hz: float) -> GridCode:
        """The same code in a system of another nominal frequency: its frequencies scaled."""
        k = f_hz / self.f_hz
        watt = self.frequency_watt
        return replace(
            self,
            f_hz=f_hz,
            frequency_watt=watt and replace(watt, over_hz=watt.over_hz * k, under_hz=watt.under_hz * k),
            limits=tuple(replace(x, value=x.value * k) if x.quantity == "f_hz" else x for x in self.limits),
        )


def _limits(*rows: tuple[Literal["f_hz", "v_pu"], Literal["below", "above"], float, float]) -> tuple[Limit, ...]:
    return tuple(Limit(*row) for row in rows)


_F_1547 = _limits(
    ("f_hz", "above", 62.0, 0.16), ("f_hz", "above", 61.2, 300.0),
    ("f_hz", "below", 58.5, 300.0), ("f_hz", "below", 56.5, 0.16),
)  # fmt: skip
_OVER_1547 = _limits(("v_pu", "above", 1.20, 0.16))
_TRIPS_1547 = {
    "I": _limits(("v_pu", "above", 1.10, 2.0), ("v_pu", "below", 0.70, 2.0), ("v_pu", "below", 0.45, 0.16)),
    "II": _limits(("v_pu", "above", 1.10, 2.0), ("v_pu", "below", 0.70, 10.0), ("v_pu", "below", 0.45, 0.16)),
    "III": _limits(("v_pu", "above", 1.10, 13.0), ("v_pu", "below", 0.88, 21.0), ("v_pu", "below", 0.50, 2.0)),
}
_CEASE_1547 = {"I": (0.50, 1.20), "II": (0.30, 1.20), "III": (0.50, 1.10)}
"""Tables 14 to 16: cease to energise (I, II) and momentary cessation (III)."""
VOLT_VAR_1547 = {
    "A": Curve((0.90, 1.00, 1.00, 1.10), (0.25, 0.0, 0.0, -0.25), 10.0),
    "B": Curve((0.92, 0.98, 1.02, 1.08), (0.44, 0.0, 0.0, -0.44), 5.0),
}
"""Off by default in the standard; `ieee_1547(volt_var=True)` turns it on."""
VOLT_WATT_1547 = Curve((1.06, 1.10), (1.0, 0.0), 10.0)
"""Off by default in the standard. P2 is the lesser of 20 % of rating and the least power the source can give: none."""


def ieee_1547(
    abnormal: Literal["I", "II", "III"] = "III",
    normal: Literal["A", "B"] = "B",
    *,
    volt_var: bool = False,
    volt_watt: bool = False,
) -> GridCode:
    """IEEE 1547-2018 with default settings: a category of abnormal (trips) and one of normal operation (curves)."""
    return GridCode(
        name=f"IEEE 1547-2018 {abnormal} {normal}",
        f_hz=60.0,
        volt_var=VOLT_VAR_1547[normal] if volt_var else None,
        volt_watt=VOLT_WATT_1547 if volt_watt else None,
        frequency_watt=FrequencyWatt(0.036, 0.036, 0.05, of_present=False, response_s=5.0),
        cease=_CEASE_1547[abnormal],
        limits=(*_OVER_1547, *_TRIPS_1547[abnormal], *_F_1547),
    )


IEEE_1547_III_B = ieee_1547()

VDE_4105 = GridCode(
    name="VDE-AR-N 4105:2018",
    f_hz=50.0,
    volt_var=Curve((0.93, 0.97, 1.03, 1.07), (0.436, 0.0, 0.0, -0.436), 7.7),  # 3 lags in 10 s
    volt_watt=None,
    frequency_watt=FrequencyWatt(0.2, 0.2, 0.05, of_present=True, response_s=2.0),
    cease=(0.0, np.inf),
    limits=_limits(
        ("v_pu", "above", 1.25, 0.1), ("v_pu", "above", 1.10, 600.0),  # the latter as a mean over ten minutes
        ("v_pu", "below", 0.80, 1.0), ("v_pu", "below", 0.45, 0.3),
        ("f_hz", "above", 51.5, 0.1), ("f_hz", "below", 47.5, 0.1),
    ),
)  # fmt: skip
"""Curve of reactive power as the code proposes it; the network operator decides."""

ISLAND_READY = replace(
    VDE_4105,
    name="EN 50549-1, set for islands",
    volt_var=None,
    frequency_watt=FrequencyWatt(0.2, 0.2, 0.02, of_present=True, response_s=0.5),
)
"""Where full batteries may meet more sun than load, 5 % in 2 s is too flat and too slow: frequency would pass 51.5 Hz
before the sun is turned down. EN 50549-1, 4.6.1 lets the operator set 2 to 12 % and asks for an answer as fast as the
source can give it; IEEE Std 1547-2018, table 24 lets response times be set from 0.2 s (category III). Reactive power is
left to set-points."""
