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
from pathlib import Path
from typing import Any

import numpy as np

from archipel.formats.scenario import load_scenario
from archipel.model import Floats
from archipel.report.svg import tag, text, ticks
from archipel.twin.portfolio_days import CYCLES, QUARTERS, Days, drawn
from archipel.twin.portfolio_seconds import Ran, run
from archipel.twin.portfolio_state import Asked
from archipel.vpp.engine import Engine
from archipel.vpp.promises import Promise, Promises
from archipel.vpp.promises_size import AFRR_HOLD_H, FCR_HOLD_H, Size, blocks, largest, lost_share
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


def days_of(number: int, seed: int, failing: float = FAILING) -> Days:
    scenario = load_scenario("vpp")
    first = np.random.default_rng(seed).choice(np.arange(9, 364), number, replace=False) * QUARTERS
    return drawn(scenario, np.sort(first), seed, failing)


def planned(days: Days) -> Floats:
    """Batteries charge in the cheapest quarter hours and give in the dearest, shape (D, 98)."""
    b, rows = days.batteries, days.battery.row
    power = PLAN_PART * float(b.p_kw_charge[rows].sum())
    plan = np.zeros((len(days.first_row), QUARTERS + 2))
    order = np.argsort(days.price, axis=1, kind="stable")
    np.put_along_axis(plan, order[:, :16], power, axis=1)
    np.put_along_axis(
        plan, order[:, -16:], -power * float(b.efficiency_charge[rows[0]] * b.efficiency_discharge[rows[0]]), axis=1
    )
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
        fcr.append(np.floor(size.fcr_kw))
        afrr.append(np.floor(size.afrr_kw))
        booked(days, plan, stored, fcr[-1], afrr[-1])
    return Size(np.stack(fcr), np.stack(afrr))


