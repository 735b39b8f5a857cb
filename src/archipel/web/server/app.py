"""The app: every path, put together over one source."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from archipel.model import ArchipelError
from archipel.web.server.asking import Asking
from archipel.web.server.audit import Audit
from archipel.web.server.desk import Desk
from archipel.web.server.guard import Guard
from archipel.web.server.hub import Hub
from archipel.web.server.pages import Pages
from archipel.web.server.paths import PATHS, PREFIX
from archipel.web.server.people import People
from archipel.web.server.refusals import AGAINST, MISSING, Json, Refusal, refused
from archipel.web.server.settings import Settings
from archipel.web.server.signing import Signing
from archipel.web.server.streams import Streams
from archipel.web.source import CommandRefused, NotShown, Source

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
Answer = Callable[[Request], Awaitable[Response]]


def build_app(source: Source, settings: Settings) -> Starlette:
    """The whole server as an ASGI app; it never closes the source. `app.state.hub.close()` ends all streams."""
    people, audit = People(settings), Audit(settings.audit)
    hub, desk = Hub(source, settings, audit), Desk(source, audit, settings)
    streams, asking, signing = Streams(hub, people, settings), Asking(source, people, settings), Signing(people, audit)

    async def command(request: Request) -> Response:
        state, is_new = await desk.give(people.who(request), request)
        return Json(state, 202 if is_new else 200)

    async def selection(request: Request) -> Response:
        return Json(await desk.select(people.who(request), request))

    own: dict[str, Answer] = {
        "command": command,
        "selection": selection,
        "events": streams.events,
        "telemetry": _needs_upgrade,
        "sign_in": signing.sign_in,
        "sign_out": signing.sign_out,
    }
    routes: list[Route | WebSocketRoute] = [WebSocketRoute(PREFIX + "/telemetry", streams.telemetry)]
    for path in PATHS:
        answer = own[path.name] if path.name in own else getattr(asking, path.name)
        routes.append(Route(PREFIX + path.path, answer, methods=[path.method]))
    routes += [
        Route("/api/{path:path}", _unknown, methods=METHODS),
        Route("/{path:path}", Pages(settings.static).answer, methods=["GET"]),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        looking = asyncio.create_task(hub.run())
        yield
        hub.close()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, names=settings.names)],
        exception_handlers={
            Refusal: _refusal, NotShown: _not_shown, CommandRefused: _against, ArchipelError: _against,
            HTTPException: _http,
        },
        lifespan=lifespan,
    )  # fmt: skip
    app.state.hub = hub
    return app


async def _unknown(request: Request) -> Response:
    """No path, or another method than those of the path."""
    asked = request.url.path.removeprefix(PREFIX).split("/")
    allowed = [path.method for path in PATHS if _is(path.path.split("/"), asked)]
    if not allowed:
        return refused(MISSING, f"{request.url.path[:200]}: there is no such path; see {PREFIX}/openapi.json")
    allow = ", ".join(["GET", "HEAD", *allowed[1:]] if allowed[0] == "GET" else allowed)
    return refused(405, f"{request.url.path[:200]}: found {request.method}; expected {allow}", {"Allow": allow})


def _is(path: list[str], asked: list[str]) -> bool:
    return len(path) == len(asked) and all(a == b or (a[:1] == "{" and b) for a, b in zip(path, asked, strict=True))


async def _needs_upgrade(request: Request) -> Response:
    text = "telemetry is a WebSocket; ask with Upgrade: websocket"
    return refused(426, text, {"Upgrade": "websocket", "Connection": "Upgrade"})


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refused(error.status, error.text, error.headers)


async def _not_shown(request: Request, error: Exception) -> Response:
    return refused(MISSING, str(error))


async def _against(request: Request, error: Exception) -> Response:
    return refused(AGAINST, str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refused(
        error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}", dict(error.headers or {})
    )
