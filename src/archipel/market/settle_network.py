"""Settling the use of the network: energy of those in no portfolio, fees by level, losses by physical marginal share.

A party is what one owner has in one cell; its power is the net of its meters. Fees are those of the tariff, to the
cent what `tariff.bill` says for the whole area:

    hv, peak    on the area's import: shared by the imports of all parties in that quarter hour
    mv          on a cell's own import: shared by the imports of its parties
    lv          on end use at low voltage, by its own meters

Losses are bought by the network at the day-ahead price and passed on. With marginal factors f = d losses / dp they are
shared by f p / 2, which for losses that grow with the square of power adds up to all that power causes (the
Aumann-Shapley share, the mean of the marginal share while everybody's power grows together from nothing); who relieves
the network is paid. What is left (transformers lose even at no load) is shared by metered energy.

Source:
    R. J. Aumann, L. S. Shapley, "Values of Non-Atomic Games", 1974; F. D. Galiana, A. J. Conejo, I. Kockar,
    "Incremental transmission loss allocation under pool dispatch", IEEE Trans. Power Syst. 17(1), 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import final

import numpy as np

from archipel.market.amounts import apportion, eur_units, parts_of, quantity_units
from archipel.market.errors import SettlementRefused
from archipel.market.postings import Postings, block, joined, microseconds
from archipel.market.settle_check import MARKET, NETWORK, RESERVED
from archipel.market.settle_value import by_group
from archipel.market.settlement import QUARTER_US
from archipel.market.shares import pro_rata
from archipel.market.tariff import SETTLEMENT_H
from archipel.model import Floats, Ints, Tariff


@final
@dataclass(frozen=True, slots=True, eq=False)
class Metered:
    """What meters say of a whole area: P parties, K cells, S quarter hours. Means, load convention."""

    start: datetime
    owner: tuple[str, ...]
    """Account of every party, length P."""
    cell: Ints
    """Cell of every party, shape (P,)."""
    net_kw: Floats
    """Net power of all its devices, shape (P, S)."""
    supplied_kw: Floats
    """Of it what is in no portfolio, and so bought from the market by the owner itself, shape (P, S)."""
    lv_use_kw: Floats
    """End use at low voltage, at least 0, shape (P, S)."""
    marginal_kw: Floats
    """Sum over its devices of d losses / dp times p, shape (P, S)."""
    own_import_kw: Floats
    """Own net import of every cell (`tariff.own_net_import`), shape (K, S)."""
    upstream_kw: Floats
    """Drawn from the upstream grid, shape (S,)."""
    losses_kw: Floats
    """Losses of all branches, shape (S,)."""
    price_eur_per_kwh: Floats
    """Day-ahead price, shape (S,)."""
    day: Ints
    """Number of the day of every quarter hour, for the charge on a day's peak, shape (S,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class NetworkSettlement:
    """Payments, and how well meters close."""

    postings: Postings
    losses_kwh: Floats
    """Losses borne by every party, shape (P,); below zero, it relieved the network."""
    unmetered_kwh: float
    """Drawn upstream less metered at parties and lost: what meters do not explain."""
    metered_kwh: float
    """Sum of the sizes of all parties' net energies, for comparison."""


