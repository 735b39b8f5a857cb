"""What a cell reads, what may be wrong with it, and which readings it believes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from archipel.twin.faults.village import Place

OLDEST_S = 3.0
"""Readings older than this are not believed."""


def spoilt(value: float, how: str) -> float:
    """A reading with a fault of the instrument."""
    match how:
        case "nan":
            return math.nan
        case "large":
            return value * 1000.0
        case "sign":
            return -value
    return value


def plausible(value: float, low: float, high: float) -> bool:
    """A number that can be: no instrument reads outside what the equipment can do."""
    return low <= value <= high  # false for NaN


@final
@dataclass(slots=True)
class Instruments:
    """The instruments of one cell: its battery's state of charge and the power of its ties."""

    here: Place
    metered: tuple[str, ...]
    """Ties."""
    faulty: dict[str, str] = field(default_factory=dict)
    """stale, nan, large or sign, by instrument (`soc` or a tie)."""
    _soc: float = math.nan
    _soc_s: float = -math.inf
    _tie: dict[str, tuple[float, float]] = field(default_factory=dict)

    def soc(self, true: float, now_s: float) -> tuple[float, str]:
        """State of charge as believed, and why it cannot be when it cannot."""
        how = self.faulty.get("soc", "")
        if how != "stale":
            self._soc, self._soc_s = (spoilt(true, how) if how else true), now_s
        if now_s - self._soc_s > OLDEST_S:
            return self._soc, f"battery/{self.here.name}: no reading for {now_s - self._soc_s:.0f} s"
        if not plausible(self._soc, 0.0, 1.0):
            return self._soc, f"battery/{self.here.name}: found a state of charge of {self._soc}; expected 0 to 1"
        return self._soc, ""

    def ties(self, true_kw: Mapping[str, float], now_s: float) -> dict[str, float]:
        """The powers of ties as their meters show them; the controller knows what cannot be."""
        out = {}
        for tie in self.metered:
            if tie not in true_kw:
                continue
            value = true_kw[tie]
            if self.faulty and (how := self.faulty.get(tie)) is not None:
                value, at_s = self._tie.get(tie, (value, now_s)) if how == "stale" else (spoilt(value, how), now_s)
                self._tie.setdefault(tie, (value, at_s))
                if now_s - at_s > OLDEST_S:
                    continue
            elif tie in self._tie:
                del self._tie[tie]
            out[tie] = value
        return out
