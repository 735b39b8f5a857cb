"""`archipel run`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.report.run import Run

ALL = ("uncoordinated", "alone", "distributed", "central", "pooled")


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    run = subparsers.add_parser(
        "run",
        help="run a scenario under several strategies and compare them",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run a scenario in closed loop on true AC power flow, once per strategy, and write a folder\n"
        "runs/<id>/ with report.html, kpis.json and Parquet tables. Ctrl-C leaves a usable partial run.",
        epilog="examples:\n"
        "  archipel run district\n"
        "  archipel run city --start 2016-06-09 --strategy uncoordinated --strategy distributed\n"
        "  archipel run feeder/feeder.toml --physics three-phase\n"
        "  archipel run my-grid/net.toml --days 7 --forecast naive --json > kpis.json",
    )
    run.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    run.add_argument(
        "--strategy",
        action="append",
        choices=ALL,
        help="repeat for several (default: all that the scenario allows; pooled needs a portfolio)",
    )
    run.add_argument("--start", metavar="DATE", help="first day, 00:00 UTC (default: the scenario's)")
    run.add_argument("--days", type=_positive, metavar="N", help="how many days (default: the scenario's)")
    run.add_argument("--seed", type=int, metavar="S", help="seed of everything drawn (default: the scenario's)")
    run.add_argument("--forecast", choices=("perfect", "naive"), default="perfect", help="default: perfect")
    run.add_argument(
        "--step-minutes", type=int, choices=(1, 3, 5, 15), default=15, help="step of physics (default: 15)"
    )
    run.add_argument(
        "--method",
        choices=("auto", "exact", "robust"),
        default="auto",
        help="how cells agree under distributed (default: auto); robust is for lossy links, slower, less precise",
    )
    run.add_argument(
        "--physics",
        choices=("positive-sequence", "three-phase"),
        default="positive-sequence",
        help="what the network is run on (default: positive-sequence); three-phase needs a circuit kept at import and "
        "the extra opendss",
    )
    run.add_argument("--workers", type=_positive, metavar="N", help="processes of the distributed strategy")
    run.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where results go (default: runs)")
    run.add_argument("--json", action="store_true", help="print kpis.json instead of the table")
    run.add_argument("--quiet", action="store_true", help="no progress bars")
    run.set_defaults(func=run_command)


def run_command(args: argparse.Namespace) -> int:
    """Run, print the table (or kpis.json) and where the results are."""
    from archipel.formats.scenario import load_scenario
    from archipel.report.session import run

    scenario = load_scenario(args.scenario, args.seed)
    done = run(
        scenario,
        tuple(args.strategy) if args.strategy else None,
        start=args.start,
        days=args.days,
        seed=args.seed,
        forecast=args.forecast,
        runs=args.runs,
        dt_minutes=args.step_minutes,
        workers=args.workers,
        method=args.method,
        physics=args.physics,
        progress=None if args.quiet else Bar(sys.stderr.isatty()),
        source=args.scenario,
    )
    if args.json:
        print(json.dumps(done.kpis, indent=2))
    else:
        print(done.table())
        print(f"\nreport: {done.path / 'report.html'}\nresults: {done.path}")
        if told := not_kept(done, args.scenario):
            print(told)
    return 0 if done.info.get("complete", True) else 130


def not_kept(run: Run, source: str) -> str:
    """A line on limits that plans of the run could not keep, with the command that says what would help; empty where
    all were kept."""
    plans = run.frame("agreements", ["strategy", "time", "given"]).to_pylist()
    given = [(plan["time"], word) for plan in plans for word in plan["given"] or () if word.endswith("beyond")]
    if not given:
        return ""
    first = min(time for time, _ in given)
    words = next(word for time, word in given if time == first)
    return (
        f"limits not kept by a plan: {len({time for time, _ in given})} plans, first at {first:%Y-%m-%d %H:%M} UTC "
        f"({words}); what would help, and its price: archipel remedy {source} --start {first:%Y-%m-%d}"
    )


class Bar:
    """A progress bar per strategy on standard error; a line at every quarter where nobody watches live."""

    def __init__(self, live: bool) -> None:
        self._live = live
        self._name = ""
        self._begun = 0.0
        self._told = 0

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show `done` of `total` steps."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._begun, self._told = name, now, 0
        spent = now - self._begun
        if self._live:
            width = 30
            filled = width * done // total
            left = spent / done * (total - done) if done > 1 else 0.0
            bar = "#" * filled + "." * (width - filled)
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r{name:<14} [{bar}] {done}/{total} {spent:5.0f} s, {left:.0f} s left {end}")
            sys.stderr.flush()
        elif 4 * done // total > self._told:
            self._told = 4 * done // total
            print(f"{name}: {done} of {total} steps, {spent:.0f} s", file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected a whole number, 1 or more")
    return int(text)
