"""Measurements: readings in, the same readings out or an error; forgotten ones are gone from the disk."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archipel.journal import DamagedJournal, JournalUnavailable, KeyTaken, NotRecordable, Reading
from archipel.journal.measurements import Measurements
from archipel.journal.mending import sound_readings

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALWAYS = (NOON - timedelta(days=1), NOON + timedelta(days=1))


def home(minute: int, p_kw: float | None = 1.0, kind: str = "load") -> Reading:
    return Reading(NOON + minute * MINUTE, kind, "home-17", {"p_kw": p_kw, "v_pu": 0.98})


@pytest.fixture
def meas(tmp_path: Path) -> Iterator[Measurements]:
    opened = Measurements(tmp_path / "meas.db")
    yield opened
    opened.close()


def test_committed_readings_are_read_back_by_time_and_then_by_source(meas: Measurements) -> None:
    readings = [Reading(NOON + m * MINUTE, "load", s, {"p_kw": m / 7}) for m in (0, 59, 60, 125) for s in ("a", "b")]
    for reading in reversed(readings):
        assert meas.measure(reading)
    assert list(meas.read("load", *ALWAYS)) == []
    assert meas.commit() == 1
    assert list(meas.read("load", *ALWAYS)) == readings
    assert list(meas.read("load", NOON + MINUTE, NOON + 60 * MINUTE)) == readings[2:4], "the end does not belong to it"
    assert list(meas.read("pv", *ALWAYS)) == []
    assert meas.verify() == meas.count == 8


def test_what_a_broken_meter_says_is_kept_as_it_said_it(meas: Measurements) -> None:
    values = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": None, "e": -0.0, "f": 5e-324}
    meas.measure(Reading(NOON, "load", "home-17", values))
    meas.commit()
    (found,) = meas.read("load", *ALWAYS)
    assert repr(dict(found.values)) == repr(values)


def test_a_reading_taken_twice_is_one_and_never_changes(meas: Measurements) -> None:
    assert meas.measure(home(0))
    assert not meas.measure(home(0))
    meas.commit()
    assert not meas.measure(home(0))
    with pytest.raises(KeyTaken, match="load 'home-17 2016-06-09T12:00"):
        meas.measure(home(0, p_kw=1000.0))
    meas.commit()
    assert meas.verify() == 1


@pytest.mark.parametrize(
    "reading",
    [
        Reading(NOON.replace(tzinfo=None), "load", "a", {}),
        Reading(NOON, "../load", "a", {}),
        Reading(NOON, "load", "a", {"p_kw": "much"}),  # type: ignore[dict-item]
        Reading(NOON, "load", "\ud800", {}),
    ],
)
def test_what_could_not_be_read_back_is_refused_at_once(meas: Measurements, reading: Reading) -> None:
    with pytest.raises(NotRecordable):
        meas.measure(reading)


def test_forgetting_removes_readings_from_the_disk_and_leaves_the_others(tmp_path: Path) -> None:
    meas = Measurements(tmp_path / "meas.db")
    for minute in range(0, 240, 10):
        meas.measure(Reading(NOON + minute * MINUTE, "load", f"secret-{minute:03}", {"p_kw": 1.0}))
        meas.measure(home(minute, kind="pv"))
    meas.commit()
    assert meas.forget_before(NOON + 90 * MINUTE, {"load", "heat"}) == 9
    assert meas.forget_before(NOON + 90 * MINUTE, {"load"}) == 0
    left = [reading.source for reading in meas.read("load", *ALWAYS)]
    assert left == [f"secret-{minute:03}" for minute in range(90, 240, 10)]
    assert len(list(meas.read("pv", *ALWAYS))) == 24
    assert meas.verify() == 39
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret-080" not in on_disk
    assert b"secret-090" in on_disk
    meas.close()
    meas = Measurements(tmp_path / "meas.db")
    assert meas.verify() == 39
    meas.close()


def rewrite(file: Path, sql: str, values: tuple[Any, ...] = ()) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(sql, values)
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE reading SET record = replace(record, '1.0', '9.0') WHERE kind = 'load'",
        "UPDATE reading SET time_us = time_us + 1 WHERE kind = 'load'",
        "UPDATE reading SET source = 'home-18' WHERE kind = 'load'",
        "DELETE FROM reading WHERE kind = 'load'",
        "DELETE FROM tally WHERE kind = 'load'",
        "UPDATE tally SET count = 'x'",
        "DELETE FROM head",
    ],
)
def test_a_reading_that_changed_or_went_missing_is_an_error_and_never_a_value(tmp_path: Path, sql: str) -> None:
    file = tmp_path / "meas.db"
    meas = Measurements(file)
    for minute in range(3):
        meas.measure(home(minute))
        meas.measure(home(minute, kind="pv"))
    meas.commit()
    meas.close()
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '')")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ', WITHOUT', 'WITHOUT')")
    connection.close()
    rewrite(file, sql)
    found: list[Reading] = []
    with pytest.raises(DamagedJournal, match=r"meas\.db"):  # noqa: PT012  some damage shows when it is opened
        opened = Measurements(file)
        try:
            found.extend(opened.read("load", *ALWAYS))
        finally:
            opened.close()
    assert found == []
    assert {r.kind for r in sound_readings(file)} >= {"pv"}


def test_commits_that_were_acknowledged_and_are_gone_are_missed(tmp_path: Path) -> None:
    file = tmp_path / "meas.db"
    meas = Measurements(file)
    meas.measure(home(0))
    meas.commit()
    meas.close()
    older = file.read_bytes()
    meas = Measurements(file)
    meas.measure(home(1))
    meas.commit()
    meas.close()
    file.write_bytes(older)
    with pytest.raises(DamagedJournal, match="it ends with commit 1; 2 were acknowledged"):
        Measurements(file)
    file.unlink()
    with pytest.raises(DamagedJournal, match="missing or empty; 2 commits were acknowledged"):
        Measurements(file)


def test_while_the_disk_is_away_the_newest_readings_wait_and_the_others_are_counted(
    meas: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archipel.journal.measurements.MOST_STAGED", 3)
    meas._store.rows("PRAGMA query_only=ON")
    for minute in range(5):
        meas.measure(home(minute))
    with pytest.raises(JournalUnavailable):
        meas.commit()
    assert (meas.count, meas.dropped) == (0, 2)
    meas.commit()
    assert [reading.time for reading in meas.read("load", *ALWAYS)] == [NOON + m * MINUTE for m in (2, 3, 4)]
