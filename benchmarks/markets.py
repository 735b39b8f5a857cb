"""Figures of the markets: how long clearing and settling take, and how far the clearing is from HiGHS.

    python -m benchmarks.markets day-ahead --bids 10000 --seeds 3    bids of 1 to 3 steps per quarter hour of a day
    python -m benchmarks.markets local --cells 134 --bids 4          bids per cell and quarter hour, half the ties bind
    python -m benchmarks.markets laws --seeds 100                    the suite on every shipped market

Bids, limits and prices are drawn by the seed. CPU seconds. JSON: a line per seed, and one of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from archipel.market.base import Bid, Clearing
from archipel.market.day_ahead import DayAhead, PriceTaker
from archipel.market.local_market import LocalMarket
from archipel.market.market_day import MarketDay
from archipel.market.reserve import AfrrEnergy, afrr_capacity, fcr
from archipel.market.retail import FlatPrice, Retail
from archipel.model import Archipelago, Cell, Floats, Ints, Tie
from archipel.testing import check_market
from archipel.testing.market import DAYS

DAY = MarketDay(date(2016, 2, 10))
Steps = tuple[Ints, Floats, Floats]
"""Row of the bid, quantity and price of every step."""


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    answer = job()
    return time.process_time() - begun, answer


def curves(rng: np.random.Generator, owners: list[str], cells: list[str], market: DayAhead | LocalMarket) -> list[Bid]:
    """A monotone curve of 1 to 3 steps per owner and interval; prices of five digits, quantities to the watt."""
    edges = market.terms.edges
    bids = []
    for start in edges[:-1]:
        count = rng.integers(1, 4, len(owners))
        kw = np.round(rng.uniform(0.1, 50.0, (len(owners), 3)), 3)
        price = np.sort(np.round(rng.uniform(-0.1, 0.5, (len(owners), 3)), 5), axis=1)
        buys = rng.random(len(owners)) < 0.5
        kw[~buys] *= -1.0
        price[buys] = price[buys, ::-1]
        told = zip(owners, cells, count.tolist(), kw.tolist(), price.tolist(), strict=True)
        for owner, cell, n, q, p in told:
            bids.append(Bid(owner, "energy", start, tuple(zip(q[:n], p[:n], strict=True)), cell))
    return bids


def optimum(steps: Steps, cells: Ints, balance: sparse.csc_array, most: Floats, cost: Floats) -> float:
    """Largest welfare by HiGHS: a column per step, then those of `balance` with their costs and limits [EUR/h]."""
    bid, kw, price = steps
    trade = sparse.csc_array((-np.sign(kw), (cells[bid], np.arange(len(kw)))), shape=(balance.shape[0], len(kw)))
    matrix = sparse.hstack([trade, balance]).tocsc()
    highs, lp = highspy.Highs(), highspy.HighsLp()
    highs.silent()
    highs.setOptionValue("threads", 1)
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_ = np.append(-np.sign(kw) * price, cost)
    lp.col_lower_, lp.col_upper_ = np.zeros(lp.num_col_), np.append(np.abs(kw), most)
    lp.row_lower_ = lp.row_upper_ = np.zeros(lp.num_row_)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    highs.passModel(lp)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise SystemExit(f"HiGHS stopped with {highs.getModelStatus()}")
    return -float(highs.getObjectiveValue())


def worth(bids: list[Bid], accepted_kw: list[float]) -> float:
    """What accepted power is worth to those who bid, their best steps first [EUR/h]."""
    total = 0.0
    for bid, kw in zip(bids, accepted_kw, strict=True):
        left = abs(kw)
        for size, limit in bid.steps:
            taken = min(left, abs(size))
            total, left = total + (limit if size > 0 else -limit) * taken, left - taken
    return total


def columns(bids: list[Bid]) -> Steps:
    row = np.repeat(np.arange(len(bids)), [len(b.steps) for b in bids])
    kw, price = np.array([step for b in bids for step in b.steps]).T
    return row, kw, price


def day_ahead(seed: int, number: int, checked: int) -> dict[str, float]:
    """Some bids in every quarter hour of a day; some quarter hours, spread evenly, are held against HiGHS."""
    market = DayAhead(DAY, "quarter_hour")
    owners = [f"owner {i}" for i in range(number)]
    making, bids = timed(lambda: curves(np.random.default_rng(seed), owners, [""] * number, market))
    clearing, found = timed(lambda: market.clear(bids))
    settling, paid = timed(lambda: market.settle(found))
    none = sparse.csc_array((1, 0))
    gap, theirs = [], 0.0
    for t in np.linspace(0, market.terms.intervals - 1, checked).astype(int).tolist():
        mine = slice(t * number, (t + 1) * number)
        one = np.zeros(number, dtype=int), none, np.zeros(0), np.zeros(0)
        spent, best = timed(partial(optimum, columns(bids[mine]), *one))
        theirs += spent
        gap.append(abs(worth(bids[mine], found.accepted_kw[mine].tolist()) - best) / best)
    left = sum(((p.payee == "market") - (p.payer == "market")) * p.amount_eur for p in paid)
    return {
        "bids": len(bids),
        "making_s": making,
        "clear_s": clearing,
        "settle_s": settling,
        "payments": len(paid),
        "checked": checked,
        "highs_s_of_checked": theirs,
        "largest_gap": max(gap),
        "left_in_clearing_house_eur": float(left),
    }


def tree(rng: np.random.Generator, number: int) -> Archipelago:
    """A substation, a tenth as many feeders, and cells below these."""
    feeders = max(1, number // 10)
    cells, ties = [Cell("root", "", "substation")], []
    for i in range(1, number):
        parent = 0 if i <= feeders else int(rng.integers(1, feeders + 1))
        cells.append(Cell(f"cell {i}", cells[parent].id, "feeder" if i <= feeders else "lv"))
        ties.append(Tie(f"line/{i}", "vertical", cells[parent].id, f"cell {i}", parent, i, closed=True))
    return Archipelago(tuple(cells), tuple(ties), np.arange(number))


def local(seed: int, cells: int, each: int) -> dict[str, float]:
    """Some bids at every cell in every quarter hour of a day."""
    rng = np.random.default_rng(seed)
    area, n, ties = tree(rng, cells), 96, cells - 1
    limit = rng.uniform(5.0, 40.0 * each, ties)
    ask = rng.uniform(0.1, 0.4, n)
    market = LocalMarket(DAY, area, limit, ask, ask - 0.05, import_kw_max=500.0, export_kw_max=500.0)
    number = cells * each
    where = np.arange(number) % cells
    names = [area.cell[i].id for i in where.tolist()]
    bids = curves(rng, [f"owner {i}" for i in range(number)], names, market)
    clearing, found = timed(lambda: market.clear(bids))
    settling, paid = timed(lambda: market.settle(found))
    below, above = np.arange(1, cells), np.array(area.parents()[1:])
    row = np.concatenate([above, below, above, below, [0, 0]])
    column = np.concatenate([np.arange(ties), np.arange(ties), ties + np.arange(ties), ties + np.arange(ties)])
    sign = np.concatenate([-np.ones(ties), np.ones(ties), np.ones(ties), -np.ones(ties), [1.0, -1.0]])
    matrix = sparse.csc_array((sign, (row, np.append(column, [2 * ties, 2 * ties + 1]))), shape=(cells, 2 * ties + 2))
    most = np.concatenate([limit, limit, [500.0, 500.0]])
    gap, theirs, bound = [], 0.0, []
    for t in range(n):
        mine = slice(t * number, (t + 1) * number)
        cost = np.append(np.zeros(2 * ties), [ask[t], 0.05 - ask[t]])
        steps = columns(bids[mine])
        spent, best = timed(partial(optimum, steps, where, matrix, most, cost))
        theirs += spent
        upstream = found.upstream_kw[t]
        ours = worth(bids[mine], found.accepted_kw[mine].tolist()) - upstream * (
            ask[t] if upstream > 0 else ask[t] - 0.05
        )
        gap.append(abs(ours - best) / best)
        bound.append(float((np.abs(found.flow_kw[:, t]) >= limit - 1e-6).mean()))
    return {
        "bids": len(bids),
        "cells": cells,
        "ties_that_bind": statistics.median(bound),
        "clear_s": clearing,
        "settle_s": settling,
        "highs_s": theirs,
        "largest_gap": max(gap),
        "imbalance_kw": imbalance(found, area, where),
        "least_rent_eur": float(min(p.amount_eur for p in paid if p.what == "congestion_rent")),
    }


def imbalance(found: Clearing, area: Archipelago, where: Ints) -> float:
    """Largest difference of what is bought and what arrives in any cell and interval [kW]."""
    cells = len(area.cell)
    net = np.zeros((cells, 96))
    np.add.at(net, (np.tile(where, 96), np.repeat(np.arange(96), len(where))), found.accepted_kw)
    net[0] -= found.upstream_kw
    np.add.at(net, np.array(area.parents()[1:]), found.flow_kw)
    net[1:] -= found.flow_kw
    return float(np.abs(net).max())


def laws(seeds: int) -> dict[str, Any]:
    """How often the suite finds a broken promise, per market."""

    def at(day: MarketDay, price: float) -> Floats:
        return np.full(len(day.edges("quarter_hour")) - 1, price)

    markets: dict[str, Callable[[MarketDay], Any]] = {
        "day-ahead": lambda day: DayAhead(day, "quarter_hour"),
        "price-taker": lambda day: PriceTaker(day, at(day, 0.1), "quarter_hour"),
        "FCR": lambda day: fcr(day, np.full(6, 30e3)),
        "aFRR capacity": lambda day: afrr_capacity(day, np.full(6, 40e3), np.full(6, 9e3)),
        "aFRR energy": lambda day: AfrrEnergy(day, at(day, 33.3), at(day, 50.0)),
        "local": lambda day: LocalMarket(day, tree(np.random.default_rng(1), 6), np.full(5, 12.0), at(day, 0.2)),
        "retail": lambda day: Retail(day, FlatPrice(0.3), FlatPrice(0.1)),
    }
    broken = {}
    for name, make in markets.items():
        broken[name] = 0
        for seed in range(seeds):
            try:
                check_market(make, seeds=(seed,))
            except Exception as error:  # whatever happens is counted and shown
                broken[name] += 1
                print(json.dumps({"market": name, "seed": seed, "found": str(error)[:300]}))
    return {"seeds": seeds, "days": len(DAYS), "broken": broken}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("what", choices=("day-ahead", "local", "laws"))
    arguments.add_argument("--bids", type=int, default=0)
    arguments.add_argument("--checked", type=int, default=4)
    arguments.add_argument("--cells", type=int, default=134)
    arguments.add_argument("--seeds", type=int, default=3)
    how = arguments.parse_args()
    if how.what == "laws":
        print(json.dumps({"what": how.what, **laws(how.seeds)}))
        return
    rows = []
    for seed in range(how.seeds):
        found = (
            day_ahead(seed, how.bids or 10_000, how.checked)
            if how.what == "day-ahead"
            else local(seed, how.cells, how.bids or 4)
        )
        rows.append(found)
        print(json.dumps({"what": how.what, "seed": seed, **found}), flush=True)
    print(json.dumps({"what": how.what, "median": {k: statistics.median(r[k] for r in rows) for k in rows[0]}}))


if __name__ == "__main__":
    main()
