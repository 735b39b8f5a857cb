"""What stands before every request: Host and Origin, headers of every answer, and no error without a sentence."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from archipel.web.server.paths import PREFIX
from archipel.web.server.people import host_of, is_loopback
from archipel.web.server.refusals import FORBIDDEN, Refusal, refused

SAFE = ("GET", "HEAD", "OPTIONS")
POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
logger = logging.getLogger("archipel.web")


class Guard:
    """ASGI middleware over the whole server."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["path"].startswith(PREFIX):
                    headers["Cache-Control"] = "no-store"
            elif message["type"] == "websocket.accept":
                begun = True
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, receive, with_headers)
        except Refusal as refusal:
            await _refuse(scope, receive, with_headers, refusal)
        except Exception:
            if begun:
                raise
            logger.exception("%s %s failed", scope.get("method", "WebSocket"), scope["path"])
            fault = Refusal(500, "a fault of the server's own; its log says more. Please report it")
            await _refuse(scope, receive, with_headers, fault)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(host_of(hosts[0])):
            raise Refusal(
                FORBIDDEN, f"Host: found {hosts[:2]}; expected a name of this server. Tell it its name: --name NAME"
            )
        if scope["type"] == "http" and scope["method"] in SAFE:
            return
        origins = headers.getlist("origin")
        if not origins and _is_program(headers):
            return
        if len(origins) != 1 or not _same(origins[0], hosts[0]):
            raise Refusal(FORBIDDEN, f"Origin: found {origins[:2]}; expected the page of this server itself")

    def _is_ours(self, host: str) -> bool:
        return is_loopback(host) or host in self.names


def _is_program(headers: Headers) -> bool:
    """A program that brings its own token needs no Origin: no browser adds such a token by itself."""
    return headers.get("authorization", "").lower().startswith("bearer ") and "cookie" not in headers


def _same(origin: str, host: str) -> bool:
    """Whether an origin is the server that is asked; a proxy may have taken TLS off."""
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    return found.scheme in {"http", "https"} and found.netloc.lower() == host.lower() and not found.path


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    answer = refused(refusal.status, refusal.text, refusal.headers)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(answer)
    else:
        await answer(scope, receive, send)
