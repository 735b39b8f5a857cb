"""The page: the bundle's files with an ETag; every other address is a place in the page."""

from __future__ import annotations

import gzip
import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from archipel.web.server.refusals import MISSING

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
PACKED = (".html", ".js", ".css", ".svg", ".json", ".txt")
NO_PAGE = """The page is not there: the bundle in {folder} is missing.

An installed package brings it. In a clone, build it once (needs node):

    cd web && npm ci && npm run build

The API works without it: see /api/v1/openapi.json
"""


@final
@dataclass(frozen=True, slots=True)
class _File:
    stamp: tuple[int, int]
    etag: str
    kind: str
    plain: bytes
    packed: bytes | None


@final
class Pages:
    """Files of a folder, kept in memory and read again when they change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}

    async def answer(self, request: Request) -> Response:
        """A file of the bundle, or the page itself."""
        path = request.path_params["path"]
        is_file = Path(path).suffix in KINDS or ("." in path and "/" not in path)  # /cell/LV3.304 is a place
        file = await to_thread.run_sync(self._file, path if is_file else "index.html")
        if file is None:
            text = f"/{path}: there is no such file" if is_file else NO_PAGE.format(folder=self._folder.name)
            return PlainTextResponse(text, MISSING if is_file else 503)
        packed = file.packed if "gzip" in request.headers.get("accept-encoding", "") else None
        etag = f'"{file.etag}-gz"' if packed is not None else f'"{file.etag}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        return Response(file.plain if packed is None else packed, headers=headers, media_type=file.kind)

    def _file(self, name: str) -> _File | None:
        path = self._inside(name)
        if path is None:
            return None
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        with self._lock:
            known = self._files.get(name)
        if known is not None and known.stamp == stamp:
            return known
        plain = path.read_bytes()
        packed = gzip.compress(plain, 6, mtime=0) if path.suffix in PACKED else None
        file = _File(stamp, hashlib.sha256(plain).hexdigest()[:32], KINDS[path.suffix], plain, packed)
        with self._lock:
            self._files[name] = file
        return file

    def _inside(self, name: str) -> Path | None:
        """The file, if it is one of the bundle; nothing outside of its folder is ever read."""
        if "\0" in name or len(name) > 200:
            return None
        path = (self._folder / name).resolve()
        inside = path.is_relative_to(self._folder.resolve()) and path.suffix in KINDS
        return path if inside and path.is_file() else None
