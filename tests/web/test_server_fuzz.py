"""schemathesis against real servers: whatever is asked, the answer is one the description names, and never a 500."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
import requests
import schemathesis
import short_district
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from scripted_source import ACTS, CELLS, DEVICES, START, TIES, ScriptedSource
from server_stand import ROLES, Stand, stand

from archipel.web.server.openapi import description

ENDLESS = "/api/v1/events"
"""Its answer has no end; it is asked by hand below."""
DESK = ("/commands", "/selections")
FEW, MANY = 300, 10_000


@cache
def operations() -> list[Any]:
    """Every operation of the description but the endless one."""
    schema = schemathesis.openapi.from_dict(description())
    found = [result.ok() for result in schema.get_all_operations()]
    return [operation for operation in found if operation.path != ENDLESS]


def weighted() -> list[Any]:
    """The same, those that can do most more often."""
    return [one for one in operations() for _ in range(3 if one.path.endswith((*DESK, "/series", "/belief")) else 1)]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A source that takes commands."""
    with stand(tmp_path_factory.mktemp("live"), ScriptedSource(seconds=600)) as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A real run."""
    with stand(tmp_path_factory.mktemp("run"), short_district.source()) as found:
        yield found


@cache
def known(kind: str) -> dict[str, tuple[str, ...]]:
    """Values of parameters that exist, so that not every question ends at a name that does not."""
    if kind == "live":
        first, last = START, START + timedelta(seconds=600)
        names: tuple[str, ...] = (*CELLS, *TIES, *DEVICES, "node/1", "line/1")
        strategies: tuple[str, ...] = ("", "cooperating", "alone")
    else:
        area = short_district.source().area()
        first, last = area.span.start, area.span.end
        names = (*[cell.id for cell in area.cells], *[tie.id for tie in area.ties], *area.devices.id[:9],
                 *area.nodes.id[:9], *area.branches.id[:9])  # fmt: skip
        strategies = ("", *area.strategies)
    times = tuple((first + (last - first) * part).isoformat() for part in (0.0, 0.01, 0.5, 0.999, 1.0, 1.001))
    return {
        "strategy": strategies,
        "element": names,
        "cell": names,
        "time": times,
        "start": times,
        "end": times,
        "step_s": ("1", "60", "900"),
        "table": ("area", "cells", "ties", "nodes", "branches", "devices"),
        "tables": ("", "cells", "cells,ties", "nodes,area"),
        "columns": ("p_kw", "p_kw,load_kw", "soc", "v_pu", "loading", "agreed_kw,price_eur_per_kwh"),
        "subject": ("setpoint", "price", "refusal"),
        "id": ("run-1", "run-2"),
    }


def commands(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Commands that say what their act must, or nearly."""
    names = known(kind)["element"]
    number = st.sampled_from((-500.0, -5.0, 0.0, 5.0, 500.0))
    until = st.sampled_from([*known(kind)["time"], (START + timedelta(hours=5)).isoformat(), "2016-06-09"])
    ident = st.from_regex(r"[A-Za-z0-9_-]{8,12}", fullmatch=True)
    own = {
        "hold": {"element": st.sampled_from(DEVICES), "p_kw": number, "until": until},
        "limit": {"element": st.sampled_from((*CELLS, "upstream")), "import_kw_max": number, "until": until},
        "open": {"element": st.sampled_from(TIES)},
        "close": {"element": st.sampled_from(TIES)},
        "island": {"element": st.sampled_from(CELLS)},
        "acknowledge": {"element": st.just("card-1")},
    }
    some = {"selection": st.sampled_from([f"selection-{k}" for k in range(30)]), "why": st.text(max_size=20)}
    each = [
        st.fixed_dictionaries(
            {"id": ident, "act": st.just(act), **own.get(act, {"element": st.sampled_from(names)})}, optional=some
        )
        for act in (*ACTS, *own)
    ]
    return st.one_of(each)


SERIES = {
    "cells": ("LV1", "p_kw"),
    "ties": ("MV-LV1", "p_kw"),
    "devices": ("LV1.pv", "p_kw,p_kw_set"),
    "area": ("", "f_hz"),
}


