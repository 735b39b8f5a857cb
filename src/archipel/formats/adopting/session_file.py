"""Charging sessions of a file (CSV, or CSV in gzip), such as those of ACN-Data, moved to chargers of a scenario.

A charger repeats the sessions of one station of the file, on the same weekdays and at the same local times, moved by
whole weeks. What is needed of a file: a column for the start, the end, the energy [kWh] and the station.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

from archipel.formats.adopting.local_clock import LocalClock
from archipel.formats.adopting.sessions import Sessions, in_order
from archipel.formats.findings import Findings
from archipel.model import Floats, Ints, ScenarioInvalid

MOST_BYTES = 256 * 2**20
"""Of the text, after it was unpacked."""
COLUMNS = {
    "start": ("start", "connectionstartdatetime", "connectiontime", "arrival"),
    "end": ("end", "connectionenddatetime", "disconnecttime", "departure"),
    "energy": ("e_kwh", "energy", "kwhdelivered", "energy_kwh"),
    "station": ("charger", "chargingstation", "stationid", "station"),
}
WEEK = 7
YEAR_WEEKS = 52
MOST_KWH = 400.0
"""A session of more than any car's battery holds is one in Wh, or a mistake."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class SessionFile:
    """Sessions of a file, by station and start."""

    station: Ints
    day: Ints
    """Local day (proleptic ordinal) and quarter hour of the start."""
    quarter: Ints
    steps: Ints
    """Length in quarter hours."""
    e_kwh: Floats

    def __len__(self) -> int:
        return len(self.station)

    @property
    def stations(self) -> int:
        """How many stations there are."""
        return int(self.station.max()) + 1


