"""What the API answers to questions, and how it refuses those that cannot be read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import numpy as np
import pytest
from scripted_source import START, ScriptedSource
from server_stand import Stand, stand

from archipel.web import nouns
from archipel.web.frames import LIVE, from_bytes
from archipel.web.server.paths import PATHS
from archipel.web.source import Frame, NotShown

BYTES = {"Accept": "application/octet-stream"}
ASKED = {
    "series": "?table=cells&element=LV1&columns=p_kw,load_kw&start=2016-06-09T12:00:00Z&end=2016-06-09T13:00:00Z",
    "belief": "?cell=LV1",
    "why": "?subject=price&element=MV-LV1",
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("live"), ScriptedSource(seconds=600)) as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("run"), ScriptedSource(kind="run", acts=())) as found:
        yield found


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.method == "GET" and isinstance(path.answer, type | type(list[int]))],
    ids=lambda path: path.name,
)  # fmt: skip
def test_every_question_is_answered_with_the_record_the_description_names(run: Stand, path: object) -> None:
    assert hasattr(path, "answer")
    answer = run.ask(path.path.lstrip("/").replace("{id}", "run-1") + ASKED.get(path.name, ""))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    msgspec.json.decode(answer.body, type=path.answer)


def test_a_frame_is_the_same_as_json_and_as_bytes(live: Stand) -> None:
    at = (START + timedelta(seconds=30)).isoformat()
    told = live.ask(f"frame?time={quote(at)}").json
    frame, flags = from_bytes(live.ask(f"frame?time={quote(at)}", headers=BYTES).body)
    area = live.source.area()
    numbers = [value for section in area.sections for value in told["tables"][section.table][section.column]]
    assert np.array_equal(np.array(numbers, np.float32), frame.values, equal_nan=True)
    assert None in numbers, "what is not known is null"
    assert (flags, told["live"], datetime.fromisoformat(told["time"])) == (0, False, frame.time)


def test_without_a_time_a_live_source_shows_its_newest_frame_and_a_run_its_last(live: Stand, run: Stand) -> None:
    frame, flags = from_bytes(live.ask("frame?tables=cells,ties", headers=BYTES).body)
    assert (flags, frame.time) == (LIVE, live.source.now)
    assert len(frame.values) == 5 * 3 + 2 * 3
    last, flags = from_bytes(run.ask("frame", headers=BYTES).body)
    assert (flags, last.time) == (0, START + timedelta(hours=1))


def test_the_newest_frame_of_another_strategy_is_its_own(live: Stand) -> None:
    now, flags = from_bytes(live.ask("frame", headers=BYTES).body)
    beside, flags_beside = from_bytes(live.ask("frame?strategy=alone", headers=BYTES).body)
    assert (flags, flags_beside) == (LIVE, LIVE)
    assert beside.time == now.time
    assert np.array_equal(beside.values, -now.values, equal_nan=True)


def test_frames_come_one_after_the_other(run: Stand) -> None:
    end = (START + timedelta(seconds=95)).isoformat()
    body = run.ask(
        f"frames?start={quote(START.isoformat())}&end={quote(end)}&step_s=10&tables=cells", headers=BYTES
    ).body
    size = 32 + 4 * 15
    times = [from_bytes(body[first : first + size])[0].time for first in range(0, len(body), size)]
    assert times == [START + timedelta(seconds=10 * k) for k in range(10)]


def test_the_span_of_the_area_is_that_of_now(live: Stand) -> None:
    assert live.ask("area").json["span"] == live.ask("span").json


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("area?x=1", "'x'"),
        ("frame?Time=2016-06-09T12:00:00Z", "'Time'"),
        ("frame?time=noon", "time: found 'noon'"),
        ("frame?time=", "time: found ''"),
        ("frame?time=1465473600", "time: found"),
        ("frame?time=0001-01-01T00:00:00%2B14:00", "year 1;"),
        ("frame?time=9999-12-31T23:59:59-14:00", "year 9999"),
        ("frame?tables=cells,walls", "'walls'"),
        ("frame?tables=cells,", "tables"),
        ("frame?tables=cells&tables=ties", "tables: found twice"),
        ("frame?strategy=" + "x" * 201, "strategy"),
        ("frames?start=2016-06-09T12:00:00Z", "end"),
        ("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:00:10Z&step_s=nan", "step_s: found 'nan'"),
        ("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:00:10Z&step_s=-1", "step_s"),
        ("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:00:10Z&step_s=5e-324", "step_s"),
        ("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:00:10Z&step_s=0.001", "expected 1 to 240"),
        ("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:10:00Z", "found 601 frames"),
        ("frames?start=2016-06-09T12:00:10Z&end=2016-06-09T12:00:00Z", "found 0 frames"),
        ("series?table=cells&element=LV1&columns=&start=2016-06-09T12:00:00Z&end=2016-06-09T13:00:00Z", "columns"),
        ("series?table=cells&element=LV1&columns=p_kw&start=2016-06-09T12:00:00Z&end=2016-06-09T11:00:00Z", "before"),
        ("why?subject=weather&element=LV1", "subject"),
        ("belief", "cell"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_parameter_named(live: Stand, path: str, told: str) -> None:
    answer = live.ask(path)
    assert answer.status == 400, answer
    assert told in answer.error


@pytest.mark.parametrize(
    "path",
    [
        "frame?time=2016-06-09T11:59:59Z", "frame?strategy=other", "frame?time=2016-06-09T12:00:10Z&strategy=other",
        "belief?cell=LV9", "why?subject=price&element=x", "runs/nothing/score", "score", "nothing", "runs/../area",
        "series?table=walls&element=LV1&columns=p_kw&start=2016-06-09T12:00:00Z&end=2016-06-09T13:00:00Z",
        "/api/", "/api/v2/area", "/api/v1/", "/api/v1/area/",
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_404_with_a_sentence(live: Stand, path: str) -> None:
    answer = live.ask(path)
    assert answer.status == 404, answer
    assert len(answer.error) > 10


def test_another_method_is_refused_with_a_sentence(live: Stand) -> None:
    answer = live.ask("area", "administer", method="PUT", body={})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.error


def test_a_fault_of_a_source_is_one_sentence_and_no_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = ScriptedSource()
    source.agreements = lambda strategy, time: 1 // 0  # type: ignore[assignment,return-value,method-assign]
    with stand(tmp_path, source) as found:
        answer = found.ask("agreements")
    assert answer.status == 500
    assert "division" not in answer.error
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "ZeroDivisionError" in caplog.text


def test_the_score_of_another_run_is_found_by_its_id(tmp_path: Path) -> None:
    def score(run: str) -> nouns.Score:
        if run != "run-1":
            raise NotShown(run)
        return nouns.Score(title="Another", strategies=[], figures=[], complete=True)

    with stand(tmp_path, run_score=score) as found:
        assert found.ask("runs/run-1/score").json["title"] == "Another"
        assert found.ask("runs/run-2/score").status == 404


def test_too_many_numbers_at_once_are_refused(tmp_path: Path) -> None:
    source = ScriptedSource(kind="run", acts=())
    wide = nouns.Section(table="nodes", column="v_pu", unit="pu", count=100_000)
    source._area = msgspec.structs.replace(source.area(), sections=[wide])
    source._frame = lambda time, seq: Frame(seq, time, time, np.zeros(100_000, np.float32))  # type: ignore[method-assign]
    with stand(tmp_path, source) as found:
        answer = found.ask("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:03:00Z")
        assert answer.status == 413
        assert "fewer" in answer.error
        assert found.ask("frames?start=2016-06-09T12:00:00Z&end=2016-06-09T12:01:00Z").status == 200


def test_no_answer_of_the_api_is_kept_by_anybody(live: Stand) -> None:
    for path in ("area", "frame", "nothing", "area?x=1"):
        assert live.ask(path).headers["cache-control"] == "no-store"


def test_text_of_files_goes_out_as_json_and_never_as_html(live: Stand) -> None:
    answer = live.ask("cards")
    assert json.loads(answer.body)[0]["title"] == "<b>Voltage</b> low"
    assert answer.headers["content-type"] == "application/json"
    assert "<" not in live.ask("frame?<script>=1").headers["content-type"]


def test_numbers_that_are_not_known_never_become_text(live: Stand) -> None:
    body = live.ask("frame").body
    assert b"NaN" not in body
    assert all(math.isfinite(value) for value in live.ask("frame").json["tables"]["nodes"]["v_pu"] if value is not None)
