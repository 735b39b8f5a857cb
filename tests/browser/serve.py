"""A server of its own for a test in the browser: `python serve.py run FOLDER`, `steered`, `hostile` or `demo`.

Prints one line of JSON as soon as it answers: its address and a token for each role. It ends with its parent: when
nothing holds its standard input any more. Lines on standard input steer the source; each is answered by one line.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from archipel.web.server import Settings, Tokens, new_token, run_server


def main() -> None:
    """Serve until nobody needs it."""
    asked = argparse.ArgumentParser()
    asked.add_argument("kind", choices=["run", "steered", "hostile", "demo"])
    asked.add_argument("what", nargs="?", default="")
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--speed", type=float, default=1.0)
    args = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        tokens = {role: new_token(own / "tokens", f"test-{role}", role) for role in ("view", "operate", "administer")}
        settings = Settings(audit=own / "audit", tokens=Tokens(own / "tokens"))
        source = opened(args)

        def ready(url: str) -> None:
            tell({"url": url, "tokens": tokens})
            threading.Thread(target=listen, args=(source,), daemon=True).start()

        try:
            run_server(source, settings, port=args.port, on_ready=ready)
        finally:
            source.close()


def opened(args: argparse.Namespace) -> Any:
    """What is shown."""
    if args.kind == "run":
        from archipel.web.sources.run import open_run

        return open_run(args.what)
    if args.kind == "demo":
        from archipel.web.demo.source import DemoSource

        return DemoSource(speed=args.speed)
    from steered import HostileSource, SteeredSource

    return SteeredSource() if args.kind == "steered" else HostileSource()


def listen(source: Any) -> None:
    """Carry out what the test says, and end with it."""
    for line in sys.stdin:
        name, *words = line.split()
        try:
            getattr(source, name)(*words)
            tell({"done": name})
        except Exception as error:  # the test wants to hear of it, whatever it is
            tell({"failed": f"{name}: {error!r}"})
    os.kill(os.getpid(), signal.SIGTERM)


def tell(what: dict[str, Any]) -> None:
    """One line for the test."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
