"""Every path of the API in one list: routes, checks of query strings and the OpenAPI description come from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, final

from msgspec import Meta, Struct

from archipel.web import nouns

PREFIX = "/api/v1"
BYTES = "application/octet-stream"
EVENTS = "text/event-stream"

Name = Annotated[str, Meta(max_length=200)]
Tables = Annotated[
    str, Meta(max_length=200, pattern="^([a-z]+(,[a-z]+)*)?$", description="names joined by commas; empty for all")
]
Columns = Annotated[str, Meta(max_length=1000, pattern="^[a-z0-9_]+(,[a-z0-9_]+)*$", description="joined by commas")]
StrategyName = Annotated[str, Meta(max_length=200, description="one of `Area.strategies`; empty for the first")]
StepSeconds = Annotated[float, Meta(ge=0.001, le=86_400.0, description="between two frames; without it `Span.step_s`")]


class Nothing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


class FrameQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which frame: of a time (without one the newest) and some tables."""

    time: datetime | None = None
    strategy: StrategyName = ""
    tables: Tables = ""


class FramesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which frames: from `start` to `end`, both included."""

    start: datetime
    end: datetime
    step_s: StepSeconds | None = None
    strategy: StrategyName = ""
    tables: Tables = ""


class TablesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tables a telemetry frame holds."""

    tables: Tables = ""


class SeriesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns of one element between two times."""

    table: Name
    element: Name = ""
    columns: Columns
    start: datetime
    end: datetime
    strategy: StrategyName = ""


class TimeQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time; without one now."""

    time: datetime | None = None
    strategy: StrategyName = ""


class BeliefQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose belief, and when."""

    cell: Name
    time: datetime | None = None
    strategy: StrategyName = ""


class WhyQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why what is what it is."""

    subject: Literal["setpoint", "price", "refusal"]
    element: Name
    time: datetime | None = None
    strategy: StrategyName = ""


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What signs in: a token of the tokens file, or the one-time token of a link."""

    token: Annotated[str, Meta(max_length=200)]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One path and method."""

    name: str
    """Of the operation, and of the function that answers it."""
    method: str
    path: str
    summary: str
    answer: Any = None
    """A struct or a list of one; None where it has no JSON body."""
    query: type[Struct] = Nothing
    body: type[Struct] | None = None
    media: str = ""
    """Another media type of the answer, beside JSON or instead of it."""
    status: int = 200
    also: int = 0
    """Another status with the same body."""
    signs_in: bool = False
    """Answered to who is not signed in."""


PATHS = (
    Path(name="area", method="GET", path="/area", summary="What does not change", answer=nouns.Area),
    Path(name="span", method="GET", path="/span", summary="The time that can be shown", answer=nouns.Span),
    Path(
        name="frame", method="GET", path="/frame", query=FrameQuery, answer=nouns.Values, media=BYTES,
        summary="All values at a time",
    ),
    Path(
        name="frames", method="GET", path="/frames", query=FramesQuery, media=BYTES,
        summary="Up to 240 frames one after the other",
    ),
    Path(
        name="telemetry", method="GET", path="/telemetry", query=TablesQuery, status=101,
        summary="WebSocket: a binary frame whenever there is a new one; 426 to who asks without one",
    ),
    Path(
        name="events", method="GET", path="/events", media=EVENTS,
        summary="Server-sent events: `Happening`s as they come, after `Last-Event-ID` where it is told",
    ),
    Path(
        name="series", method="GET", path="/series", query=SeriesQuery, answer=nouns.Series,
        summary="Columns of one element over time",
    ),
    Path(
        name="agreements", method="GET", path="/agreements", query=TimeQuery, answer=nouns.Agreements,
        summary="Who agreed what, and what prices are made of",
    ),
    Path(
        name="belief", method="GET", path="/belief", query=BeliefQuery, answer=nouns.Belief,
        summary="What a cell believed, beside what was true",
    ),
    Path(
        name="why", method="GET", path="/why", query=WhyQuery, answer=nouns.Why,
        summary="Why a setpoint, a price or a refusal is what it is",
    ),
    Path(
        name="cards", method="GET", path="/cards", query=TimeQuery, answer=list[nouns.Card],
        summary="What to know or to act on",
    ),
    Path(name="score", method="GET", path="/score", answer=nouns.Score, summary="The strategies side by side"),
    Path(name="runs", method="GET", path="/runs", answer=list[nouns.RunInfo], summary="Finished runs"),
    Path(
        name="run_score", method="GET", path="/runs/{id}/score", answer=nouns.Score,
        summary="The strategies of any run side by side",
    ),
    Path(
        name="commands", method="GET", path="/commands", answer=list[nouns.CommandState],
        summary="The newest commands, newest first",
    ),
    Path(
        name="command", method="POST", path="/commands", body=nouns.Command, answer=nouns.CommandState,
        status=202, also=200, summary="Give a command; 200 when its id was carried out before",
    ),
    Path(
        name="selection", method="POST", path="/selections", body=nouns.Command, answer=nouns.Selection,
        summary="What a switching would do",
    ),
    Path(name="me", method="GET", path="/me", answer=nouns.Me, summary="Who is signed in"),
    Path(
        name="sign_in", method="POST", path="/session", body=SignIn, answer=nouns.Me, signs_in=True,
        summary="Sign in by token; sets a cookie",
    ),
    Path(
        name="sign_out", method="DELETE", path="/session", status=204, signs_in=True, summary="Sign out"
    ),
    Path(name="openapi", method="GET", path="/openapi.json", summary="This description", answer=dict[str, Any]),
)  # fmt: skip
"""In the order of docs/reference/api.md."""
