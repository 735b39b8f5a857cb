"""Transformers of the engine as two-winding transformers of a positive-sequence network.

A winding's rated voltage is turned to the line-to-line base of its bus: what counts is its ratio to the nominal voltage
between the points it lies on (phase to neutral, phase to phase, both legs of a split phase), with its solved tap. A
single-phase unit of S kVA is a three-phase unit of S kVA with the same short-circuit voltage: the same power gives the
same drop per unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np


@final
@dataclass(frozen=True, slots=True)
class Unit:
    """One two-winding transformer."""

    name: str
    """Full name in the engine (`transformer.t1`)."""
    bus: tuple[str, str]
    phases: tuple[int, ...]
    """Node numbers at its first bus."""
    s_kva: float
    v_kv: tuple[float, float]
    """Rated voltages on the line-to-line base of either bus, solved taps included [kV]."""
    r_percent: float
    x_percent: float
    no_load_percent: float
    magnetising_percent: float
    loading_max: float
    taps: tuple[float, float]
    """Solved taps [pu], already part of `v_kv`."""
    open_ends: tuple[bool, bool] = (False, False)
    between_phases: bool = False
    """Whether its windings lie between two phases."""
    members: tuple[str, ...] = ()
    """Engine names of the units merged into this one; itself alone where empty."""

    def beside(self, phases: int) -> Unit:
        """The same bank with so many more phases that pass it straight through."""
        if phases == 0:
            return self
        own = len(self.phases)
        share = own / (own + phases)
        taps = (share * self.taps[0] + 1.0 - share, share * self.taps[1] + 1.0 - share)
        v_kv = (self.v_kv[0] / self.taps[0] * taps[0], self.v_kv[1] / self.taps[1] * taps[1])
        return replace(self, s_kva=self.s_kva / share, v_kv=v_kv, taps=taps)


def nominal_across(kv_ln: float, theta: tuple[float, float | None], phases: int) -> float:
    """Nominal voltage between the points a winding lies on [kV].

    `theta` are the angles of their voltages; None for neutral or earth.
    """
    if phases > 1:
        return float(kv_ln * np.sqrt(3.0))
    if theta[1] is None:
        return kv_ln
    step = np.radians(30.0)
    angle = round((theta[0] - theta[1]) / step) * step
    return float(kv_ln * abs(1.0 - np.exp(1j * angle))) or kv_ln


def series_of_two(r: list[float], kva: list[float], xhl: float) -> tuple[float, float]:
    """Resistance and reactance of two windings [% of the first winding's power]."""
    return r[0] + r[1] * kva[0] / kva[1], xhl


def series_of_centre_tap(r: list[float], kva: list[float], x: tuple[float, float, float]) -> tuple[float, float]:
    """The same where windings 2 and 3 are the halves of a centre-tapped one that share the power.

    With the star x1 = (HL + HT - LT)/2, x2 = (HL + LT - HT)/2, x3 = (HT + LT - HL)/2 of the three pairs, each half
    carries half the power: z = z1 + (z2 + z3)/4.
    """
    hl, ht, lt = x
    x1, x2, x3 = (hl + ht - lt) / 2.0, (hl + lt - ht) / 2.0, (ht + lt - hl) / 2.0
    half = r[1] * kva[0] / kva[1] + r[2] * kva[0] / kva[2]
    return r[0] + half / 4.0, x1 + (x2 + x3) / 4.0


def merge(units: list[Unit]) -> Unit:
    """Units between the same two buses as one: powers add up, impedances lie side by side, taps take their mean."""
    first = units[0]
    if len(units) == 1:
        return first
    s = np.array([unit.s_kva for unit in units])
    z = np.array([complex(unit.r_percent, unit.x_percent) for unit in units])
    together = s.sum() / (s / z).sum()

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=s))

    return Unit(
        first.name,
        first.bus,
        tuple(sorted({phase for unit in units for phase in unit.phases})),
        float(s.sum()),
        (mean([unit.v_kv[0] for unit in units]), mean([unit.v_kv[1] for unit in units])),
        together.real,
        together.imag,
        mean([unit.no_load_percent for unit in units]),
        mean([unit.magnetising_percent for unit in units]),
        mean([unit.loading_max for unit in units]),
        (mean([unit.taps[0] for unit in units]), mean([unit.taps[1] for unit in units])),
        first.open_ends,
        first.between_phases,
        tuple(unit.name for unit in units),
    )
