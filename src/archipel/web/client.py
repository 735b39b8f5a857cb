"""The API from Python: frames as arrays, everything else as the records of `archipel.web.nouns`."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar, final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import msgspec
import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as open_socket
from websockets.typing import Origin

from archipel.model import ArchipelError
from archipel.web import nouns
from archipel.web.frames import LAST, from_bytes
from archipel.web.source import Frame

T = TypeVar("T")
Column = NDArray[Any]


class ApiRefused(ArchipelError):
    """The server refused; `status` is that of docs/reference/api.md."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class Unreachable(ArchipelError):
    """Nobody answers at the address."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Values(Mapping[str, dict[str, Column]]):
    """All values at one moment, by table and column: `values["cells"]["p_kw"]`.

    Every column is an array over the table's rows, NaN where nothing is known; the column `id` names the rows.
    """

    time: datetime
    """Grid time."""
    measured: datetime
    """Wall time at which it was measured; of a recording the same as `time`."""
    seq: int
    tables: Mapping[str, dict[str, Column]]

    def __getitem__(self, table: str) -> dict[str, Column]:
        return self.tables[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


@final
class Client:
    """A server, as seen by whoever has the token. Times without a zone are UTC; `strategy` empty is the first."""

    def __init__(self, url: str, token: str = "", timeout_s: float = 30.0) -> None:
        """Connect. Raises `Unreachable`, `ApiRefused`."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise Unreachable(f"{url}: expected an address such as http://127.0.0.1:8765")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"Origin": self.url, "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s
        self._open = build_opener(ProxyHandler({})).open
        self.area = self._get("area", nouns.Area)
        """Cells, ties, nodes, branches and devices; what does not change."""
        self._names = {
            "cells": [cell.id for cell in self.area.cells],
            "ties": [tie.id for tie in self.area.ties],
            "nodes": self.area.nodes.id,
            "branches": self.area.branches.id,
            "devices": self.area.devices.id,
        }

    # ---------------------------------------------------------- what is and was

    def span(self) -> nouns.Span:
        """The time that can be shown."""
        return self._get("span", nouns.Span)

    def frame(self, time: datetime | str | None = None, strategy: str = "", tables: Collection[str] = ()) -> Values:
        """All values at a time, or now; of some tables or all. Raises `ApiRefused`."""
        query = {"time": _iso(time), "strategy": strategy, "tables": ",".join(tables)}
        with self._ask("GET", "frame", query, accept="application/octet-stream") as answer:
            return self._values(from_bytes(answer.read())[0], frozenset(tables))

    def watch(self, tables: Collection[str] = ()) -> Iterator[Values]:
        """Every new frame of a live source, at most five a second, until the source ends or the loop is left.

        Who is slower than that misses frames and never sees an old one. Raises `Unreachable` when the server goes.
        """
        address = f"ws{self.url.removeprefix('http')}/api/v1/telemetry?{urlencode({'tables': ','.join(tables)})}"
        headers = {name: value for name, value in self._headers.items() if name == "Authorization"}
        with ExitStack() as open_ones:
            try:
                socket = open_ones.enter_context(
                    open_socket(
                        address, origin=Origin(self.url), additional_headers=headers, compression=None, max_size=2**27,
                        open_timeout=self._timeout_s, proxy=None, max_queue=1,
                    )
                )  # fmt: skip
            except InvalidStatus as error:
                raise _refused(error.response.status_code, bytes(error.response.body or b"")) from None
            except (OSError, TimeoutError) as error:
                raise Unreachable(f"{self.url}: {error}") from error
            while True:
                try:
                    data = socket.recv()
                except ConnectionClosed as error:
                    raise Unreachable(f"{self.url}: the server has gone ({error})") from error
                frame, flags = from_bytes(data if isinstance(data, bytes) else data.encode())
                yield self._values(frame, frozenset(tables))
                if flags & LAST:
                    return

    def series(
        self, table: str, element: str, columns: Collection[str], start: datetime | str | None = None,
        end: datetime | str | None = None, strategy: str = "",
    ) -> dict[str, Column]:  # fmt: skip
        """Columns of one element over time, and `time`; at most 5,000 points. Without times: the last 24 hours."""
        span = self.span()
        last = _iso(end) or span.end.isoformat()
        first = _iso(start) or max(span.start, span.end - _DAY).isoformat()
        query = {
            "table": table, "element": element, "columns": ",".join(columns), "start": first, "end": last,
            "strategy": strategy,
        }  # fmt: skip
        found = self._get("series", nouns.Series, query)
        times = np.array([time.astimezone(UTC).replace(tzinfo=None) for time in found.time], "datetime64[ms]")
        values = {name: np.array(column, dtype=np.float64) for name, column in found.columns.items()}
        return {"time": times, **values}

    def agreements(self, time: datetime | str | None = None, strategy: str = "") -> nouns.Agreements:
        """Who agreed what with whom."""
        return self._get("agreements", nouns.Agreements, {"time": _iso(time), "strategy": strategy})

    def belief(self, cell: str, time: datetime | str | None = None, strategy: str = "") -> nouns.Belief:
        """What a cell believed, beside what was true."""
        return self._get("belief", nouns.Belief, {"cell": cell, "time": _iso(time), "strategy": strategy})

    def why(self, subject: str, element: str, time: datetime | str | None = None, strategy: str = "") -> nouns.Why:
        """Why a `setpoint`, `price` or `refusal` is what it is."""
        query = {"subject": subject, "element": element, "time": _iso(time), "strategy": strategy}
        return self._get("why", nouns.Why, query)

    def cards(self, time: datetime | str | None = None, strategy: str = "") -> list[nouns.Card]:
        """What to know or to act on, newest first."""
        return self._get("cards", list[nouns.Card], {"time": _iso(time), "strategy": strategy})

    def score(self, run: str = "") -> nouns.Score:
        """The strategies side by side; of what is shown, or of a run."""
        return self._get(f"runs/{quote(run, safe='')}/score" if run else "score", nouns.Score)

    def runs(self) -> list[nouns.RunInfo]:
        """Finished runs, newest first."""
        return self._get("runs", list[nouns.RunInfo])

    def events(self, after: int | None = None) -> Iterator[nouns.Happening]:
        """What happens, as it happens, until the loop is left. Raises `Unreachable` when the server goes."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self._ask("GET", "events", accept="text/event-stream", headers=headers) as answer:
            try:
                for line in answer:
                    if line.startswith(b"data: "):
                        yield msgspec.json.decode(line[6:], type=nouns.Happening)
            except (OSError, HTTPException) as error:
                raise Unreachable(f"{self.url}: {error}") from error
        raise Unreachable(f"{self.url}: the server has gone")

    # ---------------------------------------------------------- what is wanted

    def me(self) -> nouns.Me:
        """Who is signed in."""
        return self._get("me", nouns.Me)

    def command(
        self, act: nouns.Act, element: str = "", *, why: str = "", until: datetime | None = None,
        import_kw_max: float | None = None, export_kw_max: float | None = None, p_kw: float | None = None,
        selection: nouns.Selection | str = "", command_id: str = "",
    ) -> nouns.CommandState:  # fmt: skip
        """Give a command; the same id is carried out once. Raises `ApiRefused` with what stands against it."""
        command = nouns.Command(
            id=command_id or uuid.uuid4().hex, act=act, element=element, why=why, until=until,
            import_kw_max=import_kw_max, export_kw_max=export_kw_max, p_kw=p_kw,
            selection=selection if isinstance(selection, str) else selection.id,
        )  # fmt: skip
        return self._post("commands", command, nouns.CommandState)

    def select(self, act: nouns.Act, element: str, *, why: str = "") -> nouns.Selection:
        """What a switching would do; needed by `command` within 30 s. Raises `ApiRefused`."""
        return self._post(
            "selections", nouns.Command(id=uuid.uuid4().hex, act=act, element=element, why=why), nouns.Selection
        )

    def commands(self) -> list[nouns.CommandState]:
        """What became of the newest commands, newest first."""
        return self._get("commands", list[nouns.CommandState])

    # ---------------------------------------------------------- how

    def _values(self, frame: Frame, tables: frozenset[str]) -> Values:
        found: dict[str, dict[str, Column]] = {}
        first = 0
        for section in self.area.sections:
            if not tables or section.table in tables:
                table = found.setdefault(section.table, {})
                if section.table in self._names and "id" not in table:
                    table["id"] = np.array(self._names[section.table])
                table[section.column] = frame.values[first : first + section.count]
                first += section.count
        return Values(frame.time, frame.measured, frame.seq, found)

    def _get(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        with self._ask("GET", path, query) as answer:
            return msgspec.json.decode(answer.read(), type=kind)

    def _post(self, path: str, body: msgspec.Struct, kind: type[T]) -> T:
        with self._ask("POST", path, body=msgspec.json.encode(body)) as answer:
            return msgspec.json.decode(answer.read(), type=kind)

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, *, body: bytes | None = None,
        accept: str = "", headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:  # fmt: skip
        address = f"{self.url}/api/v1/{path}"
        told = {name: value for name, value in (query or {}).items() if value}
        request = Request(f"{address}?{urlencode(told)}" if told else address, body, method=method)
        for name, value in {**self._headers, **(headers or {}), **({"Accept": accept} if accept else {})}.items():
            request.add_header(name, value)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            answer: HTTPResponse = self._open(request, timeout=self._timeout_s)
        except HTTPError as error:
            with error:
                raise _refused(error.code, error.read()) from None
        except (URLError, OSError, HTTPException) as error:
            why = getattr(error, "reason", error)
            raise Unreachable(f"{self.url}: {why}. Is archipel serve running there?") from error
        return answer


_DAY = timedelta(hours=24)


def _refused(status: int, body: bytes) -> ApiRefused:
    try:
        text = msgspec.json.decode(body, type=nouns.Refused).error
    except msgspec.MsgspecError:
        text = f"answered with status {status}"
    return ApiRefused(status, text)


def _iso(time: datetime | str | None) -> str:
    if isinstance(time, datetime):
        return time.replace(tzinfo=time.tzinfo or UTC).isoformat()
    return time or ""
