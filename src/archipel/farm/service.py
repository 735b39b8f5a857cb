"""When an inverter may feed the grid at all: it drops out at bad voltage or frequency, waits, and ramps back in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from archipel.farm.device import Truth
from archipel.farm.sunspec_image import Data, SunSpecImage

TRIP_V_PU: Final = (0.50, 1.20)
"""Beyond these it drops out at once: UV2 and OV2 of IEEE 1547-2018, category III. Slower trips are not modelled."""

TRIP_F_HZ: Final = (47.5, 51.5)
"""The same for frequency: VDE-AR-N 4105."""

ENTER_DATA: Final[Data] = {
    "ES": 1,
    "ESVHi": 1100,
    "ESVLo": 850,
    "ESHzHi": 5010,
    "ESHzLo": 4750,
    "ESDlyTms": 60,
    "ESRmpTms": 60,
    "ESDlyRemTms": 0,
    "V_SF": -1,
    "Hz_SF": -2,
}
"""Model 703: permitted; return between 0.85 and 1.10 pu and 47.5 and 50.1 Hz, after 60 s, over 60 s."""


@final
@dataclass(slots=True)
class Service:
    """Connected, waiting, or ramping in."""

    connected: bool = True
    wait_s: float = 0.0
    ramp_share: float = 1.0
    """Part of its rating it may use while it ramps in."""

    def advance(self, image: SunSpecImage, dt_s: float, truth: Truth) -> None:
        """Let time pass under this voltage and frequency."""
        if not self._may_stay(image, truth):
            self.connected, self.ramp_share = False, 0.0
            self.wait_s = image.number("703.ESDlyTms")
            return
        if not self.connected:
            if not self._may_enter(image, truth):
                self.wait_s = image.number("703.ESDlyTms")
                return
            self.wait_s -= dt_s
            if self.wait_s > 1e-9:
                return
            dt_s, self.wait_s, self.connected = max(-self.wait_s, 0.0), 0.0, True
        ramp_s = image.number("703.ESRmpTms")
        self.ramp_share = 1.0 if ramp_s <= 0.0 else min(1.0, self.ramp_share + dt_s / ramp_s)

    def show(self, image: SunSpecImage) -> None:
        """Bring the remaining delay up to date."""
        image.show("703.ESDlyRemTms", 0 if self.connected else math.ceil(self.wait_s - 1e-9))

    @staticmethod
    def _may_stay(image: SunSpecImage, truth: Truth) -> bool:
        return (
            image.raw("703.ES") == 1
            and TRIP_V_PU[0] <= truth.v_pu <= TRIP_V_PU[1]
            and TRIP_F_HZ[0] <= truth.f_hz <= TRIP_F_HZ[1]
        )

    @staticmethod
    def _may_enter(image: SunSpecImage, truth: Truth) -> bool:
        return image.number("703.ESVLo") <= 100.0 * truth.v_pu <= image.number("703.ESVHi") and image.number(
            "703.ESHzLo"
        ) <= truth.f_hz <= image.number("703.ESHzHi")
