"""Shiftable appliances of a scenario: runs and windows as text, what must be true of them, and their fleet."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from archipel.devices import ApplianceFleet
from archipel.formats.device_rows import ApplianceRows
from archipel.formats.findings import Findings
from archipel.formats.tables import LARGEST, Sheet

DAY = 96


def run_of(text: str) -> tuple[float, ...] | None:
    """The powers of a run [kW], one per quarter hour; None where they are none."""
    try:
        run = tuple(float(word) for word in text.split())
    except ValueError:
        return None
    good = 0 < len(run) <= DAY and all(0.0 <= power < LARGEST for power in run)
    return run if good and run[0] > 0.0 and run[-1] > 0.0 else None


def clock_of(text: str) -> int | None:
    """Quarter hours since midnight UTC of a time such as 09:15; None where it is none."""
    hour, _, minute = text.partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and len(hour) <= 2 and len(minute) == 2):
        return None
    good = int(hour) < 24 and int(minute) in {0, 15, 30, 45}
    return 4 * int(hour) + int(minute) // 15 if good else None


def check_appliances(sheet: Sheet, findings: Findings) -> None:
    """Findings for runs and windows that are none, and for runs that meet the next day's."""
    for i, name in enumerate(sheet.id):
        run = run_of(sheet.text["run_kw"][i])
        if run is None and sheet.text["run_kw"][i]:
            findings.add(sheet.file, sheet.name, name, f"run_kw = {sheet.text['run_kw'][i]!r}",
                         "powers in kW with blanks between them, one per quarter hour, first and last above 0",
                         "Write for instance 0.1 2.0 2.0 0.3.")  # fmt: skip
        times = {column: clock_of(sheet.text[column][i]) for column in ("earliest", "latest")}
        for column, row in times.items():
            if row is None and sheet.text[column][i]:
                findings.add(sheet.file, sheet.name, name, f"{column} = {sheet.text[column][i]!r}",
                             "a time of day in UTC on a quarter hour, such as 09:15",
                             "Round it, without a zone.")  # fmt: skip
        first, last = times["earliest"], times["latest"]
        if run is not None and first is not None and last is not None and (last - first) % DAY + len(run) > DAY:
            findings.add(sheet.file, sheet.name, name, f"a run of {len(run) / 4:g} h that may start at "
                         f"{sheet.text['latest'][i]}", f"an end before {sheet.text['earliest'][i]} of the next day",
                         "Move latest nearer to earliest.")  # fmt: skip


def appliance_fleet(rows: ApplianceRows, start: datetime) -> ApplianceFleet:
    """The fleet for series that start at `start` (UTC)."""
    runs = [run_of(text) or (0.0,) for text in rows.run_kw]
    run_kw = np.zeros((len(runs), max(map(len, runs), default=1)))
    for i, run in enumerate(runs):
        run_kw[i, : len(run)] = run
    offset = 4 * start.hour + start.minute // 15
    begin, last = (np.array([clock_of(text) or 0 for text in column], dtype=np.int64)
                   for column in (rows.earliest, rows.latest))  # fmt: skip
    return ApplianceFleet(
        rows.id, rows.node, run_kw, np.array([len(run) for run in runs], dtype=np.int64), (begin - offset) % DAY,
        (last - begin) % DAY,
    )  # fmt: skip
