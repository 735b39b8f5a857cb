"""What bidding with flexibility is worth: day-ahead on German prices, with reserve on AEMO's, and to each member.

    python -m benchmarks.value_of_flexibility day-ahead --seed 1        60 days of 2016, beside perfect foresight
    python -m benchmarks.value_of_flexibility day-ahead --every-day     all days from 2016-01-11 to 2016-12-31
    python -m benchmarks.value_of_flexibility risk                      mean and worst days against the weight of risk
    python -m benchmarks.value_of_flexibility reserve                   energy and FCAS of AEMO's days [AUD]
    python -m benchmarks.value_of_flexibility members                   every member alone and in the pool

Portfolio `vpp`, whole hours. Value is what is earned beyond the same portfolio left idle: energy at the day-ahead price,
deviations at that price +-30 EUR/MWh, less wear. Stores end every day with at least what they would hold idle, the same for
all that is compared. Series of sun and sessions of vehicles are known to all that is compared; prices are not. A day's bid
sees its published forecasts and the prices and forecasts of the days before, nothing else; the first price is that of 2016-01-04,
so the first day drawn has seven days of errors behind it (`archipel.vpp.price_scenarios` says what is made of few).
Prints one JSON line per result.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import numpy as np

from archipel.formats.market_prices import DayAhead, FiveMinutes, read_aemo, read_day_ahead
from archipel.formats.scenario import load_scenario
from archipel.model import Floats, Scenario
from archipel.model.flexibility import Flexibility
from archipel.vpp.bidding import Bid, Settings, make_offer, meet
from archipel.vpp.bidding_members import hourly_members
from archipel.vpp.bidding_program import Risk, decide, steps_at
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
        self.members = hourly_members(scenario, found.start, found.hours)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("day-ahead", "risk", "reserve", "members"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every-day", action="store_true")
    parser.add_argument("--forms", nargs="+", default=["plan", "curves", "blocks"])
    args = parser.parse_args()
    if args.what == "day-ahead":
        days = (
            [FIRST + timedelta(days=k) for k in range((LAST - FIRST).days + 1)]
            if args.every_day
            else drawn_days(args.seed)
        )
        print(json.dumps(day_ahead(days, args.seed, tuple(args.forms))), flush=True)


if __name__ == "__main__":
    main()
