"""A read-only page of a cell on its own host: `GET /status` as JSON, nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

MOST_BYTES = 4096
PATIENCE_S = 2.0


async def serve_status(listen: str, status: Callable[[], Mapping[str, Any]]) -> asyncio.Server:
    """Serve it on `host:port`. Raises `OSError` when the port is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                request = (await reader.readuntil(b"\r\n\r\n"))[:MOST_BYTES].split(b" ", 2)
                writer.write(_response(request, status))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # who asks no proper question gets no answer
        finally:
            writer.close()

    host, _, port = listen.rpartition(":")
    return await asyncio.start_server(answer, host, int(port), limit=MOST_BYTES)


def _response(request: list[bytes], status: Callable[[], Mapping[str, Any]]) -> bytes:
    if request[0] != b"GET":
        return _page("405 Method Not Allowed", {"error": "only GET"})
    if len(request) < 2 or request[1] != b"/status":
        return _page("404 Not Found", {"error": "only /status"})
    return _page("200 OK", status())


def _page(line: str, content: Mapping[str, Any]) -> bytes:
    body = json.dumps(content, default=str).encode()
    head = (
        f"HTTP/1.1 {line}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
