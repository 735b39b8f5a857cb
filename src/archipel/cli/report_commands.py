"""`archipel report RUN` and `archipel verify RUN`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_parsers(subparsers: Any) -> None:
    """Add both commands to the parser of `archipel`; each sets `func(args) -> exit code`."""
    report = subparsers.add_parser(
        "report",
        help="write the report of a run again",
        description="Print the table of a run and write its report (one HTML file that needs nothing else).",
    )
    report.add_argument("run", metavar="RUN", help="folder of the run, or its name below runs/")
    report.add_argument("-o", "--output", metavar="FILE", help="where to write the report (default: RUN/report.html)")
    report.add_argument("--json", action="store_true", help="print kpis.json instead of the table")
    report.set_defaults(func=report_command)

    verify = subparsers.add_parser(
        "verify",
        help="replay a run in pandapower",
        description="Solve every step of a run again in pandapower (extra 'verify') and compare all voltages. "
        "Exit code 1 when they differ by more than 0.0001 pu.",
    )
    verify.add_argument("run", metavar="RUN", help="folder of the run, or its name below runs/")
    verify.add_argument("--every", type=_positive, default=1, metavar="N", help="replay every N-th step (default: all)")
    verify.add_argument("--strategy", action="append", default=[], metavar="NAME", help="only this strategy (repeat)")
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    verify.set_defaults(func=verify_command)


def report_command(args: argparse.Namespace) -> int:
    """Write the report of a run again and print its table."""
    from archipel.report.run import load_run

    run = load_run(_folder(args.run))
    page = run.report(args.output)
    if args.json:
        print(json.dumps(run.kpis, indent=2))
    else:
        print(run.table())
        print(f"\nreport: {page}")
    return 0


def verify_command(args: argparse.Namespace) -> int:
    """Replay a run in pandapower and print the largest difference in voltage of every strategy."""
    from archipel.report.run import load_run
    from archipel.report.verify import GOAL_PU, verify

    run = load_run(_folder(args.run))
    show = _bar if sys.stderr.isatty() else None
    found = verify(run, every=args.every, strategies=tuple(args.strategy), progress=show)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"{run.path.name}, replayed in pandapower; goal: at most {GOAL_PU:g} pu")
        for name, worst in found.items():
            where = f" at {worst['node']}, {worst['time'][:16]}" if worst["node"] else ""
            dead = f"; {worst['nodes_dead_in_one']} nodes supplied in one engine only" * bool(
                worst["nodes_dead_in_one"]
            )
            verdict = "ok" if worst["ok"] else "NOT the same"
            print(f"  {name:<14} max |dV| {worst['max_dv_pu']:.2e} pu{where} ({worst['steps']} steps){dead}  {verdict}")
    return 0 if all(worst["ok"] for worst in found.values()) else 1


def _folder(name: str) -> Path:
    """The run's folder: as given, or below runs/ when only its name is given."""
    path = Path(name)
    below = Path("runs") / name
    return below if not path.exists() and below.is_dir() else path


def _bar(done: int, total: int) -> None:
    filled = 30 * done // total
    end = "\n" if done == total else ""
    print(f"\r  {'#' * filled}{'.' * (30 - filled)} {done}/{total} power flows", end=end, file=sys.stderr, flush=True)


def _positive(words: str) -> int:
    if not words.isdecimal() or int(words) < 1:
        raise argparse.ArgumentTypeError(f"found {words}; expected a whole number, 1 or more")
    return int(words)
