"""Who owns what, and the contracts by which resources of several owners act as one.

    owner --contract--> portfolio --(member of)--> portfolio

A contract names devices by cell and kind. It says what may be asked of them (products), what is published about them,
how the result is shared, how much notice is due, when the owner stays out, and what not delivering costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, final

import numpy as np

from archipel.model.grid import Bools, Ints

Product = Literal["energy", "fcr", "afrr", "congestion", "event"]
"""What a portfolio may sell or be asked for: energy on the day-ahead market, frequency containment, frequency
restoration, a band of power at the substation, a reduction on demand."""
PRODUCTS: tuple[Product, ...] = ("energy", "fcr", "afrr", "congestion", "event")
Split = Literal["pro_rata", "marginal", "shapley"]
"""How members share: by what they delivered, by what the rest would have earned less, by the mean of that over every
order of joining (L. S. Shapley, 1953)."""
SPLITS: tuple[Split, ...] = ("pro_rata", "marginal", "shapley")


@final
@dataclass(frozen=True, slots=True)
class Owner:
    """A person or company whose devices these are."""

    id: str
    name: str = ""


@final
@dataclass(frozen=True, slots=True)
class Contract:
    """What one owner lets one portfolio do."""

    id: str
    owner: str
    portfolio: str
    products: tuple[Product, ...]
    cells: tuple[str, ...] = ()
    """Cells whose devices are meant; none: all cells where the owner has some."""
    kinds: tuple[str, ...] = ()
    """Kinds of devices that are meant; none: all that the owner has."""
    share: float = 1.0
    """Part of what the split gives this member that is paid out; the rest is the operator's."""
    fee_eur_per_kw_year: float = 0.0
    """Paid for power kept ready, used or not."""
    notice_s: float = 0.0
    """Time between a request and the first answer that is due."""
    away: tuple[tuple[datetime, datetime], ...] = ()
    """Times [start, end) in which the owner stays out, UTC."""
    penalty_eur_per_kwh: float = 0.0
    """Paid by the member for what was promised and not delivered."""
    availability: float = 0.95
    """Least share of the time the member's devices are to answer, 0..1."""


@final
@dataclass(frozen=True, slots=True)
class Portfolio:
    """Resources of several owners that act as one."""

    id: str
    name: str
    operator: str
    """Owner that runs it, bids, and keeps what contracts leave."""
    split: Split
    contracts: tuple[Contract, ...]
    parent: str = ""
    """Portfolio that this one is a member of; empty for none."""


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """Prices beside the day-ahead price, the same in every hour, and the network's part in local trade."""

    fcr_eur_per_kw_h: float = 0.012
    """Paid for symmetric power kept for frequency containment."""
    afrr_up_eur_per_kw_h: float = 0.006
    afrr_down_eur_per_kw_h: float = 0.006
    """Paid for power kept for frequency restoration."""
    afrr_energy_eur_per_kwh: float = 0.060
    """Paid for energy called upward beyond the day-ahead price, and for energy called downward below it."""
    imbalance_eur_per_kwh: float = 0.030
    """What energy beyond the position costs more, and energy short of it earns less, than the day-ahead price."""
    event_eur_per_kwh: float = 0.300
    """Paid for energy not drawn in an event."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ownership:
    """Owners, whose every cell and device is, and the portfolios they have joined."""

    owner: tuple[Owner, ...] = ()
    cell_owner: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """For every cell the row of its owner (who runs its network)."""
    device_owner: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """For every device of `Scenario.device_id` the row of its owner."""
    portfolio: tuple[Portfolio, ...] = ()
    device_contract: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """For every device the row in `contracts` of the one contract that may ask it; -1 for none."""
    terms: Terms = field(default_factory=Terms)

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Contracts of all portfolios, in their order."""
        return tuple(contract for portfolio in self.portfolio for contract in portfolio.contracts)

    def devices_of(self, contract_id: str) -> Bools:
        """Which devices the contract may ask, shape (devices,)."""
        row = next(i for i, contract in enumerate(self.contracts) if contract.id == contract_id)
        return np.asarray(self.device_contract == row)
