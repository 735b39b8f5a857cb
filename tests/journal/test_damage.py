"""A ledger cut at every byte and with bits flipped: read is a beginning of what was acknowledged, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archipel.journal.chain import LedgerReader, sound_entries
from archipel.journal.entry import Entry
from archipel.journal.errors import DamagedJournal, JournalError
from archipel.journal.ledger import Ledger

T0 = datetime(2016, 6, 9, tzinfo=UTC)
CLOSED, LIVE = "closed", "live"


def story(ledger: Ledger, commits: int) -> None:
    """Two entries a commit, one of them a message that is acknowledged two commits later."""
    for n in range(commits):
        time = T0 + timedelta(seconds=n)
        ledger.append("agreement", f"tie-1/{n}", {"p_kw": 1.5 * n, "valid": f"interval {n}"}, time=time)
        ledger.put(f"m{n}", bytes([n]) * 8, time=time)
        if n > 1:
            ledger.acknowledge(f"m{n - 2}", time=time)
        ledger.commit()


@pytest.fixture(scope="module", params=[CLOSED, LIVE])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Files of a small ledger, after a clean close or as a dead process would leave them, and what it held."""
    folder = tmp_path_factory.mktemp("ledger")
    ledger = Ledger(folder / "ledger.db", page_bytes=512)
    story(ledger, 3)
    entries = list(ledger.entries())
    if request.param == CLOSED:
        ledger.close()
    names = ["ledger.db", "ledger.witness"] + (["ledger.db-wal"] if request.param == LIVE else [])
    files = {name: (folder / name).read_bytes() for name in names}
    if request.param == LIVE:
        ledger.close()
    return Sample(files, entries, tmp_path_factory.mktemp("damaged"))


class Sample:
    def __init__(self, files: dict[str, bytes], entries: list[Entry], folder: Path) -> None:
        self.files, self.entries, self.folder = files, entries, folder

    def read(
        self, name: str, data: bytes, kind: type[LedgerReader] = LedgerReader
    ) -> tuple[list[Entry], JournalError | None]:
        """What can be read when the file `name` holds `data`, and the error that ended it."""
        for path in self.folder.iterdir():
            path.unlink()
        for other, whole in self.files.items():
            (self.folder / other).write_bytes(data if other == name else whole)
        found: list[Entry] = []
        try:
            ledger = kind(self.folder / "ledger.db")
            try:
                found.extend(ledger.entries())
                assert [m.key for m in ledger.pending()] == ["m1", "m2"]
                assert [e.key for e in ledger.newest("agreement")] == ["tie-1/2", "tie-1/1", "tie-1/0"]
                ledger.verify()
            finally:
                ledger.close()
        except JournalError as error:
            return found, error
        return found, None

    def check(self, name: str, data: bytes, what: str) -> bool:
        """True when the damage was noticed. What is read before that is a beginning of what was acknowledged."""
        found, error = self.read(name, data)
        assert found == self.entries[: len(found)], what
        if error is None:
            assert found == self.entries, what
            return False
        sound = list(sound_entries(self.folder / "ledger.db"))
        assert sound == self.entries[: len(sound)], what
        if isinstance(error, DamagedJournal) and error.acknowledged is not None and len(sound) < len(self.entries):
            assert f"entries {len(sound) + 1} to {len(self.entries)}, which were acknowledged, are lost" in str(error)
        return True

    def flipped(self, name: str, bit: int) -> bytes:
        data = bytearray(self.files[name])
        data[bit // 8] ^= 1 << bit % 8
        return bytes(data)


def test_it_is_whole_before_anything_is_damaged(sample: Sample) -> None:
    for name, data in sample.files.items():
        assert sample.read(name, data) == (sample.entries, None)
    assert sample.read("ledger.db", sample.files["ledger.db"], Ledger) == (sample.entries, None)


@pytest.mark.parametrize("every", [47, pytest.param(1, marks=pytest.mark.slow)])
def test_cut_at_any_byte_it_never_reads_wrong(sample: Sample, every: int) -> None:
    for name, data in sample.files.items():
        noticed = [sample.check(name, data[:at], f"{name} cut at {at}") for at in range(0, len(data), every)]
        # with a live log everything is in the log; the file is a page that the log replaces
        if name == max(sample.files, key=lambda file: len(sample.files[file])):
            assert all(noticed)


@pytest.mark.parametrize("every", [499, pytest.param(1, marks=pytest.mark.slow)])
def test_with_any_bit_flipped_it_never_reads_wrong(sample: Sample, every: int) -> None:
    for name, data in sample.files.items():
        bits = range(0, 8 * len(data), every)
        noticed = [sample.check(name, sample.flipped(name, bit), f"{name} bit {bit}") for bit in bits]
        # much of a file is unused space; of the rest everything must have been noticed
        if name == max(sample.files, key=lambda file: len(sample.files[file])):
            assert sum(noticed) > len(noticed) // 4


@pytest.mark.parametrize("every", [997, pytest.param(13, marks=pytest.mark.slow)])
def test_a_writer_refuses_a_damaged_ledger_before_it_changes_anything(sample: Sample, every: int) -> None:
    for name in sample.files:
        for bit in range(0, 8 * len(sample.files[name]), every):
            data = sample.flipped(name, bit)
            found, error = sample.read(name, data, Ledger)
            assert found == sample.entries[: len(found)]
            if isinstance(error, DamagedJournal) and not found:
                assert (sample.folder / name).read_bytes() == data
