"""Settling a portfolio: from what was sold, asked and metered to payments that add up, exactly.

    owners --energy--> portfolio --energy, imbalance--> market      an owner pays for its baseline, as if idle
    market --fcr, afrr_capacity, afrr_energy--> portfolio           network --event--> portfolio
    owners --penalty--> portfolio --penalty_shared--> other owners
    portfolio --share--> owners                                     what is left over the baseline, split
    portfolio --operator--> operator --kept_ready--> owners

Every account of a portfolio ends at zero in every group of quarter hours (a day of delivery, or one quarter hour).
Power called for restoration moves the position, so that it is paid once: imbalance is metered - bought - called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.market.amounts import apportion, eur_units, parts_of, quantity_units
from archipel.market.errors import SettlementRefused
from archipel.market.postings import Postings, block, joined, microseconds
from archipel.market.settle_check import MARKET, NETWORK, check_delivery, check_portfolios
from archipel.market.settle_value import by_group, by_product, earned, game
from archipel.market.shares import Game, Shares, marginal, pro_rata, shapley
from archipel.market.verification import QUARTER_H, Verified, verified
from archipel.model import Contract, Delivery, Floats, Ints, Portfolio

HOURS_A_YEAR = 8760.0
QUARTER_US = 900_000_000


@final
@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """One portfolio, settled: C contracts, S quarter hours, G groups of them. Amounts in units of 1e-8 EUR."""

    portfolio: Portfolio
    contracts: tuple[Contract, ...]
    """In the order of `delivery.contract`."""
    delivery: Delivery
    group: Ints
    """Group of every quarter hour, shape (S,)."""
    verified: Verified
    postings: Postings
    pot: Ints
    """What was earned beyond lying idle, shape (G,)."""
    part: Ints
    """Of every contract in it by the rule of the split, before the contract's share, shape (C, G)."""
    error_eur: Floats
    """How far a part may be from the rule's true one, shape (C, G); see `shares.Shares`."""
    confidence: float
    share: Ints
    penalty: Ints
    penalty_shared: Ints
    kept_ready: Ints
    """Paid to members (penalty: by them), shape (C, G)."""

    @property
    def gain(self) -> Ints:
        """What being a member brought over lying idle, shape (C,); below zero, the member had been better off alone."""
        return np.asarray((self.share + self.penalty_shared + self.kept_ready - self.penalty).sum(axis=1))

    @property
    def operator(self) -> Ints:
        """What the operator keeps after paying for power kept ready, shape (G,)."""
        left = self.pot + self.penalty.sum(axis=0) - self.share.sum(axis=0) - self.penalty_shared.sum(axis=0)
        return np.asarray(left - self.kept_ready.sum(axis=0))

    def worse_off(self) -> tuple[str, ...]:
        """Contracts whose owners had been better off alone."""
        return tuple(c.id for c, gain in zip(self.contracts, self.gain, strict=True) if gain < 0)


