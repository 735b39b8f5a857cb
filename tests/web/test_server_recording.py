"""Recordings: what was written is found again, also while it is written and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.web.nouns import Section
from archipel.web.recording import MEANS, ROWS, Recorder, Recording, RecordingUnusable
from archipel.web.source import Frame, NotShown

START = datetime(2016, 6, 9, 22, 59, 30, tzinfo=UTC)
SECTIONS = [Section(table="cells", column="p_kw", unit="kW", count=3)]


def frame(second: float, seq: int = 1) -> Frame:
    time = START + timedelta(seconds=second)
    return Frame(seq, time, time, np.array([second, -second, np.nan], np.float32))


def recorded(folder: Path, seconds: range) -> Recording:
    with Recorder(folder, SECTIONS) as recorder:
        for second in seconds:
            assert recorder.write(frame(second, second))
    return Recording(folder)


def test_any_moment_is_the_last_frame_before_it_over_the_end_of_a_day(tmp_path: Path) -> None:
    recording = recorded(tmp_path, range(7_300))
    assert recording.span() == (START, START + timedelta(seconds=7_299))
    for second in (0.0, 0.9, 29.5, 30.0, 3_629.9, 3_630.0, 7_299.0, 99_999.0):
        found = recording.at(START + timedelta(seconds=second))
        assert found.values[0] == min(np.floor(second), 7_299)
        assert found.time == START + timedelta(seconds=float(found.values[0]))
    with pytest.raises(NotShown):
        recording.at(START - timedelta(seconds=1))


def test_a_range_holds_every_frame_and_means_where_there_would_be_too_many(tmp_path: Path) -> None:
    recording = recorded(tmp_path, range(7_300))
    end = START + timedelta(seconds=7_299)
    times, values = recording.range(START + timedelta(seconds=10), START + timedelta(seconds=40), [1, 0])
    assert times.tolist() == [START.timestamp() + k for k in range(10, 41)]
    assert values[:, 1].tolist() == list(range(10, 41))
    times, values = recording.range(START, end, [0, 2], most=100)
    assert 95 <= len(times) <= 100
    assert np.isnan(values[:, 1]).all()
    assert np.mean(values[:-1, 0]) == pytest.approx(np.mean(np.arange(7_226)), rel=0.02)


def test_a_long_range_is_read_from_the_means_of_minutes(tmp_path: Path) -> None:
    with Recorder(tmp_path, SECTIONS) as recorder:
        for second in range(0, 8 * 3600, 5):
            recorder.write(frame(second))
    assert len(list(tmp_path.glob("*" + MEANS))) == len(list(tmp_path.glob("*" + ROWS))) - 1
    times, values = Recording(tmp_path).range(START, START + timedelta(hours=8), [0])
    assert 8 * 60 - 61 <= len(times) <= 8 * 60 + 13 * 60, "the last hour is not over: its rows"
    minute = int(np.flatnonzero(times == datetime(2016, 6, 9, 23, 30, tzinfo=UTC).timestamp())[0])
    assert values[minute, 0] == pytest.approx(1_830 + 27.5)


def test_what_is_being_written_can_be_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, SECTIONS)
    recording = Recording(tmp_path)
    assert recording.span() is None
    for second in range(3):
        recorder.write(frame(second))
        assert recording.at(START + timedelta(hours=1)).values[0] == second
    recorder.close()


def test_frames_that_come_too_soon_or_late_are_not_kept(tmp_path: Path) -> None:
    with Recorder(tmp_path, SECTIONS, every_s=1.0) as recorder:
        kept = [recorder.write(frame(second)) for second in (0.0, 0.2, 0.999, 1.0, 0.5, 2.0)]
    assert kept == [True, False, False, True, False, True]


def test_old_hours_are_deleted_where_only_some_are_kept(tmp_path: Path) -> None:
    with Recorder(tmp_path, SECTIONS, every_s=600.0, keep_h=2) as recorder:
        for second in range(0, 5 * 3600, 600):
            recorder.write(frame(second))
    assert len(list(tmp_path.glob("*" + ROWS))) == 2
    with pytest.raises(NotShown):
        Recording(tmp_path).at(START)


def test_a_folder_of_other_sections_or_none_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path / "a", range(2))
    with pytest.raises(RecordingUnusable, match="other tables"):
        Recorder(tmp_path / "a", [Section(table="ties", column="p_kw", unit="kW", count=3)])
    with pytest.raises(RecordingUnusable, match="no recording"):
        Recording(tmp_path / "b")


@given(cut=st.integers(0, 36 * 20), more=st.integers(1, 5))
def test_a_file_that_ends_anywhere_is_read_to_its_last_whole_row_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    recorded(folder, range(20))
    path = next(folder.glob("*" + ROWS))
    size = path.stat().st_size // 20
    os.truncate(path, max(0, path.stat().st_size - cut))
    whole = path.stat().st_size // size
    if whole:
        assert Recording(folder).at(START + timedelta(hours=1)).values[0] == whole - 1
    else:
        assert Recording(folder).span() is None
    with Recorder(folder, SECTIONS) as recorder:
        for second in range(20, 20 + more):
            recorder.write(frame(second))
    times, values = Recording(folder).range(START, START + timedelta(hours=1), [0])
    assert values[:, 0].tolist() == [*range(whole), *range(20, 20 + more)]
    assert len(times) == whole + more


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_server_recording import SECTIONS, Recorder, frame
with Recorder(Path(sys.argv[1]), SECTIONS) as recorder:
    for second in range(100_000):
        recorder.write(frame(second, second))
        print(second, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_said_was_written(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    said = -1
    until = time.monotonic() + 60.0
    while said < 50:
        assert time.monotonic() < until
        said = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    told = writer.stdout.read().split("\n")
    said = max([said, *(int(line) for line in told[:-1])])
    writer.wait()
    writer.stdout.close()
    last = Recording(tmp_path).at(START + timedelta(days=9))
    assert said <= last.values[0] <= said + 1
