"""Telemetry over a WebSocket and events over HTTP: newest wins, nobody waits for a slow client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from archipel.web.server.asking import tables_of
from archipel.web.server.hub import Hub
from archipel.web.server.paths import EVENTS, Nothing, TablesQuery
from archipel.web.server.people import People
from archipel.web.server.reading import read_query
from archipel.web.server.refusals import BAD, TOO_MANY, Refusal
from archipel.web.server.settings import Settings

STREAMS = 200
"""Telemetry and event streams at a time; each."""
SEND_S = 10.0
"""A client that takes nothing for so long is let go."""
LOOK_S = 2.0
"""How often a stream looks whether its person is still signed in."""


@final
class Streams:
    """Both streams of a server."""

    def __init__(self, hub: Hub, people: People, settings: Settings) -> None:
        self._hub, self._people, self._settings = hub, people, settings
        self._telemetry = 0
        self._events = 0

    async def telemetry(self, socket: WebSocket) -> None:
        """Send the newest frame whenever there is a new one, until the client goes."""
        self._people.who(socket)
        tables = tables_of(read_query(socket.query_params, TablesQuery).tables, self._hub.sections)
        if self._telemetry >= STREAMS:
            raise Refusal(TOO_MANY, f"{STREAMS} clients are listening already", {"Retry-After": "10"})
        self._telemetry += 1
        try:
            await socket.accept()
            sending = asyncio.create_task(self._send(socket, tables))
            reading = asyncio.create_task(_until_gone(socket))
            done, waiting = await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            for task in done:
                with contextlib.suppress(WebSocketDisconnect, TimeoutError, OSError):
                    task.result()
        finally:
            self._telemetry -= 1

    async def _send(self, socket: WebSocket, tables: frozenset[str]) -> None:
        sent, looked_s = 0, self._settings.clock()
        while not self._hub.closing:
            frame = self._hub.encoded(tables) if self._hub.version != sent else None
            if frame is not None:
                sent = self._hub.version
                async with asyncio.timeout(SEND_S):
                    await socket.send_bytes(frame)
            await self._wait(LOOK_S)
            if self._settings.clock() - looked_s >= LOOK_S:
                looked_s = self._settings.clock()
                if not self._still(socket):
                    await socket.close(1008, "signed out")
                    return
        await socket.close(1001, "the server ends")

    async def events(self, request: Request) -> Response:
        """The stream of happenings."""
        self._people.who(request)
        read_query(request.query_params, Nothing)
        after = _last_event(request.headers.get("last-event-id", ""))
        if request.method == "HEAD":
            return Response(media_type=EVENTS)
        if self._events >= STREAMS:
            raise Refusal(TOO_MANY, f"{STREAMS} clients are listening already", {"Retry-After": "10"})
        return StreamingResponse(self._tell(request, after), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})

    async def _tell(self, request: Request, after: int | None) -> AsyncIterator[bytes]:
        self._events += 1
        try:
            yield b"retry: 1000\n\n"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._hub.looked.wait()
            for _, event in self._hub.events_after(after):
                yield event
            told = self._hub.head
            if told and (after is None or after > told):
                yield b"id: %d\n\n" % told  # nothing to dispatch: only where to go on after a break
            clock, limit_s = self._settings.clock, self._settings.heartbeat_s
            looked_s = spoke_s = clock()
            while not self._hub.closing:
                for number, event in self._hub.events_after(told) if self._hub.head > told else ():
                    yield event
                    told, spoke_s = number, clock()
                if clock() - spoke_s >= limit_s:
                    yield b": still here\n\n"
                    spoke_s = clock()
                await self._wait(min(LOOK_S, limit_s))
                if clock() - looked_s >= LOOK_S:
                    looked_s = clock()
                    if not self._still(request):
                        return
        finally:
            self._events -= 1

    async def _wait(self, limit_s: float) -> bool:
        """Wait for something new, at most so long; whether it came."""
        try:
            async with asyncio.timeout(limit_s):
                await self._hub.changed()
        except TimeoutError:
            return False
        return True

    def _still(self, connection: Request | WebSocket) -> bool:
        """Whether who opened the stream may still see."""
        try:
            self._people.who(connection)
        except Refusal:
            return False
        return True


def _last_event(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(BAD, f"Last-Event-ID: found {text[:30]!r}; expected the id of an event")
    return int(text)


async def _until_gone(socket: WebSocket) -> None:
    """Read until the client goes; what it says is of no interest."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
