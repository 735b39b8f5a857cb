"""What is asked: query strings and bodies, strictly."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request

from archipel.web.server.refusals import BAD, TOO_LARGE, Refusal

BODY_BYTES = 16_384
BODY_S = 10.0
"""Longest a body may take to arrive."""
YEARS = range(1970, 2200)

T = TypeVar("T", bound=Struct)


def read_query(found: QueryParams, expected: type[T]) -> T:
    """The query string as a record. Raises `Refusal` naming the parameter that is unknown, twice, missing or wrong."""
    fields = {field.name: field for field in msgspec.structs.fields(expected)}
    values: dict[str, Any] = {}
    for name, text in found.multi_items():
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise Refusal(BAD, f"found the parameter {name!r}; expected one of: {known}")
        if name in values:
            raise Refusal(BAD, f"{name}: found twice; expected once")
        values[name] = _read(name, text, str(fields[name].type))
    if missing := [name for name, field in fields.items() if field.required and name not in values]:
        raise Refusal(BAD, f"{missing[0]}: found none; expected the parameter {missing[0]!r}")
    try:
        return msgspec.convert(values, expected)
    except msgspec.ValidationError as error:
        raise Refusal(BAD, told(error)) from error


def _read(name: str, text: str, kind: str) -> Any:
    if "datetime" in kind:
        return read_time(name, text)
    if "float" in kind:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise Refusal(BAD, f"{name}: found {text!r}; expected a number")
        return number
    return text


def read_time(name: str, text: str) -> datetime:
    """A time in UTC; one without an offset is UTC already. Raises `Refusal`."""
    try:
        return in_utc(name, msgspec.convert(text, datetime))
    except msgspec.ValidationError:
        raise Refusal(BAD, f"{name}: found {text!r}; expected a time such as 2016-06-09T12:00:00Z") from None


def in_utc(name: str, time: datetime) -> datetime:
    """The time in UTC. Raises `Refusal` where no grid of ours can have lived then."""
    if time.year not in YEARS:
        raise Refusal(BAD, f"{name}: found the year {time.year}; expected {YEARS.start} to {YEARS.stop - 1}")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


async def read_body(request: Request) -> bytes:
    """The body. Raises `Refusal` where it is too large, too slow or says that it is no JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(BAD, f"Content-Type: found {kind or 'none'!r}; expected 'application/json'")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise Refusal(TOO_LARGE, f"body: found more than {BODY_BYTES} bytes; expected fewer")
    except TimeoutError:
        raise Refusal(BAD, f"body: not whole after {BODY_S:g} s") from None
    return bytes(body)


def read_json(body: bytes, expected: type[T]) -> T:
    """A body as a record. Raises `Refusal`."""
    try:
        return msgspec.json.decode(body, type=expected)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(BAD, told(error)) from error


def told(error: Exception) -> str:
    """What msgspec found, beginning with where."""
    text, _, where = str(error).partition(" - at `$")
    return f"{where.strip('`.')}: {text}" if where.strip("`.") else text