def read_session_file(path: Path, zone: str, stamps: str) -> SessionFile:
    """The sessions of a file. Raises ScenarioInvalid with every problem found."""
    findings = Findings()
    place = _place(path.name, zone, findings)
    table = _table(path, findings)
    if table is None or place is None:
        raise ScenarioInvalid(tuple(findings.problems))
    column = {name.lower(): name for name in table.column_names}
    found = {what: next((column[name] for name in names if name in column), "") for what, names in COLUMNS.items()}
    for what, name in found.items():
        if not name:
            findings.add(path.name, "sessions", what, f"the columns {', '.join(table.column_names[:12])}",
                         f"one of {', '.join(COLUMNS[what])}", "Rename the column that holds it.")  # fmt: skip
    if len(findings):
        raise ScenarioInvalid(tuple(findings.problems))
    start, end = (
        _times(path.name, table[found[what]], found[what], place, stamps, findings) for what in ("start", "end")
    )
    energy = _energy(path.name, table[found["energy"]].to_pylist(), found["energy"], findings)
    if len(start) == len(end):
        backwards = [(f"line {i + 2}", "an end before the start") for i in np.flatnonzero(end < start)]
        findings.add_each(path.name, "sessions", backwards, "an end after the start", "Exchange start and end.")
    if not len(start):
        findings.add(path.name, "sessions", "", "no session", "at least one", "Name a file with sessions.")
    if len(findings):
        raise ScenarioInvalid(tuple(findings.problems))
    names = table[found["station"]].to_pylist()
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    station = np.array([number[name] for name in names], dtype=np.int64)
    keep = np.flatnonzero(energy > 0.0)
    order = keep[np.lexsort((start[keep], station[keep]))]
    quarter = start // 900
    steps = np.maximum(np.ceil(end / 900.0).astype(np.int64) - quarter, 1)
    _, dense = np.unique(station[order], return_inverse=True)
    return SessionFile(dense, quarter[order] // 96, quarter[order] % 96, steps[order], energy[order])


def _place(file: str, zone: str, findings: Findings) -> ZoneInfo | None:
    if not zone:
        findings.add(file, "sessions", "--ev-zone", "nothing", "the zone of the place where they were metered",
                     "Name it, such as --ev-zone America/Los_Angeles.")  # fmt: skip
        return None
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        findings.add(
            file, "sessions", "--ev-zone", repr(zone), "a zone of the IANA database", "Write Europe/Berlin or so."
        )
        return None


def _table(path: Path, findings: Findings) -> Any:
    try:
        content = _bounded(path)
        if content is None:
            findings.add(path.name, "", "", f"more than {MOST_BYTES // 2**20} MB of text", "a smaller file",
                         "Cut it into years.")  # fmt: skip
            return None
        content.decode("utf-8")
        return pv.read_csv(pa.BufferReader(content), convert_options=pv.ConvertOptions(strings_can_be_null=False),
                           read_options=pv.ReadOptions(use_threads=False))  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        findings.add(path.name, "", "", f"unreadable text ({reason})", "a CSV table in UTF-8, or that in gzip",
                     "Export it again.")  # fmt: skip
        return None


def _bounded(path: Path) -> bytes | None:
    """The text, unpacked; None where it is longer than any file of sessions."""
    with path.open("rb") as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        return None
    if raw[:2] != b"\x1f\x8b":
        return raw
    unpack = zlib.decompressobj(wbits=31)
    text = unpack.decompress(raw, MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        return None
    if not unpack.eof:
        raise EOFError("the gzip file ends too early")
    return text


def _times(file: str, column: Any, name: str, place: ZoneInfo, stamps: str, findings: Findings) -> Ints:
    """Local seconds since 0001-01-01 of every stamp."""
    values: Iterable[Any] = column.to_pylist()
    local, wrong, naive = [], [], 0
    for i, value in enumerate(values):
        time = value if isinstance(value, datetime) else _parsed(str(value))
        if time is None:
            wrong.append((f"line {i + 2}", f"{name} = {str(value)!r}"))
            continue
        if time.tzinfo is None:
            naive += 1
            time = time.replace(tzinfo=UTC if stamps != "local" else place)
        time = time.astimezone(place)
        local.append(time.toordinal() * 86400 + time.hour * 3600 + time.minute * 60 + time.second)
    findings.add_each(file, "sessions", wrong, "a time such as 2016-05-26T17:30:00Z", "Correct the stamp.")
    if naive and not stamps:
        findings.add(file, "sessions", name, f"{naive:,} stamps without an offset", "to be told what they are",
                     "Say --ev-stamps utc or --ev-stamps local.")  # fmt: skip
    return np.array(local, dtype=np.int64)


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _energy(file: str, values: list[Any], name: str, findings: Findings) -> Floats:
    numbers = np.array([value if isinstance(value, int | float) else np.nan for value in values], dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers) | (numbers < 0.0) | (numbers > MOST_KWH))
    findings.add_each(file, "sessions", [(f"line {i + 2}", f"{name} = {values[i]!r}") for i in wrong],
                      f"kWh of one session, 0 to {MOST_KWH:g}", "Give kWh; divide Wh by 1000.")  # fmt: skip
    return numbers


def spread_sessions(
    file: SessionFile, p_kw: Floats, clock: LocalClock, rng: np.random.Generator
) -> tuple[Sessions, int]:
    """Sessions for chargers of a rating, and how many were cut to what a charger gives.

    Every charger takes a year of the sessions of a station that is drawn, beginning with a week that is drawn.
    """
    first = clock.days[0]
    monday = (7 - first.weekday()) % 7 - 7  # local day, maybe before the first, on which a week begins
    midnight = np.r_[clock.midnights()]
    week = (file.day - 1) // WEEK  # ordinal 1 was a Monday
    parts: list[tuple[Ints, Ints, Ints, Floats]] = []
    for k in range(len(p_kw)):
        at = np.flatnonzero(file.station == int(rng.integers(file.stations)))
        begin = int(week[at].min())
        weeks = max(min(int(week[at].max()) - begin + 1, YEAR_WEEKS), 1)
        turn = int(rng.integers(YEAR_WEEKS))
        at = at[week[at] - begin < weeks]
        for copy in range(-(-YEAR_WEEKS // weeks)):
            to_week = (week[at] - begin + copy * weeks + turn) % YEAR_WEEKS
            for year in range(-(-len(clock.days) // (YEAR_WEEKS * WEEK))):
                day = monday + WEEK * (to_week + year * YEAR_WEEKS) + (file.day[at] - 1) % WEEK
                inside = (day >= 0) & (day < len(clock.days)) & (copy * weeks + week[at] - begin < YEAR_WEEKS)
                start = midnight[np.where(inside, day, 0)] + file.quarter[at]
                parts.append(
                    (np.full(inside.sum(), k), start[inside], (start + file.steps[at])[inside], file.e_kwh[at][inside])
                )
    device, start, end, e_kwh = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    sessions = in_order(device.astype(np.int64), start, end, e_kwh, p_kw, len(clock))
    return sessions, int((e_kwh > p_kw[device] * (end - start) * 0.25).sum())