def booked(days: Days, plan_kw: Floats, stored_kwh: Floats, fcr_kw: Floats, afrr_kw: Floats) -> Promises:
    """Both products in the book, by device; refused if anything were promised twice or without energy."""
    b, rows = days.batteries, days.battery.row
    part = (b.p_kw_charge[rows] / b.p_kw_charge[rows].sum())[:, None]
    size = b.e_kwh[rows].sum()
    power = part * (b.p_kw_charge[rows].sum() - np.abs(plan_kw))
    energy = part * 0.95 * stored_kwh, part * (size - stored_kwh) / 0.95
    book = Promises(days.battery.id, power, power, *energy)
    book = book.promise(Promise("fcr", "kombi-1", "fcr", 0, part * fcr_kw, part * fcr_kw, FCR_HOLD_H))
    return book.promise(Promise("afrr", "kombi-1", "afrr", 0, part * afrr_kw, part * afrr_kw, AFRR_HOLD_H))


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
    """Figures of a plant over all days; `part` is what was delivered, per day and quarter hour."""
    after = slice(WARM_UP_S, None)
    wanted, schedule = ran.wanted_kw[:, after], ran.schedule_kw[:, after]
    metered = np.asarray(metered[:, after], dtype=np.float64)
    found = errors(wanted, metered, None if runs is None else runs[:, after])
    promised_kw = (asked.afrr_kw + asked.fcr_kw)[:, WARM_UP_S // 900 :]
    part = delivered(wanted - schedule, metered - schedule, 900, promised_kw)
    strict = delivered(wanted - schedule, metered - schedule, 900)
    return {
        "rmse_kw": round(found.rmse_kw, 1),
        "mean_abs_kw": round(found.mean_abs_kw, 1),
        "p99_kw": round(found.p99_kw, 1),
        "availability": round(float(available(wanted, metered, rating, 60).mean()), 5),
        "delivered_95": round(float((part >= ENOUGH).mean()), 5),
        "delivered_95_without_tolerance": round(float((strict >= ENOUGH).mean()), 5),
        "delivered_mean": round(float(strict.mean()), 4),
        "part": part,
    }


def tell(what: str, **figures: Any) -> None:
    print(json.dumps({"what": what, **{k: v for k, v in figures.items() if k != "part"}}), flush=True)


def whole_days(number: int, seed: int, failing: float, blind: bool, silent_h: float) -> None:
    """Tracking, availability, what was delivered and what could have been called."""
    days = days_of(number, seed, failing)
    if silent_h > 0.0:  # one member a day, in turn, from noon
        silent = (np.arange(number)[:, None] % len(days.contracts)) == np.arange(len(days.contracts))
        begins = np.where(silent, 43_200.0, np.inf)
        days = replace(days, contract_down=begins, contract_up=begins + 3600.0 * silent_h)
    asked = asked_of(days, seed)
    if blind:
        asked = replace(asked, sees=False, trade_kw=0.0)
    ran = run(days, asked)
    rating = rating_kw(ran, asked)
    tell(
        "promised", days=number, seed=seed, failing=failing, blind=blind, silent_h=silent_h,
        fcr_kw=spread(asked.fcr_kw), afrr_kw=spread(asked.afrr_kw),
        rating_kw=round(rating), soc=spread(ran.soc), missed_kwh_day=round(float(ran.missed_kwh.mean()), 2),
        relief_kwh_day=[round(float(x), 1) for x in ran.slow_kwh.mean(axis=0)],
    )  # fmt: skip
    ours = measured(ran, asked, ran.metered_kw, rating)
    kept = ran.kept[:, WARM_UP_S // 900 :]
    both = (kept.min(axis=2) >= ENOUGH) & (ours["part"] >= ENOUGH)
    tell(
        "portfolio", **ours, kept_95=[round(float(x), 5) for x in (kept >= ENOUGH).mean(axis=(0, 1))],
        kept_and_delivered_95=round(float(both.mean()), 5), worst_day=round(float(both.mean(axis=1).min()), 4),
    )  # fmt: skip
    for ramp in (0.2, 1.0):
        engine = Engine(rating, ramp_per_min=ramp)
        runs = np.stack([engine.runs(86_400, 1.0, np.random.default_rng([seed, 2, int(r)])) for r in days.first_row])
        follows = engine.follow(ran.wanted_kw, 1.0)
        name = f"engine, {100 * ramp:g} % of rating per minute"
        tell(f"{name}, while it runs", **measured(ran, asked, follows, rating, runs))
        # An engine that stands still gives none of what was to be given; PV and load of others stay theirs.
        stands = measured(ran, asked, np.where(runs, follows, ran.schedule_kw.max()), rating)
        tell(f"{name}, outages counted", runs=round(float(runs.mean()), 4), **stands)


def steps(number: int, seed: int) -> None:
    """Answers to steps, less the same days without: of the signal, all promised; of frequency, 100 and 200 mHz."""
    days, at_s, cycles = days_of(number, seed), 7200, 2100
    quiet = replace(
        asked_of(days, seed), restoration=np.zeros((number, cycles)), f_hz=np.full((number, 4 * cycles), 50.0)
    )
    without, time = run(days, quiet).metered_kw, np.arange(4.0 * cycles) + 1.0  # at the end of every second
    began = np.arange(4 * cycles) >= at_s
    for sign in (-1.0, 1.0):
        signal = np.where(began[::4], sign, 0.0)[None, :].repeat(number, axis=0)
        tell_step(f"restoration {sign:+g}", time, run(days, replace(quiet, restoration=signal)).metered_kw - without,
                  sign * quiet.afrr_kw[:, at_s // 900], at_s)  # fmt: skip
    for mhz in (-200, -100, 100, 200):
        f_hz = np.where(began, 50.0 + mhz / 1000.0, 50.0)[None, :].repeat(number, axis=0)
        tell_step(f"frequency {mhz:+d} mHz", time, run(days, replace(quiet, f_hz=f_hz)).metered_kw - without,
                  mhz / 200.0 * quiet.fcr_kw[:, at_s // 900], at_s)  # fmt: skip


def tell_step(what: str, time: Floats, answer: Any, size: Floats, at_s: int) -> None:
    """Slowest and median over the days."""
    first = [reaction_s(time, a, at_s, 0.0, float(s)) for a, s in zip(answer, size, strict=True)]
    half, full = (
        [reached_s(time, a, at_s, 0.0, float(s), part) for a, s in zip(answer, size, strict=True)]
        for part in (0.5, ENOUGH)
    )
    end = answer[:, -60:].mean(axis=1) / size
    tell(what, step_kw=spread(np.abs(size)), first_s=spread(first), half_s=spread(half), full_s=spread(full),
         after_20_min=spread(end))  # fmt: skip


def held(number: int, seed: int) -> None:
    """15 min of full containment at each day's emptiest and fullest moment, after an hour of full restoration."""
    days = days_of(number, seed)
    asked = asked_of(days, seed)
    soc = run(days, asked).soc
    for sign, worst in ((-1.0, soc[:, 75:1420].argmin(axis=1)), (1.0, soc[:, 75:1420].argmax(axis=1))):
        begins = 60 * (worst + 75)
        signal, f_hz = asked.restoration.copy(), asked.f_hz.copy()
        for d, second in enumerate(begins):
            signal[d, (second - 3600) // 4 : (second + 900) // 4] = sign
            f_hz[d, second : second + 900] = 50.0 + 0.2 * sign
        hard = replace(asked, restoration=signal, f_hz=f_hz)
        both, alone = run(days, hard), run(days, replace(hard, f_hz=asked.f_hz))
        total, contained = [], []
        for d, second in enumerate(begins):
            during, fcr_kw = slice(second + 30, second + 900), asked.fcr_kw[d, second // 900]
            short = sign * (both.wanted_kw[d, during] - both.metered_kw[d, during])
            total.append(1.0 - short.reshape(-1, 30).mean(axis=1).max() / fcr_kw)
            owed = both.wanted_kw[d, during] - alone.wanted_kw[d, during]
            short = sign * (owed - (both.metered_kw[d, during] - alone.metered_kw[d, during]))
            contained.append(1.0 - short.reshape(-1, 30).mean(axis=1).max() / fcr_kw)
        tell(
            f"15 min at {200 * sign:+g} mHz at the {'emptiest' if sign < 0 else 'fullest'} moment, after an hour of "
            "full restoration that way and with it", containment_least_part=spread(contained),
            containment_held_95=round(float(np.mean(np.array(contained) >= ENOUGH)), 4),
            with_restoration_least_part=spread(total),
            soc=spread([soc[d, b // 60] for d, b in enumerate(begins)]),
        )  # fmt: skip


WIDTH, HEIGHT, LEFT, TOP = 760, 380, 62, 34
LINES = (("wanted", "#8a8f98", 3.2), ("engine", "#c2571a", 1.3), ("portfolio", "#1b6ca8", 1.3))


def picture(number: int, seed: int, to: str, hour: int = 17) -> None:
    """One hour of one day."""
    days = days_of(number, seed)
    asked = asked_of(days, seed)
    ran = run(days, asked)
    engine = Engine(rating_kw(ran, asked)).follow(ran.wanted_kw[:1], 1.0)
    part = slice(3600 * hour, 3600 * hour + 3600)
    series = {"wanted": ran.wanted_kw[0, part], "engine": engine[0, part], "portfolio": ran.metered_kw[0, part]}
    low, high = min(x.min() for x in series.values()), max(x.max() for x in series.values())
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)

    def at(second: float, p_kw: float) -> str:
        x = LEFT + (WIDTH - LEFT - 12) * second / 3600.0
        return f"{x:.1f},{TOP + (HEIGHT - TOP - 30) * (high - p_kw) / (high - low):.1f}"

    parts = [text(4, 18, "kW drawn", fill="#4a5563")]
    for level in ticks(low, high, 6):
        y = at(0, level).split(",")[1]
        words = f"{level:,.0f}".replace("-", "\u2212").replace(",", " ")
        parts.append(tag("line", x1=LEFT, x2=WIDTH - 12, y1=y, y2=y, stroke="#d7dbe0"))
        parts.append(text(LEFT - 8, float(y) + 4, words, text_anchor="end", fill="#4a5563"))
    for minute in range(0, 61, 15):
        x = float(at(60.0 * minute, low).split(",")[0])
        anchor = "end" if minute == 60 else "middle"
        parts.append(
            text(x, HEIGHT - 12, f"{hour + minute // 60}:{minute % 60:02d}", text_anchor=anchor, fill="#4a5563")
        )
    for k, (name, colour, width) in enumerate(LINES):
        points = " ".join(at(float(t), float(series[name][t])) for t in range(0, 3600, 4))
        parts.append(tag("polyline", points=points, fill="none", stroke=colour, stroke_width=width))
        x = LEFT + 20 + 150 * k
        parts.append(tag("line", x1=x, x2=x + 24, y1=14, y2=14, stroke=colour, stroke_width=width))
        parts.append(text(x + 30, 18, name, fill="#222"))
    label = "One hour: what schedule, restoration signal and frequency ask for, the gas engine, and the portfolio"
    drawn_svg = tag(
        "svg", tag("title", label), tag("rect", x=0, y=0, width=WIDTH, height=HEIGHT, fill="#ffffff"), *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", font_family="sans-serif", font_size=12,
    )  # fmt: skip
    Path(to).write_text(drawn_svg + "\n", encoding="utf-8")


def spread(x: Any) -> list[float]:
    """Least, median, most."""
    return [round(float(v), 3) for v in (np.min(x), np.median(x), np.max(x))]


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("days", "steps", "held", "picture"))
    parser.add_argument("--number", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--failing", type=float, default=FAILING, help="probability per device, point, member and day")
    parser.add_argument(
        "--blind", action="store_true", help="the day-ahead schedule stands, nothing is traded after it"
    )
    parser.add_argument("--silent-h", type=float, default=0.0, help="one whole member silent from noon for so long")
    parser.add_argument("--to", default="docs/img/plant-or-portfolio.svg")
    given = parser.parse_args()
    if given.what == "picture":
        picture(given.number, given.seed, given.to)
    elif given.what == "days":
        whole_days(given.number, given.seed, given.failing, given.blind, given.silent_h)
    else:
        {"steps": steps, "held": held}[given.what](given.number, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