def series(draw: st.DrawFn, kind: str) -> dict[str, str]:
    """Which series there is."""
    table = draw(st.sampled_from(("cells", "ties", "devices", "area")))
    element, columns = SERIES[table]
    if kind == "run":
        area = short_district.source().area()
        rows = {"cells": area.cells[-1].id, "ties": area.ties[0].id, "devices": area.devices.id[0], "area": ""}
        element = rows[table]
    times = sorted(draw(st.tuples(*[st.sampled_from(known(kind)["time"])] * 2)))
    return {"table": table, "element": element, "columns": columns, "start": times[0], "end": times[1]}


@st.composite
def cases(draw: st.DrawFn, kind: str) -> Any:
    """A request: good or bad by its schema, with some of its values replaced by such as exist."""
    operation = draw(st.sampled_from(weighted()))
    mode = draw(st.sampled_from((GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)))
    case = draw(operation.as_strategy(generation_mode=mode))
    for values in (case.query, case.path_parameters):
        for name in [name for name in values or () if name in known(kind)]:
            if draw(st.integers(0, 3)):
                values[name] = draw(st.sampled_from(known(kind)[name]))
    if operation.path.endswith("/series") and draw(st.booleans()):
        case.query = series(draw, kind)
    if operation.path.endswith(DESK) and operation.method.upper() == "POST" and draw(st.booleans()):
        case.body = draw(commands(kind))
        case.media_type = "application/json"
    who = draw(st.sampled_from(("", *ROLES, "operate", "administer")))
    return case, who, draw(st.booleans())


def send(at: Stand, session: requests.Session, drawn: Any) -> None:
    """Ask, and look at the answer."""
    case, who, as_bytes = drawn
    headers = {"Origin": at.url, "Accept": "application/octet-stream" if as_bytes else "application/json"}
    if who:
        headers["Authorization"] = f"Bearer {at.tokens[who]}"
    answer = case.call(base_url=at.url, session=session, headers=headers, timeout=30)
    assert answer.status_code < 500, (case, answer.content)
    if answer.status_code >= 400:
        assert list(answer.json()) == ["error"]
        assert len(answer.json()["error"]) > 5
    elif answer.status_code != 204 and "json" in answer.headers["content-type"][0]:
        case.operation.schema[case.operation.path][case.operation.method].validate_response(answer)
    assert "default-src 'self'" in answer.headers["content-security-policy"][0]


def fuzz(at: Stand, kind: str, count: int) -> None:
    """So many requests."""
    with requests.Session() as session:
        session.trust_env = False

        @settings(max_examples=count)
        @given(drawn=cases(kind))
        def ask(drawn: Any) -> None:
            send(at, session, drawn)

        ask()


def test_a_server_over_a_real_run_has_an_answer_to_everything(run: Stand) -> None:
    fuzz(run, "run", FEW)


def test_a_server_that_takes_commands_has_an_answer_to_everything(live: Stand) -> None:
    fuzz(live, "live", FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "live"])
def test_ten_thousand_requests_and_no_fault(kind: str, request: pytest.FixtureRequest) -> None:
    fuzz(request.getfixturevalue(kind), kind, MANY)


@given(
    target=st.binary(max_size=60).map(lambda data: bytes(byte for byte in data if byte > 0x20)),
    name=st.sampled_from((b"Host", b"Origin", b"Cookie", b"Authorization", b"Last-Event-ID", b"Accept", b"X")),
    value=st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"")),
    method=st.sampled_from((b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"HEAD", b"TRACE", b"BREW")),
    path=st.sampled_from((b"/api/v1/", b"/api/v1/area?", b"/api/v1/events?", b"/", b"/cell/", b"/api/v1/telemetry")),
)
@settings(max_examples=FEW)
def test_bytes_that_no_client_sends_are_no_fault_either(
    live: Stand, target: bytes, name: bytes, value: bytes, method: bytes, path: bytes
) -> None:
    connection = http.client.HTTPConnection(live.netloc, timeout=20)
    connection.connect()
    assert connection.sock is not None
    head = b"%s %s%s HTTP/1.1\r\n%s: %s\r\n" % (method, path, target, name, value)
    rest = b"" if name == b"Host" else b"Host: localhost\r\n"
    connection.sock.sendall(head + rest + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
    status = connection.sock.recv(4_000).split(b" ")[1]
    connection.close()
    assert status < b"500" or (status == b"503" and b"api" not in path), (head, status)
