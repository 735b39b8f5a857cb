"""The ledger: keys, the outbox, the chain, and a disk that does not take everything."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from archipel.journal import JournalUnavailable, KeyTaken, Kind, LedgerReader, NotRecordable
from archipel.journal.chain import LADDER
from archipel.journal.entry import MOST_BYTES, START, chained, record_of
from archipel.journal.errors import DamagedJournal, JournalTooNew
from archipel.journal.ledger import Ledger

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def keys(ledger: LedgerReader) -> list[str]:
    return [entry.key for entry in ledger.entries()]


def test_nothing_is_acknowledged_before_the_commit_returns(ledger: Ledger) -> None:
    assert ledger.append("mode", "1", {"to": "island"}, time=NOON)
    assert (ledger.seq, keys(ledger)) == (0, [])
    assert ledger.commit() == 1
    assert keys(ledger) == ["1"]


def test_a_commit_is_synced_to_the_disk_not_only_handed_to_the_system(ledger: Ledger) -> None:
    ledger.append("mode", "1", {}, time=NOON)
    ledger.commit()
    (full,) = ledger._store.rows("PRAGMA synchronous")[0]
    (log,) = ledger._store.rows("PRAGMA journal_mode")[0]
    assert (full, log) == (2, b"wal")


def test_what_was_committed_is_there_when_the_ledger_is_opened_again(tmp_path: Path) -> None:
    body = {"p_kw": 0.1 + 0.2, "fallback": {"p_kw": None}, "why": ["naïve", "\x00", "🏝"], "n": 2**70, "armed": True}
    first = Ledger(tmp_path / "ledger.db")
    first.append("setpoint", "battery-1/7", body, time=NOON.astimezone(timezone(timedelta(hours=-7))))
    first.append("setpoint", "not committed", {}, time=NOON)
    first.close()
    again = Ledger(tmp_path / "ledger.db")
    assert keys(again) == []
    again.append("setpoint", "battery-1/7", body, time=NOON)
    again.commit()
    again.close()
    with closing(LedgerReader(tmp_path / "ledger.db")) as reader:
        (entry,) = reader.entries()
    assert (entry.seq, entry.time, entry.kind, entry.key, entry.body) == (1, NOON, "setpoint", "battery-1/7", body)


def test_appending_twice_makes_one_entry_and_the_first_time_stands(ledger: Ledger) -> None:
    assert ledger.append("agreement", "tie-1/12:00", {"p_kw": 5.0}, time=NOON)
    assert not ledger.append("agreement", "tie-1/12:00", {"p_kw": 5.0}, time=NOON + timedelta(hours=1))
    ledger.commit()
    assert not ledger.append("agreement", "tie-1/12:00", {"p_kw": 5.0}, time=NOON + timedelta(hours=2))
    ledger.commit()
    assert [(entry.key, entry.time) for entry in ledger.entries()] == [("tie-1/12:00", NOON)]


@pytest.mark.parametrize("committed", [True, False])
def test_a_key_never_stands_for_two_contents(ledger: Ledger, committed: bool) -> None:
    ledger.append("agreement", "tie-1/12:00", {"p_kw": 5.0}, time=NOON)
    if committed:
        ledger.commit()
    with pytest.raises(KeyTaken, match=r"agreement 'tie-1/12:00' is already .*5\.0.*found another one.*7\.0"):
        ledger.append("agreement", "tie-1/12:00", {"p_kw": 7.0}, time=NOON)
    assert ledger.append("mode", "tie-1/12:00", {"p_kw": 7.0}, time=NOON), "another kind has keys of its own"


def test_entries_of_one_kind_are_found_newest_first_and_by_key(ledger: Ledger) -> None:
    for n in range(5):
        ledger.append("mode", f"m{n}", {"n": n}, time=NOON)
        ledger.append("operator", f"o{n}", {"n": n}, time=NOON)
        ledger.commit()
    assert [entry.key for entry in ledger.newest("mode")] == ["m4", "m3", "m2", "m1", "m0"]
    assert next(ledger.newest("operator")).key == "o4"
    assert list(ledger.newest("unheard_of")) == []
    found = ledger.find("operator", "o2")
    assert found is not None
    assert found.body == {"n": 2}
    assert ledger.find("operator", "m2") is None
    assert [entry.seq for entry in ledger.entries(after=7)] == [8, 9, 10]


def test_a_message_is_pending_from_its_commit_until_it_is_acknowledged_also_across_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    for n in range(3):
        assert ledger.put(f"m{n}", bytes([n, 255]), time=NOON)
    assert ledger.pending() == (), "what is not on the disk is not sent"
    ledger.commit()
    assert [(m.key, m.message, m.time) for m in ledger.pending()][1] == ("m1", b"\x01\xff", NOON)
    assert ledger.acknowledge("m1", time=NOON)
    assert not ledger.acknowledge("m1", time=NOON)
    assert not ledger.acknowledge("never sent", time=NOON)
    assert [m.key for m in ledger.pending()] == ["m0", "m2"]
    ledger.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert [m.key for m in ledger.pending()] == ["m0", "m1", "m2"], "the acknowledgement was not committed"
    ledger.acknowledge("m1", time=NOON)
    ledger.acknowledge("m2", time=NOON, why="lapsed")
    ledger.commit()
    ledger.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert [m.key for m in ledger.pending()] == ["m0"]
    assert next(ledger.newest(Kind.ACKNOWLEDGED)).body == {"why": "lapsed"}
    assert not ledger.put("m1", b"\x01\xff", time=NOON), "it was sent and arrived; it is not sent again"
    ledger.close()


def test_the_chain_can_be_followed_by_hand(ledger: Ledger) -> None:
    ledger.append("mode", "a", {"x": 1}, time=NOON)
    ledger.append("mode", "b", {}, time=NOON)
    ledger.commit()
    one = record_of(1, "2016-06-09T12:00:00.000000Z", "mode", "a", 0, '{"x":1}')
    assert one == b'{"before":0,"body":{"x":1},"key":"a","kind":"mode","seq":1,"time":"2016-06-09T12:00:00.000000Z"}'
    two = record_of(2, "2016-06-09T12:00:00.000000Z", "mode", "b", 1, "{}")
    assert ledger.hash == chained(chained(START, one), two)


def rewrite(file: Path, sql: str, values: tuple[Any, ...] = ()) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(sql, values)
    connection.close()


@pytest.mark.parametrize(
    ("sql", "sound"),
    [
        ("UPDATE entry SET record = replace(record, '5.5', '9.5') WHERE seq = 6", 5),
        ("DELETE FROM entry WHERE seq = 4", 3),
        ("DELETE FROM entry WHERE seq = 10", 9),
        ("UPDATE entry SET hash = zeroblob(32) WHERE seq = 1", 0),
        ("UPDATE entry SET name = zeroblob(16) WHERE seq = 2", 10),
        ("DELETE FROM head", 10),
        ("INSERT INTO pending VALUES (3)", 10),
    ],
)
def test_verify_finds_the_first_entry_that_somebody_changed(tmp_path: Path, sql: str, sound: int) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger(file)
    for n in range(10):
        ledger.append("setpoint", f"s{n}", {"p_kw": n + 0.5}, time=NOON)
    ledger.commit()
    assert ledger.verify() == 10
    ledger.close()
    rewrite(file, sql)
    with pytest.raises(DamagedJournal) as caught, closing(LedgerReader(file)) as reader:
        reader.verify()
    assert (caught.value.sound, caught.value.acknowledged) == (sound, 10)


def test_an_entry_recomputed_with_all_hashes_after_it_is_found_by_the_witness(tmp_path: Path) -> None:
    for name, value in (("true", 5.0), ("forged", 6.0)):
        ledger = Ledger(tmp_path / f"{name}.db")
        ledger.append("agreement", "a", {"p_kw": value}, time=NOON)
        ledger.commit()
        ledger.close()
    (tmp_path / "forged.db").replace(tmp_path / "true.db")
    with pytest.raises(DamagedJournal, match="entry 1 is not the one its witness saw"):
        Ledger(tmp_path / "true.db")


@pytest.mark.parametrize(
    ("kind", "body", "time", "says"),
    [
        ("mode", {"x": float("nan")}, NOON, "finite"),
        ("mode", {"x": {1, 2}}, NOON, "text, finite numbers"),
        ("mode", {"x": (1, 2)}, NOON, "Use lists"),
        ("mode", {1: 2}, NOON, "text for names"),
        ("mode", {"x": "y" * MOST_BYTES}, NOON, "expected at most"),
        ("mode", {"x": "\ud800"}, NOON, "surrogates"),
        ("Mode!", {}, NOON, "short name"),
        ("mode", {}, NOON.replace(tzinfo=None), "without a zone"),
        ("acknowledged", {}, NOON, "only the journal itself"),
    ],
)
def test_what_could_not_be_read_back_is_refused_at_once(
    ledger: Ledger, kind: str, body: dict[Any, Any], time: datetime, says: str
) -> None:
    with pytest.raises(NotRecordable, match=says):
        ledger.append(kind, "key", body, time=time)
    assert ledger.commit() == 0


# ---------------------------------------------------------------------- a disk that does not take it


def filled(ledger: Ledger) -> None:
    """Append and commit until the disk is full."""
    for n in range(1000):
        ledger.append("mode", f"fill {n}", {"why": "x" * 200}, time=NOON)
        ledger.commit()


def test_a_full_disk_acknowledges_nothing_and_it_goes_on_when_there_is_space(ledger: Ledger) -> None:
    (pages,) = ledger._store.rows("PRAGMA page_count")[0]
    ledger._store.rows(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalUnavailable, match=r"full.*Nothing was acknowledged"):
        filled(ledger)
    seq = ledger.seq
    assert len(keys(ledger)) == seq
    ledger.append("mode", "while it was full", {}, time=NOON)
    # after a failure the file is opened again, which forgets our quota: there is space again
    assert ledger.commit() == seq + 2
    assert keys(ledger)[seq:] == [f"fill {seq}", "while it was full"]
    assert ledger.verify() == seq + 2


def test_a_disk_that_became_read_only_acknowledges_nothing(ledger: Ledger) -> None:
    ledger._store.rows("PRAGMA query_only=ON")
    ledger.append("mode", "1", {}, time=NOON)
    with pytest.raises(JournalUnavailable, match="readonly"):
        ledger.commit()
    assert ledger.seq == 0
    assert ledger.commit() == 1


class Faulty(sqlite3.Connection):
    """Fails when told to: before a commit, or after it has reached the disk."""

    fail = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and Faulty.fail:
            if Faulty.fail == "after":
                super().execute(sql)
            Faulty.fail = ""
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return super().execute(sql, *values)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_while_syncing_loses_and_doubles_nothing(tmp_path: Path, when: str) -> None:
    ledger = Ledger(tmp_path / "ledger.db", factory=Faulty)
    ledger.append("mode", "1", {}, time=NOON)
    ledger.put("m", b"x", time=NOON)
    ledger.commit()
    ledger.append("mode", "2", {}, time=NOON)
    ledger.acknowledge("m", time=NOON)
    for _ in range(2 if when == "before" else 1):
        Faulty.fail = when
        with pytest.raises(JournalUnavailable):
            ledger.commit()
        assert keys(ledger) == ["1", "m"]
    ledger.append("mode", "2", {}, time=NOON)
    ledger.append("mode", "3", {}, time=NOON)
    assert ledger.commit() == 5
    assert keys(ledger) == ["1", "m", "2", "m", "3"]
    assert (ledger.pending(), ledger.verify()) == ((), 5)
    ledger.close()


IO_ERROR = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from archipel.journal import JournalUnavailable
from archipel.journal.ledger import Ledger

ledger, noon = Ledger(Path(sys.argv[1])), datetime(2016, 6, 9, tzinfo=UTC)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
acknowledged = 0
try:
    for n in range(1000):
        ledger.append("mode", str(n), {"why": "x" * 500}, time=noon)
        acknowledged = ledger.commit()
except JournalUnavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
for again in range(2):
    try:
        ledger.commit()
        raise SystemExit("it committed beyond the limit")
    except JournalUnavailable:
        assert ledger.seq == acknowledged
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert ledger.commit() == acknowledged + 1 == ledger.verify()
print("went on after", acknowledged)
"""


