"""Money that changes hands: exact decimals, who pays whom for what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Payment:
    """One payment. A negative amount is paid the other way."""

    id: str
    """The same id is the same payment: seen twice, it is booked once."""
    time: datetime
    """Start of the interval it is for, UTC."""
    payer: str
    payee: str
    """Accounts: an owner's id, a portfolio's id, `market`, `network`, ..."""
    amount_eur: Decimal
    what: str
    """Product: `energy`, `imbalance`, `fcr`, `afrr_capacity`, `afrr_energy`, `network_fee`, `losses`, `share`,
    `penalty`, ..."""
    quantity: Decimal = Decimal(0)
    """In the product's unit (kWh, kW h)."""
    unit: str = "kWh"
