"""Every question of the API (GET): what is asked is read, the source is asked in a thread, what it says is encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, final

import msgspec
from anyio import CapacityLimiter, to_thread
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from archipel.web.frames import LIVE, rows_of, to_bytes
from archipel.web.nouns import Area, Score, Section, Values
from archipel.web.server.openapi import description
from archipel.web.server.paths import (
    BYTES,
    BeliefQuery,
    FrameQuery,
    FramesQuery,
    Nothing,
    SeriesQuery,
    TimeQuery,
    WhyQuery,
)
from archipel.web.server.people import People
from archipel.web.server.reading import read_query
from archipel.web.server.refusals import BAD, MISSING, TOO_LARGE, Json, Refusal
from archipel.web.server.settings import Settings
from archipel.web.source import Frame, NotShown, Source

FRAMES = 240
ANSWER_BYTES = 64_000_000
THREADS = 8
"""Questions answered at a time; commands have threads of their own."""

T = TypeVar("T")


def tables_of(text: str, sections: Sequence[Section]) -> frozenset[str]:
    """The tables in `cells,ties`; empty for all. Raises `Refusal` for one that no frame holds."""
    tables = frozenset(text.split(",")) if text else frozenset()
    known = sorted({section.table for section in sections})
    if unknown := sorted(tables.difference(known)):
        raise Refusal(BAD, f"tables: found {unknown[0]!r}; expected some of {', '.join(known)}")
    return tables


@final
class Asking:
    """The questions of one server."""

    def __init__(self, source: Source, people: People, settings: Settings) -> None:
        self._source, self._people, self._settings = source, people, settings
        self._threads = CapacityLimiter(THREADS)
        self._area = source.area()

    async def area(self, request: Request) -> Response:
        """What does not change, but for the span."""
        self._nothing(request)
        return Json(await self._ask(lambda: replace(self._area, span=self._source.span())))

    async def span(self, request: Request) -> Response:
        """The time that can be shown."""
        self._nothing(request)
        return Json(await self._ask(self._source.span))

    async def frame(self, request: Request) -> Response:
        """One frame, as JSON or bytes."""
        self._people.who(request)
        query = read_query(request.query_params, FrameQuery)
        tables = tables_of(query.tables, self._area.sections)
        as_bytes = BYTES in request.headers.get("accept", "")

        def answer() -> bytes:
            frame, live = self._frame_at(query.strategy, query.time)
            if as_bytes:
                return to_bytes(frame, rows_of(self._area.sections, tables), LIVE if live else 0)
            return msgspec.json.encode(_values(self._area, frame, tables, live))

        return Response(await self._ask(answer), media_type=BYTES if as_bytes else "application/json")

    async def frames(self, request: Request) -> Response:
        """Several frames, as bytes."""
        self._people.who(request)
        query = read_query(request.query_params, FramesQuery)
        tables = tables_of(query.tables, self._area.sections)

        def answer() -> bytes:
            step_s = query.step_s or self._source.span().step_s
            count = int((query.end - query.start).total_seconds() // step_s) + 1
            if not 1 <= count <= FRAMES:
                raise Refusal(BAD, f"start, end, step_s: found {max(count, 0)} frames; expected 1 to {FRAMES}")
            rows = rows_of(self._area.sections, tables)
            numbers = sum(section.count for section in self._area.sections) if rows is None else len(rows)
            if count * numbers * 4 > ANSWER_BYTES:
                raise Refusal(TOO_LARGE, f"{count} frames of {numbers} numbers are too much; ask for fewer or tables=")
            times = (query.start + timedelta(seconds=step_s * k) for k in range(count))
            return b"".join(to_bytes(self._source.frame(query.strategy, time), rows) for time in times)

        return Response(await self._ask(answer), media_type=BYTES)

    async def series(self, request: Request) -> Response:
        """Columns of one element."""
        self._people.who(request)
        query = read_query(request.query_params, SeriesQuery)
        if query.end < query.start:
            raise Refusal(BAD, f"end: found {query.end.isoformat()}, which is before start; expected a later time")
        return Json(
            await self._ask(
                lambda: self._source.series(
                    query.strategy, query.table, query.element, query.columns.split(","), query.start, query.end
                )
            )
        )

    async def agreements(self, request: Request) -> Response:
        """Who agreed what."""
        self._people.who(request)
        query = read_query(request.query_params, TimeQuery)
        return Json(await self._ask(lambda: self._source.agreements(query.strategy, query.time)))

    async def belief(self, request: Request) -> Response:
        """What a cell believed."""
        self._people.who(request)
        query = read_query(request.query_params, BeliefQuery)
        return Json(await self._ask(lambda: self._source.belief(query.strategy, query.cell, query.time)))

    async def why(self, request: Request) -> Response:
        """Why it is so."""
        self._people.who(request)
        query = read_query(request.query_params, WhyQuery)
        return Json(await self._ask(lambda: self._source.why(query.strategy, query.subject, query.element, query.time)))

    async def cards(self, request: Request) -> Response:
        """Cards."""
        self._people.who(request)
        query = read_query(request.query_params, TimeQuery)
        return Json(await self._ask(lambda: self._source.cards(query.strategy, query.time)))

    async def score(self, request: Request) -> Response:
        """The score of what is shown."""
        self._nothing(request)
        return Json(_there(await self._ask(self._source.score)))

    async def runs(self, request: Request) -> Response:
        """Finished runs."""
        self._nothing(request)
        return Json(await self._ask(self._source.runs))

    async def run_score(self, request: Request) -> Response:
        """The score of a finished run."""
        self._nothing(request)
        wanted: str = request.path_params["id"]

        def answer() -> Score | None:
            info = next((run for run in self._source.runs() if run.id == wanted), None)
            if info is None:
                raise NotShown(f"runs: found {wanted!r}; expected an id of /api/v1/runs")
            if info.shown:
                return self._source.score()
            return self._settings.run_score(wanted) if self._settings.run_score is not None else None

        return Json(_there(await self._ask(answer)))

    async def commands(self, request: Request) -> Response:
        """The newest commands."""
        self._nothing(request)
        return Json(await self._ask(self._source.commands))

    async def me(self, request: Request) -> Response:
        """Who asks."""
        person = self._people.who(request)
        read_query(request.query_params, Nothing)
        return Json(person.me())

    async def openapi(self, request: Request) -> Response:
        """The description of the API."""
        self._nothing(request)
        return Json(description())

    def _nothing(self, request: Request) -> None:
        self._people.who(request)
        read_query(request.query_params, Nothing)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await to_thread.run_sync(question, limiter=self._threads)

    def _frame_at(self, strategy: str, time: datetime | None) -> tuple[Frame, bool]:
        """The frame, and whether it is the newest of a live source."""
        span = self._source.span()
        if time is None and (newest := self._source.latest()) is not None:
            if strategy and strategy not in self._area.strategies:
                raise NotShown(f"strategy: found {strategy!r}; expected one of {', '.join(self._area.strategies)}")
            if strategy and strategy != self._area.strategies[0]:  # lived beside the one that is live
                return self._source.frame(strategy, newest.time), span.live
            return newest, span.live
        return self._source.frame(strategy, span.end if time is None else time), False


def _there(score: Score | None) -> Score:
    if score is None:
        raise Refusal(MISSING, "there is no score yet")
    return score


def _values(area: Area, frame: Frame, tables: frozenset[str], live: bool) -> Values:
    found: dict[str, dict[str, list[float | None]]] = {}
    first = 0
    for section in area.sections:
        if not tables or section.table in tables:
            found.setdefault(section.table, {})[section.column] = frame.values[first : first + section.count].tolist()
        first += section.count
    return Values(seq=frame.seq, time=frame.time, measured=frame.measured, live=live, tables=found)
