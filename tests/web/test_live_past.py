"""The past of a running system: kept by one, read by all, and its loss is said."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import START, loaded

from archipel.model import Scenario
from archipel.web.columns import FrameBuilder
from archipel.web.recording import Recorder
from archipel.web.source import Frame, NotShown
from archipel.web.sources.live_past import LivePast


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return loaded(tmp_path_factory.mktemp("past"))


def past(folder: Path, scenario: Scenario) -> LivePast:
    return LivePast(folder, scenario, FrameBuilder(scenario), 1.0)


def frame(scenario: Scenario, second: float, p_kw: float) -> Frame:
    at = START + timedelta(seconds=second)
    values = FrameBuilder(scenario).values({("cells", "p_kw"): np.full(3, p_kw), ("nodes", "v_pu"): 1.0 + p_kw / 100.0})
    return Frame(int(second), at, at, values)


def times(*seconds: float) -> list[datetime]:
    return [START + timedelta(seconds=s) for s in seconds]


def test_means_are_of_what_was_measured_and_null_where_nothing_was(tmp_path: Path, scenario: Scenario) -> None:
    kept = past(tmp_path, scenario)
    for second in range(10):
        kept.take(frame(scenario, second, float(second)))
    found = kept.means("lv", ["p_kw", "v_pu", "load_kw"], times(0, 5, 10), times(5, 10, 20))
    assert found["p_kw"] == [2.0, 7.0, None]
    assert found["v_pu"] == pytest.approx([1.02, 1.07, None])
    assert found["load_kw"] == [None, None, None]
    assert kept.means("lv", ["p_kw"], [], []) == {"p_kw": []}
    kept.close()


def test_of_two_that_look_on_one_writes_and_both_read(tmp_path: Path, scenario: Scenario) -> None:
    first, second = past(tmp_path, scenario), past(tmp_path, scenario)
    first.take(frame(scenario, 1.0, 5.0))
    second.take(frame(scenario, 2.0, 6.0))
    assert second.span() == first.span() == (START + timedelta(seconds=1),) * 2
    assert second.at(START + timedelta(seconds=9)).seq == 1
    first.close()
    third = past(tmp_path, scenario)
    third.take(frame(scenario, 3.0, 7.0))
    assert second.at(START + timedelta(seconds=9)).seq == 3, "who writes has changed, the recording goes on"
    for each in (second, third):
        each.close()


def test_a_full_disk_ends_the_keeping_and_is_said(
    tmp_path: Path, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = past(tmp_path, scenario)
    kept.take(frame(scenario, 1.0, 5.0))

    def full(self: Recorder, frame: Frame) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "write", full)
    kept.take(frame(scenario, 2.0, 6.0))
    assert "No space left" in kept.trouble
    monkeypatch.undo()
    kept.take(frame(scenario, 3.0, 6.0))
    assert kept.at(START + timedelta(seconds=9)).seq == 1
    kept.close()


def test_what_there_is_not_is_named(tmp_path: Path, scenario: Scenario) -> None:
    kept = past(tmp_path, scenario)
    for table, element, column in (("poems", "lv", "p_kw"), ("cells", "moon", "p_kw"), ("cells", "lv", "beauty")):
        with pytest.raises(NotShown, match="found n"):
            kept.series(table, element, [column], *times(0, 9))
    with pytest.raises(NotShown):
        kept.at(START)
    kept.close()
