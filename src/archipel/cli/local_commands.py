"""`archipel up`, `ps`, `logs`, `kill`, `start`, `down`: a whole archipelago on this machine (extra `field`)."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.local.layout import Layout
    from archipel.local.rehearsal import Standing

SIGNALS = ("KILL", "STOP", "CONT", "TERM")
POLL_S = 0.2


def add_parsers(commands: Any) -> None:
    """Add the commands to the parser of `archipel`; each sets `func(args) -> exit code`."""
    up = commands.add_parser(
        "up",
        help="start a whole archipelago here: simulated devices, one process per cell (extra `field`)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Starts a process that owns the AC physics and serves every device over Modbus TCP on loopback,\n"
        "and one process per cell, in real time or faster. Cells begin in shadow: they read, plan and\n"
        "talk, and write nothing.",
        epilog="examples:\n"
        "  archipel up district\n"
        "  archipel up district --armed --factor 60 --hours 24 --wait\n"
        "  archipel ps\n"
        "  archipel kill LV3.304\n"
        "  archipel start LV3.304\n"
        "  archipel down",
    )
    up.add_argument("scenario", metavar="SCENARIO", help="a TOML file, its folder, or the name of a shipped scenario")
    up.add_argument("--start", metavar="TIME", type=_time, help="simulated start, UTC (default: the scenario's)")
    up.add_argument("--factor", type=float, default=60.0, metavar="F", help="simulated seconds per second (60)")
    up.add_argument("--hours", type=float, metavar="H", help="end after so many simulated hours")
    mode = up.add_mutually_exclusive_group()
    mode.add_argument("--shadow", dest="armed", action="store_false", help="cells write nothing (default)")
    mode.add_argument("--armed", action="store_true", help="cells command the simulated devices from the start")
    up.add_argument("--wait", action="store_true", help="stay, show how it goes, and stop everything at the end")
    _folder(up)
    up.set_defaults(func=up_command, armed=False)

    ps = commands.add_parser(
        "ps",
        help="show the processes of a rehearsal (extra `field`)",
        description="Every process with what the cell says of itself: mode, level of the ladder, ties agreed of all, "
        "links up of all, simulated time, writes so far. Exit code 1 when one is dead.",
        epilog="example: archipel ps --folder runs/up",
    )
    ps.add_argument("--json", action="store_true", help="print all that cells say of themselves as JSON")
    _folder(ps)
    ps.set_defaults(func=ps_command)

    logs = commands.add_parser(
        "logs",
        help="show the log of a cell of a rehearsal, or of `world`",
        description="The last lines of a log: steps on the ladder, agreements, alarms, each with its reason.",
        epilog="examples: archipel logs LV3.304 -n 50; archipel logs world -f",
    )
    logs.add_argument("cell", metavar="CELL", help="a cell's id, or `world`")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until Ctrl-C")
    logs.add_argument("-n", "--lines", type=int, default=20, metavar="N", help="how many of the last lines (20)")
    _folder(logs)
    logs.set_defaults(func=logs_command)

    kill = commands.add_parser(
        "kill",
        help="kill, stop or continue a cell of a rehearsal (extra `field`)",
        description="Sends a signal to the process of a cell and to no other. Its devices return to their defaults "
        "when their leases end; `archipel start` brings it back.",
        epilog="examples: archipel kill LV3.304; archipel kill LV3.304 --signal STOP",
    )
    kill.add_argument("cell", metavar="CELL", help="a cell's id, or `world`")
    kill.add_argument("--signal", choices=SIGNALS, default="KILL", help="default: KILL")
    _folder(kill)
    kill.set_defaults(func=kill_command)

    start = commands.add_parser(
        "start",
        help="start a cell of a rehearsal again (extra `field`)",
        description="Starts a cell that was killed; it takes up the agreements and the mode its journal holds.",
        epilog="example: archipel start LV3.304",
    )
    start.add_argument("cell", metavar="CELL", help="a cell's id")
    _folder(start)
    start.set_defaults(func=start_command)

    down = commands.add_parser(
        "down",
        help="end a rehearsal; its folder stays (extra `field`)",
        description="Ends all cells, which release their devices, then the world.",
        epilog="example: archipel down --folder runs/up",
    )
    _folder(down)
    down.set_defaults(func=down_command)


def up_command(args: argparse.Namespace) -> int:
    """Start everything."""
    from archipel.local.rehearsal import Wish, up
    from archipel.local.status import look, table

    wish = Wish(args.scenario, args.start, args.factor, args.hours, args.armed)
    standing = up(wish, args.folder, say=_progress(sys.stderr.isatty()))
    if standing.moved is not None:
        print(f"the rehearsal that was there is now in {standing.moved}")
    print(table(look(standing.layout)))
    clock, mode = standing.clock, "armed" if args.armed else "in shadow"
    print(f"\n{mode}, from {clock.start:%Y-%m-%d %H:%M} UTC at factor {clock.factor:g}, in {args.folder}")
    return _stay(standing) if args.wait else 0


def _stay(standing: Standing) -> int:
    """Show how it goes until its time is over or somebody stops it; then stop everything."""
    from archipel.local.processes import WORLD
    from archipel.local.status import live_line, look

    live, told_s = sys.stderr.isatty(), 0.0
    try:
        while standing.processes.state(WORLD) == "running":
            line = live_line(look(standing.layout))
            if live:
                print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
            elif time.monotonic() - told_s >= 30.0:
                told_s = time.monotonic()
                print(line, file=sys.stderr, flush=True)
            time.sleep(1.0)
    finally:
        if live:
            print(file=sys.stderr)
        standing.processes.stop()
    print(f"ended; what happened is in {standing.layout.record}")
    return 0


def ps_command(args: argparse.Namespace) -> int:
    """Show the processes; 1 when one that was started is dead."""
    from archipel.local.status import look, plain, table

    layout = _layout(args)
    rows = look(layout)
    if args.json:
        print(json.dumps(plain(rows), indent=2))
    elif rows:
        print(table(rows))
    else:
        print(f"nothing runs in {layout.folder}; it was ended with archipel down")
    return 1 if any(row.state == "dead" for row in rows) else 0


def logs_command(args: argparse.Namespace) -> int:
    """Show a log."""
    from archipel.local.errors import RehearsalError
    from archipel.local.processes import WORLD, Processes

    layout = _layout(args)
    path = layout.world_log if args.cell == WORLD else layout.cell_log(args.cell)
    if not path.is_file():
        raise Processes(layout).unknown(args.cell)
    if args.lines < 0:
        raise RehearsalError(f"--lines: found {args.lines}; expected 0 or more.")
    with path.open(encoding="utf-8", errors="replace") as log:
        lines = log.readlines()
        print("".join(lines[len(lines) - min(args.lines, len(lines)) :]), end="", flush=True)
        while args.follow:
            if more := log.read():
                print(more, end="", flush=True)
            else:
                time.sleep(POLL_S)
    return 0


def kill_command(args: argparse.Namespace) -> int:
    """Signal a cell."""
    import signal

    from archipel.local.processes import Processes

    processes = Processes(_layout(args))
    processes.signal(args.cell, signal.Signals[f"SIG{args.signal}"])
    print(f"{args.cell}: sent {args.signal}")
    return 0


def start_command(args: argparse.Namespace) -> int:
    """Start a cell again."""
    from archipel.local.errors import RehearsalError
    from archipel.local.processes import WORLD, Processes

    processes = Processes(_layout(args))
    if processes.state(WORLD) == "dead":
        raise RehearsalError(
            f"{args.cell}: there is no world for it to live in. Begin a rehearsal: archipel up SCENARIO"
        )
    started = processes.start_cell(args.cell)
    print(f"{args.cell}: started, pid {started.pid}")
    return 0


def down_command(args: argparse.Namespace) -> int:
    """End everything."""
    from archipel.local.processes import Processes

    processes = Processes(_layout(args))
    running = processes.alive()
    killed = processes.stop()
    print(f"ended {len(running)} processes" + (f", killed {', '.join(killed)}" if killed else ""))
    return 0


def _layout(args: argparse.Namespace) -> Layout:
    """The folder of a rehearsal that exists."""
    from archipel.local.layout import Layout, read_json

    layout = Layout(args.folder)
    read_json(layout.clock)
    return layout


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/up"), metavar="DIR", help="folder of the rehearsal (runs/up)"
    )


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text}; expected a time such as 2016-06-09T06:00") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _progress(live: bool) -> Any:
    """Show a step of starting: over the last one where somebody watches, else not at all."""
    if not live:
        return lambda text: None
    return lambda text: print(f"\r{text}\x1b[K", end="\n" if "of" not in text else "", file=sys.stderr, flush=True)
