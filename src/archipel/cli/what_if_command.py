"""`archipel what-if`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from archipel.cli.hosting_command import DEVICES, STRATEGIES
from archipel.cli.hosting_progress import Told
from archipel.cli.run_command import Bar


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "what-if",
        help="the same days with one more line or battery, or a larger transformer",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run the same days as they are and with a measure built, and set them side by side: cost, losses,\n"
        "voltages, loadings, limits broken, and with --hosting what more can connect.",
        epilog="examples:\n"
        "  archipel what-if district --battery bus/7:500:250\n"
        "  archipel what-if district --transformer trafo/6:630 --cost 900 --hosting pv\n"
        "  archipel what-if my-grid --line bus/3:bus/4:4x150:0.12 --start 2016-06-09",
    )
    one.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    one.add_argument(
        "--battery", action="append", default=[], metavar="NODE:KWH:KW", help="a battery at a node; repeat for several"
    )
    one.add_argument(
        "--line", action="append", default=[], metavar="A:B[:...]",
        help="a line from node A to node B: A:B beside the one there and like it, A:B:TYPE:KM, A:B:R_OHM:X_OHM:AMPERE",
    )  # fmt: skip
    one.add_argument(
        "--transformer", action="append", default=[], metavar="ID:KVA", help="another rating of a transformer"
    )
    one.add_argument(
        "--strategy", action="append", choices=STRATEGIES,
        help="repeat for several (default: uncoordinated and distributed)",
    )  # fmt: skip
    one.add_argument("--start", metavar="DATE", help="first day, 00:00 UTC (default: the scenario's)")
    one.add_argument("--days", type=_days, metavar="N", help="how many days (default: the scenario's)")
    one.add_argument("--cost", type=_money, metavar="EUR", help="what the measure costs in a year")
    one.add_argument("--hosting", choices=DEVICES, help="also: how many of these can connect before and after")
    one.add_argument("--seeds", type=_days, default=1, metavar="N", help="orders of --hosting (default: 1)")
    one.add_argument("--jobs", type=_days, default=1, metavar="N", help="processes of --hosting (default: 1)")
    one.add_argument("--json", action="store_true", help="print JSON instead of the table")
    one.add_argument("--quiet", action="store_true", help="no progress")
    one.set_defaults(func=what_if_command)


def what_if_command(args: argparse.Namespace) -> int:
    """Run both sides and print them."""
    from archipel.formats.scenario import load_scenario
    from archipel.model import ArchipelError
    from archipel.report.session import moment
    from archipel.report.what_if_rows import text, worth
    from archipel.strategies.measures import Measure, built, read_battery, read_line, read_transformer

    measures: list[Measure] = [
        *(read_battery(one) for one in args.battery),
        *(read_line(one) for one in args.line),
        *(read_transformer(one) for one in args.transformer),
    ]
    if not measures:
        raise ArchipelError(
            "what-if: found no measure; expected at least one of --battery NODE:KWH:KW, --line A:B, "
            "--transformer ID:KVA"
        )
    base = load_scenario(args.scenario)
    if base.island.off_grid:
        raise ArchipelError(
            f"what-if: {base.name} has no main grid; expected a scenario with one. "
            "Run it twice with `archipel run` instead."
        )
    changed = base
    for measure in measures:
        changed = built(changed, measure)
    start = base.start if args.start is None else moment(args.start)
    base.check_time(start)
    days = args.days or base.days
    names = [name for name in STRATEGIES if name in (args.strategy or ("uncoordinated", "distributed"))]
    progress = None if args.quiet else Bar(sys.stderr.isatty())
    found: dict[str, Any] = {
        "scenario": base.name,
        "start": start.isoformat(),
        "days": days,
        "measures": [str(measure) for measure in measures],
        "strategies": {},
    }
    for name in names:
        sides: dict[str, Any] = {
            side: _run(scenario, name, start, days, progress, side)
            for side, scenario in (("base", base), ("built", changed))
        }
        found["strategies"][name] = sides
        if args.cost is not None:
            sides["worth"] = worth(sides["base"], sides["built"], days, args.cost)
    if args.hosting:
        found["device"] = args.hosting
        found["hosting"] = _hosting(args, base, changed, names)
    print(json.dumps(found, indent=2) if args.json else text(found))
    return 0


def _run(scenario: Any, name: str, start: Any, days: int, progress: Bar | None, side: str) -> dict[str, Any]:
    from archipel.report.what_if_rows import figures
    from archipel.strategies.hosting.judge import strategy_of
    from archipel.twin import run

    def show(done: int, total: int) -> None:
        if progress is not None:
            progress(f"{name}, {side}", done, total)

    decider = strategy_of(name, scenario)
    try:
        result = run(scenario, decider, start=start, days=days, progress=show)
    finally:
        close = getattr(decider, "close", None)
        if close is not None:
            close()
    if not result.complete:
        raise KeyboardInterrupt
    return figures(scenario, result)


def _hosting(args: argparse.Namespace, base: Any, changed: Any, names: list[str]) -> dict[str, tuple[float, float]]:
    """Median over seeds before and after, on the day that is hardest as it is."""
    from archipel.report.hosting_rows import summary
    from archipel.report.what_if_rows import hosting_of
    from archipel.strategies.hosting import Question, Study, draw, prepared, stress_day

    case = prepared(base, args.hosting)
    first = draw(case, args.hosting, 1)
    question = Question(
        args.hosting,
        stress_day(case, args.hosting, float(first.p_kw.sum())),
        strategies=tuple(names),
        seeds=tuple(range(1, args.seeds + 1)),
    )
    medians = []
    for scenario in (case, prepared(changed, args.hosting)):
        study = Study(scenario, question)
        shown = None if args.quiet else Told(tuple(names), len(question.seeds), sys.stderr.isatty())
        study.run(args.jobs, shown)
        if shown is not None:
            shown.end()
        medians.append(hosting_of(summary(list(study.answers()))))
    return {name: (medians[0][name], medians[1][name]) for name in names}


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected a whole number, 1 or more")
    return int(text)


def _money(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected an amount of money, 0 or more")
    return value