def settle(
    delivery: Delivery,
    portfolio: Portfolio,
    *,
    group: Ints | None = None,
    rng: np.random.Generator | None = None,
    samples: int = 400,
    received: Ints | None = None,
) -> Settlement:
    """Settle one portfolio over S quarter hours.

    Args:
        delivery: What was sold, asked and metered.
        portfolio: The contracts and the rule of the split.
        group: Which quarter hours are booked together, shape (S,), 0 and up without a gap (`days.delivery_days`);
            every quarter hour by itself when not given. The result of a group is split as a whole.
        rng: Draws orders of joining where a split by `shapley` cannot be exact.
        samples: Orders drawn for every split.
        received: What the parent portfolio paid to this one less what it took, shape (G,), units of 1e-8 EUR; the
            market pays the parent then, and this settlement has no payments with it.

    Raises:
        SettlementRefused: contracts contradict themselves, or values are missing; it carries every finding.
        ValueError: `group` has another shape or leaves a gap.
    """
    if found := check_portfolios([portfolio]) + check_delivery(delivery, portfolio):
        raise SettlementRefused(found)
    quarters = len(delivery.price_eur_per_kwh)
    group = np.arange(quarters) if group is None else np.asarray(group)
    if group.shape != (quarters,) or (quarters and (group[0] != 0 or not np.isin(np.diff(group), (0, 1)).all())):
        raise ValueError(f"group: found {group.shape}; expected {quarters} numbers from 0 up without a gap")
    of_id = {contract.id: contract for contract in portfolio.contracts}
    contracts = tuple(of_id[key] for key in delivery.contract)
    book = _Book(delivery, portfolio, contracts, group)
    measured = verified(delivery, contracts)
    own = earned(delivery, measured)

    need = book.priced(delivery.price_eur_per_kwh, delivery.baseline_kw)
    lines = [book.member("energy", need, delivery.baseline_kw, to_member=False)]
    pot = need.sum(axis=0)
    if received is None:
        market = _market(book, delivery, measured)
        lines += [posting for posting, _ in market.values()]
        pot = pot + sum((paid for _, paid in market.values()), np.zeros_like(pot))
    else:
        pot = pot + np.asarray(received, dtype=np.int64)

    total = game(own, group)
    weight = by_group(np.abs(delivery.metered_kw), group, book.groups)
    split = _split(portfolio, total, by_product(own, measured, delivery, group), weight, rng, samples)
    rest = pot / 1e8 - split.part.sum(axis=0)  # what the bid missed the plan by, and power kept that did not come
    part = parts_of(pot, 1e8 * (split.part + pro_rata(rest, weight)))
    share = np.rint(part * np.array([[c.share] for c in contracts])).astype(np.int64)

    rate = np.array([[c.penalty_eur_per_kwh] for c in contracts])
    penalty = by_group(eur_units(rate * measured.missing_kwh), group, book.groups)
    counted = by_group(measured.counted_kwh, group, book.groups) * (penalty == 0)
    shared = np.where(counted.sum(axis=0) > 0.0, apportion(penalty.sum(axis=0), counted), 0)
    paid = np.array([[float(c.fee_eur_per_kw_year > 0.0)] for c in contracts])
    kept_kw = paid * (delivery.fcr_kw + np.maximum(delivery.afrr_up_kw, delivery.afrr_down_kw))
    ready = by_group(eur_units(_ready_rate(contracts, measured) * kept_kw * QUARTER_H), group, book.groups)

    missing, nothing = measured.missing_kwh / QUARTER_H, np.zeros_like(delivery.baseline_kw)
    left = pot + penalty.sum(axis=0) - share.sum(axis=0) - shared.sum(axis=0)
    lines += [
        book.member("penalty", penalty, missing, to_member=False),
        book.member("penalty_shared", shared, nothing, to_member=True),
        book.member("share", share, measured.counted_kwh / QUARTER_H, to_member=True),
        book.single("operator", portfolio.id, portfolio.operator, left, nothing[:1].sum(axis=0)),
        book.member("kept_ready", ready, kept_kw, to_member=True, other=portfolio.operator, unit="kW h"),
    ]
    return Settlement(
        portfolio, contracts, delivery, group, measured, joined(lines), pot, part, split.error, split.confidence,
        share, penalty, shared, ready,
    )  # fmt: skip


class _Book:
    """Turns amounts of quarter hours into payments of groups of one portfolio."""

    def __init__(self, delivery: Delivery, portfolio: Portfolio, contracts: tuple[Contract, ...], group: Ints) -> None:
        self.portfolio, self.group = portfolio.id, group
        self.groups = int(group[-1]) + 1 if len(group) else 0
        self.owner = [contract.owner for contract in contracts]
        self.key = [contract.id for contract in contracts]
        first = np.flatnonzero(np.diff(group, prepend=-1))
        self.time_us = [microseconds(delivery.start) + QUARTER_US * int(k) for k in first]

    def priced(self, price: Floats, power_kw: Floats) -> Ints:
        """Price times energy, rounded in every quarter hour and then summed up, shape (..., G)."""
        return by_group(eur_units(np.nan_to_num(price) * power_kw * QUARTER_H), self.group, self.groups)

    def member(
        self, what: str, amount: Ints, power_kw: Floats, *, to_member: bool, other: str = "", unit: str = "kWh"
    ) -> Postings:
        quantity = by_group(quantity_units(power_kw * QUARTER_H), self.group, self.groups)
        account = other or self.portfolio
        payer, payee = (account, self.owner) if to_member else (self.owner, account)
        return block(
            self.portfolio, what, payer=payer, payee=payee, time_us=self.time_us, amount=amount, quantity=quantity,
            unit=unit, key=self.key,
        )  # fmt: skip

    def single(self, what: str, payer: str, payee: str, amount: Ints, power_kw: Floats, unit: str = "kWh") -> Postings:
        quantity = by_group(quantity_units(power_kw * QUARTER_H), self.group, self.groups)
        return block(
            self.portfolio, what, payer=payer, payee=payee, time_us=self.time_us, amount=amount[None],
            quantity=quantity[None], unit=unit, key=[payee if payer == self.portfolio else payer],
        )  # fmt: skip


