"""`archipel hosting`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from archipel.cli.hosting_progress import Told

DEVICES = ("pv", "ev", "heat-pump")
STRATEGIES = ("uncoordinated", "alone", "distributed", "central")


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "hosting",
        help="how many new PV, EV chargers or heat pumps can connect under each strategy",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Place new devices at customers in an order drawn by seed, and find for every strategy how many a\n"
        "day of closed loop bears before a limit is broken: voltage, loading or firm limit by AC power flow,\n"
        "or what devices are there for. Writes runs/hosting-.../ with hosting.html, CSV, Parquet and JSON.\n"
        "Ctrl-C at any time: the same command goes on where it was.",
        epilog="examples:\n"
        "  archipel hosting district --device ev\n"
        "  archipel hosting my-grid --device pv --strategy uncoordinated --seeds 10\n"
        "  archipel hosting my-grid --device heat-pump --start 2016-01-20 --jobs 2 --json",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    add_question(one, required=True)
    one.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes (default: 1)")
    one.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where results go (default: runs)")
    one.add_argument("--json", action="store_true", help="print the answers as JSON instead of tables")
    one.add_argument("--quiet", action="store_true", help="no progress")
    one.set_defaults(func=hosting_command)


def add_question(one: Any, *, required: bool) -> None:
    """The options that say what is asked."""
    name = "--device" if required else "--hosting"
    one.add_argument(name, dest="device", choices=DEVICES, required=required, help="what comes")
    one.add_argument("--strategy", action="append", choices=STRATEGIES, help="repeat for several (default: all four)")
    one.add_argument("--seeds", type=_positive, default=3, metavar="N", help="orders drawn, seeds 1 to N (default: 3)")
    one.add_argument(
        "--start", metavar="DATE",
        help="first day; for EV chargers it begins at noon (default: the hardest day of the series)",
    )  # fmt: skip
    one.add_argument("--days", type=_positive, default=1, metavar="N", help="how many days (default: 1)")
    one.add_argument(
        "--curtail",
        type=_percent,
        default=5.0,
        metavar="PERCENT",
        help="most that may be curtailed of their energy (default: 5)",
    )
    one.add_argument(
        "--missing", type=_percent, default=1.0, metavar="PERCENT",
        help="most that may be missing at departures of their energy (default: 1)",
    )  # fmt: skip
    one.add_argument(
        "--comfort", type=_not_negative, default=0.1, metavar="KH",
        help="most kelvin-hours outside the comfort band per heat pump and day (default: 0.1)",
    )  # fmt: skip
    one.add_argument(
        "--per-customer", type=_positive, default=3, metavar="N", help="most new devices of a customer (default: 3)"
    )
    one.add_argument(
        "--together", type=_positive, default=10, metavar="N",
        help="behind a load above 1 kV so many customers come at once, their vehicles alike (default: 10)",
    )  # fmt: skip
    one.add_argument(
        "--beyond-today", action="store_true", help="widen limits that are broken already to the worst of that day"
    )
    one.add_argument("--cell", default="", metavar="ID", help="only customers of this cell get devices")
    one.add_argument(
        "--steps", type=_positive, default=200, metavar="N",
        help="tell the answer to 1 in N of all devices of the order (default: 200)",
    )  # fmt: skip


def question_of(args: argparse.Namespace, scenario: Any) -> Any:
    """What is asked, of a prepared scenario."""
    from datetime import timedelta

    from archipel.report.session import moment
    from archipel.strategies.hosting import Question, Service, draw, stress_day

    if args.start is None:
        first = draw(scenario, args.device, 1, 1, args.cell, args.together)
        start = stress_day(scenario, args.device, float(first.p_kw.sum()))
    else:
        start = moment(args.start)
        if args.device == "ev" and len(args.start) <= len("2016-01-20"):
            start += timedelta(hours=12)
    scenario.check_time(start)
    scenario.check_time(start + timedelta(days=args.days) - timedelta(minutes=15))
    wanted = args.strategy or STRATEGIES
    return Question(
        device=args.device,
        start=start,
        days=args.days,
        strategies=tuple(name for name in STRATEGIES if name in wanted),
        seeds=tuple(range(1, args.seeds + 1)),
        service=Service(args.curtail / 100.0, args.missing / 100.0, args.comfort),
        per_customer=args.per_customer,
        cell=args.cell,
        steps=args.steps,
        together=args.together,
        beyond_today=args.beyond_today,
    )


def hosting_command(args: argparse.Namespace) -> int:
    """Search, write the folder, print tables (or JSON) and where the results are."""
    from archipel.formats.scenario import load_scenario
    from archipel.report.hosting_folder import HostingFolder
    from archipel.report.hosting_rows import text
    from archipel.strategies.hosting import Study, as_today, notes, prepared

    scenario = prepared(load_scenario(args.scenario), args.device)
    question = question_of(args, scenario)
    if question.beyond_today:
        scenario = as_today(scenario, question)
    folder = HostingFolder(args.runs, scenario, question)
    known = len(folder.evaluations)
    if known and not args.quiet:
        print(f"{folder.path}: goes on after {known} evaluations", file=sys.stderr)
    study = Study(scenario, question, folder.evaluations)
    shown = None if args.quiet else Told(question.strategies, len(question.seeds), sys.stderr.isatty())
    try:
        study.run(args.jobs, shown, folder.save)
    except KeyboardInterrupt:
        print(
            f"\narchipel: stopped; {len(folder.evaluations)} evaluations are kept, the same command goes on there",
            file=sys.stderr,
        )
        return 130
    finally:
        if shown is not None:
            shown.end()
    answers = list(study.answers())
    said = notes(scenario, question, answers)
    folder.finish(answers, said)
    if args.json:
        print(json.dumps({"question": question.plain(), "notes": said, "answers": answers}, indent=2))
    else:
        print(text(question, answers, said))
        print(f"\nreport: {folder.path / 'hosting.html'}\nresults: {folder.path}")
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected a whole number, 1 or more")
    return int(text)


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number, 0 or more")
    return value


def _percent(text: str) -> float:
    value = _not_negative(text)
    if value > 100.0:
        raise argparse.ArgumentTypeError(f"found {text}; expected a share in percent, 0 to 100")
    return value
