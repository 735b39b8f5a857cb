"""`archipel serve`: a finished run or a running system in the browser (extra `web`)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.web.server import Settings
    from archipel.web.source import Source

ROLES = ("view", "operate", "administer")
PORT = 8765


def add_parsers(commands: Any) -> None:
    """Add the command."""
    serve = commands.add_parser(
        "serve",
        help="show a finished run or a running system in the browser (extra `web`)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Serves the operator's view: page and API over a finished run, or over a running rehearsal.\n"
        "On this machine everybody sees; whoever commands signs in with a token. Other machines see nothing\n"
        "without one, and the server listens to them only with --host and --tokens.",
        epilog="examples:\n"
        "  archipel serve                                 the newest run below runs/\n"
        "  archipel serve district-20160609 --runs elsewhere\n"
        "  archipel serve --live                          the rehearsal of archipel up, in runs/up\n"
        "  archipel serve --live --sign-in operate        and sign in whom the browser opens for\n"
        "  archipel serve --new-token eva --role operate --tokens tokens.jsonl\n"
        "  archipel serve --live runs/up --tokens tokens.jsonl --host 0.0.0.0 --name grid.example.org",
    )
    serve.add_argument("run", metavar="RUN", nargs="?", default="", help="a run's folder or name (default: the newest)")
    serve.add_argument(
        "--live", metavar="FOLDER", nargs="?", type=Path, const=Path("runs/up"),
        help="show the rehearsal in this folder instead of a run (runs/up)",
    )  # fmt: skip
    serve.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of the runs (runs)")
    serve.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"or the next that is free ({PORT})")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    serve.add_argument(
        "--name", action="append", default=[], metavar="NAME",
        help="host name people reach it by, such as that of a TLS proxy before it; may be given again",
    )  # fmt: skip
    serve.add_argument("--tokens", type=Path, metavar="FILE", help="who may sign in")
    serve.add_argument("--audit", type=Path, metavar="DIR", help="where every command is written down (RUNS/audit)")
    serve.add_argument(
        "--sign-in", choices=ROLES, metavar="ROLE", help="open the page signed in, once: " + ", ".join(ROLES)
    )
    serve.add_argument("--no-browser", action="store_true", help="open no browser")
    serve.add_argument("--new-token", metavar="NAME", help="make a token, print it once, and end; needs --tokens")
    serve.add_argument("--role", choices=ROLES, default="view", help="of the new token (view)")
    serve.set_defaults(func=serve_command)


def serve_command(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    server = _server()
    if args.new_token is not None:
        return _new_token(args)
    tokens = server.Tokens(args.tokens) if args.tokens is not None else None
    source = _source(args)
    try:
        settings = server.Settings(
            audit=args.audit or (args.live or args.runs) / "audit",
            tokens=tokens,
            names=frozenset(args.name),
            open_view=not args.name,
            run_score=_run_score(args.runs),
        )
        server.run_server(
            source, settings, host=args.host, port=args.port, on_ready=lambda url: _ready(args, settings, url)
        )
    finally:
        source.close()
    return 0


def _server() -> Any:
    """The server, or what to install for it."""
    from archipel.model import ExtraMissing

    try:
        from archipel.web import server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "archipel":
            raise
        raise ExtraMissing(error.name or "starlette", "web", "The operator's view") from None
    return server


def _source(args: argparse.Namespace) -> Source:
    from archipel.model import ArchipelError

    if args.live is None:
        from archipel.web.sources.run import open_run

        return open_run(args.run, runs=args.runs)
    if args.run:
        raise ArchipelError(f"serve: found the run {args.run} and --live; expected one of them")
    from archipel.web.sources.live import open_live

    return open_live(args.live)


def _run_score(runs: Path) -> Any:
    from archipel.web.sources.runs_folder import score_in

    return lambda run: score_in(runs, run)


def _new_token(args: argparse.Namespace) -> int:
    from archipel.model import ArchipelError
    from archipel.web.server import new_token

    if args.tokens is None:
        raise ArchipelError("--new-token: needs --tokens FILE, where the hash of the token is kept")
    token = new_token(args.tokens, args.new_token, args.role)
    print(token)
    print(f"{args.new_token} may {args.role}. This is the only time the token is shown.", file=sys.stderr)
    return 0


def _ready(args: argparse.Namespace, settings: Settings, url: str) -> None:
    """Say where it is, and open it."""
    import getpass

    from archipel.web.server import sign_in_link

    link = url
    if args.sign_in is not None:
        link = sign_in_link(url, settings.one_time, getpass.getuser(), args.sign_in)
    print(f"serving {link}", flush=True)
    if url.rpartition(":")[2] != str(args.port) and args.port:
        print(f"port {args.port} is taken; this is the next free one", file=sys.stderr)
    if settings.tokens is None and args.sign_in is None:
        print("read-only: nobody can sign in. See archipel serve --help for tokens", file=sys.stderr)
    print("Ctrl-C ends it", file=sys.stderr, flush=True)
    if not args.no_browser:
        open_browser(link)


def open_browser(url: str) -> None:
    """Open the browser where there is a screen; without one a text browser would take the terminal."""
    import threading
    import webbrowser

    if sys.platform in {"darwin", "win32"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 (any that is free) to 65535")
    return int(text)
