"""Plant or portfolio: the same schedule, restoration signal and frequency drive `vpp` and a gas engine of equal rating.

    python -m benchmarks.plant_or_portfolio days --number 100     tracking, what was delivered and kept, one line a day
    python -m benchmarks.plant_or_portfolio steps                 how soon it answers a step of signal and of frequency
    python -m benchmarks.plant_or_portfolio held                  15 min of full containment at each day's worst moments
    python -m benchmarks.plant_or_portfolio picture               docs/img/plant-or-portfolio.svg

Days are drawn from the year by the seed. 5 % of devices, of connection points and of whole members fail in a day.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from archipel.formats.scenario import load_scenario
from archipel.model import Floats
from archipel.twin.portfolio_days import CYCLES, QUARTERS, Days, drawn
from archipel.twin.portfolio_seconds import Asked, Ran, run
from archipel.vpp.engine import Engine
from archipel.vpp.promises_size import Size, blocks, largest, lost_share
from archipel.vpp.tracking import ENOUGH, available, delivered, errors, reached_s, reaction_s
from archipel.vpp.tracking_signals import frequency_hz, restoration_signal

FAILING = 0.05
FCR_PART = 0.3
PLAN_PART = 0.10
"""Of the batteries' power that the day-ahead plan uses in the dearest and the cheapest sixteen quarter hours."""
TRADE_PART = 0.3
"""Of the batteries' power that nominations may differ from the plan."""
SUN_SD, OTHER_SD = 0.07, 0.3
"""Standard deviation of what is still unknown half an hour before, as part of sun and of the rest."""
WARM_UP_S = 900


def days_of(number: int, seed: int) -> Days:
    scenario = load_scenario("vpp")
    first = np.random.default_rng(seed).choice(np.arange(9, 364), number, replace=False) * QUARTERS
    return drawn(scenario, np.sort(first), seed, FAILING)


def planned(days: Days) -> Floats:
    """Batteries charge in the cheapest quarter hours and give in the dearest, shape (D, 98)."""
    b, rows = days.batteries, days.battery.row
    power = PLAN_PART * float(b.p_kw_charge[rows].sum())
    plan = np.zeros((len(days.first_row), QUARTERS + 2))
    order = np.argsort(days.price, axis=1, kind="stable")
    np.put_along_axis(plan, order[:, :16], power, axis=1)
    np.put_along_axis(plan, order[:, -16:], -power * float(b.efficiency_charge[rows[0]] * b.efficiency_discharge[rows[0]]), axis=1)
    return plan


def promised(days: Days, plan_kw: Floats) -> Size:
    """What may be promised in every quarter hour, shape (D, 96), level over blocks of 4 h."""
    b, rows = days.batteries, days.battery.row
    rating = np.minimum(b.p_kw_charge[rows], b.p_kw_discharge[rows])
    lost = lost_share(rating, 2 * FAILING)  # its connection point or itself
    fcr, afrr = [], []
    for d in range(len(days.first_row)):
        plan = plan_kw[d, :QUARTERS]
        stored = float((b.soc_start[rows] * b.e_kwh[rows]).sum()) + np.cumsum(plan) / 4.0
        sun = -days.forecast_sun_kw[d, :QUARTERS]
        sd_kw = np.hypot(SUN_SD * sun, OTHER_SD * (days.forecast_kw[d, :QUARTERS] + sun))
        size = largest(
            float(rating.sum()), plan, sd_kw, 0.95 * stored, (float(b.e_kwh[rows].sum()) - stored) / 0.95,
            0.75 * sd_kw, lost, FCR_PART,
        )  # fmt: skip
        size = blocks(size, 16)
        fcr.append(size.fcr_kw)
        afrr.append(size.afrr_kw)
    return Size(np.floor(np.stack(fcr)), np.floor(np.stack(afrr)))


def asked_of(days: Days, seed: int, fcr: bool = True) -> Asked:
    plan = planned(days)
    size = promised(days, plan)
    power = float(days.batteries.p_kw_charge[days.battery.row].sum())
    rng = [np.random.default_rng([seed, 1, int(row)]) for row in days.first_row]
    return Asked(
        restoration=np.stack([restoration_signal(CYCLES, g) for g in rng]),
        f_hz=np.stack([frequency_hz(4 * CYCLES, g) for g in rng]),
        afrr_kw=size.afrr_kw, fcr_kw=size.fcr_kw if fcr else 0.0 * size.fcr_kw, plan_kw=plan,
        trade_kw=TRADE_PART * power,
    )  # fmt: skip


