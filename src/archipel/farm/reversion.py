"""Reversion timers: a setpoint dies by itself on the device's own clock.

         write, enabled                       write again              nobody writes
    Rem  |--------- counts down --------...|  |------ from RvrtTms ------------| 0
                                                                               the Rvrt settings take over

The timer runs while its function is enabled and its reversion time is not zero; every write to one of the function's
settings starts it anew (SunSpec, DER Information Model Specification V1.0, section 3.2 and the discussion of it in
github.com/sunspec/models issue 215).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

from archipel.farm.sunspec_image import SunSpecImage


@final
@dataclass(slots=True)
class Reversion:
    """The timer of one function of one device."""

    enable: str
    """Path of the point that switches the function on."""
    time: str
    """Path of the point that says how long a setting holds [s]; 0: for ever."""
    remaining: str
    """Path of the point that shows what is left [s]."""
    settings: frozenset[str]
    """Paths whose write starts the timer, beside `enable` and `time`."""
    revert: Callable[[SunSpecImage], None]
    """Puts the reversion settings in place."""
    left_s: float | None = field(default=None, init=False)
    """None: not running."""

    def written(self, image: SunSpecImage, paths: frozenset[str]) -> None:
        """Some points were written."""
        if not paths & (self.settings | {self.enable, self.time}):
            return
        time_s = image.value(self.time) or 0.0
        self.left_s = time_s if image.raw(self.enable) == 1 and time_s > 0.0 else None

    def advance(self, image: SunSpecImage, dt_s: float) -> None:
        """Let time pass; the reversion settings take over when it is up."""
        if self.left_s is None:
            return
        self.left_s -= dt_s
        if self.left_s <= 1e-9:  # steps of a tenth of a second must add up to a second
            self.left_s = None
            self.revert(image)

    def show(self, image: SunSpecImage) -> None:
        """Bring the remaining time up to date, rounded up: it is 0 only when it is over."""
        image.show(self.remaining, 0.0 if self.left_s is None else math.ceil(self.left_s - 1e-9))


def copies(pairs: tuple[tuple[str, str], ...]) -> Callable[[SunSpecImage], None]:
    """A reversion that copies points: (from, to) each."""

    def revert(image: SunSpecImage) -> None:
        for source, target in pairs:
            image.copy(source, target)

    return revert


def control_timers() -> tuple[Reversion, ...]:
    """The timers of model 704: limit, active power, reactive power, power factor when giving and when drawing."""
    return (
        _timer("WMaxLimPct", ("WMaxLimPct",)),
        _timer("WSet", ("WSet", "WSetPct"), ("WSetMod",)),
        _timer("VarSet", ("VarSet", "VarSetPct"), ("VarSetMod", "VarSetPri")),
        _power_factor("PFWInj"),
        _power_factor("PFWAbs"),
    )


def _timer(name: str, values: tuple[str, ...], modes: tuple[str, ...] = ()) -> Reversion:
    return Reversion(
        f"704.{name}Ena",
        f"704.{name}RvrtTms",
        f"704.{name}RvrtRem",
        frozenset(f"704.{setting}" for setting in (*values, *modes)),
        copies(((f"704.{name}EnaRvrt", f"704.{name}Ena"), *((f"704.{v}Rvrt", f"704.{v}") for v in values))),
    )


def _power_factor(name: str) -> Reversion:
    return Reversion(
        f"704.{name}Ena",
        f"704.{name}RvrtTms",
        f"704.{name}RvrtRem",
        frozenset({f"704.{name}.PF", f"704.{name}.Ext"}),
        copies(
            (
                (f"704.{name}EnaRvrt", f"704.{name}Ena"),
                (f"704.{name}Rvrt.PF", f"704.{name}.PF"),
                (f"704.{name}Rvrt.Ext", f"704.{name}.Ext"),
            )
        ),
    )
