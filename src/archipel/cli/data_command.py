"""`archipel data add`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.formats.measured.adding import Added

RAW = argparse.RawDescriptionHelpFormatter
INVALID = 2


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    data = subparsers.add_parser("data", help="bring measurements of your own into a scenario", formatter_class=RAW)
    kinds = data.add_subparsers(metavar="WHAT", required=True)
    add = kinds.add_parser(
        "add",
        help="read meter data, prices, weather or charging sessions",
        formatter_class=RAW,
        description="Read measurements (CSV, Excel, Parquet; gzip too) into a scenario: say how the file is read,\n"
        "what was found in it, and write series, device tables and prices, or nothing. What the file does not\n"
        "say for itself is asked for: exit code 2, with the option that answers.",
        epilog="examples:\n"
        "  archipel data add my-grid meters.csv --what load --dry-run\n"
        "  archipel data add my-grid meters.csv --what load --zone Europe/Berlin --unit kWh --gaps linear:2h,week:14d\n"
        "  archipel data add my-grid roof.parquet --what pv --match every --rating 5.6\n"
        "  archipel data add my-grid prices.csv --what price --zone Europe/Berlin --unit EUR/MWh\n"
        "  archipel data add my-grid sessions.xlsx --what ev --map chargers.csv",
    )
    add.add_argument("folder", type=Path, metavar="DIR", help="folder of the scenario, or its TOML file")
    add.add_argument("file", type=Path, metavar="FILE", help="the measurements")
    add.add_argument("--what", required=True, choices=("load", "pv", "price", "ev", "weather"), help="what they are")
    add.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    add.add_argument(
        "--mapping", type=Path, metavar="FILE", help="read the file as this mapping of an earlier run says"
    )
    add.add_argument("--report", type=Path, metavar="FILE", help="write a page with pictures of the data here")
    _reading(add.add_argument_group("reading the table"))
    _meaning(add.add_argument_group("what the numbers mean"))
    _using(add.add_argument_group("what becomes of them"))
    add.set_defaults(func=add_command)


def _reading(group: Any) -> None:
    group.add_argument("--time", metavar="NAME", help="column of time; DATE,CLOCK for two")
    group.add_argument(
        "--column", dest="columns", action="append", metavar="NAME[=METER]", help="column of values (repeat)"
    )
    group.add_argument("--meter", metavar="NAME", help="column of meter names, one row for each meter and moment")
    group.add_argument("--only", action="append", metavar="METER", help="take only these meters (repeat)")
    group.add_argument("--separator", metavar="C", help="between cells")
    group.add_argument("--decimal", choices=(".", ","), help="decimal mark")
    group.add_argument("--encoding", metavar="NAME", help="such as utf-8 or latin-1")
    group.add_argument("--sheet", metavar="NAME", help="sheet of an Excel file")


def _meaning(group: Any) -> None:
    group.add_argument(
        "--zone", metavar="ZONE", help="clock of stamps without offset: Europe/Berlin, +01:00, UTC-07:00"
    )
    group.add_argument("--date-order", choices=("day-first", "month-first"), help="of dates like 02/03/2023")
    group.add_argument("--label", choices=("start", "end"), help="what a stamp names of its interval")
    group.add_argument("--start", metavar="TIME", help="first moment of a table without stamps; needs --step")
    group.add_argument(
        "--step", metavar="LENGTH", help="such as 15min; as-stamped: intervals reach from stamp to stamp"
    )
    group.add_argument(
        "--hold", metavar="LENGTH", help="irregular stamps: a value holds until the next, so long at most"
    )
    group.add_argument("--unit", metavar="UNIT", help="W, kW, MW, Wh, kWh, MWh, EUR/MWh, ct/kWh, degC, m/s, W/m2 ...")
    group.add_argument("--sign", choices=("drawn", "given"), help="what positive power is")
    group.add_argument("--values", choices=("interval", "register"), help="of intervals, or readings of a counter")
    group.add_argument("--rate", type=float, metavar="X", help="EUR for one unit of another currency")


def _using(group: Any) -> None:
    group.add_argument("--match", choices=("id", "node", "order", "every"), help="how meters find devices")
    group.add_argument("--map", type=Path, metavar="FILE", help="CSV with columns meter,device (kept in the mapping)")
    group.add_argument("--rating", type=float, metavar="KW", help="nameplate behind the one series of --match every")
    group.add_argument("--only-matched", action="store_true", default=None, help="leave out meters without a device")
    group.add_argument("--gaps", metavar="RULES", help="such as linear:2h,week:14d (linear, hold, zero, day, week)")
    group.add_argument("--doubles", choices=("first", "last", "mean"), help="which of doubled rows counts")
    group.add_argument("--dst", choices=("drop",), help="leave out stamps in the hour the clock skips in spring")
    group.add_argument("--drop-bad", action="store_true", default=None, help="leave out sessions that cannot be")
    group.add_argument("--span", choices=("common", "repeat", "move"), help="when series cover different times")
    group.add_argument("--accept", action="append", metavar="CODE", help="a doubt that is right after all (repeat)")


def add_command(args: argparse.Namespace) -> int:
    """Read, say, and write unless something is in the way."""
    from dataclasses import fields

    from archipel.formats.measured.adding import add_data
    from archipel.formats.measured.mapping import Mapping, checked, read_mapping

    told = {}
    if args.mapping is not None:
        told = read_mapping(args.mapping)
    given = {one.name: getattr(args, one.name, None) for one in fields(Mapping) if one.name != "map"}
    told |= checked({name: value for name, value in given.items() if value is not None}, "command line")
    added = add_data(args.folder, args.file, Mapping(**told), args.map, write=not args.dry_run)
    sys.stdout.write(_said(added, args.dry_run))
    if args.report is not None:
        from archipel.report.data_page import write_data_page

        write_data_page(added, args.report)
        sys.stdout.write(f"\npictures: {args.report}\n")
    return 0 if added.ready else INVALID


def _said(added: Added, dry: bool) -> str:
    from archipel.formats.measured.notes import said, shortened

    lines = [f"{added.file} as {added.what}"]
    lines += [f"  {subject:<8} {words}" for subject, words in added.proposal]
    told = [note for note in added.notes if note.level == "told"]
    asked = [note for note in added.notes if note.level != "told"]
    if told:
        lines += ["", "Found", *(f"  {said(note)}" for note in shortened(told))]
    if asked:
        lines += ["", "To settle first", *(f"  {said(note)}" for note in shortened(asked))]
        lines += ["", "Nothing was written."]
    elif dry:
        lines += ["", "Nothing is in the way. Nothing was written: --dry-run."]
    else:
        lines += ["", "Written", *(f"  {name}" for name in added.written)]
    return "\n".join(lines) + "\n"
