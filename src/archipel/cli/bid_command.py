"""`archipel bid`."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.formats.market_prices import DayAhead, MarketDay
    from archipel.model import Floats, Scenario
    from archipel.vpp.bidding import Offer
    from archipel.vpp.portfolio_plan import Pool

FORMS = ("plan", "curves", "blocks")
HIGH_MWH = 3000.0
"""Highest price the market took in 2016 [EUR/MWh]."""


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "bid",
        help="make the day-ahead bid of a portfolio",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Make a portfolio's bid for a day of the day-ahead market from what is known before the gate\n"
        "closes: past prices and, with --prices de, published forecasts (2016 and 2017, from the folder named by\n"
        "ARCHIPEL_DATA). Prints it with what it is expected to earn beyond leaving everything idle.",
        epilog="examples:\n"
        "  archipel bid vpp --day 2016-05-26\n"
        "  archipel bid vpp --day 2016-12-08 --risk 0.5 -o bid.csv",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument(
        "--day", metavar="DATE", help="the day of delivery on the market's clock (default: the scenario's)"
    )
    one.add_argument(
        "--risk", type=_share, default=0.0, metavar="W",
        help="weight of the worst scenarios against the mean of all, 0 to 1 (default: 0)",
    )  # fmt: skip
    one.add_argument(
        "--tail", type=_share, default=0.1, metavar="P", help="which part of all scenarios is the worst (default: 0.1)"
    )
    one.add_argument(
        "--form", choices=FORMS, default="blocks",
        help="plan: one quantity per hour; curves: price-dependent steps; blocks: with exclusive groups (default)",
    )  # fmt: skip
    one.add_argument("--scenarios", type=int, default=60, metavar="N", help="price scenarios (default: 60)")
    one.add_argument(
        "--prices", choices=("scenario", "de"), default="scenario",
        help="the scenario's own series, or German prices with published forecasts (default: scenario)",
    )  # fmt: skip
    one.add_argument(
        "--availability", choices=("all", "contract"), default="all",
        help="all members are there, or each as often as its contract demands (default: all)",
    )  # fmt: skip
    one.add_argument("--fill", action="store_true", help="fill missing prices from the day before instead of refusing")
    one.add_argument("--seed", type=int, default=1, metavar="S", help="seed of what is drawn (default: 1)")
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the bid as CSV")
    one.set_defaults(func=bid_command)


def bid_command(args: argparse.Namespace) -> int:
    """Draw scenarios, bid, print and write."""
    import numpy as np

    from archipel.formats.scenario import load_scenario
    from archipel.model.errors import ArchipelError
    from archipel.vpp.bidding import Settings, make_offer
    from archipel.vpp.bidding_members import published_members
    from archipel.vpp.bidding_program import Risk
    from archipel.vpp.portfolio_plan import pool_of
    from archipel.vpp.price_scenarios import draw_availability, draw_scenarios, with_availability

    if args.scenarios < 1 or args.tail <= 0.0:
        raise ArchipelError("--scenarios and --tail: expected at least one scenario and a tail above 0")
    scenario = load_scenario(args.scenario)
    series = _series(scenario, args.prices, fill=args.fill)
    day = _day(args.day, scenario, series)
    row, at = series.row(day.date), day.column
    members = published_members(scenario, day.start, day.hours)
    pool = pool_of(members)
    rng = np.random.default_rng([args.seed, row])
    drawn = draw_scenarios(
        series.price_eur_per_kwh[:row, at], series.forecast_eur_per_kwh[:row, :, at],
        series.forecast_eur_per_kwh[row][:, at], args.scenarios, rng,
    )  # fmt: skip
    if args.availability == "contract":
        least = {one.id: one.availability for one in scenario.ownership.contracts}
        confidence = np.array([least[one.member] for one in members])
        drawn = with_availability(drawn, draw_availability(confidence, pool.of, args.scenarios, rng))
    offer = make_offer(pool, drawn, Settings(args.form, Risk(args.risk, args.tail)))
    named = ", ".join(series.forecast_name) or "none published; similar days before"
    sys.stdout.write(_text(scenario, day, pool, offer, args.tail, drawn.mean_price, named))
    if args.output is not None:
        write_bid(args.output, offer, day)
        sys.stdout.write(f"\nwritten: {args.output}\n")
    return 0


def _series(scenario: Scenario, prices: str, *, fill: bool) -> DayAhead:
    from archipel.formats.market_prices import from_quarter_hours, read_day_ahead

    if prices == "de":
        return read_day_ahead(fill=fill)
    return from_quarter_hours(scenario.profiles.start, scenario.price)


def _day(text: str | None, scenario: Scenario, series: DayAhead) -> MarketDay:
    from datetime import date

    from archipel.model.errors import ArchipelError

    try:
        day = scenario.start.astimezone(series.zone).date() if text is None else date.fromisoformat(text)
    except ValueError:
        raise ArchipelError(f"--day: found {text}; expected a date such as 2016-05-26") from None
    if series.row(day) == 0:
        raise ArchipelError(f"--day: found {day}, the first day there are prices of; expected one with a day before it")
    return series.day(day)


def write_bid(path: Path, offer: Offer, day: MarketDay) -> None:
    """One row for every step of a curve and every interval of a block.

    Columns: `start` (UTC), `order` (curve, or the number of the group), `block`, `price_eur_per_mwh` (up to which the
    quantity holds; empty for any price), `buy_kw` (negative: sold).
    """
    from datetime import timedelta

    bid = offer.bid
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["start", "order", "block", "price_eur_per_mwh", "buy_kw"])
        start = [day.start + timedelta(hours=bid.dt_h * t) for t in range(bid.intervals)]
        for t, (edge, step) in enumerate(zip(bid.edge_eur_per_kwh, bid.step_kw, strict=True)):
            prices = [f"{1000.0 * p:.2f}" for p in edge] + [f"{HIGH_MWH:.2f}"]
            for price, kw in zip(prices, step, strict=True):
                out.writerow([f"{start[t]:%Y-%m-%dT%H:%MZ}", "curve", "", price, f"{kw:.1f}"])
        for g, blocks in enumerate(bid.groups):
            for b, block in enumerate(blocks):
                for t in range(bid.intervals):
                    if block[t] != 0.0:
                        out.writerow([f"{start[t]:%Y-%m-%dT%H:%MZ}", f"group {g + 1}", b + 1, "", f"{block[t]:.1f}"])


def _text(scenario: Scenario, day: MarketDay, pool: Pool, offer: Offer, tail: float, price: Floats, named: str) -> str:
    bid = offer.bid
    out = [
        f"{scenario.name}, {day.date}, {day.hours} hours from {day.start:%Y-%m-%d %H:%M} UTC, members: "
        + ", ".join(pool.member),
        f"forecasts: {named}; {len(offer.probability)} scenarios",
        "",
        "hour [UTC]  expected EUR/MWh  buys kW at a price up to EUR/MWh (negative: sells)",
    ]
    for t, (edge, step) in enumerate(zip(bid.edge_eur_per_kwh, bid.step_kw, strict=True)):
        hour = (day.start.hour + t) % 24
        steps = [f"{kw:,.0f} to {1000.0 * p:.2f}" for kw, p in zip(step[:-1], edge, strict=True)]
        out.append(f"{hour:02d}:00       {1000.0 * price[t]:>16.2f}  " + "; ".join([*steps, f"{step[-1]:,.0f}"]))
    for g, blocks in enumerate(bid.groups):
        busy = abs(blocks).sum(axis=0).nonzero()[0]
        kind = "buys" if blocks.sum() > 0 else "sells"
        hours = f"{(day.start.hour + busy[0]) % 24:02d}:00 to {(day.start.hour + busy[-1] + 1) % 24:02d}:00"
        out.append(f"group {g + 1}: {kind} {abs(blocks[0].sum()) * bid.dt_h:,.0f} kWh between {hours} UTC, "
                   f"one of {len(blocks)} block{'s' if len(blocks) > 1 else ''}")  # fmt: skip
    out += [
        "",
        f"expected: {offer.expected_eur:,.2f} EUR beyond leaving everything idle",
        f"mean of the worst {100 * tail:g} %: {offer.cvar_eur(tail):,.2f} EUR",
    ]
    return "\n".join(out) + "\n"


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"found {text}; expected a number from 0 to 1")
    return value
