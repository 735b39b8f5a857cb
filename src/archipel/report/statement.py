"""A statement: all that one account paid and received, and what its contracts asked for and got.

Amounts come from the books alone; what was asked, delivered and missed from the deliveries of the run. Positive amounts
are paid by the account, negative ones received.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from archipel.market.books import Books, Entry
from archipel.market.verification import Verified, verified
from archipel.model import ArchipelError, Contract, Delivery, Ownership, Portfolio
from archipel.report.deliveries import read_deliveries
from archipel.report.run import Run
from archipel.report.settle_run import RunSettlement, owners_of

ORDER = (
    "energy", "imbalance", "losses", "network_fee_hv", "network_fee_mv", "network_fee_lv", "network_fee_peak", "share",
    "kept_ready", "penalty_shared", "penalty", "operator", "fcr", "afrr_capacity", "afrr_energy", "event",
)  # fmt: skip
"""Products in the order of a statement; others follow by name."""
OF_MEMBERS = ("share", "kept_ready", "penalty_shared", "penalty")
"""What being a member of a portfolio brings or costs."""


@final
@dataclass(frozen=True, slots=True)
class Line:
    """All payments of one product with one other account."""

    what: str
    other: str
    pays: bool
    """Whether the account of the statement is the payer, and the quantity its own."""
    quantity: Decimal
    """Drawn, kept or delivered; below zero where energy was given."""
    unit: str
    amount_eur: Decimal
    """Positive: paid by the account of the statement."""
    price_eur: Decimal | None
    """Mean price per unit, from payer to payee; None without a quantity."""
    corrected: bool
    """Whether corrections are in it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """One contract of the account: its terms, what was asked and delivered, and what the split gave."""

    portfolio: Portfolio
    contract: Contract
    delivery: Delivery
    row: int
    """Row of the contract in the delivery."""
    verified: Verified
    result: dict[str, Any]
    """What `summary` kept of it: part, error and gain in EUR; empty when the run was settled elsewhere."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """All of one account in one run."""

    account: str
    name: str
    start: datetime
    end: datetime
    case: str
    """What was run: scenario, strategy."""
    names: Mapping[str, str]
    """Names of accounts, by id, where they have one."""
    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]
    memberships: tuple[Membership, ...]
    entries_in_books: int
    head: bytes
    """Hash of the newest entry of the books; with their number it proves them later."""

    @property
    def total_eur(self) -> Decimal:
        """Positive: to be paid by the account."""
        return sum((line.amount_eur for line in self.lines), Decimal(0))

    @property
    def gain_eur(self) -> Decimal:
        """What being a member brought over lying idle."""
        return -sum((line.amount_eur for line in self.lines if line.what in OF_MEMBERS), Decimal(0))


def statement(run: Run, strategy: str, books: Books, account: str) -> Statement:
    """The statement of one account of a settled run.

    Raises:
        ArchipelError: the books know no such account.
    """
    ownership = owners_of(run.scenario)
    names = {owner.id: owner.name or owner.id for owner in ownership.owner}
    names |= {portfolio.id: portfolio.name or portfolio.id for portfolio in ownership.portfolio}
    entries = tuple(books.entries(account))
    if not entries and account not in names:
        known = sorted({*names, *books.balances()})
        raise ArchipelError(
            f"found no account {account} in the books of {run.path.name}; expected one of {', '.join(known)}"
        )
    start = run.time(strategy)[0].astype("datetime64[us]").item().replace(tzinfo=UTC)
    return Statement(
        account=account,
        name=names.get(account, account),
        start=start,
        end=start + timedelta(minutes=15 * run.steps(strategy, "cells")),
        case=f"{run.info['scenario']['name']}, {strategy}",
        names=names,
        entries=entries,
        lines=lines_of(entries, account),
        memberships=_memberships(run, strategy, ownership, account),
        entries_in_books=len(books),
        head=books.head,
    )


def lines_of(entries: tuple[Entry, ...], account: str) -> tuple[Line, ...]:
    """Payments summed by product and other account, in the order of a statement."""
    sums: dict[tuple[str, str, bool, str], tuple[Decimal, Decimal, Decimal, bool]] = {}
    for entry in entries:
        p = entry.payment
        pays = p.payer == account
        key = (p.what, p.payee if pays else p.payer, pays, p.unit)
        quantity, amount, paid, corrected = sums.get(key, (Decimal(0), Decimal(0), Decimal(0), False))
        sums[key] = (
            quantity + p.quantity,
            amount + (p.amount_eur if pays else -p.amount_eur),
            paid + p.amount_eur,
            corrected or bool(entry.corrects),
        )
    place = {what: k for k, what in enumerate(ORDER)}
    listed = sorted(sums.items(), key=lambda item: (place.get(item[0][0], len(ORDER)), item[0]))
    return tuple(
        Line(what, other, pays, quantity, unit, amount, paid / quantity if quantity else None, corrected)
        for (what, other, pays, unit), (quantity, amount, paid, corrected) in listed
    )


def _memberships(run: Run, strategy: str, ownership: Ownership, account: str) -> tuple[Membership, ...]:
    kept = read_summary(run.path, strategy)["contracts"]
    out = []
    for delivery in read_deliveries(run.path, strategy=strategy):
        portfolio = next((p for p in ownership.portfolio if p.id == delivery.portfolio), None)
        of_id = {c.id: c for c in portfolio.contracts} if portfolio else {}
        if portfolio is None or not all(key in of_id for key in delivery.contract):
            continue  # settling such a run is refused, with words
        contracts = [of_id[key] for key in delivery.contract]
        measured = verified(delivery, contracts)
        out += [
            Membership(portfolio, contract, delivery, row, measured, kept.get(contract.id, {}))
            for row, contract in enumerate(contracts)
            if contract.owner == account
        ]
    return tuple(out)


def summary(settlement: RunSettlement) -> dict[str, Any]:
    """What a settlement found, beyond payments: by contract part, error and gain [EUR], and how the books close."""
    contracts = {}
    for one in settlement.portfolios:
        for row, contract in enumerate(one.contracts):
            contracts[contract.id] = {
                "owner": contract.owner,
                "portfolio": one.portfolio.id,
                "part_eur": float(one.part[row].sum()) / 1e8,
                "error_eur": float(one.error_eur[row].sum()),
                "confidence": one.confidence,
                "gain_eur": float(one.gain[row]) / 1e8,
                "availability": float(one.verified.availability[row]),
                "accuracy": float(one.verified.accuracy[row]),
                "asked_kwh": float(one.verified.wanted_kwh[row].sum()),
                "delivered_kwh": float(one.verified.counted_kwh[row].sum()),
                "missing_kwh": float(one.verified.missing_kwh[row].sum()),
            }
    return {
        "strategy": settlement.strategy,
        "booked_kwh": settlement.booked_kwh,
        "upstream_kwh": settlement.upstream_kwh,
        "gap": settlement.gap,
        "worse_off": [key for one in settlement.portfolios for key in one.worse_off()],
        "operator_eur": {one.portfolio.id: float(one.operator.sum()) / 1e8 for one in settlement.portfolios},
        "contracts": contracts,
    }


def write_summary(run: Path, settlement: RunSettlement) -> Path:
    """Write `settlement-<strategy>.json` into the run's folder."""
    file = run / f"settlement-{settlement.strategy}.json"
    file.write_text(json.dumps(summary(settlement), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return file


def read_summary(run: Path, strategy: str) -> dict[str, Any]:
    """What `write_summary` wrote; without contracts when it did not."""
    file = run / f"settlement-{strategy}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"contracts": {}}
    return found
