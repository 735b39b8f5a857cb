"""Listening: a server until it is stopped, and one in a thread for tests and notebooks."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import final

import uvicorn

from archipel.model import ArchipelError
from archipel.web.server.app import build_app
from archipel.web.server.people import is_loopback
from archipel.web.server.settings import Settings
from archipel.web.source import Source

PORTS = 20
"""Tried one after the other from the one that is wanted."""
SEND_BYTES = 131_072
"""What the system keeps for a client that does not read: two frames of 5,000 nodes, not seconds of them."""
GONE_MS = 30_000
"""A client whose machine takes no bytes for so long is let go."""


class CannotListen(ArchipelError):
    """The server cannot listen there; the text says why."""


def listen(host: str, port: int, settings: Settings) -> socket.socket:
    """A socket on the port, or the next free one; port 0: any. Raises `CannotListen`."""
    if not is_loopback(host) and settings.tokens is None:
        raise CannotListen(
            f"--host: found {host}, which others reach; without tokens the server listens on this machine only. "
            "Make one (archipel serve --new-token NAME --role operate --tokens FILE) and give --tokens FILE"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last: OSError | None = None
    for number in range(port, min(port + PORTS, 65_536)) if port else (0,):
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
        try:
            listener.bind((host, number))
            listener.listen(128)
        except OSError as error:
            listener.close()
            last = error
        else:
            listener.setblocking(False)
            return listener
    why = last.strerror if last is not None else "no port is left"
    raise CannotListen(f"{host}, port {port} and the next {PORTS - 1}: {why}. Choose another: --port N")


def url_of(listener: socket.socket) -> str:
    """Where it is reached on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Known(logging.Filter):
    """Leaves out what uvicorn says of every WebSocket that is refused with a sentence of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing handshake" not in record.getMessage()


_KNOWN = _Known()


class _Server(uvicorn.Server):
    """Uvicorn that says when it is ready, and ends its streams before it waits for them."""

    def __init__(self, source: Source, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._app, self._on_ready = build_app(source, settings), on_ready
        logging.getLogger("uvicorn.error").addFilter(_KNOWN)
        super().__init__(
            uvicorn.Config(
                self._app, ws="websockets-sansio", ws_per_message_deflate=False, ws_max_size=4_096, log_config=None,
                log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=3, timeout_keep_alive=20, h11_max_incomplete_event_size=32_768,
            )
        )  # fmt: skip

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.hub.close()
        await super().shutdown(sockets)


def run_server(
    source: Source, settings: Settings, *, host: str = "127.0.0.1", port: int = 8765,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:  # fmt: skip
    """Serve until Ctrl-C or SIGTERM; calls `on_ready` with the address once it answers. Raises `CannotListen`."""
    listener = listen(host, port, settings)
    url = url_of(listener)
    with _ending_on_term():
        _Server(source, settings, lambda: on_ready(url)).run([listener])


@contextlib.contextmanager
def _ending_on_term() -> Iterator[None]:
    """Let SIGTERM end the program as Ctrl-C does, so that who called can close what it opened."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@final
@dataclass(frozen=True, slots=True)
class Served:
    """A server in a thread."""

    url: str
    settings: Settings


@contextlib.contextmanager
def serving(source: Source, settings: Settings, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Served]:
    """Serve in a thread until the block ends; port 0: any that is free. Raises `CannotListen`."""
    listener = listen(host, port, settings)
    ready = threading.Event()
    server = _Server(source, settings, ready.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="archipel serve", daemon=True)
    thread.start()
    try:
        while not ready.wait(0.05):
            if not thread.is_alive():
                raise CannotListen(f"{url_of(listener)}: the server ended before it was ready; see its log")
        yield Served(url_of(listener), settings)
    finally:
        server.should_exit = True
        thread.join(15.0)
