"""Settling a whole run: portfolios by their deliveries, everybody else by meter, fees and losses of the network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal, final

import numpy as np
from scipy import sparse

from archipel.formats.prices import MARKET_ZONE
from archipel.market.books import Books
from archipel.market.days import delivery_days
from archipel.market.errors import BooksRefused, SettlementRefused
from archipel.market.postings import Postings, joined
from archipel.market.settle_check import check_portfolios
from archipel.market.settle_network import Metered, NetworkSettlement, settle_network
from archipel.market.settlement import Settlement, received_from, settle
from archipel.market.tariff import SETTLEMENT_H, metered_into_lower, own_net_import, settled
from archipel.market.verification import METER_KWH
from archipel.model import Archipelago, Delivery, Floats, Ints, Owner, Ownership, Portfolio, Scenario
from archipel.report.deliveries import read_deliveries
from archipel.report.loss_factors import loss_factors
from archipel.report.run import Run
from archipel.report.tally import END_USE, charged_use

By = Literal["day", "quarter"]
CLOSES = 1e-3
"""Books are to agree with metered energy within this share of it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class RunSettlement:
    """A run of one strategy, settled."""

    strategy: str
    ownership: Ownership
    """The scenario's; where it names no owners, every cell is one."""
    portfolios: tuple[Settlement, ...]
    """Parents before the portfolios that are their members."""
    metered: Metered
    network: NetworkSettlement
    postings: Postings

    @property
    def booked_kwh(self) -> float:
        """Energy that the market was paid for, by the books."""
        rows = zip(self.postings.payee, self.postings.what, self.postings.quantity, strict=True)
        energy = {"energy", "imbalance", "afrr_energy", "losses"}
        return sum(q for payee, what, q in rows if payee == "market" and what in energy) / 1e6

    @property
    def upstream_kwh(self) -> float:
        """Energy that the upstream meter saw."""
        return float(self.metered.upstream_kw.sum()) * SETTLEMENT_H

    @property
    def gap(self) -> float:
        """Difference of both, as a share of the energy metered at parties and upstream."""
        size = self.network.metered_kwh + float(np.abs(self.metered.upstream_kw).sum()) * SETTLEMENT_H
        return abs(self.booked_kwh - self.upstream_kwh) / size if size else 0.0


def settle_run(run: Run, strategy: str, *, by: By = "day", zone: tzinfo = MARKET_ZONE) -> RunSettlement:
    """Settle one strategy of a run.

    Args:
        run: The run, with what its portfolios delivered in `portfolio/`.
        strategy: Which.
        by: Whether a payment is for a day of delivery or for one quarter hour. Amounts are rounded in every quarter
            hour in both.
        zone: Where days of delivery begin.

    Raises:
        SettlementRefused: contracts contradict themselves or each other, or values are missing.
        RunNotFound: the run lacks a table or the strategy.
    """
    scenario = run.scenario
    ownership = owners_of(scenario)
    start = run.time(strategy)[0].astype("datetime64[us]").item().replace(tzinfo=UTC)
    quarters = run.steps(strategy, "cells")
    group = delivery_days(start, quarters, zone) if by == "day" else np.arange(quarters)
    deliveries = {d.portfolio: d for d in read_deliveries(run.path, strategy=strategy)}
    _check(ownership, deliveries, start, quarters)
    power = settled(run.array("devices", "p_kw", strategy).astype(np.float64), run.dt_h(strategy))
    _check_meters(ownership, deliveries, power)
    done: dict[str, Settlement] = {}
    for portfolio in _parents_first(ownership.portfolio):
        if portfolio.id in deliveries:
            parent = done.get(portfolio.parent)
            done[portfolio.id] = settle(
                deliveries[portfolio.id], portfolio, group=group, rng=np.random.default_rng(run.info["seed"]),
                received=None if parent is None else received_from(parent, portfolio.id),
            )  # fmt: skip
    metered = read_meters(run, strategy, ownership, start, set(deliveries), power)
    network = settle_network(metered, scenario.tariff, group=group)
    every = joined([*(one.postings for one in done.values()), network.postings])
    return RunSettlement(strategy, ownership, tuple(done.values()), metered, network, every)


def book(settlement: RunSettlement, books: Books | None = None, *, correct: bool = False) -> tuple[Books, int]:
    """Book a settlement, into books that are there already or new ones; returns them and how many entries are new.

    Args:
        settlement: What is booked.
        books: Where; settled again with the same result nothing changes.
        correct: Correct what was booked with another content, by new entries.

    Raises:
        BooksRefused: a payment is booked already with another content, or is due no longer, and is not to be
            corrected.
    """
    books = Books() if books is None else books
    if correct:
        return books, books.revise(settlement.postings)
    wanted = set(settlement.postings.id)
    if left := [key for key in books.standing() if key not in wanted]:
        raise BooksRefused(
            f"books: found {len(left)} payments that this settlement does not have, the first {left[0]}; "
            "expected it to hold all that was booked. Nothing was booked."
        )
    return books, books.post(settlement.postings)


def owners_of(scenario: Scenario) -> Ownership:
    """Who owns what; where the scenario says nothing, every cell owns the devices in it."""
    if scenario.ownership.owner:
        return scenario.ownership
    cells = scenario.archipelago.cell
    return replace(
        scenario.ownership,
        owner=tuple(Owner(cell.id) for cell in cells),
        cell_owner=np.arange(len(cells)),
        device_owner=scenario.device_cell,
        device_contract=np.full(len(scenario.device_id), -1),
    )


