"""Charging sessions of a scenario's chargers: their table, and what must be true of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, final

import numpy as np

from archipel.formats.device_rows import ChargerRows, V2gRows
from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.tables import Column, Sheet, read_sheet
from archipel.model import Floats, Ints, Profiles

SESSIONS = (
    Column("charger", "text"),
    Column("start", "text"),
    Column("end", "text"),
    Column("e_kwh", above=0.0, unit="kWh"),
)
V2G_SESSIONS = (*SESSIONS[:3], Column("e_kwh", low=0.0, unit="kWh"), Column("soc_arrival", low=0.0, high=1.0))


@final
@dataclass(frozen=True, slots=True, eq=False)
class SessionSheet:
    """Sessions sorted by charger, then start."""

    sheet: Sheet
    order: Ints
    device: Ints
    start: Ints
    end: Ints

    def number(self, column: str) -> Floats:
        """A column of the table in that order."""
        return np.asarray(self.sheet.numbers[column][self.order])


def read_sessions(
    folder: Path,
    file: str | None,
    name: str,
    columns: tuple[Column, ...],
    chargers: Sheet,
    profiles: Profiles | None,
    toml: str,
    findings: Findings,
) -> SessionSheet | None:
    """The sessions of chargers; None where they cannot be used, with findings that say why."""
    if file is None:
        words = ", ".join(column.name for column in columns)
        findings.add(toml, "[devices]", name, "nothing", "the sessions of the chargers",
                     f"Add {name}, a table with {words}.")  # fmt: skip
        return None
    sheet = read_sheet(folder, file, name, columns, findings)
    if sheet is None or profiles is None:
        return None
    row = {charger: i for i, charger in enumerate(chargers.id)}
    mark = len(findings)
    for i, charger in enumerate(sheet.text["charger"]):
        if charger and charger not in row:
            findings.add(file, name, sheet.id[i], f"charger = {charger!r}", "the id of a charger",
                         did_you_mean(charger, row))  # fmt: skip
    start, end = (_profile_rows(sheet, column, profiles, findings) for column in ("start", "end"))
    if findings.since(mark):
        return None
    device = np.array([row[charger] for charger in sheet.text["charger"]], dtype=np.int64)
    order = np.lexsort((start, device))
    found = SessionSheet(sheet, order, device[order], start[order], end[order])
    _check_sessions(found, findings)
    return found


def read_chargers(sheet: Sheet, node: Ints, told: SessionSheet, findings: Findings) -> ChargerRows:
    """Plain chargers; their columns are checked already."""
    del findings
    return ChargerRows(sheet.id, node, sheet.numbers["p_kw"], told.device, told.start, told.end, told.number("e_kwh"))


def read_v2g(sheet: Sheet, node: Ints, told: SessionSheet, findings: Findings) -> V2gRows:
    """Chargers that give back; findings for sessions that want more than the battery holds."""
    kwh, soc, size = told.number("e_kwh"), told.number("soc_arrival"), sheet.numbers["e_kwh"][told.device]
    over = np.flatnonzero(soc * size + kwh > size * (1.0 + 1e-6))
    findings.add_each(
        told.sheet.file,
        told.sheet.name,
        [
            (told.sheet.id[told.order[i]], f"{kwh[i]:g} kWh on top of {soc[i] * size[i]:g} in {size[i]:g} kWh")
            for i in over
        ],
        "no more than the battery holds",
        "Lower e_kwh or soc_arrival of that session, or raise e_kwh of its charger.",
    )
    plate = dict(sheet.numbers)
    return V2gRows(sheet.id, node, **plate, session_device=told.device, session_start=told.start,
                   session_end=told.end, session_kwh=kwh, session_soc=soc)  # fmt: skip


def _profile_rows(sessions: Sheet, column: str, profiles: Profiles, findings: Findings) -> Any:
    rows = np.zeros(len(sessions), dtype=np.int64)
    for i, text in enumerate(sessions.text[column]):
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            findings.add(sessions.file, sessions.name, sessions.id[i], f"{column} = {text!r}",
                         "a time with its offset, such as 2016-05-26T17:30:00Z", "Append Z for UTC.")  # fmt: skip
            continue
        rows[i] = profiles.row(time)
    return rows


def _check_sessions(told: SessionSheet, findings: Findings) -> None:
    sheet, order, device, start, end = told.sheet, told.order, told.device, told.start, told.end
    backwards = np.flatnonzero(end <= start)
    findings.add_each(sheet.file, sheet.name,
                      [(sheet.id[order[i]], "an end before the start") for i in backwards],
                      "at least a quarter hour", "Exchange start and end.")  # fmt: skip
    overlap = np.flatnonzero((device[1:] == device[:-1]) & (start[1:] < end[:-1])) + 1
    findings.add_each(sheet.file, sheet.name,
                      [(sheet.id[order[i]], "a start before the session before it ended") for i in overlap],
                      "one vehicle at a charger at a time", "Shorten one of the sessions.")  # fmt: skip
