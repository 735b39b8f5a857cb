"""Many payments as columns, for books of a million entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

import numpy as np

from archipel.market.amounts import EUR_DIGITS, QUANTITY_DIGITS, as_eur, as_quantity, exact_units
from archipel.market.errors import BooksRefused
from archipel.model import Ints, Payment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """N payments; all columns have length N. See `Payment` for what they mean."""

    id: Sequence[str]
    time_us: Sequence[int]
    """Microseconds since 1970, UTC."""
    payer: Sequence[str]
    payee: Sequence[str]
    amount: Sequence[int]
    """Whole units of 1e-8 EUR."""
    what: Sequence[str]
    quantity: Sequence[int]
    """Whole units of 1e-6."""
    unit: Sequence[str]

    def __len__(self) -> int:
        return len(self.id)

    def payments(self) -> Iterator[Payment]:
        """One by one, exact decimals."""
        for key, time_us, payer, payee, amount, what, quantity, unit in self.rows():
            yield Payment(
                key, utc(time_us), payer, payee, as_eur(amount), what, quantity=as_quantity(quantity), unit=unit
            )

    def rows(self) -> Iterator[tuple[str, int, str, str, int, str, int, str]]:
        """(id, time, payer, payee, amount, what, quantity, unit) of every payment, as plain values."""
        return zip(
            self.id, self.time_us, self.payer, self.payee, self.amount, self.what, self.quantity, self.unit, strict=True
        )


def utc(time_us: int) -> datetime:
    """The time that many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=time_us)


def microseconds(time: datetime) -> int:
    """Microseconds since 1970. Raises BooksRefused for a time without a zone."""
    if time.tzinfo is None:
        raise BooksRefused(f"found the time {time} without a zone; expected UTC")
    return (time - EPOCH) // _US


def postings(payments: Iterable[Payment]) -> Postings:
    """Columns of single payments. Raises BooksRefused for amounts that are no whole units."""
    rows = [
        (
            p.id,
            microseconds(p.time),
            p.payer,
            p.payee,
            exact_units(p.amount_eur, EUR_DIGITS, f"amount of payment {p.id}"),
            p.what,
            exact_units(p.quantity, QUANTITY_DIGITS, f"quantity of payment {p.id}"),
            p.unit,
        )
        for p in payments
    ]
    return Postings(*([list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(8)]))


def block(
    about: str,
    what: str,
    *,
    payer: Sequence[str] | str,
    payee: Sequence[str] | str,
    time_us: Sequence[int],
    amount: Ints,
    quantity: Ints,
    unit: str = "kWh",
    key: Sequence[str] | None = None,
) -> Postings:
    """Payments of one kind between C pairs of accounts at G times.

    Those of nothing for nothing, and of an account to itself, are left out.

    Args:
        about: Start of every id: what is settled.
        what: Product.
        payer, payee: One account per row, or one for all rows.
        time_us: Starts of the intervals, length G.
        amount: Shape (C, G), whole units.
        quantity: Shape (C, G), whole units.
        unit: Of the quantity.
        key: What tells rows apart in ids, length C; the accounts otherwise.
    """
    count = len(amount)
    payers = [payer] * count if isinstance(payer, str) else list(payer)
    payees = [payee] * count if isinstance(payee, str) else list(payee)
    apart = np.array([a != b for a, b in zip(payers, payees, strict=True)], dtype=bool)
    rows, groups = np.nonzero(((amount != 0) | (quantity != 0)) & apart[:, None])
    keys = list(key) if key is not None else [f"{a}>{b}" for a, b in zip(payers, payees, strict=True)]
    stamp = [f"{utc(t):%Y-%m-%dT%H:%MZ}" for t in time_us]
    head = [f"{about}/{what}/{k}/" for k in keys]
    at_row, at_group = rows.tolist(), groups.tolist()
    return Postings(
        id=[head[c] + stamp[g] for c, g in zip(at_row, at_group, strict=True)],
        time_us=[time_us[g] for g in at_group],
        payer=[payers[c] for c in at_row],
        payee=[payees[c] for c in at_row],
        amount=amount[rows, groups].tolist(),
        what=[what] * len(at_row),
        quantity=quantity[rows, groups].tolist(),
        unit=[unit] * len(at_row),
    )


def joined(many: Iterable[Postings]) -> Postings:
    """One after the other."""
    listed = list(many)
    names = ("id", "time_us", "payer", "payee", "amount", "what", "quantity", "unit")
    return Postings(*([row for part in listed for row in getattr(part, name)] for name in names))
