"""`archipel hold`, `archipel limit`, `archipel free`: what an operator wishes of a running cell for a while."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archipel.cli.cell_command import who

if TYPE_CHECKING:
    from archipel.field.cell_file import CellFile
    from archipel.field.operator import Command


def add_parsers(commands: Any) -> None:
    """Add the commands."""
    hold = commands.add_parser(
        "hold",
        help="hold a device of a running cell at a power until a time (extra `field`)",
        description="The device's order is this power instead of the plan's, as far as its store allows. Refused "
        "beyond its plate, with a safety tag, in shadow, and where the cell does not run. Ends by itself, with "
        "`archipel free`, and with disarming.",
        epilog="example: archipel hold north/CELL.toml storage/3 --p-kw -5 --minutes 30 --who Ada --why 'line test'",
    )
    hold.add_argument("file", metavar="CELL.toml", type=Path)
    hold.add_argument("device", metavar="DEVICE", help="id of a device of the cell")
    hold.add_argument("--p-kw", type=float, required=True, metavar="KW", help="power; positive is drawn")
    _until(hold)
    hold.set_defaults(func=_hold)
    limit = commands.add_parser(
        "limit",
        help="cap what a running cell exchanges with the one above it until a time (extra `field`)",
        description="Plans keep to the cap, no agreement that passes it is made, and one that passes it is left. "
        "Refused where the cell cannot keep it with all that its devices can do. Ends as a hold does.",
        epilog="example: archipel limit north/CELL.toml --import-kw 40 --minutes 120 --who Ada --why 'cable is hot'",
    )
    limit.add_argument("file", metavar="CELL.toml", type=Path)
    limit.add_argument("--import-kw", type=float, metavar="KW", help="most power into the cell")
    limit.add_argument("--export-kw", type=float, metavar="KW", help="most power out of the cell")
    _until(limit)
    limit.set_defaults(func=_limit)
    free = commands.add_parser(
        "free",
        help="end the hold of a device, or the limit of its cell (extra `field`)",
        description="The plan takes over again with its next order. Without DEVICE the cell's limit ends.",
        epilog="examples: archipel free north/CELL.toml storage/3; archipel free north/CELL.toml",
    )
    free.add_argument("file", metavar="CELL.toml", type=Path)
    free.add_argument("device", metavar="DEVICE", nargs="?", default="", help="the device held; without it the limit")
    who(free)
    free.set_defaults(func=_free)


def _until(parser: Any) -> None:
    ends = parser.add_mutually_exclusive_group(required=True)
    ends.add_argument("--until", metavar="TIME", type=_time, help="when it ends, UTC by the cell's clock; within 24 h")
    ends.add_argument("--minutes", metavar="M", type=float, help="or how long it lasts, by the cell's clock")
    who(parser)
    parser.add_argument("--why", metavar="TEXT", default="", help="the reason, for the journal")


def _hold(args: argparse.Namespace) -> int:
    from archipel.field.operator import HOLD, Command

    file = _read(args)
    return _order(file, Command(HOLD, args.who, args.why, args.device, until=_end(args, file), p_kw=args.p_kw))


def _limit(args: argparse.Namespace) -> int:
    from archipel.field.operator import LIMIT, Command

    file = _read(args)
    sides = {"import_kw_max": args.import_kw, "export_kw_max": args.export_kw}
    return _order(file, Command(LIMIT, args.who, args.why, file.cell.id, until=_end(args, file), **sides))


def _free(args: argparse.Namespace) -> int:
    from archipel.field.operator import FREE, Command

    file = _read(args)
    return _order(file, Command(FREE, args.who, element=args.device or file.cell.id))


def _read(args: argparse.Namespace) -> CellFile:
    from archipel.field.cell_file import read_cell_file

    return read_cell_file(args.file)


def _order(file: CellFile, command: Command) -> int:
    from archipel.field.operator import order

    print(f"{file.cell.id}: {order(file, command, now=datetime.now(UTC)).text}")
    return 0


def _end(args: argparse.Namespace, file: CellFile) -> str:
    """When it ends, by the clock of the cell."""
    from datetime import timedelta

    from archipel.field.clock import CellClock

    if args.until is not None:
        return str(args.until.isoformat())
    return (CellClock(file.clock).now().utc + timedelta(minutes=args.minutes)).isoformat()


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text}; expected a time such as 2026-06-01T14:00") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
