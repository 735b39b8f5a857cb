"""Exact amounts as whole numbers: money in units of 1e-8 EUR, quantities in units of 1e-6 (kWh, kW h).

A price times an energy is rounded once, where it arises; from then on sums, parts and balances are whole numbers and
exact. At the edge they are `Decimal`.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike

from archipel.market.errors import BooksRefused
from archipel.model import Floats, Ints

EUR_DIGITS = 8
QUANTITY_DIGITS = 6
MOST = 1 << 53
"""Floats hold whole numbers exactly up to here: 90 million EUR in one amount."""


def eur_units(amount_eur: ArrayLike) -> Ints:
    """Amounts [EUR] as whole numbers of 1e-8 EUR, halves to even. Raises BooksRefused when not finite or too large."""
    return _units(amount_eur, EUR_DIGITS, "EUR")


def quantity_units(quantity: ArrayLike) -> Ints:
    """Quantities (kWh, kW h) as whole numbers of 1e-6. Raises BooksRefused when not finite or too large."""
    return _units(quantity, QUANTITY_DIGITS, "kWh")


def _units(value: ArrayLike, digits: int, unit: str) -> Ints:
    scaled = np.rint(np.asarray(value, dtype=np.float64) * 10.0**digits)
    if not (np.abs(scaled) < MOST).all():  # also NaN
        worst = np.asarray(value).ravel()[int(np.argmax(~(np.abs(scaled) < MOST)))]
        raise BooksRefused(f"found an amount of {worst} {unit}; expected a number below {MOST / 10.0**digits:.0f}")
    return scaled.astype(np.int64)


def as_eur(units: int) -> Decimal:
    """A whole number of 1e-8 EUR in EUR, exact."""
    return Decimal(int(units)).scaleb(-EUR_DIGITS)


def as_quantity(units: int) -> Decimal:
    """A whole number of 1e-6 in kWh or kW h, exact."""
    return Decimal(int(units)).scaleb(-QUANTITY_DIGITS)


def exact_units(value: Decimal, digits: int, what: str) -> int:
    """An exact decimal as a whole number of its last digit. Raises BooksRefused when it has more digits."""
    if not value.is_finite():
        raise BooksRefused(f"{what}: found {value}; expected a number")
    units = value.scaleb(digits)
    if units != units.to_integral_value():
        raise BooksRefused(f"{what}: found {value}; expected at most {digits} decimals. Round it before it is booked.")
    if abs(units) >= 1 << 62:
        raise BooksRefused(f"{what}: found {value}; expected less than {(1 << 62) // 10**digits}")
    return int(units)


def parts_of(total: Ints, part: Floats) -> Ints:
    """Whole numbers near `part` that add up to `total`: the method of largest remainders.

    Every part is rounded down; what is then missing goes, one unit each, to those that lost most, the first of equals
    first. What the parts do not add up to beforehand is spread evenly.

    Args:
        total: Shape (G,), whole units.
        part: Wanted parts in units, shape (C, G), C at least 1; their sum should be near `total`.

    Returns:
        Shape (C, G), int64, column sums exactly `total`.

    Source:
        A. Hamilton's method, e.g. M. Balinski, H. P. Young, "Fair Representation", Yale University Press, 1982.
    """
    count = part.shape[0]
    if not np.isfinite(part).all():
        raise BooksRefused("parts of a sum: found what is not a number; expected finite parts")
    down = np.floor(part)
    whole = down.astype(np.int64)
    missing = np.asarray(total, dtype=np.int64) - whole.sum(axis=0)
    each, more = np.divmod(missing, count)
    rank = np.empty(part.shape, dtype=np.int64)
    order = np.argsort(down - part, axis=0, kind="stable")
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(count)[:, None], part.shape), axis=0)
    return np.asarray(whole + each + (rank < more), dtype=np.int64)


def apportion(total: Ints, weight: Floats, otherwise: Floats | None = None) -> Ints:
    """Split whole totals in proportion to weights, exactly.

    Args:
        total: Shape (G,), whole units of either sign.
        weight: Not negative, shape (C, G).
        otherwise: Weights where the first are all zero, shape (C, G); where these are zero too, all parts are equal.

    Returns:
        Shape (C, G); column sums are exactly `total`.
    """
    use = np.asarray(weight, dtype=np.float64)
    for other in (otherwise, np.ones_like(use)):
        if other is not None:
            use = np.where(use.sum(axis=0) > 0.0, use, other)
    return parts_of(total, np.asarray(total, dtype=np.float64) * (use / use.sum(axis=0)))
