"""What bidding with flexibility is worth: day-ahead on German prices, with reserve on AEMO's, and to each member.

    python -m benchmarks.value_of_flexibility day-ahead --seed 1        60 days of 2016, beside perfect foresight
    python -m benchmarks.value_of_flexibility day-ahead --every-day     all days from 2016-01-11 to 2016-12-31
    python -m benchmarks.value_of_flexibility risk                      mean and worst days against the weight of risk
    python -m benchmarks.value_of_flexibility reserve                   energy and FCAS of AEMO's days [AUD]
    python -m benchmarks.value_of_flexibility members                   every member alone and in the pool

Portfolio `vpp`, whole hours, flexibility as members publish it in few stores (`archipel.vpp.bidding_members`): shares
are of what this model can earn. Value is what is earned beyond the same portfolio left idle: energy at the day-ahead
price, deviations at that price +-30 EUR/MWh, less wear. Stores end every day with at least what they would hold idle,
the same for all that is compared. Series of sun and sessions of vehicles are known to all that is compared; prices are
not. A day's bid sees its published forecasts and the prices and forecasts of the days before, nothing else; the first
price is that of 2016-01-04, so the first day that may be drawn has seven days of errors behind it
(`archipel.vpp.price_scenarios` says what is made of few).
Prints one JSON line per result.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import numpy as np

from archipel.formats.market_prices import DayAhead, FiveMinutes, read_aemo, read_day_ahead
from archipel.formats.scenario import load_scenario
from archipel.model import Floats, Scenario
from archipel.model.flexibility import Flexibility
from archipel.vpp.bidding import Bid, Settings, make_offer, meet
from archipel.vpp.bidding_members import published_members
from archipel.vpp.bidding_program import Risk
from archipel.vpp.portfolio_plan import Pool, best_plan, pool_of, value_eur
from archipel.vpp.price_scenarios import PriceScenarios, draw_scenarios
from archipel.vpp.reserve_bids import ReserveProduct

FIRST, LAST = date(2016, 1, 11), date(2016, 12, 31)
DRAWN, SCENARIOS = 60, 60


def drawn_days(seed: int) -> list[date]:
    """60 different days of 2016 from 2016-01-11, in their order."""
    rng = np.random.default_rng(seed)
    return [FIRST + timedelta(days=int(k)) for k in np.sort(rng.choice((LAST - FIRST).days + 1, DRAWN, replace=False))]


class Day:
    """One day: the pool, its prices, and what was known of them before."""

    def __init__(self, scenario: Scenario, series: DayAhead, day: date, seed: int = 1) -> None:
        row, found = series.row(day), series.day(day)
        at = found.column
        self.members = published_members(scenario, found.start, found.hours)
        self.pool = pool_of(self.members)
        self.price = series.price_eur_per_kwh[row, at]
        self.forecast = series.forecast_eur_per_kwh[row][:, at]
        self.scenarios = draw_scenarios(
            series.price_eur_per_kwh[:row, at], series.forecast_eur_per_kwh[:row, :, at], self.forecast, SCENARIOS,
            np.random.default_rng([seed, row]),
        )  # fmt: skip

    def planned(self, price: Floats) -> float:
        """Value of the plan on one forecast, bid as one quantity per hour and met."""
        plan = best_plan(self.pool, price)
        kw = self.pool.total_base_kw + plan.net_kw
        empty = (np.zeros(0),) * len(kw)
        return meet(self.pool, Bid(self.pool.start, 1.0, empty, tuple(kw[:, None])), self.price).earned_eur

    def bid(self, settings: Settings) -> tuple[float, float]:
        """Value of a bid, and energy that deviated [kWh]."""
        out = meet(self.pool, make_offer(self.pool, self.scenarios, settings).bid, self.price)
        return out.earned_eur, float((out.over_kw + out.under_kw).sum())


def day_ahead(days: list[date], seed: int, forms: tuple[str, ...]) -> dict[str, Any]:
    """Values of all ways to bid over some days, and their share of perfect foresight."""
    scenario, series = load_scenario("vpp"), read_day_ahead()
    names = [*series.forecast_name, "mean of forecasts"]
    value = {name: np.zeros(len(days)) for name in ["perfect", *names, *forms]}
    off, begun = dict.fromkeys(forms, 0.0), time.process_time()
    for k, when in enumerate(days):
        day = Day(scenario, series, when, seed)
        value["perfect"][k] = value_eur(day.pool, best_plan(day.pool, day.price), day.price)
        for name, forecast in zip(names, [*day.forecast, day.forecast.mean(axis=0)], strict=True):
            value[name][k] = day.planned(forecast)
        for form in forms:
            value[form][k], deviated = day.bid(Settings(form))  # type: ignore[arg-type]
            off[form] += deviated
    total = {name: float(v.sum()) for name, v in value.items()}
    share = {name: round(v / total["perfect"], 4) for name, v in total.items()}
    best = max(series.forecast_name, key=lambda name: total[name])
    return {
        "days": len(days), "seed": seed, "perfect_eur": round(total["perfect"], 2), "share": share,
        "best_single_forecast": best,
        "gain_points": {form: round(100 * (share[form] - share[best]), 2) for form in forms},
        "days_not_below_best_single": {form: int((value[form] >= value[best] - 1e-6).sum()) for form in forms},
        "deviated_kwh": {form: round(v, 1) for form, v in off.items()},
        "cpu_s": round(time.process_time() - begun, 1),
    }  # fmt: skip


RISKS = (0.0, 0.25, 0.5, 1.0)


def risk(days: list[date]) -> dict[str, Any]:
    """Mean and mean of the worst tenth of days that came, against the weight of the worst scenarios."""
    scenario, series = load_scenario("vpp"), read_day_ahead()
    found = {weight: np.zeros(len(days)) for weight in RISKS}
    for k, when in enumerate(days):
        day = Day(scenario, series, when)
        for weight in RISKS:
            found[weight][k] = day.bid(Settings("blocks", Risk(weight, 0.1)))[0]
    worst = max(len(days) // 10, 1)
    return {
        "days": len(days), "form": "blocks", "tail": 0.1,
        "mean_eur": {w: round(float(v.mean()), 3) for w, v in found.items()},
        "worst_tenth_eur": {w: round(float(np.sort(v)[:worst].mean()), 3) for w, v in found.items()},
        "least_eur": {w: round(float(v.min()), 3) for w, v in found.items()},
    }  # fmt: skip


CONTINGENCY_H, REGULATION_H, LEAST_KW = 1.0 / 6.0, 0.25, 1000.0
MONTHS, REGIONS = ("202407", "202408", "202412"), ("NSW1", "SA1")


def fcas(run: FiveMinutes, day: slice, members: list[str]) -> tuple[ReserveProduct, ...]:
    """Four products: contingency and regulation, raise and lower, by the hour.

    A kW kept for contingencies is enabled in the markets of 1 s (where there is one), 6 s, 60 s and 5 min at once, as
    AEMO's co-optimisation does; a kW for regulation in no other. Vehicles' contracts allow regulation only.
    """
    found = []
    for side, direction in (("RAISE", "up"), ("LOWER", "down")):
        parts = [v for name, v in run.reserve_aud_per_kw_h.items() if name.startswith(side) and name != f"{side}REG"]
        for name, price, hold, who in (
            (f"{side.lower()}_contingency", np.sum(parts, axis=0), CONTINGENCY_H, tuple(members[:2])),
            (f"{side.lower()}_regulation", run.reserve_aud_per_kw_h[f"{side}REG"], REGULATION_H, ()),
        ):
            hourly = price[day].reshape(24, 12).mean(axis=1)
            found.append(ReserveProduct(name, direction, hourly, 1, hold, LEAST_KW, who))  # type: ignore[arg-type]
    return tuple(found)


def planned_with(pool: Pool, price: Floats, products: tuple[ReserveProduct, ...]) -> Bid:
    """Energy and reserve planned together on one price and one reserve price for every hour."""
    seen = PriceScenarios(price[None, :], np.ones(1))
    return make_offer(pool, seen, Settings("plan"), products).bid


def reserve() -> dict[str, Any]:
    """Energy alone and with reserve on AEMO's whole days: prices known, and taken to be those of the day before."""
    members = published_members(load_scenario("vpp"), read_day_ahead().day(date(2016, 5, 26)).start, 24)
    pool, names = pool_of(members), [one.member for one in members]
    rows: list[dict[str, float]] = []
    for run in (run for month in MONTHS for region in REGIONS for run in read_aemo(month, region)):
        before = None
        for day in run.whole_days():
            now = run.energy_aud_per_kwh[day].reshape(24, 12).mean(axis=1), fcas(run, day, names)
            rows.append(_earned(pool, now, now, "known") | (_earned(pool, before, now, "yesterday") if before else {}))
            before = now
    after_one = [row for row in rows if "yesterday: energy" in row]
    return {
        "unit": "AUD per day", "days": len(rows), "mean": _over(rows, np.mean), "median": _over(rows, np.median),
        "days_with_one_before": len(after_one), "mean_of_these": _over(after_one, np.mean),
        "median_of_these": _over(after_one, np.median),
    }  # fmt: skip