def test_an_error_of_the_system_itself_acknowledges_nothing_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert soft == resource.RLIM_INFINITY, "this test lowers the limit itself"
    done = subprocess.run(
        [sys.executable, "-c", IO_ERROR, str(tmp_path / "ledger.db")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Nothing was acknowledged" in done.stdout, done.stderr
    assert "went on after" in done.stdout, done.stderr


def test_it_holds_a_bounded_number_of_entries_while_the_disk_is_away(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archipel.journal.ledger.MOST_STAGED", 3)
    for n in range(3):
        ledger.append("mode", str(n), {}, time=NOON)
    with pytest.raises(JournalUnavailable, match="3 entries wait"):
        ledger.append("mode", "4", {}, time=NOON)
    monkeypatch.setattr("archipel.journal.ledger.MOST_PENDING", 1)
    ledger.commit()
    ledger.put("a", b"", time=NOON)
    ledger.commit()
    with pytest.raises(JournalUnavailable, match="1 messages wait"):
        ledger.put("b", b"", time=NOON)


# ---------------------------------------------------------------------- versions


def test_a_ledger_newer_than_the_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    Ledger(file).close()
    rewrite(file, "PRAGMA user_version = 7")
    before = file.read_bytes()
    with pytest.raises(JournalTooNew, match="found schema version 7; this version of archipel knows versions up to"):
        Ledger(file)
    assert file.read_bytes() == before


def test_an_older_ledger_is_brought_up_with_all_it_holds_and_a_copy_is_kept(tmp_path: Path) -> None:
    file, newer = tmp_path / "ledger.db", (*LADDER, "CREATE TABLE note (text TEXT) STRICT")
    ledger = Ledger(file)
    ledger.append("mode", "1", {"to": "island"}, time=NOON)
    ledger.commit()
    ledger.close()
    ledger = Ledger(file, ladder=newer)
    assert (ledger._store.version, keys(ledger), ledger.verify()) == (len(newer), ["1"], 1)
    ledger._store.rows("INSERT INTO note VALUES ('there')")
    ledger.close()
    with pytest.raises(JournalTooNew):
        Ledger(file)
    assert sqlite3.connect(tmp_path / f"ledger.before-v{len(newer)}.db").execute(
        "SELECT seq FROM entry"
    ).fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger(file)
    ledger.append("mode", "1", {}, time=NOON)
    ledger.commit()
    ledger.close()
    with pytest.raises(DamagedJournal, match="no such table"):
        Ledger(file, ladder=(*LADDER, "CREATE TABLE note (text TEXT) STRICT; DROP TABLE absent"))
    ledger = Ledger(file)
    assert (ledger._store.version, ledger.verify()) == (len(LADDER), 1)
    ledger.close()


def test_a_reader_sees_what_is_acknowledged_while_the_cell_goes_on_writing(ledger: Ledger) -> None:
    ledger.append("mode", "1", {}, time=NOON)
    ledger.commit()
    with closing(LedgerReader(ledger.path)) as reader:
        ledger.append("mode", "2", {}, time=NOON)
        ledger.commit()
        assert (keys(reader), reader.verify()) == (["1"], 1)
    with closing(LedgerReader(ledger.path)) as reader:
        assert keys(reader) == ["1", "2"]
