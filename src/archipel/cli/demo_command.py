"""`archipel demo`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `--help` need not wait for numpy
    from archipel.web.demo.source import DemoSource

PORT = 8760
"""First that is tried; the next ones if it is taken."""
STORY_S = 60.0


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`."""
    one = subparsers.add_parser(
        "demo",
        help="a living archipelago in the browser, at once",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Starts an archipelago at speed (five hours a minute), opens the page and plays a first minute by\n"
        "itself: neighbours share the sun, a cloud passes, a cell's process is killed, the connection is limited, the\n"
        "main grid is lost. Then the score beside the same minute without cooperation. It goes on until Ctrl-C, and\n"
        "whoever came by the printed link may act. Needs no configuration, no account and no internet.",
        epilog="examples:\n"
        "  archipel demo\n"
        "  archipel demo --no-browser --port 8800\n"
        "  archipel demo --once --no-browser --speed 4",
    )
    one.add_argument("--seed", type=_seed, default=1, metavar="N", help="the same seed, the same numbers (default: 1)")
    one.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"default: {PORT}, or the next free; 0: any")
    one.add_argument("--no-browser", action="store_true", help="print the link only")
    one.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="a factor, 0.1 to 10 (default: 1)")
    one.add_argument("--once", action="store_true", help="end after the first minute, and print the score")
    one.add_argument(
        "--scenario",
        default="district",
        metavar="SCENARIO",
        help="another with sun and a main grid, shipped or own",
    )
    one.set_defaults(func=demo_command)


def demo_command(args: argparse.Namespace) -> int:
    """Serve the demonstration until it is stopped; with `--once` until the score is there."""
    from archipel.model import ExtraMissing

    try:
        import msgspec  # noqa: F401  only to say what is missing
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise ExtraMissing(error.name or "starlette", "web", "the page of the demonstration") from error
    from archipel.web.demo.source import DemoSource

    source = DemoSource(args.scenario, seed=args.seed, speed=args.speed)
    try:
        source.area()  # what cannot be shown is said before anything listens
        return _serve(args, source)
    finally:
        source.close()


def _serve(args: argparse.Namespace, source: DemoSource) -> int:
    import tempfile
    from pathlib import Path

    from archipel.cli.serve_command import open_browser
    from archipel.web.server import Settings, run_server, serving, sign_in_link

    with tempfile.TemporaryDirectory(prefix="archipel-demo-") as folder:
        settings = Settings(audit=Path(folder) / "audit")

        def ready(url: str) -> None:
            link = sign_in_link(url, settings.one_time, "operator", "administer")
            sys.stdout.write(f"archipel demo: {link}\n(the link signs in once; Ctrl-C ends everything)\n")
            sys.stdout.flush()
            if not args.no_browser:
                open_browser(link)

        if not args.once:
            run_server(source, settings, port=args.port, on_ready=ready)
            return 0
        with serving(source, settings, port=args.port) as served:
            ready(served.url)
            wait_s = STORY_S / args.speed + 600.0  # a busy machine takes longer; physics does not hurry
            if not source.wait_for(lambda: source.score() is not None, wait_s):
                sys.stderr.write(f"archipel: {source.failed or 'the score did not come in time'}\n")
                return 1
        sys.stdout.write(_score(source))
    return 0


def _score(source: DemoSource) -> str:
    score = source.score()
    assert score is not None, "waited for"
    wide = max(len(figure.title) + len(figure.unit) for figure in score.figures) + 3
    lines = [score.title, " " * wide + "".join(f"{name:>16}" for name in score.strategies)]
    for figure in score.figures:
        told = (figure.values.get(name) for name in score.strategies)
        values = "".join(f"{'' if value is None else f'{value:,.2f}':>16}" for value in told)
        lines.append(f"{f'{figure.title} [{figure.unit}]':<{wide}}{values}")
    return "\n".join(lines) + "\n"


def _seed(written: str) -> int:
    value = int(written)
    if not 0 <= value < 2**31:
        raise argparse.ArgumentTypeError(f"found {written}; expected a whole number from 0 to {2**31 - 1}")
    return value


def _port(written: str) -> int:
    value = int(written)
    if not 0 <= value < 65_536:
        raise argparse.ArgumentTypeError(f"found {written}; expected 0 to 65535")
    return value


def _speed(written: str) -> float:
    value = float(written)
    if not 0.1 <= value <= 10.0:
        raise argparse.ArgumentTypeError(f"found {written}; expected 0.1 to 10")
    return value
