"""`archipel top`: the operator's view in a terminal (extra `web`)."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.web.glance import Looked
    from archipel.web.source import Source


def add_parsers(commands: Any) -> None:
    """Add the command to the parser of `archipel`; it sets `func(args) -> exit code`."""
    top = commands.add_parser(
        "top",
        help="show a run, or a running system, at a glance in the terminal (extra `web`)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Is all well, who helps whom, what does it cost, what is limited, how fresh is it: one line per\n"
        "cell and the open cards. Arrow keys walk through the past, space plays it, q quits. Without a terminal,\n"
        "or with --once, one moment is printed.",
        epilog="examples:\n"
        "  archipel top\n"
        "  archipel top RUN --strategy distributed --time 2016-05-26T12:00Z\n"
        "  archipel top --live runs/up\n"
        "  archipel top http://127.0.0.1:8765 --once",
    )
    top.add_argument(
        "what", nargs="?", default="", metavar="RUN",
        help="folder of a run, its name below runs/, or the address of a server (default: the newest run)",
    )  # fmt: skip
    top.add_argument("--live", metavar="FOLDER", help="folder of a rehearsal that `archipel up` started")
    top.add_argument("--runs", default="runs", metavar="DIR", help="folder of all runs (runs)")
    top.add_argument("--strategy", default="", metavar="NAME", help="which strategy of a run is shown first")
    top.add_argument("--time", metavar="TIME", type=_time, help="moment to show, UTC (default: now, of a run its end)")
    top.add_argument("--token", default="", metavar="TOKEN", help="signs in to a server that asks for it")
    top.add_argument("--once", action="store_true", help="print one moment and end")
    top.add_argument("--json", action="store_true", help="print that moment as JSON")
    top.set_defaults(func=top_command)


def top_command(args: argparse.Namespace) -> int:
    """Open what is to be seen and show it; 0."""
    from archipel.model import ArchipelError, ExtraMissing

    try:
        import msgspec

        from archipel.web.top import show, watch
    except ModuleNotFoundError as missing:
        raise ExtraMissing(str(missing.name), "web", "archipel top") from None
    if args.live and args.what:
        raise ArchipelError(f"top: found both {args.what} and --live {args.live}; expected one of them")
    seen, close = _opened(args)
    try:
        if args.json:
            from archipel.web.glance import look

            print(msgspec.json.encode(look(seen, args.strategy, args.time)).decode())
        elif args.once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            show(seen, strategy=args.strategy, time=args.time)
        else:
            watch(seen, strategy=args.strategy, time=args.time)
    finally:
        close()
    return 0


def _opened(args: argparse.Namespace) -> tuple[Looked, Any]:
    """What to look at, and how to end looking."""
    from archipel.web.glance import OfClient, OfSource

    if args.what.startswith(("http://", "https://")):
        from archipel.web.client import Client

        return OfClient(Client(args.what, args.token)), lambda: None
    source: Source
    if args.live:
        from archipel.web.sources.live import open_live

        source = open_live(Path(args.live))
    else:
        from archipel.web.sources.run import open_run

        source = open_run(args.what, args.runs)
    return OfSource(source), source.close


def _time(words: str) -> datetime:
    try:
        time = datetime.fromisoformat(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {words}; expected a time such as 2016-05-26T12:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
