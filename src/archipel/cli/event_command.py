"""`archipel event`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.model import Scenario


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "event",
        help="ask for a reduction twice: by central dispatch and by price",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Ask batteries, vehicles and heat pumps to draw less for some hours: once by central dispatch\n"
        "(setpoints chosen by an optimiser that sees everything), once by a price that every cell answers by its own\n"
        "plan. Both beside their own day without event, on true AC power flow: delivered power, rebound, comfort,\n"
        "cost, voltages, messages. Where the scenario has contracts only devices under one for events are asked.\n"
        "Writes a folder runs/<id>/ with event.html and event.json.",
        epilog="examples:\n"
        "  archipel event district\n"
        "  archipel event vpp --at 2016-05-26T17:00Z --hours 2 --reduction-kw 300\n"
        "  archipel event vpp --price 0.08 --notice-hours 4 --json > event.json\n\n"
        "exit codes: 0 done, 1 a way delivered less than 90 % of what was asked, 2 an input cannot be used (also:\n"
        "more was asked than can be held), 130 stopped by Ctrl-C",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument(
        "--at", metavar="TIME", help="when it starts, a whole quarter hour (default: 17:00 UTC of the scenario's start)"
    )
    one.add_argument("--hours", type=_positive, default=2.0, metavar="H", help="how long (default: 2)")
    one.add_argument(
        "--reduction-kw", type=_positive, metavar="X", help="how much less to draw (default: half of what can be held)"
    )
    one.add_argument(
        "--price", type=_positive, metavar="EUR", help="price for a kWh not drawn (default: found in a few rounds)"
    )
    one.add_argument("--notice-hours", type=int, default=1, metavar="N", help="announced so long before (default: 1)")
    one.add_argument("--forecast", choices=("perfect", "naive"), default="perfect", help="default: perfect")
    one.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where results go (default: runs)")
    one.add_argument("--json", action="store_true", help="print event.json instead of the table")
    one.add_argument("--quiet", action="store_true", help="no progress bars")
    one.set_defaults(func=event_command)


def event_command(args: argparse.Namespace) -> int:
    """Ask both ways, print the comparison and where the results are; exit code 1 where one way fell short."""
    from archipel.cli.run_command import Bar
    from archipel.formats.scenario import load_scenario
    from archipel.report.event_page import event_page
    from archipel.report.event_page_figures import SHORT, figures, text
    from archipel.strategies.demand_event import demand_event

    scenario = load_scenario(args.scenario)
    done = demand_event(
        scenario, _at(args.at, scenario), args.hours, reduction_kw=args.reduction_kw, price_eur_per_kwh=args.price,
        notice_h=args.notice_hours, forecast=args.forecast,
        progress=None if args.quiet else Bar(sys.stderr.isatty()),
    )  # fmt: skip
    found = figures(done)
    folder = _folder(args.runs, scenario.name, done.event.start)
    (folder / "event.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (folder / "event.html").write_text(event_page(done, found), encoding="utf-8")
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print(text(found))
        print(f"\nreport: {folder / 'event.html'}\nresults: {folder}")
    return 0 if min(way["delivered_share"] for way in found["ways"].values()) >= SHORT else 1


def _folder(runs: Path, name: str, start: datetime) -> Path:
    """A new folder below `runs`."""
    stem = f"event-{name}-{start:%Y%m%dT%H%M}"
    number = 1
    while True:
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _at(text: str | None, scenario: Scenario) -> datetime:
    from archipel.model import ArchipelError

    if text is None:
        return scenario.start.replace(hour=17, minute=0, second=0, microsecond=0)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArchipelError(f"--at: found {text!r}; expected a time such as 2016-05-26T17:00Z") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number above 0")
    return value
