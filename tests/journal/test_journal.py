"""The whole journal of a cell: one owner, backups, salvage, days as Parquet, forgetting."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archipel.journal import (
    DamagedJournal,
    Journal,
    JournalBusy,
    JournalUnavailable,
    Kind,
    LedgerReader,
    Reading,
    restore,
    salvage,
)

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fill(folder: Path, ticks: int = 30) -> None:
    """A tick an hour from noon: a mode, a message of which every second is acknowledged, two readings."""
    with Journal(folder) as journal:
        for n in range(ticks):
            time = NOON + n * HOUR
            journal.append(Kind.MODE, f"{n}", {"to": "island", "n": n}, time=time)
            journal.put(f"m{n}", b"offer", time=time)
            if n % 2:
                journal.acknowledge(f"m{n}", time=time)
            journal.measure(Reading(time, "load", "home-17", {"p_kw": float(n), "v_pu": None}))
            journal.measure(Reading(time, "pv", "roof", {"p_kw": -float(n)}))
            journal.commit()


def spoil(file: Path, word: bytes) -> None:
    data = file.read_bytes()
    assert word in data
    file.write_bytes(data.replace(word, word[:-1] + bytes([word[-1] ^ 1])))


def test_the_mode_a_cell_left_is_the_newest_of_its_journal(tmp_path: Path) -> None:
    fill(tmp_path)
    with Journal(tmp_path) as journal:
        assert next(journal.newest(Kind.MODE)).body == {"to": "island", "n": 29}
        assert [m.key for m in journal.pending()] == [f"m{n}" for n in range(0, 30, 2)]
        assert journal.verify() == (75, 60)


def test_a_second_process_cannot_write_the_same_journal(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from archipel.journal import Journal; Journal(Path(sys.argv[1]))"
    with Journal(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], check=False, capture_output=True, text=True, timeout=60
        )
        with pytest.raises(JournalBusy):
            Journal(tmp_path)
    assert "JournalBusy" in other.stderr
    assert "is being written by process" in other.stderr
    Journal(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailable, match="its folder cannot be written"):
        Journal(tmp_path / "file" / "journal")


def test_a_backup_made_while_writing_restores_to_what_was_committed_then(tmp_path: Path) -> None:
    fill(tmp_path / "cell")
    with Journal(tmp_path / "cell") as journal:
        journal.append(Kind.OPERATOR, "not committed", {}, time=NOON)
        journal.backup(tmp_path / "backup")
        journal.commit()
        with pytest.raises(JournalUnavailable, match="there is a journal in this folder already"):
            journal.backup(tmp_path / "backup")
    with pytest.raises(JournalUnavailable, match="move it away first"):
        restore(tmp_path / "backup", tmp_path / "cell", time=NOON)
    assert restore(tmp_path / "backup", tmp_path / "new", time=NOON) == 76
    with Journal(tmp_path / "new") as journal, Journal(tmp_path / "cell") as old:
        assert list(journal.entries())[:75] == list(old.entries())[:75]
        assert next(journal.newest(Kind.RESTORED)).body == {"backup": "backup", "entries": 75}
        assert len(journal.pending()) == 15
        assert journal.verify() == (76, 60)


def test_a_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    fill(tmp_path / "cell")
    with Journal(tmp_path / "cell") as journal:
        journal.backup(tmp_path / "backup")
    spoil(tmp_path / "backup" / "ledger.db", b'"n":14')
    with pytest.raises(DamagedJournal):
        restore(tmp_path / "backup", tmp_path / "new", time=NOON)
    assert not (tmp_path / "new" / "ledger.db").exists()


def test_salvage_keeps_what_is_sound_says_what_is_lost_and_the_cell_goes_on(tmp_path: Path) -> None:
    fill(tmp_path)
    with Journal(tmp_path) as journal:
        before = list(journal.entries())
        readings = [*journal.measurements.read("load", NOON, NOON + 99 * HOUR)]
    spoil(tmp_path / "ledger.db", b'"n":14')
    spoil(tmp_path / "meas.db", b'"p_kw":14.0')
    damaged = (tmp_path / "ledger.db").read_bytes()
    with pytest.raises(DamagedJournal) as caught:
        Journal(tmp_path)
    assert (tmp_path / "ledger.db").read_bytes() == damaged
    found = {salvaged.file: salvaged for salvaged in salvage(tmp_path, time=NOON)}
    kept = found["ledger.db"].kept
    assert (kept, found["ledger.db"].acknowledged) == (caught.value.sound, 75)
    assert 30 < kept < 40
    assert (found["ledger.db"].folder / "ledger.db").read_bytes() == damaged
    with Journal(tmp_path) as journal:
        assert list(journal.entries())[:kept] == before[:kept]
        assert [entry.body["file"] for entry in journal.newest(Kind.SALVAGED)] == ["meas.db", "ledger.db"]
        left = [*journal.measurements.read("load", NOON, NOON + 99 * HOUR)]
        assert left == readings[:14] + readings[15:]
        assert found["meas.db"].kept == 59
        journal.append(Kind.MODE, "after", {}, time=NOON)
        journal.commit()
        journal.verify()
    assert salvage(tmp_path, time=NOON) == ()


def test_a_salvage_or_restore_that_is_cut_short_never_leaves_a_journal_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "cell")
    with Journal(tmp_path / "cell") as journal:
        journal.backup(tmp_path / "backup")
    spoil(tmp_path / "cell" / "ledger.db", b'"n":14')

    class Cut(BaseException):
        """The power goes."""

    for job in ("salvage", "restore"):
        cuts = 0
        for step in range(100):
            folder, left = tmp_path / f"{job}-{step}", step
            if job == "salvage":
                shutil.copytree(tmp_path / "cell", folder)
            move = Path.replace

            def replace_until_cut(path: Path, target: Path, move: object = move) -> Path:
                nonlocal left
                if left == 0:
                    raise Cut
                left -= 1
                return move(path, target)  # type: ignore[operator,no-any-return]

            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", replace_until_cut)
                try:
                    if job == "salvage":
                        salvage(folder, time=NOON)
                    else:
                        restore(tmp_path / "backup", folder, time=NOON)
                    break
                except Cut:
                    cuts += 1
            if step > 0 or job == "salvage":
                with pytest.raises(DamagedJournal):
                    Journal(folder)
        assert cuts == {"salvage": 2, "restore": 4}[job]


def test_a_day_of_readings_becomes_one_file_per_kind_that_tells_nothing_from_no_answer(tmp_path: Path) -> None:
    fill(tmp_path)
    with Journal(tmp_path) as journal:
        journal.measure(Reading(NOON, "load", "home-18", {"p_kw": float("nan"), "q_kvar": 0.5}))
        journal.commit()
        written = journal.export_parquet(date(2016, 6, 9))
        assert journal.export_parquet(date(2016, 6, 9)) == written
        assert journal.export_parquet(date(2016, 6, 8)) == ()
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "days/kind=load/2016-06-09.parquet",
        "days/kind=pv/2016-06-09.parquet",
    ]
    rows = pq.read_table(written[0], partitioning=None).to_pylist()
    assert len(rows) == 13
    assert rows[0] == {"time": NOON, "source": "home-17", "p_kw": 0.0, "q_kvar": None, "v_pu": None}
    assert (rows[1]["source"], rows[1]["q_kvar"], rows[1]["p_kw"] != rows[1]["p_kw"]) == ("home-18", 0.5, True)
    assert pq.read_table(tmp_path / "days").column("kind").unique().to_pylist() == ["load", "pv"]


def test_forgetting_reaches_the_exported_days_and_breaks_nothing_of_the_ledger(tmp_path: Path) -> None:
    fill(tmp_path, ticks=48)
    with Journal(tmp_path) as journal:
        for day in (9, 10, 11):
            journal.export_parquet(date(2016, 6, day))
        entries = list(journal.entries())
        assert journal.forget_before(datetime(2016, 6, 10, 6, tzinfo=UTC), {"load"}, time=NOON + 48 * HOUR) == 36
        assert journal.forget_before(datetime(2016, 6, 10, 6, tzinfo=UTC), {"load"}, time=NOON + 48 * HOUR) == 0
        assert list(journal.entries())[:-1] == entries
        said = next(journal.newest(Kind.FORGOTTEN))
        assert said.body == {"before": "2016-06-10T06:00:00.000000Z", "kinds": ["load"], "rows": 36}
        assert said.time == NOON + 48 * HOUR
        assert journal.verify() == (len(entries) + 1, 78)
    left = {
        path.parent.name + "/" + path.name: pq.read_metadata(path).num_rows
        for path in (tmp_path / "days").rglob("*.parquet")
    }
    assert left == {
        "kind=load/2016-06-10.parquet": 18,
        "kind=load/2016-06-11.parquet": 12,
        "kind=pv/2016-06-09.parquet": 12,
        "kind=pv/2016-06-10.parquet": 24,
        "kind=pv/2016-06-11.parquet": 12,
    }


def test_a_ledger_is_read_by_others_while_its_cell_writes(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(Kind.MODE, "1", {}, time=NOON)
        journal.commit()
        reader = LedgerReader(tmp_path / "ledger.db")
        assert [entry.key for entry in reader.entries()] == ["1"]
        reader.close()
