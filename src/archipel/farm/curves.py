"""Curves that a SunSpec inverter follows by itself: volt-var (model 705) and watt-var (model 712).

Slot 1 is the curve in force and cannot be written. A client writes another slot and asks for it with `AdptCrvReq`;
the device checks the curve then, not point by point (model definitions 705 and 712).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, Literal, final

import numpy as np

from archipel.farm.reversion import Reversion
from archipel.farm.sunspec_image import Data, SunSpecImage

_POINTS: Final = 4
_SLOTS: Final = 3
_COMPLETED, _FAILED = 1, 2

W_MAX_PCT, VAR_MAX_PCT, VAR_AVAILABLE_PCT, VA_MAX_PCT = 0, 1, 2, 3
"""What a curve's reactive power is a percentage of."""

CATEGORY_B_VOLT_VAR: Final = ((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0))
"""Default of IEEE 1547-2018, table 8, category B: (% of nominal voltage, % of VA rating, injected positive)."""

WATT_VAR: Final = ((0.0, 0.0), (20.0, 0.0), (50.0, 0.0), (100.0, -44.0))
"""Default of IEEE 1547-2018, table 9, category B, for generation: (% of rated power, % of VA rating)."""

Shape = tuple[tuple[float, float], ...]


@final
class Curve:
    """One of the two functions, with its slots and its timer."""

    def __init__(self, model: Literal[705, 712]) -> None:
        self.model = model
        self._x = "V" if model == 705 else "W"
        self.timer = Reversion(
            f"{model}.Ena",
            f"{model}.RvrtTms",
            f"{model}.RvrtRem",
            frozenset({f"{model}.AdptCrvReq", f"{model}.RvrtCrv"}),
            self._go_back,
        )

    def data(self, shape: Shape) -> Data:
        """First values of the model: switched off, `shape` in every slot, reversion to slot 2."""
        x_name, is_volt = self._x, self.model == 705
        head: dict[str, Any] = {
            "Ena": 0,
            "AdptCrvReq": 0,
            "AdptCrvRslt": _COMPLETED,
            "NPt": _POINTS,
            "NCrv": _SLOTS,
            "RvrtTms": 0,
            "RvrtRem": 0,
            "RvrtCrv": 2,
            f"{x_name}_SF": -1,
            "DeptRef_SF": -1,
        }
        if is_volt:
            head["RspTms_SF"] = -1
        curve: dict[str, Any] = {"ActPt": len(shape), "DeptRef": VA_MAX_PCT, "Pri": 1}
        if is_volt:
            curve |= {"VRef": 1000, "VRefAutoEna": 0, "RspTms": 50}
        curve["Pt"] = [{x_name: round(10 * x), "Var": round(10 * y)} for x, y in shape]
        head["Crv"] = [{**curve, "ReadOnly": int(slot == 0)} for slot in range(_SLOTS)]
        return head

    def read_only(self, path: str) -> bool:
        """Whether a point belongs to the curve in force."""
        return path.startswith(f"{self.model}.Crv.1.")

    def written(self, image: SunSpecImage, paths: frozenset[str]) -> None:
        """Some points were written: adopt a curve if that was asked for, start the timer."""
        if f"{self.model}.AdptCrvReq" in paths:
            self._adopt(image, image.raw(f"{self.model}.AdptCrvReq") or 0)
        self.timer.written(image, paths)

    def enabled(self, image: SunSpecImage) -> bool:
        """Whether the device follows it."""
        return image.raw(f"{self.model}.Ena") == 1

    def var_pct(self, image: SunSpecImage, x_pct: float) -> float:
        """Reactive power injected [% of `reference`] at `x_pct`; flat beyond the ends."""
        x, y = self._shape(image, 1)
        return float(np.interp(x_pct, x, y))

    def reference(self, image: SunSpecImage) -> int:
        """What the percentage is of, see `W_MAX_PCT` and its neighbours."""
        return image.raw(f"{self.model}.Crv.1.DeptRef") or 0

    def reactive_first(self, image: SunSpecImage) -> bool:
        """Whether active power gives way when the rating is not enough for both."""
        return image.raw(f"{self.model}.Crv.1.Pri") == 1

    def response_s(self, image: SunSpecImage) -> float:
        """Time to 90 % of the way [s]; 0: at once. Model 712 does not say."""
        return image.value("705.Crv.1.RspTms") or 0.0 if self.model == 705 else 0.0

    def _shape(self, image: SunSpecImage, slot: int) -> tuple[list[float], list[float]]:
        crv = f"{self.model}.Crv.{slot}"
        count = min(image.raw(f"{crv}.ActPt") or 0, _POINTS)
        x = [image.number(f"{crv}.Pt.{i}.{self._x}") for i in range(1, count + 1)]
        return x, [image.number(f"{crv}.Pt.{i}.Var") for i in range(1, count + 1)]

    def _adopt(self, image: SunSpecImage, slot: int) -> None:
        usable = 2 <= slot <= _SLOTS
        if usable:
            x, y = self._shape(image, slot)
            usable = len(x) >= 2 and all(a < b for a, b in pairwise(x)) and max(map(abs, y)) <= 100.0
        if usable:
            start = f"{self.model}.Crv.{slot}."
            for path in [path for path in image.points if path.startswith(start) and not path.endswith("ReadOnly")]:
                image.copy(path, f"{self.model}.Crv.1.{path.removeprefix(start)}")
        image.show(f"{self.model}.AdptCrvRslt", _COMPLETED if usable else _FAILED)

    def _go_back(self, image: SunSpecImage) -> None:
        """The reversion curve takes over; 0 switches the function off."""
        slot = image.raw(f"{self.model}.RvrtCrv") or 0
        if slot == 0:
            image.show(self.timer.enable, 0)
        else:
            self._adopt(image, slot)
