"""What a person does when a journal is gone or damaged: restore a backup, or salvage what is sound."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from archipel.journal.chain import sound_entries
from archipel.journal.entry import Kind, time_text
from archipel.journal.errors import DamagedJournal, JournalTooNew, JournalUnavailable
from archipel.journal.journal import LEDGER, MEASUREMENTS, Journal
from archipel.journal.ledger import Ledger
from archipel.journal.measurements import LADDER, Measurements
from archipel.journal.reading import EPOCH, Reading, read_values, sum_of, text_of
from archipel.journal.store import Lock, Store
from archipel.journal.witness import read_witness, sync, witness_path

_AT_ONCE = 1000


@final
@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a salvage found and kept."""

    file: str
    why: str
    """What was wrong."""
    kept: int
    """Entries or readings that are sound."""
    acknowledged: int | None
    """Entries that were acknowledged, when anything still says so; None for readings."""
    folder: Path
    """Where a copy of the damaged files lies now."""


def restore(backup: Path, folder: Path, *, time: datetime) -> int:
    """Make a journal in `folder` from a backup; returns its number of entries, the last one says so.

    What was acknowledged after the backup is lost: the cell must treat agreements it no longer holds as lapsed.

    Raises:
        DamagedJournal: the backup itself is damaged; `folder` is left as it was.
        JournalUnavailable: `folder` holds a journal already, or the disk did not take it.
    """
    for name in (LEDGER, MEASUREMENTS):
        if (folder / name).exists():
            raise JournalUnavailable(folder / name, "there is a journal in this folder already; move it away first")
    with _workshop(folder) as built:
        for name in (LEDGER, MEASUREMENTS):
            for path in (witness_path(backup / name), backup / name):
                shutil.copyfile(path, built / path.name)
        with Journal(built) as journal:
            seq, _ = journal.verify()
            body = {"backup": backup.name, "entries": seq}
            journal.ledger.stage(Kind.RESTORED, f"{seq + 1}", body, time=time)
            seq = journal.commit()
        _install(built, folder, (LEDGER, MEASUREMENTS))
    return seq


def salvage(folder: Path, *, time: datetime) -> tuple[Salvaged, ...]:
    """Keep what is sound of a damaged journal and keep a copy of the damaged files in a folder beside it.

    Of a ledger that is every entry before the first damaged one, with the same hashes; an entry is added that says
    what was lost. Of measurements it is every sound reading. An undamaged file is left as it is.

    Raises:
        JournalBusy: a process writes it; JournalUnavailable: the disk did not take it.
    """
    stamp = time_text(time, "salvage").replace(":", "")
    try:
        lock = Lock(folder)
    except OSError as error:
        raise JournalUnavailable(folder / LEDGER, f"its folder cannot be written ({error.strerror})") from error
    try:
        found = [
            _salvage(folder / LEDGER, stamp, _trouble(Ledger, folder / LEDGER), _keep_entries, time),
            _salvage(folder / MEASUREMENTS, stamp, _trouble(Measurements, folder / MEASUREMENTS), _keep_readings, time),
        ]
    finally:
        lock.release()
    if found[1] is not None:
        with Journal(folder) as journal:
            _note(journal.ledger, found[1], time)
    return tuple(salvaged for salvaged in found if salvaged is not None)


def _trouble(kind: type[Ledger | Measurements], path: Path) -> str:
    """What is wrong with a file; empty when nothing is."""
    try:
        opened = kind(path)
        try:
            opened.verify()
        finally:
            opened.close()
    except DamagedJournal as error:
        return error.why
    return ""


def _salvage(
    path: Path, stamp: str, why: str, keep: Callable[[Path, Path, Salvaged, datetime], Salvaged], time: datetime
) -> Salvaged | None:
    if not why:
        return None
    mark = read_witness(path) if path.name == LEDGER else None
    with _workshop(path.parent) as built:
        aside = _copy_aside(path, stamp)
        salvaged = Salvaged(path.name, why, 0, mark.count if mark else None, aside)
        salvaged = keep(aside / path.name, built / path.name, salvaged, time)
        _install(built, path.parent, (path.name,))
    return salvaged


