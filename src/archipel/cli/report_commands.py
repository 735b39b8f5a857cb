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
        help="replay a run in another engine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Solve every step of a run again and compare all voltages: in pandapower (extra 'verify'), or, a\n"
        "three-phase run, in a fresh OpenDSS engine (extra 'opendss'), where tap changers and capacitors must want to\n"
        "stay where they stood. Exit code 1 when voltages differ by more than 0.0001 pu.\n\n"
        "Of a scenario that keeps a three-phase circuit: solve that circuit alone, and tell how far the balanced\n"
        "network is from it.",
        epilog="examples:\n  archipel verify 20260101-120000-district-2016-06-09-1d-perfect-seed1 --every 8\n"
        "  archipel verify feeder/feeder.toml",
    )
    verify.add_argument("run", metavar="RUN", help="folder of the run, its name below runs/, or a scenario's TOML file")
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
    """Replay a run and print the largest difference in voltage of every strategy; or a scenario's circuit alone."""
    from archipel.report.run import load_run
    from archipel.report.verify import GOAL_PU, verify

    if Path(args.run).suffix == ".toml":
        return _circuit(args)
    run = load_run(_folder(args.run))
    show = _bar if sys.stderr.isatty() else None
    found = verify(run, every=args.every, strategies=tuple(args.strategy), progress=show)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        engine = "a fresh OpenDSS engine" if run.info.get("physics") == "three-phase" else "pandapower"
        print(f"{run.path.name}, replayed in {engine}; goal: at most {GOAL_PU:g} pu")
        for name, worst in found.items():
            where = f" at {worst['node']}, {worst['time'][:16]}" if worst["node"] else ""
            dead = f"; {worst['nodes_dead_in_one']} nodes supplied in one engine only" * bool(
                worst["nodes_dead_in_one"]
            )
            moved = f"; controls moved in {worst['controls_moved']} steps" if worst.get("controls_moved") else ""
            verdict = "ok" if worst["ok"] else "NOT the same"
            told = f"max |dV| {worst['max_dv_pu']:.2e} pu{where} ({worst['steps']} steps){dead}{moved}"
            print(f"  {name:<14} {told}  {verdict}")
    return 0 if all(worst["ok"] for worst in found.values()) else 1


def _circuit(args: argparse.Namespace) -> int:
    """Solve the circuit a scenario keeps, alone, and print it beside the balanced network."""
    from archipel.formats.scenario import load_scenario
    from archipel.report.verify_phases import beside_balanced

    found = beside_balanced(load_scenario(args.run))
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    unbalance = "" if found["worst_unbalance"] is None else f", unbalance up to {100 * found['worst_unbalance']:.2f} %"
    print(f"{args.run}: its three-phase circuit alone, as its file leaves it ({found['engine'].split(' revision')[0]})")
    for name, key in (("three-phase circuit", ""), ("balanced network", "balanced_")):
        low, high = found[f"{key}worst_v_pu"]
        told = f"{found[f'{key}upstream_kw']:12,.1f} kW from upstream, {found[f'{key}losses_kw']:10,.1f} kW lost, "
        print(f"  {name:<20}{told}{low:.4f} to {high:.4f} pu{'' if key else unbalance}")
    print(
        f"  the balanced network at the same powers: {found['max_dv_pu']:.1e} pu from the mean of phases at most "
        f"({found['node']}),\n  {found['max_dv_phase_pu']:.1e} pu from the farthest phase ({found['phase_node']})"
    )
    if found["dead_in_one"]:
        print(f"  {found['dead_in_one']} nodes are supplied in one of both only")
    if found["unmetered"]:
        print(f"  branches without an element in the circuit: {', '.join(found['unmetered'])}")
    return 0


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
