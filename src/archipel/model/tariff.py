"""What energy and the use of the network cost; the same record for every strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.model.grid import Floats


@final
@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices per kWh and kW. The day-ahead energy price itself is a series, see `Scenario.price_eur_per_kwh`."""

    hv_fee_eur_per_kwh: float = 0.020
    """Network fee on the area's net import at the upstream connection."""
    mv_fee_eur_per_kwh: float = 0.015
    """Network fee on each cell's own net import (its devices and network, without its child cells)."""
    lv_fee_eur_per_kwh: float = 0.035
    """Network fee on end use: load, charging of vehicles, heat; not on charging a battery."""
    peak_eur_per_kw_day: float = 0.060
    """Charge on the area's highest 15-min import of the day."""
    voll_eur_per_kwh: float = 10.0
    """Value of lost load: energy not served."""
    ev_unserved_eur_per_kwh: float = 2.0
    """What a kWh missing at departure is worth in planning."""
    comfort_eur_per_k_h: float = 1.0
    """What a kelvin-hour outside the comfort band is worth in planning."""
    co2_kg_per_kwh: float = 0.35
    """Emission factor of upstream import."""


@final
@dataclass(frozen=True, slots=True)
class Connection:
    """Firm limits at the upstream connection; both non-negative."""

    import_kw_max: float = float("inf")
    export_kw_max: float = float("inf")

    def over(self, intervals: int) -> FirmLimits:
        """The same in every interval."""
        return FirmLimits(np.full(intervals, self.import_kw_max), np.full(intervals, self.export_kw_max))


@final
@dataclass(frozen=True, slots=True, eq=False)
class FirmLimits:
    """Firm limits at a cell's boundary in every interval of a plan; non-negative, infinite where there is none."""

    import_kw: Floats
    export_kw: Floats
    """Shape (T,) each."""
