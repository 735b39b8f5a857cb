"""`archipel doctor`: what is well and what is not."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any


def add_parsers(commands: Any) -> None:
    """Add the command."""
    doctor = commands.add_parser(
        "doctor",
        help="say what is well and what is not, and how to mend it",
        description="Checks this machine (versions, solvers, clock) and, when a cell file is named, the cell: ports, "
        "certificate, disk, journal, devices and links. Writes to no device. The cell may run meanwhile.",
        epilog="examples:\n  archipel doctor\n  archipel doctor north/cell.toml\n\nexit code 1: something is bad",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("file", metavar="CELL.toml", type=Path, nargs="?")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(func=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from archipel import __version__
    from archipel.field.doctor import OPTIONAL, Standing, installed, machine

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    findings = list(machine(__version__, for_a_cell=args.file is not None))
    if args.file is not None and all(installed(name) for name, extra in OPTIONAL.items() if extra == "field"):
        from archipel.field.checkup import visit

        findings += visit(args.file)
    if args.json:
        print(json.dumps([finding.plain() for finding in findings], indent=2, ensure_ascii=False))
    else:
        width = max(len(finding.about) for finding in findings)
        for each in findings:
            print(f"{each.standing.value:<4}  {each.about:<{width}}  {each.found}")
            if each.mend:
                print(f"{'':<4}  {'':<{width}}  -> {each.mend}")
    return 1 if any(each.standing is Standing.BAD for each in findings) else 0
