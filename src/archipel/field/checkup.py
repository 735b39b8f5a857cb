"""The doctor's visit to one cell: its file, ports, certificate, disk, journal, devices and links."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from archipel.drivers import DriverError
from archipel.field import doctor
from archipel.field.cell_file import CellFile, CellFileInvalid, DeviceTable, MeterTable, read_cell_file
from archipel.field.doctor import Finding, bad, look, ok
from archipel.field.permission import Mode
from archipel.field.reach import AT_ONCE, open_driver
from archipel.field.state import fingerprint, read_state
from archipel.journal import Journal, JournalBusy, JournalError, LedgerReader
from archipel.journal.journal import LEDGER


def visit(path: Path) -> Iterator[Finding]:
    """Everything about one cell, running or not. Writes nothing but a trial file beside its journal."""
    try:
        file = read_cell_file(path)
    except CellFileInvalid as error:
        yield bad("cell file", str(error), "Correct the file.")
        return
    yield ok("cell file", f"{file.cell.id}, {len(file.device)} devices, {len(file.neighbour)} neighbours")
    runs, findings = _journal(file)
    yield from findings
    yield doctor.port("transport", file.transport.listen, runs=runs)
    yield doctor.port("status", file.status.listen, runs=runs)
    yield from doctor.certificate(file.certificates, file.cell.id, datetime.now(UTC))
    yield from doctor.disk(file.journal)
    meters = [DeviceTable(f"meter {row.tie}".strip(), "sunspec", row.endpoint) for row in file.meter]
    yield from asyncio.run(_devices(file, meters))
    yield from doctor.links(doctor.fetch_status(file.status.listen) if runs else None, runs=runs)


def _journal(file: CellFile) -> tuple[bool, list[Finding]]:
    """Whether the cell runs, and what its journal says."""
    if not (file.journal / LEDGER).exists():
        return False, [ok("journal", "none yet; the cell never ran")]
    try:
        with Journal(file.journal) as journal:
            entries, readings = journal.verify()
            return False, [ok("journal", f"{entries} entries, {readings} readings"), _mode(journal)]
    except JournalBusy:
        pass
    except JournalError as error:
        return False, [bad("journal", str(error), "archipel journal CELL.toml restore FOLDER, or salvage")]
    try:
        reader = LedgerReader(file.journal / LEDGER)
        try:
            return True, [ok("journal", f"{reader.verify()} entries; the cell runs"), _mode(reader)]
        finally:
            reader.close()
    except JournalError as error:
        return True, [bad("journal", str(error), "Stop the cell; then restore a backup, or salvage.")]


def _mode(ledger: Journal | LedgerReader) -> Finding:
    state = read_state(ledger)
    text = f"{state.mode.value}, {len(state.armed)} devices armed, {len(state.tags)} tags"
    if not state.certain:
        return look("mode", text, "The journal was restored: set tags again, then arm with --tags-checked.")
    return ok("mode", text if state.mode is Mode.ARMED else f"{text}: nothing is written")


async def _devices(file: CellFile, meters: Sequence[DeviceTable | MeterTable]) -> list[Finding]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: DeviceTable) -> Finding:
        about = f"device {row.id}" if row in file.device else row.id
        async with gate:
            try:
                driver = open_driver(row, writable=False, clock=time.monotonic, timeout_s=doctor.PATIENCE_S)
                try:
                    await driver.connect()
                    reading = await driver.read()
                    who = fingerprint(row, driver)
                finally:
                    await driver.close()
            except DriverError as error:
                return bad(about, str(error), "Mend it, or take it out of the file.")
        power = "no power" if reading.p_kw is None else f"{reading.p_kw:.4g} kW"
        text = f"{who}: {power}, {reading.quality.value}"
        return ok(about, text) if reading.quality.value == "good" else look(about, text, "Look at the device.")

    rows = [*file.device, *(row for row in meters if isinstance(row, DeviceTable))]
    return list(await asyncio.gather(*(one(row) for row in rows)))
