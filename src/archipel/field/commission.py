"""Commissioning: every device of a cell is tried, one after the other, and the cell signs what was found.

The cell must not be armed. Devices that cannot be tried now (a panel at night, a charger without a car) or that have a
safety tag are listed and stay unarmed: arming is per device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from archipel.drivers import DriverError
from archipel.field.cell_file import CellFile, DeviceTable
from archipel.field.permission import FieldState, Mode
from archipel.field.reach import open_driver
from archipel.field.report import Report, body_of, check_report, write_report
from archipel.field.state import OperatorRefused, fingerprint, identity_of
from archipel.field.trial import FAILED, NOT_NOW, Outcome, Time, Timing, trial

Progress = Callable[[str, int, int], None]
"""Told a device's id, seconds spent on it and the most that they will be."""

__all__ = ["Progress", "Report", "check_report", "commission", "write_report"]


async def commission(
    file: CellFile,
    state: FieldState,
    *,
    wall: datetime,
    software: str,
    clock: Time,
    timing: Timing | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Try every device; returns the content of the report, to be written by `write_report`.

    Args:
        file: The cell's.
        state: What its operators decided.
        wall: UTC of the host.
        software: Version that does it.
        clock: Seconds of the devices' time.
        timing: How long to wait.
        progress: Told how far each device is.

    Raises:
        OperatorRefused: the cell is armed, or there is nothing to commission.
    """
    if state.mode is Mode.ARMED:
        raise OperatorRefused(
            f"commission: {file.cell.id} is armed; its orders would disturb the trial. "
            f"First: archipel disarm {file.path.name}"
        )
    if not file.device:
        raise OperatorRefused(f"commission: found no [[device]] in {file.path.name}; there is nothing to commission.")
    timing = timing or Timing()
    rows = [await _tried(row, state, timing, clock, progress) for row in file.device]
    return body_of(file, wall, software, rows)


async def _tried(
    row: DeviceTable, state: FieldState, timing: Timing, clock: Time, progress: Progress | None
) -> dict[str, Any]:
    outcome, mark, identity = Outcome(), "", dict.fromkeys(("maker", "model", "serial"), "")
    driver = open_driver(row, writable=True, clock=clock.now_s)
    total = round(timing.lease_s + timing.return_s)

    def watch(spent_s: float, most_s: float) -> None:
        if progress is not None:
            progress(row.id, min(round(total * spent_s / most_s), total - 1), total)

    try:
        if row.id in state.tags:
            outcome.why = f"it has a safety tag: {state.tags[row.id].why}"
        else:
            await driver.connect()
            mark, identity = fingerprint(row, driver), identity_of(driver)
            outcome = await trial(driver, timing, clock, watch)
    except DriverError as error:
        # it answered before and fails now, or it never did
        outcome = Outcome(outcome.kind, verdict=FAILED if mark else NOT_NOW, why=str(error))
    finally:
        await driver.close()
    if progress is not None:
        progress(row.id, total, total)
    return {**asdict(row), "identity": identity, "fingerprint": mark, **asdict(outcome)}