def settle_network(
    metered: Metered, tariff: Tariff, *, about: str = "area", group: Ints | None = None
) -> NetworkSettlement:
    """Settle an area's energy, network fees and losses.

    Args:
        metered: What meters say.
        tariff: Fees.
        about: Start of every payment's id.
        group: Which quarter hours are booked together, as in `settlement.settle`.

    Raises:
        SettlementRefused: a meter or price is missing, or an owner has the name of another account.
    """
    _check(metered)
    quarters = len(metered.upstream_kw)
    group = np.arange(quarters) if group is None else group
    groups = int(group[-1]) + 1 if quarters else 0
    first = np.flatnonzero(np.diff(group, prepend=-1))
    time_us = [microseconds(metered.start) + QUARTER_US * int(k) for k in first]
    price = metered.price_eur_per_kwh
    key = [f"{owner}@{cell}" for owner, cell in zip(metered.owner, metered.cell.tolist(), strict=True)]

    def line(what: str, amount: Ints, kwh: Floats, payee: str) -> Postings:
        unit = "kW" if what.endswith("peak") else "kWh"
        return block(
            about, what, payer=metered.owner, payee=payee, time_us=time_us, key=key, unit=unit,
            amount=by_group(amount, group, groups), quantity=by_group(quantity_units(kwh), group, groups),
        )  # fmt: skip

    cost = eur_units(price * metered.losses_kw * SETTLEMENT_H)
    borne = loss_shares(metered)
    paid = parts_of(cost, 1e8 * price * borne * SETTLEMENT_H) if len(metered.owner) else np.zeros_like(borne, np.int64)
    supplied = metered.supplied_kw * SETTLEMENT_H
    lines = [line("energy", eur_units(price * supplied), supplied, MARKET)]
    lines += [line(f"network_fee_{level}", *fee, NETWORK) for level, fee in _fees(metered, tariff).items()]
    lines += [
        line("losses", paid, borne * SETTLEMENT_H, NETWORK),
        block(
            about, "losses", payer=NETWORK, payee=MARKET, time_us=time_us, key=[NETWORK],
            amount=by_group(cost[None], group, groups),
            quantity=by_group(quantity_units(metered.losses_kw[None] * SETTLEMENT_H), group, groups),
        ),
    ]  # fmt: skip
    explained = metered.net_kw.sum() + metered.losses_kw.sum()
    return NetworkSettlement(
        postings=joined(lines),
        losses_kwh=borne.sum(axis=1) * SETTLEMENT_H,
        unmetered_kwh=float(metered.upstream_kw.sum() - explained) * SETTLEMENT_H,
        metered_kwh=float(np.abs(metered.net_kw).sum()) * SETTLEMENT_H,
    )


def loss_shares(metered: Metered) -> Floats:
    """Losses borne by every party [kW], shape (P, S); they add up to the losses."""
    half = 0.5 * metered.marginal_kw
    left = metered.losses_kw - half.sum(axis=0)
    return half + pro_rata(left, np.abs(metered.net_kw)) if len(half) else half


def _fees(metered: Metered, tariff: Tariff) -> dict[str, tuple[Ints, Floats]]:
    """By level what every party pays (whole units) and for how many kWh (peak: kW), shape (P, S) each."""
    taken = np.maximum(metered.upstream_kw, 0.0)
    draws, size = np.maximum(metered.net_kw, 0.0), np.abs(metered.net_kw)
    hv = taken * SETTLEMENT_H
    peak = np.zeros_like(taken)
    for day in np.unique(metered.day):
        at = np.flatnonzero(metered.day == day)
        peak[at[taken[at].argmax()]] = taken[at].max()
    mv = np.zeros_like(draws)
    mv_units = np.zeros(draws.shape, dtype=np.int64)
    for cell, own in enumerate(np.maximum(metered.own_import_kw, 0.0) * SETTLEMENT_H):
        rows = metered.cell == cell
        if not rows.any():
            rows = np.ones(len(rows), dtype=bool)  # a cell of lines alone: its losses serve everybody
        mv_units[rows] += apportion(eur_units(own * tariff.mv_fee_eur_per_kwh), draws[rows], size[rows])
        mv[rows] += pro_rata(own, np.where(draws[rows].sum(axis=0) > 0.0, draws[rows], size[rows]))
    share = pro_rata(np.ones_like(taken), np.where(draws.sum(axis=0) > 0.0, draws, size))
    lv = metered.lv_use_kw * SETTLEMENT_H
    return {
        "hv": (apportion(eur_units(hv * tariff.hv_fee_eur_per_kwh), draws, size), share * hv),
        "mv": (mv_units, mv),
        "lv": (eur_units(lv * tariff.lv_fee_eur_per_kwh), lv),
        "peak": (apportion(eur_units(peak * tariff.peak_eur_per_kw_day), draws, size), share * peak),
    }


def _check(metered: Metered) -> None:
    found = [
        f"{name}: found {int((~np.isfinite(value)).sum())} values that are no numbers; expected a metered mean for "
        "every quarter hour. Estimate what is missing first."
        for name in (
            "net_kw", "supplied_kw", "lv_use_kw", "marginal_kw", "own_import_kw", "upstream_kw", "losses_kw",
            "price_eur_per_kwh",
        )
        if not np.isfinite(value := getattr(metered, name)).all()
    ]  # fmt: skip
    found += [
        f"{name}: found an owner of this id; it names an account of its own. Rename it."
        for name in RESERVED
        if name in metered.owner
    ]
    if found:
        raise SettlementRefused(tuple(found))
