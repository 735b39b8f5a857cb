"""The description of the API, the page's types and the reference page say the same as the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from archipel.web import nouns
from archipel.web.area_of import COLUMNS
from archipel.web.server.openapi import description
from archipel.web.server.paths import PATHS, PREFIX

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/api.md").read_text("utf-8")


def test_the_committed_types_of_the_page_are_made_from_the_description() -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "web/node_modules/openapi-typescript").is_dir():
        pytest.skip("web/src/api/types.ts is NOT CHECKED: needs node and `npm ci` in web/")
    made = subprocess.run(
        [node, "types.mjs"], cwd=ROOT / "web", input=msgspec.json.encode(description()), capture_output=True, check=True
    )
    assert made.stdout.decode() == (ROOT / "web/src/api/types.ts").read_text("utf-8"), "make them anew: npm run types"


def test_every_record_the_page_may_meet_is_in_the_types() -> None:
    types = (ROOT / "web/src/api/types.ts").read_text("utf-8")
    records = [
        name for name, each in vars(nouns).items() if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    records.remove("Struct")
    assert len(records) > 25
    assert not [name for name in records if f"export type {name} = " not in types]


def test_the_reference_page_names_every_path_and_parameter_and_no_other() -> None:
    rows = re.findall(r"^\| (GET|POST|DELETE|WS) \| `(/api/v1/[^`?]+)(?:\?([^`]*))?` \|", PAGE, re.MULTILINE)
    told = {("GET" if method == "WS" else method, path) for method, path, _ in rows}
    assert told == {(path.method, PREFIX + path.path) for path in PATHS}
    queries = {path: query for method, path, query in rows if method in {"GET", "WS"}}
    for path in PATHS:
        names = {field.name for field in msgspec.structs.fields(path.query)}
        if path.method == "GET":
            assert {part.partition("=")[0] for part in queries[PREFIX + path.path].split("&") if part} == names


def test_the_reference_page_names_every_column_of_a_frame() -> None:
    for table, columns in COLUMNS.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{table}` |"))
        assert not {column for column in columns if f"`{column}`" not in row}


def test_times_are_told_to_be_times_and_nothing_else_is() -> None:
    schemas = description()["components"]["schemas"]
    assert schemas["Span"]["properties"]["start"]["format"] == "date-time"
    assert schemas["Belief"]["properties"]["start"]["items"]["format"] == "date-time"
    assert schemas["CommandState"]["properties"]["at"]["additionalProperties"]["format"] == "date-time"
    until = schemas["Command"]["properties"]["until"]["anyOf"]
    assert {"type": "string", "format": "date-time"} in until
    assert "format" not in schemas["Span"]["properties"]["step_s"]
    assert "format" not in schemas["Command"]["properties"]["id"]


def test_the_description_can_be_resolved() -> None:
    found = description()
    text = msgspec.json.encode(found).decode()
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= set(found["components"]["schemas"])
    assert {path.name for path in PATHS} == set(re.findall(r'"operationId":"(\w+)"', text))
