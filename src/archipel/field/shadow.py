"""What a cell in shadow would have done, and what that would have been worth: a journal entry per quarter hour.

    worth = (power metered at the own boundary - power agreed there) x day-ahead price x quarter hour

Positive when following the agreement would have been cheaper. Only where the tie upwards was agreed, in shadow, and
metered. Fees and the value of what is stored at the end are left out, so a single quarter hour says little and a day
says much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np

from archipel.controller.facts import Instant, Orders
from archipel.model import Floats

QUARTER = timedelta(minutes=15)


@final
@dataclass(slots=True)
class ShadowLog:
    """Counts through quarter hours."""

    day_ahead: Floats
    """Price [EUR/kWh] of every row of the profiles."""
    first: datetime
    """Start of the first row."""
    worth_eur: float = 0.0
    """Of all quarter hours so far."""
    _quarter: datetime | None = None
    _until_s: float = 0.0
    _seen_s: float = 0.0
    _metered_kwh: float = 0.0
    _orders: Orders = field(default_factory=dict)
    _agreed_kw: float | None = None

    def observe(
        self, now: Instant, orders: Orders, agreed_kw: float | None, metered_kw: float | None
    ) -> tuple[str, Mapping[str, Any]] | None:
        """Take one step; key and body of an entry when a quarter hour has ended."""
        quarter = self.first + (now.utc - self.first) // QUARTER * QUARTER
        entry = None
        if quarter != self._quarter:
            entry = self._ended()
            self._quarter, self._until_s, self._seen_s, self._metered_kwh = quarter, now.mono_s, 0.0, 0.0
        if metered_kw is not None:
            dt_s = now.mono_s - self._until_s
            self._seen_s += dt_s
            self._metered_kwh += metered_kw * dt_s / 3600.0
        self._until_s, self._orders, self._agreed_kw = now.mono_s, orders, agreed_kw
        return entry

    def _ended(self) -> tuple[str, Mapping[str, Any]] | None:
        if self._quarter is None:
            return None
        metered_kw = 3600.0 * self._metered_kwh / self._seen_s if self._seen_s > 0.0 else None
        worth = None
        if metered_kw is not None and self._agreed_kw is not None:
            price = float(self.day_ahead[((self._quarter - self.first) // QUARTER) % len(self.day_ahead)])
            worth = (metered_kw - self._agreed_kw) * price * 0.25
            self.worth_eur += worth
        would = {name: [None if np.isnan(value) else value for value in both] for name, both in self._orders.items()}
        body = {"would": would, "agreed_kw": self._agreed_kw, "metered_kw": metered_kw, "worth_eur": worth}
        return self._quarter.isoformat(), body
