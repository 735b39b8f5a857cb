"""The API from Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scripted_source import START, ScriptedSource
from server_stand import Stand, stand

import archipel.web
from archipel.web.client import ApiRefused, Client, Unreachable


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path, ScriptedSource(seconds=600)) as found:
        yield found


@pytest.fixture
def area(at: Stand) -> Client:
    return archipel.web.connect(at.url, at.tokens["operate"])


def test_three_lines_from_nothing_to_the_powers_of_all_cells(at: Stand) -> None:
    area = archipel.web.connect(at.url)
    powers = area.frame()["cells"]["p_kw"]
    assert dict(zip(area.frame()["cells"]["id"], powers, strict=True)).keys() == {"MV", "LV1", "LV2"}
    assert np.array_equal(powers, at.source.latest().values[2:5], equal_nan=True)


def test_a_frame_of_a_time_and_of_some_tables(area: Client) -> None:
    found = area.frame(START + timedelta(seconds=7), tables=["ties", "nodes"])
    assert set(found) == {"ties", "nodes"}
    assert found.time == START + timedelta(seconds=7)
    assert found["nodes"]["id"].tolist() == [f"node/{k}" for k in range(6)]
    assert np.array_equal(found["nodes"]["v_pu"], area.frame("2016-06-09T12:00:07Z")["nodes"]["v_pu"])


def test_watching_brings_every_new_frame_and_ends_with_the_source(at: Stand, area: Client) -> None:
    seen = []
    for frame in area.watch(["cells"]):
        seen.append(frame.seq)
        assert set(frame) == {"cells"}
        if len(seen) == 3:
            at.source.ended = True
        else:
            at.source.step()
    assert seen[:3] == [601, 602, 603]


def test_series_are_arrays_over_time(area: Client) -> None:
    found = area.series("cells", "LV1", ["p_kw", "load_kw"], start=START, end=START + timedelta(seconds=59))
    assert found["time"][0] == np.datetime64("2016-06-09T12:00:00")
    assert found["p_kw"].shape == found["load_kw"].shape == found["time"].shape == (60,)
    assert len(area.series("cells", "LV1", ["p_kw"])["time"]) == 601


def test_everything_else_is_a_record(at: Stand, area: Client) -> None:
    assert area.cards()[0].title == "<b>Voltage</b> low"
    assert area.agreements().ties[0].parts.energy == 0.1
    assert area.belief("LV1", START).cell == "LV1"
    assert area.why("price", "MV-LV1").reasons[0].element == "line/2"
    assert area.runs()[0].id == "run-1"
    assert area.span().end == at.source.now
    assert (area.me().name, archipel.web.connect(at.url).me().name) == ("operate", "anyone")


def test_a_command_and_what_becomes_of_it(at: Stand, area: Client) -> None:
    until = at.source.now + timedelta(hours=1)
    given = area.command("hold", "LV1.battery", p_kw=5.0, until=until, why="full tonight")
    assert (given.phase, given.who) == ("accepted", "operate")
    at.source.step(1)
    assert area.commands()[0].phase == "executed"
    assert [event.body["phase"] for event in islice(area.events(after=0), 2)] == [
        "accepted",
        "executed",
    ]
    chosen = area.select("open", "MV-LV1")
    assert chosen.allowed
    assert area.command("open", "MV-LV1", selection=chosen).phase == "accepted"


def test_a_refusal_is_an_error_with_the_servers_sentence(at: Stand, area: Client) -> None:
    with pytest.raises(ApiRefused, match="nameplate") as error:
        area.command("hold", "LV1.battery", p_kw=500.0, until=at.source.now + timedelta(hours=1))
    assert error.value.status == 409
    with pytest.raises(ApiRefused, match="expected one of"):
        area.frame(strategy="other")
    with pytest.raises(ApiRefused, match="token"):
        archipel.web.connect(at.url, "wrong")
    with pytest.raises(ApiRefused, match="walls"):
        next(area.watch(["walls"]))
    with pytest.raises(ApiRefused) as missing:
        area.score()
    assert missing.value.status == 404


def test_a_server_that_is_not_there_is_an_error_a_person_understands() -> None:
    with pytest.raises(Unreachable, match="archipel serve"):
        archipel.web.connect("http://127.0.0.1:9")
    for url in ("ftp://x", "http://", "x y"):
        with pytest.raises(Unreachable):
            archipel.web.connect(url)


def test_a_server_that_goes_ends_watching_with_an_error(tmp_path: Path) -> None:
    with stand(tmp_path) as at:
        frames = archipel.web.connect(at.url).watch()
        next(frames)
    with pytest.raises(Unreachable, match="has gone"):
        next(frames)


def test_times_without_a_zone_are_utc(area: Client) -> None:
    at = datetime(2016, 6, 9, 12, 0, 5)  # noqa: DTZ001
    assert area.frame(at).time == at.replace(tzinfo=UTC)


def test_what_the_reference_page_says_to_type_does_what_it_says(
    at: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/api.md").read_text("utf-8")
    first, second = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    connect = archipel.web.connect
    monkeypatch.setattr(archipel.web, "connect", lambda url: connect(at.url, at.tokens["operate"]))
    names: dict[str, object] = {}
    exec(first, names)
    at.source.ended = True
    exec(second.replace("tie/3", "MV-LV1"), names)
    assert [command.act for command, _ in at.source.reached] == ["limit", "open"]
    assert "5 kW would flow over it" in capsys.readouterr().out
