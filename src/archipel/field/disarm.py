"""Disarming: a cell goes into shadow and its devices return to their own defaults. Nothing blocks it.

    the cell runs and answers within 2 s   it disarms itself and says what became of every device
    it runs and does not answer            the command waits for it; the devices are released from here
    it does not run                        its journal is written from here, the devices are released from here
    its file, journal or disk is broken    the devices that can be read from the file are released all the same

Switches with a safety tag are left as they are, and every switch where tags cannot be known.
"""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import final

from archipel.field import operator
from archipel.field.cell_file import CellFile, CellFileInvalid, read_cell_file
from archipel.field.operator import Command, NotAnswered
from archipel.field.permission import FieldState, Mode
from archipel.field.reach import Released, release_all, rows_of
from archipel.field.state import read_state
from archipel.journal import Journal, JournalBusy, JournalError, LedgerReader
from archipel.journal.journal import LEDGER

WAIT_S = 2.0
"""How long a running cell is waited for."""
CELLS_AT_ONCE = 16


@final
@dataclass(slots=True)
class Disarmed:
    """What became of one cell."""

    path: Path
    cell: str = ""
    devices: list[Released] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What a person must look after."""

    @property
    def well(self) -> bool:
        """Whether it is in shadow and every device was reached."""
        return not self.troubles and all(device.reached for device in self.devices)


def cell_files(folder: Path) -> Iterator[Path]:
    """Files below a folder that are cell files, or might be one if they could be read."""
    for path in sorted(folder.rglob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            yield path
            continue
        if isinstance(tables.get("cell"), dict):
            yield path


def disarm_all(paths: Collection[Path], who: str, now: datetime) -> list[Disarmed]:
    """Disarm these cells, several at a time. Never raises what one of them is the cause of."""
    with ThreadPoolExecutor(max(1, min(CELLS_AT_ONCE, len(paths)))) as pool:
        return list(pool.map(lambda path: disarm(path, who, now), paths))


def disarm(path: Path, who: str, now: datetime, *, wait_s: float = WAIT_S) -> Disarmed:
    """Disarm one cell; see above."""
    found = Disarmed(path)
    try:
        file = read_cell_file(path)
    except CellFileInvalid as error:
        found.troubles.append(f"{path.name}: {error}")
        return _release(found, path, None)
    found.cell = file.cell.id
    if not (file.journal / LEDGER).exists():
        return _release(found, path, ())
    try:
        return _decide(found, file, who, now, wait_s)
    except (JournalError, OSError) as error:
        found.troubles.append(f"{file.cell.id}: its journal does not say that it is disarmed: {error}")
        return _release(found, path, None)


def _decide(found: Disarmed, file: CellFile, who: str, now: datetime, wait_s: float) -> Disarmed:
    command = Command(operator.DISARM, who)
    try:
        journal = Journal(file.journal)
    except JournalBusy:
        return _ask(found, file, command, wait_s)
    with journal:
        spared = _spared(read_state(journal))
        operator.carry_out(file, journal, command, now=now, wall=now)
        # while the journal is held the cell cannot start and order anew
        return _release(found, file.path, spared)


def _ask(found: Disarmed, file: CellFile, command: Command, wait_s: float) -> Disarmed:
    before = _seen(file)
    try:
        answer = operator.submit(file.folder, command, wait_s=wait_s)
    except NotAnswered as error:
        found.troubles.append(str(error))
        return _release(found, file.path, _spared(before))
    # a cell in shadow writes nothing: what somebody else left at its devices is ended from here
    if answer.done and before is not None and before.mode is Mode.ARMED and not any(answer.devices.values()):
        found.devices = [Released(name, True, "released by its cell") for name in answer.devices]
        return found
    if not answer.done:
        found.troubles.append(f"{file.cell.id}: {answer.text}")
    return _release(found, file.path, _spared(before))


def _seen(file: CellFile) -> FieldState | None:
    """The state as the journal of a running cell shows it; None when it cannot be read."""
    try:
        reader = LedgerReader(file.journal / LEDGER)
        try:
            return read_state(reader)
        finally:
            reader.close()
    except JournalError:
        return None


def _spared(state: FieldState | None) -> Collection[str] | None:
    """Tagged elements; None when they cannot be known."""
    return state.tags if state is not None and state.certain else None


def _release(found: Disarmed, path: Path, spared: Collection[str] | None) -> Disarmed:
    try:
        rows = rows_of(path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return found  # said already, and no device is known
    found.devices = asyncio.run(release_all(rows, spared, time.monotonic))
    return found
