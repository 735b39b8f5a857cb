"""What contradicts itself or is missing before money is split; every finding is one sentence for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from itertools import pairwise

import numpy as np

from archipel.model import PRODUCTS, SPLITS, Bools, Contract, Delivery, Floats, Portfolio

MARKET, NETWORK = "market", "network"
RESERVED = (MARKET, NETWORK)
"""Accounts that are no owner's and no portfolio's."""
_MOST_TIMES = 3


def check_portfolios(portfolios: Iterable[Portfolio], owners: Iterable[str] = ()) -> tuple[str, ...]:
    """Findings in portfolios and contracts: what contradicts itself or another; empty when all is well.

    Args:
        portfolios: All of them.
        owners: Ids of the owners known; none: not checked.
    """
    listed, known = list(portfolios), set(owners)
    contracts = [contract for portfolio in listed for contract in portfolio.contracts]
    found = [
        f"contract {key}: found {n} contracts of this id; expected one. Give each its own."
        for key, n in Counter(contract.id for contract in contracts).items()
        if n > 1
    ]
    found += [
        f"portfolio {key}: found {n} of this id; expected one"
        for key, n in Counter(portfolio.id for portfolio in listed).items()
        if n > 1
    ]
    for portfolio in listed:
        found += _portfolio(portfolio, known | {p.id for p in listed} if known else set())
    found += _rings(listed)
    taken = sorted({*known, *(p.id for p in listed), *(c.owner for c in contracts)} & set(RESERVED))
    found += [
        f"{name}: found an owner or portfolio of this id; it names an account of its own. Rename it." for name in taken
    ]
    both = sorted(known & {p.id for p in listed})
    found += [
        f"{name}: found an owner and a portfolio of this id; expected different accounts. Rename one." for name in both
    ]
    return tuple(found)


def _portfolio(portfolio: Portfolio, known: set[str]) -> list[str]:
    found = []
    if portfolio.split not in SPLITS:
        found.append(
            f"portfolio {portfolio.id}: found the split {portfolio.split}; expected one of {', '.join(SPLITS)}"
        )
    if not portfolio.contracts:
        found.append(f"portfolio {portfolio.id}: found no contract; expected at least one member")
    if known and portfolio.operator not in known:
        found.append(f"portfolio {portfolio.id}: its operator {portfolio.operator} is unknown; expected an owner")
    for contract in portfolio.contracts:
        found += [f"contract {contract.id}: {words}" for words in _contract(contract, portfolio, known)]
    return found


def _contract(contract: Contract, portfolio: Portfolio, known: set[str]) -> list[str]:
    found = []
    if contract.portfolio != portfolio.id:
        found.append(f"found the portfolio {contract.portfolio}, but it stands in {portfolio.id}; expected the same")
    if known and contract.owner not in known:
        found.append(f"its owner {contract.owner} is unknown; expected an owner or a portfolio")
    if unknown := sorted(set(contract.products) - set(PRODUCTS)):
        found.append(f"found the product {', '.join(unknown)}; expected some of {', '.join(PRODUCTS)}")
    parts = {"share": contract.share, "availability": contract.availability}
    sizes = {
        "fee_eur_per_kw_year": contract.fee_eur_per_kw_year,
        "notice_s": contract.notice_s,
        "penalty_eur_per_kwh": contract.penalty_eur_per_kwh,
    }
    found += [f"{name}: found {v}; expected 0 to 1" for name, v in parts.items() if not 0.0 <= v <= 1.0]
    found += [f"{name}: found {v}; expected 0 or more" for name, v in sizes.items() if not 0.0 <= v < np.inf]
    away = sorted(contract.away)
    found += [f"away: found the end {end} not after the start {begin}" for begin, end in away if end <= begin]
    found += [
        f"away: found {a[0]} to {a[1]} and {b[0]} to {b[1]}, which overlap; expected times apart. Join them."
        for a, b in pairwise(away)
        if b[0] < a[1]
    ]
    return found


def _rings(listed: Sequence[Portfolio]) -> list[str]:
    """Portfolios that are members of themselves."""
    parent = {portfolio.id: portfolio.parent for portfolio in listed}
    found = []
    for key, above in parent.items():
        seen, at = {key}, above
        while at and at not in seen:
            seen.add(at)
            at = parent.get(at, "")
        if at == key:
            found.append(f"portfolio {key}: found it to be a member of itself; expected a parent that is not below it")
    return found


def check_delivery(delivery: Delivery, portfolio: Portfolio) -> tuple[str, ...]:
    """Findings in what is to be settled: shapes, contracts it names, meter values, prices that are needed."""
    found = _shapes(delivery)
    if delivery.portfolio != portfolio.id:
        found.append(f"found a delivery of {delivery.portfolio}; expected one of portfolio {portfolio.id}")
    of_id = {contract.id: contract for contract in portfolio.contracts}
    if missing := [key for key in delivery.contract if key not in of_id]:
        found.append(f"portfolio {portfolio.id} has no contract {', '.join(missing)}, which its delivery names")
    found += [f"contract {key} comes {n} times" for key, n in Counter(delivery.contract).items() if n > 1]
    if found:
        return tuple(found)
    for name in ("baseline_kw", "metered_kw", "fcr_kw", "afrr_up_kw", "afrr_down_kw", "afrr_energy_kw", "cut_kw"):
        found += _numbers(delivery, name, least=None if name in _SIGNED else 0.0)
    found += _prices(delivery)
    for row, key in enumerate(delivery.contract):
        found += [
            f"contract {key} sold {product}, which it does not allow; expected only {', '.join(of_id[key].products)}"
            for product, sold in _sold(delivery, row)
            if sold and product not in of_id[key].products
        ]
    return tuple(found)


_SIGNED = ("baseline_kw", "metered_kw", "afrr_energy_kw")


def _shapes(delivery: Delivery) -> list[str]:
    contracts, quarters = len(delivery.contract), len(delivery.price_eur_per_kwh)
    found = []
    for field in fields(delivery):
        value = getattr(delivery, field.name)
        if isinstance(value, np.ndarray):
            one = field.name == "bought_kw" or "price" in field.name
            want = (quarters,) if one else (contracts, quarters)
            if value.shape != want:
                found.append(f"{field.name}: found the shape {value.shape}; expected {want}")
    if delivery.start.tzinfo is None:
        found.append(f"start: found {delivery.start} without a zone; expected UTC")
    elif delivery.start.timestamp() % 900:
        found.append(f"start: found {delivery.start}; expected the start of a quarter hour")
    return found


def _numbers(delivery: Delivery, name: str, least: float | None) -> list[str]:
    value = getattr(delivery, name)
    found = []
    for row, key in enumerate(delivery.contract):
        if (bad := ~np.isfinite(value[row])).any():
            found.append(
                f"contract {key}: {name} is missing {_when(delivery, bad)}; expected a number. Estimate it first."
            )
        elif least is not None and (value[row] < least).any():
            found.append(
                f"contract {key}: {name} is negative {_when(delivery, value[row] < least)}; expected 0 or more"
            )
    return found


def _prices(delivery: Delivery) -> list[str]:
    """A price may be missing only where nothing is priced by it. Below zero is a price like any other."""

    def some(*quantity: Floats) -> Bools:
        return np.asarray(np.any([(q != 0.0).any(axis=0) for q in quantity], axis=0))

    always = np.ones(len(delivery.price_eur_per_kwh), dtype=bool)
    needs = {
        "price_eur_per_kwh": always,
        "imbalance_price_eur_per_kwh": always,
        "fcr_price_eur_per_kw_h": some(delivery.fcr_kw),
        "afrr_up_price_eur_per_kw_h": some(delivery.afrr_up_kw),
        "afrr_down_price_eur_per_kw_h": some(delivery.afrr_down_kw),
        "afrr_energy_price_eur_per_kwh": some(delivery.afrr_energy_kw),
        "event_price_eur_per_kwh": some(delivery.cut_kw),
    }
    found = []
    for name, needed in needs.items():
        if (bad := needed & ~np.isfinite(getattr(delivery, name))).any():
            found.append(f"{name} is missing {_when(delivery, bad)}; expected a number, which may be negative")
    if (bad := ~np.isfinite(delivery.bought_kw)).any():
        found.append(f"bought_kw is missing {_when(delivery, bad)}; expected a number")
    return found


def _sold(delivery: Delivery, row: int) -> list[tuple[str, bool]]:
    reserve = (delivery.afrr_up_kw, delivery.afrr_down_kw, delivery.afrr_energy_kw)
    return [
        ("fcr", bool(delivery.fcr_kw[row].any())),
        ("afrr", any(bool(power[row].any()) for power in reserve)),
        ("event", bool(delivery.cut_kw[row].any())),
    ]


def _when(delivery: Delivery, bad: Bools) -> str:
    at = np.flatnonzero(bad)
    times = ", ".join(f"{delivery.start + timedelta(minutes=15 * int(k)):%Y-%m-%d %H:%M}" for k in at[:_MOST_TIMES])
    more = f" and {len(at) - _MOST_TIMES} more" if len(at) > _MOST_TIMES else ""
    return f"at {times}{more}"
