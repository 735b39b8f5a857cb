"""What a strategy and the twin say to each other, and how the twin may differ from what strategies believe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, final

import numpy as np

from archipel.devices import State
from archipel.model import PRICE_PARTS, Believed, Bools, Floats


@final
@dataclass(frozen=True, slots=True)
class Truth:
    """How what happens differs from what the scenario, and so every controller, says. The default: it does not."""

    line_resistance: float = 1.0
    """Factor on the resistance of all lines."""
    battery_efficiency: float = 1.0
    """Factor on the efficiencies of all batteries, both ways; the product is kept in (0, 1]."""
    profile_noise: float = 0.0
    """Standard deviation of a factor around one on every profile column and quarter hour, drawn by the run's seed."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was metered in the step before; devices and ties in the order of the scenario."""

    v_pu: Floats
    """Shape (nodes,)."""
    loading: Floats
    """Shape (branches,)."""
    p_kw: Floats
    q_kvar: Floats
    """Shape (devices,)."""
    tripped: Bools
    """Shape (devices,)."""
    tie_p_kw: Floats
    tie_q_kvar: Floats
    """Both ends, shape (ties, 2), signs as in `StrategyResult`."""
    upstream_p_kw: float
    """Drawn from the upstream grid."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What prices are made of, for one quarter hour; NaN where there is none."""

    tie_q: Floats
    """Price of reactive power at every tie [EUR/kvarh], shape (ties,)."""
    tie_parts: Floats
    """Parts of `Decision.price`, shape (ties, parts)."""
    node: Floats
    """Price of active and reactive power at every node [EUR/kWh, EUR/kvarh], shape (nodes, 2)."""

    @staticmethod
    def none(ties: int, nodes: int) -> Priced:
        """Nothing known, in arrays of its own."""
        return Priced(np.full(ties, np.nan), np.full((ties, len(PRICE_PARTS)), np.nan), np.full((nodes, 2), np.nan))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What a strategy wants for one quarter hour; NaN means "no lease: follow the local rule"."""

    p_kw: Floats
    q_kvar: Floats
    """Setpoints, shape (devices,)."""
    price: Floats
    """Price at every tie [EUR/kWh], shape (ties,); NaN where there is none."""
    agreed_kw: Floats
    """Agreed power into the lower cell at the metered end, shape (ties,); NaN where nothing was agreed."""
    agreements: tuple[dict[str, Any], ...] = ()
    gaps: tuple[dict[str, Any], ...] = ()
    """New entries for `StrategyResult.agreements` and `.gaps`."""
    priced: Priced | None = None
    """More of the prices; None where the strategy has none."""
    believed: Believed | None = None
    """What cells believed when a plan was made right now, for `StrategyResult.believed`; else None."""

    @staticmethod
    def free(devices: int, ties: int) -> Decision:
        """No lease for anybody."""
        device, tie = np.full(devices, np.nan), np.full(ties, np.nan)
        return Decision(p_kw=device, q_kvar=device, price=tie, agreed_kw=tie)


class Strategy(Protocol):
    """Who decides."""

    @property
    def name(self) -> str:
        """Name in results: uncoordinated, alone, distributed, central, ..."""
        ...

    def decide(self, now: datetime, first_row: int, states: Mapping[str, State], last: Seen | None) -> Decision:
        """Leases for the quarter hour that starts `now`, which is row `first_row` of the profiles.

        `states` are the states of all fleets by kind, `last` what was metered in the step before (None at first).
        """
        ...