def _market(book: _Book, d: Delivery, measured: Verified) -> Mapping[str, tuple[Postings, Ints]]:
    """Payments with the market and the network, and what each brought the portfolio in every group."""
    called = d.afrr_energy_kw.sum(axis=0)
    off = d.metered_kw.sum(axis=0) - d.bought_kw - called
    cut = np.where(measured.due, d.cut_kw, 0.0)
    came = np.where(cut > 0.0, d.baseline_kw - d.metered_kw, 0.0).sum(axis=0)
    came = np.clip(came, 0.0, cut.sum(axis=0))
    up, down = d.afrr_up_kw.sum(axis=0), d.afrr_down_kw.sum(axis=0)
    capacity = book.priced(d.afrr_up_price_eur_per_kw_h, up) + book.priced(d.afrr_down_price_eur_per_kw_h, down)
    kinds: dict[str, tuple[Ints, Floats, bool, str, str]] = {
        "energy": (book.priced(d.price_eur_per_kwh, d.bought_kw), d.bought_kw, True, MARKET, "kWh"),
        "imbalance": (book.priced(d.imbalance_price_eur_per_kwh, off), off, True, MARKET, "kWh"),
        "afrr_energy": (book.priced(d.afrr_energy_price_eur_per_kwh, called), called, True, MARKET, "kWh"),
        "fcr": (
            book.priced(d.fcr_price_eur_per_kw_h, d.fcr_kw.sum(axis=0)), d.fcr_kw.sum(axis=0), False, MARKET, "kW h",
        ),
        "afrr_capacity": (capacity, up + down, False, MARKET, "kW h"),
        "event": (book.priced(d.event_price_eur_per_kwh, came), came, False, NETWORK, "kWh"),
    }  # fmt: skip
    out = {}
    for what, (amount, power, pays, account, unit) in kinds.items():
        payer, payee = (book.portfolio, account) if pays else (account, book.portfolio)
        out[what] = (book.single(what, payer, payee, amount, power, unit), -amount if pays else amount)
    return out


def _split(
    portfolio: Portfolio,
    total: Game,
    product_parts: Floats,
    weight: Floats,
    rng: np.random.Generator | None,
    samples: int,
) -> Shares:
    if portfolio.split == "marginal":
        return marginal(total, weight)
    if portfolio.split == "shapley":
        return shapley(total, rng, samples=samples)
    return Shares(product_parts, np.zeros_like(product_parts), 1.0, 0)


def _ready_rate(contracts: tuple[Contract, ...], measured: Verified) -> Floats:
    """EUR per kW h kept; less in proportion where the member was less available than its contract says."""
    fee = np.array([c.fee_eur_per_kw_year for c in contracts]) / HOURS_A_YEAR
    least = np.array([c.availability for c in contracts])
    kept = np.divide(measured.availability, least, out=np.ones(len(least)), where=least > 0.0)
    return np.asarray((fee * np.minimum(kept, 1.0))[:, None])


def received_from(parent: Settlement, account: str) -> Ints:
    """What a settlement paid to an account less what it took, shape (G,): what a nested portfolio has to split."""
    mine = np.array([c.owner == account for c in parent.contracts], dtype=bool)
    paid = parent.share + parent.penalty_shared + parent.kept_ready - parent.penalty
    d = parent.delivery
    groups = parent.pot.shape[0]
    need = by_group(eur_units(d.price_eur_per_kwh * d.baseline_kw * QUARTER_H), parent.group, groups)
    return np.asarray((paid - need)[mine].sum(axis=0))
