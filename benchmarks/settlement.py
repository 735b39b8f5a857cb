"""Money: a million metered quarter hours settled and booked, how the books close, and the error bound of drawn splits.

    python -m benchmarks.settlement                 all of it, as JSON lines
    python -m benchmarks.settlement million         1,000 contracts for 1,000 quarter hours, portfolio and network
    python -m benchmarks.settlement million day-pro_rata        one of the three ways (day-shapley, quarter-pro_rata)
    python -m benchmarks.settlement shapley         1,000 seeded games of 12 members, bound beside the exact value
    python -m benchmarks.settlement closing RUN     a run that is settled: books beside meters

Times are of one process; CPU time is what its threads used. Everything is drawn from seed 1.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.prices import MARKET_ZONE
from archipel.market.books import Books
from archipel.market.days import delivery_days
from archipel.market.postings import joined
from archipel.market.settle_network import Metered, settle_network
from archipel.market.settlement import Settlement, settle
from archipel.market.shares import Game, shapley, shapley_exact
from archipel.model import PRODUCTS, Contract, Delivery, Portfolio, Tariff
from archipel.report.books_file import read_books, write_books
from archipel.report.run import load_run
from archipel.report.settle_run import book, settle_run

START = datetime(2016, 3, 20, 23, tzinfo=UTC)
"""The days settled hold the one of 92 quarter hours."""
MEMBERS, QUARTERS, GAMES = 1000, 1000, 1000


def delivery(members: int = MEMBERS, quarters: int = QUARTERS, seed: int = 1) -> Delivery:
    """Members that shift, keep reserve, are called, are cut, and miss some of it; prices of either sign."""
    rng = np.random.default_rng(seed)
    shape = (members, quarters)
    baseline = rng.normal(2.0, 5.0, shape)
    asked = np.where(rng.random(shape) < 0.3, baseline + rng.normal(0.0, 2.0, shape), np.nan)
    called = np.where(rng.random(quarters) < 0.3, rng.normal(0.0, 1.0, quarters), 0.0) * rng.random((members, 1))
    cut = np.where(rng.random(quarters) < 0.02, 1.0, 0.0) * rng.random((members, 1))
    plan = np.where(np.isfinite(asked), asked, baseline - cut + called)
    price = rng.normal(0.04, 0.03, quarters)
    even = np.ones(quarters)
    return Delivery(
        portfolio="pool", contract=tuple(f"c{k:04d}" for k in range(members)), start=START, price_eur_per_kwh=price,
        imbalance_price_eur_per_kwh=price + 0.03, bought_kw=plan.sum(axis=0) - called.sum(axis=0),
        baseline_kw=baseline, asked_kw=asked, metered_kw=plan + rng.normal(0.0, 0.2, shape),
        fcr_kw=rng.random((members, 1)) * np.ones(quarters), fcr_price_eur_per_kw_h=0.012 * even,
        afrr_up_kw=np.ones(shape), afrr_down_kw=np.ones(shape), afrr_up_price_eur_per_kw_h=0.006 * even,
        afrr_down_price_eur_per_kw_h=0.006 * even, afrr_energy_kw=called,
        afrr_energy_price_eur_per_kwh=price + 0.06, cut_kw=cut, event_price_eur_per_kwh=0.3 * even,
    )  # fmt: skip


def pool(split: Any, members: int = MEMBERS) -> Portfolio:
    """Contracts of as many owners, with a penalty and a fee."""
    terms = {"share": 0.85, "penalty_eur_per_kwh": 0.1, "fee_eur_per_kw_year": 5.0}
    contracts = tuple(Contract(f"c{k:04d}", f"o{k:04d}", "pool", PRODUCTS, **terms) for k in range(members))  # type: ignore[arg-type]
    return Portfolio("pool", "Pool", "operator", split, contracts)


def meters(of: Delivery, cells: int = 50, seed: int = 1) -> Metered:
    """The same members as parties of a network with 50 cells; all their energy is in the pool."""
    rng = np.random.default_rng(seed)
    parties, quarters = of.metered_kw.shape
    cell = np.sort(rng.integers(0, cells, parties))
    marginal = of.metered_kw * rng.normal(0.03, 0.01, (parties, 1))
    losses = 0.5 * marginal.sum(axis=0) + 5.0
    own = np.zeros((cells, quarters))
    np.add.at(own, cell, of.metered_kw)
    return Metered(
        start=of.start, owner=tuple(f"o{k:04d}" for k in range(parties)), cell=cell, net_kw=of.metered_kw,
        supplied_kw=0.0 * of.metered_kw, lv_use_kw=np.maximum(of.metered_kw, 0.0), marginal_kw=marginal,
        own_import_kw=own + losses / cells, upstream_kw=of.metered_kw.sum(axis=0) + losses, losses_kw=losses,
        price_eur_per_kwh=of.price_eur_per_kwh, day=np.arange(quarters) // 96,
    )  # fmt: skip


def million(by: str, split: str) -> dict[str, Any]:
    """Settle, book, book again, verify; seconds of each.

    By the day with the network's fees and losses; by the quarter hour the portfolio alone, millions of entries.
    """
    what = delivery()
    area, group = meters(what), delivery_days(START, QUARTERS, MARKET_ZONE)
    group = group if by == "day" else np.arange(QUARTERS)
    clock = _Clock()
    one: Settlement = settle(what, pool(split), group=group, rng=np.random.default_rng(1))
    every = one.postings
    if by == "day":
        every = joined([every, settle_network(area, Tariff(), group=group).postings])
    settle_s = clock.lap()
    books = Books()
    entries = books.post(every)
    book_s = clock.lap()
    again = books.post(every)
    again_s = clock.lap()
    books.verify()
    verify_s = clock.lap()
    energy = {"energy", "imbalance", "afrr_energy", "losses"}
    rows = zip(every.payee, every.what, every.quantity, strict=True)
    if by == "quarter":
        energy.remove("losses")
    booked_kwh = sum(q for payee, what, q in rows if payee == "market" and what in energy) / 1e6
    metered_kwh = float((area.upstream_kw if by == "day" else what.metered_kw).sum()) / 4.0
    out = {
        "figure": "million", "by": by, "split": split, "intervals": MEMBERS * QUARTERS, "entries": entries,
        "settle_s": settle_s, "book_s": book_s, "settled_and_booked_s": round(settle_s + book_s, 2),
        "settled_and_booked_cpu_s": round(clock.cpu[0] + clock.cpu[1], 2), "booked_again": again, "again_s": again_s,
        "verify_s": verify_s, "sum_eur": str(sum(books.balances().values())), "pool_eur": str(books.balance("pool")),
        "booked_kwh": booked_kwh, "metered_kwh": metered_kwh, "apart": abs(booked_kwh / metered_kwh - 1.0),
        "shapley_error_of_pot": float((one.error_eur.max(axis=0) / np.abs(one.pot / 1e8)).max()),
    }  # fmt: skip
    if by == "day":
        file = Path(".settlement-books.parquet")
        try:
            write_books(file, books)
            out["file_kb"] = file.stat().st_size // 1000
            read_books(file)
        finally:
            file.unlink(missing_ok=True)
    out["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    return out


def covering(games: int = GAMES, members: int = 12, samples: int = 100, confidence: float = 0.95) -> dict[str, Any]:
    """In how many seeded games every part is within its stated error, and how much of the error was used."""
    inside, used, against = 0, [], []
    for seed in range(games):
        rng = np.random.default_rng([1, seed])
        quarters = int(rng.integers(1, 25))
        size = rng.lognormal(0.0, 1.0, (members, 1))
        game = Game(
            rng.normal(0.0, 1.0, (members, 1)), size * rng.normal(rng.normal(0.0, 0.5), 1.0, (members, quarters)),
            rng.random(quarters), np.zeros(quarters, dtype=np.int64),
        )  # fmt: skip
        true = shapley_exact(game.worth, members)
        found = shapley(game, rng, samples=samples, confidence=confidence)
        off = np.abs(found.part - true) / found.error
        inside += bool((off <= 1.0).all())
        used.append(float(off.max()))
        against.append(float((found.error / game.width()).mean()))
    return {
        "figure": "shapley", "games": games, "members": members, "orders": samples, "confidence": confidence,
        "games_within_bound": inside, "share": inside / games, "worst_error_of_bound": max(used),
        "median_error_of_bound": float(np.median(used)), "median_bound_of_width": float(np.median(against)),
    }  # fmt: skip


def closing(path: str) -> dict[str, Any]:
    """Books of a real run beside its meters, for every strategy of it."""
    run = load_run(path)
    out: dict[str, Any] = {"figure": "closing", "run": run.path.name}
    for strategy in run.strategies:
        one = settle_run(run, strategy)
        books, _ = book(one)
        out[strategy] = {
            "booked_kwh": one.booked_kwh, "metered_kwh": one.upstream_kwh, "apart": one.gap,
            "losses_kwh": float(one.network.losses_kwh.sum()), "sum_eur": str(sum(books.balances().values())),
        }  # fmt: skip
    return out


class _Clock:
    def __init__(self) -> None:
        self.cpu: list[float] = []
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> float:
        wall, cpu = time.perf_counter(), time.process_time()
        taken = wall - self._wall
        self.cpu.append(cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        return round(taken, 2)


def main(words: list[str]) -> None:
    what = words[0] if words else "all"
    if what in {"all", "million"}:
        for by, split in (("day", "pro_rata"), ("day", "shapley"), ("quarter", "pro_rata")):
            if len(words) < 2 or words[1] == f"{by}-{split}":
                print(json.dumps(million(by, split)), flush=True)
    if what in {"all", "shapley"}:
        print(json.dumps(covering()), flush=True)
    if what == "closing":
        print(json.dumps(closing(words[1])), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