Prices = tuple[Floats, tuple[ReserveProduct, ...]]


def _earned(pool: Pool, known: Prices, came: Prices, name: str) -> dict[str, float]:
    """Energy alone, and energy with reserve, bid on prices that are known or believed and met at those that came."""
    alone = meet(pool, planned_with(pool, known[0], ()), came[0])
    both = meet(pool, planned_with(pool, *known), came[0], products=came[1])
    return {f"{name}: energy": alone.earned_eur, f"{name}: with reserve": both.earned_eur}


def _over(rows: list[dict[str, float]], what: Callable[[list[float]], Any]) -> dict[str, float]:
    return {name: round(float(what([row[name] for row in rows])), 2) for name in rows[0]}


FCR_EUR, AFRR_EUR = 0.012, 0.006
"""Capacity prices of the scenario's terms [EUR/kW/h]."""


def products_of(pool: Pool, contracts: dict[str, tuple[str, ...]], hours: int) -> tuple[ReserveProduct, ...]:
    """FCR and aFRR at the scenario's terms, 4-h blocks, at least 1 MW, from members whose contracts allow them."""
    blocks = -(-hours // 4)
    who = {kind: tuple(m for m in pool.member if kind in contracts[m]) for kind in ("fcr", "afrr")}
    found = []
    if who["fcr"]:
        found.append(ReserveProduct("fcr", "symmetric", np.full(blocks, FCR_EUR), 4, 0.25, LEAST_KW, who["fcr"]))
    if who["afrr"]:
        found += [ReserveProduct(f"afrr_{d}", d, np.full(blocks, AFRR_EUR), 4, 1.0, LEAST_KW, who["afrr"])  # type: ignore[arg-type]
                  for d in ("up", "down")]  # fmt: skip
    return tuple(found)


def earned_by(
    members: tuple[Flexibility, ...], day: Day, contracts: dict[str, tuple[str, ...]], *, with_reserve: bool
) -> tuple[float, Floats]:
    """What some members earn together, planned on the mean of forecasts, and what each of them moved [kWh]."""
    if not members:
        return 0.0, np.zeros(0)
    pool = pool_of(members)
    kinds = products_of(pool, contracts, pool.intervals) if with_reserve else ()
    out = meet(pool, planned_with(pool, day.forecast.mean(axis=0), kinds), day.price, products=kinds)
    return out.earned_eur, np.bincount(pool.of, np.abs(out.plan.u_kw).sum(axis=1), minlength=len(members))


def shapley(value: dict[frozenset[int], float], count: int) -> Floats:
    """Mean of what every member adds over all orders of joining (L. S. Shapley, 1953)."""
    share, orders = np.zeros(count), list(permutations(range(count)))
    for order in orders:
        for k, who in enumerate(order):
            share[who] += value[frozenset(order[: k + 1])] - value[frozenset(order[:k])]
    return share / len(orders)


def members(days: list[date], *, with_reserve: bool) -> dict[str, Any]:
    """Every member alone against its share of the pool, by three ways to split."""
    scenario, series = load_scenario("vpp"), read_day_ahead()
    contracts = {one.id: one.products for one in scenario.ownership.contracts}
    names = [one.id for one in scenario.ownership.contracts]
    sets = [frozenset(k for k in range(len(names)) if bits >> k & 1) for bits in range(1 << len(names))]
    total, moved = dict.fromkeys(sets, 0.0), np.zeros(len(names))
    for when in days:
        day = Day(scenario, series, when)
        assert [one.member for one in day.members] == names
        for some in sets:
            value, kwh = earned_by(
                tuple(day.members[k] for k in sorted(some)), day, contracts, with_reserve=with_reserve
            )
            total[some] += value
            moved = moved + kwh if len(some) == len(names) else moved
    whole, all_of_them = total[frozenset(range(len(names)))], frozenset(range(len(names)))
    marginal = np.array([whole - total[all_of_them - {k}] for k in range(len(names))])
    splits = {
        "shapley": shapley(total, len(names)),
        "marginal": marginal * whole / marginal.sum(),
        "pro_rata": moved * whole / moved.sum(),
    }
    alone = np.array([total[frozenset({k})] for k in range(len(names))])
    paid = np.array([one.share for one in scenario.ownership.contracts]) * splits["shapley"]
    shares = {**splits, "shapley_after_operators_part": paid}
    return {
        "days": len(days), "reserve": with_reserve, "pool_eur": round(whole, 2),
        "sum_alone_eur": round(float(alone.sum()), 2),
        **{
            name: dict(zip(names, np.round(share, 2).tolist(), strict=True))
            for name, share in {"alone": alone, **shares}.items()
        },
        "worse_off": {
            name: [n for n, a, v in zip(names, alone, share, strict=True) if v < a - 0.005]
            for name, share in shares.items()
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("day-ahead", "risk", "reserve", "members"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=DRAWN, help="only so many of the drawn days, spread evenly")
    parser.add_argument("--every-day", action="store_true")
    parser.add_argument("--forms", nargs="+", default=["plan", "curves", "blocks"])
    args = parser.parse_args()
    drawn = drawn_days(args.seed)
    days = [drawn[k * DRAWN // args.days] for k in range(args.days)]
    if args.every_day:
        days = [FIRST + timedelta(days=k) for k in range((LAST - FIRST).days + 1)]
    match args.what:
        case "day-ahead":
            found = [day_ahead(days, args.seed, tuple(args.forms))]
        case "risk":
            found = [risk(days)]
        case "reserve":
            found = [reserve()]
        case _:
            found = [members(days, with_reserve=kept) for kept in (False, True)]
    for row in found:
        print(json.dumps({"benchmark": args.what, **row}), flush=True)


if __name__ == "__main__":
    main()