def _keep_entries(damaged: Path, new: Path, salvaged: Salvaged, time: datetime) -> Salvaged:
    ledger = Ledger(new)
    try:
        for entry in sound_entries(damaged):
            ledger.stage(entry.kind, entry.key, entry.body, time=entry.time)
            if entry.seq % _AT_ONCE == 0:
                ledger.commit()
        salvaged = replace(salvaged, kept=ledger.commit())
        _note(ledger, salvaged, time)
    finally:
        ledger.close()
    return salvaged


def _keep_readings(damaged: Path, new: Path, salvaged: Salvaged, time: datetime) -> Salvaged:
    del time
    measurements = Measurements(new)
    try:
        for number, reading in enumerate(sound_readings(damaged), start=1):
            measurements.measure(reading)
            if number % _AT_ONCE == 0:
                measurements.commit()
        measurements.commit()
        return replace(salvaged, kept=measurements.count)
    finally:
        measurements.close()


def _note(ledger: Ledger, salvaged: Salvaged, time: datetime) -> None:
    """Say in the ledger what was lost."""
    body = {
        "acknowledged": salvaged.acknowledged,
        "file": salvaged.file,
        "kept": salvaged.kept,
        "copied_to": salvaged.folder.name,
        "why": salvaged.why,
    }
    ledger.stage(Kind.SALVAGED, f"{ledger.seq + 1}/{salvaged.file}", body, time=time)
    ledger.commit()


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A folder on the same disk to build new files in; it is empty at the start and gone at the end."""
    built = folder / "mending"
    try:
        shutil.rmtree(built, ignore_errors=True)
        built.mkdir(parents=True)
        yield built
        shutil.rmtree(built)
    except OSError as error:
        raise JournalUnavailable(folder / LEDGER, f"its files cannot be copied ({error})") from error


def _copy_aside(path: Path, stamp: str) -> Path:
    number, aside = 1, path.parent / f"damaged-{stamp}-{path.stem}"
    while aside.exists():
        number += 1
        aside = path.parent / f"damaged-{stamp}-{path.stem}-{number}"
    aside.mkdir()
    for part in (path, _beside(path, "wal"), witness_path(path)):
        if part.exists():
            shutil.copyfile(part, aside / part.name)
            sync(aside / part.name)
    sync(aside)
    return aside


def _install(built: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Put new files in the place of old ones, so that after a crash at any point the journal calls itself damaged.

    The new witnesses go first and contradict whatever is there; the old logs go before the new files come, because
    SQLite would play an old log into a new file.
    """
    for name in names:
        sync(built / name)
        witness_path(built / name).replace(witness_path(folder / name))
    sync(folder)
    for name in names:
        _beside(folder / name, "wal").unlink(missing_ok=True)
        _beside(folder / name, "shm").unlink(missing_ok=True)
    sync(folder)
    for name in reversed(names):
        (built / name).replace(folder / name)
    sync(folder)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}-{what}")


def sound_readings(path: Path) -> Iterator[Reading]:
    """Readings of a damaged file that are as they were written, as far as pages can be read from either end."""
    try:
        store = Store(path, LADDER, read_only=True, checked=False)
    except (DamagedJournal, JournalTooNew):
        return
    try:
        for order in ("ASC", "DESC"):
            yield from _sound_run(store, order)
    finally:
        store.close()


def _sound_run(store: Store, order: str) -> Iterator[Reading]:
    sql = "SELECT kind, time_us, source, record, sum FROM reading ORDER BY kind {0}, time_us {0}, source {0}"
    try:
        with store.meaning():
            for row in store.connection.execute(sql.format(order)):
                reading = _sound_reading(row)
                if reading is not None:
                    yield reading
    except DamagedJournal:
        return  # damage begins here, seen from this end


def _sound_reading(row: tuple[Any, ...]) -> Reading | None:
    try:
        kind, time_us, source, record = text_of(row[0]), row[1], text_of(row[2]), text_of(row[3])
        if row[4] != sum_of(kind, time_us, source, record):
            return None
        return Reading(EPOCH + timedelta(microseconds=time_us), kind, source, read_values(record))
    except (TypeError, ValueError, OverflowError):
        return None
