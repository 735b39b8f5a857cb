"""The OpenAPI 3.1 description, from the list of paths and the records; `python -m` with this module prints it."""

from __future__ import annotations

import functools
import sys
from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from archipel import __version__
from archipel.web import nouns
from archipel.web.server.paths import BYTES, EVENTS, PATHS, PREFIX, Path

ABOUT = (
    "The operator's view. Names, units and signs are those of the Parquet tables; times are ISO 8601 in UTC; "
    "a number that is not known is null."
)
ALONE = (nouns.Happening, nouns.Scene, nouns.Refused)
"""Records that no path answers by itself: bodies of events and of errors."""


@functools.cache
def description() -> dict[str, Any]:
    """The whole description as plain data."""
    types = [part for path in PATHS for part in (path.answer, path.body) if part not in (None, dict[str, Any])]
    types = list(dict.fromkeys([*types, *ALONE]))
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(map(str, types), found, strict=True))
    for each in (*vars(nouns).values(), *(path.body for path in PATHS)):
        if isinstance(each, type) and issubclass(each, Struct) and each.__name__ in components:
            _tell_times(each, components[each.__name__])
    paths: dict[str, Any] = {}
    for path in PATHS:
        paths.setdefault(PREFIX + path.path, {})[path.method.lower()] = _operation(path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Archipel", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"cookie": []}, {"bearer": []}, {}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "archipel_PORT"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(path: Path, schemas: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": path.name, "summary": path.summary, "parameters": _parameters(path)}
    if path.body is not None:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[str(path.body)]}}}
    content: dict[str, Any] = {}
    if path.answer is not None:
        content["application/json"] = {"schema": schemas.get(str(path.answer), {"type": "object"})}
    if path.media == BYTES:
        content[BYTES] = {"schema": {"type": "string", "format": "binary"}}
    if path.media == EVENTS:
        content[EVENTS] = {"schema": {"type": "string"}}
    good = {"description": path.summary, **({"content": content} if content else {})}
    refused = {"$ref": "#/components/schemas/Refused"}
    said["responses"] = {
        **{str(status): good for status in (path.status, path.also) if status},
        "default": {"description": "Refused", "content": {"application/json": {"schema": refused}}},
    }
    return said


def _parameters(path: Path) -> list[dict[str, Any]]:
    """What stands in the path and in the query string."""
    _, components = msgspec.json.schema_components([path.query])
    schema = components[path.query.__name__]
    _tell_times(path.query, schema)
    needed = set(schema["required"])
    parameters = [
        {"name": name, "in": "query", "required": name in needed, "schema": _without_null(kind)}
        for name, kind in schema["properties"].items()
    ]
    for name in [part[1:-1] for part in path.path.split("/") if part.startswith("{")]:
        parameters.insert(0, {"name": name, "in": "path", "required": True, "schema": {"type": "string"}})
    if path.name == "events":
        number = {"type": "integer", "minimum": 0}
        parameters.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": number})
    return parameters


def _without_null(kind: dict[str, Any]) -> dict[str, Any]:
    """A query string cannot say null: what is optional is left out."""
    if "anyOf" not in kind:
        return {key: value for key, value in kind.items() if key != "default"}
    return next(one for one in kind["anyOf"] if one.get("type") != "null")


def _tell_times(record: type[Struct], schema: dict[str, Any]) -> None:
    """Say of every field that is a time that it is one."""
    for name, kind in get_type_hints(record).items():
        if _holds_time(kind):
            _mark(schema["properties"][name])


def _holds_time(kind: Any) -> bool:
    return kind is datetime or (get_origin(kind) is not None and any(map(_holds_time, get_args(kind))))


def _mark(schema: dict[str, Any]) -> None:
    if schema.get("type") == "string":
        schema["format"] = "date-time"
    for part in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            _mark(part)


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(description()), indent=2).decode() + "\n")