def read_meters(
    run: Run, strategy: str, ownership: Ownership, start: datetime, settled_apart: set[str], p: Floats
) -> Metered:
    """Meters of all parties from a run's tables and the quarter-hourly means of its devices `p` (devices, S).

    What is in a portfolio of `settled_apart` is not supplied here.
    """
    scenario, dt_h = run.scenario, run.dt_h(strategy)
    kind, node, cell = np.array(scenario.device_kind), scenario.device_node, scenario.device_cell
    q = settled(run.array("devices", "q_kvar", strategy).astype(np.float64), dt_h)
    pairs, party = np.unique(np.stack([ownership.device_owner, cell]), axis=1, return_inverse=True)
    party = np.ravel(party)

    def summed(power: Floats, at: Ints, count: int) -> Floats:
        ones = sparse.csr_array((np.ones(len(at)), (at, np.arange(len(at)))), (count, len(at)))
        return np.asarray(ones @ power)

    nodes = len(scenario.grid.nodes)
    factor = loss_factors(scenario.grid, summed(p, node, nodes), summed(q, node, nodes))[node]
    apart = _apart(ownership, settled_apart)
    lv = np.isin(kind, list(END_USE)) & (scenario.grid.nodes.vn_kv[node] < 1.0)
    tree, count = scenario.archipelago, pairs.shape[1]
    upstream = settled(run.array("area", "upstream_p_kw", strategy)[0], dt_h)
    time = run.time(strategy)[:: round(SETTLEMENT_H / dt_h)]
    ends = summed(p * (kind == "soft_open_point")[:, None], cell, len(tree.cell))
    return Metered(
        start=start,
        owner=tuple(ownership.owner[k].id for k in pairs[0]),
        cell=pairs[1],
        net_kw=summed(p, party, count),
        supplied_kw=summed(p * ~apart[:, None], party, count),
        lv_use_kw=summed(charged_use(kind, p) * lv[:, None], party, count),
        marginal_kw=summed(factor * p, party, count),
        own_import_kw=own_net_import(tree, settled(_into_lower(run, strategy, tree), dt_h), upstream) - ends,
        upstream_kw=upstream,
        losses_kw=settled(run.array("area", "losses_kw", strategy)[0], dt_h),
        price_eur_per_kwh=settled(run.array("area", "price_eur_per_kwh", strategy)[0], dt_h),
        day=time.astype("datetime64[D]").astype(np.int64),
    )


def _into_lower(run: Run, strategy: str, tree: Archipelago) -> Floats:
    both = run.array("boundaries", "p_kw", strategy)
    return metered_into_lower(tree, both.reshape(-1, 2, both.shape[-1]))


def _apart(ownership: Ownership, portfolios: set[str]) -> np.ndarray:
    """Devices whose energy is settled by a portfolio."""
    of_contract = np.array([contract.portfolio in portfolios for contract in ownership.contracts] + [False])
    return of_contract[ownership.device_contract]


def _parents_first(portfolios: tuple[Portfolio, ...]) -> list[Portfolio]:
    parent = {portfolio.id: portfolio.parent for portfolio in portfolios}

    def depth(key: str) -> int:
        return 0 if not parent.get(key) else 1 + depth(parent[key])

    return sorted(portfolios, key=lambda portfolio: depth(portfolio.id))


def _check(ownership: Ownership, deliveries: dict[str, Delivery], start: datetime, quarters: int) -> None:
    found = list(check_portfolios(ownership.portfolio, [owner.id for owner in ownership.owner]))
    known = {portfolio.id for portfolio in ownership.portfolio}
    found += [
        f"portfolio {p.id}: found no delivery of it, but its parent {p.parent} has one. Run the case again."
        for p in ownership.portfolio
        if p.parent in deliveries and p.id not in deliveries
    ]
    for name, delivery in deliveries.items():
        if name not in known:
            found.append(f"portfolio {name}: found a delivery of it, but the scenario has no such portfolio")
        if (delivery.start, len(delivery.price_eur_per_kwh)) != (start, quarters):
            found.append(
                f"portfolio {name}: found a delivery of {len(delivery.price_eur_per_kwh)} quarter hours from "
                f"{delivery.start}; expected the run's {quarters} from {start}"
            )
    if found:
        raise SettlementRefused(tuple(found))


def _check_meters(ownership: Ownership, deliveries: dict[str, Delivery], power: Floats) -> None:
    """What members are said to have drawn is to be what their devices' meters say."""
    row = {contract.id: k for k, contract in enumerate(ownership.contracts)}
    found = []
    for delivery in deliveries.values():
        for key, told in zip(delivery.contract, delivery.metered_kw, strict=True):
            devices = ownership.device_contract == row.get(key, -2)
            if not devices.any():
                continue  # a portfolio that is a member has no devices of its own; an unknown one is refused later
            meters = power[devices].sum(axis=0)
            off = float(np.abs(told - meters).sum()) * SETTLEMENT_H
            if not off <= CLOSES * float(np.abs(power[devices]).sum()) * SETTLEMENT_H + METER_KWH * len(told):
                found.append(
                    f"contract {key}: found a delivery that is {off:.3f} kWh off the meters of its devices; "
                    "expected the same. Run the case again."
                )
    if found:
        raise SettlementRefused(tuple(found))
