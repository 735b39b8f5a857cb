"""`archipel cell run|arm|island`: the process of one cell, the right to command its devices, a life on its own."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import Any


def add_parsers(commands: Any) -> None:
    """Add `cell` and what it can do."""
    cell = commands.add_parser("cell", help="run one cell in the field, arm it, make it an island (extra `field`)")
    actions = cell.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser(
        "run",
        help="run the cell of a file until it is told to stop",
        description="Runs one cell: drivers, controller, transport, journal and a status page. It starts in the mode "
        "it left, the first time in shadow: it reads, plans and speaks, and writes to no device.",
    )
    run.add_argument("file", metavar="CELL.toml", type=Path, help="all that the process is told")
    run.set_defaults(func=_run)
    arm = actions.add_parser(
        "arm",
        help="let a cell command the devices that passed commissioning",
        description="Lets a cell command its devices. Needs the report of `archipel commission`: signed by this cell, "
        "at most 90 days old, of the same endpoints and devices. What did not pass stays unarmed.",
        epilog="example:\n  archipel cell arm north/cell.toml --who Ada",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arm.add_argument("file", metavar="CELL.toml", type=Path)
    who(arm)
    arm.add_argument(
        "--tags-checked", action="store_true", help="after a restored journal: every safety tag is set again"
    )
    arm.add_argument(
        "--simulated", action="store_true", help="in a rehearsal: its devices are simulated and need no report"
    )
    arm.set_defaults(func=_arm)
    island = actions.add_parser(
        "island",
        help="let a cell leave the main grid and stay away, or come back",
        description="Lets a cell with a switch to the main grid leave it as soon as an island can be formed, and stay "
        "away until it is told otherwise, also over restarts. --off lets it come back once the main grid has been "
        "healthy for long enough. `archipel ps` and the cell's log say where it stands and what keeps it there.",
        epilog="example:\n  archipel cell island north/CELL.toml --on --who Ada --why 'work at the substation'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    island.add_argument("file", metavar="CELL.toml", type=Path)
    wish = island.add_mutually_exclusive_group(required=True)
    wish.add_argument("--on", action="store_true", help="leave the main grid and stay away")
    wish.add_argument("--off", dest="on", action="store_false", help="come back when the main grid is healthy")
    who(island)
    island.add_argument("--why", metavar="TEXT", default="", help="the reason, for the journal")
    island.set_defaults(func=_island)


def _island(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from archipel.field.cell_file import read_cell_file
    from archipel.field.operator import ISLAND, REJOIN, Command, order

    file = read_cell_file(args.file)
    command = Command(ISLAND if args.on else REJOIN, args.who, args.why)
    print(f"{file.cell.id}: {order(file, command, now=datetime.now(UTC)).text}")
    return 0


def who(parser: Any) -> None:
    """Add the option that says who orders it."""
    parser.add_argument("--who", metavar="NAME", default=login(), help="who orders it (default: your login name)")


def login() -> str:
    """The login name, or nothing where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _run(args: argparse.Namespace) -> int:
    from archipel.field.host import run_file

    return int(run_file(args.file))


def _arm(args: argparse.Namespace) -> int:
    import asyncio
    import time
    from datetime import UTC, datetime

    from archipel.field.cell_file import read_cell_file
    from archipel.field.operator import ARM, SIMULATED, TAGS_CHECKED, Command, order
    from archipel.field.reach import fingerprints
    from archipel.field.report import check_report
    from archipel.field.state import OperatorRefused

    file, now = read_cell_file(args.file), datetime.now(UTC)
    why = TAGS_CHECKED if args.tags_checked else ""
    if args.simulated:
        print(f"{file.cell.id}: {order(file, Command(ARM, args.who, why, report=SIMULATED), now=now).text}")
        return 0
    if not file.device:
        print(f"{file.cell.id}: {order(file, Command(ARM, args.who, why), now=now).text}")
        return 0
    report = check_report(file, now)
    rows = [row for row in file.device if row.id in report.passed]
    found = asyncio.run(fingerprints(rows, time.monotonic))
    for name, mark in found.items():
        if mark != report.passed[name]:
            raise OperatorRefused(
                f"arm: {name}: found {mark} at its endpoint; expected {report.passed[name]}, which was commissioned. "
                f"Nothing was armed. Commission again: archipel commission {args.file}"
            )
    command = Command(ARM, args.who, why, report=report.digest)
    print(f"{file.cell.id}: {order(file, command, now=now).text}")
    for name, reason in report.others.items():
        print(f"  {name} stays unarmed: {reason}")
    return 0
