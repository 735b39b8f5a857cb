"""`archipel commission` and `archipel disarm`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from archipel.cli.cell_command import who


def add_parsers(commands: Any) -> None:
    """Add both commands."""
    commission = commands.add_parser(
        "commission",
        help="try every device of a cell and sign what was found (extra `field`)",
        description="Moves every device of a cell by 10 % of its rating, one after the other, and checks sign, size, "
        "settling, read-back and that it returns by itself when nobody writes any more. Switches are not operated. "
        "Writes commissioning.json, signed by the cell, and commissioning.md beside the file. The cell may run in "
        "shadow meanwhile. About a minute per device.",
        epilog="example:\n  archipel commission north/cell.toml\n\nexit code 1: a device failed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commission.add_argument("file", metavar="CELL.toml", type=Path)
    commission.add_argument("--lease", metavar="S", type=int, default=20, help="how long each order holds (20)")
    commission.add_argument(
        "--settle", metavar="S", type=float, default=15.0, help="longest time to follow, below the lease (15)"
    )
    commission.add_argument("--quiet", action="store_true", help="no progress bars")
    commission.set_defaults(func=_commission)

    disarm = commands.add_parser(
        "disarm",
        help="put cells into shadow and return their devices to their own defaults; never blocked (extra `field`)",
        description="Puts cells into shadow and returns every device to its own default, by the cell when it runs and "
        "answers within 2 s, else by connecting to the devices from here. Switches with a safety tag are left as they "
        "are.",
        epilog="examples:\n  archipel disarm north/cell.toml\n  archipel disarm --all cells\n\n"
        "exit code 1: a device or cell could not be reached; its last order ends by its own timer",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    disarm.add_argument("file", metavar="CELL.toml", type=Path, nargs="*")
    disarm.add_argument("--all", metavar="FOLDER", type=Path, help="every cell file below this folder")
    who(disarm)
    disarm.set_defaults(func=_disarm)


def _commission(args: argparse.Namespace) -> int:
    import asyncio
    from datetime import UTC, datetime

    from archipel import __version__
    from archipel.cli.run_command import Bar
    from archipel.field.cell_file import read_cell_file
    from archipel.field.commission import commission
    from archipel.field.permission import FieldState
    from archipel.field.report import markdown, write_report
    from archipel.field.state import OperatorRefused, read_state
    from archipel.field.trial import FAILED, Timing, WallTime
    from archipel.journal import LedgerReader
    from archipel.journal.journal import LEDGER
    from archipel.local.rehearsal import TICK_S
    from archipel.transport.identity import Identity

    if not 5 <= args.lease <= 3600 or not 1 <= args.settle < args.lease - 3:
        raise OperatorRefused(
            f"commission: found --lease {args.lease} and --settle {args.settle:g}; expected a lease of 5 to 3600 s and "
            "at least 3 s less for settling."
        )
    # pymodbus reports on its own what our errors say better
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    file, now = read_cell_file(args.file), datetime.now(UTC)
    if file.clock is not None and (step_s := file.clock.factor * TICK_S) > args.settle:
        raise OperatorRefused(
            f"commission: {file.cell.id} is in a rehearsal at factor {file.clock.factor:g}, whose devices move every "
            f"{step_s:g} simulated s; expected at most --settle, {args.settle:g} s. Start one with: "
            "archipel up SCENARIO --factor 1"
        )
    Identity.load(file.certificates, now)  # before a device is moved: could it be signed?
    state = FieldState()
    if (file.journal / LEDGER).exists():
        reader = LedgerReader(file.journal / LEDGER)
        try:
            state = read_state(reader)
        finally:
            reader.close()
    body = asyncio.run(
        commission(
            file,
            state,
            wall=now,
            software=__version__,
            clock=WallTime(file.clock.factor if file.clock else 1.0),
            timing=Timing(lease_s=args.lease, settle_s=args.settle),
            progress=None if args.quiet else Bar(sys.stderr.isatty()),
        )
    )
    path = write_report(file, body, datetime.now(UTC))
    print(markdown(body).split("## Devices")[0].strip())
    print(f"\nsigned report: {path}")
    return 1 if any(row["verdict"] == FAILED for row in body["devices"]) else 0


def _disarm(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from archipel.field.disarm import cell_files, disarm_all
    from archipel.field.state import OperatorRefused

    paths = [*args.file, *(cell_files(args.all) if args.all else ())]
    if not paths:
        where = f"found no cell file below {args.all}" if args.all else "found no file"
        raise OperatorRefused(f"disarm: {where}; name CELL.toml files, or --all FOLDER.")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    found = disarm_all(paths, args.who or "unknown", datetime.now(UTC))
    for each in found:
        reached = sum(device.reached for device in each.devices)
        print(f"{each.cell or each.path}: {reached} of {len(each.devices)} devices reached")
        for device in each.devices:
            print(f"  {'ok ' if device.reached else 'BAD'} {device.device}: {device.text}")
        for trouble in each.troubles:
            print(f"  BAD {trouble}")
    return 0 if all(each.well for each in found) else 1
