"""Telemetry and events: newest wins, nothing waits for the slow, and whoever comes back misses nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scripted_source import ScriptedSource
from server_stand import Stand, eventually, stand
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from archipel.web import nouns
from archipel.web.frames import LAST, LIVE, from_bytes
from archipel.web.nouns import Happening
from archipel.web.source import Frame


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path) as found:
        yield found


def listen(at: Stand, query: str = "", **more: Any) -> ClientConnection:
    address = f"ws://{at.netloc}/api/v1/telemetry{query}"
    return connect(address, origin=Origin(at.url), proxy=None, compression=None, **more)


@contextmanager
def follow(at: Stand, last: str = "") -> Iterator[HTTPResponse]:
    with closing(HTTPConnection(at.netloc, timeout=20)) as connection:
        connection.request("GET", "/api/v1/events", headers={"Last-Event-ID": last} if last else {})
        with connection.getresponse() as answer:
            assert answer.status == 200, answer.read()
            yield answer


def block(stream: HTTPResponse) -> dict[str, str]:
    """The next block of an event stream, its fields by name."""
    found: dict[str, str] = {}
    while line := stream.readline().decode().rstrip("\n"):
        name, _, value = line.partition(":")
        found[name] = value.strip()
    return found


def until_known(at: Stand, number: int) -> None:
    """Wait until the server has seen the happening with this number."""
    with follow(at) as stream:
        while block(stream).get("id") != str(number):
            pass


# ---------------------------------------------------------------- telemetry


def test_whoever_comes_gets_the_newest_frame_at_once_and_every_new_one_after(at: Stand) -> None:
    with listen(at) as client:
        for second in range(3):
            frame, flags = from_bytes(client.recv(timeout=20))  # type: ignore[arg-type]
            assert (frame.seq, flags) == (second + 1, LIVE)
            assert np.array_equal(frame.values, at.source.latest().values, equal_nan=True)
            at.source.step()


def test_a_client_gets_the_tables_it_asks_for(at: Stand) -> None:
    with listen(at, "?tables=ties,cells") as some, listen(at) as every:
        few, _ = from_bytes(some.recv(timeout=20))  # type: ignore[arg-type]
        whole, _ = from_bytes(every.recv(timeout=20))  # type: ignore[arg-type]
        assert np.array_equal(few.values, whole.values[2 : 2 + 15 + 6], equal_nan=True)


@pytest.mark.parametrize(("query", "status"), [("?tables=walls", 400), ("?table=cells", 400), ("?tables=,", 400)])
def test_a_handshake_that_cannot_be_read_is_refused_with_a_sentence(at: Stand, query: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as error, listen(at, query):
        pass
    assert error.value.response.status_code == status
    assert b'"error"' in error.value.response.body


def test_each_set_of_tables_is_encoded_once_for_all_clients(at: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    from archipel.web.server import hub

    made: list[int] = []
    encode = hub.to_bytes
    monkeypatch.setattr(hub, "to_bytes", lambda frame, *how: (made.append(frame.seq), encode(frame, *how))[1])
    with listen(at) as a, listen(at) as b, listen(at, "?tables=cells") as c:
        for client in (a, b, c):
            client.recv(timeout=20)
        at.source.step(4)
        for client in (a, b, c):
            assert from_bytes(client.recv(timeout=20))[0].seq == 5  # type: ignore[arg-type]
    assert made.count(5) == 2


def test_a_source_that_ends_says_so_in_its_last_frame(at: Stand) -> None:
    with listen(at) as client:
        client.recv(timeout=20)
        at.source.ended = True
        _, flags = from_bytes(client.recv(timeout=20))  # type: ignore[arg-type]
        assert flags == LAST
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)


def test_a_source_that_fails_for_a_while_is_read_again(at: Stand) -> None:
    latest = at.source.latest
    with listen(at) as client:
        client.recv(timeout=20)
        failed = threading.Event()
        at.source.latest = lambda: failed.set() or 1 // 0
        assert failed.wait(20)
        at.source.latest = latest
        at.source.step(6)
        assert from_bytes(client.recv(timeout=20))[0].seq == 7  # type: ignore[arg-type]


class Wide(ScriptedSource):
    """Frames of 200,000 numbers: more than any buffer between server and client takes for long."""

    def __post_init__(self) -> None:
        super().__post_init__()
        section = nouns.Section(table="nodes", column="v_pu", unit="pu", count=200_000)
        self._area = msgspec.structs.replace(self._area, sections=[section])

    def _frame(self, time: datetime, seq: int) -> Frame:
        return Frame(seq, time, time, np.full(200_000, seq, np.float32))


def test_a_client_that_does_not_read_gets_the_newest_later_and_holds_up_nobody(tmp_path: Path) -> None:
    with (
        stand(tmp_path, Wide()) as at,
        listen(at, max_queue=1, max_size=2**27) as slow,
        listen(at, max_size=2**27) as fast,
    ):
        seen = 0
        while seen < 60:
            seen = from_bytes(fast.recv(timeout=20))[0].seq  # type: ignore[arg-type]
            at.source.step()
        got = []
        while not got or got[-1] < seen:
            got.append(from_bytes(slow.recv(timeout=20))[0].seq)  # type: ignore[arg-type]
        assert got == sorted(got)
        assert len(got) < 30, "old frames were left out"


def test_a_client_that_is_gone_is_forgotten(at: Stand) -> None:
    host, port = at.netloc.split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(
                f"GET /api/v1/telemetry HTTP/1.1\r\nHost: {at.netloc}\r\nOrigin: {at.url}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
                .encode()
            )  # fmt: skip
            assert b"101" in raw.recv(100)
    with listen(at) as client:
        at.source.step()
        assert client.recv(timeout=20)


def test_what_a_client_says_over_telemetry_changes_nothing(at: Stand) -> None:
    with listen(at) as client:
        client.recv(timeout=20)
        client.send("hello")
        client.send(b"\x00" * 1_000)
        at.source.step()
        assert from_bytes(client.recv(timeout=20))[0].seq == 2  # type: ignore[arg-type]
    assert at.source.reached == []


# ---------------------------------------------------------------- events


def test_what_happens_is_told_as_it_happens_with_its_kind_and_number(at: Stand) -> None:
    with follow(at) as stream:
        assert "retry" in block(stream)
        at.command("operate", "arm", "LV1")
        found = block(stream)
        assert (found["id"], found["event"]) == ("1", "command")
        told = msgspec.json.decode(found["data"], type=Happening)
        assert msgspec.convert(told.body, nouns.CommandState).phase == "accepted"


def test_whoever_comes_back_gets_what_was_missed_and_nothing_twice(at: Stand) -> None:
    for card in at.source.cards("", None) * 5:
        at.source.say("card", card)
    until_known(at, 5)
    with follow(at, "2") as stream:
        block(stream)
        assert [block(stream)["id"] for _ in range(3)] == ["3", "4", "5"]
        at.source.say("card", at.source.cards("", None)[0])
        assert block(stream)["id"] == "6"


def test_whoever_comes_first_is_told_how_it_stands_and_where_to_go_on(at: Stand) -> None:
    scene = nouns.Scene(number=1, of=4, title="Evening", text="<i>calm</i>\nand warm", begins_s=0.0)
    at.source.say("story", scene)
    at.source.say("story", msgspec.structs.replace(scene, number=2))
    at.source.say("card", at.source.cards("", None)[0])
    until_known(at, 3)
    with follow(at) as stream:
        block(stream)
        story = block(stream)
        assert (story["id"], story["event"]) == ("2", "story")
        assert block(stream) == {"id": "3"}, "nothing to dispatch, only where to go on after a break"


def test_a_number_from_before_the_server_began_again_is_as_if_there_was_none(at: Stand) -> None:
    at.source.say("story", nouns.Scene(number=1, of=4, title="Evening", text="", begins_s=0.0))
    until_known(at, 1)
    with follow(at, "900") as stream:
        block(stream)
        assert block(stream)["event"] == "story"


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "1" * 40, "١"])
def test_a_number_that_is_none_is_refused(at: Stand, last: str) -> None:
    answer = at.ask("events", headers={"Last-Event-ID": last.encode().decode("latin-1")})
    assert answer.status == 400
    assert "Last-Event-ID" in answer.error


def test_while_nothing_happens_the_stream_says_that_it_is_there(tmp_path: Path) -> None:
    with stand(tmp_path, heartbeat_s=0.05) as at, follow(at) as stream:
        block(stream)
        assert block(stream) == {"": "still here"}
        assert block(stream) == {"": "still here"}


def test_text_with_line_breaks_stays_one_event(at: Stand) -> None:
    with follow(at) as stream:
        block(stream)
        at.source.say("story", nouns.Scene(number=1, of=1, title="a\n\nevent: command\n\n", text="\r\n", begins_s=0.0))
        found = block(stream)
        assert found["event"] == "story"
        assert msgspec.json.decode(found["data"])["body"]["title"] == "a\n\nevent: command\n\n"


def test_streams_are_bounded_and_free_again_when_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archipel.web.server import streams

    monkeypatch.setattr(streams, "STREAMS", 2)
    with stand(tmp_path) as at:
        with listen(at), listen(at), pytest.raises(InvalidStatus) as error, listen(at):
            pass
        assert error.value.response.status_code == 429
        with follow(at) as one, follow(at) as two:
            block(one), block(two)
            assert at.ask("events").status == 429

        def free() -> bool:
            at.source.say(
                "card", at.source.cards("", None)[0]
            )  # a stream that is left is noticed when it is written to
            try:
                with listen(at):
                    return True
            except InvalidStatus:
                return False

        eventually(free)