def rating_kw(ran: Ran, asked: Asked) -> float:
    """Of an engine that could give all that was ever asked of the portfolio in these days."""
    reserve = float((asked.afrr_kw + asked.fcr_kw).max())
    return float(ran.schedule_kw.max() - ran.schedule_kw.min()) + 2.0 * reserve


def measured(ran: Ran, asked: Asked, metered: Any, rating: float, runs: Any = None) -> dict[str, Any]:
    """Figures of a plant over all days."""
    after = slice(WARM_UP_S, None)
    wanted, metered = ran.wanted_kw[:, after], np.asarray(metered[:, after], dtype=np.float64)
    found = errors(wanted, metered, None if runs is None else runs[:, after])
    change = wanted - ran.schedule_kw[:, after]
    given = metered - ran.schedule_kw[:, after]
    reserve = np.repeat(asked.afrr_kw + asked.fcr_kw, 900, axis=1)[:, after]
    part = delivered(change, given, 900, 0.02 * float(reserve.mean()))
    minute = available(wanted, metered, rating, 60)
    return {
        "rmse_kw": round(found.rmse_kw, 1), "mean_abs_kw": round(found.mean_abs_kw, 1), "p99_kw": round(found.p99_kw, 1),
        "availability": round(float(minute.mean()), 5), "delivered_95": round(float((part >= ENOUGH).mean()), 5),
        "delivered_mean": round(float(part.mean()), 4), "part": part,
    }  # fmt: skip


def whole_days(number: int, seed: int) -> None:
    days = days_of(number, seed)
    asked = asked_of(days, seed)
    ran = run(days, asked)
    rating = rating_kw(ran, asked)
    ours = measured(ran, asked, ran.metered_kw, rating)
    kept = ran.kept[:, WARM_UP_S // 900 :].min(axis=2)
    both = (kept >= ENOUGH) & (ours.pop("part") >= ENOUGH)
    ours |= {
        "kept_95": round(float((kept >= ENOUGH).mean()), 5), "kept_and_delivered_95": round(float(both.mean()), 5),
        "worst_day": round(float(both.mean(axis=1).min()), 4),
        "kept_each_95": [round(float((ran.kept[:, 1:, i] >= ENOUGH).mean()), 5) for i in range(3)],
    }  # fmt: skip
    print(json.dumps({"what": "promised", "fcr_kw": _spread(asked.fcr_kw), "afrr_kw": _spread(asked.afrr_kw),
                      "engine_rating_kw": round(rating), "soc": _spread(ran.soc), "missed_kwh_day": round(float(ran.missed_kwh.mean()), 1),
                      "relief_kwh_day": [round(float(x), 1) for x in ran.slow_kwh.mean(axis=0)]}))
    print(json.dumps({"what": "portfolio", "days": number, **ours}))
    for ramp in (0.2, 1.0):
        engine = Engine(rating, ramp_per_min=ramp)
        runs = np.stack([engine.runs(86_400, 1.0, np.random.default_rng([seed, 2, int(r)])) for r in days.first_row])
        follows = engine.follow(ran.wanted_kw, 1.0)
        while_up = measured(ran, asked, follows, rating, runs)
        with_outages = measured(ran, asked, np.where(runs, follows, ran.schedule_kw * 0.0), rating)
        while_up.pop("part"), with_outages.pop("part")
        print(json.dumps({"what": f"engine, ramp {ramp:g} of rating per minute, while it runs", **while_up}))
        print(json.dumps({"what": f"engine, ramp {ramp:g}, outages counted", "up": round(float(runs.mean()), 4), **with_outages}))


def _spread(x: Any) -> list[float]:
    return [round(float(v), 3) for v in (np.min(x), np.median(x), np.max(x))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("days", "steps", "held", "picture"))
    parser.add_argument("--number", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    whole_days(given.number, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
